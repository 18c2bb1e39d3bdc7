"""``twinline broker``: what a line's broker is told, made from those whom the line's authority has let in."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Annotated

import typer

from gateway.errors import BadInput, Problem

app = typer.Typer(help="Tell a line's broker who may say and hear what.", no_args_is_help=True)


@app.command("config")
def config(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="The broker's, with its certificate.")],
    pki: Annotated[Path, typer.Option(metavar="FOLDER", help="The line's authority.")],
    at: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS", help="Listen at this address alone (default: as it does)."),
    ] = None,
    port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="Listen there (default: as it does, else 8883).")
    ] = None,
) -> None:
    """Write mosquitto's settings, the access list, and the list of the revoked; again after each change."""
    from gateway.pki.certificates import moment
    from gateway.pki.credentials import TLS, TlsFiles
    from rig import brokerfiles
    from rig.pki.authority import Authority

    if not folder.is_dir():
        hint = "make it: twinline gateway prepare, or python -m gateway.enroll at the broker"
        raise BadInput([Problem(str(folder), 0, 0, "there is no such folder", hint)])
    authority = Authority.open(pki)
    if problems := brokerfiles.misplaced(folder, authority):
        raise BadInput(problems)
    address, number = brokerfiles.listens(folder)
    listen = (address if at is None else at, number if port is None else port)
    try:
        brokerfiles.configure(folder, authority, listen)
    except OSError as error:
        hint = "see to the disk and its permissions, and do it again"
        raise BadInput([Problem(str(folder), 0, 0, error.strerror or str(error), hint)]) from None
    typer.echo(f"{folder}: {brokerfiles.CONF}, {brokerfiles.ACL} and {brokerfiles.REVOKED} are made")
    typer.echo(f"it listens at port {listen[1]}" + (f" of {listen[0]}" if listen[0] else ""))
    for each in brokerfiles.admitted(authority):
        roles = f" ({', '.join(each.roles)})" if each.roles else ""
        typer.echo(f"  {each.node}: {each.kind}{roles}")
    if not TlsFiles.of(folder / TLS).certificate.exists():
        typer.echo(f"{folder} has no certificate yet: python -m gateway.enroll, there (docs/pki.md)")
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        typer.echo(
            "a mosquitto started as root goes on as the user mosquitto, who must be able to read all of "
            f"this: chown -R mosquitto: {folder}"
        )
    typer.echo("a mosquitto that runs takes the two lists with SIGHUP: systemctl reload mosquitto")
    for node, since in brokerfiles.replaced(authority, time.time_ns()).items():
        typer.echo(
            f"restart it, where it has run since before {moment(since):%Y-%m-%d %H:%M} UTC: "
            f"{node} got another certificate then, and SIGHUP does not end a connection by the old one"
        )
