package stack.http;

import io.netty.handler.codec.http.HttpRequest;
import stack.metrics.ModelMetrics;

/** One HTTP request, from its first line to its answer. Predictions and explanations are counted once answered. */
final class CountedRequest {
  static final String ID = "x-request-id";
  /** Stands in for the request if there is none to answer. */
  static final CountedRequest NONE = new CountedRequest();

  private static final int MAX_PATH = 2048;

  private final String id;
  private final String method;
  private final String uri;
  private final String model;
  private String version = "";
  // Null for a request that is not counted.
  private final ModelMetrics arrivedAt;
  private ModelMetrics answeredBy;
  private long complete;

  private CountedRequest() {
    id = "";
    method = "";
    uri = "";
    model = "";
    arrivedAt = null;
  }

  CountedRequest(HttpRequest request) {
    id = request.headers().get(ID, "");
    method = request.method().name();
    uri = request.uri();
    AskedModel asked = AskedModel.in(uri);
    model = asked == null ? "" : asked.name();
    version = asked == null || asked.version() == null ? "" : asked.version();
    arrivedAt = asked == null || !ModelMetrics.ARE_ON ? null : ModelMetrics.of(asked.name(), asked.version());
    if (arrivedAt != null) {
      arrivedAt.arrived();
    }
    answeredBy = arrivedAt;
    complete = System.nanoTime();
  }

  /** The ID that the client gave the request, or "". */
  String id() {
    return id;
  }

  String method() {
    return method;
  }

  /** The path without its query, truncated to MAX_PATH characters. */
  String path() {
    int query = uri.indexOf('?');
    return uri.substring(0, Math.min(query < 0 ? uri.length() : query, MAX_PATH));
  }

  String model() {
    return model;
  }

  /** The version that answered, or else the requested one; "" if neither is known. */
  String version() {
    return version;
  }

  /** Notes that the request's last byte has arrived, so that the time the client took to send it does not count. */
  void complete() {
    complete = System.nanoTime();
  }

  /** answering: the version named by the worker, or null; the default may have changed since the request arrived. */
  void answeredBy(String answering) {
    if (answering == null) {
      return;
    }
    version = answering;
    if (arrivedAt != null && !arrivedAt.isOf(answering)) {
      answeredBy = ModelMetrics.of(model, answering);
    }
  }

  /** Counts the answer. Returns the nanoseconds since the request was complete. */
  long answered(int status) {
    long nanos = System.nanoTime() - complete;
    if (arrivedAt != null) {
      arrivedAt.left();
      answeredBy.answeredHttp(status, nanos);
    }
    return nanos;
  }

  /** Notes that the client left before its answer. */
  void abandoned() {
    if (arrivedAt != null) {
      arrivedAt.left();
    }
  }
}
