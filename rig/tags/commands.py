"""``twinline tags``: import, diff and export here, signals and shim beside; all import when they run."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.errors import BadInput, Problem
from rig.tags import handout

if TYPE_CHECKING:
    from rig.tags.importing import Import, Wanted

app = typer.Typer(
    help="Take tags from other programs' lists, and give them out; what was edited by hand stays.",
    no_args_is_help=True,
)

SourceArgument = Annotated[
    str,
    typer.Argument(
        metavar="FILE",
        help="CSV, XLSX, TIA Portal tag table (XLSX, XML) or block source (.db, .scl, XML), CODESYS symbol "
        "configuration, OPC UA NodeSet2, or opc.tcp://host:port to browse.",
    ),
]
StationOption = Annotated[Path, typer.Option("--into", metavar="STATION.yaml", help="The station file.")]
DeviceOption = Annotated[str | None, typer.Option(help="Which device the tags are of.")]
DirectionOption = Annotated[
    str | None, typer.Option(help="input or output (the controller's), where the file does not say.")
]
OnlyOption = Annotated[
    list[str] | None,
    typer.Option(metavar="PATTERN", help="Only signals with such a name: 'Plant.*'."),
]
SheetOption = Annotated[str | None, typer.Option(help="Only this sheet of a workbook.")]
DbOption = Annotated[
    list[str] | None,
    typer.Option("--db", metavar="NAME=NUMBER", help="A block's number, or just NUMBER."),
]
NamespaceOption = Annotated[
    list[str] | None,
    typer.Option(
        "--namespace", metavar="FILE=SERVER", help="A namespace's index in the file and at the server."
    ),
]
CodesysOption = Annotated[
    str | None,
    typer.Option("--codesys-device", help="The runtime's name on its OPC UA server."),
]
UnderOption = Annotated[str, typer.Option(help="Where browsing begins: a node id.")]
BaseOption = Annotated[
    int | None,
    typer.Option("--modbus-base", min=0, max=1, help="Bare numbers count from 0 or 1."),
]
InputsOption = Annotated[
    str | None,
    typer.Option(metavar="DB100", help="Where the program reads what lies at %I: a block laid out like it."),
]
TakeOption = Annotated[
    str,
    typer.Option(
        metavar="FIELDS", help="Fields where the file beats the station, such as range,title; or all."
    ),
]


@app.command("import")
def tags_import(
    source: SourceArgument,
    into: StationOption,
    device: DeviceOption = None,
    direction: DirectionOption = None,
    only: OnlyOption = None,
    sheet: SheetOption = None,
    db: DbOption = None,
    namespace: NamespaceOption = None,
    codesys_device: CodesysOption = None,
    under: UnderOption = "i=85",
    modbus_base: BaseOption = None,
    inputs_at: InputsOption = None,
    take: TakeOption = "",
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Write without asking.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only show the difference; exit status 1 if there is one.")
    ] = False,
) -> None:
    """Show what a list would change in a station file, and after a yes merge it in."""
    wanted = _wanted(
        device, direction, only, sheet, db, namespace, codesys_device, under, modbus_base, inputs_at, take
    )
    done = _compare(source, into, wanted)
    if dry_run:
        raise typer.Exit(1 if done.plan.differs else 0)
    if not done.plan.differs:
        typer.echo(f"{into}: nothing to change")
        return
    if not yes:
        if not _asks():
            what = "is not written without a yes"
            raise BadInput(
                [Problem(str(into), 0, 0, what, "add --yes, or --dry-run to see the difference alone")]
            )
        if not typer.confirm(f"Write {into}?"):
            raise typer.Exit(1)
    done.write()
    typer.echo(f"{into}: written")
    if done.remaining:
        typer.echo("It does not load yet, as before the import:", err=True)
        for problem in done.remaining:
            typer.echo(str(problem), err=True)


@app.command("diff")
def tags_diff(
    source: SourceArgument,
    into: StationOption,
    device: DeviceOption = None,
    direction: DirectionOption = None,
    only: OnlyOption = None,
    sheet: SheetOption = None,
    db: DbOption = None,
    namespace: NamespaceOption = None,
    codesys_device: CodesysOption = None,
    under: UnderOption = "i=85",
    modbus_base: BaseOption = None,
    inputs_at: InputsOption = None,
    take: TakeOption = "",
) -> None:
    """Show what a list would change in a station file. Exit status: 0 nothing, 1 something, 2 bad input."""
    wanted = _wanted(
        device, direction, only, sheet, db, namespace, codesys_device, under, modbus_base, inputs_at, take
    )
    raise typer.Exit(1 if _compare(source, into, wanted).plan.differs else 0)


@app.command("export")
def tags_export(
    station: Annotated[Path, typer.Argument(metavar="STATION.yaml", help="The station file.")],
    to: Annotated[Path, typer.Argument(metavar="FILE", help="The list: .csv or .xlsx.")],
    force: Annotated[bool, typer.Option("--force", help="Replace FILE if it is there.")] = False,
) -> None:
    """Write a station's tags as CSV or XLSX. Importing the list again changes nothing."""
    from gateway.store.atomic import write_atomically
    from rig.tags.export import exported
    from rig.tags.importing import station_tags

    tags = station_tags(station)
    data = exported(tags, to)
    if to.exists() and not force:
        raise BadInput([Problem(str(to), 0, 0, "is there already", "add --force to replace it")])
    try:
        write_atomically(to, data)
    except OSError as error:
        raise BadInput([Problem(str(to), 0, 0, f"cannot be written: {error.strerror}")]) from None
    typer.echo(f"{to}: {len(tags)} tags")


def _asks() -> bool:
    """Whether there is somebody to ask."""
    return sys.stdin.isatty()


app.command("signals")(handout.signals)
app.command("shim")(handout.shim)


def _compare(source: str, into: Path, wanted: Wanted) -> Import:
    from rig.tags.importing import Import

    done = Import(source, into, wanted)
    for line in done.lines:
        typer.echo(line)
    return done


def _wanted(
    device: str | None,
    direction: str | None,
    only: list[str] | None,
    sheet: str | None,
    db: list[str] | None,
    namespace: list[str] | None,
    codesys_device: str | None,
    under: str,
    modbus_base: int | None,
    inputs_at: str | None,
    take: str,
) -> Wanted:
    from rig.tags.importing import Wanted, read_take
    from rig.tags.read import Asked
    from rig.tags.settle import moved

    problems: list[Problem] = []
    if direction not in (None, "input", "output"):
        problems.append(Problem("", 0, 0, f"--direction {direction!r} is not known", "write input or output"))
    numbers: dict[str, int] = {}
    for text in db or ():
        name, _, number = text.rpartition("=")
        if not number.isdecimal() or not 0 < int(number[:6]) < 65536:
            problems.append(Problem("", 0, 0, f"--db {text!r} is no block", "write NAME=10, or 10"))
        else:
            numbers[name.strip('"')] = int(number)
    indices: dict[int, int] = {}
    for text in namespace or ():
        file, _, server = text.partition("=")
        if file.isdecimal() and server.isdecimal() and len(file) < 6 and len(server) < 6:
            indices[int(file)] = int(server)
        else:
            problems.append(Problem("", 0, 0, f"--namespace {text!r} is no pair", "write 1=4"))
    fields: frozenset[str] = frozenset()
    try:
        fields = read_take(take)
        if inputs_at is not None:
            moved("%I0.0", inputs_at)
    except ValueError as error:
        what, _, hint = str(error).partition("; ")
        problems.append(Problem("", 0, 0, what, hint))
    if problems:
        raise BadInput(problems)
    asked = Asked(
        sheet=sheet,
        numbers=numbers,
        namespaces=indices,
        codesys_device=codesys_device,
        only=tuple(only or ()),
    )
    return Wanted(
        device=device,
        direction="input" if direction == "input" else "output" if direction else None,
        modbus_base=modbus_base,
        inputs_at=inputs_at,
        take=fields,
        under=under,
        asked=asked,
    )
