package stack.http;

import io.netty.channel.Channel;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInboundHandlerAdapter;
import io.netty.channel.ChannelOption;
import io.netty.channel.ChannelPipeline;

/**
 * Inserts our handlers between TorchServe's own in the pipeline of every connection that a listening channel accepts.
 */
public final class ConnectionSetup extends ChannelInboundHandlerAdapter {
  private final InFlight inFlight;

  public ConnectionSetup(InFlight inFlight) {
    this.inFlight = inFlight;
  }

  @Override
  public void channelRead(ChannelHandlerContext context, Object connection) {
    ((Channel) connection).pipeline().addLast(new FirstEvent());
    context.fireChannelRead(connection);
  }

  /** The first handler in the pipeline; TorchServe has added its own by the time the connection becomes active. */
  private final class FirstEvent extends ChannelInboundHandlerAdapter {
    @Override
    public void channelActive(ChannelHandlerContext context) {
      // With TorchServe's value of 0, closing the connection discards data that the client has not read yet.
      context.channel().config().setOption(ChannelOption.SO_LINGER, -1);
      ChannelPipeline pipeline = context.pipeline();
      pipeline.addAfter("http", "connection", new ConnectionHandler(inFlight));
      pipeline.addAfter("aggregator", "ready", new ReadyHandler());
      pipeline.addAfter("ready", "repair", new RequestRepair());
      context.fireChannelActive();
      pipeline.remove(this);
    }
  }
}
