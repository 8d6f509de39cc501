package stack.models;

import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import java.io.BufferedReader;
import java.io.IOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.Channels;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.pytorch.serve.wlm.Model;
import org.pytorch.serve.wlm.ModelManager;
import org.pytorch.serve.wlm.WorkerThread;
import stack.metrics.ModelCollector;
import stack.metrics.WorkerFacts;

/**
 * Adds and removes versions in the running server, on request over a socket in TEMP that only the container's own user
 * may open.
 *
 * <p>TorchServe's own HTTP and gRPC APIs for this stay closed (enable_model_api=false), because only
 * runtime/release.py, the client of this socket, verifies and unpacks archives. A connection takes one request: a line
 * of JSON with `action` (register, replace, unregister, default), `name`, `version` and, for the first two, `settings`
 * as in the snapshot. The answer is a line of JSON: {} or a `warning` if the request succeeded, or an `error`.
 */
public final class Registrar implements Runnable {
  private static final String SOCKET = ".registrar.sock";
  private static final int OK = 200;
  // Time to start a worker's process; it comes before the startupTimeout, which is for loading the model.
  static final int PROCESS_START_SECONDS = 30;

  private final ServerSocketChannel server;

  private Registrar(ServerSocketChannel server) {
    this.server = server;
  }

  public static void start() throws IOException {
    Path path = Path.of(System.getProperty("java.io.tmpdir"), SOCKET);
    Files.deleteIfExists(path);
    ServerSocketChannel server = ServerSocketChannel.open(StandardProtocolFamily.UNIX);
    server.bind(UnixDomainSocketAddress.of(path));
    Files.setPosixFilePermissions(path, PosixFilePermissions.fromString("rw-------"));
    Thread thread = new Thread(new Registrar(server), "registrar");
    thread.setDaemon(true);
    thread.start();
  }

  /** Serves one request at a time. */
  @Override
  public void run() {
    while (server.isOpen()) {
      try (SocketChannel client = server.accept();
          BufferedReader reader = new BufferedReader(Channels.newReader(client, StandardCharsets.UTF_8))) {
        JsonObject answer = answer(reader.readLine());
        client.write(ByteBuffer.wrap((answer + "\n").getBytes(StandardCharsets.UTF_8)));
      } catch (IOException gone) {
        System.out.println("registrar: " + gone);
      }
    }
  }

  private static JsonObject answer(String line) {
    JsonObject answer = new JsonObject();
    try {
      JsonObject request = JsonParser.parseString(line).getAsJsonObject();
      String name = request.get("name").getAsString();
      String version = request.get("version").getAsString();
      switch (request.get("action").getAsString()) {
        case "register":
          register(name, version, request.getAsJsonObject("settings"));
          break;
        case "replace":
          String warning = WorkerReplacement.replace(name, version, request.getAsJsonObject("settings"));
          if (!warning.isEmpty()) {
            answer.addProperty("warning", warning);
          }
          break;
        case "unregister":
          unregister(name, version);
          break;
        case "default":
          ModelManager.getInstance().setDefaultVersion(name, version);
          break;
        default:
          throw new IllegalArgumentException("an unknown action");
      }
    } catch (Exception error) { // any kind: the client gets the message and may try again
      answer.addProperty("error", error.getMessage() == null ? error.toString() : error.getMessage());
    }
    return answer;
  }

  /** Registers the version without workers first, so that TorchServe's own queue is empty when we replace it. */
  private static void register(String name, String version, JsonObject settings) throws Exception {
    ModelCollector.learn(name, version, settings);
    ModelManager models = ModelManager.getInstance();
    JsonObject idle = settings.deepCopy();
    idle.addProperty(Model.MIN_WORKERS, 0);
    idle.addProperty(Model.MAX_WORKERS, 0);
    models.registerAndUpdateModel(name, idle);
    try {
      ModelQueue.replace(name, version, settings);
      startWorkers(models.getModel(name, version), settings);
    } catch (Exception error) {
      unregister(name, version);
      throw error;
    }
  }

  /** Starts the workers with TorchServe's retries off, which would restart a failed worker even without its version. */
  private static void startWorkers(Model model, JsonObject settings) throws Exception {
    long retried = model.getMaxRetryTimeoutInMill();
    model.setMaxRetryTimeoutInMill(0);
    CompletableFuture<Integer> started =
        ModelManager.getInstance()
            .updateModel(
                model.getModelName(),
                model.getVersion(),
                settings.get(Model.MIN_WORKERS).getAsInt(),
                settings.get(Model.MAX_WORKERS).getAsInt(),
                true, // as at a start, after which TorchServe saves no snapshot
                false);
    int status = started.get(model.getStartupTimeout() + PROCESS_START_SECONDS, TimeUnit.SECONDS);
    if (status != OK) {
      throw new IllegalStateException("a worker that cannot load it");
    }
    model.setMaxRetryTimeoutInMill(retried);
  }

  /** Removes the version if it is registered, and answers the requests that are waiting for it. */
  private static void unregister(String name, String version) throws Exception {
    ModelManager models = ModelManager.getInstance();
    Model model = models.getModel(name, version);
    if (model == null) {
      return;
    }
    model.setMaxRetryTimeoutInMill(0);
    for (WorkerThread worker : models.getWorkers(model.getModelVersionName())) {
      end(worker.getLifeCycle().getProcess());
      WorkerFacts.forget(name, version, worker.getWorkerId());
    }
    int status = models.unregisterModel(name, version);
    if (status != OK) {
      throw new IllegalStateException("that TorchServe refuses to remove it, with status " + status);
    }
    ModelQueue.empty(model, "expected a served version, found that it was just removed");
  }

  /** Kills a worker. TorchServe would run the program `kill`, and keep the model if the base image does not have it. */
  static void end(Process worker) throws InterruptedException {
    if (worker != null) {
      worker.destroyForcibly().waitFor();
    }
  }
}
