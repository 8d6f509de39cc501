package stack.http;

import io.netty.handler.codec.http.QueryStringDecoder;
import java.util.List;

/** The model that a prediction or explanation is requested from. */
final class AskedModel {
  private final String name;
  private final String version;

  private AskedModel(String name, String version) {
    this.name = name;
    this.version = version;
  }

  /**
   * Parses every form of URI that TorchServe accepts (in its InferenceRequestHandler and, for KServe's protocols, its
   * OpenInferenceProtocolRequestHandler). Returns null for any other request, and for a URI that TorchServe will refuse
   * because it cannot be decoded.
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
      case "invocations": // SageMaker's, like the next one
        return new AskedModel(String.join("", decoder.parameters().getOrDefault("model_name", List.of(""))), null);
      case "models":
        return path.length == 4 && path[3].equals("invoke") ? new AskedModel(path[2], null) : null;
      case "v1":
        return path.length == 4 && path[2].equals("models") && isV1(path[3])
            ? new AskedModel(withoutVerb(path[3]), null)
            : null;
      case "v2":
        return path.length > 2 && path[2].equals("models") ? inV2(path) : null;
      default: // MODEL/predict and MODEL/VERSION/predict, from TorchServe's predecessor
        if (path.length == 3 && path[2].equals("predict")) {
          return new AskedModel(path[1], null);
        }
        return path.length == 4 && path[3].equals("predict") ? new AskedModel(path[1], path[2]) : null;
    }
  }

  /** path: v2/models/MODEL/infer, v2/models/MODEL/versions/VERSION/infer, or the same with `explain`, in parts. */
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

  /** The name that the client wrote, which may be "" or not the name of any model. */
  String name() {
    return name;
  }

  /** Null for the default version. */
  String version() {
    return version;
  }
}
