"""TorchServe is started with the user's configuration plus the manifest's models, as its own wrapper would start it."""

import json
import sys
from pathlib import Path

import pytest

from contract.served import State
from runtime import torchserve
from runtime.errors import ServingError
from runtime.manifest import Model

SETTINGS = {
    "minWorkers": 1,
    "maxWorkers": 1,
    "batchSize": 2,
    "maxBatchDelay": 0,
    "responseTimeout": 120,
    "startupTimeout": 60,
    "handler": {"threads": 1},
}
MODELS = [Model("mnist", v, State.SERVED, archive=f"mnist-{v}.mar") for v in ("2.0", "1.0")]


def test_the_models_are_named_in_the_manifests_order_and_the_users_keys_are_kept(tmp_path: Path) -> None:
    base = {"model_store": "/store", "load_models": "all", "cors_allowed_origin": "*"}
    served = [(MODELS[0], SETTINGS), (MODELS[1], {**SETTINGS, "maxBatchDelay": 5})]
    snapshot = torchserve.snapshot(served, {"mnist": "2.0"}, base)
    config = torchserve.effective_config(base, snapshot, Path("/unpacked"), cpus=4.0)
    torchserve.write_config(config, tmp_path / "c")
    written = torchserve.read_properties(tmp_path / "c")
    restored = json.loads(written.pop("model_snapshot"))
    assert restored["modelCount"] == 2
    assert list(restored["models"]["mnist"]) == ["2.0", "1.0"]
    assert restored["models"]["mnist"]["2.0"] == {
        "defaultVersion": True,
        "marName": "mnist-2.0.mar",
        "minWorkers": 1,
        "maxWorkers": 1,
        "batchSize": 2,
        "maxBatchDelay": 1,
        "greedy": True,
        "responseTimeout": 120,
        "startupTimeout": 60,
    }
    waiting = restored["models"]["mnist"]["1.0"]
    assert (waiting["defaultVersion"], waiting["maxBatchDelay"], "greedy" in waiting) == (False, 5, False)
    assert written == {
        "model_store": "/unpacked",
        "workflow_store": "/unpacked",
        "cors_allowed_origin": "*",
        "number_of_netty_threads": "2",
        "netty_client_threads": "2",
    }


def test_a_setting_that_the_archive_does_not_name_is_the_users_or_torchserves_own() -> None:
    base = {"default_response_timeout": "9"}
    sized = {"minWorkers": 1, "maxWorkers": 2}
    entry = torchserve.snapshot_entry(MODELS[0], sized, True, base)
    assert {key: entry[key] for key in SETTINGS if key in entry} == {
        **sized,
        "batchSize": 1,
        "maxBatchDelay": 100,
        "responseTimeout": 9,
        "startupTimeout": 120,
    }
    named = torchserve.snapshot_entry(MODELS[0], {**sized, "responseTimeout": 7}, True, base)
    assert (named["responseTimeout"], named["startupTimeout"]) == (7, 120)


@pytest.mark.parametrize("text", ["", "0", "-1", "1.5", "soon"])
def test_a_default_timeout_that_is_no_number_of_seconds_is_named(text: str) -> None:
    with pytest.raises(ServingError, match="expected default_startup_timeout in ") as caught:
        torchserve.snapshot_entry(MODELS[0], SETTINGS, True, {"default_startup_timeout": text})
    assert repr(text) in str(caught.value)


def test_what_was_written_is_read_again(tmp_path: Path) -> None:
    config = {"model_snapshot": '{"a": "b\\\\c=d"}', "vmargs": "-Xmx1g -Da=b"}
    torchserve.write_config(config, tmp_path / "c")
    assert torchserve.read_config(tmp_path / "c") == config


def test_comments_and_equal_signs_in_values_are_read_as_the_wrapper_reads_them(tmp_path: Path) -> None:
    (tmp_path / "c").write_text("# a=b\n\n vmargs = -Xmx1g -Da=b \nnot a pair\n")
    assert torchserve.read_properties(tmp_path / "c")["vmargs"] == "-Xmx1g -Da=b"
    assert "# a" not in torchserve.read_properties(tmp_path / "c")


def test_a_missing_configuration_is_named(tmp_path: Path) -> None:
    with pytest.raises(ServingError, match="expected TorchServe's settings"):
        torchserve.read_properties(tmp_path / "absent")


def test_java_is_started_without_snapshots_and_with_this_python() -> None:
    config = {"model_store": "/store", "vmargs": "-Xmx1g -Xms1g"}
    command = torchserve.java_command(config, Path("/t/c"), Path("/t"), drain_seconds=20)
    assert command[command.index("--python") + 1] == sys.executable
    assert command[command.index("-s") + 1] == "/store"
    assert {"-ncs", "-Xmx1g", "-Xms1g", torchserve.MAIN_CLASS} <= set(command)
    assert {"-Djava.io.tmpdir=/t", "-Dstack.drain_ms=20000"} <= set(command)
    frontend = Path(command[command.index("-cp") + 1].split(":")[1]).parent
    assert list(frontend.glob("*.jar")), "the class path holds no TorchServe"
    assert torchserve.LOG_CONFIG.is_file()
    assert torchserve.FRONTEND.is_file()
    assert list(torchserve.NATIVE.glob("libnetty_transport_native_epoll_*.so"))


def test_workers_inherit_the_thread_count_and_nothing_that_is_the_entrypoints(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", "/opt/stack")
    monkeypatch.setenv("TS_CONFIG_FILE", "/elsewhere")
    env = torchserve.java_environment(1)
    assert (env["OMP_NUM_THREADS"], env["MKL_NUM_THREADS"]) == ("1", "1")
    assert not {"PYTHONPATH", "TS_CONFIG_FILE"} & env.keys()
