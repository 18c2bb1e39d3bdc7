"""A message broker on loopback for one machine: mosquitto where it is installed, else the embedded one.

It is a child process that ends with this one, however this one ends: the child watches its standard input.
(Linux's parent-death signal would not do here: it is tied to the thread that started the child.)
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import importlib.metadata
import logging
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import time
from pathlib import Path
from typing import Literal, Self

from gateway.errors import BadInput, Problem
from gateway.parent import end_with_stdin
from gateway.pki.credentials import TLS, TlsFiles
from rig.acl import NO_ACL
from rig.brokerfiles import REVOKED, mosquitto_conf
from rig.ports import free_ports, taken

Kind = Literal["mosquitto", "embedded"]
HOST = "127.0.0.1"
VARIABLE = "TWINLINE_BROKER"
CONF = "loopback.conf"
_POLL_S = 0.02
_END_S = 2.0
_CONNECT = b"\x10\x0c\x00\x04MQTT\x04\x02\x00\x05\x00\x00"  # MQTT 3.1.1, clean session, no client id
_CONNACK = b"\x20\x02\x00\x00"
_DISCONNECT = b"\xe0\x00"


class BrokerFailed(Exception):
    """The broker did not start; its log's last lines say why."""


class Broker:
    """One broker process with its files in ``directory``; without ``port`` a free one is found.

    ``kind`` (else ``TWINLINE_BROKER``, else what is installed) chooses the program; BadInput if it is not
    known or not there. ``secured``: ``directory`` holds what ``brokerfiles.write`` made, and only those get
    in whom the line's authority has admitted.
    """

    def __init__(
        self, directory: Path, port: int | None = None, kind: str | None = None, secured: bool = False
    ) -> None:
        self.kind: Kind = choose(kind)
        self.secured = secured
        self.port = port if port is not None else free_ports(1)[0]
        self.log = directory / "broker.log"
        self.folder = directory
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where clients connect."""
        return f"{'mqtts' if self.secured else 'mqtt'}://{HOST}:{self.port}"

    @property
    def version(self) -> str:
        """The program's version."""
        if self.kind == "embedded":
            return importlib.metadata.version("amqtt")
        shown = subprocess.run(
            [_mosquitto() or "", "-h"], capture_output=True, text=True, timeout=5, check=False
        )
        found = re.search(r"version (\S+)", shown.stdout)
        return found[1] if found else "unknown"

    @property
    def alive(self) -> bool:
        """Whether the process runs."""
        return _runs(self._process)

    def start(self, timeout_s: float = 15.0) -> None:
        """Start it and wait until it accepts a client; BrokerFailed if it does not within ``timeout_s``."""
        assert not self.alive
        if taken(HOST, self.port):
            raise BrokerFailed(f"port {self.port} is in use by another program")
        self.folder.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "rig.broker", *self._arguments()],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                # Ctrl-C is for the rig, which needs its broker to restore what it forced.
                start_new_session=os.name == "posix",
                creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
            )
        deadline = time.monotonic() + timeout_s
        while not (_listens(self.port) if self.secured else _accepts(self.port)):
            if not _runs(self._process) or time.monotonic() > deadline:
                self.kill()
                tail = self.log.read_text(errors="replace").splitlines()[-5:]
                raise BrokerFailed(
                    "\n".join([f"the {self.kind} broker did not start (log: {self.log})", *tail])
                )
            time.sleep(_POLL_S)

    def _arguments(self) -> list[str]:
        folder = str(self.folder)
        if self.kind == "embedded":
            return ["--embedded", "--port", str(self.port), *(["--secured", folder] if self.secured else [])]
        settings = mosquitto_conf(HOST, self.port, self.secured)
        if hasattr(os, "geteuid") and os.geteuid() == 0:
            settings += "user root\n"  # a change of user would undo its parent-death signal
        (self.folder / CONF).write_text(settings)
        return ["--folder", folder, "--wrap", _mosquitto() or "", "-c", CONF]

    def reload(self) -> None:
        """Have a mosquitto that runs take its access list and its list of the revoked anew."""
        assert self.kind == "mosquitto"
        assert self._process is not None
        self._process.send_signal(signal.SIGHUP)

    def stop(self) -> None:
        """End it in order, by force after a while; it is gone when this returns."""
        process = self._process
        if process is None:
            return
        assert process.stdin is not None
        process.stdin.close()
        try:
            process.wait(2 * _END_S)
        except subprocess.TimeoutExpired:
            self.kill()
        self._process = None

    def kill(self) -> None:
        """End it as a crash would; its port is free when this returns (bounded)."""
        process, self._process = self._process, None
        if process is None:
            return
        assert process.stdin is not None
        process.kill()
        process.wait(_END_S)
        process.stdin.close()
        deadline = time.monotonic() + _END_S
        while taken(HOST, self.port) and time.monotonic() < deadline:
            time.sleep(_POLL_S)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def _runs(process: subprocess.Popen[bytes] | None) -> bool:
    return process is not None and process.poll() is None


def choose(kind: str | None) -> Kind:
    """``kind``, else ``TWINLINE_BROKER``, else what is installed; BadInput if it is not to be had."""
    where = "--broker" if kind else VARIABLE
    wanted = kind or os.environ.get(VARIABLE) or ("mosquitto" if _mosquitto() else "embedded")
    if wanted == "embedded":
        return "embedded"
    if wanted != "mosquitto":
        raise BadInput([Problem(where, 0, 0, f"{wanted!r} is no broker", "allowed are mosquitto, embedded")])
    if _mosquitto() is None:
        raise BadInput([Problem(where, 0, 0, "mosquitto is not installed", "install it, or choose embedded")])
    return "mosquitto"


def _mosquitto() -> str | None:
    return shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")


def _accepts(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection((HOST, port), timeout=1.0) as client:
        client.sendall(_CONNECT)
        answer = client.recv(len(_CONNACK))
        client.sendall(_DISCONNECT)
        return answer == _CONNACK
    return False


def _listens(port: int) -> bool:
    """Whether somebody does. Nothing is said: the broker would note that we showed it no certificate."""
    with contextlib.suppress(OSError), socket.create_connection((HOST, port), timeout=1.0):
        return True
    return False


def _server_context(folder: Path) -> ssl.SSLContext:
    """For the embedded broker: who has no certificate of the line's authority, or a revoked one, is out."""
    files = TlsFiles.of(folder / TLS)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(files.ca)
    context.load_verify_locations(folder / REVOKED)
    context.verify_flags |= ssl.VerifyFlags.VERIFY_CRL_CHECK_LEAF
    context.load_cert_chain(files.certificate, files.key)
    return context


async def _embedded(port: int, secured: Path | None) -> None:
    """Run amqtt on loopback until standard input ends; its own contexts let in who has no certificate."""
    from amqtt.broker import Broker as Amqtt

    class Secured(Amqtt):  # type: ignore[misc]  # the library has no types
        @staticmethod
        def _create_ssl_context(_listener: object) -> ssl.SSLContext:
            assert secured is not None
            return _server_context(secured)

    for name in ("amqtt", "transitions"):  # it logs a traceback for every message that a slow client misses
        logging.getLogger(name).setLevel(logging.CRITICAL)
    loop, ended = asyncio.get_running_loop(), asyncio.Event()
    end_with_stdin(lambda: loop.call_soon_threadsafe(ended.set))
    broker = Secured(
        {
            "listeners": {
                "default": {"type": "tcp", "bind": f"{HOST}:{port}", "ssl": secured is not None},
            },
            "plugins": {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}},
        }
    )
    await broker.start()
    if secured is not None:
        print(NO_ACL, file=sys.stderr, flush=True)
    await ended.wait()
    with contextlib.suppress(asyncio.TimeoutError):
        await asyncio.wait_for(broker.shutdown(), _END_S)


def _wrap(command: list[str], folder: str | None) -> int:
    """Run ``command`` in ``folder`` until standard input ends; for a program that does not read it itself."""
    setpriv = shutil.which("setpriv")  # where there is one, killing this wrapper kills the program too
    child = subprocess.Popen(
        [*([setpriv, "--pdeathsig", "KILL"] if setpriv else []), *command],
        stdin=subprocess.DEVNULL,
        cwd=folder,
    )
    if os.name == "posix":
        signal.signal(signal.SIGHUP, lambda *_: child.send_signal(signal.SIGHUP))

    def end() -> None:
        child.terminate()
        try:
            child.wait(_END_S)
        except subprocess.TimeoutExpired:
            child.kill()

    end_with_stdin(end)
    return child.wait()


def main() -> int:
    """The child process: ``--embedded --port N [--secured DIR]``, or ``--wrap PROGRAM ARGUMENT…``."""
    parser = argparse.ArgumentParser(
        prog="python -m rig.broker", description="A broker that ends with stdin."
    )
    parser.add_argument("--embedded", action="store_true", help="run the embedded broker")
    parser.add_argument("--port", type=int, default=1883, help="its port on loopback")
    parser.add_argument("--secured", type=Path, help="with the certificates in this folder")
    parser.add_argument("--folder", help="where the program runs")
    parser.add_argument("--wrap", nargs=argparse.REMAINDER, help="run this program instead")
    options = parser.parse_args()
    if options.wrap:
        return _wrap(options.wrap, options.folder)
    asyncio.run(_embedded(options.port, options.secured))
    return 0


if __name__ == "__main__":
    sys.exit(main())
