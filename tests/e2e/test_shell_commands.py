"""The local shell without a terminal: commands in scripts, and who is let in."""

from __future__ import annotations

import contextlib
import csv
import grp
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from running import WITHIN, Starter, until
from site_alone import Site
from site_shell import ROOT, connected, do, site_in, state_of

from gateway.local.client import Client, Unanswered


@pytest.fixture
def common(start: Starter) -> Iterator[Site]:
    """A site in a folder that other users can enter: pytest closes its own to them, again and again."""
    if os.getuid() != 0 or shutil.which("setpriv") is None:
        pytest.skip("another user can be had by root alone, with setpriv")
    with tempfile.TemporaryDirectory() as folder, site_in(Path(folder), start) as made:
        for each in made.config.parents:
            if each not in (Path("/"), Path("/tmp")):
                each.chmod(each.stat().st_mode | 0o055)
        yield made


# --- in scripts ----------------------------------------------------------------------------------------


def test_what_may_not_be_forced_is_refused_by_the_one_gate(site: Site) -> None:
    site.gateway()
    connected(site)
    for command, why, status in (
        ("force belt-run true", "only inputs can be forced", 1),
        ("force nowhere true", "nowhere is no tag of belt", 2),
        ("force part-enters 3", "'3' is not a BOOL", 2),
        ("force command 70000", "70000 does not fit WORD", 2),
    ):
        assert why in " ".join(do(site, "lease take", command, status=status).split())
    told = [line for line in do(site, "logs").splitlines() if "is refused" in line]
    assert len(told) == 1  # what the shell itself sees to be none never came there
    assert re.search(
        r"WARNING gateway local-\S+ is refused \(by the cell\): belt-run is no input of belt", told[0]
    )


def each_json(text: str) -> Iterator[Any]:
    """The values that stand one after the other in ``text``."""
    decoder, text = json.JSONDecoder(), text.strip()
    while text:
        value, end = decoder.raw_decode(text)
        yield value
        text = text[end:].strip()


def test_json_csv_and_scripts(site: Site, tmp_path: Path) -> None:
    site.gateway()
    connected(site)
    commands = ("status", "tags", "plc", "twin", "lease", "net", "peers", "chain", "logs", "probe")
    said = do(site, *(f"{command} --json" for command in commands))
    found = dict(zip(commands, each_json(said), strict=True))
    status = found["status"]
    assert (status["station"], status["state"]["online"], status["lost"]) == ("belt", True, {})
    assert [tag["name"] for tag in found["tags"]][:2] == ["command", "part-enters"]
    assert found["plc"]["devices"][0]["ready"]
    assert found["probe"]["answered"]
    lines = do(site, "selftest", status=None).splitlines()
    assert len(lines) >= 7
    assert max(map(len, lines)) <= 80
    script = tmp_path / "commands.txt"
    script.write_text("lease take\nforce part-enters true\nstatus\nlease give\n")
    said = do(site, f"run_script {script}")
    assert "part-enters is held at true" in said
    assert "forces      part-enters" in said
    trace = tmp_path / "trace.csv"
    do(site, "lease take", "force part-enters true", f"trace belt-run seen --for 500ms > {trace}")
    rows = list(csv.DictReader(trace.read_text().splitlines()))
    assert {row["tag"] for row in rows} == {"belt-run", "seen"}
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", row["utc"]) for row in rows)
    assert [row["utc"] for row in rows] == sorted(row["utc"] for row in rows)


def test_exit_statuses(site: Site) -> None:
    assert "does not run" in " ".join(do(site, "status", status=3).split())
    site.gateway()
    connected(site)
    do(site, "nonsense", "status", status=2)
    for command in ("trace nowhere --for 1s", "watch nowhere"):
        said = do(site, command, status=2)
        assert "no such tag here" in said
        assert "utc,tag,value" not in said
    do(site, "trace belt-run --for soon", status=2)
    shell = [sys.executable, "-m", "gateway.local", str(site.config), *(["-c", "tags"] * 3)]
    with subprocess.Popen(shell, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as running:
        assert running.stdout is not None
        running.stdout.close()  # as head does, once it has its lines
        assert running.stderr is not None
        assert running.stderr.read() == b""
    do(site, "tags nowhere", status=1)
    do(site, "release", status=1)


# --- who may, and what is told -------------------------------------------------------------------------


def test_another_user_is_refused(common: Site) -> None:
    """Even where the folder and the socket would let him in."""
    common.gateway()
    connected(common)
    socket_path = state_of(common) / "shell.sock"
    ask = (
        "import socket, sys; s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]); "
        "print(s.recv(65536)); s.sendall(bytes(4)); print(s.recv(10))"
    )
    nobody = [
        "setpriv",
        "--reuid=65534",
        "--regid=65534",
        "--clear-groups",
        "/usr/bin/env",
        "python3",
        "-c",
        ask,
    ]

    def tried() -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*nobody, str(socket_path)], capture_output=True, text=True, timeout=WITHIN, cwd="/",
            env={"PATH": "/usr/bin:/bin"},
        )  # fmt: skip

    assert "Permission denied" in tried().stderr
    socket_path.parent.chmod(0o755)
    socket_path.chmod(0o666)
    done = tried()
    assert "may not" in done.stdout, done
    assert done.stdout.splitlines()[1:] in (["b''"], []), done  # and the connection is at its end


def test_a_member_of_the_group_is_let_in(common: Site) -> None:
    """One who is neither root nor the gateway's user, and may read neither key nor journal."""
    group = grp.getgrall()[-1]
    config = msgspec.json.decode(common.config.read_bytes())
    common.config.write_bytes(msgspec.json.encode({**config, "group": group.gr_name}))
    common.gateway()
    connected(common)
    socket_path = state_of(common) / "shell.sock"
    assert (socket_path.stat().st_gid, socket_path.stat().st_mode & 0o777) == (group.gr_gid, 0o660)
    said = {}
    for groups in (f"--groups={group.gr_gid}", "--clear-groups"):
        done = subprocess.run(
            ["setpriv", "--reuid=65533", "--regid=65533", groups, sys.executable, "-m", "gateway.local"]
            + [str(common.config), "-c", "status", "-c", "selftest"],
            capture_output=True, text=True, timeout=WITHIN, cwd=ROOT, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        said[groups] = " ".join((done.stdout + done.stderr).split())
    member, stranger = said.values()
    assert "of line one" in member
    assert "open disk this user may not write" in member
    assert "open files all but the key can be read" in member
    assert "you may not open" in stranger


def test_a_bundle_holds_no_key(site: Site, tmp_path: Path) -> None:
    station = site.config.parent / "station.yaml"
    station.write_text(station.read_text() + "# mqtt://anna:geheim@broker.example:1883\n")
    site.gateway()
    connected(site)
    into = tmp_path / "bundle.zip"
    do(site, f"bundle {into}")
    assert into.stat().st_mode & 0o077 == 0
    pem = (site.config.parent / "key.pem").read_text()
    body = "".join(pem.splitlines()[2:-1])
    secrets = {body[at : at + 24] for at in range(0, len(body) - 23, 8)} | {"PRIVATE KEY", "geheim", "anna:"}
    with zipfile.ZipFile(into) as archive:
        members = {name: archive.read(name).decode() for name in archive.namelist()}
    assert {"status.json", "tags.json", "logs.json", "selftest.txt", "station.yaml"} <= members.keys()
    assert json.loads(members["tags.json"])["tags"]
    for name, text in members.items():
        assert [secret for secret in secrets if secret in text] == [], name


def test_too_many_shells_are_refused_and_nothing_else_suffers(site: Site) -> None:
    site.gateway()
    with contextlib.ExitStack() as stack:
        for _ in range(16):
            stack.enter_context(Client(state_of(site)))
        with pytest.raises(Unanswered, match="16 connections are open already"):
            Client(state_of(site))
    until("a free place", lambda: "of line one" in do(site, "status", status=None))
