package stack.http;

import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParseException;
import com.google.gson.JsonParser;
import com.google.gson.JsonPrimitive;
import io.netty.handler.codec.http.DefaultFullHttpResponse;
import io.netty.handler.codec.http.FullHttpResponse;
import io.netty.handler.codec.http.HttpHeaderNames;
import io.netty.handler.codec.http.HttpHeaderValues;
import io.netty.handler.codec.http.HttpResponse;
import io.netty.handler.codec.http.HttpResponseStatus;
import io.netty.handler.codec.http.HttpUtil;
import io.netty.util.ReferenceCountUtil;
import java.nio.charset.StandardCharsets;
import org.pytorch.serve.http.ErrorResponse;
import org.pytorch.serve.util.ConfigManager;
import org.pytorch.serve.util.JsonUtils;

/** Adds to the JSON bodies of errors what TorchServe and netty leave out. */
final class ErrorBody {
  private static final int FIRST_ERROR = 400;
  private static final String MESSAGE = "message";
  // WorkerThread's message to clients whose worker died, with status 507 after a SIGKILL (mostly out of memory) or 500.
  private static final JsonElement WORKER_DIED = new JsonPrimitive("Worker died.");
  private static final String DIED =
      "expected an answer from the model's worker, found that it died before it answered; try again";

  private ErrorBody() {}

  static boolean isIn(HttpResponse response) {
    return response.status().code() >= FIRST_ERROR
        && HttpHeaderValues.APPLICATION_JSON.contentEqualsIgnoreCase(HttpUtil.getMimeType(response));
  }

  /** Returns a 413 that states the limit; netty's own has no body. */
  static FullHttpResponse tooLarge(FullHttpResponse bare) {
    String message =
        String.format(
            "expected a body of at most %d bytes, found a larger one", ConfigManager.getInstance().getMaxRequestSize());
    ErrorResponse error = new ErrorResponse(bare.status().code(), "PayloadTooLargeException", message);
    return replaced(bare, bare.status(), JsonUtils.GSON_PRETTY.toJson(error));
  }

  /**
   * Adds the ID that the client gave the request (unless ""), and turns a worker's death into a 500 that says so:
   * another worker could answer the same request, whereas 507 (Insufficient Storage) suggests that none could.
   */
  static FullHttpResponse complete(FullHttpResponse response, String requestId) {
    JsonObject error = read(response);
    boolean died = error != null && WORKER_DIED.equals(error.get(MESSAGE));
    if (error == null || !died && requestId.isEmpty()) {
      return response;
    }
    HttpResponseStatus status = died ? HttpResponseStatus.INTERNAL_SERVER_ERROR : response.status();
    if (died) {
      error.addProperty("code", status.code());
      error.addProperty(MESSAGE, DIED);
    }
    if (!requestId.isEmpty()) {
      error.addProperty("request_id", requestId);
    }
    return replaced(response, status, JsonUtils.GSON_PRETTY.toJson(error));
  }

  /** Returns the body's JSON object, or null if a handler wrote something else. */
  private static JsonObject read(FullHttpResponse response) {
    try {
      JsonElement body = JsonParser.parseString(response.content().toString(StandardCharsets.UTF_8));
      return body.isJsonObject() ? body.getAsJsonObject() : null;
    } catch (JsonParseException error) {
      return null;
    }
  }

  private static FullHttpResponse replaced(FullHttpResponse old, HttpResponseStatus status, String json) {
    byte[] body = (json + "\n").getBytes(StandardCharsets.UTF_8);
    DefaultFullHttpResponse response = new DefaultFullHttpResponse(old.protocolVersion(), status);
    response.headers().set(old.headers()).set(HttpHeaderNames.CONTENT_TYPE, HttpHeaderValues.APPLICATION_JSON);
    response.content().writeBytes(body);
    HttpUtil.setContentLength(response, body.length);
    ReferenceCountUtil.release(old);
    return response;
  }
}
