package stack;

import io.netty.channel.ChannelFuture;
import io.netty.channel.ChannelFutureListener;
import io.netty.channel.ChannelPromise;
import io.netty.channel.EventLoopGroup;
import io.netty.util.internal.logging.InternalLoggerFactory;
import io.netty.util.internal.logging.Slf4JLoggerFactory;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.security.GeneralSecurityException;
import java.time.Duration;
import org.apache.commons.cli.DefaultParser;
import org.apache.commons.cli.ParseException;
import org.pytorch.serve.ModelServer;
import org.pytorch.serve.metrics.MetricCache;
import org.pytorch.serve.servingsdk.impl.PluginsManager;
import org.pytorch.serve.util.ConfigManager;
import org.pytorch.serve.util.Connector;
import org.pytorch.serve.util.ConnectorType;
import org.pytorch.serve.util.TokenAuthorization;

/**
 * TorchServe's server, whose stop loses no request, and whose failed start says why.
 *
 * <p>TorchServe's own stop resets the connections of requests in flight. Here the inference port closes first; what is in
 * flight, and what still comes on connections that are open, is answered; then TorchServe's stop follows.
 */
public final class Server extends ModelServer {
  private final Traffic traffic = new Traffic();
  private final Duration drain;
  private ChannelFuture listening;

  private Server(ConfigManager config, Duration drain) {
    super(config);
    this.drain = drain;
  }

  /** As TorchServe's own main, with this class in the place of ModelServer. Ends with 1 unless it is told to stop. */
  public static void main(String[] args) {
    Log.takePrints();
    try {
      Server server = new Server(configure(args), Duration.ofMillis(Long.getLong("stack.drain_ms", 0)));
      Runtime.getRuntime().addShutdownHook(new Thread(server::stop));
      server.startAndWait();
    } catch (Throwable error) {
      StringWriter trace = new StringWriter();
      error.printStackTrace(new PrintWriter(trace));
      Log.say("ERROR", trace.toString());
      String text = "FAIL: expected TorchServe to start, found %s; try correcting config.properties";
      Log.say("ERROR", String.format(text, why(error)));
    } finally {
      System.exit(1);
    }
  }

  private static ConfigManager configure(String[] args) throws ParseException, IOException {
    DefaultParser parser = new DefaultParser();
    ConfigManager.init(
        new ConfigManager.Arguments(parser.parse(ConfigManager.Arguments.getOptions(), args, null, false)));
    TokenAuthorization.init();
    PluginsManager.getInstance().initialize();
    MetricCache.init();
    InternalLoggerFactory.setDefaultFactory(Slf4JLoggerFactory.INSTANCE);
    return ConfigManager.getInstance();
  }

  /** An exception's message alone may be as little as `For input string: "x"`. */
  private static String why(Throwable error) {
    Throwable cause = error.getCause();
    return error + (cause == null ? "" : " (" + cause.getMessage() + ")");
  }

  /** The future that TorchServe waits for completes when the port closes by itself, not when the drain closes it. */
  @Override
  public ChannelFuture initializeServer(
      Connector connector, EventLoopGroup serverGroup, EventLoopGroup workerGroup, ConnectorType type)
      throws InterruptedException, IOException, GeneralSecurityException {
    ChannelFuture closed = super.initializeServer(connector, serverGroup, workerGroup, type);
    if (type != ConnectorType.INFERENCE_CONNECTOR && type != ConnectorType.ALL) {
      return closed;
    }
    closed.channel().pipeline().addFirst(new Arrivals(traffic));
    ChannelPromise ended = closed.channel().newPromise();
    closed.addListener(
        (ChannelFutureListener)
            future -> {
              if (!traffic.isDraining()) {
                ended.setSuccess();
              }
            });
    listening = closed;
    registerMetrics();
    Registrar.start();
    return ended;
  }

  /** Registering collects once, which takes a ModelManager. */
  private static void registerMetrics() {
    if (Series.ARE_ON) {
      Series.register();
      new ModelCollector().register();
      new ServerCollector().register();
    }
  }

  @Override
  public void stop() {
    if (listening != null) {
      traffic.drain();
      listening.channel().close().syncUninterruptibly();
      Log.say("INFO", "drained: " + traffic.waitUntilQuiet(drain));
    }
    super.stop();
  }
}
