"""The dashboard Workers and JVM: the processes that serve."""

from __future__ import annotations

from boards.panels import GREEN, RED, STATES, YELLOW, Dashboard, Query, Variable, lines, row, stat, steps, table
from boards.promql import OBSERVED, increase, rate

CHOSEN = 'model=~"$model"'
JVM = 'job="torchserve"'
EACH = "model, version, instance, worker"
NAME = "{{model}} {{version}} {{worker}}"

WORKERS = row(
    "Workers",
    stat(
        "Ready",
        "Workers that answer requests. 0 means that nothing is served; "
        "see docs/guides/runbook.md#modelwithoutreadyworker.",
        Query(f'sum(model_workers{{{CHOSEN}, state="ready"}})'),
        unit="none",
        thresholds=steps((1, GREEN), base=RED),
        width=6,
    ),
    stat(
        "Starting",
        "Workers that are loading their model. If it takes minutes, read their log; "
        "see docs/guides/runbook.md#modelwithoutreadyworker.",
        Query(f'sum(model_workers{{{CHOSEN}, state="starting"}})'),
        unit="none",
        thresholds=steps((1, YELLOW)),
        width=6,
    ),
    stat(
        "Failed",
        "Workers that TorchServe has given up on. Their log says why; see docs/guides/runbook.md#workercrashloop.",
        Query(f'sum(model_workers{{{CHOSEN}, state="failed"}})'),
        unit="none",
        thresholds=steps((1, RED)),
        width=6,
    ),
    stat(
        "Restarts",
        "In the time range shown. More than one or two mean a crash loop; see docs/guides/runbook.md#workercrashloop.",
        Query(increase("model_worker_restarts_total", CHOSEN)),
        unit="none",
        thresholds=steps((0.5, YELLOW), (3, RED)),
        decimals=0,
        width=6,
    ),
    lines(
        "Workers by state",
        "A worker that is failed, or starting for long, cannot load its model; see "
        "docs/guides/runbook.md#modelwithoutreadyworker.",
        Query(f"sum by (state) (model_workers{{{CHOSEN}}})", "{{state}}"),
        colours=STATES,
        unit="none",
        stacked=True,
    ),
    lines(
        "Restarts by model",
        "Each one is a worker that died together with its current requests; "
        "see docs/guides/runbook.md#workercrashloop.",
        Query(increase("model_worker_restarts_total", CHOSEN, "model, version", OBSERVED), "{{model}} {{version}}"),
        unit="none",
    ),
    lines(
        "CPU of each worker",
        "In cores. A worker that constantly uses as many cores as it has threads is the bottleneck: use more workers, "
        "or fewer threads in each (`scripts/stack tune`).",
        Query(rate("model_worker_cpu_seconds_total", CHOSEN, EACH), NAME),
        unit="none",
    ),
    lines(
        "Memory of each worker",
        "Resident memory. If it only rises, the handler has a leak; see docs/guides/runbook.md#memorynearlimit.",
        Query(f"sum by ({EACH}) (model_worker_memory_bytes{{{CHOSEN}}})", NAME),
        unit="bytes",
        width=12,
    ),
    table(
        "Each worker",
        "Current memory and CPU. Compare a model's workers: one that differs has a problem; if it is killed, "
        "TorchServe replaces it; see docs/guides/runbook.md#memorynearlimit.",
        Query(f"sum by ({EACH}) (model_worker_memory_bytes{{{CHOSEN}}})"),
        Query(rate("model_worker_cpu_seconds_total", CHOSEN, EACH)),
        columns={
            "model": "Model",
            "version": "Version",
            "worker": "Worker",
            "instance": "Where",
            "Value #A": "Memory",
            "Value #B": "CPU, cores",
        },
        units={"Memory": "bytes", "CPU, cores": "none"},
        links={"Model": "/d/stack-model?var-model=${__value.text}"},
        width=12,
        height=8,
    ),
)

JAVA = row(
    "TorchServe's JVM",
    lines(
        "Heap and its limit",
        "A sawtooth is healthy. If its low points rise towards the limit (dashed), it ends in an OutOfMemoryError: "
        "send fewer or smaller requests at once, or add memory; see docs/guides/runbook.md#memorynearlimit.",
        Query(f'sum by (instance) (jvm_memory_bytes_used{{{JVM}, area="heap"}})', "used {{instance}}"),
        Query(f'max(jvm_memory_bytes_max{{{JVM}, area="heap"}})', "limit"),
        unit="bytes",
    ),
    lines(
        "Memory outside the heap",
        "Classes, compiled code and thread stacks. It grows after a start and then levels off; if it does not, models "
        "may be registered over and over.",
        Query(f'sum by (instance) (jvm_memory_bytes_used{{{JVM}, area="nonheap"}})', "{{instance}}"),
        unit="bytes",
    ),
    lines(
        "Time in garbage collection",
        "Share of the time spent collecting garbage. Above 5 % (dashed), it slows requests down: the heap is too "
        "small.",
        Query(rate("jvm_gc_collection_seconds_sum", JVM, "gc"), "{{gc}}"),
        unit="percentunit",
        bad=0.05,
    ),
    lines(
        "Garbage collections",
        "Per second. Many young collections come from large request bodies; repeated old ones mean that the heap is "
        "full.",
        Query(rate("jvm_gc_collection_seconds_count", JVM, "gc"), "{{gc}}"),
        unit="ops",
    ),
    lines(
        "Threads",
        "A few dozen, whatever the load. If the number only rises, threads leak: keep the log, and restart at a quiet "
        "time.",
        Query(f"sum by (instance) (jvm_threads_current{{{JVM}}})", "{{instance}}"),
        unit="none",
    ),
    lines(
        "CPU of the JVM",
        "In cores, for reading requests, queueing and writing answers. If it is close to the workers' CPU, requests "
        "are too small: batch them at the client.",
        Query(rate("process_cpu_seconds_total", JVM, "instance"), "{{instance}}"),
        unit="none",
    ),
    lines(
        "Resident memory of the JVM",
        "Heap, other memory and network buffers. It may exceed the heap by a few hundred MB; "
        "see docs/guides/runbook.md#memorynearlimit.",
        Query(f"sum by (instance) (process_resident_memory_bytes{{{JVM}}})", "{{instance}}"),
        unit="bytes",
        width=12,
    ),
    lines(
        "Uptime",
        "Age of the JVM's process. A drop to zero is a restart: the container's log has the reason; "
        "see docs/guides/runbook.md#servicedown.",
        Query(f"time() - max by (instance) (process_start_time_seconds{{{JVM}}})", "{{instance}}"),
        unit="s",
        width=12,
    ),
)

WORKERS_AND_JVM = Dashboard(
    uid="stack-workers",
    title="Workers and JVM",
    description="The processes that serve: each model's workers, and TorchServe's JVM.",
    rows=(WORKERS, JAVA),
    variables=(Variable("model", "Model", "label_values(model_info, model)", many=True),),
)
