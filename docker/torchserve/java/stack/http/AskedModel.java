package stack.http;

import io.netty.handler.codec.http.QueryStringDecoder;
import java.util.List;

/** The model that a request asks to predict or to explain. */
final class AskedModel {
  private final String name;
  private final String version;

  private AskedModel(String name, String version) {
    this.name = name;
    this.version = version;
  }

  /**
   * Reads the URI in each way that TorchServe takes (its InferenceRequestHandler and, for KServe's versions, its
   * OpenInferenceProtocolRequestHandler). Returns null for a request that asks for neither, or whose URI TorchServe will
   * refuse because it cannot be decoded.
   */
  static AskedModel in(String uri) {
    QueryStringDecoder decoder = new QueryStringDecoder(uri);
    try {
      return in(decoder.path().split("/"), decoder);
    } catch (IllegalArgumentException undecodable) {
      return null;
    }
  }

  private static AskedModel in(String[] path, QueryStringDecoder decoder) {
    switch (part(path, 1)) {
      case "predictions":
      case "explanations":
        return new AskedModel(part(path, 2), path.length > 3 ? path[3] : null);
      case "invocations": // SageMaker's, as the next one
        return new AskedModel(String.join("", decoder.parameters().getOrDefault("model_name", List.of(""))), null);
      case "models":
        return path.length == 4 && path[3].equals("invoke") ? new AskedModel(path[2], null) : null;
      case "v1":
        return path.length == 4 && path[2].equals("models") && isV1(path[3])
            ? new AskedModel(withoutVerb(path[3]), null)
            : null;
      case "v2":
        return path.length > 2 && path[2].equals("models") ? inV2(path) : null;
      default: // MODEL/predict and MODEL/VERSION/predict, of TorchServe's predecessor
        if (path.length == 3 && path[2].equals("predict")) {
          return new AskedModel(path[1], null);
        }
        return path.length == 4 && path[3].equals("predict") ? new AskedModel(path[1], path[2]) : null;
    }
  }

  /** path: of v2/models/MODEL/infer, v2/models/MODEL/versions/VERSION/infer, or the same with `explain`. */
  private static AskedModel inV2(String[] path) {
    String verb = path[path.length - 1];
    if (!verb.equals("infer") && !verb.equals("explain")) {
      return null;
    }
    boolean isVersioned = path.length == 7 && path[4].equals("versions");
    return isVersioned || path.length == 5 ? new AskedModel(withoutVerb(path[3]), isVersioned ? path[5] : null) : null;
  }

  private static boolean isV1(String name) {
    return name.contains(":predict") || name.contains(":explain");
  }

  private static String part(String[] path, int index) {
    return index < path.length ? path[index] : "";
  }

  private static String withoutVerb(String name) {
    int colon = name.indexOf(':');
    return colon < 0 ? name : name.substring(0, colon);
  }

  /** What the client wrote, which may be no model's name, and may be "". */
  String name() {
    return name;
  }

  /** Null stands for the default version. */
  String version() {
    return version;
  }
}
