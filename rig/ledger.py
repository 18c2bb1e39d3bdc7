"""``twinline ledger``: check a run against its chain, look into a chain, and see how one stands."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from gateway.errors import BadInput, Problem
from ledger.codec import PUBLIC_BYTES
from rig.poolcommands import app as pool_app

app = typer.Typer(
    help="Check evidence against the line's chain, and look into the chain.", no_args_is_help=True
)
app.add_typer(pool_app, name="pool")
RunArgument = Annotated[Path, typer.Argument(help="A run's folder.", metavar="RUN")]
MaybeRun = Annotated[Path | None, typer.Argument(help="A run's folder.", metavar="[RUN]", show_default=False)]
StateOption = Annotated[
    Path | None, typer.Option(metavar="FOLDER", help="A node's folder, with its copy of the chain.")
]
GenesisOption = Annotated[
    Path | None, typer.Option(metavar="FILE", help="The genesis.json that you trust: how the chain began.")
]
ChainOption = Annotated[
    str, typer.Option(metavar="POOL", help="With --state: the chain of a pool (default: the line's).")
]


@app.command()
def verify(
    run: MaybeRun = None, genesis: GenesisOption = None, state: StateOption = None, chain: ChainOption = ""
) -> None:
    """Compare every file of a run with its manifest, and that with the chain; status 1: not as recorded.
    With --state and --chain: a pool's whole chain, and that with the line's.

    Needs no gateway, no broker and no network.
    """
    from gateway.genesisfile import load_genesis
    from rig.chainfolder import examine
    from rig.copies import of_node
    from rig.finding import explain
    from rig.pools import checked

    trusted = None if genesis is None else load_genesis(genesis)
    if run is None or state is not None or chain:
        if run is not None or state is None or not chain:
            hint = "name a run's folder, or --state FOLDER --chain POOL"
            raise BadInput([Problem("RUN", 0, 0, "what is to be checked?", hint)])
        of_line = of_node(state)
        if trusted not in (None, of_line[0]):
            typer.echo(f"{state}: is of another genesis than was given: {of_line[0].id.hex()}", err=True)
            raise typer.Exit(1)
        found, holds = checked(of_line, of_node(state, chain))
        for each in found:
            typer.echo(each, err=not holds)
        raise typer.Exit(0 if holds else 1)
    _check_run(run)
    shown = examine(run, trusted)
    for line in explain(run, shown, genesis):
        typer.echo(line, err=bool(shown.wrong))
    raise typer.Exit(1 if shown.wrong else 0)


@app.command("show")
def show_command(
    run: MaybeRun = None,
    state: StateOption = None,
    height: Annotated[int | None, typer.Option(metavar="H", help="All of one block.")] = None,
    record: Annotated[
        str | None, typer.Option(metavar="ID", help="All of one record, such as rig/2.")
    ] = None,
    chain: ChainOption = "",
) -> None:
    """A chain's parties and blocks, one block, or one record."""
    from rig.copies import read
    from rig.explorer import name_of, one_block, one_record, overview

    opened = read(run, state, chain)
    if record is not None:
        found = [(block, tx) for block in opened.blocks for tx in block.body if name_of(tx) == record]
        if not found:
            hint = "IDs stand first in each line of: twinline ledger show … --height H"
            raise BadInput([Problem("--record", 0, 0, f"{record!r} is not in these blocks", hint)])
        lines = one_record(*found[0])
    elif height is not None:
        blocks = [block for block in opened.blocks if block.header.height == height]
        if not blocks:
            held = f"heights {opened.blocks[0].header.height} to {opened.blocks[-1].header.height} are here"
            raise BadInput([Problem("--height", 0, 0, f"{height} is not here", held)])
        lines = one_block(blocks[0])
    else:
        lines = overview(opened.genesis, opened.blocks)
    for line in lines:
        typer.echo(line)


@app.command()
def export(
    into: Annotated[Path, typer.Option(metavar="FILE", help="Where to: a line of JSON for each block.")],
    run: MaybeRun = None,
    state: StateOption = None,
    chain: ChainOption = "",
) -> None:
    """Write a chain's blocks for other programs."""
    from rig.copies import read
    from rig.explorer import as_json

    opened = read(run, state, chain)
    try:
        with into.open("w", encoding="utf-8") as file:
            file.writelines(json.dumps(as_json(block)) + "\n" for block in opened.blocks)
    except OSError as error:
        raise BadInput(
            [Problem(str(into), 0, 0, error.strerror or str(error), "name another file")]
        ) from None
    typer.echo(f"{into}: {len(opened.blocks)} blocks")


@app.command()
def prove(
    run: RunArgument,
    state: Annotated[
        Path, typer.Option(metavar="FOLDER", help="A node's folder, with its copy of the chain.")
    ],
) -> None:
    """Prove a run whose manifest became final after its session ended; exit status 1: it is not."""
    from rig.chainfolder import complete
    from rig.copies import of_node

    _check_run(run)
    height = complete(run, *of_node(state))
    if height is None:
        typer.echo(f"{run}: its manifest is not in the chain in {state}", err=True)
        raise typer.Exit(1)
    typer.echo(f"{run}: manifest final at height {height}; twinline ledger verify {run}")


@app.command()
def status(
    run: MaybeRun = None,
    state: StateOption = None,
    broker: Annotated[
        str | None, typer.Option(metavar="URL", help="mqtts://host:port: ask the nodes that run.")
    ] = None,
    keys: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="The folder of 'twinline gateway prepare': whom to trust."),
    ] = None,
    operator: Annotated[str, typer.Option(help="With --keys: who asks the broker.")] = "rig",
    chain: ChainOption = "",
) -> None:
    """Height, who is heard, who proposes next; workload M and share Pom of each member."""
    from rig.copies import read
    from rig.explorer import standing

    if broker is not None:
        from rig.backend import BrokerGone
        from rig.chainstatus import ask, table

        try:
            heard = ask(broker, keys, operator)
        except BrokerGone as gone:
            typer.echo(str(gone), err=True)
            raise typer.Exit(3) from None
        for text in table(heard, chain) or ["no node of such a chain was heard of"]:
            typer.echo(text)
        raise typer.Exit(0 if any(each.state.online for each in heard.values()) else 1)
    opened = read(run, state, chain)
    first = opened.blocks[0].header.height
    if first != 1:
        what = f"holds blocks {first} and later, and M follows from all of them"
        hint = "give the copy of a node: --state gateways/ledger/OPERATOR, the desk's own"
        raise BadInput([Problem(str(run), 0, 0, what, hint)])
    for line in standing(opened.genesis, opened.blocks):
        typer.echo(line)


KeysOption = Annotated[
    Path, typer.Option(metavar="DIR", help="The folder of 'twinline gateway prepare', with the key.")
]
OperatorOption = Annotated[str, typer.Option(help="Who does it; it has the role commissioner.")]
BrokersOption = Annotated[list[str] | None, typer.Option(help="Where the chain's nodes are heard.")]


@app.command()
def enroll(
    node: Annotated[str, typer.Argument(help="The node's id.", metavar="NODE")],
    keys: KeysOption,
    operator: OperatorOption,
    roles: Annotated[
        str | None, typer.Option(help="viewer, operator, commissioner, signer; several by commas.")
    ] = None,
    owner: Annotated[str, typer.Option(help="Whose it is (default: the line's).")] = "",
    votes: Annotated[bool | None, typer.Option("--vote/--no-vote", help="Whether it votes.")] = None,
    dispatches: Annotated[
        bool | None,
        typer.Option(
            "--dispatch/--no-dispatch",
            help="Whether its sessions count, and it plans (default: who is operator or commissioner).",
        ),
    ] = None,
    key: Annotated[str, typer.Option(metavar="HEX", help="Its public key (default: the trust file's).")] = "",
    broker: BrokersOption = None,
) -> None:
    """Let a node belong to the chain, or change what it may; status 1: the chain refuses, 3: it is not
    there."""
    from gateway.net.roles import ROLES
    from rig.admission import enrol, said

    wanted = None if roles is None else [each.strip() for each in roles.split(",") if each.strip()]
    problems = [
        Problem("--roles", 0, 0, f"{each!r} is no role", f"use {', '.join(ROLES)}")
        for each in wanted or ()
        if each not in ROLES
    ]
    try:
        public = bytes.fromhex(key)
    except ValueError:
        public = b"?"
    if key and len(public) != PUBLIC_BYTES:
        problems.append(Problem("--key", 0, 0, "is no public key", "write its 64 hexadecimal digits"))
    if problems:
        raise BadInput(problems)
    brokers = tuple(broker or ())
    raise typer.Exit(
        said(
            lambda: enrol(
                keys,
                operator,
                node,
                public or None,
                roles=wanted,
                owner=owner,
                votes=votes,
                dispatches=dispatches,
                brokers=brokers,
            )
        )
    )


@app.command()
def revoke(
    node: Annotated[str, typer.Argument(help="The node's id.", metavar="NODE")],
    why: Annotated[str, typer.Option(help="The reason; it is on the record.")],
    keys: KeysOption,
    operator: OperatorOption,
    broker: BrokersOption = None,
) -> None:
    """Have a node heard no more, and its key never again; status 1: the chain refuses, 3: it is not there."""
    from rig.admission import revoke, said

    raise typer.Exit(said(lambda: revoke(keys, operator, node, why, tuple(broker or ()))))


def _check_run(run: Path) -> None:
    if not run.is_dir():
        hint = "name a run's folder, such as runs/20260102T030405Z-starter"
        raise BadInput([Problem(str(run), 0, 0, "there is no such folder", hint)])
