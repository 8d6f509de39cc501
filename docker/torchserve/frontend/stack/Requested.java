package stack;

import io.netty.handler.codec.http.HttpRequest;
import io.netty.handler.codec.http.QueryStringDecoder;
import java.util.Arrays;
import java.util.List;
import java.util.regex.Pattern;

/** One HTTP request, from its first line to its answer; a prediction or an explanation is counted when it is answered. */
final class Requested {
  static final String ID = "x-request-id";
  /** In the place of a request, where an answer has none, and where there is none. */
  static final Requested NOTHING = new Requested();

  // As log4j2.xml leaves them out of TorchServe's own access log.
  private static final Pattern LOGGED = Pattern.compile("/(predictions|explanations|v2|ping)\\b.*");
  private static final int LONGEST_PATH = 2048;

  private final String id;
  private final String method;
  private final String uri;
  private final String model;
  private String version = "";
  // null for what is not counted.
  private final Series arrivedAt;
  private Series answeredBy;
  private long complete;

  private Requested() {
    id = "";
    method = "";
    uri = "";
    model = "";
    arrivedAt = null;
  }

  Requested(HttpRequest request) {
    id = request.headers().get(ID, "");
    method = request.method().name();
    uri = request.uri();
    String[] asked = asked(new QueryStringDecoder(uri));
    model = asked.length > 0 ? asked[0] : "";
    version = asked.length > 1 ? asked[1] : "";
    arrivedAt = Series.ARE_ON && asked.length > 0 ? Series.of(model, asked.length > 1 ? version : null) : null;
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

  /** What it calls itself; "" where it does not. */
  String id() {
    return id;
  }

  boolean isLogged() {
    return LOGGED.matcher(path()).matches();
  }

  String method() {
    return method;
  }

  /** Without its query. */
  String path() {
    int query = uri.indexOf('?');
    return uri.substring(0, Math.min(query < 0 ? uri.length() : query, LONGEST_PATH));
  }

  String model() {
    return model;
  }

  /** The one that answered, else the one asked for; "" where nobody says. */
  String version() {
    return version;
  }

  /** Its last byte is here: a client's slowness up to now is none of ours. */
  void complete() {
    complete = System.nanoTime();
  }

  /** The version that the worker says it is: the default one may have changed since the request arrived. */
  void answeredBy(String answering) {
    if (answering == null) {
      return;
    }
    version = answering;
    if (arrivedAt != null && !arrivedAt.isOf(answering)) {
      answeredBy = Series.of(model, answering);
    }
  }

  void answered(int status) {
    long nanos = System.nanoTime() - complete;
    if (arrivedAt != null) {
      arrivedAt.left();
      answeredBy.answeredHttp(status, nanos);
    }
    AccessLog.answered(this, status, nanos);
  }

  /** The client is gone before its answer. */
  void abandoned() {
    if (arrivedAt != null) {
      arrivedAt.left();
    }
  }
}
