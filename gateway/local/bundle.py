"""One file for support: what the gateway is, says and has logged, what the self-test finds; no key in it."""

from __future__ import annotations

import contextlib
import io
import os
import platform
import re
import shutil
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

from gateway.agentfile import AgentConfig
from gateway.local.checks.run import selftest
from gateway.local.client import Client, Unanswered
from gateway.local.messages import (
    AskChain,
    AskDevices,
    AskLease,
    AskLogs,
    AskNet,
    AskStatus,
    AskTags,
    AskTwin,
    Chain,
    Devices,
    LeaseShown,
    Logs,
    Look,
    Net,
    Shown,
    Status,
    Tags,
    TwinShown,
    Witnessed,
)
from gateway.local.plain import as_json
from gateway.net.messages import Refused
from gateway.store.atomic import write_atomically

LINES = 1_000
_LARGEST = 4 * 1024 * 1024  # of one file that is taken along
_USER = re.compile(r"(?<=://)[^/\s@]*@")
_PRIVATE = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL
)
_NET = ("/proc/net/route", "/proc/net/arp", "/proc/net/tcp", "/proc/net/dev", "/proc/uptime", "/proc/meminfo")
_ASKED: dict[str, tuple[Look, type[Shown]]] = {
    "status": (AskStatus(), Status),
    "tags": (AskTags(), Tags),
    "devices": (AskDevices(), Devices),
    "twin": (AskTwin(), TwinShown),
    "lease": (AskLease(), LeaseShown),
    "net": (AskNet(), Net),
    "chain": (AskChain(), Chain),
    "logs": (AskLogs(LINES), Logs),
}
_WITNESSED: dict[str, tuple[Look, type[Shown]]] = {
    "status": (AskStatus(), Witnessed),
    **{name: asked for name, asked in _ASKED.items() if name in ("net", "chain", "logs")},
}


def bundle(file: Path, config: AgentConfig, into: Path, said: Callable[[str], None]) -> None:
    """Write ``into`` (a zip, for its owner alone) of the gateway with this ``config`` (from ``file``).

    What cannot be had is in it as why. OSError where it cannot be written.
    """
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as archive:

        def add(name: str, text: str) -> None:
            archive.writestr(name, cleaned(text))
            said(name)

        add("gateway.json", _read(file))
        if config.station:
            add("station.yaml", _read(Path(config.station)))
        for name, (request, wanted) in (_ASKED if config.station else _WITNESSED).items():
            add(f"{name}.json", _ask(Path(config.state), request, wanted))
        add("selftest.txt", "\n".join(f"{each.standing:<5} {each.check}: {each}" for each in selftest(file)))
        add("machine.txt", _machine(Path(config.state)))
    write_atomically(into, held.getvalue(), 0o600)


def cleaned(text: str) -> str:
    """Without private keys, and without users and passwords in addresses."""
    return _USER.sub("", _PRIVATE.sub("(a private key stood here)", text))


def _read(path: Path) -> str:
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            return file.read(_LARGEST)
    except OSError as error:
        return f"{path}: {error.strerror or error}"


def _ask(folder: Path, request: Look, wanted: type[Shown]) -> str:
    try:
        with Client(folder) as client:
            answer: Shown | Refused = client.ask(request, wanted)
    except Unanswered as unanswered:
        return str(unanswered)
    return as_json(answer)


def _machine(state: Path) -> str:
    parts = [" ".join(platform.uname()), f"Python {sys.version}", f"user {os.getuid()}"]
    with contextlib.suppress(OSError):
        total, used, free = shutil.disk_usage(state)
        parts.append(f"disk of {state}: {total} bytes, {used} used, {free} free")
    for interface in sorted(Path("/sys/class/net").glob("*")):
        states = {
            name: _read(interface / name).strip() for name in ("operstate", "carrier", "mtu", "address")
        }
        parts.append(f"{interface.name}: {states}")
    parts += [f"--- {name}\n{_read(Path(name))}" for name in _NET]
    return "\n".join(parts)
