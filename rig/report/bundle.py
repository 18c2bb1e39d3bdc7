"""The run folder as evidence: session.json, junit.xml, report.html and the manifest over everything in it.

A session writes ``begin.json`` at its start, appends to ``steps.jsonl`` as steps end, and calls
``write_evidence`` when its logs are closed. The manifest comes last: a folder with a manifest is whole
and is never written again; one without it was cut short, and ``rebuild`` makes evidence of what is there.
What shows that the manifest is final comes after it, so it is not in it: see rig/chainfolder.py.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import msgspec

from gateway.errors import BadInput, Problem
from gateway.store.atomic import write_atomically
from ledger.shapes import from_json
from rig.record import Record, Step, overall, sha256_file
from rig.report.html import render_html
from rig.report.junit import render_junit
from rig.report.wording import clean

HEAD, STEPS, SESSION, JUNIT, REPORT, MANIFEST = (
    "begin.json",
    "steps.jsonl",
    "session.json",
    "junit.xml",
    "report.html",
    "manifest.json",
)
CHAIN = "chain"  # the folder of what shows that the manifest is final
FORMAT = "manifest 1"


class ManifestFile(msgspec.Struct, frozen=True):
    """One file of the run folder: path from the folder with ``/``, bytes, SHA-256 in hex."""

    path: str
    size: int
    sha256: str


class Manifest(msgspec.Struct, frozen=True):
    """Every regular file in the run folder, sorted by path, but the manifest itself and what proves it."""

    session: str
    files: tuple[ManifestFile, ...]
    format: str = FORMAT


def write_head(record: Record, folder: Path) -> Path:
    """Write ``begin.json``: the record as it is known at the start, incomplete and without steps."""
    assert not record.complete
    assert not record.steps
    write_atomically(folder / HEAD, _pretty(record))
    return folder / HEAD


def write_evidence(record: Record, folder: Path) -> list[Path]:
    """Write the evidence into the existing ``folder``, each file whole and synced, the manifest last.

    Returns session.json, junit.xml, report.html, manifest.json; OSError if the disk refuses. Nothing may
    write into the folder afterwards (the manifest covers the logs too), so close them first.
    """
    _sweep(folder)
    session = _pretty(record)
    write_atomically(folder / SESSION, session)
    write_atomically(folder / JUNIT, render_junit(record))
    page = render_html(record, hashlib.sha256(session).hexdigest())
    write_atomically(folder / REPORT, page.encode())
    write_atomically(folder / MANIFEST, _pretty(_manifest(record.id, folder)))
    return [folder / name for name in (SESSION, JUNIT, REPORT, MANIFEST)]


def rebuild(folder: Path) -> list[Path]:
    """Make the evidence of a session that was killed, from what it left on the disk; the files written.

    Evidence that has a manifest is only checked: it is never written again, so nobody launders an edited
    folder this way. BadInput says what differs, or what is missing to rebuild from.
    """
    if (folder / MANIFEST).exists():
        if different := verify(folder):
            hint = "restore the folder from a copy; evidence is not made anew from files that were changed"
            raise BadInput(Problem(str(folder), 0, 0, what, hint) for what in different)
        return [folder / name for name in (SESSION, JUNIT, REPORT, MANIFEST)]
    if (folder / SESSION).exists():  # killed between the record and the manifest
        return write_evidence(_read(folder / SESSION), folder)
    return write_evidence(_recover(folder), folder)


def verify(folder: Path) -> list[str]:
    """What differs from the manifest, a line each: missing, extra or changed files; [] if nothing.

    A manifest that is missing or cannot be read is a difference too.
    """
    try:
        manifest = from_json((folder / MANIFEST).read_bytes(), Manifest)
    except FileNotFoundError:
        return [f"{MANIFEST}: missing; the session was cut short, or this is not a run folder"]
    except (msgspec.MsgspecError, UnicodeDecodeError, OSError) as error:
        return [f"{MANIFEST}: cannot be read: {error}"]
    if manifest.format != FORMAT:
        return [f"{MANIFEST}: format {manifest.format!r}; this version reads {FORMAT!r}"]
    listed = {file.path: file for file in manifest.files}
    present = _files(folder)
    different = [f"{name}: not in the manifest" for name in present.keys() - listed.keys()]
    different += [f"{name}: missing" for name in listed.keys() - present.keys()]
    for name in listed.keys() & present.keys():
        if what := _difference(listed[name], present[name]):
            different.append(f"{name}: {what}")
    return sorted(different)


def _difference(file: ManifestFile, path: Path) -> str:
    """What is not as ``file`` says of what is at ``path``; "" if nothing."""
    try:
        if path.is_symlink():
            return "a link in the place of the file"
        if (size := path.stat().st_size) != file.size:
            return f"{size} bytes, recorded were {file.size}"
        if (found := sha256_file(path)) != file.sha256:
            return f"content differs, SHA-256 is {found}, recorded was {file.sha256}"
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    return ""


def _manifest(session: str, folder: Path) -> Manifest:
    files = {name: path for name, path in _files(folder).items() if not path.is_symlink()}
    return Manifest(
        session,
        tuple(ManifestFile(name, path.stat().st_size, sha256_file(path)) for name, path in files.items()),
    )


def _files(folder: Path) -> dict[str, Path]:
    """Every regular file and link under ``folder`` but the manifest and the chain's, by its name in the
    manifest, sorted.

    Sockets and pipes are not content. A name that is no text is written out, as JSON could not hold it.
    """
    paths = [Path(parent, name) for parent, folders, names in os.walk(folder) for name in folders + names]
    content = [path for path in paths if path.is_symlink() or path.is_file()]
    found = {clean(path.relative_to(folder).as_posix()): path for path in content}
    found = {
        name: path for name, path in found.items() if name != MANIFEST and not name.startswith(f"{CHAIN}/")
    }
    return dict(sorted(found.items()))


def _sweep(folder: Path) -> None:
    """Remove the temporary files of a write that was killed."""
    for name in (HEAD, SESSION, JUNIT, REPORT, MANIFEST):
        for leftover in folder.glob(f".{name}.*"):
            leftover.unlink()


def _recover(folder: Path) -> Record:
    """The record as far as the session went, from its head and its steps."""
    head = _read(folder / HEAD)
    steps, notes = _read_steps(folder / STEPS)
    notes.insert(0, "Cut short: this evidence was rebuilt from what the session left on the disk.")
    return msgspec.structs.replace(
        head,
        ended=max([head.started, *(step.started + step.duration for step in steps)]),
        verdict=overall((step.verdict for step in steps), interrupted=True),
        steps=tuple(steps),
        note=" ".join([head.note, *notes]).strip(),
    )


def _read_steps(path: Path) -> tuple[list[Step], list[str]]:
    """The steps that can be read and a note on each line that cannot: a kill may have cut the last."""
    steps: list[Step] = []
    notes: list[str] = []
    lines = path.read_bytes().splitlines(keepends=True) if path.exists() else []
    for number, line in enumerate(lines, 1):
        try:
            steps.append(from_json(line, Step))
        except (msgspec.MsgspecError, UnicodeDecodeError):
            cut = number == len(lines) and not line.endswith(b"\n")
            notes.append(f"Line {number} of {STEPS} {'was cut off' if cut else 'cannot be read'}.")
    return steps, notes


def _read(path: Path) -> Record:
    try:
        return from_json(path.read_bytes(), Record)
    except FileNotFoundError:
        hint = "name the folder of a session, such as runs/20260102T030405Z-starter"
        raise BadInput([Problem(str(path), 0, 0, "there is no such file", hint)]) from None
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        hint = "restore it from a copy of the run folder"
        raise BadInput([Problem(str(path), 0, 0, f"not a session record: {error}", hint)]) from None


def _pretty(value: msgspec.Struct) -> bytes:
    return msgspec.json.format(msgspec.json.encode(value), indent=2) + b"\n"
