"""A gateway of one small station, with its agent as a process, and the shell as a person starts it."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from gateway.agentfile import AgentConfig
from gateway.net.identity import Identity, Trust

ROOT = Path(__file__).parents[2]
WITHIN_S = 60.0
NOBODY = "mqtt://127.0.0.1:9"  # where no broker is


def until(what: str, holds: Any, within: float = WITHIN_S) -> Any:
    """What ``holds()`` gives once it is true."""
    deadline = time.monotonic() + within
    while not (found := holds()):
        assert time.monotonic() < deadline, f"{what}: not within {within:g} s"
        time.sleep(0.02)
    return found


class Gateway:
    """In ``folder``: a station with a controller at ``address`` and ``tags`` (lines of YAML)."""

    def __init__(
        self,
        folder: Path,
        address: str,
        tags: str,
        broker: str = NOBODY,
        device: str = "",
        state: str = "state",
    ) -> None:
        self.folder = folder
        folder.mkdir(exist_ok=True)
        lines = "".join(f"  {line.strip()}\n" for line in tags.strip().splitlines())
        (folder / "station.yaml").write_text(
            f'twinline: station 1\nid: cell\ndevices:\n  plc: {{address: "{address}"{device}}}\n'
            f"tags:\n{lines}twin: {{}}\n"
        )
        key, trust = Identity.create("cell"), Trust()
        trust.add("cell", key.public_bytes)
        key.save(folder / "key.pem")
        trust.save(folder / "trust.yaml")
        config = AgentConfig(
            "one", "station.yaml", (broker,), "key.pem", "trust.yaml", state, id="cell", plain=True
        )
        (folder / "gateway.json").write_bytes(msgspec.json.encode(config))
        self.state = folder / state
        self.log = folder / "agent.log"

    @property
    def agent_command(self) -> list[str]:
        """How the agent is started."""
        return [sys.executable, "-m", "gateway.agent", str(self.folder / "gateway.json")]

    def shell_command(self, *commands: str) -> list[str]:
        """How a person does ``commands``."""
        given = [part for command in commands for part in ("-c", command)]
        return [sys.executable, "-m", "gateway.local", str(self.folder), *given]

    @contextlib.contextmanager
    def running(self, ready: str = "") -> Iterator[subprocess.Popen[bytes]]:
        """The agent, once its shell opens and its log has ``ready``; killed at the end."""
        with self.log.open("wb") as log:
            process = subprocess.Popen(
                [*self.agent_command, "--end-with-stdin"],
                cwd=ROOT, stdin=subprocess.PIPE, stdout=log, stderr=subprocess.STDOUT,
            )  # fmt: skip
        try:
            until("an agent", lambda: self._up(process, ready))
            yield process
        finally:
            process.kill()
            process.wait(WITHIN_S)
            assert process.stdin is not None
            process.stdin.close()

    def _up(self, process: subprocess.Popen[bytes], ready: str) -> bool:
        said = self.log.read_text()
        assert process.poll() is None, said
        return (self.state / "shell.sock").exists() and ready in said

    def shell(self, *commands: str, env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        """What they say and their exit status."""
        return subprocess.run(
            self.shell_command(*commands), cwd=ROOT, capture_output=True, text=True, timeout=WITHIN_S * 2,
            env={**os.environ, **(env or {})}, stdin=subprocess.DEVNULL,
        )  # fmt: skip

    def json(self, command: str) -> Any:
        """What ``command`` says as JSON."""
        done = self.shell(f"{command} --json")
        assert done.stdout, done.stderr
        return json.loads(done.stdout)

    def selftest(self, env: Mapping[str, str] | None = None) -> dict[str, dict[str, str]]:
        """The findings of the self-test by what was checked."""
        return findings(self.shell("selftest --json", env=env).stdout)


def findings(said: str) -> dict[str, dict[str, str]]:
    """Of a self-test that said this."""
    return {each["check"]: each for each in json.loads(said)}


def wrong(found: Mapping[str, Mapping[str, str]]) -> list[str]:
    """What the self-test found wrong, the first one first."""
    return [check for check, each in found.items() if each["standing"] == "WRONG"]
