"""The machine (node exporter) and the containers' share of it."""

from __future__ import annotations

from boards.panels import RED, YELLOW, Dashboard, Query, Variable, lines, row, stat, steps
from boards.promql import OBSERVED, rate

NODE = 'instance="$node"'
CONTAINER = "job, instance"
NAME = "{{job}} {{instance}}"
HERE = 'job=~"$container"'
# The exporter is in a container: its root lies on the disk of Docker's data, its network is its own.
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
        "Of all cores. Above 90 % for long every request waits for CPU: fewer workers, or a larger machine.",
        Query(f'1 - avg(rate(node_cpu_seconds_total{{{NODE}, mode="idle"}}[{OBSERVED}]))'),
        unit="percentunit",
        thresholds=steps((0.8, YELLOW), (0.95, RED)),
        decimals=0,
        width=6,
    ),
    stat(
        "Memory in use",
        "Without what the kernel can drop. Above 95 % the kernel soon kills the largest process; "
        "docs/guides/runbook.md#memorynearlimit.",
        Query(f"{USED_MEMORY} / {ALL_MEMORY}"),
        unit="percentunit",
        thresholds=steps((0.85, YELLOW), (0.95, RED)),
        decimals=0,
        width=6,
    ),
    stat(
        "Disk of Docker in use",
        "Above 90 % make room (`docker system df` says what Docker keeps): a full disk stops logs, builds and "
        "releases.",
        Query(USED_DISK),
        unit="percentunit",
        thresholds=steps((0.8, YELLOW), (0.9, RED)),
        decimals=0,
        width=6,
    ),
    stat(
        "Running since",
        "Time since the machine started. After a restart of it see that every model is ready; "
        "docs/guides/runbook.md#servicedown.",
        Query(f"time() - max(node_boot_time_seconds{{{NODE}}})"),
        unit="s",
        width=6,
    ),
)

MACHINE = row(
    "The machine",
    lines(
        "CPU by mode, of all cores",
        "user is work; system much above it is the kernel's (network, memory); iowait is a slow disk; steal is a "
        "neighbour on the same host: ask for another machine.",
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
        "Processes that run or wait for CPU or disk. Far above the cores (dashed) for long: too many workers or "
        "threads (`scripts/stack tune`).",
        Query(f"max(node_load1{{{NODE}}})", "1 min"),
        Query(f"max(node_load5{{{NODE}}})", "5 min"),
        Query(f"max(node_load15{{{NODE}}})", "15 min"),
        Query(CORES, "cores"),
        unit="none",
    ),
    lines(
        "Memory and its total",
        "used cannot be dropped, cached can. used near the total (dashed): docs/guides/runbook.md#memorynearlimit.",
        Query(USED_MEMORY, "used"),
        Query(f"sum(node_memory_Cached_bytes{{{NODE}}} + node_memory_Buffers_bytes{{{NODE}}})", "cached"),
        Query(ALL_MEMORY, "total"),
        unit="bytes",
    ),
    lines(
        "Disk of Docker in use, over time",
        "Above 90 % (dashed) make room: Docker's images and the builder's cache are the largest (`docker system df`).",
        Query(USED_DISK, "used"),
        unit="percentunit",
        bad=0.9,
        top=1,
    ),
    lines(
        "Disk throughput",
        "Reading is a start or a release; writing is logs. Much of either while serving: memory is short, and models "
        "are read again and again.",
        Query(rate("node_disk_read_bytes_total", NODE), "read"),
        Query(rate("node_disk_written_bytes_total", NODE), "written"),
        unit="Bps",
    ),
    lines(
        "Disks busy",
        "Share of the time in which a disk had work. At 100 % (dashed) what reads from it waits: find out what does.",
        Query(f"max by (device) (rate(node_disk_io_time_seconds_total{{{BLOCKS}}}[{OBSERVED}]))", "{{device}}"),
        unit="percentunit",
        bad=1,
    ),
    lines(
        "Network of the edge",
        "What clients sent and got. Near the link's speed, pictures are too large: have clients shrink them, or send "
        "JPEG.",
        Query(rate("haproxy_frontend_bytes_in_total", EDGE), "in"),
        Query(rate("haproxy_frontend_bytes_out_total", EDGE), "out"),
        unit="Bps",
        width=12,
    ),
    lines(
        "Processes that wait",
        "Running or ready to run, and blocked by a disk. Many ready ones: CPU is short; many blocked ones: the disk "
        "is slow.",
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
        "In cores. At the limit (dashed, of the largest) the container is throttled: raise TORCHSERVE_CPUS, or add "
        "TorchServes.",
        Query(rate("container_cpu_seconds_total", HERE, CONTAINER), NAME),
        Query(f"max(container_cpu_limit_cores{{{HERE}}})", "limit"),
        unit="none",
        width=12,
    ),
    lines(
        "CPU throttled",
        "Share of the time in which the kernel held the container back at its CPU limit. Above 0 latency suffers: "
        "raise the limit, or use fewer threads.",
        Query(
            rate("container_cpu_throttled_seconds_total", HERE, CONTAINER),
            NAME,
        ),
        unit="percentunit",
        width=12,
    ),
    lines(
        "Memory",
        "Without what the kernel can drop. One that only rises is a leak: which worker says Workers and JVM; "
        "docs/guides/runbook.md#memorynearlimit.",
        Query(f"sum by ({CONTAINER}) (container_memory_bytes{{{HERE}}})", NAME),
        unit="bytes",
        width=12,
    ),
    lines(
        "Memory, of the limit",
        "At 100 % the kernel kills a process in the container; from 90 % (dashed) on act: "
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
    description="The machine, by node exporter, and the containers' share of it.",
    rows=(NOW, MACHINE, CONTAINERS),
    variables=(
        Variable("node", "Machine", "label_values(node_load1, instance)"),
        Variable("container", "Container", "label_values(container_memory_bytes, job)", many=True),
    ),
)
