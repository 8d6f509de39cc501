package stack.metrics;

import io.prometheus.client.Counter;
import io.prometheus.client.Histogram;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.pytorch.serve.archive.model.ModelVersionNotFoundException;
import org.pytorch.serve.wlm.Model;
import org.pytorch.serve.wlm.ModelManager;

/**
 * Counts and times the requests of one model version. TorchServe's own metrics have neither outcomes by model nor a
 * distribution of the times.
 *
 * <p>Only versions that are served have their own series. Requests for anything else share NOBODY, so clients cannot
 * create label values.
 */
public final class ModelMetrics {
  /** If this is off, nothing is counted or exported, so that the cost of counting can be measured. */
  public static final boolean ARE_ON = !"off".equals(System.getenv("STACK_METRICS"));

  private static final double[] SECONDS = {
    0.0001, 0.00025, 0.0005, 0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.015, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.2,
    0.3, 0.5, 0.75, 1, 1.5, 2, 5, 10, 30
  };
  private static final double[] SIZES = {1, 2, 4, 8, 16, 32, 64, 128};
  private static final double NANOS = TimeUnit.SECONDS.toNanos(1);
  private static final String[] OUTCOMES = {"2xx", "4xx", "5xx"};
  private static final String[] STAGES = {"queue", "decode", "inference", "encode"};
  private static final int QUEUE = 0; // measured here; the worker measures the others

  private static final Counter REQUESTS =
      Counter.build("model_requests_total", "Predictions and explanations answered, by outcome.")
          .labelNames("model", "version", "outcome", "protocol")
          .create();
  private static final Histogram DURATION =
      Histogram.build("model_request_duration_seconds", "Time from a complete request to its 2xx answer.")
          .labelNames("model", "version")
          .buckets(SECONDS)
          .create();
  private static final Histogram STAGE =
      Histogram.build("model_stage_duration_seconds", "Time of a request, or of its batch, by stage.")
          .labelNames("model", "version", "stage")
          .buckets(SECONDS)
          .create();
  private static final Histogram BATCH =
      Histogram.build("model_batch_size", "Requests in a worker's batch.")
          .labelNames("model", "version")
          .buckets(SIZES)
          .create();

  private static final Map<String, Map<String, ModelMetrics>> SERVED = new ConcurrentHashMap<>();
  private static final ModelMetrics NOBODY = new ModelMetrics("-", "-");

  private final String version;
  private final AtomicInteger inFlight = new AtomicInteger();
  private final Counter.Child[] http = new Counter.Child[OUTCOMES.length];
  private final Counter.Child[] grpc = new Counter.Child[OUTCOMES.length];
  private final Histogram.Child[] stages = new Histogram.Child[STAGES.length];
  private final Histogram.Child duration;
  private final Histogram.Child batch;
  // The times of the latest answered batch, whose requests all carry the same text, one after the other.
  private volatile StageTimes latest = new StageTimes("", STAGES);

  private ModelMetrics(String model, String version) {
    this.version = version;
    for (int i = 0; i < OUTCOMES.length; i++) {
      http[i] = REQUESTS.labels(model, version, OUTCOMES[i], "http");
      grpc[i] = REQUESTS.labels(model, version, OUTCOMES[i], "grpc");
    }
    for (int i = 0; i < STAGES.length; i++) {
      stages[i] = STAGE.labels(model, version, STAGES[i]);
    }
    duration = DURATION.labels(model, version);
    batch = BATCH.labels(model, version);
  }

  /** Makes port 8082 export these metrics. */
  public static void register() {
    REQUESTS.register();
    DURATION.register();
    STAGE.register();
    BATCH.register();
  }

  public static ModelMetrics of(Model model) {
    return SERVED
        .computeIfAbsent(model.getModelName(), name -> new ConcurrentHashMap<>())
        .computeIfAbsent(model.getVersion(), version -> new ModelMetrics(model.getModelName(), version));
  }

  /** Returns the metrics of a version (null: the default version), or NOBODY for one that is not served. */
  public static ModelMetrics of(String name, String version) {
    try {
      Model model = ModelManager.getInstance().getModel(name, version);
      return model == null ? NOBODY : of(model);
    } catch (ModelVersionNotFoundException unknown) {
      return NOBODY;
    }
  }

  public boolean isOf(String answering) {
    return version.equals(answering);
  }

  public void arrived() {
    inFlight.incrementAndGet();
  }

  public void left() {
    inFlight.decrementAndGet();
  }

  int inFlight() {
    return inFlight.get();
  }

  /** nanos: from the complete request to its answer. */
  public void answeredHttp(int status, long nanos) {
    answered(http, status, nanos);
  }

  /** nanos: from entering the queue to the answer. */
  public void answeredGrpc(int status, long nanos) {
    answered(grpc, status, nanos);
  }

  private void answered(Counter.Child[] outcomes, int status, long nanos) {
    int outcome = status < 400 ? 0 : status < 500 ? 1 : 2;
    outcomes[outcome].inc();
    if (outcome == 0) {
      duration.observe(nanos / NANOS);
    }
  }

  /** nanos: from entering the queue to being taken by a worker. */
  public void queued(long nanos) {
    stages[QUEUE].observe(nanos / NANOS);
  }

  public void batched(int size) {
    batch.observe(size);
  }

  /** timing: the worker's Server-Timing for the batch that the request was in. */
  public void worked(String timing) {
    StageTimes batch = latest;
    if (!batch.says(timing)) {
      batch = new StageTimes(timing, STAGES);
      latest = batch;
    }
    for (int stage = QUEUE + 1; stage < STAGES.length; stage++) {
      if (!Double.isNaN(batch.seconds(stage))) {
        stages[stage].observe(batch.seconds(stage));
      }
    }
  }
}
