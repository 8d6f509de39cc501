package stack.models;

import com.google.gson.JsonObject;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.pytorch.serve.archive.model.ModelArchive;
import org.pytorch.serve.util.ConfigManager;
import org.pytorch.serve.wlm.Model;
import org.pytorch.serve.wlm.ModelManager;
import org.pytorch.serve.wlm.ModelVersionName;
import org.pytorch.serve.wlm.ModelVersionedRefs;
import org.pytorch.serve.wlm.WorkLoadManager;
import org.pytorch.serve.wlm.WorkerState;
import org.pytorch.serve.wlm.WorkerThread;
import stack.metrics.ModelCollector;
import stack.metrics.WorkerFacts;

/**
 * Gives a version that is served another archive while it answers, so that no request is lost.
 *
 * <p>The new archive gets a Model of its own, with a queue of its own, and workers that load it; TorchServe does not know
 * of them yet, and the old workers take every request. Once all the new workers are READY, the new Model takes the place
 * of the old one, and the old queue hands what waits in it to the new queue. An old worker answers the batch that it
 * computes, asks the old queue for the next one, and ends. If a new worker does not load, the new ones end, and nothing
 * has changed for the old ones. While both are there, the version takes the memory of both.
 *
 * <p>What a worker of two kinds has taken is not known here: with asyncCommunication it takes the next request before it
 * has answered the last, and with sequenceBatching it holds the state of its clients' sequences. Old workers of these
 * kinds are scaled down by TorchServe, and the answer has a warning: requests that they compute may fail, and sequences
 * that have begun are cut.
 */
final class WorkerReplacement {
  private static final int OK = 200;
  // Above a model's responseTimeout: a worker that still computes then would have been ended by TorchServe as well.
  private static final int MARGIN_SECONDS = 10;

  private final ModelManager models = ModelManager.getInstance();
  private final WorkLoadManager workload = Internals.get(models, "wlm");
  private final Model old;
  private final Model fresh;

  private WorkerReplacement(Model old, Model fresh) {
    this.old = old;
    this.fresh = fresh;
  }

  /**
   * Returns a warning if requests of the old workers may have been lost, or else an empty text, once the old workers
   * are gone. settings: as in the snapshot. Throws IllegalStateException if a new worker does not load.
   */
  static String replace(String name, String version, JsonObject settings) throws Exception {
    if (ConfigManager.getInstance().isCPULauncherEnabled()) {
      throw new IllegalStateException("cpu_launcher_enable, which gives every core to the running workers");
    }
    ModelManager models = ModelManager.getInstance();
    Model old = models.getModel(name, version);
    if (old == null) {
      throw new IllegalStateException("no such model");
    }
    if (old.getModelUrl().equals(settings.get(Model.MAR_NAME).getAsString())) {
      return ""; // whoever takes back a replacement that failed finds it as it was
    }
    WorkerReplacement replacement = new WorkerReplacement(old, unregistered(name, version, settings));
    replacement.run(settings);
    ModelCollector.learn(name, version, settings);
    return replacement.losesNothing()
        ? ""
        : "its old workers were scaled down at once, because it uses asyncCommunication or sequenceBatching";
  }

  /** A Model as TorchServe makes it to register it, which no request finds yet. */
  private static Model unregistered(String name, String version, JsonObject settings) throws Exception {
    ModelManager models = ModelManager.getInstance();
    String folder = settings.get(Model.MAR_NAME).getAsString();
    ModelArchive archive = Internals.call(models, "createModelArchive", name, folder, null, null, name, false);
    try {
      if (!version.equals(archive.getModelVersion())) {
        throw new IllegalStateException("an archive of version " + archive.getModelVersion());
      }
      Model model = Internals.call(models, "createModel", archive, settings);
      Internals.call(models, "setupModelVenv", model);
      Internals.call(models, "setupModelDependencies", model);
      return model;
    } catch (Exception error) {
      archive.clean();
      throw error;
    }
  }

  private void run(JsonObject settings) throws Exception {
    ModelQueue waiting = ModelQueue.of(old);
    ModelQueue successor = ModelQueue.install(fresh, settings);
    List<WorkerThread> workers = new ArrayList<>();
    try {
      start(workers);
    } catch (Exception error) {
      successor.handOver(waiting, 0);
      end(fresh, workers);
      throw error;
    }
    List<WorkerThread> leaving = register(workers);
    waiting.handOver(successor, fresh.getResponseTimeout());
    end(old, leaving);
  }

  /** Adds workers that have loaded the new archive; a worker that does not is not started again. */
  private void start(List<WorkerThread> workers) throws Exception {
    if (fresh.getParallelLevel() > 0) { // TorchServe starts fewer of these if it has fewer GPUs
      fresh.setMinWorkers(Math.min(fresh.getMinWorkers(), old.getMinWorkers()));
    }
    long retried = fresh.getMaxRetryTimeoutInMill();
    fresh.setMaxRetryTimeoutInMill(0);
    CompletableFuture<Integer> started = new CompletableFuture<>();
    Internals.call(workload, "addThreads", workers, fresh, fresh.getMinWorkers(), started);
    int status = started.get(fresh.getStartupTimeout() + Registrar.PROCESS_START_SECONDS, TimeUnit.SECONDS);
    fresh.setMaxRetryTimeoutInMill(retried);
    if (status != OK || !areReady(workers)) {
      throw new IllegalStateException("a worker that does not load it");
    }
  }

  /** From now on TorchServe knows the new Model and its workers only; returns the old workers. */
  private List<WorkerThread> register(List<WorkerThread> workers) {
    Map<ModelVersionName, List<WorkerThread>> registered = Internals.get(workload, "workers");
    Map<String, ModelVersionedRefs> byName = Internals.get(models, "modelsNameMap");
    Map<String, Model> versions = Internals.get(byName.get(old.getModelName()), "modelsVersionMap");
    synchronized (old.getModelVersionName()) { // as TorchServe does to scale
      List<WorkerThread> leaving = workload.getWorkers(old.getModelVersionName());
      registered.put(old.getModelVersionName(), workers);
      versions.put(old.getVersion(), fresh);
      return leaving;
    }
  }

  /** Ends workers whose queue was handed over, and removes TorchServe's link to their archive. */
  private void end(Model model, List<WorkerThread> workers) throws InterruptedException {
    long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(model.getResponseTimeout() + MARGIN_SECONDS);
    // A worker that ends, or has ended before, is not started again.
    model.setMaxRetryTimeoutInMill(0);
    for (WorkerThread worker : workers) {
      Process process = worker.getLifeCycle().getProcess();
      if (!losesNothing()) {
        worker.shutdown();
      } else if (process != null && isReady(worker)) {
        process.waitFor(deadline - System.nanoTime(), TimeUnit.NANOSECONDS);
      }
      Registrar.end(process);
      WorkerFacts.forget(model.getModelName(), model.getVersion(), worker.getWorkerId());
    }
    model.getModelArchive().clean();
  }

  private boolean losesNothing() {
    return !old.isAsyncCommunication() && !old.isSequenceBatching();
  }

  /** Waits a second at most, because TorchServe tells of a worker's state just before it sets it. */
  private static boolean areReady(List<WorkerThread> workers) throws InterruptedException {
    for (int tries = 0; tries < 100 && !workers.stream().allMatch(WorkerReplacement::isReady); tries++) {
      Thread.sleep(10);
    }
    return workers.stream().allMatch(WorkerReplacement::isReady);
  }

  private static boolean isReady(WorkerThread worker) {
    return worker.getState() == WorkerState.WORKER_MODEL_LOADED;
  }
}
