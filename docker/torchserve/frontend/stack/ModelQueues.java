package stack;

import com.google.gson.Gson;
import com.google.gson.JsonObject;
import java.lang.reflect.Field;
import java.net.HttpURLConnection;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.AbstractMap;
import java.util.AbstractSet;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.Set;
import java.util.concurrent.LinkedBlockingDeque;
import java.util.concurrent.TimeUnit;
import org.pytorch.serve.archive.model.ModelVersionNotFoundException;
import org.pytorch.serve.http.ServiceUnavailableException;
import org.pytorch.serve.job.Job;
import org.pytorch.serve.job.RestJob;
import org.pytorch.serve.servingsdk.snapshot.Snapshot;
import org.pytorch.serve.servingsdk.snapshot.SnapshotSerializer;
import org.pytorch.serve.wlm.Model;
import org.pytorch.serve.wlm.ModelManager;

/**
 * Gives every model a queue that says so when it is full, and, where the snapshot marks the model `greedy`, one that batches
 * without waiting: a batch is what lies in it, and a lone request goes at once.
 *
 * <p>TorchServe's Model.pollBatch blocks for a batch's first request, then waits up to maxBatchDelay, 1 ms at least, for
 * each further one. For a full queue it says that there is no worker.
 *
 * <p>TorchServe loads this as its snapshot serializer, a plugin interface of its own, and asks it for the models to
 * restore at the start (runtime/torchserve.py writes them into the configuration).
 */
public final class ModelQueues implements SnapshotSerializer {
  /** The snapshot that `json` describes. Its queues are replaced while TorchServe walks over its models. */
  @Override
  public Snapshot getSnapshot(String json) {
    Snapshot snapshot = new Gson().fromJson(json, Snapshot.class);
    Readiness.expect(snapshot.getModels());
    snapshot.getModels().forEach((name, versions) -> versions.forEach((v, settings) -> ModelCollector.learn(name, v, settings)));
    snapshot.setModels(new RestoredModels(snapshot.getModels()));
    return snapshot;
  }

  /** Every start is from the manifest: there is nothing to save. */
  @Override
  public void saveSnapshot(Snapshot snapshot, Properties properties) {}

  /** None: see saveSnapshot. */
  @Override
  public Properties getLastSnapshot() {
    return null;
  }

  /** Who asks for the next model has registered the one before, and its workers, just started, have taken no request. */
  private static final class RestoredModels extends AbstractMap<String, Map<String, JsonObject>> {
    private final Map<String, Map<String, JsonObject>> models;

    RestoredModels(Map<String, Map<String, JsonObject>> models) {
      this.models = models;
    }

    @Override
    public Set<Entry<String, Map<String, JsonObject>>> entrySet() {
      return new AbstractSet<>() {
        @Override
        public Iterator<Entry<String, Map<String, JsonObject>>> iterator() {
          Iterator<Entry<String, Map<String, JsonObject>>> entries = models.entrySet().iterator();
          return new Iterator<>() {
            @Override
            public boolean hasNext() {
              models.forEach(ModelQueues::replaceQueues);
              return entries.hasNext();
            }

            @Override
            public Entry<String, Map<String, JsonObject>> next() {
              return entries.next();
            }
          };
        }

        @Override
        public int size() {
          return models.size();
        }
      };
    }
  }

  private static void replaceQueues(String name, Map<String, JsonObject> versions) {
    versions.forEach((version, settings) -> replaceQueue(name, version, settings.has("greedy")));
  }

  static void replaceQueue(String name, String version, boolean greedy) {
    try {
      Model model = ModelManager.getInstance().getModel(name, version);
      if (model != null) {
        replaceQueue(model, greedy);
      }
    } catch (ModelVersionNotFoundException notYet) {
      return;
    } catch (ReflectiveOperationException | ClassCastException error) {
      throw new IllegalStateException("expected Model.jobsDb of TorchServe 0.12.0, found " + error, error);
    }
  }

  private static void replaceQueue(Model model, boolean greedy) throws ReflectiveOperationException {
    queuesOf(model)
        .computeIfPresent(
            Model.DEFAULT_DATA_QUEUE,
            (key, queue) -> queue instanceof Queue ? queue : new Queue(model, queue.remainingCapacity(), greedy));
  }

  /** Answers what waits for a model that is gone. */
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

  private static final class Queue extends LinkedBlockingDeque<Job> {
    private static final long serialVersionUID = 1L;

    // For the worker, whose spans begin here (worker/batch_spans.py): microseconds since 1970.
    private static final String QUEUED = "x-stack-queued";
    private static final boolean IS_TRACED = !System.getenv().getOrDefault("OTEL_EXPORTER_OTLP_ENDPOINT", "").isEmpty();

    private final transient Series series;
    // Of the batch that a worker's thread has taken last.
    private final transient ThreadLocal<Integer> taken = ThreadLocal.withInitial(() -> 0);
    private final int capacity;
    private final boolean greedy;

    Queue(Model model, int capacity, boolean greedy) {
      super(capacity);
      this.series = Series.of(model);
      this.capacity = capacity;
      this.greedy = greedy;
    }

    /** Greedy, it blocks only for those who would wait forever: for a batch's first request. */
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

    /** Who asks for the next batch is done with the one before. */
    private void batchEnded() {
      int size = taken.get();
      if (size > 0 && Series.ARE_ON) {
        series.batched(size);
      }
      taken.set(0);
    }

    /** gRPC has no handler for the exception; TorchServe's own text has to do there. */
    @Override
    public boolean offer(Job job) {
      if (IS_TRACED) {
        job.getPayload().updateHeaders(QUEUED, Long.toString(ChronoUnit.MICROS.between(Instant.EPOCH, Instant.now())));
      }
      boolean fits = super.offer(MeasuredJob.measured(job, series));
      if (!fits && job instanceof RestJob) {
        throw new ServiceUnavailableException(
            String.format(
                "expected room in the queue of %s, found all of its %d places taken; try again soon",
                job.getModelName(), capacity));
      }
      if (!fits) {
        MeasuredJob.refused(job, series);
      }
      return fits;
    }
  }
}
