"""Sessions with a controller over secured OPC UA; and one that asks for security where there is none."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

import pytest
from running import CONTROLLER, Belt, Run, Starter, belt, by_id, is_free

SECRET = "Zuerich-4711"
NAMES = {
    "command": "Command", "part-enters": "PartEnters", "part-leaves": "PartLeaves", "drive-ok": "DriveOk",
    "belt-run": "BeltRun", "lamp-fault": "LampFault", "seen": "Seen", "seen-command": "SeenCommand",
}  # fmt: skip


def secured(folder: Path, serve: bool = True) -> Belt:
    """The small line over OPC UA, by a user with a password in a file."""
    made = belt(folder, serve)
    station = made.folder / "stations/belt.yaml"
    text = station.read_text()
    for tag, name in NAMES.items():
        text = re.sub(rf'(  {tag}: .*address: )"[^"]*"', rf"\1ns=2;s=Belt.{name}", text)
    text = text.replace(f"modbus://127.0.0.1:{made.port}/1", f"opc.tcp://127.0.0.1:{made.port}")
    reached = "security: Aes256_Sha256_RsaPss, user: ada, password-file: ../ada.password"
    text = text.replace("scan: 10 ms", "scan: 20 ms")  # encrypting takes its time on a busy machine
    text = text.replace("../programs/belt.st}", f"../programs/belt.st, {reached}}}")
    assert reached in text
    station.write_text(text)
    password = made.folder / "ada.password"
    password.write_text(f"{SECRET}\n")
    os.chmod(password, 0o600)
    return made


def assert_no_secret(run: Run) -> None:
    """Neither the password nor a private key is in what a person or the evidence shows."""
    assert run.run is not None
    kept = [path.read_bytes() for path in run.run.rglob("*") if path.is_file()]
    for data in (run.output.read_bytes(), *kept):
        assert SECRET.encode() not in data
        assert b"PRIVATE KEY" not in data


def test_a_whole_session_signed_and_encrypted(tmp_path: Path, start: Starter) -> None:
    made = secured(tmp_path)
    run = start.session(tmp_path, made.line)
    assert run.wait() == 0, run.shown
    run.assert_nothing_left()
    assert is_free(made.port)
    steps = by_id(run.record("PASS", complete=True))
    assert len(steps) == 12
    measured = {each.name: each.value for each in steps["connect/controller[belt]"].measurements}
    assert measured["security"] == "Aes256_Sha256_RsaPss/SignAndEncrypt, user ada"
    assert_no_secret(run)


@pytest.mark.long
def test_where_the_controller_has_no_security_there_is_no_session(tmp_path: Path, start: Starter) -> None:
    """It would serve every client; the gateway asks it for its endpoints and goes."""
    made = secured(tmp_path, serve=False)
    program, address = str(made.folder / "programs/belt.st"), f"opc.tcp://127.0.0.1:{made.port}"
    controller = start(tmp_path, sys.executable, "-m", CONTROLLER, program, "--address", address)
    controller.wait_ready()
    own = tmp_path / "own"
    command = (sys.executable, "-m", "rig", "session", "run", str(made.line))
    run = start(tmp_path, *command, env={"TWINLINE_CERTIFICATES": str(own)})
    assert run.wait() == 1, run.shown
    failed = by_id(run.record("FAIL", complete=True))["connect/controller[belt]"]
    assert "offers no Aes256_Sha256_RsaPss/SignAndEncrypt, only None" in failed.message
    assert (own / "cert.der").exists(), "this machine's own certificate, for the controller to trust"
    assert_no_secret(run)
