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
 * Replaces a served version's archive while it keeps answering, so that no request is lost.
 *
 * <p>The new archive gets its own Model, queue and workers, which TorchServe does not know yet. The old workers keep
 * taking all requests; if a new worker fails to load, the new ones end and nothing changes. Once all new workers are
 * READY, the new Model replaces the old one, and the old queue hands its waiting requests to the new queue. An old
 * worker answers its current batch, asks the old queue for the next one, and ends. Until then the version needs the
 * memory of both.
 *
 * <p>A model with sequenceBatching is an exception, because its workers hold the state of their clients' sequences and
 * do not take requests from the queue. Its old workers are ended at once, and the answer contains a warning: requests
 * that they are computing get an error, and sequences that have begun are cut off.
 */
final class WorkerReplacement {
  private static final int OK = 200;
  // Added to a model's responseTimeout; TorchServe itself would have ended a worker that takes longer than that.
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
   * Replaces the workers and waits until the old ones are gone. Returns a warning if their requests were lost, or else
   * "". settings: as in the snapshot. Throws IllegalStateException if a new worker fails to load.
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
      return ""; // a rollback after a failed replacement finds that nothing has changed
    }
    WorkerReplacement replacement = new WorkerReplacement(old, unregistered(name, version, settings));
    replacement.run(settings);
    ModelCollector.learn(name, version, settings);
    return old.isSequenceBatching() ? "sequenceBatching: the old workers were ended with their clients' sequences" : "";
  }

  /** Returns a Model as TorchServe makes it for registration, which requests cannot find yet. */
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

  /** Starts workers for the new archive and waits until they have loaded it; failed ones are not restarted. */
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
      throw new IllegalStateException("a worker that cannot load it");
    }
  }

  /** Makes TorchServe use only the new Model and its workers from now on. Returns the old workers. */
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

  /** Hands the model's queue over to `next`, ends the model's workers, and removes TorchServe's link to its archive. */
  private static void end(Model model, List<WorkerThread> workers, ModelQueue next) throws InterruptedException {
    long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(model.getResponseTimeout() + MARGIN_SECONDS);
    model.setMaxRetryTimeoutInMill(0); // so that workers that end, or have just ended, are not restarted
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

  /** Whether all workers reach the state within a second; TorchServe announces a state before it sets it. */
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
