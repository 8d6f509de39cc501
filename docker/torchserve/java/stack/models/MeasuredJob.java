package stack.models;

import java.util.Map;
import java.util.Set;
import org.pytorch.serve.job.GRPCJob;
import org.pytorch.serve.job.Job;
import org.pytorch.serve.util.messages.RequestInput;
import org.pytorch.serve.util.messages.WorkerCommands;
import stack.metrics.ModelMetrics;

/** Wraps a job in a model's queue, measures its time there and in the worker, and adds both to the answer. */
final class MeasuredJob extends Job {
  static final String TIMING = "Server-Timing";
  private static final Set<WorkerCommands> PREDICTIONS =
      Set.of(
          WorkerCommands.PREDICT,
          WorkerCommands.STREAMPREDICT,
          WorkerCommands.STREAMPREDICT2,
          WorkerCommands.OIPPREDICT);

  private final Job job;
  private final ModelMetrics metrics;
  private final boolean overGrpc;
  private Runnable whenAnswered = () -> {};

  private MeasuredJob(Job job, ModelMetrics metrics) {
    super(job.getModelName(), job.getModelVersion(), job.getCmd(), job.getPayload());
    this.job = job;
    this.metrics = metrics;
    this.overGrpc = job instanceof GRPCJob;
    if (overGrpc) { // ConnectionHandler counts HTTP requests on arrival, including refused ones
      metrics.arrived();
    }
  }

  /** Wraps the job; returns the job itself if it is not a prediction or nothing is counted. */
  static Job measured(Job job, ModelMetrics metrics) {
    return ModelMetrics.ARE_ON && PREDICTIONS.contains(job.getCmd()) ? new MeasuredJob(job, metrics) : job;
  }

  /** Counts a gRPC job that found the queue full; TorchServe answers it. */
  static void refused(Job job, ModelMetrics metrics) {
    if (ModelMetrics.ARE_ON && job instanceof GRPCJob) {
      metrics.answeredGrpc(503, 0);
    }
  }

  /** Sets the action (replacing an earlier one) to run once the job is answered or refused. */
  void whenAnswered(Runnable action) {
    whenAnswered = action;
  }

  @Override
  public void setScheduled() {
    super.setScheduled();
    job.setScheduled();
  }

  @Override
  public void response(byte[] body, CharSequence type, int status, String phrase, Map<String, String> headers) {
    boolean more = "true".equals(headers.get(RequestInput.TS_STREAM_NEXT));
    String timing = headers.get(TIMING);
    if (more || timing == null) {
      job.response(body, type, status, phrase, headers);
    } else {
      long waited = getScheduled() - getBegin();
      metrics.queued(waited);
      metrics.worked(timing);
      headers.put(TIMING, "queue;dur=" + milliseconds(waited) + ", " + timing);
      job.response(body, type, status, phrase, headers);
    }
    if (!more) {
      ended(status);
    }
  }

  @Override
  public void sendError(int status, String error) {
    job.sendError(status, error);
    ended(status);
  }

  @Override
  public boolean isOpen() {
    return job.isOpen();
  }

  private void ended(int status) {
    whenAnswered.run();
    if (overGrpc) {
      metrics.left();
      metrics.answeredGrpc(status, System.nanoTime() - getBegin());
    }
  }

  /** Formats with three decimals, but without String.format, which takes longer than everything else here. */
  private static String milliseconds(long nanos) {
    long micros = nanos / 1000;
    String decimals = Long.toString(1000 + micros % 1000).substring(1);
    return micros / 1000 + "." + decimals;
  }
}
