package stack.http;

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
 * Handles the requests and answers of one connection, directly behind the HTTP codec: counts and logs them, closes the
 * connection while draining, and adds what is missing from TorchServe's answers.
 */
final class ConnectionHandler extends ChannelDuplexHandler {
  private static final int RETRY_SECONDS = 1;
  private static final String REQUEST_ID = CountedRequest.ID;
  private static final String VERSION = "x-model-version";

  private final InFlight inFlight;
  // Requests whose answers have not begun, oldest first.
  private final Deque<CountedRequest> waiting = new ArrayDeque<>();
  // The request whose answer is being written.
  private CountedRequest answering = CountedRequest.NONE;
  private int status;
  private int unanswered;
  private boolean last;

  ConnectionHandler(InFlight inFlight) {
    this.inFlight = inFlight;
  }

  @Override
  public void handlerAdded(ChannelHandlerContext context) {
    inFlight.connected();
  }

  @Override
  public void handlerRemoved(ChannelHandlerContext context) {
    inFlight.disconnected(unanswered);
    unanswered = 0;
    answering.abandoned();
    answering = CountedRequest.NONE;
    waiting.forEach(CountedRequest::abandoned);
    waiting.clear();
  }

  @Override
  public void channelRead(ChannelHandlerContext context, Object message) {
    if (message instanceof HttpRequest) {
      unanswered++;
      waiting.add(new CountedRequest((HttpRequest) message));
      inFlight.requested();
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
        context.write(message, promise); // 100 Continue: the answer follows later
        return;
      }
      sent = complete(response);
    }
    ChannelPromise written = promise.unvoid();
    if (sent instanceof LastHttpContent) {
      long nanos = answering.answered(status);
      AccessLog.answered(answering, status, nanos);
      answering = CountedRequest.NONE;
      written.addListener(future -> answered());
      if (last) {
        written.addListener(ChannelFutureListener.CLOSE);
      }
    }
    context.write(sent, written);
  }

  /** Ignores clients that reset their connection, as HAProxy's checks do once they have their answer. */
  @Override
  public void exceptionCaught(ChannelHandlerContext context, Throwable cause) {
    if (cause instanceof IOException) {
      context.close();
    } else {
      context.fireExceptionCaught(cause);
    }
  }

  private void answered() {
    if (unanswered > 0) { // input that is not HTTP gets an answer too, but was not counted as a request
      unanswered--;
      inFlight.answered();
    }
  }

  private HttpResponse complete(HttpResponse response) {
    HttpResponse completed = response;
    answering = waiting.isEmpty() ? CountedRequest.NONE : waiting.remove();
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
    if (inFlight.isDraining()) {
      completed.headers().set(HttpHeaderNames.CONNECTION, HttpHeaderValues.CLOSE);
      last = true;
    }
    return completed;
  }

  private static boolean isEmpty(HttpResponse response) {
    return response instanceof FullHttpResponse && !((FullHttpResponse) response).content().isReadable();
  }
}
