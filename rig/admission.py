"""Who belongs to a line is changed on its chain, by a commissioner at a desk, while no session runs there."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec
import typer

from gateway.agentfile import CONFIG, read_config
from gateway.errors import BadInput, Problem
from gateway.genesisfile import load_genesis
from gateway.net.identity import Identity, Trust
from gateway.net.link import broker_address, check_plain
from gateway.net.roles import holds
from gateway.pki.credentials import TLS, TlsFiles
from ledger.contracts.parties import STILL_HEARD
from ledger.records import Enrolled, Party, Record, Revoked
from ledger.state import State
from ledger.votes import faults
from rig.chain import NotFinal, RigChain, Settled
from rig.prepare import GENESIS, LEDGER, TRUST, key_of

TRIES = 8  # a record may come too early, or with what was true some blocks ago; each try makes a block


class Void(Exception):
    """The chain has taken a record, and it means nothing: why."""


@contextmanager
def on_chain(keys: Path, operator: str, brokers: Sequence[str] = ()) -> Iterator[RigChain]:
    """The line's chain as ``operator``, whose key is in the folder ``keys``, and what it shows the brokers in
    ``keys``/operator/tls, if the line's authority has enrolled it. Without ``brokers``, through those of the
    gateways that were prepared there. BadInput, OSError."""
    genesis, identity = load_genesis(keys / GENESIS), Identity.load(key_of(keys, operator))
    configs = [read_config(path) for path in sorted(keys.glob(f"*/{CONFIG}"))]
    named = tuple(brokers) or next((each.brokers for each in configs), ())
    if not named:
        hint = "give --broker mqtts://host:8883, or the folder that twinline gateway prepare made"
        raise BadInput([Problem(str(keys), 0, 0, "names no broker", hint)])
    line = next((each.line for each in configs), genesis.name)
    folder = keys / operator / TLS
    tls = TlsFiles.of(folder) if folder.is_dir() else None
    _check(named, folder, may_be_plain(keys))
    chain = RigChain(line, genesis, identity, None, named, keys / LEDGER, tls=lambda node: tls)
    try:
        chain.start()
        yield chain
    finally:
        chain.stop()


def decide(chain: RigChain, made: Callable[[State], Record]) -> tuple[Settled, Record]:
    """Have the record final that ``made`` makes of the chain as it is, and let it have its effect. NotFinal,
    Void."""
    chain.catch_up()
    for last in range(TRIES - 1, -1, -1):
        record = made(chain.state)
        settled = chain.settle(chain.submit(record))
        why = chain.void(settled)
        if not why:
            return settled, record
        if not last or (made(chain.state) == record and STILL_HEARD not in why):
            raise Void(why)
    raise AssertionError("the last try returns or raises")


def decides(keys: Path, operator: str, brokers: Sequence[str] = (), line: str = "") -> bool:
    """Whether the chain has ``operator`` say who belongs; ``line`` as for ``revoke``. NotFinal, BadInput,
    OSError."""
    if line:
        _check_line(line, keys)
    with on_chain(keys, operator, brokers) as chain:
        chain.catch_up()
        party = chain.state.parties.get(operator)
    return party is not None and holds(party.roles, "commissioner")


def revoke(
    keys: Path, operator: str, node: str, why: str, brokers: Sequence[str] = (), line: str = ""
) -> list[str]:
    """Have ``node`` heard no more, and its key never again; what has come of it, a line each. ``line``: of
    which the keys must be, if it is given.

    Where the chain then bears fewer members that lie or are away, that is done all the same, and said.
    NotFinal, Void, BadInput, OSError.
    """
    if line:
        _check_line(line, keys)
    with on_chain(keys, operator, brokers) as chain:
        settled, record = decide(chain, lambda state: Revoked(node, why, state.admission.weakened_by(node)))
        members = len(chain.state.admission.members)
    assert isinstance(record, Revoked)
    said = [f"{node} is revoked, {settled.text}"]
    if record.weakens:
        bears = faults(members) or "none"
        said.append(f"{members} members are left, of which {bears} may lie or be away; enrol another")
    return said


def enrol(
    keys: Path,
    operator: str,
    node: str,
    public: bytes | None = None,
    *,
    roles: Sequence[str] | None = None,
    owner: str = "",
    votes: bool | None = None,
    dispatches: bool | None = None,
    brokers: Sequence[str] = (),
) -> list[str]:
    """Have ``node`` belong, by the key ``public`` (None: the one in the trust file), or change what it may;
    what is None, or empty, stays as it is on the chain. Who is given the ``roles`` to run sessions does so on
    the chain, too (dispatcher), unless ``dispatches`` says otherwise. What has come of it. NotFinal, Void,
    BadInput, OSError."""
    if dispatches is None and roles is not None:
        dispatches = holds(roles, "operator")
    found = public or Trust.load(keys / TRUST).public_bytes(node)
    with on_chain(keys, operator, brokers) as chain:

        def made(state: State) -> Enrolled:
            known = state.parties.get(node)
            key = found or (known.public if known is not None else None)
            if key is None:
                hint = "give --key with its 64 hexadecimal digits"
                raise BadInput([Problem(str(keys / TRUST), 0, 0, f"has no key of {node}", hint)])
            party = known or Party(node, key, owner or chain.genesis.name, False)
            return Enrolled(
                msgspec.structs.replace(
                    party,
                    public=key,
                    owner=owner or party.owner,
                    roles=party.roles if roles is None else tuple(roles),
                    member=party.member if votes is None else votes,
                    dispatcher=party.dispatcher if dispatches is None else dispatches,
                )
            )

        settled, record = decide(chain, made)
    assert isinstance(record, Enrolled)
    party = record.party
    rights = [("votes", party.member), ("runs sessions", party.dispatcher)]
    may = ", ".join((*(right for right, has in rights if has), *party.roles)) or "records"
    return [f"{node} of {party.owner} is enrolled ({may}), {settled.text}"]


def may_be_plain(keys: Path) -> bool:
    """Whether the line whose gateways were prepared in ``keys`` allows brokers on other machines without TLS.
    BadInput."""
    return any(read_config(path).plain for path in sorted(keys.glob(f"*/{CONFIG}")))


def _check(brokers: Sequence[str], tls: Path, plain: bool) -> None:
    """BadInput where one of ``brokers`` is none, wants a certificate that is not in the folder ``tls``, or
    hears all in the clear on another machine, unless ``plain`` allows that."""
    problems = []
    for url in brokers:
        try:
            check_plain(url, plain)
            if broker_address(url).secured and not tls.is_dir():
                raise ValueError(f"{url} wants a certificate; {tls} is to hold it")
        except ValueError as error:
            problems.append(Problem("--broker", 0, 0, *str(error).split("; ", 1)))
    if problems:
        raise BadInput(problems)


def _check_line(line: str, keys: Path) -> None:
    """BadInput where the keys are of another line."""
    for path in sorted(keys.glob(f"*/{CONFIG}"))[:1]:
        if (named := read_config(path).line) != line:
            raise BadInput(
                [Problem(str(path), 0, 0, f"is of line {named}", f"the folder of {line} is meant")]
            )


def said(work: Callable[[], list[str]]) -> int:
    """Say what comes of ``work`` at the desk; the exit status: 0 done, 1 it means nothing, 3 not final."""
    try:
        for line in work():
            typer.echo(line)
    except Void as void:
        typer.echo(f"on the chain, and without effect: {void}", err=True)
        return 1
    except (NotFinal, OSError) as failed:
        typer.echo(f"not done: {failed}", err=True)
        return 3
    return 0
