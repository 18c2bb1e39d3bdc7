"""``twinline tags``: import, diff and export here, signals and shim beside; all import when they run."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import wraps
from inspect import Parameter, Signature, signature
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, get_type_hints

import typer

from gateway.errors import BadInput, Problem
from rig.tags import handout

if TYPE_CHECKING:
    from rig.tags.importing import Import, Wanted

app = typer.Typer(
    help="Take tags from other programs' lists, and give them out; what was edited by hand stays.",
    no_args_is_help=True,
)


class Options(NamedTuple):
    """What every command that reads a list asks of a person."""

    source: Annotated[
        str,
        typer.Argument(
            metavar="FILE",
            help="CSV, XLSX, TIA Portal tag table (XLSX, XML) or block source (.db, .scl, XML), STEP 7 "
            "symbol table, CODESYS symbol configuration, OPC UA NodeSet2, or opc.tcp://host:port to browse.",
        ),
    ]
    into: Annotated[Path, typer.Option("--into", metavar="STATION.yaml", help="The station file.")]
    device: Annotated[str | None, typer.Option(help="Which device the tags are of.")] = None
    direction: Annotated[
        str | None, typer.Option(help="input or output (the controller's), where the file does not say.")
    ] = None
    only: Annotated[
        list[str] | None, typer.Option(metavar="PATTERN", help="Only signals with such a name: 'Plant.*'.")
    ] = None
    sheet: Annotated[str | None, typer.Option(help="Only this sheet of a workbook.")] = None
    db: Annotated[
        list[str] | None,
        typer.Option("--db", metavar="NAME=NUMBER", help="A block's number, or just NUMBER."),
    ] = None
    namespace: Annotated[
        list[str] | None,
        typer.Option(
            "--namespace", metavar="FILE=SERVER", help="A namespace's index in the file and at the server."
        ),
    ] = None
    codesys_device: Annotated[
        str | None, typer.Option("--codesys-device", help="The runtime's name on its OPC UA server.")
    ] = None
    under: Annotated[str, typer.Option(help="Where browsing begins: a node id.")] = "i=85"
    security: Annotated[
        str | None,
        typer.Option(
            metavar="POLICY[/MODE]",
            help="Browse by Basic256Sha256 or another (default: as the station says).",
        ),
    ] = None
    certificates: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            envvar="TWINLINE_CERTIFICATES",
            help="Our certificate for it, and whom we trust (default: ~/.config/twinline/opcua).",
        ),
    ] = None
    user: Annotated[str, typer.Option(help="Who logs in at the server.")] = ""
    password_file: Annotated[
        str, typer.Option("--password-file", metavar="FILE", help="Of that user, mode 0600.")
    ] = ""
    modbus_base: Annotated[
        int | None, typer.Option("--modbus-base", min=0, max=1, help="Bare numbers count from 0 or 1.")
    ] = None
    inputs_at: Annotated[
        str | None,
        typer.Option(
            metavar="DB100", help="Where the program reads what lies at %I: a block laid out like it."
        ),
    ] = None
    take: Annotated[
        str,
        typer.Option(
            metavar="FIELDS", help="Fields where the file beats the station, such as range,title; or all."
        ),
    ] = ""


def reading(command: Callable[..., None]) -> Callable[..., None]:
    """``command(options, …)`` as the command line takes it: each of ``Options`` by itself, then its own."""
    hints = get_type_hints(Options, include_extras=True)
    defaults = Options._field_defaults
    shared = [
        Parameter(
            name, Parameter.KEYWORD_ONLY, default=defaults.get(name, Parameter.empty), annotation=hints[name]
        )
        for name in Options._fields
    ]
    own = [
        each.replace(kind=Parameter.KEYWORD_ONLY)
        for each in list(signature(command, eval_str=True).parameters.values())[1:]
    ]

    @wraps(command)
    def run(**given: Any) -> None:
        mine = {each.name: given.pop(each.name) for each in own}
        command(Options(**given), **mine)

    shown: Any = run
    shown.__signature__ = Signature([*shared, *own])
    shown.__annotations__ = {each.name: each.annotation for each in (*shared, *own)}
    return run


@app.command("import")
@reading
def tags_import(
    options: Options,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Write without asking.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only show the difference; exit status 1 if there is one.")
    ] = False,
) -> None:
    """Show what a list would change in a station file, and after a yes merge it in."""
    into = options.into
    done = _compare(options)
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
@reading
def tags_diff(options: Options) -> None:
    """Show what a list would change in a station file. Exit status: 0 nothing, 1 something, 2 bad input."""
    raise typer.Exit(1 if _compare(options).plan.differs else 0)


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


def _compare(options: Options) -> Import:
    from rig.tags.importing import Import

    done = Import(options.source, options.into, _wanted(options))
    for line in done.lines:
        typer.echo(line)
    return done


def _wanted(options: Options) -> Wanted:
    """The options, read; BadInput with all that is wrong in them."""
    from rig.tags.importing import Wanted, read_take
    from rig.tags.reach import Reach, read_reach
    from rig.tags.read import Asked
    from rig.tags.settle import moved

    problems: list[Problem] = []
    direction = options.direction
    if direction not in (None, "input", "output"):
        problems.append(Problem("", 0, 0, f"--direction {direction!r} is not known", "write input or output"))
    numbers: dict[str, int] = {}
    for text in options.db or ():
        name, _, number = text.rpartition("=")
        if not number.isdecimal() or not 0 < int(number[:6]) < 65536:
            problems.append(Problem("", 0, 0, f"--db {text!r} is no block", "write NAME=10, or 10"))
        else:
            numbers[name.strip('"')] = int(number)
    indices: dict[int, int] = {}
    for text in options.namespace or ():
        file, _, server = text.partition("=")
        if file.isdecimal() and server.isdecimal() and len(file) < 6 and len(server) < 6:
            indices[int(file)] = int(server)
        else:
            problems.append(Problem("", 0, 0, f"--namespace {text!r} is no pair", "write 1=4"))
    fields: frozenset[str] = frozenset()
    reach = Reach()
    try:
        reach = read_reach(options.security, options.certificates, options.user, options.password_file)
        fields = read_take(options.take)
        if options.inputs_at is not None:
            moved("%I0.0", options.inputs_at)
    except ValueError as error:
        what, _, hint = str(error).partition("; ")
        problems.append(Problem("", 0, 0, what, hint))
    if problems:
        raise BadInput(problems)
    asked = Asked(
        sheet=options.sheet,
        numbers=numbers,
        namespaces=indices,
        codesys_device=options.codesys_device,
        only=tuple(options.only or ()),
    )
    return Wanted(
        device=options.device,
        direction="input" if direction == "input" else "output" if direction else None,
        modbus_base=options.modbus_base,
        inputs_at=options.inputs_at,
        take=fields,
        under=options.under,
        asked=asked,
        reach=reach,
    )
