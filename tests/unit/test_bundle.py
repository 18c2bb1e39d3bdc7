"""The run folder as evidence: whole, checkable, and recovered after a kill."""

import hashlib
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
import record_examples as examples

from gateway.errors import BadInput
from gateway.store.atomic import write_atomically
from rig.record import Measurement, Record, Step, StepLog
from rig.report.bundle import rebuild, verify, write_evidence, write_head

ROOT = Path(__file__).parents[2]
# A session that never ends: it writes its head, then steps, and says each once it is on the disk.
SESSION = """
import sys
from pathlib import Path
import record_examples as examples
from rig.record import StepLog
from rig.report.bundle import write_head
folder = Path(sys.argv[1])
write_head(examples.head(), folder)
log = StepLog(folder / "steps.jsonl")
for step in examples.long().steps:
    log.append(step)
    print(step.id, flush=True)
"""


def read(folder: Path) -> Record:
    return msgspec.json.decode((folder / "session.json").read_bytes(), type=Record)


def test_the_record_comes_back_as_it_was(tmp_path: Path) -> None:
    written = write_evidence(examples.failed(), tmp_path)
    assert [path.name for path in written] == ["session.json", "junit.xml", "report.html", "manifest.json"]
    assert all(path.is_file() for path in written)
    assert read(tmp_path) == examples.failed()


def test_the_manifest_covers_every_file_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "gw-glue.log").write_text("glue ready\n")
    write_evidence(examples.passed(), tmp_path)
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    assert manifest["session"] == "20260102T030405Z-starter"
    assert [file["path"] for file in manifest["files"]] == [
        "junit.xml",
        "logs/gw-glue.log",
        "report.html",
        "session.json",
    ]
    for file in manifest["files"]:
        data = (tmp_path / file["path"]).read_bytes()
        assert (file["size"], file["sha256"]) == (len(data), hashlib.sha256(data).hexdigest())
    assert verify(tmp_path) == []


def test_the_report_names_the_hash_of_the_record_it_shows(tmp_path: Path) -> None:
    write_evidence(examples.passed(), tmp_path)
    digest = hashlib.sha256((tmp_path / "session.json").read_bytes()).hexdigest()
    assert digest in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_the_same_record_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        write_evidence(examples.failed(), tmp_path / name)
    assert (tmp_path / "a" / "manifest.json").read_bytes() == (tmp_path / "b" / "manifest.json").read_bytes()


def flip(folder: Path) -> None:
    path = folder / "session.json"
    path.write_bytes(path.read_bytes().replace(b'"FAIL"', b'"PASS"', 1))


def link(folder: Path) -> None:
    path = folder / "junit.xml"
    path.rename(folder.parent / "elsewhere.xml")
    path.symlink_to(folder.parent / "elsewhere.xml")


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (flip, "session.json: content differs"),
        (lambda folder: (folder / "junit.xml").unlink(), "junit.xml: missing"),
        (lambda folder: (folder / "junit.xml").write_text("<x/>"), "junit.xml: 4 bytes, recorded were"),
        (lambda folder: (folder / "more.log").write_text("x"), "more.log: not in the manifest"),
        (link, "junit.xml: a link in the place of the file"),
        (lambda folder: (folder / "dir").symlink_to("/"), "dir: not in the manifest"),
        (lambda folder: (folder / "manifest.json").unlink(), "manifest.json: missing"),
        (lambda folder: (folder / "manifest.json").write_text("{"), "manifest.json: cannot be read"),
        (
            lambda folder: (folder / "manifest.json").write_text(
                (folder / "manifest.json").read_text().replace("manifest 1", "manifest 9")
            ),
            "manifest.json: format 'manifest 9'",
        ),
    ],
)
def test_every_change_is_found(change: Callable[[Path], None], what: str, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    write_evidence(examples.failed(), folder)
    change(folder)
    different = verify(folder)
    assert len(different) == 1
    assert different[0].startswith(what)


def test_a_socket_in_the_folder_is_no_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # a socket's path is short
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("agent.sock")
        write_evidence(examples.passed(), tmp_path)
        assert verify(tmp_path) == []


def test_a_file_name_that_is_no_text_is_covered_too(tmp_path: Path) -> None:
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.log")).write_text("x")
    write_evidence(examples.passed(), tmp_path)
    assert verify(tmp_path) == []
    assert "\\udcff.log" in [f["path"] for f in json.loads((tmp_path / "manifest.json").read_text())["files"]]


def test_there_is_no_manifest_before_all_else_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names: list[str] = []

    def full_at_the_report(path: Path, data: bytes) -> None:
        names.append(path.name)
        if path.name == "report.html":
            raise OSError(28, "No space left on device")
        write_atomically(path, data)

    monkeypatch.setattr("rig.report.bundle.write_atomically", full_at_the_report)
    with pytest.raises(OSError, match="No space"):
        write_evidence(examples.passed(), tmp_path)
    assert names == ["session.json", "junit.xml", "report.html"]
    monkeypatch.undo()
    rebuild(tmp_path)  # from the session.json that was already whole
    assert read(tmp_path) == examples.passed()
    assert verify(tmp_path) == []


def test_evidence_after_kill_9_has_every_step_that_was_told(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests' / 'unit'}"}
    command = [sys.executable, "-c", SESSION, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as session:
        assert session.stdout is not None
        told = [session.stdout.readline().strip() for _ in range(40)]
        session.send_signal(signal.SIGKILL)
        session.wait(30)
    assert not (tmp_path / "manifest.json").exists()
    paths = rebuild(tmp_path)
    assert all(path.is_file() for path in paths)
    record = read(tmp_path)
    assert [step.id for step in record.steps][:40] == told
    assert (record.verdict, record.complete) == ("ERROR", False)
    assert record.ended == record.steps[-1].started + record.steps[-1].duration
    assert verify(tmp_path) == []


def leave(folder: Path, steps: list[Step], rest: bytes = b"") -> None:
    """What a session leaves when it is killed after ``steps``, in the middle of writing ``rest``."""
    write_head(examples.head(), folder)
    log = StepLog(folder / "steps.jsonl")
    for step in steps:
        log.append(step)
    log.close()
    with (folder / "steps.jsonl").open("ab") as file:
        file.write(rest)


def test_a_line_cut_in_the_middle_is_left_out_and_said(tmp_path: Path) -> None:
    steps = examples.steps()[:3]
    leave(tmp_path, steps, msgspec.json.encode(examples.steps()[3])[:50])
    (tmp_path / ".session.json.ab12").write_text("half")  # a write that the kill cut
    rebuild(tmp_path)
    assert read(tmp_path).steps == tuple(steps)
    assert "Line 4 of steps.jsonl was cut off." in read(tmp_path).note
    assert "Line 4 of steps.jsonl was cut off." in (tmp_path / "report.html").read_text(encoding="utf-8")
    assert not (tmp_path / ".session.json.ab12").exists()


def test_a_spoiled_line_in_the_middle_does_not_hide_those_after_it(tmp_path: Path) -> None:
    leave(
        tmp_path,
        examples.steps()[:2],
        b"\xff\xfe not a step\n" + msgspec.json.encode(examples.steps()[2]) + b"\n",
    )
    rebuild(tmp_path)
    assert len(read(tmp_path).steps) == 3
    assert "Line 3 of steps.jsonl cannot be read." in read(tmp_path).note


def test_a_session_killed_before_its_first_step_still_has_evidence(tmp_path: Path) -> None:
    write_head(examples.head(), tmp_path)
    rebuild(tmp_path)
    assert read(tmp_path).verdict == "ERROR"
    assert verify(tmp_path) == []


def test_whole_evidence_is_never_written_again(tmp_path: Path) -> None:
    write_evidence(examples.failed(), tmp_path)
    before = {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in tmp_path.iterdir()}
    assert [path.name for path in rebuild(tmp_path)] == [
        "session.json",
        "junit.xml",
        "report.html",
        "manifest.json",
    ]
    assert {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in tmp_path.iterdir()} == before
    flip(tmp_path)
    with pytest.raises(BadInput, match=r"session\.json: content differs") as caught:
        rebuild(tmp_path)
    assert len(caught.value.problems) == 1


def test_a_folder_of_something_else_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"begin\.json: there is no such file; name the folder of a session"):
        rebuild(tmp_path)
    (tmp_path / "begin.json").write_text('{"id": 3}')
    with pytest.raises(BadInput, match=r"begin\.json: not a session record"):
        rebuild(tmp_path)


def test_a_controller_that_answers_nan_can_be_recorded(tmp_path: Path) -> None:
    odd = (Measurement("torque", float("nan"), "N.m", 1.8, 2.4, "FAIL"), Measurement("lit", True, "1", 1, 1))
    step = msgspec.structs.replace(examples.steps()[0], measurements=odd)
    leave(tmp_path, [step])
    rebuild(tmp_path)
    assert [m.value for m in read(tmp_path).steps[0].measurements] == ["nan", 1]
