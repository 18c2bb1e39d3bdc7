"""``twinline library`` and ``station expand``: what function groups there are, and what follows from them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.errors import BadInput, Problem

if TYPE_CHECKING:
    from gateway.library.library import Group, Library
    from gateway.yamlfile import Node

app = typer.Typer(help="Find function groups, and see what they are.", no_args_is_help=True)
station_app = typer.Typer(help="Look at station files.", no_args_is_help=True)

FunctionOption = Annotated[
    list[str] | None, typer.Option(help="What it does, such as clamp; may be repeated.")
]
FreedomOption = Annotated[
    list[str] | None, typer.Option(help="What it can move: x, y, z along, a, b, c about; may be repeated.")
]
CountOption = Annotated[str | None, typer.Option(metavar="N|N..M", help="How many the controller has of it.")]


@app.command("list")
def list_groups(
    family: Annotated[str | None, typer.Option(help="Only this family.")] = None,
) -> None:
    """Every group: name, what it does, inputs and outputs."""
    _print(group for group in _all() if family in (None, group.entry.family))


@app.command("match")
def match_groups(
    function: FunctionOption = None,
    freedom: FreedomOption = None,
    inputs: CountOption = None,
    outputs: CountOption = None,
) -> None:
    """Groups by what they do, what they can move, their inputs and outputs; exit status 1 for none."""
    wanted = [(_span("--inputs", inputs), "sensors"), (_span("--outputs", outputs), "actuators")]
    found = [
        group
        for group in _all()
        if set(function or ()) <= set(group.entry.function)
        and set(freedom or ()) <= set(group.entry.geometry.freedom)
        and all(low <= len(getattr(group, kind)) <= high for (low, high), kind in wanted)
    ]
    _print(found)
    if not found:
        typer.echo("no group of the library fits; twinline library list shows all of them", err=True)
    raise typer.Exit(0 if found else 1)


@app.command("show")
def show_group(name: Annotated[str, typer.Argument(help="A group.", metavar="NAME")]) -> None:
    """A group's five dimensions, its parameters, signals and control code."""
    library, problems = _library(), list[Problem]()
    if hint := library.known(name):
        raise BadInput([Problem(name, 0, 0, "is no group of the library", hint)])
    group = library.group(name, problems)
    if group is None:
        raise BadInput(problems)
    for line in _shown(group):
        typer.echo(line)


@station_app.command("expand")
def expand_station_file(
    file: Annotated[Path, typer.Argument(help="A station file with groups.", metavar="FILE")],
    program: Annotated[
        bool, typer.Option("--program", help="The controller's program instead of the station file.")
    ] = False,
) -> None:
    """The whole station file, or the program, that follows from a station's groups."""
    from gateway.station import expand_station, load_station
    from gateway.yamlfile import MappingNode, compose, dump, read_text

    problems: list[Problem] = []
    node = compose(read_text(file), str(file), problems)
    groups = isinstance(node, MappingNode) and any(key.value == "groups" for key, _ in node.value)
    if node is not None and not groups:
        raise BadInput([Problem(str(file), 1, 0, "has no groups", "there is nothing to expand")])
    expanded = expand_station(node, str(file), problems) if isinstance(node, MappingNode) else None
    if expanded is None:
        raise BadInput(problems)
    load_station(file)  # what follows is only worth showing if it is right
    typer.echo(expanded.program if program else dump(_ordered(expanded.node)), nl=False)


def _ordered(node: Node) -> Node:
    """The keys in the order in which station files have them."""
    from gateway.yamlfile import MappingNode

    first = (
        "twinline",
        "id",
        "title",
        "scan",
        "devices",
        "manual",
        "acknowledge",
        "inlets",
        "outlets",
        "reentry",
    )
    pairs = sorted(node.value, key=lambda pair: first.index(pair[0].value) if pair[0].value in first else 99)
    return MappingNode(node.tag, pairs, node.start_mark, node.end_mark, False)


def _library() -> Library:
    from gateway.library.files import load_library

    return load_library()


def _all() -> list[Group]:
    """Every group; BadInput with what is wrong in any."""
    library, problems = _library(), list[Problem]()
    found = [library.group(name, problems) for name in library.names]
    if problems:
        raise BadInput(problems)
    return sorted((g for g in found if g is not None), key=lambda group: (group.entry.family, group.name))


def _span(option: str, text: str | None) -> tuple[int, float]:
    if text is None:
        return 0, float("inf")
    low, dots, high = text.partition("..")
    try:
        least = int(low)
        return least, (int(high) if high else float("inf")) if dots else least
    except ValueError:
        problem = Problem(option, 0, 0, f"{text!r} is no count", "write 2, 2..4 or 2..")
        raise BadInput([problem]) from None


def _print(groups: Iterator[Group] | list[Group]) -> None:
    for group in groups:
        counts = f"{len(group.sensors):>2} in {len(group.actuators):>2} out"
        freedom = "".join(group.entry.geometry.freedom) or "-"
        typer.echo(f"{group.name:<24} {group.entry.family:<14} {counts}  {freedom:<4} {group.entry.title}")


def _shown(group: Group) -> Iterator[str]:
    entry = group.entry
    yield f"{group.name}: {entry.title}"
    yield f"  family     {entry.family}: {', '.join(entry.function)}"
    yield f"  file       {group.file}:{entry.line}" + (f", extends {entry.extends}" if entry.extends else "")
    geometry = entry.geometry
    moves = [f"{each} {geometry.limits.get(each, '')}".rstrip() for each in geometry.freedom]
    yield f"  geometry   {' x '.join(geometry.size) or 'not said'}" + (
        f"; moves {', '.join(moves)}" if moves else ""
    )
    if entry.pneumatic is not None:
        said = [
            f"{name} {getattr(entry.pneumatic, name)}"
            for name in entry.pneumatic.__struct_fields__
            if getattr(entry.pneumatic, name)
        ]
        yield f"  pneumatic  {', '.join(said)}"
    yield f"  interface  {entry.interface.mechanical}, handshake {entry.interface.handshake}"
    for name, param in entry.params.items():
        default = "must be given" if param.default is None else param.default.text
        unit = "" if param.unit == "1" else param.unit
        yield " ".join(filter(None, (f"  param      {name}: {default}", unit, param.about)))
    for name, (word, optional) in entry.links.items():
        yield f"  link       {name}: {word}{' or none' if optional else ''}"
    for part in entry.parts.values():
        yield f"  part       {part.name}: {part.kind}"
    for port in group.ports.values():
        direction = "input" if port.port.direction == "sensor" else "output"
        unit = f" {port.port.unit}" if port.port.unit != "1" else ""
        span = f" {port.range}{unit}" if port.range else ""
        kind = {"bool": "BOOL", "real": "REAL", "int": "INT"}[port.port.kind]
        where = f"({port.part}.{port.port.name})"
        yield f"  {direction:<10} {port.name}: {kind}{span} {where} {port.title}".rstrip()
    if group.pattern is not None:
        yield f"  pattern    {group.pattern.name}: {group.pattern.file}"
    for monitor in entry.monitors:
        yield f"  monitor    {monitor.fault} while {monitor.while_}, within {monitor.within}"
