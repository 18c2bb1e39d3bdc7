"""Enrolment between processes: killed at every point, two at once, and as OpenSSL sees it."""

from __future__ import annotations

import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from running import WITHIN, Run, Starter, starter, until
from site_authority import POINTS, start_authority

from gateway import enroll
from gateway.pki.asking import Address, Declined, Unreachable
from gateway.pki.credentials import enrolled, finish
from gateway.pki.keys import make_keys
from gateway.pki.token import Token
from rig.pki.authority import Authority
from rig.pki.desk import Desk
from rig.pki.registry import Place, Registry

MINUTE = 60 * 10**9
ENROLL = (sys.executable, "-m", "gateway.enroll")


class Line:
    """The folder of an authority, which processes come and go upon."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._made = Authority.create(folder / "authority", "starter", None, now=time.time_ns())

    def token(self, node: str) -> Token:
        """As ``twinline pki enroll`` makes it, beside the authority that serves."""
        registry = Registry(self.folder / "authority")
        made = Desk(self._made, registry, time.time_ns).invite(Place(node, "gateway", "starter"), MINUTE)
        registry.close()
        assert isinstance(made, Token), made
        return made

    def issued(self, node: str) -> int:
        """How many certificates the node was given."""
        registry = Registry(self.folder / "authority")
        found = len(registry.issued(node))
        registry.close()
        return found


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory) -> Line:
    return Line(tmp_path_factory.mktemp("line"))


@pytest.fixture(scope="module")
def serving(line: Line) -> Iterator[tuple[Run, Address]]:
    """The authority that nobody kills."""
    with starter() as start:
        yield start_authority(start, line.folder)


@pytest.mark.parametrize("point", POINTS[:-1])
def test_an_authority_that_is_killed_gives_one_certificate(
    tmp_path: Path, start: Starter, line: Line, serving: tuple[Run, Address], point: str
) -> None:
    """The gateway asks again with the keys that it has, and gets what was decided, or a decision."""
    node, folder = f"killed-{point}", tmp_path / "node"
    make_keys(folder, node, opcua=False)
    token = line.token(node)
    run, address = start_authority(start, line.folder, point)
    with pytest.raises(Unreachable, match="nothing is lost"):
        enroll.by_token(token, address, folder)
    assert run.wait() == -signal.SIGKILL
    assert line.issued(node) == (1 if point == "decided" else 0)
    held = enroll.by_token(token, serving[1], folder)
    assert line.issued(node) == 1
    with pytest.raises(Declined, match="used already, by other keys"):
        enroll.by_token(token, serving[1], tmp_path / "other")
    assert enrolled(folder) == held


def test_a_gateway_that_is_killed_goes_on_with_the_keys_that_it_has(
    tmp_path: Path, start: Starter, line: Line, serving: tuple[Run, Address]
) -> None:
    """Killed when its first key is there, and after that wherever it then is."""
    token = line.token("infeed")
    command = (*ENROLL, str(token), str(serving[1]), "--into", "infeed")
    folder = tmp_path / "infeed"
    run = start(tmp_path, *command)

    def begun() -> bool:
        return (folder / "key.pem").exists() or run.process.poll() is not None

    until("its first key", begun)
    run.signal(signal.SIGKILL)
    run.process.wait(WITHIN)
    kept = (folder / "key.pem").read_bytes()
    again = start(tmp_path, *command)
    assert again.wait() == 0, again.shown
    assert "infeed is gateway of line starter until" in again.said
    assert (folder / "key.pem").read_bytes() == kept
    assert line.issued("infeed") == 1


def test_two_gateways_with_one_token(
    tmp_path: Path, start: Starter, line: Line, serving: tuple[Run, Address]
) -> None:
    token = line.token("twice")
    runs = [
        start(tmp_path, *ENROLL, str(token), str(serving[1]), "--into", name) for name in ("one", "another")
    ]
    ended = sorted(run.wait() for run in runs)
    assert ended == [0, 2], [run.shown for run in runs]
    assert line.issued("twice") == 1
    assert sum("used already, by other keys" in run.said for run in runs) == 1
    assert not any("Traceback" in run.shown for run in runs)


def test_two_processes_in_one_folder(
    tmp_path: Path, start: Starter, line: Line, serving: tuple[Run, Address]
) -> None:
    """The second is told to wait, or finds it done: never two sets of keys."""
    token = line.token("same")
    runs = [start(tmp_path, *ENROLL, str(token), str(serving[1]), "--into", "same") for _ in range(2)]
    ended = sorted(run.wait() for run in runs)
    assert ended in ([0, 0], [0, 2]), [run.shown for run in runs]
    assert ended == [0, 0] or any("another process is enrolling" in run.said for run in runs)
    assert line.issued("same") == 1


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
def test_openssl_sees_the_authority_and_no_log_has_a_token(
    tmp_path: Path, line: Line, serving: tuple[Run, Address]
) -> None:
    run, address = serving
    root = line.folder / "authority/root.pem"
    done = subprocess.run(
        ["openssl", "s_client", "-connect", f"{address.host}:{address.port}", "-CAfile", str(root),
         "-verify_return_error", "-verify_ip", address.host, "-purpose", "sslserver"],
        input="", capture_output=True, text=True, timeout=WITHIN, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "Verify return code: 0 (ok)" in done.stdout
    token = line.token("logged")
    enroll.by_token(token, address, tmp_path / "logged")
    assert "logged is enrolled as gateway" in run.said
    assert str(token) not in run.shown
    assert token.secret.hex() not in run.shown
    assert "Traceback" not in run.shown


@pytest.mark.long
def test_authorities_killed_at_any_time_give_one_certificate_each(
    tmp_path: Path, start: Starter, line: Line, serving: tuple[Run, Address]
) -> None:
    chance = random.Random(1)
    for number in range(20):
        node, folder = f"random-{number}", tmp_path / str(number)
        make_keys(folder, node, opcua=False)
        token = line.token(node)
        victim, address = start_authority(start, line.folder)
        asking = start(tmp_path, *ENROLL, str(token), str(address), "--into", str(folder))
        time.sleep(chance.uniform(0.0, 1.5))  # the moment of the kill is what is tried here
        victim.signal(signal.SIGKILL)
        victim.process.wait(WITHIN)
        assert asking.wait() in (0, 3), asking.shown
        finish(folder)
        held = enroll.by_token(token, serving[1], folder)
        assert line.issued(node) == 1
        assert enrolled(folder) == held
