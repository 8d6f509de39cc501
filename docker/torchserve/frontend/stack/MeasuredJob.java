package stack;

import java.util.Map;
import java.util.Set;
import org.pytorch.serve.job.GRPCJob;
import org.pytorch.serve.job.Job;
import org.pytorch.serve.util.messages.RequestInput;
import org.pytorch.serve.util.messages.WorkerCommands;

/** A job of TorchServe's in a model's queue, its time there and in the worker measured, and passed on in the answer. */
final class MeasuredJob extends Job {
  static final String TIMING = "Server-Timing";
  private static final Set<WorkerCommands> PREDICTIONS =
      Set.of(
          WorkerCommands.PREDICT,
          WorkerCommands.STREAMPREDICT,
          WorkerCommands.STREAMPREDICT2,
          WorkerCommands.OIPPREDICT);

  private final Job job;
  private final Series series;
  private final boolean overGrpc;

  private MeasuredJob(Job job, Series series) {
    super(job.getModelName(), job.getModelVersion(), job.getCmd(), job.getPayload());
    this.job = job;
    this.series = series;
    this.overGrpc = job instanceof GRPCJob;
    if (overGrpc) { // those over HTTP are counted where they come in (Exchange), with what never gets here
      series.arrived();
    }
  }

  /** Where it is one that a client waits for. */
  static Job measured(Job job, Series series) {
    return Series.ARE_ON && PREDICTIONS.contains(job.getCmd()) ? new MeasuredJob(job, series) : job;
  }

  /** gRPC's own words for a queue without room follow; the job has never been in it. */
  static void refused(Job job, Series series) {
    if (Series.ARE_ON && job instanceof GRPCJob) {
      series.answeredGrpc(503, 0);
    }
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
      series.queued(waited);
      series.worked(timing);
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
    if (overGrpc) {
      series.left();
      series.answeredGrpc(status, System.nanoTime() - getBegin());
    }
  }

  /** With three decimals; String.format takes longer than all the rest. */
  private static String milliseconds(long nanos) {
    long micros = nanos / 1000;
    String decimals = Long.toString(1000 + micros % 1000).substring(1);
    return micros / 1000 + "." + decimals;
  }
}
