"""``python -m gateway.enroll``: a node makes its keys, asks the line's authority, and keeps what it gets.

Started again it goes on where it stopped: with the same keys, which the authority answers as before.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from gateway.errors import BadInput, Problem
from gateway.net.identity import Identity
from gateway.pki import certificates, revocation
from gateway.pki.asking import (
    ENROL,
    RENEW,
    TIMEOUT,
    Address,
    Declined,
    Unreachable,
    ask,
    fetch_lists,
    read_address,
)
from gateway.pki.certificates import DAY, moment
from gateway.pki.credentials import (
    KEY,
    TLS,
    TlsFiles,
    enrolled,
    finish,
    install,
    read_revoked,
    take_lists,
)
from gateway.pki.enrolment import KINDS, Signed
from gateway.pki.keys import make_keys, make_next_keys, make_request
from gateway.pki.requests import MAX_CARRIED, read_carried
from gateway.pki.token import ROOT_BYTES, Token, read_token
from gateway.store.atomic import write_atomically
from ledger.codec import Malformed

_LOCK = "lock"


def by_token(token: Token, address: Address, folder: Path, timeout: float = TIMEOUT) -> Signed:
    """Be let in; BadInput, Declined, Unreachable, OSError.

    The authority is asked even where the folder is enrolled: it alone knows whether that still holds, and
    whether the token is the one that was used here. What it answered before stands behind a renewal.
    """
    _keys(folder, token.node)
    held = enrolled(folder)
    answer, root = ask(address, ENROL, make_request(folder, token.secret), token.root, timeout)
    newer = held is None or answer.enrolment.enrolment.before > held.enrolment.before
    if held is None or newer or _root(folder)[:ROOT_BYTES] != token.root:
        held = install(folder, answer, root, time.time_ns())
    bring_lists(folder, address, timeout)
    return held


def renew(folder: Path, address: Address, new_keys: bool = False, timeout: float = TIMEOUT) -> Signed:
    """Follow the enrolment in ``folder`` by another, for the same keys or ``new_keys`` for TLS and OPC UA."""
    data, root = renewal(folder, new_keys), _root(folder)
    answer, _ = ask(address, RENEW, data, root, timeout)
    held = install(folder, answer, root, time.time_ns())
    bring_lists(folder, address, timeout)
    return held


def bring_lists(folder: Path, address: Address, timeout: float = TIMEOUT) -> str:
    """Fetch the authority's lists of the revoked; says of when they are. As ``fetch_lists``, and OSError."""
    data = fetch_lists(address, _root(folder), timeout)
    return _of_when(take_lists(folder, data, str(address)))


def _of_when(lists: Sequence[revocation.List]) -> str:
    latest = max((each.last_update_utc for each in lists), default=None)
    if latest is None:
        return "it has no lists of the revoked"
    return f"its lists of the revoked are of {latest:%Y-%m-%d %H:%M} UTC"


def renewal(folder: Path, new_keys: bool = False) -> bytes:
    """The request for it; BadInput where nothing is enrolled."""
    held = enrolled(folder)
    if held is None:
        what = "holds no enrolment that could be renewed"
        raise BadInput([Problem(str(folder), 0, 0, what, "enrol this node first, with a token")])
    if new_keys:
        make_next_keys(folder)
    return make_request(folder, renews=held.enrolment.serial)


def _keys(folder: Path, node: str) -> None:
    try:
        make_keys(folder, node)
    except ValueError as error:
        what, _, hint = str(error).partition("; ")
        raise BadInput([Problem("", 0, 0, what, hint)]) from None


def _root(folder: Path) -> bytes:
    """The SHA-256 of the root that ``folder`` trusts."""
    return certificates.fingerprint(certificates.read_certificates(TlsFiles.of(folder / TLS).ca)[0])


def _lasts(held: Signed) -> int:
    return held.enrolment.before - time.time_ns()


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Nobody else makes keys there meanwhile; the lock goes with the process, however it ends."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    if sys.platform == "win32":
        yield
        return
    import fcntl

    with open(os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT, 0o600), "wb") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            what = "another process is enrolling this node"
            raise BadInput([Problem(str(folder), 0, 0, what, "wait until it has ended")]) from None
        yield


def main() -> int:
    """The command line; exit status 0 enrolled, 2 refused or bad input, 3 the authority is not there."""
    parser = argparse.ArgumentParser(prog="python -m gateway.enroll", description=__doc__)
    parser.add_argument(
        "words", nargs="*", metavar="[TOKEN] URL",
        help="as twinline pki enroll printed them; without TOKEN, or with -, it is read from standard input",
    )  # fmt: skip
    parser.add_argument("--into", type=Path, required=True, metavar="FOLDER", help="the credentials")
    parser.add_argument("--node", metavar="NODE", help="with --request: the node's id")
    parser.add_argument("--request", type=Path, metavar="FILE", help="write what is asked, to be carried")
    parser.add_argument("--answer", type=Path, metavar="FILE", help="take the answer that was carried back")
    parser.add_argument(
        "--revoked",
        type=Path,
        action="append",
        metavar="FILE",
        help="take lists of the revoked, carried here",
    )
    parser.add_argument("--root", metavar="SHA256", help="with --answer: the root's, as the authority says")
    parser.add_argument("--renew", action="store_true", help="follow the enrolment there is: --renew URL")
    parser.add_argument("--new-keys", action="store_true", help="with --renew: new for TLS and OPC UA")
    parser.add_argument("--days", type=int, metavar="N", help="with --renew: only if fewer are left")
    parser.add_argument("--timeout", type=float, default=TIMEOUT, metavar="S", help="for each step, seconds")
    given = parser.parse_args()
    try:
        if given.renew and not given.into.is_dir():
            hint = "name the folder that this node was enrolled into"
            raise BadInput([Problem("--into", 0, 0, f"{given.into} is no folder", hint)])
        with _alone(given.into):
            for line in _run(given):
                print(line)
    except BadInput as bad:
        print(bad, file=sys.stderr)
        return 2
    except Declined as declined:
        print(f"the authority refuses: {declined}", file=sys.stderr)
        return 2
    except Unreachable as unreachable:
        print(unreachable, file=sys.stderr)
        return 3
    except OSError as error:
        print(f"{given.into}: {error}", file=sys.stderr)
        return 2
    return 0


def _run(given: argparse.Namespace) -> Iterator[str]:
    folder: Path = given.into
    if finish(folder):
        yield "put in place what an earlier one had got"
    if given.revoked is not None:
        for path in given.revoked:
            yield f"{path}: taken; {_of_when(take_lists(folder, path.read_bytes(), str(path)))}"
    elif given.answer is not None:
        yield _said(_take(given.answer, given.root, folder), folder)
    elif given.request is not None:
        yield from _write_request(given, folder)
    elif given.renew:
        held = enrolled(folder)
        if held is not None and given.days is not None and _lasts(held) >= given.days * DAY:
            yield f"{_said(held, folder)}; nothing to renew yet"
            yield _lists_too(given, folder)
            return
        (url,) = _words(given, "URL")
        yield _said(renew(folder, _address(url), given.new_keys, given.timeout), folder)
    else:
        text, url = ("-", *given.words) if len(given.words) == 1 else _words(given, "TOKEN", "URL")
        try:
            token = read_token(_typed() if text == "-" else text)
        except ValueError as error:
            what, _, hint = str(error).partition("; ")
            raise BadInput([Problem("TOKEN", 0, 0, what, hint)]) from None
        yield _said(by_token(token, _address(url), folder, given.timeout), folder)


def _lists_too(given: argparse.Namespace, folder: Path) -> str:
    """The lists are brought each time; an authority that does not serve today is no failure of a timer."""
    (url,) = _words(given, "URL")
    try:
        return bring_lists(folder, _address(url), given.timeout)
    except (Unreachable, Declined) as why:
        held = _of_when(read_revoked(TlsFiles.of(folder / TLS)))
        return f"{held}, no later ones were fetched: {why}"


def _typed() -> str:
    """The token on standard input: on a command line everybody on the machine could read it."""
    if sys.stdin.isatty():
        print("token: ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline()


def _write_request(given: argparse.Namespace, folder: Path) -> Iterator[str]:
    if given.renew:
        data, command = renewal(folder, given.new_keys), "renew"
    else:
        if given.node is None:
            raise BadInput([Problem("--node", 0, 0, "is missing", "say whose request it is: --node infeed")])
        _keys(folder, given.node)
        data, command = make_request(folder), "enroll"
    write_atomically(given.request, data)
    node, name = given.node or Identity.load(folder / KEY).node, given.request.name
    kind = "" if given.renew else " --as KIND"
    asked = f"--request {name} --answer {node}.answer"
    yield f"{given.request}: carry it to the authority; there: twinline pki {command} {node}{kind} {asked}"
    if kind:
        yield f"KIND is {', '.join(KINDS[:-1])} or {KINDS[-1]}; a broker and a controller need --host, too"


def _take(path: Path, root: str | None, folder: Path) -> Signed:
    """Put the answer in ``path`` in place."""
    with path.open("rb") as file:
        carried = read_carried(file.read(MAX_CARRIED + 1))
    if isinstance(carried, Malformed):
        hint = "carry the file that twinline pki wrote with --answer"
        raise BadInput([Problem(str(path), 0, 0, f"is no answer: {carried.reason}", hint)])
    if root is None and not TlsFiles.of(folder / TLS).ca.exists():
        hint = "ask who runs the authority for it, by telephone: twinline pki list shows it"
        raise BadInput([Problem("--root", 0, 0, "is missing: which root this node is to trust", hint)])
    trusted = _root(folder) if root is None else _read_root(root)
    return install(folder, carried.answer, trusted, time.time_ns(), carried.lists)


def _read_root(text: str) -> bytes:
    try:
        found = bytes.fromhex(text.replace(":", ""))
    except ValueError:
        found = b""
    if len(found) != 32:
        raise BadInput([Problem("--root", 0, 0, "is no SHA-256", "write its 64 hexadecimal digits")])
    return found


def _words(given: argparse.Namespace, *wanted: str) -> list[str]:
    words: list[str] = given.words
    if len(words) != len(wanted):
        what = f"{' and '.join(wanted)} {'is' if len(wanted) == 1 else 'are'} wanted, {len(words)} given"
        hint = "twinline pki enroll NODE prints what to type; see --help for other ways"
        raise BadInput([Problem("", 0, 0, what, hint)])
    return words


def _address(url: str) -> Address:
    try:
        return read_address(url)
    except ValueError as error:
        what, _, hint = str(error).partition("; ")
        raise BadInput([Problem("URL", 0, 0, what, hint)]) from None


def _said(held: Signed, folder: Path) -> str:
    said = held.enrolment
    roles = f" ({', '.join(said.roles)})" if said.roles else ""
    until = f"{moment(said.before):%Y-%m-%d}"
    return f"{said.node} is {said.kind}{roles} of line {said.line} until {until}; credentials in {folder}"


if __name__ == "__main__":
    sys.exit(main())
