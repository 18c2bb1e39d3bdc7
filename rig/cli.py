"""The command ``twinline``: its sub-commands, each imported when it is used."""

from __future__ import annotations

import argparse
import importlib.metadata
import sys
from pathlib import Path
from typing import Annotated

import typer

from gateway.errors import BadInput, Problem
from rig.brokercommand import app as broker_app
from rig.ledger import app as ledger_app
from rig.library import app as library_app
from rig.library import station_app
from rig.pki.commands import app as pki_app
from rig.tags.commands import app as tags_app
from rig.twins import twin_app

app = typer.Typer(
    name="twinline",
    help="Commission manufacturing lines: real controllers against twins of their machines.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
gateway_app = typer.Typer(help="Set up gateways that run on machines of their own.", no_args_is_help=True)
app.add_typer(gateway_app, name="gateway")
session_app = typer.Typer(
    help="Run a commissioning session, and look after its evidence.", no_args_is_help=True
)
app.add_typer(session_app, name="session")
app.add_typer(ledger_app, name="ledger")
app.add_typer(pki_app, name="pki")
app.add_typer(broker_app, name="broker")
app.add_typer(tags_app, name="tags")
app.add_typer(library_app, name="library")
app.add_typer(station_app, name="station")
app.add_typer(twin_app, name="twin")
line_app = typer.Typer(help="Look at a line before it is commissioned.", no_args_is_help=True)
app.add_typer(line_app, name="line")
plant_app = typer.Typer(help="Stand in for a station's machine.", no_args_is_help=True)
app.add_typer(plant_app, name="plant")


def _tell_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"twinline {importlib.metadata.version('twinline')}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_tell_version, is_eager=True, help="Say which version.")
    ] = False,
) -> None:
    """Commission manufacturing lines: real controllers against twins of their machines."""


LineArgument = Annotated[Path, typer.Argument(help="The line file.", metavar="LINE.yaml")]
FolderArgument = Annotated[Path, typer.Argument(help="A run's folder.", metavar="DIR")]
ModeOption = Annotated[
    str | None, typer.Option(help="virtual, hil, ril or shadow, for all; else as the line file says.")
]
ProgramOption = Annotated[
    list[str] | None, typer.Option("--program", metavar="STATION=FILE", help="Swap a station's program.")
]
PortsOption = Annotated[
    str, typer.Option(help="file: the controllers' ports as written; auto: any that are free.")
]
BrokerOption = Annotated[
    str | None,
    typer.Option(help="mosquitto or embedded, to be started; or mqtts://host:port of one that runs."),
]
KeysOption = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR", help="Use gateways that run already: the folder of 'twinline gateway prepare'."
    ),
]
RunsOption = Annotated[Path, typer.Option(help="Where evidence goes.")]
OperatorOption = Annotated[str, typer.Option(help="Who commissions: an id.")]
SeedOption = Annotated[
    str | None, typer.Option(metavar="N", help="Of what chance decides in the twins (default: the line's).")
]
ProceduresOption = Annotated[
    list[Path] | None, typer.Option("--procedures", help="Folders of own procedures (default: procedures/).")
]
SelectOption = Annotated[
    str | None, typer.Option("-k", metavar="EXPRESSION", help="Only steps whose name matches, as in pytest.")
]


@app.command()
def demo(mode: ModeOption = None, broker: BrokerOption = None, runs: RunsOption = Path("runs")) -> None:
    """Commission the starter line on this machine."""
    session_run(Path("lines/starter.yaml"), mode=mode, ports="auto", broker=broker, runs=runs)


@app.command()
def probe(
    url: Annotated[
        str, typer.Argument(help="modbus://host:port/unit, opc.tcp://host:port or s7://host:port/rack/slot.")
    ],
    expect: Annotated[
        list[str] | None, typer.Option(help="A value seen on the machine: hr:100=12.5 or hr:100:REAL=12.5.")
    ] = None,
    security: Annotated[
        str, typer.Option(metavar="POLICY[/MODE]", help="OPC UA: connect by Basic256Sha256 or another one.")
    ] = "",
    certificates: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            envvar="TWINLINE_CERTIFICATES",
            help="OPC UA: where our own certificate is kept (default: ~/.config/twinline/opcua).",
        ),
    ] = None,
    timeout: Annotated[str, typer.Option(help="How long to wait for an answer.")] = "2 s",
    as_json: Annotated[bool, typer.Option("--json", help="For programs to read.")] = False,
) -> None:
    """Ask a device what it is and what can be read of it; exit status 0 it answered, 1 it did not."""
    from gateway.field.probe.probe import command

    raise typer.Exit(command(url, expect or (), timeout, as_json, typer.echo, security, certificates))


@app.command("shell")
def local_shell(
    gateway: Annotated[
        Path | None,
        typer.Argument(
            help="gateway.json or its folder (default: TWINLINE_GATEWAY, else here).", metavar="GATEWAY"
        ),
    ] = None,
    command: Annotated[
        list[str] | None, typer.Option("-c", metavar="COMMAND", help="Do this and end; again for another.")
    ] = None,
) -> None:
    """Look into a gateway on this machine, with no rig, broker or network; exit status as its commands'."""
    from gateway.local.main import shell

    raise typer.Exit(shell(gateway, command or ()))


@line_app.command("show")
def line_show(
    line: LineArgument,
    as_json: Annotated[bool, typer.Option("--json", help="For programs to read.")] = False,
) -> None:
    """Stations, modes, devices, models, signals counted, couplings and bills; exit status 0."""
    import msgspec

    from gateway.config import find_config
    from rig.line import load_line
    from rig.show import survey, table

    shown = survey(load_line(line if line.exists() or line.is_absolute() else find_config(str(line))))
    if as_json:
        typer.echo(msgspec.json.format(msgspec.json.encode(shown), indent=2).decode())
        return
    for text in table(shown):
        typer.echo(text)


@line_app.command("who")
def line_who(
    line: LineArgument,
    keys: Annotated[Path, typer.Option(metavar="DIR", help="The folder of 'twinline gateway prepare'.")],
    broker: BrokerOption = None,
    operator: OperatorOption = "rig",
) -> None:
    """Which gateways have come to the line; exit status 0: every station is there, 1: one is not."""
    from rig.attach import who
    from rig.backend import RigFault
    from rig.open import Options

    given = argparse.Namespace(
        line=str(line), mode=None, program=[], ports="file", broker=broker, runs=Path("runs"),
        operator=operator, procedures=[], keys=keys, seed=None, break_lease=False,
    )  # fmt: skip
    try:
        found = who(Options.of(given))
    except RigFault as fault:
        typer.echo(str(fault), err=True)
        raise typer.Exit(3) from None
    for each in found:
        typer.echo(f"{each.station:<16}  {each.standing:<8}  {each.text}")
    raise typer.Exit(0 if all(each.standing in ("there", "stranger") for each in found) else 1)


@plant_app.command("serve")
def plant_serve(
    station: Annotated[Path, typer.Argument(help="The station file.", metavar="STATION.yaml")],
    at: Annotated[
        str, typer.Option(metavar="ADDRESS", help="Where: modbus://host:port/unit; port 0 for a free one.")
    ] = "modbus://127.0.0.1:1502/1",
    watchdog: Annotated[str, typer.Option(help="Silence after which every actuator drops.")] = "500 ms",
    feed: Annotated[str, typer.Option(help="A new workpiece this often; 0 s: by hand alone.")] = "0 s",
    length: Annotated[str, typer.Option(help="How long workpieces are.")] = "100 mm",
) -> None:
    """Run a station's machine behind a Modbus remote I/O module, until Ctrl-C.

    Commands on standard input: place, inject FAULT, clear FAULT, reset, show.
    """
    import asyncio

    from gateway.plant import PlantOptions, serve
    from gateway.station import load_station
    from gateway.units import duration, quantity

    options = PlantOptions.of(at, duration(watchdog), duration(feed), quantity(length, "mm"))
    try:
        asyncio.run(serve(load_station(station), options, lambda text: print(text, flush=True)))
    except OSError as error:
        raise BadInput(
            [Problem("--at", 0, 0, f"{at}: {error.strerror or error}", "choose another port")]
        ) from None


@gateway_app.command("prepare")
def gateway_prepare(
    line: LineArgument,
    into: Annotated[Path, typer.Option(metavar="DIR", help="Where the folders go.")],
    broker: Annotated[
        list[str] | None,
        typer.Option(help="mqtts://host:port, as gateways reach it; else as the line file says."),
    ] = None,
    host: Annotated[
        list[str] | None,
        typer.Option(help="A further name or address by which a broker is reached."),
    ] = None,
    passphrase_file: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            envvar="TWINLINE_PASSPHRASE_FILE",
            help="Keep the root of the line's authority under this; else it is forgotten.",
        ),
    ] = None,
    pki: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Make no keys: take who is enrolled from this authority."),
    ] = None,
    operator: OperatorOption = "rig",
    chain: Annotated[
        bool, typer.Option("--chain/--no-chain", help="With the line's chain and its witnesses.")
    ] = True,
) -> None:
    """Make a folder for each gateway of a line, with its configuration and key, and the operator's key."""
    from rig.line import load_line
    from rig.pki.passphrase import passphrase_of
    from rig.prepare import prepare

    passphrase = None if passphrase_file is None else passphrase_of(passphrase_file, new=True)
    brokers, hosts = tuple(broker or ()), tuple(host or ())
    for said in prepare(load_line(line), into, brokers, operator, chain, hosts, passphrase, pki):
        typer.echo(said)


@session_app.command("run")
def session_run(
    line: LineArgument,
    mode: ModeOption = None,
    program: ProgramOption = None,
    ports: PortsOption = "file",
    broker: BrokerOption = None,
    runs: RunsOption = Path("runs"),
    operator: OperatorOption = "rig",
    procedures: ProceduresOption = None,
    keys: KeysOption = None,
    select: SelectOption = None,
    seed: SeedOption = None,
    break_lease: Annotated[
        bool, typer.Option("--break-lease", help="Take the leases from whoever holds them (a commissioner).")
    ] = False,
) -> None:
    """Commission a line: connect, check I/O, prove sequences and interlocks, let workpieces flow."""
    from rig.open import Options
    from rig.run import run_session

    given = argparse.Namespace(
        line=str(line), mode=mode, program=program or [], ports=ports, broker=broker, runs=runs,
        operator=operator, procedures=[str(each) for each in procedures or ()], keys=keys, seed=seed,
        break_lease=break_lease,
    )  # fmt: skip
    raise typer.Exit(run_session(Options.of(given), select))


@session_app.command("verify")
def session_verify(folder: FolderArgument) -> None:
    """Compare a run's files with its manifest."""
    from rig.report.bundle import verify

    if not folder.is_dir():
        hint = "name a run's folder, such as runs/20260102T030405Z-starter"
        raise BadInput([Problem(str(folder), 0, 0, "there is no such folder", hint)])
    differences = verify(folder)
    for difference in differences:
        typer.echo(difference, err=True)
    typer.echo(f"{folder}: " + ("differs from its manifest" if differences else "as its manifest says"))
    raise typer.Exit(1 if differences else 0)


@session_app.command("sign")
def session_sign(
    folder: FolderArgument,
    keys: Annotated[Path, typer.Option(metavar="DIR", help="The folder of 'twinline gateway prepare'.")],
    operator: Annotated[str, typer.Option(help="The party that signs; it has the role signer.")],
    person: Annotated[str, typer.Option(help="Who accepts it.")],
    role: Annotated[str, typer.Option(help="As whose: vendor, customer or integrator.")],
    despite: Annotated[str, typer.Option(help="The reservation under which it is accepted.")] = "",
    broker: Annotated[list[str] | None, typer.Option(help="Where the chain's nodes are heard.")] = None,
) -> None:
    """Accept a run for a party, on the line's chain; status 1: the chain refuses, 3: it is not there."""
    from rig.admission import said
    from rig.signoff import sign

    raise typer.Exit(said(lambda: sign(folder, keys, operator, person, role, despite, tuple(broker or ()))))


@session_app.command("report")
def session_report(folder: FolderArgument) -> None:
    """Make the evidence of a run that was cut short, from what it left on the disk."""
    from rig.report.bundle import rebuild

    for path in rebuild(folder):
        typer.echo(path)


def main() -> None:
    """Exit status: 0 all passed, 1 FAIL, 2 bad input, 3 ERROR, 130 Ctrl-C."""
    try:
        app()
    except BadInput as bad:
        typer.echo(str(bad), err=True)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)
