"""`scripts/stack certs` and `scripts/stack key`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from stackcli.access import api_keys, certificates
from stackcli.access.folder import CA, secrets_folder
from stackcli.common import console
from stackcli.common.errors import ConfigError
from stackcli.common.paths import ROOT, shown
from stackcli.project.settings import load_settings

key_app = typer.Typer(help="Manage the API keys that the edge checks with compose.prod.yaml.", no_args_is_help=True)


def certs(
    host: Annotated[
        list[str] | None,
        typer.Option(
            "--host", metavar="NAME", help="A host name or address to add to localhost and 127.0.0.1; repeatable."
        ),
    ] = None,
    days: Annotated[
        int, typer.Option("--days", metavar="N", min=1, help="How many days the certificate is valid.")
    ] = certificates.DAYS,
    certificate: Annotated[
        Path | None, typer.Option("--certificate", metavar="FILE", help="Install your own certificate (PEM).")
    ] = None,
    private_key: Annotated[
        Path | None, typer.Option("--private-key", metavar="FILE", help="Its private key (PEM).")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the certificate that is already there.")] = False,
) -> None:
    """Create the edge's TLS certificate, or install your own. A running edge picks it up."""
    settings = load_settings(ROOT, os.environ)
    if certificate and private_key:
        pair = certificates.install_own(settings, certificate, private_key, force)
    elif certificate or private_key:
        raise ConfigError("--certificate together with --private-key", "only one of them", "passing both")
    else:
        pair = certificates.install_generated(settings, host or [], days, force)
    console.done(f"certificate: {', '.join(pair.hosts)}, until {pair.ends:%Y-%m-%d}")
    authority = secrets_folder(settings) / CA
    trust = f"--cacert {shown(authority)} " if authority.is_file() else ""
    url = f"https://{(pair.hosts or ['localhost'])[0]}:{settings.edge_port}"
    console.out.print(f"Clients: curl {trust}{url}/ping", markup=False)


@key_app.command("add")
def add_key(
    name: Annotated[str, typer.Argument(help="The client's name, which the access log shows.")],
    scope: Annotated[
        api_keys.Scope, typer.Option("--scope", help="predict: predictions; admin: model descriptions as well.")
    ] = "predict",
) -> None:
    """Create a key and print it. It is shown only once, because only its hash is stored."""
    key = api_keys.add_key(load_settings(ROOT, os.environ), name, scope)
    console.out.print(key, markup=False)
    console.err.print(f"Clients send: Authorization: Bearer {api_keys.PREFIX}…; it is not shown again", markup=False)


@key_app.command("list")
def list_keys() -> None:
    """List the keys: name, scope and the first digits of the hash."""
    for key in api_keys.read_keys(load_settings(ROOT, os.environ)):
        console.out.print(f"{key.name}  {key.scope}  {key.sha256[:12]}", markup=False)


@key_app.command("remove")
def remove_key(name: Annotated[str, typer.Argument(help="The client's name.")]) -> None:
    """Revoke a key at once, on open connections too."""
    api_keys.remove_key(load_settings(ROOT, os.environ), name)
    console.done(f"removed the key of {name}")
