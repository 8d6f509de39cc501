package stack.models;

import com.google.gson.JsonObject;
import io.netty.channel.ChannelHandlerContext;
import io.netty.handler.codec.http.HttpMethod;
import io.netty.handler.codec.http.HttpRequest;
import io.netty.handler.codec.http.HttpResponseStatus;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import org.pytorch.serve.archive.model.ModelVersionNotFoundException;
import org.pytorch.serve.http.MethodNotAllowedException;
import org.pytorch.serve.http.ServiceUnavailableException;
import org.pytorch.serve.http.StatusResponse;
import org.pytorch.serve.util.NettyUtils;
import org.pytorch.serve.wlm.Model;
import org.pytorch.serve.wlm.ModelManager;
import org.pytorch.serve.wlm.WorkerState;

/**
 * Answers `GET /ready`: with 200 once it has found a READY worker of every version of the snapshot, and from then on. A
 * proxy asks it where to send requests: a worker that dies later leaves a server that still answers.
 *
 * <p>TorchServe's /ping says Healthy even with no model loaded.
 */
public final class Readiness {
  private static final String PATH = "/ready";
  private static final Set<Version> AWAITED = ConcurrentHashMap.newKeySet();

  private Readiness() {}

  /** models: the snapshot's, by name and version. */
  static void expect(Map<String, Map<String, JsonObject>> models) {
    models.forEach((name, versions) -> versions.keySet().forEach(version -> AWAITED.add(new Version(name, version))));
  }

  /** Answers a request for PATH; returns whether it was one. Nothing is logged, because a proxy asks every second. */
  public static boolean answer(ChannelHandlerContext context, HttpRequest request) {
    if (!PATH.equals(request.uri())) {
      return false;
    }
    if (!HttpMethod.GET.equals(request.method()) && !HttpMethod.HEAD.equals(request.method())) {
      NettyUtils.sendError(context, HttpResponseStatus.METHOD_NOT_ALLOWED, new MethodNotAllowedException());
    } else if (isReady()) {
      NettyUtils.sendJsonResponse(context, new StatusResponse("Ready", HttpResponseStatus.OK.code()));
    } else {
      String text =
          String.format("expected a READY worker of every model, found none yet of %s; try again soon", AWAITED);
      NettyUtils.sendError(context, HttpResponseStatus.SERVICE_UNAVAILABLE, new ServiceUnavailableException(text));
    }
    return true;
  }

  private static boolean isReady() {
    AWAITED.removeIf(Version::hasReadyWorker);
    return AWAITED.isEmpty();
  }

  private static final class Version {
    private final String name;
    private final String number;

    Version(String name, String number) {
      this.name = name;
      this.number = number;
    }

    boolean hasReadyWorker() {
      try {
        ModelManager models = ModelManager.getInstance();
        Model model = models.getModel(name, number);
        return model != null
            && models.getWorkers(model.getModelVersionName()).stream()
                .anyMatch(worker -> worker.getState() == WorkerState.WORKER_MODEL_LOADED);
      } catch (ModelVersionNotFoundException notYet) {
        return false;
      }
    }

    @Override
    public String toString() {
      return name + " " + number;
    }
  }
}
