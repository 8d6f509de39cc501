package stack;

import io.netty.channel.ChannelDuplexHandler;
import io.netty.channel.ChannelFutureListener;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelPromise;
import io.netty.handler.codec.http.DefaultFullHttpResponse;
import io.netty.handler.codec.http.FullHttpResponse;
import io.netty.handler.codec.http.HttpHeaderNames;
import io.netty.handler.codec.http.HttpHeaderValues;
import io.netty.handler.codec.http.HttpRequest;
import io.netty.handler.codec.http.HttpResponse;
import io.netty.handler.codec.http.HttpResponseStatus;
import io.netty.handler.codec.http.HttpStatusClass;
import io.netty.handler.codec.http.HttpUtil;
import io.netty.handler.codec.http.LastHttpContent;
import io.netty.util.ReferenceCountUtil;
import java.nio.charset.StandardCharsets;
import org.pytorch.serve.http.ErrorResponse;
import org.pytorch.serve.util.ConfigManager;
import org.pytorch.serve.util.JsonUtils;

/**
 * One connection's requests and answers, just behind the HTTP codec: counts them, ends the connection while draining, and
 * completes what TorchServe's answers leave out.
 */
final class Exchange extends ChannelDuplexHandler {
  private static final int RETRY_SECONDS = 1;

  private final Traffic traffic;
  private int unanswered;
  private boolean last;

  Exchange(Traffic traffic) {
    this.traffic = traffic;
  }

  @Override
  public void handlerAdded(ChannelHandlerContext context) {
    traffic.connected();
  }

  @Override
  public void handlerRemoved(ChannelHandlerContext context) {
    traffic.disconnected(unanswered);
    unanswered = 0;
  }

  @Override
  public void channelRead(ChannelHandlerContext context, Object message) {
    if (message instanceof HttpRequest) {
      unanswered++;
      traffic.requested();
    }
    context.fireChannelRead(message);
  }

  @Override
  public void write(ChannelHandlerContext context, Object message, ChannelPromise promise) {
    Object sent = message;
    if (message instanceof HttpResponse) {
      HttpResponse response = (HttpResponse) message;
      if (response.status().codeClass() == HttpStatusClass.INFORMATIONAL) {
        context.write(message, promise); // 100 Continue: the answer is yet to come
        return;
      }
      sent = complete(response);
    }
    ChannelPromise written = promise.unvoid();
    if (sent instanceof LastHttpContent) {
      written.addListener(future -> answered());
      if (last) {
        written.addListener(ChannelFutureListener.CLOSE);
      }
    }
    context.write(sent, written);
  }

  private void answered() {
    if (unanswered > 0) { // an answer without a request is one to what is no HTTP
      unanswered--;
      traffic.answered();
    }
  }

  private HttpResponse complete(HttpResponse response) {
    HttpResponse completed = response;
    if (response.status().equals(HttpResponseStatus.REQUEST_ENTITY_TOO_LARGE) && isEmpty(response)) {
      completed = tooLarge((FullHttpResponse) response);
    }
    if (response.status().equals(HttpResponseStatus.SERVICE_UNAVAILABLE)) {
      completed.headers().setInt(HttpHeaderNames.RETRY_AFTER, RETRY_SECONDS);
    }
    if (traffic.isDraining()) {
      completed.headers().set(HttpHeaderNames.CONNECTION, HttpHeaderValues.CLOSE);
      last = true;
    }
    return completed;
  }

  private static boolean isEmpty(HttpResponse response) {
    return response instanceof FullHttpResponse && !((FullHttpResponse) response).content().isReadable();
  }

  /** Netty's own has no body. */
  private static HttpResponse tooLarge(FullHttpResponse bare) {
    String message =
        String.format(
            "expected a body of at most %d bytes, found a longer one", ConfigManager.getInstance().getMaxRequestSize());
    ErrorResponse error = new ErrorResponse(bare.status().code(), "PayloadTooLargeException", message);
    byte[] json = (JsonUtils.GSON_PRETTY.toJson(error) + "\n").getBytes(StandardCharsets.UTF_8);
    DefaultFullHttpResponse response = new DefaultFullHttpResponse(bare.protocolVersion(), bare.status());
    response.headers().set(bare.headers()).set(HttpHeaderNames.CONTENT_TYPE, HttpHeaderValues.APPLICATION_JSON);
    response.content().writeBytes(json);
    HttpUtil.setContentLength(response, json.length);
    ReferenceCountUtil.release(bare);
    return response;
  }
}
