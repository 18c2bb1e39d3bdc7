"""The authority's desk with a clock that a test sets, and nodes that ask it."""

from __future__ import annotations

import functools
import tempfile
from pathlib import Path

from cryptography import x509

from gateway.pki import certificates
from gateway.pki.credentials import enrolled, install
from gateway.pki.keys import make_keys, make_request
from gateway.pki.requests import Answer
from gateway.pki.token import Token
from rig.pki.authority import CRL, Authority
from rig.pki.desk import Desk, Refused
from rig.pki.registry import Place, Registry

NOW = 1_800_000_000 * 10**9
MINUTE = 60 * 10**9
INFEED = Place("infeed", "gateway", "starter", ("viewer",))


@functools.cache
def _made() -> Authority:
    """Its keys, for all benches: they take a while to make."""
    with tempfile.TemporaryDirectory() as folder:
        return Authority.create(Path(folder) / "authority", "starter", None, now=NOW)


class Bench:
    """An authority with its desk, and a clock that a test sets."""

    def __init__(self, folder: Path) -> None:
        made = _made()
        self.folder, self.now = folder, NOW
        self.authority = Authority(folder / "authority", made.root, made.issuing, made._key)
        self.authority.folder.mkdir()
        self.registry = Registry(self.authority.folder)
        self.desk = Desk(self.authority, self.registry, lambda: self.now)
        self.desk.publish()

    def token(self, place: Place = INFEED, valid: int = 10 * MINUTE) -> Token:
        made = self.desk.invite(place, valid)
        assert isinstance(made, Token), made
        return made

    def node(self, name: str, node: str = "infeed", opcua: bool = False) -> Path:
        """A folder with new keys."""
        make_keys(self.folder / name, node, opcua)
        return self.folder / name

    def enrol(self, folder: Path, place: Place = INFEED) -> Path:
        answer = self.desk.enrol(make_request(folder, self.token(place).secret))
        self.install(folder, answer)
        return folder

    def install(self, folder: Path, answer: Answer | Refused) -> None:
        assert isinstance(answer, Answer), answer
        install(folder, answer, certificates.fingerprint(self.authority.root), self.now)

    def renewal(self, folder: Path) -> bytes:
        held = enrolled(folder)
        assert held is not None
        return make_request(folder, renews=held.enrolment.serial)

    def revoked(self) -> set[int]:
        found = x509.load_pem_x509_crl((self.authority.folder / CRL).read_bytes())
        return {each.serial_number for each in found}

    def close(self) -> None:
        self.registry.close()


def why(answer: Answer | Refused) -> str:
    """It was refused for."""
    assert isinstance(answer, Refused)
    return str(answer)


def serials(folder: Path) -> set[int]:
    """Of the certificates in a node's folder that has one for OPC UA, too."""
    leaf = certificates.read_certificates(folder / "tls/cert.pem")[0]
    own = x509.load_der_x509_certificate((folder / "opcua/cert.der").read_bytes())
    return {leaf.serial_number, own.serial_number}
