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
import java.util.concurrent.atomic.AtomicInteger;
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
 * Replaces TorchServe's own queue in a model. If the queue is full, the client is told so. If the snapshot marks the
 * model `greedy`, requests are batched without delay: a batch is whatever is in the queue, and a lone request is sent
 * at once. A queue can be handed over to another one, after which its workers end.
 *
 * <p>TorchServe's Model.pollBatch blocks for a batch's first request, then waits up to maxBatchDelay, at least 1 ms,
 * for each further one. If TorchServe's own queue is full, the client is told that there is no worker.
 */
final class ModelQueue extends LinkedBlockingDeque<Job> {
  private static final long serialVersionUID = 1L;

  // When the request was queued, in microseconds since 1970; the worker's spans begin there (worker/batch_spans.py).
  private static final String QUEUED = "x-stack-queued";
  private static final boolean IS_TRACED = !System.getenv().getOrDefault("OTEL_EXPORTER_OTLP_ENDPOINT", "").isEmpty();
  // Wakes the worker that waits for a queue that is handed over; it is never computed.
  private static final Job WAKE = new RestJob(null, "", "", WorkerCommands.STATS, new RequestInput("wake"));

  private final transient ModelMetrics metrics;
  // The number of requests in the latest batch of this worker's thread.
  private final transient ThreadLocal<Integer> taken = ThreadLocal.withInitial(() -> 0);
  private final int capacity;
  private final boolean greedy;
  // With asyncCommunication a worker takes further requests before it has answered earlier ones. These are counted here
  // (unless STACK_METRICS=off), so that they are answered before the worker ends.
  private final boolean asynchronous;
  private final AtomicInteger unanswered = new AtomicInteger();
  // The queue to which this one was handed over, or null.
  private transient volatile ModelQueue successor;

  private ModelQueue(Model model, int capacity, boolean greedy) {
    super(capacity);
    this.metrics = ModelMetrics.of(model);
    this.capacity = capacity;
    this.greedy = greedy;
    this.asynchronous = model.isAsyncCommunication();
  }

  /** Replaces TorchServe's queue of a version; does nothing if that is done or the version is not registered yet. */
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

  /**
   * Replaces TorchServe's queue of a model with one of the same capacity and returns it; settings: as in the snapshot.
   */
  static ModelQueue install(Model model, JsonObject settings) {
    int capacity = model.getJobQueueRemainingCapacity();
    ModelQueue queue = new ModelQueue(model, capacity, settings.has("greedy"));
    queuesOf(model).put(Model.DEFAULT_DATA_QUEUE, queue);
    return queue;
  }

  /** Returns the queue of a model whose original queue was replaced. */
  static ModelQueue of(Model model) {
    return (ModelQueue) queuesOf(model).get(Model.DEFAULT_DATA_QUEUE);
  }

  /** Answers the requests that are still waiting for a model that was removed. */
  static void empty(Model model, String reason) {
    List<Job> waiting = new ArrayList<>();
    of(model).drainTo(waiting);
    waiting.forEach(job -> job.sendError(HttpURLConnection.HTTP_UNAVAILABLE, reason));
  }

  private static Map<String, LinkedBlockingDeque<Job>> queuesOf(Model model) {
    return Internals.get(model, "jobsDb");
  }

  /**
   * Moves the waiting requests, and any that still arrive, to `next`. This queue's workers end when they ask for a
   * batch. seconds: how long a request may wait for room in `next`, in case it is smaller.
   */
  void handOver(ModelQueue next, int seconds) throws InterruptedException {
    successor = next;
    List<Job> waiting = new ArrayList<>();
    drainTo(waiting);
    super.offer(WAKE); // for the one worker that is waiting: TorchServe lets a model's workers wait one at a time
    for (Job job : waiting) {
      if (!next.offerLast(job, seconds, TimeUnit.SECONDS)) {
        job.sendError(HttpURLConnection.HTTP_UNAVAILABLE, next.refusal(job));
      }
    }
  }

  /**
   * A greedy queue blocks only for a batch's first request, for which TorchServe waits without a time limit. Once the
   * queue is handed over, that call throws InterruptedException, at which the worker ends; it has no request then.
   */
  @Override
  public Job poll(long timeout, TimeUnit unit) throws InterruptedException {
    boolean first = timeout == Long.MAX_VALUE;
    if (first) {
      batchEnded();
      leaveIfHandedOver();
    }
    Job job = greedy && !first ? super.poll() : super.poll(timeout, unit);
    if (job == WAKE && first) {
      leaveIfHandedOver();
    }
    if (job == null || job == WAKE) {
      return null;
    }
    if (asynchronous && job instanceof MeasuredJob) {
      unanswered.incrementAndGet();
      ((MeasuredJob) job).whenAnswered(unanswered::decrementAndGet);
    }
    taken.set(taken.get() + 1);
    return job;
  }

  /** Throws InterruptedException if the queue was handed over, or if the worker's process is killed meanwhile. */
  private void leaveIfHandedOver() throws InterruptedException {
    if (successor == null) {
      return;
    }
    while (unanswered.get() > 0) {
      Thread.sleep(20);
    }
    throw new InterruptedException("the queue was handed over");
  }

  /** Continuous batching uses this to add to a batch. */
  @Override
  public Job poll() {
    Job job = super.poll();
    return job == WAKE ? null : job;
  }

  /** Counts the previous batch: a thread that asks for the next batch has finished it. */
  private void batchEnded() {
    int size = taken.get();
    if (size > 0 && ModelMetrics.ARE_ON) {
      metrics.batched(size);
    }
    taken.set(0);
  }

  /**
   * Refuses an HTTP request with our message in an exception, which gRPC does not handle; it gets TorchServe's message.
   */
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

  /** Adds the job here or, after a handover, to the successor; returns whether there was room. */
  private boolean enqueue(Job job) {
    boolean fits = successor == null && super.offer(job);
    ModelQueue next = successor;
    boolean missed = next != null && (!fits || super.remove(job)); // too late to be handed over with the others
    return missed ? next.enqueue(job) : fits;
  }

  /** TorchServe uses this to return a request that a worker has taken but does not compute. */
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
        "expected room in the queue of %s, found all %d places taken; try again shortly",
        job.getModelName(), capacity);
  }
}
