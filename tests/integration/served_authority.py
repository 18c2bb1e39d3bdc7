"""An authority that is asked over HTTPS."""

from __future__ import annotations

import threading
import time
from pathlib import Path

from gateway.pki import certificates
from gateway.pki.asking import Address
from gateway.pki.token import Token
from rig.pki.authority import Authority
from rig.pki.desk import Desk
from rig.pki.registry import Place, Registry
from rig.pki.serve import Server
from rig.ports import free_ports

MINUTE = 60 * 10**9
HOST = "127.0.0.1"


class Site:
    """An authority that serves on a thread."""

    def __init__(self, folder: Path) -> None:
        self.authority = Authority.create(folder / "authority", "starter", None, now=time.time_ns())
        self.registry = Registry(folder / "authority")
        self.desk = Desk(self.authority, self.registry, time.time_ns)
        self.desk.publish()
        self.address = Address(HOST, free_ports(1)[0])
        self.server = Server(self.desk, self.address)
        self._thread = threading.Thread(target=self.server.serve_forever, args=(0.05,))
        self._thread.start()

    def close(self) -> None:
        self.server.shutdown()
        self._thread.join()
        self.server.server_close()
        self.registry.close()

    def token(self, node: str, valid: int = 10 * MINUTE) -> Token:
        made = self.desk.invite(Place(node, "gateway", "starter"), valid)
        assert isinstance(made, Token), made
        return made

    @property
    def root(self) -> bytes:
        return certificates.fingerprint(self.authority.root)
