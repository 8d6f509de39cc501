"""Checks that the edge's API keys and certificate, and the signing keys, can be used where they are needed."""

from __future__ import annotations

from pathlib import Path

from contract.keys import KEYS
from stackcli.access.api_keys import read_keys
from stackcli.access.folder import CERTIFICATE, EDGE_ID, PRIVATE_KEY, secrets_folder
from stackcli.common.check import Check
from stackcli.common.errors import StackError
from stackcli.common.paths import ROOT
from stackcli.project.settings import NO_KEY, Settings

EXPIRY_DAYS = 30  # warn about a certificate that expires sooner
SERVING_ID = 1000  # user and group of docker/torchserve; the builder runs as STACK_UID


def check_keys(settings: Settings) -> Check:
    """Checks the signing keys. Containers read them in place under their own user ids, so no private key is copied."""
    readers = (
        ("STACK_SIGNING_KEY", settings.stack_signing_key, "PRIVATE KEY", (settings.stack_uid, settings.stack_gid)),
        ("STACK_VERIFY_KEY", settings.stack_verify_key, "PUBLIC KEY", (SERVING_ID, SERVING_ID)),
    )
    for variable, name, kind, ids in readers:
        problem = None if name == NO_KEY else judge_key(ROOT / name, variable, kind, *ids)
        if problem:
            return problem
    return Check("signatures", "ok", settings.signatures)


def judge_key(file: Path, variable: str, kind: str, uid: int, gid: int) -> Check | None:
    """Says why a container running as `uid`:`gid` could not use the file as a `kind` of key; None if it could."""
    expected = f"a file that holds a {kind} in {variable}"
    try:
        content, status = file.read_bytes(), file.stat()
    except OSError as error:
        found = f"{file}: {error.strerror}"
        remedy = f"`ls -l {file}`, or docs/guides/provenance.md to make a pair"
        return Check("signatures", "failed", found, expected, remedy)
    if f"-----BEGIN {kind}-----".encode() not in content:
        remedy = "the private key to sign with, the public one to verify with"
        return Check("signatures", "failed", f"something else in {file}", expected, remedy)
    bit = 0o400 if status.st_uid == uid else 0o040 if status.st_gid == gid else 0o004
    if not status.st_mode & bit:
        found = f"{file}, which user {uid} may not read (mode {status.st_mode & 0o777:o}, owner {status.st_uid})"
        remedy = f"`chown {uid} {file}`" if kind == "PRIVATE KEY" else f"`chmod a+r {file}`: it is public"
        return Check("signatures", "failed", found, f"a {kind} that its container may read", remedy)
    if kind == "PRIVATE KEY" and status.st_mode & 0o077:
        found = f"{file} with mode {status.st_mode & 0o777:o}"
        return Check(
            "signatures", "warning", found, "a private key that only its owner may read", f"`chmod 600 {file}`"
        )
    return None


def check_edge(settings: Settings) -> list[Check]:
    """Checks what the edge needs with compose.prod.yaml; returns [] without it."""
    return [check_certificate(settings), check_api_keys(settings)] if settings.is_closed else []


def check_certificate(settings: Settings) -> Check:
    """Checks the certificate as clients would; it warns if it expires soon."""
    # Imported here, so that `status` of an open stack, which checks no certificate, does not wait for the import.
    from stackcli.access.certificates import days_left, read_pair, time_problem

    folder = secrets_folder(settings)
    make, renew = "`scripts/stack certs`", "`scripts/stack certs --force`"
    files = folder / CERTIFICATE, folder / PRIVATE_KEY
    for file in files:
        if problem := edge_read_problem(file):
            return Check("certificate", "failed", problem, "a certificate and its private key for the edge", make)
    try:
        pair = read_pair(*files)
    except StackError as error:
        return Check("certificate", "failed", error.found, error.expected, renew)
    if problem := time_problem(pair.certificate):
        return Check("certificate", "failed", problem, "a certificate that is valid today", renew)
    found = f"{', '.join(pair.hosts)}, until {pair.ends:%Y-%m-%d}"
    if days_left(pair.certificate) < EXPIRY_DAYS:
        return Check("certificate", "warning", found, f"a certificate valid for {EXPIRY_DAYS} more days", renew)
    return Check("certificate", "ok", found)


def check_api_keys(settings: Settings) -> Check:
    file, remedy = secrets_folder(settings) / KEYS, "`scripts/stack key add NAME`"
    problem = edge_read_problem(file)
    if problem:
        return Check("API keys", "failed", problem, "an API key for clients", remedy)
    try:
        keys = read_keys(settings)
    except StackError as error:
        return Check("API keys", "failed", error.found, error.expected, error.remedy)
    if not keys:
        return Check("API keys", "failed", f"none in {file}", "an API key for clients", remedy)
    return Check("API keys", "ok", ", ".join(f"{key.name} ({key.scope})" for key in keys))


def edge_read_problem(file: Path) -> str:
    """Says why the edge cannot read the file; empty if it can."""
    try:
        status = file.stat()
    except OSError as error:
        return f"{file}: {error.strerror}"
    bit = 0o400 if status.st_uid == EDGE_ID else 0o040 if status.st_gid == EDGE_ID else 0o004
    if status.st_mode & bit:
        return ""
    return f"{file}, which user {EDGE_ID} may not read (mode {status.st_mode & 0o777:o}, owner {status.st_uid})"
