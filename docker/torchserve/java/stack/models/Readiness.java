package stack.models;

import com.google.gson.JsonArray;
import com.google.gson.JsonObject;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;
import java.util.stream.Collectors;
import org.pytorch.serve.archive.model.ModelVersionNotFoundException;
import org.pytorch.serve.wlm.Model;
import org.pytorch.serve.wlm.ModelManager;
import org.pytorch.serve.wlm.ModelVersionedRefs;
import org.pytorch.serve.wlm.WorkerState;

/**
 * Tracks which versions in the snapshot have not had a READY worker yet, and which versions TorchServe has registered.
 *
 * <p>A version that was ready once is never awaited again, because a server that loses a worker can still answer.
 */
public final class Readiness {
  private static final Set<Version> AWAITED = ConcurrentHashMap.newKeySet();

  private Readiness() {}

  /** Awaits all versions in the snapshot; models: by name and version. */
  static void expect(Map<String, Map<String, JsonObject>> models) {
    models.forEach((name, versions) -> versions.keySet().forEach(version -> AWAITED.add(new Version(name, version))));
  }

  /** Returns the versions that have not had a READY worker, such as "mnist 1.0"; empty once everything is ready. */
  public static List<String> awaited() {
    AWAITED.removeIf(Version::hasReadyWorker);
    return AWAITED.stream().map(Version::toString).sorted().collect(Collectors.toList());
  }

  /**
   * Returns all registered versions and the default, by model: `{"mnist": {"default": "1.0", "versions": ["1.0",
   * "2.0"]}}`.
   */
  public static JsonObject registered() {
    Map<String, ModelVersionedRefs> byName = new TreeMap<>();
    ModelManager.getInstance().getAllModels().forEach(model -> byName.put(model.getKey(), model.getValue()));
    JsonObject models = new JsonObject();
    byName.forEach((name, model) -> models.add(name, described(model)));
    return models;
  }

  private static JsonObject described(ModelVersionedRefs model) {
    JsonArray versions = new JsonArray();
    model.getAllVersions().stream().map(Map.Entry::getKey).sorted().forEach(versions::add);
    JsonObject described = new JsonObject();
    described.addProperty("default", model.getDefaultVersion());
    described.add("versions", versions);
    return described;
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
