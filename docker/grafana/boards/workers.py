"""The processes that serve: TorchServe's workers and its JVM."""

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
        "Workers that answer. 0 means that nothing is served; docs/guides/runbook.md#modelwithoutreadyworker.",
        Query(f'sum(model_workers{{{CHOSEN}, state="ready"}})'),
        unit="none",
        thresholds=steps((1, GREEN), base=RED),
        width=6,
    ),
    stat(
        "Starting",
        "Workers that load their model. For minutes: see their log; docs/guides/runbook.md#modelwithoutreadyworker.",
        Query(f'sum(model_workers{{{CHOSEN}, state="starting"}})'),
        unit="none",
        thresholds=steps((1, YELLOW)),
        width=6,
    ),
    stat(
        "Failed",
        "Workers that TorchServe has given up. Their log says why; docs/guides/runbook.md#workercrashloop.",
        Query(f'sum(model_workers{{{CHOSEN}, state="failed"}})'),
        unit="none",
        thresholds=steps((1, RED)),
        width=6,
    ),
    stat(
        "Restarts",
        "In the time range shown. More than one or two is a crash loop; docs/guides/runbook.md#workercrashloop.",
        Query(increase("model_worker_restarts_total", CHOSEN)),
        unit="none",
        thresholds=steps((0.5, YELLOW), (3, RED)),
        decimals=0,
        width=6,
    ),
    lines(
        "Workers by state",
        "failed, or starting for long: the worker does not load; docs/guides/runbook.md#modelwithoutreadyworker.",
        Query(f"sum by (state) (model_workers{{{CHOSEN}}})", "{{state}}"),
        colours=STATES,
        unit="none",
        stacked=True,
    ),
    lines(
        "Restarts by model",
        "Each is a worker that died with the requests that it held; docs/guides/runbook.md#workercrashloop.",
        Query(increase("model_worker_restarts_total", CHOSEN, "model, version", OBSERVED), "{{model}} {{version}}"),
        unit="none",
    ),
    lines(
        "CPU of each worker",
        "In cores. One at its number of threads all the time is the bottleneck: more workers, or fewer threads in "
        "each (`scripts/stack tune`).",
        Query(rate("model_worker_cpu_seconds_total", CHOSEN, EACH), NAME),
        unit="none",
    ),
    lines(
        "Memory of each worker",
        "Resident. One that only rises is a leak in its handler; docs/guides/runbook.md#memorynearlimit.",
        Query(f"sum by ({EACH}) (model_worker_memory_bytes{{{CHOSEN}}})", NAME),
        unit="bytes",
        width=12,
    ),
    table(
        "Each worker",
        "The largest and the busiest, now. Compare those of one model: one that differs is ill, and TorchServe "
        "replaces it when it is killed; docs/guides/runbook.md#memorynearlimit.",
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
    "The JVM of TorchServe",
    lines(
        "Heap and its limit",
        "A saw tooth is healthy. One whose low points rise to the limit (dashed) ends in an OutOfMemoryError: fewer "
        "or smaller requests at once, or more memory; docs/guides/runbook.md#memorynearlimit.",
        Query(f'sum by (instance) (jvm_memory_bytes_used{{{JVM}, area="heap"}})', "used {{instance}}"),
        Query(f'max(jvm_memory_bytes_max{{{JVM}, area="heap"}})', "limit"),
        unit="bytes",
    ),
    lines(
        "Memory outside the heap",
        "Classes, compiled code and thread stacks. It grows after a start and then stays; where it does not, suspect "
        "registrations without end.",
        Query(f'sum by (instance) (jvm_memory_bytes_used{{{JVM}, area="nonheap"}})', "{{instance}}"),
        unit="bytes",
    ),
    lines(
        "Time in garbage collection",
        "Share of the time that the JVM stood still. Above 5 % (dashed) requests feel it: the heap is too small.",
        Query(rate("jvm_gc_collection_seconds_sum", JVM, "gc"), "{{gc}}"),
        unit="percentunit",
        bad=0.05,
    ),
    lines(
        "Garbage collections",
        "Per second. Many young ones are garbage of large bodies; old ones again and again are a full heap.",
        Query(rate("jvm_gc_collection_seconds_count", JVM, "gc"), "{{gc}}"),
        unit="ops",
    ),
    lines(
        "Threads",
        "Some dozens, whatever the load. A number that only rises is a leak: restart in a quiet hour, keep the log.",
        Query(f"sum by (instance) (jvm_threads_current{{{JVM}}})", "{{instance}}"),
        unit="none",
    ),
    lines(
        "CPU of the JVM",
        "In cores: reading requests, queues, writing answers. Near the workers' own CPU: requests are too small for "
        "the machine, batch them at the client.",
        Query(rate("process_cpu_seconds_total", JVM, "instance"), "{{instance}}"),
        unit="none",
    ),
    lines(
        "Resident memory of the JVM",
        "Heap, the rest, and buffers of the network. It may exceed the heap by some hundreds of MB; "
        "docs/guides/runbook.md#memorynearlimit.",
        Query(f"sum by (instance) (process_resident_memory_bytes{{{JVM}}})", "{{instance}}"),
        unit="bytes",
        width=12,
    ),
    lines(
        "Running since",
        "Age of the JVM's process. A fall to zero is a restart: the container's log has its reason; "
        "docs/guides/runbook.md#servicedown.",
        Query(f"time() - max by (instance) (process_start_time_seconds{{{JVM}}})", "{{instance}}"),
        unit="s",
        width=12,
    ),
)

WORKERS_AND_JVM = Dashboard(
    uid="stack-workers",
    title="Workers and JVM",
    description="The processes that serve: workers of each model, and TorchServe's JVM.",
    rows=(WORKERS, JAVA),
    variables=(Variable("model", "Model", "label_values(model_info, model)", many=True),),
)
