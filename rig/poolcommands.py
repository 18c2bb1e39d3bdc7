"""``twinline ledger pool``: nodes are taken for a task, with a chain of their own, and given back."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gateway.errors import BadInput, Problem

app = typer.Typer(help="Take nodes for a task, with a chain of their own.", no_args_is_help=True)

KeysOption = Annotated[
    Path, typer.Option(metavar="DIR", help="The folder of 'twinline gateway prepare', with the key.")
]
OperatorOption = Annotated[str, typer.Option(help="Who does it; plans the line's work (dispatcher).")]
BrokersOption = Annotated[list[str] | None, typer.Option(help="Where the chain's nodes are heard.")]
PoolArgument = Annotated[str, typer.Argument(help="The pool's name.", metavar="POOL")]


@app.command()
def make(
    task: Annotated[str, typer.Option(help="What for.")],
    nodes: Annotated[str, typer.Option(help="Gateways and witnesses, by commas; 4 at least.")],
    keys: KeysOption,
    operator: OperatorOption,
    length: Annotated[str, typer.Option("--for", metavar="TIME", help="For how long at most.")] = "8 h",
    name: Annotated[str, typer.Option(help="Of a new pool (default: pool-1, pool-2 …).")] = "",
    broker: BrokersOption = None,
) -> None:
    """Reserve nodes: a pool that they have is taken up again, else one is made; status 1: refused, 3: not
    final."""
    from gateway.units import duration
    from ledger.contracts.pools import LONGEST
    from ledger.records import MIN_POOL
    from rig.admission import said
    from rig.pools import make

    named = sorted({each.strip() for each in nodes.split(",") if each.strip()})
    problems = []
    if len(named) < MIN_POOL:
        what = f"{len(named)} nodes; fewer than {MIN_POOL} cannot outvote one that lies"
        problems.append(Problem("--nodes", 0, 0, what, "name more: witnesses will do"))
    try:
        time = duration(length)
        if not 0 < time <= LONGEST:
            raise ValueError(f"{length} is too long or nothing; write up to {LONGEST // 3_600_000_000_000} h")
    except ValueError as error:
        time, (what, _, hint) = 0, str(error).partition("; ")
        problems.append(Problem("--for", 0, 0, what, hint))
    if problems:
        raise BadInput(problems)
    raise typer.Exit(said(lambda: make(keys, operator, task, named, time, name, tuple(broker or ()))))


@app.command()
def pause(
    pool: PoolArgument,
    keys: KeysOption,
    operator: OperatorOption,
    close: Annotated[bool, typer.Option("--close", help="For ever: it cannot be taken up again.")] = False,
    broker: BrokersOption = None,
) -> None:
    """End a pool's blocks, show the last to the line's chain, and give its nodes back; status as make."""
    from rig.admission import said
    from rig.pools import pause

    raise typer.Exit(said(lambda: pause(keys, operator, pool, tuple(broker or ()), close)))


@app.command("list")
def list_command(
    state: Annotated[
        Path, typer.Option(metavar="FOLDER", help="A node's folder, with its copy of the line's chain.")
    ],
) -> None:
    """The pools of a line: their nodes, task, and what was last shown to the line's chain."""
    from rig.copies import of_node
    from rig.pools import listed

    for line in listed(*of_node(state)):
        typer.echo(line)
