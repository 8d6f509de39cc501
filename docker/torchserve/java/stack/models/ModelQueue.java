package stack.models;

import com.google.gson.JsonObject;
import java.lang.reflect.Field;
import java.net.HttpURLConnection;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.LinkedBlockingDeque;
import java.util.concurrent.TimeUnit;
import org.pytorch.serve.archive.model.ModelVersionNotFoundException;
import org.pytorch.serve.http.ServiceUnavailableException;
import org.pytorch.serve.job.Job;
import org.pytorch.serve.job.RestJob;
import org.pytorch.serve.wlm.Model;
import org.pytorch.serve.wlm.ModelManager;
import stack.metrics.ModelMetrics;

/**
 * Takes the place of TorchServe's own queue in a model. A full queue says so to the client. If the snapshot marks the
 * model `greedy`, it batches without waiting: a batch is what lies in the queue, and a lone request goes at once.
 *
 * <p>TorchServe's Model.pollBatch blocks for a batch's first request, then waits up to maxBatchDelay, at least 1 ms, for
 * each further one. When TorchServe's own queue is full, the client is told that there is no worker.
 */
final class ModelQueue extends LinkedBlockingDeque<Job> {
  private static final long serialVersionUID = 1L;

  // The time of queueing, in microseconds since 1970: the worker's spans begin there (worker/batch_spans.py).
  private static final String QUEUED = "x-stack-queued";
  private static final boolean IS_TRACED = !System.getenv().getOrDefault("OTEL_EXPORTER_OTLP_ENDPOINT", "").isEmpty();

  private final transient ModelMetrics metrics;
  // The number of requests in the batch that this worker's thread took last.
  private final transient ThreadLocal<Integer> taken = ThreadLocal.withInitial(() -> 0);
  private final int capacity;
  private final boolean greedy;

  private ModelQueue(Model model, int capacity, boolean greedy) {
    super(capacity);
    this.metrics = ModelMetrics.of(model);
    this.capacity = capacity;
    this.greedy = greedy;
  }

  /** Replaces TorchServe's queue of a version, once; does nothing while the version is not registered. */
  static void replace(String name, String version, JsonObject settings) {
    try {
      Model model = ModelManager.getInstance().getModel(name, version);
      if (model != null) {
        boolean greedy = settings.has("greedy");
        queuesOf(model)
            .computeIfPresent(
                Model.DEFAULT_DATA_QUEUE,
                (key, queue) ->
                    queue instanceof ModelQueue ? queue : new ModelQueue(model, queue.remainingCapacity(), greedy));
      }
    } catch (ModelVersionNotFoundException notYet) {
      return;
    } catch (ReflectiveOperationException | ClassCastException error) {
      throw new IllegalStateException("expected Model.jobsDb of TorchServe 0.12.0, found " + error, error);
    }
  }

  /** Answers the requests that still wait for a model that was removed. */
  static void empty(Model model, String reason) throws ReflectiveOperationException {
    List<Job> waiting = new ArrayList<>();
    queuesOf(model).get(Model.DEFAULT_DATA_QUEUE).drainTo(waiting);
    waiting.forEach(job -> job.sendError(HttpURLConnection.HTTP_UNAVAILABLE, reason));
  }

  @SuppressWarnings("unchecked")
  private static Map<String, LinkedBlockingDeque<Job>> queuesOf(Model model) throws ReflectiveOperationException {
    Field field = Model.class.getDeclaredField("jobsDb");
    field.setAccessible(true);
    return (Map<String, LinkedBlockingDeque<Job>>) field.get(model);
  }

  /** A greedy queue blocks for a batch's first request only, for which TorchServe waits without a limit. */
  @Override
  public Job poll(long timeout, TimeUnit unit) throws InterruptedException {
    boolean first = timeout == Long.MAX_VALUE;
    if (first) {
      batchEnded();
    }
    Job job = greedy && !first ? super.poll() : super.poll(timeout, unit);
    if (job != null) {
      taken.set(taken.get() + 1);
    }
    return job;
  }

  /** A thread that asks for the next batch has finished the one before. */
  private void batchEnded() {
    int size = taken.get();
    if (size > 0 && ModelMetrics.ARE_ON) {
      metrics.batched(size);
    }
    taken.set(0);
  }

  /** Refuses a request over HTTP by an exception with our text; gRPC does not handle it, and gets TorchServe's text. */
  @Override
  public boolean offer(Job job) {
    if (IS_TRACED) {
      job.getPayload().updateHeaders(QUEUED, Long.toString(ChronoUnit.MICROS.between(Instant.EPOCH, Instant.now())));
    }
    boolean fits = super.offer(MeasuredJob.measured(job, metrics));
    if (!fits && job instanceof RestJob) {
      throw new ServiceUnavailableException(
          String.format(
              "expected room in the queue of %s, found all of its %d places taken; try again soon",
              job.getModelName(), capacity));
    }
    if (!fits) {
      MeasuredJob.refused(job, metrics);
    }
    return fits;
  }
}
