package stack;

import io.netty.channel.ChannelDuplexHandler;
import io.netty.channel.ChannelFutureListener;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelPromise;
import io.netty.handler.codec.http.FullHttpResponse;
import io.netty.handler.codec.http.HttpHeaderNames;
import io.netty.handler.codec.http.HttpHeaderValues;
import io.netty.handler.codec.http.HttpRequest;
import io.netty.handler.codec.http.HttpResponse;
import io.netty.handler.codec.http.HttpResponseStatus;
import io.netty.handler.codec.http.HttpStatusClass;
import io.netty.handler.codec.http.LastHttpContent;
import java.io.IOException;
import java.util.ArrayDeque;
import java.util.Deque;

/**
 * One connection's requests and answers, just behind the HTTP codec: counts them, ends the connection while draining, and
 * completes what TorchServe's answers leave out.
 */
final class Exchange extends ChannelDuplexHandler {
  private static final int RETRY_SECONDS = 1;
  private static final String REQUEST_ID = Requested.ID;
  private static final String VERSION = "x-model-version";

  private final Traffic traffic;
  // Those whose answer has not begun, in their order.
  private final Deque<Requested> waiting = new ArrayDeque<>();
  // What is being answered, until its answer is complete.
  private Requested answering = Requested.NOTHING;
  private int status;
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
    answering.abandoned();
    answering = Requested.NOTHING;
    waiting.forEach(Requested::abandoned);
    waiting.clear();
  }

  @Override
  public void channelRead(ChannelHandlerContext context, Object message) {
    if (message instanceof HttpRequest) {
      unanswered++;
      waiting.add(new Requested((HttpRequest) message));
      traffic.requested();
    }
    if (message instanceof LastHttpContent && !waiting.isEmpty()) {
      waiting.peekLast().complete();
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
      answering.answered(status);
      answering = Requested.NOTHING;
      written.addListener(future -> answered());
      if (last) {
        written.addListener(ChannelFutureListener.CLOSE);
      }
    }
    context.write(sent, written);
  }

  /** Whoever resets a connection is gone, as HAProxy's checks are once they have their answer: nobody has to be told. */
  @Override
  public void exceptionCaught(ChannelHandlerContext context, Throwable cause) {
    if (cause instanceof IOException) {
      context.close();
    } else {
      context.fireExceptionCaught(cause);
    }
  }

  private void answered() {
    if (unanswered > 0) { // an answer without a request is one to what is no HTTP
      unanswered--;
      traffic.answered();
    }
  }

  private HttpResponse complete(HttpResponse response) {
    HttpResponse completed = response;
    answering = waiting.isEmpty() ? Requested.NOTHING : waiting.remove();
    String requestId = answering.id();
    if (response.status().equals(HttpResponseStatus.REQUEST_ENTITY_TOO_LARGE) && isEmpty(response)) {
      completed = ErrorBody.tooLarge((FullHttpResponse) response);
    }
    if (completed instanceof FullHttpResponse && ErrorBody.isIn(completed)) {
      completed = ErrorBody.complete((FullHttpResponse) completed, requestId);
    }
    status = completed.status().code();
    answering.answeredBy(completed.headers().get(VERSION));
    if (!requestId.isEmpty()) {
      completed.headers().set(REQUEST_ID, requestId);
    }
    if (completed.status().equals(HttpResponseStatus.SERVICE_UNAVAILABLE)) {
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
}
