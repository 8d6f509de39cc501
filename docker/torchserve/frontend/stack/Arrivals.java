package stack;

import io.netty.channel.Channel;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInboundHandlerAdapter;
import io.netty.channel.ChannelOption;
import io.netty.channel.ChannelPipeline;

/** Gives every connection that a listening channel accepts our two handlers, between TorchServe's own. */
final class Arrivals extends ChannelInboundHandlerAdapter {
  private final Traffic traffic;

  Arrivals(Traffic traffic) {
    this.traffic = traffic;
  }

  @Override
  public void channelRead(ChannelHandlerContext context, Object connection) {
    ((Channel) connection).pipeline().addLast(new Arrival());
    context.fireChannelRead(connection);
  }

  /** Comes first in the pipeline, and sees it complete when the connection becomes active. */
  private final class Arrival extends ChannelInboundHandlerAdapter {
    @Override
    public void channelActive(ChannelHandlerContext context) {
      // TorchServe's 0 throws away what the client has not read yet when the connection closes.
      context.channel().config().setOption(ChannelOption.SO_LINGER, -1);
      ChannelPipeline pipeline = context.pipeline();
      pipeline.addAfter("http", "exchange", new Exchange(traffic));
      pipeline.addAfter("aggregator", "requests", new Requests());
      context.fireChannelActive();
      pipeline.remove(this);
    }
  }
}
