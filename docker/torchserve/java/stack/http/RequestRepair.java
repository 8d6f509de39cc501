package stack.http;

import io.netty.buffer.ByteBuf;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInboundHandlerAdapter;
import io.netty.handler.codec.http.FullHttpRequest;
import io.netty.handler.codec.http.HttpHeaderNames;
import io.netty.handler.codec.http.HttpHeaderValues;
import io.netty.handler.codec.http.HttpResponseStatus;
import io.netty.handler.codec.http.HttpUtil;
import io.netty.handler.codec.http.multipart.DefaultHttpDataFactory;
import io.netty.handler.codec.http.multipart.HttpPostRequestDecoder;
import java.nio.charset.StandardCharsets;
import java.util.regex.Pattern;
import org.pytorch.serve.http.BadRequestException;
import org.pytorch.serve.util.ConfigManager;
import org.pytorch.serve.util.NettyUtils;

/**
 * Repairs or refuses requests that TorchServe would answer with a 500:
 *
 * <ul>
 *   <li>A body that is declared a form but is not one, as `curl -d` and `--data-binary` do for every body.
 *   <li>A malformed form.
 *   <li>A path without a leading slash.
 * </ul>
 */
final class RequestRepair extends ChannelInboundHandlerAdapter {
  private static final int NAME_LENGTH = 64;
  private static final Pattern FORM = Pattern.compile("[\\w.\\[\\]-]+=[\\s\\x20-\\x7e]*");

  @Override
  public void channelRead(ChannelHandlerContext context, Object message) {
    if (message instanceof FullHttpRequest) {
      FullHttpRequest request = (FullHttpRequest) message;
      repair(request);
      String problem = problemOfForm(request);
      if (problem != null) {
        request.release();
        String text = "expected a valid form, found " + problem;
        NettyUtils.sendError(context, HttpResponseStatus.BAD_REQUEST, new BadRequestException(text));
        return;
      }
    }
    context.fireChannelRead(message);
  }

  private static void repair(FullHttpRequest request) {
    if (!request.uri().startsWith("/")) {
      request.setUri("/" + request.uri());
    }
    if (!isUrlEncoded(request)) {
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

  private static boolean isUrlEncoded(FullHttpRequest request) {
    return HttpHeaderValues.APPLICATION_X_WWW_FORM_URLENCODED.contentEqualsIgnoreCase(HttpUtil.getMimeType(request));
  }

  /**
   * Returns why netty's decoder, which TorchServe will use, cannot read the form; null if it can or there is no form.
   */
  private static String problemOfForm(FullHttpRequest request) {
    HttpPostRequestDecoder decoder = null;
    try {
      if (!HttpPostRequestDecoder.isMultipart(request) && !isUrlEncoded(request)) {
        return null;
      }
      int limit = ConfigManager.getInstance().getMaxRequestSize();
      decoder = new HttpPostRequestDecoder(new DefaultHttpDataFactory(limit), request);
      while (decoder.hasNext()) {
        decoder.next();
      }
      return null;
    } catch (HttpPostRequestDecoder.EndOfDataDecoderException end) {
      return null;
    } catch (RuntimeException error) { // netty documents no narrower type
      return String.valueOf(error.getMessage());
    } finally {
      if (decoder != null) {
        decoder.destroy();
      }
    }
  }
}
