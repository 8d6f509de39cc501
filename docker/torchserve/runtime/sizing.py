"""Chooses workers per model and threads per worker from the container's limits, and gives the reasons.

TorchServe sizes itself by the machine's CPUs and never sets OMP_NUM_THREADS, so it ignores a container's limits. Too
many threads are worse than too few: on two CPUs, two workers ran DenseNet161 five times slower with two threads than
with one.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional

from contract.cgroup import CGROUP, cpu_limit, memory_limit
from runtime.errors import ServingError
from runtime.manifest import Model
from runtime.tuning import Tuning

MIB = 1 << 20
# Measured: the JVM under load, and a Python worker before it loads weights, with torch imported and without.
JVM_BYTES = 512 * MIB
TORCH_WORKER_BYTES, LEAN_WORKER_BYTES = 400 * MIB, 80 * MIB
# A torch worker holds its weights twice while it loads them. Another engine needs about half of an archive. The
# unpacked archive itself is in TEMP, which is memory as well.
TORCH_WEIGHT_COPIES, LEAN_WEIGHT_COPIES = 2.0, 0.5
LEAN_ENGINES = ("openvino", "onnxruntime")


@dataclass(frozen=True)
class Limits:
    """What the container may use: CPUs (possibly fractional), memory in bytes (None for no limit), and GPUs."""

    cpus: float
    cpus_from: str
    memory: Optional[int]
    memory_from: str
    gpus: int = 0


@dataclass(frozen=True)
class Sizing:
    """Workers per model, OMP threads per worker, and a line with the reason for each."""

    workers: int
    threads: int
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class ModelSizing:
    """One model's workers, threads per worker, and the source of these numbers ("" for the general Sizing)."""

    workers: int
    threads: int
    why: str

    @property
    def changes(self) -> dict[str, Any]:
        """The settings as in model-config.yaml. TorchServe ignores minWorkers without maxWorkers."""
        return {"minWorkers": self.workers, "maxWorkers": self.workers, "handler": {"threads": self.threads}}


def read_limits(cgroup: Path = CGROUP, devices: Path = Path("/dev"), replicas: int = 1) -> Limits:
    """Returns the limits in force: CPU quota or share of the CPU set, memory limit, and GPUs passed in.

    replicas: the number of containers that share the CPU set, of which each uses its part only.
    """
    allowed = len(os.sched_getaffinity(0))
    cpus, cpus_from = allowed / replicas, f"{counted(allowed, 'CPU')} in the CPU set"
    if replicas > 1:
        cpus_from += f", shared by {replicas} replicas"
    quota = cpu_limit(cgroup)
    if quota is not None and quota[0] < cpus:
        cpus, cpus_from = quota[0], f"{counted(quota[0], 'CPU')} by {quota[1]}"
    memory = memory_limit(cgroup)
    memory_from = f"{memory[0] // MIB} MiB by {memory[1]}" if memory else "no memory limit"
    gpus = len(list(devices.glob("nvidia[0-9]*")))
    return Limits(cpus, cpus_from, memory[0] if memory else None, memory_from, gpus)


def read_replicas(env: Mapping[str, str]) -> int:
    """Returns how many containers serve on this machine, including this one."""
    return _override(env, "TORCHSERVE_REPLICAS") or 1


def choose(limits: Limits, models: Sequence[Model], env: Mapping[str, str]) -> Sizing:
    """Chooses one worker per whole CPU (or GPU) if they fit into memory, and divides the CPUs among them as threads."""
    reasons: list[str] = []
    cpus = max(1, int(limits.cpus))
    workers = _override(env, "TORCHSERVE_WORKERS")
    if workers is not None:
        reasons.append(f"workers per model: {workers} (TORCHSERVE_WORKERS)")
    elif limits.gpus:
        workers = limits.gpus
        reasons.append(f"workers per model: {workers} (one per GPU)")
    else:
        workers, why = _fitting_workers(cpus, limits, models)
        reasons.append(f"workers per model: {workers} ({why})")
    threads = _override(env, "TORCHSERVE_THREADS")
    if threads is not None:
        reasons.append(f"threads per worker: {threads} (TORCHSERVE_THREADS)")
    else:
        threads = max(1, cpus // workers)
        reasons.append(f"threads per worker: {threads} ({counted(cpus, 'CPU')} / {counted(workers, 'worker')})")
    return Sizing(workers, threads, tuple(reasons))


def size_model(model: Model, sizing: Sizing, tuned: Optional[Tuning], cpus: float) -> ModelSizing:
    """Sizes one model: tuned settings take precedence over its own (model.yaml), and those over the general Sizing.

    If a model sets its number of workers, the CPUs are divided among those, so that there are never more runnable
    threads than CPUs unless requested. A model batched without delay gets one worker with two threads per two CPUs:
    with fewer workers, a lone request is more likely to find its worker's memory in the CPU cache.
    """
    own_workers = (tuned and tuned.workers) or model.own_workers
    own_threads = (tuned and tuned.threads) or model.serving.get("threads")
    source = (tuned.why if tuned else "model.yaml") if own_workers or own_threads else ""
    is_greedy = {**model.serving, **(tuned.changes if tuned else {})}.get("maxBatchDelay") == 0
    few = max(1, min(int(cpus) // 2, sizing.workers)) if is_greedy else None
    workers = own_workers or few or sizing.workers
    threads = own_threads or (max(1, int(cpus) // workers) if own_workers or few else sizing.threads)
    return ModelSizing(workers, threads, source)


def counted(number: float, noun: str) -> str:
    """Returns `1 worker`, `2 workers`, `1.5 CPUs`."""
    return f"{number:g} {noun}" + ("" if number == 1 else "s")


def _fitting_workers(cpus: int, limits: Limits, models: Sequence[Model]) -> tuple[int, str]:
    """Returns workers per model (at most `cpus`) that fit into the memory limit for all models, and the reason."""
    if limits.memory is None or not models:
        return cpus, limits.cpus_from
    archives = sum(m.size for m in models)
    set_bytes = sum(_worker_bytes(m) for m in models)
    room = max(0, limits.memory - JVM_BYTES - archives)
    fitting = room // set_bytes
    if fitting >= cpus:
        return cpus, limits.cpus_from
    need = f"{set_bytes // MIB} MiB needed for one worker of each of {counted(len(models), 'model')}"
    why = f"{limits.memory_from}: {room // MIB} MiB left for workers, {need}"
    if fitting:
        return fitting, why
    return 1, f"{why}; WARNING: workers may be killed, try a larger TORCHSERVE_MEMORY"


def _worker_bytes(model: Model) -> int:
    if model.engine in LEAN_ENGINES:
        return LEAN_WORKER_BYTES + int(LEAN_WEIGHT_COPIES * model.size)
    return TORCH_WORKER_BYTES + int(TORCH_WEIGHT_COPIES * model.size)


def _override(env: Mapping[str, str], name: str) -> Optional[int]:
    """Returns a whole number of at least 1 from the environment, or None if the variable is unset or empty."""
    text = env.get(name, "").strip()
    if not text:
        return None
    if not (text.isdecimal() and int(text) >= 1):
        raise ServingError(f"{name} to be a whole number, 1 or more", repr(text), f"{name}=2, or leave it empty")
    return int(text)
