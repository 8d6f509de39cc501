package stack.metrics;

import com.google.gson.JsonObject;
import com.google.gson.JsonParseException;
import com.google.gson.JsonParser;
import java.io.IOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.Set;

/** Reads the files that a version's workers write to TEMP (worker/facts.py): number of starts, engine, precision. */
public final class WorkerFacts {
  private static final Path FOLDER = Path.of(System.getProperty("java.io.tmpdir"), "workers");

  private int restarts;
  private JsonObject last = new JsonObject();

  static WorkerFacts of(String model, String version) {
    WorkerFacts facts = new WorkerFacts();
    Path folder = FOLDER.resolve(model).resolve(version);
    if (Files.isDirectory(folder)) {
      try (DirectoryStream<Path> files = Files.newDirectoryStream(folder, "*.json")) {
        for (Path file : files) {
          facts.add(JsonParser.parseString(Files.readString(file)).getAsJsonObject());
        }
      } catch (IOException | JsonParseException | IllegalStateException unreadable) {
        return facts; // what was read so far
      }
    }
    return facts;
  }

  /** Keeps only the restarts of a worker that is gone, so that its engine is no longer taken for the version's. */
  public static void forget(String model, String version, String worker) {
    Path file = FOLDER.resolve(model).resolve(version).resolve(worker + ".json");
    try {
      JsonObject facts = JsonParser.parseString(Files.readString(file)).getAsJsonObject();
      if (facts.get("starts").getAsInt() == 1) {
        Files.delete(file);
        return;
      }
      facts.keySet().retainAll(Set.of("starts"));
      Path partial = file.resolveSibling(worker + ".partial");
      Files.writeString(partial, facts.toString());
      Files.move(partial, file, StandardCopyOption.REPLACE_EXISTING);
    } catch (IOException | JsonParseException | IllegalStateException unreadable) {
      return; // nothing to forget
    }
  }

  private void add(JsonObject worker) {
    restarts += worker.get("starts").getAsInt() - 1;
    if (worker.has("engine")) {
      last = worker;
    }
  }

  int restarts() {
    return restarts;
  }

  /** Returns the engine that a worker has reported; until then `built`, the engine that the version was built for. */
  String engine(String built) {
    return last.has("engine") ? last.get("engine").getAsString() : built;
  }

  String precision(String built) {
    return last.has("precision") ? last.get("precision").getAsString() : built;
  }
}
