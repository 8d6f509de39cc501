"""Only what the holder of the key built is served; everything else is refused by name, with the reason."""

import hashlib
import json
import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from integration.support.commands import run_command, run_in_image
from integration.support.fresh import FreshDeployments
from integration.support.models.folders import BRIGHT_PICTURE, write_brightness_model
from integration.support.polling import wait_until
from integration.support.signatures import make_keys, signed
from integration.support.stack import Deployment, get_json
from integration.support.store import archive_sha256, available_models, entry_of, give_to_container_user
from integration.support.users import PROJECT_ROOT

REASONS = {
    "archive_and_hash": "a record that was altered after it was signed",
    "settings": "a record that was altered after it was signed",
    "other_key": "a signature by another key",
    "unsigned": "no signature",
}


@dataclass(frozen=True)
class SignedStack:
    """`day` and `night`, built and signed, in their own store; and another user's private key."""

    stack: Deployment
    private: Path
    public: Path
    foreign_private: Path


@pytest.fixture(scope="module")
def signed_stack(fresh_deployment: FreshDeployments, workspace: Path) -> SignedStack:
    sources = workspace / "signed-src"
    for name in ("day", "night"):
        write_brightness_model(sources, name)
    private, public = make_keys(workspace / "keys")
    foreign_private, _ = make_keys(workspace / "foreign-keys")
    give_to_container_user(private.parent)
    stack = fresh_deployment(model_src=sources, STACK_SIGNING_KEY=str(private), STACK_VERIFY_KEY=str(public))
    stack.build_models()
    return SignedStack(stack, private, public, foreign_private)


@pytest.fixture(scope="module")
def untouched(signed_stack: SignedStack) -> SignedStack:
    signed_stack.stack.start()
    signed_stack.stack.wait_until_healthy()
    return signed_stack


@pytest.fixture(scope="module")
def tampered(untouched: SignedStack) -> SignedStack:
    """Night is gone; five others stand next to day, each damaged in its own way, and TorchServe started again."""
    stack = untouched.stack
    day, night = entry_of(stack.model_store, "day"), entry_of(stack.model_store, "night")
    source = stack.model_store / night["archive"]
    records = {name: clone(source, night, name, untouched.private) for name in REASONS}
    altered = stack.model_store / records["archive_and_hash"]["archive"]
    altered.write_bytes(altered.read_bytes() + b"\0")
    records["archive_and_hash"]["sha256"] = archive_sha256(altered)
    records["settings"]["serving"] = {**night["serving"], "batchSize": 4096}
    records["other_key"] = signed(records["other_key"], untouched.foreign_private)
    del records["unsigned"]["signature"]
    source.rename(stack.model_store / "extra-1.0.mar")
    manifest = {"schema": 1, "models": [day, *records.values()]}
    (stack.model_store / "manifest.json").write_text(json.dumps(manifest))
    stack.compose("restart", "--no-deps", "torchserve")
    wait_until("day answers in spite of the damage", lambda: stack.workers("day")[0]["status"] == "READY", 120)
    return untouched


def clone(archive: Path, record: dict[str, Any], name: str, private: Path) -> dict[str, Any]:
    """A model under another name in the same store, properly signed."""
    copied = archive.with_name(f"{name}-1.0.mar")
    shutil.copy(archive, copied)
    return signed({**record, "name": name, "archive": copied.name}, private)


def test_what_the_key_has_signed_is_served(untouched: SignedStack) -> None:
    for name in ("day", "night"):
        assert untouched.stack.predict(name, BRIGHT_PICTURE).text == "bright"
    assert "entrypoint: signatures: verified with " in untouched.stack.said()


def test_the_builders_signature_is_what_openssl_makes_of_the_record(signed_stack: SignedStack) -> None:
    """Ed25519 is deterministic: following docs/guides/provenance.md by hand gives the same bytes."""
    record = entry_of(signed_stack.stack.model_store, "day")
    assert signed(record, signed_stack.private)["signature"] == record["signature"]


def test_the_program_of_the_documentation_verifies_the_store(signed_stack: SignedStack) -> None:
    text = (PROJECT_ROOT / "docs/guides/provenance.md").read_text()
    program = text.partition("```python ")[2].partition("\n")[2].partition("```")[0]
    mounts: dict[Path | str, str] = {
        signed_stack.public: "/tmp/verify.pem:ro",
        signed_stack.stack.model_store: "/tmp/model_store:ro",
    }
    printed = run_in_image("torchserve", ["python", "-c", program], mounts)
    assert [line.split()[:2] for line in printed.splitlines()] == [["day", "1.0"], ["night", "1.0"]]


def test_the_untouched_model_still_serves(tampered: SignedStack) -> None:
    assert tampered.stack.predict("day", BRIGHT_PICTURE).text == "bright"
    models = get_json(f"{tampered.stack.management}/models")["models"]
    assert [model["modelName"] for model in models] == ["day"]


@pytest.mark.parametrize("name", REASONS)
def test_what_was_tampered_with_is_refused_by_name_and_reason(tampered: SignedStack, name: str) -> None:
    lines = [line for line in tampered.stack.said().splitlines() if f" {name} 1.0: refused, not served" in line]
    assert lines, "no line says that it was refused"
    assert REASONS[name] in lines[-1]


def test_an_extra_archive_is_named_and_ignored(tampered: SignedStack) -> None:
    assert "entrypoint: ignored: extra-1.0.mar is not in the manifest" in tampered.stack.said()


def test_health_is_red_and_names_every_refused_model(tampered: SignedStack) -> None:
    probe = tampered.stack.container().attrs["Config"]["Healthcheck"]["Test"]

    def is_red() -> bool:
        ended = tampered.stack.container().exec_run(probe[1:])
        assert isinstance(ended.output, bytes)
        assert all(f"{name} 1.0: refused" in ended.output.decode() for name in REASONS), ended.output
        return ended.exit_code == 1

    wait_until("the probe is red", is_red, 30)


@pytest.mark.parametrize("kind", ["another key", "garbage", "the private key"])
def test_with_a_key_that_does_not_fit_nothing_is_served(signed_stack: SignedStack, tmp_path: Path, kind: str) -> None:
    key = tmp_path / "verify.pem"
    if kind == "another key":
        key.write_bytes(make_keys(tmp_path / "another")[1].read_bytes())
    else:
        key.write_text(signed_stack.private.read_text() if kind == "the private key" else "garbage\n")
    expected = "a model to serve" if kind == "another key" else "STACK_VERIFY_KEY to be an Ed25519 public key"
    stack = replace(signed_stack.stack, variables={"STACK_VERIFY_KEY": str(key)})
    ended = run_command(
        stack.compose_command("run", "--rm", "--no-TTY", "--no-deps", "torchserve"), stack.environment(), 120
    )
    assert ended.returncode == 1, ended.stdout
    assert f"FAIL: expected {expected}" in ended.stdout
    if kind == "another key":
        assert "day 1.0: refused, not served: " in ended.stdout


def test_every_archive_of_the_users_store_was_scanned_and_is_listed(running_stack: Deployment) -> None:
    for record in available_models(running_stack.model_store):
        assert record["scan"]["pickles"] >= 1
        listed = (running_stack.model_store / record["sbom"]["file"]).read_bytes()
        assert hashlib.sha256(listed).hexdigest() == record["sbom"]["sha256"]
        assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(listed.decode()) is None


def test_every_image_can_be_listed(running_stack: Deployment, tmp_path: Path) -> None:
    command = [str(PROJECT_ROOT / "scripts/stack"), "sbom", "--out", str(tmp_path)]
    ended = run_command(command, running_stack.environment())
    assert ended.returncode == 0, ended.stdout
    purls = {}
    for part in ("base", "builder", "torchserve"):
        text = (tmp_path / f"{part}.cdx.json").read_text()
        assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
        purls[part] = [component.get("purl", "") for component in json.loads(text)["components"]]
    for part, wanted in {
        "base": ["pkg:pypi/torch@", "pkg:pypi/torchserve@0.12.0", "pkg:maven/io.netty/netty-codec-http@4."],
        "builder": ["pkg:pypi/picklescan@", "pkg:deb/"],
        "torchserve": ["pkg:pypi/openvino@", "pkg:deb/", "pkg:maven/io.netty/netty-codec-http@4."],
    }.items():
        missing = [start for start in wanted if not any(purl.startswith(start) for purl in purls[part])]
        assert not missing, f"{part}: nothing starts with {missing}"
