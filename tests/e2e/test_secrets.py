"""No private key, token or passphrase in a log, report, bundle, evidence, command line or the repository."""

from __future__ import annotations

import re
import shlex
import signal
import subprocess
import sys
import zipfile
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from running import HOLD, ROOT, TWINLINE, Memory, Starter, belt, memory, procedures, secured, until, witnesses
from site_alone import Site
from site_authority import start_authority
from sought import PRIVATE, Sought

from gateway.pki.token import read_token

KEYS = {
    "ed25519": lambda: ed25519.Ed25519PrivateKey.generate(),
    "ec": lambda: ec.generate_private_key(ec.SECP256R1()),
    "rsa": lambda: rsa.generate_private_key(65537, 2048),
}


def keys_in(folder: Path) -> tuple[Path, bytes]:
    """An Ed25519 key in PEM, and its 32 bytes."""
    folder.mkdir()
    key = ed25519.Ed25519PrivateKey.generate()
    path = folder / "key.pem"
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return path, key.private_bytes_raw()


# --- what would be found, were it there -----------------------------------------------------------------

PLANTED: dict[str, Callable[[bytes], bytes]] = {
    "as it is": lambda raw: b"\x00log " + raw + b"\x00",
    "in hexadecimal": lambda raw: f"key {raw.hex()}".encode(),
    "in capitals": lambda raw: f"key {raw.hex().upper()}".encode(),
    "in base64": lambda raw: b64encode(raw),
    "in base64, one further": lambda raw: b64encode(b"x" + raw + b"yz"),
    "in base64, two further": lambda raw: b64encode(b"xy" + raw + b"z"),
    "in base64 of addresses": lambda raw: urlsafe_b64encode(b"x" + raw),
    "in base64, broken by lines": lambda raw: b64encode(raw)[:20] + b"\n" + b64encode(raw)[20:],
    "in base64, broken as JSON does": lambda raw: b64encode(raw)[:20] + b"\\n" + b64encode(raw)[20:],
}


@pytest.mark.parametrize("planted", PLANTED.values(), ids=PLANTED.keys())
def test_a_planted_key_is_found(planted: Callable[[bytes], bytes], tmp_path: Path) -> None:
    path, raw = keys_in(tmp_path / "keys")
    sought = Sought()
    assert sought.add_keys(tmp_path) == [path]
    (tmp_path / "logs").mkdir()
    log = tmp_path / "logs/gateway.log"
    log.write_bytes(b"nothing here")
    assert sought.in_files(tmp_path, but=[path]) == {}
    log.write_bytes(planted(raw))
    assert sought.in_files(tmp_path, but=[path]) == {str(log): {str(path)}}
    with zipfile.ZipFile(tmp_path / "logs/bundle.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(log, "log")
    assert str(tmp_path / "logs/bundle.zip") in sought.in_files(tmp_path / "logs")


@pytest.mark.parametrize("kind", KEYS)
def test_a_whole_key_is_found_by_its_head_and_by_its_numbers(kind: str, tmp_path: Path) -> None:
    pem = KEYS[kind]().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path = tmp_path / "key.pem"
    path.write_bytes(pem)
    sought = Sought()
    sought.add_keys(tmp_path)
    assert sought.found(pem) == {str(path), "a private key in PEM"}
    assert sought.found(b"".join(pem.splitlines()[1:-1])) == {str(path)}


def test_a_planted_secret_is_found_in_a_command_line_and_in_an_environment(
    tmp_path: Path, start: Starter
) -> None:
    sought = Sought()
    sought.add("token", b"not so secret")
    sleeps = (sys.executable, "-c", "import time; time.sleep(600)")
    plain, shown = start(tmp_path, *sleeps), start(tmp_path, *sleeps, "--token=not so secret")
    kept = start(tmp_path, *sleeps, env={"TOKEN": "not so secret"})
    assert sought.in_processes(plain.processes()) == {}
    for each in (shown, kept):
        (names,) = sought.in_processes(each.processes()).values()
        assert names == {"token"}


# --- where it must not be -------------------------------------------------------------------------------


def test_a_session_on_this_machine(tmp_path: Path, start: Starter) -> None:
    made = belt(tmp_path)
    procedures(tmp_path, hold=HOLD)
    run = start.session(tmp_path, made.line, "-k", "hold or connect")
    sought = Sought()
    with memory(made.port) as watched:
        watched.wait(Memory.HELD)
        assert len(sought.add_keys(run.scratch)) >= 2  # a gateway's and a witness's, at least
        assert sought.in_processes(run.processes()) == {}
    run.signal(signal.SIGINT)
    assert run.wait() == 130, run.shown
    run.assert_nothing_left()
    assert sought.in_files(tmp_path) == {}


def test_gateways_that_run_by_themselves_and_their_bundle(tmp_path: Path, start: Starter) -> None:
    made = belt(tmp_path, serve=True)
    controller = start.controller(tmp_path, made)
    with secured(tmp_path) as broker:
        site = Site(tmp_path, made, start, broker)
        gateway = site.gateway()
        voting = witnesses(tmp_path, site.keys, start)
        options = ("--broker", broker.url, "--keys", str(site.keys), "--operator", "anna", "-k", "hold")
        procedures(tmp_path, hold=HOLD)
        session = start.session(tmp_path, made.line, *options)
        with memory(made.port) as watched:
            watched.wait(Memory.HELD)
        bundle = (sys.executable, "-m", "gateway.local", str(site.config), "-c", "bundle support.zip")
        shell = start(tmp_path, *bundle)
        sought = Sought()
        own = sought.add_keys(tmp_path)
        assert {site.keys / "anna.pem", site.config.parent / "key.pem"} <= set(own)
        runs = [controller, gateway, voting, session]
        assert sought.in_processes(process for run in runs for process in run.processes()) == {}
        assert shell.wait() == 0, shell.shown
        session.signal(signal.SIGINT)
        assert session.wait() == 130, session.shown
        assert zipfile.is_zipfile(tmp_path / "support.zip")
        for run in (gateway, voting):
            run.process.terminate()
            assert run.wait() == 0, run.shown
    assert sought.in_files(tmp_path, but=own) == {}


def test_an_authority_and_who_enrols_there(tmp_path: Path, start: Starter) -> None:
    secret = tmp_path / "passphrase"
    secret.write_text("correct horse battery staple\n")
    secret.chmod(0o600)

    def pki(*words: str) -> str:
        run = start(tmp_path, *TWINLINE, "pki", *words)
        assert run.wait() == 0, run.shown
        text = run.shown
        run.output.unlink()  # what it tells the person who asked
        return text

    pki("init", "authority", "--line", "one", "--passphrase-file", str(secret))
    serving, address = start_authority(start, tmp_path)
    told = pki("enroll", "infeed", "--as", "gateway", "--pki", "authority")
    text = next(word for word in told.split() if word.startswith("infeed."))
    (tmp_path / "token").write_text(text + "\n")
    enrols = shlex.join((sys.executable, "-m", "gateway.enroll", "-", str(address), "--into", "infeed"))
    enrolling = start(tmp_path, "sh", "-c", f"{enrols} <token; exec sleep 600")
    sought = Sought()
    sought.add("passphrase", b"correct horse battery staple")
    sought.add("token", text.encode())
    sought.add("the token's secret", read_token(text).secret)
    until("it is enrolled", lambda: "credentials in infeed" in enrolling.shown)
    own = sought.add_keys(tmp_path)
    assert len(own) >= 5  # root, issuing; Ed25519, TLS, OPC UA
    runs = (serving, enrolling)
    assert sought.in_processes(process for run in runs for process in run.processes()) == {}
    assert sought.in_files(tmp_path, but=[*own, secret, tmp_path / "token"]) == {}
    root = tmp_path / "authority/root.key.pem"
    assert b"ENCRYPTED PRIVATE KEY" in root.read_bytes()


# --- the repository --------------------------------------------------------------------------------------

PERSONAL = {
    "a private key": PRIVATE,
    # Addresses of documentation (RFC 2606) are nobody's.
    "an e-mail address": re.compile(rb"\b[\w.+-]+@(?!(?:[\w-]+\.)*example\b)(?:[\w-]+\.)+[a-z]{2,}\b"),
    # So is Ada's home.
    "somebody's home": re.compile(rb"/home/(?!ada\b)[a-z][\w-]*/|/Users/\w+/|/ro[o]t/|C:\\\\?Users\\"),
}


def personal(text: bytes) -> dict[str, bytes]:
    """What is somebody's own in ``text``."""
    return {what: found[0] for what, form in PERSONAL.items() if (found := form.search(text))}


def test_what_is_personal_is_known() -> None:
    assert personal(b"-----BEGIN PRIVATE " + b"KEY-----").keys() == {"a private key"}
    assert personal(b"write to anna.b" + b"@company.com").keys() == {"an e-mail address"}
    assert personal(b"in /home/" + b"anna/line").keys() == {"somebody's home"}
    assert personal(b"mqtt://anna@broker.example:1883, @pytest.mark.long, /home/ada/x") == {}


def test_the_repository_holds_nothing_personal() -> None:
    listed = subprocess.run(("git", "ls-files", "-z"), cwd=ROOT, capture_output=True, check=False)
    if listed.returncode:
        pytest.skip("this is no checkout of git")
    files = [ROOT / name.decode() for name in listed.stdout.split(b"\0") if name]
    assert len(files) > 500
    found = {str(path): what for path in files if path.is_file() and (what := personal(path.read_bytes()))}
    assert found == {}
