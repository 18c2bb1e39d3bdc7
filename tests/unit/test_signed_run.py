"""A run's folder with its chain and who signed it: whatever is changed in it shows, with no node."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
import record_examples
from test_ledger_proof import Ledger

from ledger.attested import Attested, attest
from ledger.codec import digest, encode
from ledger.effect import prove_effect
from ledger.records import Enrolled, Record, SessionClosed, SessionOpened, SignedOff, transaction
from ledger.types import Commit
from rig.chainfolder import complete, examine, write_chain, write_signature
from rig.finding import explain
from rig.report.bundle import MANIFEST, write_evidence

NAME = "20260102T030405Z-starter"
VERA, CARL = "chain/signed-b.json", "chain/signed-c.json"


def made(folder: Path, session: str = NAME) -> Path:
    """A run that passed, closed by a and signed by b for the vendor, and by c with a reservation."""
    ledger = Ledger("a", "b", "c", "d", roles={"b": ("signer",), "c": ("signer",)})
    folder.mkdir()
    write_evidence(record_examples.passed(), folder)
    manifest = hashlib.sha256((folder / MANIFEST).read_bytes()).digest()
    ledger.record("a", SessionOpened(session, "starter", manifest))
    ledger.record("a", SessionClosed(session, "PASS", manifest))
    closed = ledger.decide()
    ledger.record("b", SignedOff(session, manifest, "Vera Vogt", "vendor"))
    ledger.record("c", SignedOff(session, manifest, "C. \x1b[2J", "customer", "the guard comes later"))
    signed = ledger.decide()
    ledger.decide()
    blocks = [ledger.commits[height].block for height in range(1, closed + 1)]
    write_chain(folder, ledger.genesis, attest(ledger.genesis, ledger.commits.get, closed, 1), blocks)
    for index, tx in enumerate(ledger.commits[signed].block.body):
        write_signature(folder, tx.node, attest(ledger.genesis, ledger.commits.get, signed, index))
    return folder


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made(tmp_path_factory.mktemp("runs") / NAME)


@pytest.fixture
def run(whole: Path, tmp_path: Path) -> Path:
    shutil.copytree(whole, tmp_path / NAME)
    return tmp_path / NAME


def test_who_signed_is_shown_with_the_reservation(run: Path) -> None:
    shown = examine(run)
    assert shown.wrong == ()
    assert [each.node for each in shown.signed] == ["b", "c"]
    said = [line for line in explain(run, shown, None) if line.startswith("accepted")]
    assert "Vera Vogt, vendor (b)" in said[0]
    assert "customer (c)" in said[1]
    assert said[1].endswith("despite: the guard comes later")
    assert "\x1b" not in said[1]
    (run / VERA).unlink()
    (run / CARL).unlink()
    assert "accepted  by nobody yet: twinline session sign" in list(explain(run, examine(run), None))


def another_name(run: Path) -> None:
    (run / VERA).rename(run / "chain/signed-d.json")


def a_byte(run: Path) -> None:
    data = (run / VERA).read_bytes()
    (run / VERA).write_bytes(data.replace(b'"signed 2"', b'"signed  2"'))


def another_line_end(run: Path) -> None:
    (run / VERA).write_bytes((run / VERA).read_bytes() + b"\n")


def another_hash(run: Path) -> None:
    file = msgspec.json.decode((run / VERA).read_bytes())
    (run / VERA).write_bytes(msgspec.json.encode({**file, "sha256": "0" * 64}))


def no_file(run: Path) -> None:
    (run / VERA).unlink()
    (run / VERA).mkdir()


def a_link(run: Path) -> None:
    (run / VERA).rename(run.parent / "elsewhere.json")
    (run / VERA).symlink_to(run.parent / "elsewhere.json")


def of_another_session(run: Path) -> None:
    other = made(run.parent / "other", "20260102T030405Z-other")
    for name in ("genesis.json", "proof.json", "blocks.bin"):
        shutil.copy(other / "chain" / name, run / "chain" / name)


@pytest.mark.parametrize(
    ("change", "file", "why"),
    [
        (another_name, "chain/signed-d.json", "is what b signed"),
        (a_byte, VERA, "format"),
        (another_line_end, VERA, "was changed after it was written"),
        (another_hash, VERA, "was changed after it was written"),
        (no_file, VERA, "is no file"),
        (a_link, VERA, "is no file"),
        (of_another_session, VERA, "chain"),
    ],
)
def test_a_signature_that_was_changed_shows(
    run: Path, change: Callable[[Path], None], file: str, why: str
) -> None:
    change(run)
    wrong = [each for each in examine(run).wrong if each.startswith(f"{file}: ")]
    assert len(wrong) == 1
    assert why in wrong[0]


# --- what is on the chain, and does not show what it seems to -----------------------------------------


def ledger_of(folder: Path, **roles: tuple[str, ...]) -> tuple[Ledger, bytes]:
    """A run's folder with its evidence, and a chain that has no record of it yet."""
    folder.mkdir()
    write_evidence(record_examples.passed(), folder)
    manifest = hashlib.sha256((folder / MANIFEST).read_bytes()).digest()
    return Ledger("a", "b", "c", "d", roles=roles), manifest


def session(ledger: Ledger, manifest: bytes, verdict: str = "PASS", closed_by: str = "a") -> None:
    """Have what opens it, by a, and what closes it in the next block."""
    ledger.record("a", SessionOpened(NAME, "starter", manifest))
    ledger.record(closed_by, SessionClosed(NAME, verdict, manifest))


def unsigned(ledger: Ledger, who: str, record: Record) -> None:
    """Have it in the next block without ``who``'s signature, as those who hold the members' keys could."""
    ledger.seqs[who] += 1
    tx = transaction(ledger.genesis.chain, who, ledger.seqs[who], record)
    ledger.chain._sound.add(digest(encode(tx)))
    ledger.chain.waiting.add(tx, 0)


def commits(ledger: Ledger) -> list[Commit]:
    return [ledger.commits[height] for height in sorted(ledger.commits)]


def test_a_session_is_shown_by_its_first_closing_alone(tmp_path: Path) -> None:
    ledger, manifest = ledger_of(tmp_path / NAME)
    ledger.record("a", SessionOpened(NAME, "starter", manifest))
    ledger.record("a", SessionClosed(NAME, "FAIL", bytes(32)))
    ledger.decide()
    ledger.record("a", SessionClosed(NAME, "PASS", manifest))
    ledger.decide()
    ledger.decide()
    assert complete(tmp_path / NAME, ledger.genesis, commits(ledger)) is None


def test_nor_by_somebody_who_did_not_open_it(tmp_path: Path) -> None:
    ledger, manifest = ledger_of(tmp_path / NAME)
    session(ledger, manifest, closed_by="b")
    ledger.decide()
    ledger.decide()
    assert complete(tmp_path / NAME, ledger.genesis, commits(ledger)) is None


def test_before_the_next_block_nothing_shows_that_it_counts(tmp_path: Path) -> None:
    ledger, manifest = ledger_of(tmp_path / NAME)
    session(ledger, manifest)
    closed = ledger.decide()
    assert complete(tmp_path / NAME, ledger.genesis, commits(ledger)) is None
    ledger.decide()
    assert complete(tmp_path / NAME, ledger.genesis, commits(ledger)) == closed
    assert examine(tmp_path / NAME).wrong == ()


def test_another_verdict_than_in_the_evidence_shows(tmp_path: Path) -> None:
    ledger, manifest = ledger_of(tmp_path / NAME)
    session(ledger, manifest, "FAIL")
    ledger.decide()
    ledger.decide()
    complete(tmp_path / NAME, ledger.genesis, commits(ledger))
    (wrong,) = examine(tmp_path / NAME).wrong
    assert wrong.startswith("chain/proof.json: closes ")


def test_what_its_party_never_signed_is_not_shown(tmp_path: Path) -> None:
    ledger, manifest = ledger_of(tmp_path / NAME, b=("signer",))
    session(ledger, manifest)
    ledger.decide()
    unsigned(ledger, "b", SignedOff(NAME, manifest, "Carl", "customer"))
    signed = ledger.decide()
    ledger.decide()
    with pytest.raises(ValueError, match="no key by which b signed it is known"):
        attest(ledger.genesis, ledger.commits.get, signed, 0)
    complete(tmp_path / NAME, ledger.genesis, commits(ledger))
    forged = Attested(1, prove_effect(ledger.genesis, ledger.commits.get, signed, 0), ())
    write_signature(tmp_path / NAME, "b", forged)
    shown = examine(tmp_path / NAME)
    assert shown.wrong == ("chain/signed-b.json: b, whose it is, has not signed it",)
    assert shown.signed == ()


def test_who_was_enrolled_later_is_shown_with_the_enrolments(tmp_path: Path) -> None:
    """e by a, and f by e, who was given that right."""
    ledger, manifest = ledger_of(tmp_path / NAME, e=("commissioner",), f=("signer",))
    session(ledger, manifest)
    ledger.record("a", Enrolled(msgspec.structs.replace(ledger.party("e"), member=False)))
    ledger.decide()
    ledger.record("e", Enrolled(msgspec.structs.replace(ledger.party("f"), member=False)))
    ledger.decide()
    ledger.record("f", SignedOff(NAME, manifest, "Carl", "customer"))
    signed = ledger.decide()
    ledger.decide()
    complete(tmp_path / NAME, ledger.genesis, commits(ledger))
    attested = attest(ledger.genesis, ledger.commits.get, signed, 0)
    assert [each.proof.tx.node for each in attested.enrolled] == ["a", "e"]
    write_signature(tmp_path / NAME, "f", attested)
    assert [each.node for each in examine(tmp_path / NAME).signed] == ["f"]
    write_signature(tmp_path / NAME, "f", msgspec.structs.replace(attested, enrolled=attested.enrolled[1:]))
    (wrong,) = examine(tmp_path / NAME).wrong
    assert "e, whose it is, has no key in the genesis or an enrolment that is shown" in wrong


def test_what_is_not_named_as_a_signature_does_not_belong_there(run: Path) -> None:
    shutil.copy(run / VERA, run / "chain/signed-.json")
    shutil.copy(run / VERA, run / "chain/signature-b.json")
    assert [each for each in examine(run).wrong if "does not belong there" in each] == [
        "chain/signature-b.json: does not belong there",
        "chain/signed-.json: does not belong there",
    ]
