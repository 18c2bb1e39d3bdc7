"""``twinline pki``: make a line's authority, let nodes in, and take back what was given."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn, TypeVar

import typer

from gateway.errors import BadInput, Problem

if TYPE_CHECKING:
    from gateway.pki.requests import Answer
    from rig.pki.desk import Desk, Refused
    from rig.pki.registry import Place

app = typer.Typer(help="Decide who belongs to a line: its authority and certificates.", no_args_is_help=True)

LONGEST = 7 * 86_400 * 10**9  # ns: a token that lies about for longer is found by somebody

PkiOption = Annotated[
    Path, typer.Option("--pki", metavar="FOLDER", envvar="TWINLINE_PKI", help="The authority's folder.")
]
NodeArgument = Annotated[str, typer.Argument(help="The node's id.", metavar="NODE")]
PassphraseOption = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE", envvar="TWINLINE_PASSPHRASE_FILE", help="The root key's passphrase (default: asked)."
    ),
]
RequestOption = Annotated[
    Path | None, typer.Option(metavar="FILE", help="A request that was carried here; see --answer.")
]
AnswerOption = Annotated[
    Path | None, typer.Option(metavar="FILE", help="With --request: where the answer to carry back goes.")
]
KeysOption = Annotated[Path, typer.Option(metavar="DIR", help="The folder of 'twinline gateway prepare'.")]
MaybeKeysOption = Annotated[
    Path | None,
    typer.Option(metavar="DIR", help="On the chain, too: the folder of 'twinline gateway prepare'."),
]
DeciderOption = Annotated[str, typer.Option(help="Who decides it on the chain: a commissioner.")]
BrokersOption = Annotated[
    list[str] | None, typer.Option(metavar="URL", help="For the chain (default: the gateways' own).")
]
HERE = Path("authority")
ROLES_OF: dict[str, tuple[str, ...]] = {"operator": ("operator",), "party": ("signer",)}  # unless said
T = TypeVar("T")


@app.command()
def init(
    folder: Annotated[Path, typer.Argument(help="Where it goes.", metavar="FOLDER")],
    line: Annotated[str, typer.Option(help="The line's id.")],
    owner: Annotated[str | None, typer.Option(help="Whose line it is (default: the line's id).")] = None,
    passphrase_file: PassphraseOption = None,
) -> None:
    """Make a line's authority: a root under a passphrase, and the issuing authority that it signs."""
    from gateway.yamlfile import identifier
    from rig.pki.authority import ROOT_KEY, Authority
    from rig.pki.passphrase import passphrase_of
    from rig.pki.registry import Registry

    _or_bad("--line", lambda: identifier(line))
    if owner is not None and not 1 <= len(owner.strip()) <= 64:
        raise BadInput([Problem("--owner", 0, 0, "is not 1 to 64 characters", "write whose line it is")])
    passphrase = passphrase_of(passphrase_file, new=True)
    with _writing(folder):
        made = Authority.create(folder, line, passphrase, now=time.time_ns(), owner=owner or "")
        Registry(folder).close()
    typer.echo(f"{folder}: the authority of line {line}; its root: {made.root_hex}")
    typer.echo(
        f"{folder / ROOT_KEY}: move it to a place that is locked, two copies, and its passphrase to another; "
        "it is needed when the issuing authority ends, and for nothing else"
    )
    typer.echo(f"next: twinline pki serve --pki {folder}; then: twinline pki enroll NODE --pki {folder}")


@app.command()
def reissue(pki: PkiOption = HERE, passphrase_file: PassphraseOption = None) -> None:
    """Give the issuing authority two more years; needs the root's key and its passphrase."""
    from rig.pki.authority import Authority
    from rig.pki.passphrase import passphrase_of

    passphrase = passphrase_of(passphrase_file, new=False)
    desk = _desk(pki)
    with _writing(pki):
        made = Authority.renew(pki, passphrase, now=time.time_ns())
        desk.publish()  # what somebody revoked meanwhile is in the new list, too
    until = f"{made.issuing.not_valid_after_utc:%Y-%m-%d}"
    typer.echo(f"{pki}: the issuing authority holds until {until}; lock the root's key away again")
    typer.echo("its new lists of the revoked: twinline broker config, and each node's next --renew")


@app.command()
def serve(
    at: Annotated[str, typer.Option(metavar="HOST:PORT", help="Where; 0.0.0.0: at every address.")] = (
        "0.0.0.0:8443"
    ),
    pki: PkiOption = HERE,
) -> None:
    """Let nodes in over HTTPS, those that have a token, and renew their certificates; until Ctrl-C."""
    import json
    import logging

    from gateway.pki.asking import read_address
    from rig.pki.serve import Server

    address = _or_bad("--at", lambda: read_address(f"https://{at}"))
    desk = _desk(pki)
    with _writing(pki):
        desk.publish()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", stream=sys.stderr)
    try:
        server = Server(desk, address)
    except OSError as error:
        hint = "choose another port, or end what uses it"
        raise BadInput([Problem("--at", 0, 0, f"{at}: {error.strerror or error}", hint)]) from None
    desk.reached(str(server.reached))
    print(json.dumps({"ready": True, "at": str(server.reached)}), flush=True)
    with server:
        server.serve_forever()


@app.command()
def enroll(
    node: NodeArgument,
    kind: Annotated[
        str,
        typer.Option("--as", metavar="KIND", help="gateway, witness, operator, party, broker, controller."),
    ],
    role: Annotated[
        list[str] | None,
        typer.Option(help="viewer, operator, commissioner, signer; of operators and parties."),
    ] = None,
    owner: Annotated[str, typer.Option(help="Whose it is (default: whose the line is).")] = "",
    host: Annotated[
        list[str] | None,
        typer.Option(help="A name or address by which it is reached; of a broker, of OPC UA."),
    ] = None,
    valid: Annotated[str, typer.Option(help="How long the token lets it in.")] = "10 min",
    authority: Annotated[
        str,
        typer.Option(metavar="URL", help="Where gateways reach the authority (default: where it serves)."),
    ] = "",
    request: RequestOption = None,
    answer: AnswerOption = None,
    pki: PkiOption = HERE,
) -> None:
    """Let a node in: makes a token that works once, and says what to type there; or answers a request."""
    from gateway.pki.asking import read_address
    from gateway.units import duration
    from rig.pki.desk import Refused

    desk = _desk(pki)
    place = _place(desk, node, kind, role or (), owner, tuple(host or ()))
    if request is not None:
        given = _or_bad("NODE", lambda: desk.enrol_by_hand(_read(request), place))
        _hand_back(given, desk, request, answer, f"--root {desk.authority.root_hex}")
        return
    lasts = _or_bad("--valid", lambda: duration(valid, "min"))
    if not 0 < lasts <= LONGEST:
        raise BadInput([Problem("--valid", 0, 0, f"{valid} is too long or none", "write up to 168 h")])
    where = authority or desk.address
    if authority:
        _or_bad("--authority", lambda: read_address(authority))
    token = _or_bad("NODE", lambda: desk.invite(place, lasts))
    if isinstance(token, Refused):
        _refuse(token)
    roles = f" ({', '.join(place.roles)})" if place.roles else ""
    typer.echo(f"{node} may enrol as {kind}{roles} of {place.owner}, once, within {valid}. There, type:")
    typer.echo(f"\n  python -m gateway.enroll {where or 'https://AUTHORITY'} --into {node}\n")
    typer.echo(f"and, when it asks, the token:\n\n  {token}\n")
    if not where:
        typer.echo("the authority does not serve yet: twinline pki serve")


@app.command()
def renew(
    node: NodeArgument, request: RequestOption = None, answer: AnswerOption = None, pki: PkiOption = HERE
) -> None:
    """Say how a node renews its certificates; or answer a request for it that was carried here."""
    desk = _desk(pki)
    if request is not None:
        _hand_back(desk.renew(_read(request)), desk, request, answer, "")
        return
    where = desk.address or "https://AUTHORITY"
    typer.echo(f"At {node}, with the folder that it was enrolled into (--new-keys for others):")
    typer.echo(f"\n  python -m gateway.enroll --renew {where} --into {node}\n")


@app.command()
def record(
    node: NodeArgument,
    keys: KeysOption,
    pki: PkiOption = HERE,
    operator: DeciderOption = "rig",
    broker: BrokersOption = None,
) -> None:
    """Have a node belong to the line's chain as it is enrolled here: gateways and witnesses vote.

    Exit status 1: on the chain without effect, 3: not final yet.
    """
    from rig import admission

    found = [each for each in _desk(pki).listed() if each.place.node == node and each.revoked is None]
    if not found:
        hint = f"enrol it first: twinline pki enroll {node}"
        raise BadInput([Problem("NODE", 0, 0, f"{node} is not enrolled here", hint)])
    said = found[0].answer.enrolment.enrolment
    work = partial(
        admission.enrol,
        keys,
        operator,
        node,
        said.public,
        roles=said.roles,
        owner=said.owner,
        votes=said.kind in ("gateway", "witness"),
        brokers=tuple(broker or ()),
    )
    raise typer.Exit(admission.said(work))


@app.command()
def revoke(
    node: NodeArgument,
    why: Annotated[str, typer.Option(help="The reason; it is kept.")],
    pki: PkiOption = HERE,
    keys: MaybeKeysOption = None,
    operator: DeciderOption = "rig",
    broker: BrokersOption = None,
) -> None:
    """Take back what was given to a node: its certificates, and tokens that it has not used.

    With --keys the chain revokes it, too; exit status 1: without effect there, 3: not final there yet.
    """
    from rig.pki.authority import CRL
    from rig.pki.desk import Refused

    if not 1 <= len(why) <= 256:
        raise BadInput([Problem("--why", 0, 0, "is not 1 to 256 characters", "say it in a sentence")])
    desk = _desk(pki)
    if keys is not None:
        _check_right(keys, operator, tuple(broker or ()), desk.authority.line)
    done = desk.revoke(node, why)
    with _writing(pki):
        desk.publish()
    if not isinstance(done, Refused):
        typer.echo(f"{node} is revoked, {pki / CRL} says so")
        typer.echo(
            "at the broker it says and hears things until that has its new lists, both of them: "
            f"twinline broker config FOLDER --pki {pki}, then SIGHUP"
        )
    elif keys is None:
        _refuse(done)
    else:  # the chain was not there the last time
        typer.echo(str(done))
    if keys is not None:
        from rig import admission

        line = desk.authority.line
        work = partial(admission.revoke, keys, operator, node, why, tuple(broker or ()), line)
        raise typer.Exit(admission.said(work))
    typer.echo(f"where the line has a chain: twinline pki revoke {node} --why … --keys DIR --operator NODE")


@app.command("list")
def list_nodes(
    pki: PkiOption = HERE,
    as_json: Annotated[bool, typer.Option("--json", help="For programs to read.")] = False,
) -> None:
    """Every node: kind, roles, owner, until when, whether it is revoked; and the tokens that are open."""
    import msgspec

    from rig.pki.show import survey, table

    shown = survey(_desk(pki), time.time_ns())
    if as_json:
        typer.echo(msgspec.json.format(msgspec.json.encode(shown), indent=2).decode())
        return
    for text in table(shown):
        typer.echo(text)


def _check_right(keys: Path, operator: str, brokers: tuple[str, ...], line: str) -> None:
    """BadInput where the chain would have none of what ``operator`` decides: then nothing is revoked at all.
    A chain that is not heard keeps nobody from revoking the certificates."""
    from rig import admission
    from rig.chain import NotFinal

    try:
        may = admission.decides(keys, operator, brokers, line)
    except (NotFinal, OSError):
        return
    if not may:
        what = f"{operator} is no commissioner on the chain, and nothing was revoked"
        raise BadInput([Problem("--operator", 0, 0, what, "name one who is (--operator)")])


def _desk(folder: Path) -> Desk:
    from rig.pki.authority import Authority
    from rig.pki.desk import Desk
    from rig.pki.registry import Registry

    authority = Authority.open(folder)
    return Desk(authority, Registry(folder), time.time_ns)


def _place(
    desk: Desk, node: str, kind: str, roles: Sequence[str], owner: str, hosts: tuple[str, ...]
) -> Place:
    """BadInput with all that is wrong with it."""

    from gateway.net.roles import role
    from gateway.pki.enrolment import KINDS
    from ledger.shapes import converted
    from rig.pki.registry import Place

    problems: list[Problem] = []
    if kind not in KINDS:
        problems.append(Problem("--as", 0, 0, f"{kind!r} is no kind", f"allowed are {', '.join(KINDS)}"))
    for each in roles:
        try:
            role(each)
        except ValueError as error:
            problems.append(Problem("--role", 0, 0, *str(error).split("; ", 1)))
    if roles and kind in KINDS and kind not in ROLES_OF:
        what = f"a {kind} has no role"
        problems.append(Problem("--role", 0, 0, what, "leave it out: roles are of operators and parties"))
    if problems:
        raise BadInput(problems)
    given = tuple(roles) or ROLES_OF.get(kind, ())
    return converted((node, kind, owner or desk.authority.owner, given, hosts), Place)


def _hand_back(given: Answer | Refused, desk: Desk, request: Path, answer: Path | None, option: str) -> None:
    """Write the answer to a request that was carried here."""
    from cryptography.hazmat.primitives.serialization import Encoding

    from gateway.pki.requests import Carried
    from gateway.pki.revocation import read_lists
    from gateway.store.atomic import write_atomically
    from ledger import codec
    from rig.pki.desk import Refused

    if isinstance(given, Refused):
        _refuse(given)
    path = answer or request.with_suffix(".answer")
    lists = tuple(each.public_bytes(Encoding.DER) for each in read_lists(desk.authority.lists))
    with _writing(path):
        write_atomically(path, codec.encode(Carried(given, lists)))
    command = f"python -m gateway.enroll --answer {path.name} {option}".strip()
    typer.echo(f"{path}: carry it back; there: {command} --into FOLDER")


def _refuse(refused: Refused) -> NoReturn:
    raise BadInput([Problem("", 0, 0, refused.what, refused.hint)])


def _read(path: Path) -> bytes:
    from gateway.pki.requests import MAX_BYTES

    try:
        with path.open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except OSError as error:
        hint = "name the file that python -m gateway.enroll --request wrote"
        raise BadInput([Problem(str(path), 0, 0, error.strerror or str(error), hint)]) from None


def _or_bad(option: str, read: Callable[[], T]) -> T:
    """What ``read`` gives; its ValueError as BadInput."""
    try:
        return read()
    except ValueError as error:
        what, _, hint = str(error).partition("; ")
        raise BadInput([Problem(option, 0, 0, what, hint)]) from None


@contextlib.contextmanager
def _writing(path: Path) -> Iterator[None]:
    """A disk that does not take it is a person's to see to."""
    try:
        yield
    except OSError as error:
        hint = "see to the disk and its permissions, and do it again"
        raise BadInput([Problem(str(path), 0, 0, error.strerror or str(error), hint)]) from None
