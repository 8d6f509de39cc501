package stack;

import io.netty.buffer.ByteBuf;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInboundHandlerAdapter;
import io.netty.handler.codec.http.FullHttpRequest;
import io.netty.handler.codec.http.HttpHeaderNames;
import io.netty.handler.codec.http.HttpHeaderValues;
import io.netty.handler.codec.http.HttpUtil;
import java.nio.charset.StandardCharsets;
import java.util.regex.Pattern;

/**
 * Says what a body is that curl calls a form: `curl -d` and `--data-binary` send everything as one, and TorchServe answers
 * 500 to an image that it cannot read as one.
 */
final class ContentType extends ChannelInboundHandlerAdapter {
  private static final int NAME_LENGTH = 64;
  private static final Pattern FORM = Pattern.compile("[\\w.\\[\\]-]+=[\\s\\x20-\\x7e]*");

  @Override
  public void channelRead(ChannelHandlerContext context, Object message) {
    if (message instanceof FullHttpRequest) {
      correct((FullHttpRequest) message);
    }
    context.fireChannelRead(message);
  }

  private static void correct(FullHttpRequest request) {
    CharSequence type = HttpUtil.getMimeType(request);
    if (!HttpHeaderValues.APPLICATION_X_WWW_FORM_URLENCODED.contentEqualsIgnoreCase(type)) {
      return;
    }
    ByteBuf body = request.content();
    int length = Math.min(NAME_LENGTH, body.readableBytes());
    String start = body.toString(body.readerIndex(), length, StandardCharsets.ISO_8859_1);
    if (start.startsWith("{")) {
      request.headers().set(HttpHeaderNames.CONTENT_TYPE, HttpHeaderValues.APPLICATION_JSON);
    } else if (!FORM.matcher(start).matches()) {
      request.headers().set(HttpHeaderNames.CONTENT_TYPE, HttpHeaderValues.APPLICATION_OCTET_STREAM);
    }
  }
}
