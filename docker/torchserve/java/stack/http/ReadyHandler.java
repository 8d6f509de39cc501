package stack.http;

import com.google.gson.JsonObject;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInboundHandlerAdapter;
import io.netty.handler.codec.http.FullHttpRequest;
import io.netty.handler.codec.http.HttpMethod;
import io.netty.handler.codec.http.HttpResponseStatus;
import java.util.List;
import org.pytorch.serve.http.MethodNotAllowedException;
import org.pytorch.serve.http.ServiceUnavailableException;
import org.pytorch.serve.util.NettyUtils;
import stack.models.Readiness;

/**
 * Answers `GET /ready` with 503 until it has found a READY worker for every version in the snapshot, and with 200 from
 * then on. Both list the registered versions, so that the edge routes only to those.
 *
 * <p>TorchServe's /ping answers Healthy even if no model is loaded. Nothing is logged, because a proxy asks every
 * second.
 */
final class ReadyHandler extends ChannelInboundHandlerAdapter {
  private static final String PATH = "/ready";

  @Override
  public void channelRead(ChannelHandlerContext context, Object message) {
    if (!(message instanceof FullHttpRequest) || !PATH.equals(((FullHttpRequest) message).uri())) {
      context.fireChannelRead(message);
      return;
    }
    FullHttpRequest request = (FullHttpRequest) message;
    HttpMethod method = request.method();
    request.release();
    if (HttpMethod.GET.equals(method) || HttpMethod.HEAD.equals(method)) {
      answer(context, Readiness.awaited());
    } else {
      NettyUtils.sendError(context, HttpResponseStatus.METHOD_NOT_ALLOWED, new MethodNotAllowedException());
    }
  }

  private static void answer(ChannelHandlerContext context, List<String> awaited) {
    HttpResponseStatus status = awaited.isEmpty() ? HttpResponseStatus.OK : HttpResponseStatus.SERVICE_UNAVAILABLE;
    JsonObject body = new JsonObject();
    if (!awaited.isEmpty()) {
      body.addProperty("code", status.code());
      body.addProperty("type", ServiceUnavailableException.class.getSimpleName());
      body.addProperty(
          "message",
          String.format("expected a READY worker for every model, found none yet for %s; try again shortly", awaited));
    }
    body.addProperty("ready", awaited.isEmpty());
    body.add("models", Readiness.registered());
    NettyUtils.sendJsonResponse(context, body.toString(), status);
  }
}
