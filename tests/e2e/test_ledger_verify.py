"""A run's evidence is checked offline against its chain: a changed byte anywhere is told, with its file."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from running import TWINLINE, Starter, belt, starter, until

from gateway.genesisfile import load_genesis
from rig.chainfolder import BLOCKS, GENESIS, PROOF, Shown, examine
from rig.record import Record
from rig.report.bundle import MANIFEST, SESSION, write_evidence

SEVERAL = 40  # positions in each file
FILES = ("begin.json", "steps.jsonl", SESSION, "junit.xml", "report.html", MANIFEST, GENESIS, PROOF, BLOCKS)


@pytest.fixture(scope="module")
def sessions(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Path]]:
    """Two runs of the small line, each with a chain of its own."""
    folder = tmp_path_factory.mktemp("sessions")
    with starter() as start:
        runs = []
        for name in ("one", "other"):
            run = start.session(folder / name, belt(folder / name).line, "-k", "passing or drive-ok")
            assert run.wait() == 0, run.shown
            assert "manifest final at height" in run.said
            assert run.run is not None
            assert f"twinline ledger verify {run.run.relative_to(folder / name)}" in run.said
            run.assert_nothing_left()
            runs.append(run.run)
        yield runs[0], runs[1]


@pytest.fixture
def run(sessions: tuple[Path, Path], tmp_path: Path) -> Path:
    """A copy of the first, to be spoilt."""
    return shutil.copytree(sessions[0], tmp_path / "run")


def blamed(shown: Shown) -> set[str]:
    return {each.partition(": ")[0] for each in shown.wrong}


def test_it_is_whole_and_final(run: Path, tmp_path: Path, start: Starter) -> None:
    assert examine(run, load_genesis(run / GENESIS)).wrong == ()
    verified = start(tmp_path, *TWINLINE, "ledger", "verify", str(run), "--genesis", str(run / GENESIS))
    assert verified.wait() == 0, verified.shown
    genesis = load_genesis(run / GENESIS)
    for said in ("whole, unchanged, and final", genesis.id.hex(), genesis.chain, "signed by 3 members"):
        assert said in verified.said


def test_the_test_knows_every_file(run: Path) -> None:
    there = {path.relative_to(run).as_posix() for path in run.rglob("*") if path.is_file()}
    logs = {name for name in there if name.startswith("logs/")}
    assert {"logs/gateway-belt.log", "logs/gateway-witnesses.log", "logs/controller-belt.log"} <= logs
    assert there - logs == set(FILES)


def test_one_changed_byte_in_any_file(run: Path) -> None:
    chance = random.Random(7)
    paths = [path for path in sorted(run.rglob("*")) if path.is_file() and path.stat().st_size]
    for path in paths:
        name, data = path.relative_to(run).as_posix(), path.read_bytes()
        places = {0, len(data) // 2, len(data) - 1, *(chance.randrange(len(data)) for _ in range(SEVERAL))}
        for place in sorted(places):
            changed = bytearray(data)
            changed[place] ^= chance.choice((0x01, 0x20, 0x80, 0xFF))
            path.write_bytes(changed)
            assert blamed(examine(run)) == {name}, f"byte {place} of {name}"
        path.write_bytes(data)
    assert examine(run).wrong == ()


@pytest.mark.parametrize("name", [SESSION, MANIFEST, GENESIS, PROOF, BLOCKS, "logs/gateway-belt.log"])
def test_the_command_names_the_file_and_fails(name: str, run: Path, tmp_path: Path, start: Starter) -> None:
    data = bytearray((run / name).read_bytes())
    data[len(data) // 3] ^= 0x01
    (run / name).write_bytes(data)
    verified = start(tmp_path, *TWINLINE, "ledger", "verify", str(run))
    assert verified.wait() == 1, verified.shown
    assert f"{name}: " in verified.shown
    assert "is not what the chain has recorded" in verified.said
    assert "Traceback" not in verified.shown


def test_a_file_too_many_or_too_few(run: Path) -> None:
    (run / "more.txt").write_text("more")
    assert blamed(examine(run)) == {"more.txt"}
    (run / "more.txt").rename(run / "chain/more.txt")
    assert blamed(examine(run)) == {"chain/more.txt"}
    (run / "chain/more.txt").unlink()
    for name in FILES:
        data = (run / name).read_bytes()
        (run / name).unlink()
        assert name in blamed(examine(run)), name
        (run / name).symlink_to("/dev/null")
        assert name in blamed(examine(run)), name
        (run / name).unlink()
        (run / name).write_bytes(data)
    assert examine(run).wrong == ()


def test_evidence_made_anew_is_not_what_was_recorded(run: Path) -> None:
    record = msgspec.json.decode((run / SESSION).read_bytes(), type=Record)
    (run / MANIFEST).unlink()
    write_evidence(msgspec.structs.replace(record, note="better than it was"), run)
    assert blamed(examine(run)) == {MANIFEST}


def test_the_chain_of_another_session(run: Path, sessions: tuple[Path, Path]) -> None:
    shutil.rmtree(run / "chain")
    shutil.copytree(sessions[1] / "chain", run / "chain")
    assert blamed(examine(run)) == {MANIFEST}
    assert blamed(examine(run, load_genesis(sessions[0] / GENESIS))) == {GENESIS, MANIFEST}
    shutil.copy(sessions[0] / GENESIS, run / GENESIS)
    assert blamed(examine(run)) >= {GENESIS}


def test_a_run_without_a_chain_says_so(run: Path, tmp_path: Path, start: Starter) -> None:
    shutil.rmtree(run / "chain")
    assert "the manifest was not final when the session ended" in " ".join(examine(run).wrong)
    virtual = start.session(tmp_path / "v", belt(tmp_path / "v").line, "--mode", "virtual", "-k", "passing")
    assert virtual.wait() == 0, virtual.shown
    assert "Ledger" not in virtual.shown
    verified = start(tmp_path, *TWINLINE, "ledger", "verify", str(virtual.run))
    assert verified.wait() == 1
    assert "virtual mode has no gateways to keep one" in verified.said
    verified = start(tmp_path, *TWINLINE, "ledger", "verify", str(tmp_path / "nowhere"))
    assert verified.wait() == 2
    assert "there is no such folder" in verified.said


def test_looking_into_it(run: Path, tmp_path: Path, start: Starter) -> None:
    def shown(*options: str, status: int = 0) -> str:
        asked = start(tmp_path, *TWINLINE, "ledger", *options)
        assert asked.wait() == status, asked.shown
        assert max(map(len, asked.shown.splitlines())) <= 80
        return asked.shown

    first, *_, last = (block.header for block in examine(run).blocks)
    assert first.height == 1
    whole = shown("show", str(run))
    assert "witness-3" in whole
    assert f"{last.height:>6}  " in whole
    block = shown("show", str(run), "--height", str(last.height))
    assert last.id.hex() in block
    (name,) = [line.split()[0] for line in block.splitlines() if "session-closed" in line]
    assert (run / MANIFEST).exists()
    assert "session-closed" in shown("show", str(run), "--record", name)
    stands = shown("status", str(run))
    assert f"height   {last.height}," in stands
    assert "belt" in stands
    shown("export", str(run), "--into", "blocks.jsonl")
    lines = (tmp_path / "blocks.jsonl").read_text().splitlines()
    assert json.loads(lines[-1])["id"] == last.id.hex()
    asked = start(tmp_path, *TWINLINE, "ledger", "show", str(run), "--height", "100000")
    until("an answer", lambda: asked.process.poll() is not None)
    assert asked.wait() == 2
    assert "--height: 100000 is not here" in asked.said
