"""Chooses workers per model and threads per worker from what the container may use, and says why.

TorchServe sizes to the machine's CPUs and never sets OMP_NUM_THREADS; a container's limits reach neither. Too many
threads are worse than too few: two workers of two threads on two CPUs ran DenseNet161 five times slower than of one.
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
# Measured: the JVM under load, and one Python worker before it holds weights, with torch imported and without.
JVM_BYTES = 512 * MIB
TORCH_WORKER_BYTES, LEAN_WORKER_BYTES = 400 * MIB, 80 * MIB
# A torch worker holds its weights twice while it loads them. Of an archive for another engine about half is what that
# engine needs. The unpacked archive itself lies in TEMP, which is memory too.
TORCH_WEIGHT_COPIES, LEAN_WEIGHT_COPIES = 2.0, 0.5
LEAN_ENGINES = ("openvino", "onnxruntime")


@dataclass(frozen=True)
class Limits:
    """What the container may use: CPUs (1.5 is one and a half), memory in bytes or None for no limit, GPUs."""

    cpus: float
    cpus_from: str
    memory: Optional[int]
    memory_from: str
    gpus: int = 0


@dataclass(frozen=True)
class Sizing:
    """Workers per model, OMP threads per worker, and one line of reason for each."""

    workers: int
    threads: int
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class ModelSizing:
    """Workers of one model, threads of each, and who says so ("": the Sizing)."""

    workers: int
    threads: int
    why: str

    @property
    def changes(self) -> dict[str, Any]:
        """As model-config.yaml says it. TorchServe heeds minWorkers only beside a maxWorkers."""
        return {"minWorkers": self.workers, "maxWorkers": self.workers, "handler": {"threads": self.threads}}


def read_limits(cgroup: Path = CGROUP, devices: Path = Path("/dev"), replicas: int = 1) -> Limits:
    """The limits in force: CPU quota or part of the CPU set, memory limit, GPUs passed in.

    replicas: containers that have the CPU set in common; each is to leave the others their part.
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
    """How many containers serve on this machine, this one included."""
    return _override(env, "TORCHSERVE_REPLICAS") or 1


def choose(limits: Limits, models: Sequence[Model], env: Mapping[str, str]) -> Sizing:
    """As many workers as whole CPUs (or GPUs) while they fit in memory, the CPUs divided among them as threads."""
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
    """Tuned settings before the model's own (model.yaml), before everyone's.

    A model's own number of workers divides the CPUs anew: never more runnable threads than CPUs, unless asked for.
    A model batched without waiting gets a worker per two CPUs, of two threads: of one worker a lone request finds the
    memory in the cache, of several in turn it does not.
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
    """`1 worker`, `2 workers`, `1.5 CPUs`."""
    return f"{number:g} {noun}" + ("" if number == 1 else "s")


def _fitting_workers(cpus: int, limits: Limits, models: Sequence[Model]) -> tuple[int, str]:
    """Workers per model, at most `cpus`, so that one set of all models' workers fits in the memory limit."""
    if limits.memory is None or not models:
        return cpus, limits.cpus_from
    archives = sum(m.size for m in models)
    set_bytes = sum(_worker_bytes(m) for m in models)
    room = max(0, limits.memory - JVM_BYTES - archives)
    fitting = room // set_bytes
    if fitting >= cpus:
        return cpus, limits.cpus_from
    need = f"{set_bytes // MIB} MiB for one of each of {counted(len(models), 'model')}"
    why = f"{limits.memory_from}: {room // MIB} MiB for workers, {need}"
    if fitting:
        return fitting, why
    return 1, f"{why}; WARNING: workers may be killed, try a larger TORCHSERVE_MEMORY"


def _worker_bytes(model: Model) -> int:
    if model.engine in LEAN_ENGINES:
        return LEAN_WORKER_BYTES + int(LEAN_WEIGHT_COPIES * model.size)
    return TORCH_WORKER_BYTES + int(TORCH_WEIGHT_COPIES * model.size)


def _override(env: Mapping[str, str], name: str) -> Optional[int]:
    """A whole number of at least 1 from the environment, or None where the variable is unset or empty."""
    text = env.get(name, "").strip()
    if not text:
        return None
    if not (text.isdecimal() and int(text) >= 1):
        raise ServingError(f"{name} to be a whole number from 1", repr(text), f"{name}=2, or leave it empty")
    return int(text)
