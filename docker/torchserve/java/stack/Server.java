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
import stack.http.ConnectionSetup;
import stack.http.InFlight;
import stack.metrics.ModelCollector;
import stack.metrics.ModelMetrics;
import stack.metrics.ServerCollector;
import stack.models.Registrar;

/**
 * Runs TorchServe's server so that a stop loses no requests and a failed start reports its cause.
 *
 * <p>TorchServe's own stop resets the connections of requests in flight. Here the inference port closes first, requests
 * in flight and those still arriving on open connections are answered, and only then TorchServe is stopped.
 */
public final class Server extends ModelServer {
  private final InFlight inFlight = new InFlight();
  private final Duration drain;
  private ChannelFuture listening;

  private Server(ConfigManager config, Duration drain) {
    super(config);
    this.drain = drain;
  }

  /** Does the same as TorchServe's own main, with this class as ModelServer. Exits with 1 unless it is stopped. */
  public static void main(String[] args) {
    ServerLog.takePrints();
    try {
      Server server = new Server(configure(args), Duration.ofMillis(Long.getLong("stack.drain_ms", 0)));
      Runtime.getRuntime().addShutdownHook(new Thread(server::stop));
      server.startAndWait();
    } catch (Throwable error) {
      StringWriter trace = new StringWriter();
      error.printStackTrace(new PrintWriter(trace));
      ServerLog.say("ERROR", trace.toString());
      String text = "FAIL: expected TorchServe to start, found %s; try correcting config.properties";
      ServerLog.say("ERROR", String.format(text, why(error)));
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

  /** Includes the exception's class, because the message alone may be as terse as `For input string: "x"`. */
  private static String why(Throwable error) {
    Throwable cause = error.getCause();
    return error + (cause == null ? "" : " (" + cause.getMessage() + ")");
  }

  /** Returns a future for TorchServe to wait on, which completes if the port closes other than for a drain. */
  @Override
  public ChannelFuture initializeServer(
      Connector connector, EventLoopGroup serverGroup, EventLoopGroup workerGroup, ConnectorType type)
      throws InterruptedException, IOException, GeneralSecurityException {
    ChannelFuture closed = super.initializeServer(connector, serverGroup, workerGroup, type);
    if (type != ConnectorType.INFERENCE_CONNECTOR && type != ConnectorType.ALL) {
      return closed;
    }
    closed.channel().pipeline().addFirst(new ConnectionSetup(inFlight));
    ChannelPromise ended = closed.channel().newPromise();
    closed.addListener(
        (ChannelFutureListener)
            future -> {
              if (!inFlight.isDraining()) {
                ended.setSuccess();
              }
            });
    listening = closed;
    registerMetrics();
    Registrar.start();
    return ended;
  }

  /** Must be called late, because registering a collector makes it collect once, which needs a ModelManager. */
  private static void registerMetrics() {
    if (ModelMetrics.ARE_ON) {
      ModelMetrics.register();
      new ModelCollector().register();
      new ServerCollector().register();
    }
  }

  @Override
  public void stop() {
    if (listening != null) {
      inFlight.drain();
      listening.channel().close().syncUninterruptibly();
      ServerLog.say("INFO", "drained: " + inFlight.waitUntilQuiet(drain));
    }
    super.stop();
  }
}
