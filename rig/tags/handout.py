"""``twinline tags signals`` and ``twinline tags shim``: what is made from a station file for the machine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gateway.errors import BadInput, Problem

StationArgument = Annotated[Path, typer.Argument(metavar="STATION.yaml", help="The station file.")]


def signals(
    station: StationArgument,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Where to: .html, .md or .csv.")] = None,
) -> None:
    """A list of all signals to print and tick off, by device and address."""
    from gateway.station import load_station
    from rig.tags.signals import rendered

    spec = load_station(station)
    out = out or Path(f"{spec.id}-signals.html")
    _write(out, rendered(spec, out))
    typer.echo(f"{out}: {len(spec.tags)} signals")


def shim(
    station: StationArgument,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Where to (left out: standard output).")
    ] = None,
    language: Annotated[
        str | None, typer.Option(help="scl or st (left out: scl for S7, st for the others).")
    ] = None,
    coils: Annotated[
        int | None, typer.Option(min=0, max=65535, help="The Modbus coil that is %MX0.0 there (st; 2048).")
    ] = None,
    registers: Annotated[
        int | None, typer.Option(min=0, max=65535, help="The holding register that is %MW0 there (st; 1024).")
    ] = None,
    check: Annotated[
        bool,
        typer.Option(
            "--check",
            help="Ask the controller whether it has a shim; exit status 0 it has none, 1 it has one, "
            "3 that cannot be said.",
        ),
    ] = False,
) -> None:
    """Code that lets a controller's program read the twin's values, and its terminals without the gateway."""
    from gateway.station import load_station
    from rig.tags.shim import generate
    from rig.tags.shimplan import plan
    from rig.tags.shimst import Memory

    made = plan(load_station(station))
    if check:
        import asyncio

        from rig.tags.shimcheck import ask

        answer = asyncio.run(ask(made.station, made.shim))
        typer.echo(f"{made.station.controller.address}: {answer.text}", err=answer.status == 3)
        raise typer.Exit(answer.status)
    memory = Memory()
    memory = memory._replace(
        coils=memory.coils if coils is None else coils,
        registers=memory.registers if registers is None else registers,
    )
    text = generate(made, language, memory)
    if out is None:
        typer.echo(text, nl=False)
    else:
        _write(out, text.encode("utf-8-sig"))  # TIA Portal takes a file without the mark for ANSI
        typer.echo(f"{out}: {len(made.passages)} inputs, stamp 16#{made.shim.code:08X}")


def _write(path: Path, data: bytes) -> None:
    from gateway.store.atomic import write_atomically

    try:
        write_atomically(path, data)
    except OSError as error:
        raise BadInput([Problem(str(path), 0, 0, f"cannot be written: {error.strerror}")]) from None
