package stack.http;

import io.netty.handler.codec.http.HttpRequest;
import io.netty.handler.codec.http.QueryStringDecoder;
import java.util.Arrays;
import java.util.List;
import stack.metrics.ModelMetrics;

/** One HTTP request, from its first line to its answer. Predictions and explanations are counted when answered. */
final class CountedRequest {
  static final String ID = "x-request-id";
  /** Takes the place of a request where there is none to answer. */
  static final CountedRequest NONE = new CountedRequest();

  private static final int MAX_PATH = 2048;

  private final String id;
  private final String method;
  private final String uri;
  private final String model;
  private String version = "";
  // Null for what is not counted.
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
    String[] asked = asked(new QueryStringDecoder(uri));
    model = asked.length > 0 ? asked[0] : "";
    version = asked.length > 1 ? asked[1] : "";
    arrivedAt = ModelMetrics.ARE_ON && asked.length > 0 ? ModelMetrics.of(model, asked.length > 1 ? version : null) : null;
    if (arrivedAt != null) {
      arrivedAt.arrived();
    }
    answeredBy = arrivedAt;
    complete = System.nanoTime();
  }

  /**
   * The model that is asked to predict or explain, and the version where one is named, in each of TorchServe's ways
   * (InferenceRequestHandler, KServe's v1 and SageMaker's among them); empty for everything else.
   */
  private static String[] asked(QueryStringDecoder uri) {
    String[] path = uri.path().split("/");
    String first = path.length > 1 ? path[1] : "";
    String third = path.length > 3 ? path[3] : "";
    switch (first) {
      case "predictions":
      case "explanations":
        return path.length > 2 ? Arrays.copyOfRange(path, 2, Math.min(path.length, 4)) : new String[] {""};
      case "invocations":
        return new String[] {String.join("", uri.parameters().getOrDefault("model_name", List.of("")))};
      case "models":
        return "invoke".equals(third) ? new String[] {path[2]} : new String[0];
      case "v1":
        return third.endsWith(":predict") || third.endsWith(":explain")
            ? new String[] {third.substring(0, third.lastIndexOf(':'))}
            : new String[0];
      default:
        return new String[0];
    }
  }

  /** The id that the client gave the request; "" without one. */
  String id() {
    return id;
  }

  String method() {
    return method;
  }

  /** The path without its query, cut at MAX_PATH characters. */
  String path() {
    int query = uri.indexOf('?');
    return uri.substring(0, Math.min(query < 0 ? uri.length() : query, MAX_PATH));
  }

  String model() {
    return model;
  }

  /** The version that answered, or else the one asked for; "" if neither is known. */
  String version() {
    return version;
  }

  /** The request's last byte has arrived: the time that the client took to send it is not counted. */
  void complete() {
    complete = System.nanoTime();
  }

  /** answering: the version that the worker names, or null. The default may have changed since the request arrived. */
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

  /** The client left before its answer. */
  void abandoned() {
    if (arrivedAt != null) {
      arrivedAt.left();
    }
  }
}
