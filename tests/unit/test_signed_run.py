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

from ledger.effect import prove_effect
from ledger.proof import prove
from ledger.records import SessionClosed, SessionOpened, SignedOff
from rig.chainfolder import examine, write_chain, write_signature
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
    write_chain(folder, ledger.genesis, prove(ledger.genesis, ledger.commits.get, closed, 1), blocks)
    for index, tx in enumerate(ledger.commits[signed].block.body):
        effect = prove_effect(ledger.genesis, ledger.commits.get, signed, index)
        write_signature(folder, tx.node, effect)
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
    (run / VERA).write_bytes(data.replace(b'"signed 1"', b'"signed  1"'))


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


def test_what_is_not_named_as_a_signature_does_not_belong_there(run: Path) -> None:
    shutil.copy(run / VERA, run / "chain/signed-.json")
    shutil.copy(run / VERA, run / "chain/signature-b.json")
    assert [each for each in examine(run).wrong if "does not belong there" in each] == [
        "chain/signature-b.json: does not belong there",
        "chain/signed-.json: does not belong there",
    ]
