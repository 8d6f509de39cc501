package stack.models;

import com.google.gson.JsonObject;
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
import org.pytorch.serve.util.messages.RequestInput;
import org.pytorch.serve.util.messages.WorkerCommands;
import org.pytorch.serve.wlm.Model;
import org.pytorch.serve.wlm.ModelManager;
import stack.metrics.ModelMetrics;

/**
 * Takes the place of TorchServe's own queue in a model. A full queue says so to the client. If the snapshot marks the
 * model `greedy`, it batches without waiting: a batch is what lies in the queue, and a lone request goes at once. A queue
 * can be handed over to another one, and its workers end.
 *
 * <p>TorchServe's Model.pollBatch blocks for a batch's first request, then waits up to maxBatchDelay, at least 1 ms, for
 * each further one. When TorchServe's own queue is full, the client is told that there is no worker.
 */
final class ModelQueue extends LinkedBlockingDeque<Job> {
  private static final long serialVersionUID = 1L;

  // The time of queueing, in microseconds since 1970: the worker's spans begin there (worker/batch_spans.py).
  private static final String QUEUED = "x-stack-queued";
  private static final boolean IS_TRACED = !System.getenv().getOrDefault("OTEL_EXPORTER_OTLP_ENDPOINT", "").isEmpty();
  private static final String HANDED_OVER = "the queue was handed over";
  // Wakes the worker that waits in a queue that is handed over; no worker computes it.
  private static final Job WAKE = new RestJob(null, "", "", WorkerCommands.STATS, new RequestInput("wake"));

  private final transient ModelMetrics metrics;
  // The number of requests in the batch that this worker's thread took last.
  private final transient ThreadLocal<Integer> taken = ThreadLocal.withInitial(() -> 0);
  private final int capacity;
  private final boolean greedy;
  // The queue that this one was handed over to, or null.
  private transient volatile ModelQueue successor;

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
      if (model != null && !(queuesOf(model).get(Model.DEFAULT_DATA_QUEUE) instanceof ModelQueue)) {
        install(model, settings);
      }
    } catch (ModelVersionNotFoundException notYet) {
      return;
    }
  }

  /** Replaces TorchServe's queue of a model, as long as it and returned; settings: as in the snapshot. */
  static ModelQueue install(Model model, JsonObject settings) {
    int capacity = model.getJobQueueRemainingCapacity();
    ModelQueue queue = new ModelQueue(model, capacity, settings.has("greedy"));
    queuesOf(model).put(Model.DEFAULT_DATA_QUEUE, queue);
    return queue;
  }

  /** The queue of a model whose own one was replaced. */
  static ModelQueue of(Model model) {
    return (ModelQueue) queuesOf(model).get(Model.DEFAULT_DATA_QUEUE);
  }

  /** Answers the requests that still wait for a model that was removed. */
  static void empty(Model model, String reason) {
    List<Job> waiting = new ArrayList<>();
    of(model).drainTo(waiting);
    waiting.forEach(job -> job.sendError(HttpURLConnection.HTTP_UNAVAILABLE, reason));
  }

  private static Map<String, LinkedBlockingDeque<Job>> queuesOf(Model model) {
    return Internals.get(model, "jobsDb");
  }

  /**
   * Moves what waits here, and whatever still comes, to `next`; the workers of this queue end as they ask for a batch.
   * seconds: how long a request may wait for room there, if it is the smaller one.
   */
  void handOver(ModelQueue next, int seconds) throws InterruptedException {
    successor = next;
    List<Job> waiting = new ArrayList<>();
    drainTo(waiting);
    super.offer(WAKE); // for the one that waits now: TorchServe lets a model's workers wait one at a time
    for (Job job : waiting) {
      if (!next.offerLast(job, seconds, TimeUnit.SECONDS)) {
        job.sendError(HttpURLConnection.HTTP_UNAVAILABLE, next.refusal(job));
      }
    }
  }

  /**
   * A greedy queue blocks for a batch's first request only, for which TorchServe waits without a limit. Once the queue is
   * handed over, that throws InterruptedException, at which a worker ends: it has no request in hand.
   */
  @Override
  public Job poll(long timeout, TimeUnit unit) throws InterruptedException {
    boolean first = timeout == Long.MAX_VALUE;
    if (first) {
      batchEnded();
    }
    if (first && successor != null) {
      throw new InterruptedException(HANDED_OVER);
    }
    Job job = greedy && !first ? super.poll() : super.poll(timeout, unit);
    if (job == WAKE && first) {
      throw new InterruptedException(HANDED_OVER);
    }
    if (job == null || job == WAKE) {
      return null;
    }
    taken.set(taken.get() + 1);
    return job;
  }

  /** Continuous batching adds to a batch by it. */
  @Override
  public Job poll() {
    Job job = super.poll();
    return job == WAKE ? null : job;
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
    boolean fits = enqueue(MeasuredJob.measured(job, metrics));
    if (!fits && job instanceof RestJob) {
      throw new ServiceUnavailableException(refusal(job));
    }
    if (!fits) {
      MeasuredJob.refused(job, metrics);
    }
    return fits;
  }

  /** Adds the job here or, once this queue is handed over, to its successor; returns whether there was room. */
  private boolean enqueue(Job job) {
    boolean fits = successor == null && super.offer(job);
    ModelQueue next = successor;
    boolean missed = next != null && (!fits || super.remove(job)); // it came too late to be handed over with the others
    return missed ? next.enqueue(job) : fits;
  }

  /** TorchServe returns a request by it that a worker has taken and does not compute. */
  @Override
  public void addFirst(Job job) {
    ModelQueue next = successor;
    if (next != null) {
      next.addFirst(job);
      return;
    }
    super.addFirst(job);
    if (successor != null && super.remove(job)) {
      addFirst(job);
    }
  }

  private String refusal(Job job) {
    return String.format(
        "expected room in the queue of %s, found all of its %d places taken; try again soon",
        job.getModelName(), capacity);
  }
}
