package stack.models;

import com.google.gson.Gson;
import com.google.gson.JsonObject;
import java.util.AbstractMap;
import java.util.AbstractSet;
import java.util.Iterator;
import java.util.Map;
import java.util.Properties;
import java.util.Set;
import org.pytorch.serve.servingsdk.snapshot.Snapshot;
import org.pytorch.serve.servingsdk.snapshot.SnapshotSerializer;
import stack.metrics.ModelCollector;

/**
 * Gives TorchServe the models to restore at its start, which runtime/torchserve.py writes to the configuration, and
 * gives each of them a ModelQueue.
 *
 * <p>TorchServe loads this class as its snapshot serializer, a plugin interface.
 */
public final class ManifestSnapshot implements SnapshotSerializer {
  /** Returns the snapshot in `json`. The queues are replaced while TorchServe iterates over its models. */
  @Override
  public Snapshot getSnapshot(String json) {
    Snapshot snapshot = new Gson().fromJson(json, Snapshot.class);
    Map<String, Map<String, JsonObject>> models = snapshot.getModels();
    Readiness.expect(models);
    models.forEach(
        (name, versions) ->
            versions.forEach((version, settings) -> ModelCollector.learn(name, version, settings)));
    snapshot.setModels(new RestoredModels(models));
    return snapshot;
  }

  /** Saves nothing, because every start uses the manifest. */
  @Override
  public void saveSnapshot(Snapshot snapshot, Properties properties) {}

  /** Returns null, because nothing is ever saved. */
  @Override
  public Properties getLastSnapshot() {
    return null;
  }

  /**
   * TorchServe registers a model before it asks the iterator for the next one, so the previous model's queue can be
   * replaced here, before its workers take a request.
   */
  private static final class RestoredModels extends AbstractMap<String, Map<String, JsonObject>> {
    private final Map<String, Map<String, JsonObject>> models;

    RestoredModels(Map<String, Map<String, JsonObject>> models) {
      this.models = models;
    }

    @Override
    public Set<Entry<String, Map<String, JsonObject>>> entrySet() {
      return new AbstractSet<>() {
        @Override
        public Iterator<Entry<String, Map<String, JsonObject>>> iterator() {
          Iterator<Entry<String, Map<String, JsonObject>>> entries = models.entrySet().iterator();
          return new Iterator<>() {
            @Override
            public boolean hasNext() {
              models.forEach(RestoredModels::replaceQueues);
              return entries.hasNext();
            }

            @Override
            public Entry<String, Map<String, JsonObject>> next() {
              return entries.next();
            }
          };
        }

        @Override
        public int size() {
          return models.size();
        }
      };
    }

    private static void replaceQueues(String name, Map<String, JsonObject> versions) {
      versions.forEach((version, settings) -> ModelQueue.replace(name, version, settings));
    }
  }
}
