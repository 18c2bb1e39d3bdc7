"""``chain/`` in a run's folder: what shows anybody, without a node, that it is final and who signed it.

``genesis.json`` begins the chain, ``proof.json`` leads from it to the record of the manifest, and
``blocks.bin`` holds the blocks of the session, the last of which is the one that is proven.
``signed-PARTY.json`` shows that the party has signed the manifest off. Both show that the record counts and
who signed it. Each file can be written in one way only, so that a changed byte shows, whatever it meant.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple, TypeVar

import msgspec

from gateway.genesisfile import genesis_bytes, read_genesis
from gateway.store.atomic import write_atomically
from ledger import merkle
from ledger.attested import Attested, attest, verify_attested
from ledger.chain import leaves
from ledger.codec import Malformed, decode, encode
from ledger.genesis import Genesis
from ledger.light import Proof
from ledger.proof import Proven
from ledger.records import SessionClosed, SessionOpened, SignedOff, read
from ledger.shapes import from_json
from ledger.types import Block, Commit
from rig.record import Record
from rig.report.bundle import CHAIN, MANIFEST, SESSION
from rig.report.bundle import verify as compare

GENESIS, PROOF, BLOCKS = f"{CHAIN}/genesis.json", f"{CHAIN}/proof.json", f"{CHAIN}/blocks.bin"
FORMAT, SIGNED = "proof 2", "signed 2"
SIGNATURE = "signed-"  # begins the name of a party's
Read = TypeVar("Read")
_SIGNATURE = re.compile(rf"{CHAIN}/{SIGNATURE}[a-z][a-z0-9-]{{0,31}}\.json")
MAX_BLOCKS = 1 << 30  # bytes of a session's blocks


class ShownFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``proof.json`` and ``signed-PARTY.json``: ``sha256`` is that of the canonical bytes of what shows it,
    in hex."""

    format: str
    sha256: str
    shown: Attested


class Shown(NamedTuple):
    """What a run's folder shows: ``wrong`` is what differs, a line each that begins with the file's name; the
    rest is None where it cannot be read, or does not hold."""

    wrong: tuple[str, ...]
    genesis: Genesis | None
    proof: Proof | None
    proven: Proven | None
    blocks: tuple[Block, ...] = ()
    files: int = 0  # of the manifest
    signed: tuple[Proven, ...] = ()  # sign-offs that count


def write_chain(folder: Path, genesis: Genesis, closed: Attested, blocks: Sequence[Block]) -> None:
    """Write ``chain/`` of the run ``folder``, the proof last; OSError."""
    (folder / CHAIN).mkdir(exist_ok=True)
    write_atomically(folder / GENESIS, genesis_bytes(genesis))
    write_atomically(folder / BLOCKS, encode(tuple(blocks)))
    write_atomically(folder / PROOF, _bytes(FORMAT, closed))


def examine(folder: Path, trusted: Genesis | None = None) -> Shown:
    """What the run ``folder`` shows to somebody who trusts the genesis ``trusted``, else its own."""
    wrong = compare(folder)
    if not (folder / CHAIN).is_dir():
        return Shown((*wrong, f"{CHAIN}: {_why_none(folder)}"), None, None, None)
    expected = {GENESIS, PROOF, BLOCKS}
    present = {path.relative_to(folder).as_posix() for path in (folder / CHAIN).rglob("*")}
    signatures = sorted(name for name in present if _SIGNATURE.fullmatch(name))
    wrong += [f"{name}: does not belong there" for name in sorted(present - expected - set(signatures))]
    wrong += [f"{name}: missing" for name in sorted(expected - present)]
    if expected - present:
        return Shown(tuple(wrong), None, None, None)
    closed, genesis = _read(folder / PROOF, partial(_shown_of, FORMAT)), _read(folder / GENESIS, _genesis_of)
    blocks = _read(folder / BLOCKS, lambda data: decode(data, tuple[Block, ...], MAX_BLOCKS))
    proven: Proven | None = None
    for name, found in ((PROOF, closed), (GENESIS, genesis), (BLOCKS, blocks)):
        if isinstance(found, Malformed):
            wrong.append(f"{name}: {found.reason}")
    if isinstance(genesis, Genesis) and trusted is not None and genesis != trusted:
        wrong.append(f"{GENESIS}: is not the genesis that was given, but {genesis.id.hex()}")
    proof = None if isinstance(closed, Malformed) else closed.effect.proof
    if not isinstance(closed, Malformed) and proof is not None and isinstance(genesis, Genesis):
        if proof.chain != genesis.chain:
            wrong.append(
                f"{GENESIS}: begins another chain ({genesis.chain}) than the proof is of ({proof.chain})"
            )
        elif isinstance(shown := verify_attested(closed, genesis), Malformed):
            wrong.append(f"{PROOF}: {shown.reason}")
        else:
            proven = shown
            other = _differences(folder, proven)
            if any(each.startswith(MANIFEST) for each in other):  # then what it says of files means nothing
                wrong = [each for each in wrong if each.startswith(f"{CHAIN}/")]
            wrong += other
    if proof is not None and isinstance(blocks, tuple):
        why = _unlinked(blocks, proof, genesis if isinstance(genesis, Genesis) else None)
        wrong += [f"{BLOCKS}: {why}"] if why else []
    signed: list[Proven] = []
    if isinstance(genesis, Genesis) and proven is not None:
        for name in signatures:
            signature = _signature(folder / name, genesis, proven)
            if isinstance(signature, Malformed):
                wrong.append(f"{name}: {signature.reason}")
            else:
                signed.append(signature)
    return Shown(
        tuple(dict.fromkeys(wrong)),
        genesis if isinstance(genesis, Genesis) else None,
        proof,
        proven,
        blocks if isinstance(blocks, tuple) else (),
        sum(path.is_file() for path in folder.rglob("*")) - len(expected) - len(signatures) - 1,
        tuple(signed),
    )


def write_signature(folder: Path, party: str, signed: Attested) -> Path:
    """Write what shows that ``party`` has signed the run ``folder`` off; where. OSError."""
    path = folder / CHAIN / f"{SIGNATURE}{party}.json"
    write_atomically(path, _bytes(SIGNED, signed))
    return path


def _signature(path: Path, genesis: Genesis, closed: Proven) -> Proven | Malformed:
    """What a file of a signature shows of the session that was ``closed`` so."""
    attested = _read(path, partial(_shown_of, SIGNED))
    if isinstance(attested, Malformed):
        return attested
    shown = verify_attested(attested, genesis)
    if isinstance(shown, Malformed):
        return shown
    record, end = shown.record, closed.record
    if not isinstance(record, SignedOff) or not isinstance(end, SessionClosed):
        return Malformed("is of another record than a sign-off")
    if path.name != f"{SIGNATURE}{shown.node}.json":
        return Malformed(f"is what {shown.node} signed")
    if (record.session, record.manifest) != (end.session, end.manifest):
        return Malformed(f"signs {record.session} with another manifest, or another session")
    return shown


def _why_none(folder: Path) -> str:
    """Why there is no proof in a run's folder, as far as that tells."""
    try:
        record = from_json((folder / SESSION).read_bytes(), Record)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        return "there is no proof: the session was cut short"
    if not record.chain:
        return "there is no proof: the session had no chain (virtual mode has no gateways to keep one)"
    return (
        f"there is no proof: the manifest was not final when the session ended; if the chain {record.chain} "
        "runs on, see twinline ledger prove"
    )


def complete(folder: Path, genesis: Genesis, commits: Sequence[Commit]) -> int | None:
    """Write ``chain/`` of the run ``folder`` from all blocks of the chain so far.

    The height at which the manifest became final, or None where it did not, or counts for nothing, or no
    block has followed yet, which shows that it counts. OSError."""
    manifest = hashlib.sha256((folder / MANIFEST).read_bytes()).digest()
    opened: dict[str, int] = {}
    for height, commit in enumerate(commits[:-1], 1):
        for index, tx in enumerate(commit.block.body):
            match read(tx):
                case SessionOpened(session=session):
                    opened.setdefault(session, height)
                case SessionClosed(session=session, manifest=recorded) if recorded == manifest:
                    with contextlib.suppress(ValueError):
                        closed = attest(genesis, lambda at: commits[at - 1], height, index)
                        blocks = [each.block for each in commits[opened.get(session, height) - 1 : height]]
                        write_chain(folder, genesis, closed, blocks)
                        return height
    return None


def _differences(folder: Path, proven: Proven) -> list[str]:
    """Between what is in the folder and what is proven."""
    record = proven.record
    if not isinstance(record, SessionClosed):
        return [f"{PROOF}: is of another record than a session's end"]
    try:
        manifest = (folder / MANIFEST).read_bytes()
    except OSError:
        return []  # it is told already
    if hashlib.sha256(manifest).digest() != record.manifest:
        return [f"{MANIFEST}: is not the one that is recorded, which has SHA-256 {record.manifest.hex()}"]
    try:
        said = from_json((folder / SESSION).read_bytes(), Record)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        return []  # the manifest says what is wrong with it
    if (said.id, said.verdict) != (record.session, record.verdict):
        ended = f"{record.session} with {record.verdict}, {SESSION} is of {said.id} with {said.verdict}"
        return [f"{PROOF}: closes {ended}"]
    return []


def _unlinked(blocks: tuple[Block, ...], proof: Proof, genesis: Genesis | None) -> str:
    """Why these are not the blocks that lead to the proven one; empty if they are."""
    if not blocks or blocks[-1].header != proof.steps[-1].header:
        return "does not end with the block that is proven"
    for before, block in zip((None, *blocks), blocks, strict=False):
        header = block.header
        if before is not None and header.prev != before.id:
            return f"block {header.height} does not follow the one before it"
        if before is None and header.height == 1 and genesis is not None and header.prev != genesis.id:
            return "block 1 does not follow the genesis"
        if header.body_root != merkle.root(leaves(block.body)):
            return f"block {header.height} has other transactions than its header commits to"
    return ""


def _read(path: Path, reading: Callable[[bytes], Read | Malformed]) -> Read | Malformed:
    """What ``reading`` makes of a file of ``chain/``, which anybody may have written."""
    try:
        if path.is_symlink() or not path.is_file():
            return Malformed("is no file")
        return reading(path.read_bytes())
    except OSError as error:
        return Malformed(f"cannot be read: {error.strerror}")
    except (ValueError, RecursionError) as error:  # msgspec's are ValueErrors
        return Malformed(f"cannot be read: {error}")


def _bytes(format: str, shown: Attested) -> bytes:
    """The file that shows it."""
    file = ShownFile(format, hashlib.sha256(encode(shown)).hexdigest(), shown)
    return msgspec.json.format(msgspec.json.encode(file), indent=2) + b"\n"


def _shown_of(format: str, data: bytes) -> Attested | Malformed:
    """What a file shows, if it is of this ``format`` and how we write it."""
    file = from_json(data, ShownFile)
    if file.format != format:
        return Malformed(f"format {file.format!r}; this version reads {format!r}")
    return file.shown if _bytes(format, file.shown) == data else Malformed("was changed after it was written")


def _genesis_of(data: bytes) -> Genesis | Malformed:
    genesis = read_genesis(data)
    return genesis if genesis_bytes(genesis) == data else Malformed("was changed after it was written")
