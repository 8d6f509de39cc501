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
 * <p>The new archive gets a Model and a queue of its own, and workers that load it. TorchServe does not know of them
 * yet: the old workers take every request, and if a new worker does not load, the new ones end and nothing has changed.
 * Once all of them are READY, the new Model takes the place of the old one, and the old queue hands what waits in it to
 * the new queue. An old worker answers the batch that it computes, asks the old queue for the next one, and ends. Until
 * then the version takes the memory of both.
 *
 * <p>A model with sequenceBatching is the exception, because its workers hold the state of their clients' sequences and
 * take requests elsewhere than from the queue. Its old workers are ended at once, and the answer has a warning: what
 * they compute is answered by an error, and sequences that have begun are cut.
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
   * Returns a warning if requests of the old workers were lost, or else an empty text, once these workers are gone.
   * settings: as in the snapshot. Throws IllegalStateException if a new worker does not load.
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
    if (settings.get(Model.MAR_NAME).getAsString().equals(old.getModelUrl())) {
      return ""; // whoever takes back a replacement that failed finds it as it was
    }
    WorkerReplacement replacement = new WorkerReplacement(old, unregistered(name, version, settings));
    replacement.run(settings);
    ModelCollector.learn(name, version, settings);
    return old.isSequenceBatching() ? "sequenceBatching: its old workers were ended with their clients' sequences" : "";
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
    ModelQueue queue = ModelQueue.install(fresh, settings);
    List<WorkerThread> workers = new ArrayList<>();
    try {
      start(workers);
    } catch (Exception error) {
      end(fresh, workers, ModelQueue.of(old));
      throw error;
    }
    end(old, register(workers), queue);
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
    if (status != OK || !reach(WorkerState.WORKER_MODEL_LOADED, workers)) {
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

  /** Hands the model's queue over to `next`, ends its workers, and removes TorchServe's link to its archive. */
  private static void end(Model model, List<WorkerThread> workers, ModelQueue next) throws InterruptedException {
    long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(model.getResponseTimeout() + MARGIN_SECONDS);
    model.setMaxRetryTimeoutInMill(0); // no worker that ends, or has just ended, is started again
    ModelQueue.of(model).handOver(next, model.getResponseTimeout());
    for (WorkerThread worker : workers) {
      Process process = worker.getLifeCycle().getProcess();
      boolean mayCompute = worker.getState() == WorkerState.WORKER_MODEL_LOADED && !model.isSequenceBatching();
      if (mayCompute && process != null) {
        process.waitFor(deadline - System.nanoTime(), TimeUnit.NANOSECONDS);
      }
      Registrar.end(process);
      WorkerFacts.forget(model.getModelName(), model.getVersion(), worker.getWorkerId());
    }
    if (model.isSequenceBatching() && reach(WorkerState.WORKER_STOPPED, workers)) {
      workers.forEach(WorkerThread::shutdown); // ends the threads that sort requests by their sequence
    }
    model.getModelArchive().clean();
  }

  /** Whether all workers come into the state; waits a second, because TorchServe tells of a state before it sets it. */
  private static boolean reach(WorkerState state, List<WorkerThread> workers) throws InterruptedException {
    for (int tries = 0; tries < 100; tries++) {
      if (workers.stream().allMatch(worker -> worker.getState() == state)) {
        return true;
      }
      Thread.sleep(10);
    }
    return false;
  }
}
