"""The dashboard Hardware: the machine (from node exporter) and the containers' share of it."""

from __future__ import annotations

from boards.panels import RED, YELLOW, Dashboard, Query, Variable, lines, row, stat, steps
from boards.promql import OBSERVED, rate

NODE = 'instance="$node"'
CONTAINER = "job, instance"
NAME = "{{job}} {{instance}}"
HERE = 'job=~"$container"'
# The exporter runs in a container, so its root is on the disk with Docker's data, and its network is not the host's.
DISK = f'{NODE}, mountpoint="/"'
EDGE = 'proxy="edge"'
BLOCKS = f'{NODE}, device!~"loop.*|zram.*|ram.*"'
CORES = f'count(node_cpu_seconds_total{{{NODE}, mode="idle"}})'
USED_MEMORY = f"sum(node_memory_MemTotal_bytes{{{NODE}}} - node_memory_MemAvailable_bytes{{{NODE}}})"
ALL_MEMORY = f"sum(node_memory_MemTotal_bytes{{{NODE}}})"
USED_DISK = f"1 - min(node_filesystem_avail_bytes{{{DISK}}} / node_filesystem_size_bytes{{{DISK}}})"


NOW = row(
    "The machine, now",
    stat(
        "CPU in use",
        "Share of all cores. If it stays above 90 %, every request waits for CPU: use fewer workers or a larger "
        "machine.",
        Query(f'1 - avg(rate(node_cpu_seconds_total{{{NODE}, mode="idle"}}[{OBSERVED}]))'),
        unit="percentunit",
        thresholds=steps((0.8, YELLOW), (0.95, RED)),
        decimals=0,
        width=6,
    ),
    stat(
        "Memory in use",
        "Without cache that the kernel can reclaim. Above 95 % the kernel will soon kill the largest process; see "
        "docs/guides/runbook.md#memorynearlimit.",
        Query(f"{USED_MEMORY} / {ALL_MEMORY}"),
        unit="percentunit",
        thresholds=steps((0.85, YELLOW), (0.95, RED)),
        decimals=0,
        width=6,
    ),
    stat(
        "Docker's disk in use",
        "Above 90 %, free some space (`docker system df` shows what Docker keeps): a full disk stops logs, builds and "
        "releases.",
        Query(USED_DISK),
        unit="percentunit",
        thresholds=steps((0.8, YELLOW), (0.9, RED)),
        decimals=0,
        width=6,
    ),
    stat(
        "Uptime",
        "Time since the machine started. After a restart, check that every model is ready; "
        "see docs/guides/runbook.md#servicedown.",
        Query(f"time() - max(node_boot_time_seconds{{{NODE}}})"),
        unit="s",
        width=6,
    ),
)

MACHINE = row(
    "The machine",
    lines(
        "CPU by mode, of all cores",
        "user is useful work. If system is much higher, the kernel is busy (network, memory); iowait means a slow "
        "disk; steal means that another VM on the same host takes CPU: ask for a different machine.",
        Query(
            f"""{rate("node_cpu_seconds_total", f'{NODE}, mode!="idle"', "mode")} / on() group_left() {CORES}""",
            "{{mode}}",
        ),
        unit="percentunit",
        stacked=True,
        top=1,
    ),
    lines(
        "Load and cores",
        "Processes that run or wait for CPU or disk. If the load stays far above the number of cores (dashed), there "
        "are too many workers or threads: run `scripts/stack tune`.",
        Query(f"max(node_load1{{{NODE}}})", "1 min"),
        Query(f"max(node_load5{{{NODE}}})", "5 min"),
        Query(f"max(node_load15{{{NODE}}})", "15 min"),
        Query(CORES, "cores"),
        unit="none",
    ),
    lines(
        "Memory and its total",
        "cached can be reclaimed, used cannot. If used is near the total (dashed), see "
        "docs/guides/runbook.md#memorynearlimit.",
        Query(USED_MEMORY, "used"),
        Query(f"sum(node_memory_Cached_bytes{{{NODE}}} + node_memory_Buffers_bytes{{{NODE}}})", "cached"),
        Query(ALL_MEMORY, "total"),
        unit="bytes",
    ),
    lines(
        "Docker's disk in use, over time",
        "Above 90 % (dashed), free some space: Docker's images and the builder's cache take up most (`docker system "
        "df`).",
        Query(USED_DISK, "used"),
        unit="percentunit",
        bad=0.9,
        top=1,
    ),
    lines(
        "Disk throughput",
        "Starts and releases read, logs write. Much of either while serving means that memory is short and models are "
        "read over and over.",
        Query(rate("node_disk_read_bytes_total", NODE), "read"),
        Query(rate("node_disk_written_bytes_total", NODE), "written"),
        unit="Bps",
    ),
    lines(
        "Disks busy",
        "Share of the time during which a disk was busy. At 100 % (dashed) processes wait for it: find out which use "
        "it.",
        Query(f"max by (device) (rate(node_disk_io_time_seconds_total{{{BLOCKS}}}[{OBSERVED}]))", "{{device}}"),
        unit="percentunit",
        bad=1,
    ),
    lines(
        "Network of the edge",
        "What clients sent and received. Near the link's speed, pictures are too large: have clients shrink them or "
        "send JPEG.",
        Query(rate("haproxy_frontend_bytes_in_total", EDGE), "in"),
        Query(rate("haproxy_frontend_bytes_out_total", EDGE), "out"),
        unit="Bps",
        width=12,
    ),
    lines(
        "Waiting processes",
        "running includes processes that are ready to run: if many, CPU is short. blocked processes wait for a disk: "
        "if many, the disk is slow.",
        Query(f"max(node_procs_running{{{NODE}}})", "running"),
        Query(f"max(node_procs_blocked{{{NODE}}})", "blocked"),
        unit="none",
        width=12,
    ),
)

CONTAINERS = row(
    "The containers",
    lines(
        "CPU and its limit",
        "In cores. At the limit (dashed: the largest one) the container is throttled: raise TORCHSERVE_CPUS, or add "
        "TorchServes.",
        Query(rate("container_cpu_seconds_total", HERE, CONTAINER), NAME),
        Query(f"max(container_cpu_limit_cores{{{HERE}}})", "limit"),
        unit="none",
        width=12,
    ),
    lines(
        "CPU throttled",
        "Share of the time during which the kernel throttled the container at its CPU limit. Above 0, latency suffers: "
        "raise the limit or use fewer threads.",
        Query(
            rate("container_cpu_throttled_seconds_total", HERE, CONTAINER),
            NAME,
        ),
        unit="percentunit",
        width=12,
    ),
    lines(
        "Memory",
        "Without cache that the kernel can reclaim. Memory that only rises is a leak: the dashboard Workers and JVM "
        "shows which worker it is; see docs/guides/runbook.md#memorynearlimit.",
        Query(f"sum by ({CONTAINER}) (container_memory_bytes{{{HERE}}})", NAME),
        unit="bytes",
        width=12,
    ),
    lines(
        "Memory relative to its limit",
        "At 100 % the kernel kills a process in the container. Act from 90 % (dashed) on: see "
        "docs/guides/runbook.md#memorynearlimit.",
        Query(
            f"max by ({CONTAINER}) (container_memory_bytes{{{HERE}}} / container_memory_limit_bytes{{{HERE}}})",
            NAME,
        ),
        unit="percentunit",
        bad=0.9,
        top=1,
        width=12,
    ),
)

HARDWARE = Dashboard(
    uid="stack-hardware",
    title="Hardware",
    description="The machine, as reported by node exporter, and the containers' share of it.",
    rows=(NOW, MACHINE, CONTAINERS),
    variables=(
        Variable("node", "Machine", "label_values(node_load1, instance)"),
        Variable("container", "Container", "label_values(container_memory_bytes, job)", many=True),
    ),
)
