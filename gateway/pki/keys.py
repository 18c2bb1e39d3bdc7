"""A node's private keys, made where they stay, and the request that proves it holds them."""

from __future__ import annotations

from pathlib import Path

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePrivateKey

from gateway.net.identity import Identity
from gateway.pki import certificates
from gateway.pki.certificates import PrivateKey
from gateway.pki.credentials import KEY, OPCUA, TLS, OpcuaFiles, TlsFiles, asked_key, next_key
from gateway.pki.requests import CONTEXT, Asked, Request, held_bytes
from gateway.store.atomic import write_atomically
from ledger import codec


def make_keys(folder: Path, node: str, opcua: bool = True) -> Identity:
    """The keys of ``node`` in ``folder``, those made that are not there yet; its identity.

    Raises ValueError if ``node`` is no id or the folder is another's, BadInput where one is not readable,
    OSError.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    if not (folder / KEY).exists():
        Identity.create(node).save(folder / KEY)
    identity = Identity.load(folder / KEY)
    if identity.node != node:
        raise ValueError(f"{folder} holds the keys of {identity.node}, not of {node}; choose another folder")
    _make(TlsFiles.of(folder / TLS).key, ec=True)
    if opcua:
        _make(OpcuaFiles.of(folder / OPCUA).key, ec=False)
    return identity


def make_next_keys(folder: Path) -> None:
    """New keys for TLS and OPC UA, which come into use with their certificates; OSError."""
    for key, ec in ((TlsFiles.of(folder / TLS).key, True), (OpcuaFiles.of(folder / OPCUA).key, False)):
        if key.exists():
            _make(next_key(key), ec)


def make_request(folder: Path, secret: bytes | None = None, renews: bytes | None = None) -> bytes:
    """What to ask for the keys in ``folder``: with a token's ``secret``, or to renew the enrolment with that
    serial; BadInput."""
    identity = Identity.load(folder / KEY)
    tls, opcua = TlsFiles.of(folder / TLS).key, OpcuaFiles.of(folder / OPCUA).key
    request = codec.encode(
        Request(
            1,
            identity.node,
            identity.public_bytes,
            certificates.request(certificates.read_key(asked_key(tls)), identity.node),
            certificates.request(certificates.read_key(asked_key(opcua)), identity.node)
            if opcua.exists()
            else None,
            secret,
            renews,
        )
    )
    held = b""
    if renews is not None:
        key = certificates.read_key(tls)
        assert isinstance(key, EllipticCurvePrivateKey), "ours for TLS are"
        held = key.sign(held_bytes(request), ECDSA(hashes.SHA256()))
    return codec.encode(Asked(request, identity.sign(CONTEXT, request), held))


def _make(path: Path, ec: bool) -> None:
    if path.exists():
        return
    path.parent.mkdir(exist_ok=True, mode=0o700)
    key: PrivateKey = certificates.new_tls_key() if ec else certificates.new_opcua_key()
    write_atomically(path, certificates.key_pem(key), 0o600)
