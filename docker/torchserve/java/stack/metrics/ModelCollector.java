package stack.metrics;

import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import io.prometheus.client.Collector;
import io.prometheus.client.CounterMetricFamily;
import io.prometheus.client.GaugeMetricFamily;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import org.pytorch.serve.archive.model.ModelNotFoundException;
import org.pytorch.serve.wlm.Model;
import org.pytorch.serve.wlm.ModelManager;
import org.pytorch.serve.wlm.WorkerState;
import org.pytorch.serve.wlm.WorkerThread;

/** Reads the state of every registered version when port 8082 is scraped: queue, workers, and description. */
public final class ModelCollector extends Collector {
  private static final List<String> VERSION = List.of("model", "version");
  private static final List<String> STATE = List.of("model", "version", "state");
  private static final List<String> WORKER = List.of("model", "version", "worker");
  private static final List<String> ABOUT_LABELS =
      List.of("model", "version", "engine", "precision", "weights", "trained", "accuracy", "sha256");

  // What the snapshot has about a version besides TorchServe's own settings (runtime/torchserve.py).
  private static final Map<String, JsonObject> ABOUT = new ConcurrentHashMap<>();

  /** Remembers a version's description; settings: as in the snapshot, also for a version that is added later. */
  public static void learn(String name, String version, JsonObject settings) {
    if (settings.has("about")) {
      ABOUT.put(name + "/" + version, settings.getAsJsonObject("about"));
    }
  }

  @Override
  public List<MetricFamilySamples> collect() {
    Families families = new Families();
    ModelManager models = ModelManager.getInstance();
    for (Map.Entry<String, ?> named : models.getAllModels()) {
      try {
        models.getAllModelVersions(named.getKey()).forEach(version -> families.add(version.getValue()));
      } catch (ModelNotFoundException justRemoved) {
        continue;
      }
    }
    return families.all();
  }

  private static final class Families {
    private final GaugeMetricFamily depth = gauge("model_queue_depth", "Requests waiting for a worker.", VERSION);
    private final GaugeMetricFamily capacity =
        gauge("model_queue_capacity", "Requests that may wait; any more are answered with 503.", VERSION);
    private final GaugeMetricFamily inFlight =
        gauge("model_requests_in_flight", "Requests accepted but not yet answered.", VERSION);
    private final GaugeMetricFamily workers = gauge("model_workers", "Worker processes by state.", STATE);
    private final GaugeMetricFamily memory =
        gauge("model_worker_memory_bytes", "Resident memory of a worker process.", WORKER);
    private final GaugeMetricFamily latency =
        gauge("model_latency_objective_seconds", "Time within which 99 of 100 requests should be answered.", VERSION);
    private final GaugeMetricFamily availability =
        gauge("model_availability_objective_ratio", "Fraction of requests to answer without a 5xx.", VERSION);
    private final GaugeMetricFamily info = gauge("model_info", "The served version; always 1.", ABOUT_LABELS);
    private final CounterMetricFamily restarts =
        new CounterMetricFamily("model_worker_restarts_total", "Workers started to replace one that ended.", VERSION);
    private final CounterMetricFamily cpu =
        new CounterMetricFamily("model_worker_cpu_seconds_total", "CPU time of a worker process.", WORKER);

    private static GaugeMetricFamily gauge(String name, String help, List<String> labels) {
      return new GaugeMetricFamily(name, help, labels);
    }

    List<MetricFamilySamples> all() {
      return List.of(depth, capacity, inFlight, workers, memory, latency, availability, info, restarts, cpu);
    }

    void add(Model model) {
      String name = model.getModelName();
      String version = model.getVersion();
      List<String> labels = List.of(name, version);
      int waiting = model.getPendingRequestsInJobQueue();
      depth.addMetric(labels, waiting);
      capacity.addMetric(labels, waiting + model.getJobQueueRemainingCapacity());
      inFlight.addMetric(labels, ModelMetrics.of(model).inFlight());
      WorkerFacts facts = WorkerFacts.of(name, version);
      restarts.addMetric(labels, facts.restarts());
      addWorkers(labels, ModelManager.getInstance().getWorkers(model.getModelVersionName()));
      addAbout(labels, facts);
    }

    private void addWorkers(List<String> labels, List<WorkerThread> threads) {
      int ready = 0;
      int starting = 0;
      for (WorkerThread thread : threads) {
        WorkerState state = thread.getState();
        ready += state == WorkerState.WORKER_MODEL_LOADED ? 1 : 0;
        starting += state == null || state == WorkerState.WORKER_STARTED ? 1 : 0; // null until the thread runs
        ProcessFacts process = ProcessFacts.of(thread.getPid());
        if (process != null) {
          List<String> worker = with(labels, thread.getWorkerId());
          memory.addMetric(worker, process.residentBytes());
          cpu.addMetric(worker, process.cpuSeconds());
        }
      }
      workers.addMetric(with(labels, "ready"), ready);
      workers.addMetric(with(labels, "starting"), starting);
      workers.addMetric(with(labels, "failed"), threads.size() - ready - starting);
    }

    private void addAbout(List<String> labels, WorkerFacts facts) {
      JsonObject about = ABOUT.get(String.join("/", labels));
      if (about == null) {
        return;
      }
      latency.addMetric(labels, about.get("p99").getAsDouble());
      availability.addMetric(labels, about.get("availability").getAsDouble());
      info.addMetric(
          with(
              labels,
              facts.engine(text(about, "engine")),
              facts.precision(text(about, "precision")),
              text(about, "weights"),
              text(about, "trained"),
              text(about, "accuracy"),
              text(about, "sha256")),
          1);
    }

    private static String text(JsonObject about, String key) {
      JsonElement value = about.get(key);
      return value == null || value.isJsonNull() ? "" : value.getAsString();
    }

    private static List<String> with(List<String> labels, String... more) {
      List<String> all = new ArrayList<>(labels);
      all.addAll(Arrays.asList(more));
      return all;
    }
  }
}
