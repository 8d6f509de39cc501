"""Workers and threads follow the container's limits, under either version of cgroups."""

import os
from pathlib import Path

import pytest

from contract.served import State
from contract.tuned import Tuned
from runtime.errors import ServingError
from runtime.manifest import Model
from runtime.sizing import MIB, Limits, Sizing, choose, read_limits, read_replicas, size_model
from runtime.tuning import Tuning


def cgroup(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n")
    return root


@pytest.fixture
def sixteen_cpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(16)))


@pytest.mark.usefixtures("sixteen_cpus")
@pytest.mark.parametrize(
    ("files", "cpus", "memory"),
    [
        ({"cpu.max": "150000 100000", "memory.max": "1073741824"}, 1.5, 1 << 30),
        ({"cpu.max": "max 100000", "memory.max": "max"}, 16, None),
        ({"cpu.max": "3200000 100000"}, 16, None),
        (
            {
                "cpu/cpu.cfs_quota_us": "200000",
                "cpu/cpu.cfs_period_us": "100000",
                "memory/memory.limit_in_bytes": "4294967296",
            },
            2,
            4 << 30,
        ),
        (
            {
                "cpu/cpu.cfs_quota_us": "-1",
                "cpu/cpu.cfs_period_us": "100000",
                "memory/memory.limit_in_bytes": "9223372036854771712",
            },
            16,
            None,
        ),
        ({}, 16, None),
    ],
    ids=["v2", "v2 without limits", "v2 quota above the CPU set", "v1", "v1 without limits", "no cgroup at all"],
)
def test_limits_are_read(tmp_path: Path, files: dict[str, str], cpus: float, memory: int) -> None:
    limits = read_limits(cgroup(tmp_path / "cgroup", files), tmp_path)
    assert (limits.cpus, limits.memory) == (cpus, memory)


@pytest.mark.usefixtures("sixteen_cpus")
@pytest.mark.parametrize(("quota", "cpus"), [("max", 4), ("200000", 2), ("800000", 4)], ids=["none", "less", "more"])
def test_replicas_on_one_machine_share_its_cpus_unless_each_has_less(tmp_path: Path, quota: str, cpus: float) -> None:
    limits = read_limits(cgroup(tmp_path / "cgroup", {"cpu.max": f"{quota} 100000"}), tmp_path, replicas=4)
    assert limits.cpus == cpus


@pytest.mark.parametrize(("said", "replicas"), [("", 1), ("1", 1), ("3", 3)])
def test_one_container_is_alone_unless_it_is_told_otherwise(said: str, replicas: int) -> None:
    assert read_replicas({"TORCHSERVE_REPLICAS": said}) == replicas


def test_gpus_are_the_device_nodes_passed_in(tmp_path: Path) -> None:
    for name in ("nvidia0", "nvidia1", "nvidiactl", "nvidia-uvm"):
        (tmp_path / name).touch()
    assert read_limits(tmp_path, tmp_path).gpus == 2


def models(*megabytes: int) -> "list[Model]":
    return [Model(f"m{i}", "1.0", State.SERVED, size=mb * MIB) for i, mb in enumerate(megabytes)]


@pytest.mark.parametrize(
    ("cpus", "memory", "gpus", "expected"),
    [
        (2, 4096, 0, (2, 1)),
        (1.5, 4096, 0, (1, 1)),
        (0.5, None, 0, (1, 1)),
        (16, 4096, 0, (2, 8)),
        (16, None, 0, (16, 1)),
        (16, 512, 0, (1, 16)),
        (16, 4096, 4, (4, 4)),
    ],
    ids=["the default", "part of a CPU", "half a CPU", "memory is short", "no limit", "no memory at all", "GPUs"],
)
def test_workers_fill_the_cpus_as_far_as_memory_goes(cpus, memory, gpus, expected) -> None:
    limits = Limits(cpus, "a test", memory and memory * MIB, "a test", gpus)
    sizing = choose(limits, models(5, 115, 20), {})
    assert (sizing.workers, sizing.threads) == expected
    assert len(sizing.reasons) == 2
    short = memory == 512
    assert ("larger TORCHSERVE_MEMORY" in sizing.reasons[0]) == short


def test_the_environment_overrides_and_the_reasons_say_so() -> None:
    sizing = choose(Limits(2, "", None, ""), models(1), {"TORCHSERVE_WORKERS": "3", "TORCHSERVE_THREADS": " 4 "})
    assert (sizing.workers, sizing.threads) == (3, 4)
    assert sizing.reasons == ("workers per model: 3 (TORCHSERVE_WORKERS)", "threads per worker: 4 (TORCHSERVE_THREADS)")


def test_empty_overrides_are_no_overrides() -> None:
    assert choose(Limits(2, "", None, ""), models(1), {"TORCHSERVE_WORKERS": "", "TORCHSERVE_THREADS": ""}).workers == 2


@pytest.mark.parametrize("value", ["0", "-1", "two", "1.5"])
def test_a_nonsensical_override_is_refused_by_name(value: str) -> None:
    with pytest.raises(ServingError, match=f"expected TORCHSERVE_WORKERS.*'{value}'.*try"):
        choose(Limits(2, "", None, ""), models(1), {"TORCHSERVE_WORKERS": value})


@pytest.mark.parametrize(
    ("serving", "tuned", "expected"),
    [
        ({}, None, (8, 1, "")),
        ({"minWorkers": 2, "maxWorkers": 2}, None, (2, 4, "model.yaml")),
        ({"threads": 3}, None, (8, 3, "model.yaml")),
        (
            {"minWorkers": 2, "maxWorkers": 2},
            Tuning(Tuned("throughput", {"workers": 1, "threads": 8})),
            (1, 8, "tuned for throughput"),
        ),
        ({"batchSize": 16, "maxBatchDelay": 0}, None, (4, 2, "")),
        ({}, Tuning(Tuned("p99=5", {"batchSize": 8, "maxBatchDelay": 0})), (4, 2, "")),
    ],
    ids=["everyone's", "its own workers", "its own threads", "tuned", "not to wait", "tuned not to wait"],
)
def test_a_models_own_sizes_come_first_and_tuned_ones_before_them(serving, tuned, expected) -> None:
    model = Model("m", "1.0", State.SERVED, serving=serving)
    size = size_model(model, Sizing(8, 1, ()), tuned, 8.0)
    assert (size.workers, size.threads, size.why) == expected


def test_a_model_without_torch_in_its_workers_needs_less_memory() -> None:
    limits = Limits(2, "", 1600 * MIB, "a test")
    lean = [Model("m", "1.0", State.SERVED, size=100 * MIB, engine="openvino")]
    torch = [Model("m", "1.0", State.SERVED, size=100 * MIB, engine="eager")]
    assert (choose(limits, lean, {}).workers, choose(limits, torch, {}).workers) == (2, 1)
