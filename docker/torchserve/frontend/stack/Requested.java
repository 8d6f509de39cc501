package stack;

import io.netty.handler.codec.http.HttpRequest;
import io.netty.handler.codec.http.QueryStringDecoder;

/** One HTTP request, from its first line to its answer; a prediction or an explanation is counted when it is answered. */
final class Requested {
  static final String ID = "x-request-id";
  /** In the place of a request, where an answer has none, and where there is none. */
  static final Requested NOTHING = new Requested();

  private final String id;
  private final String model;
  // null for what is not counted.
  private final Series arrivedAt;
  private Series answeredBy;
  private long complete;

  private Requested() {
    id = "";
    model = "";
    arrivedAt = null;
  }

  Requested(HttpRequest request) {
    id = request.headers().get(ID, "");
    String uri = request.uri();
    if (Series.ARE_ON && (uri.startsWith("/predictions/") || uri.startsWith("/explanations/"))) {
      String[] path = new QueryStringDecoder(uri).path().split("/");
      model = path.length > 2 ? path[2] : "";
      arrivedAt = Series.of(model, path.length > 3 ? path[3] : null);
      arrivedAt.arrived();
    } else {
      model = "";
      arrivedAt = null;
    }
    answeredBy = arrivedAt;
    complete = System.nanoTime();
  }

  /** What it calls itself; "" where it does not. */
  String id() {
    return id;
  }

  /** Its last byte is here: a client's slowness up to now is none of ours. */
  void complete() {
    complete = System.nanoTime();
  }

  /** The version that the worker says it is: the default one may have changed since the request arrived. */
  void answeredBy(String version) {
    if (arrivedAt != null && version != null) {
      answeredBy = Series.of(model, version);
    }
  }

  void answered(int status) {
    if (arrivedAt != null) {
      arrivedAt.left();
      answeredBy.answeredHttp(status, System.nanoTime() - complete);
    }
  }

  /** The client is gone before its answer. */
  void abandoned() {
    if (arrivedAt != null) {
      arrivedAt.left();
    }
  }
}
