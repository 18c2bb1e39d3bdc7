"""A private key under a passphrase: PKCS 8, PBES2 with scrypt and AES-256-CBC, as OpenSSL reads it.

The library's own encryption of PKCS 8 derives the key by 2,048 rounds of PBKDF2, which a graphics card tries
a million times a second; scrypt with these parameters takes 16 MiB and half a second each time.
"""

from __future__ import annotations

import secrets
from base64 import encodebytes

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt
from cryptography.hazmat.primitives.padding import PKCS7
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

N, R, P = 2**14, 8, 5  # the largest N that OpenSSL's memory limit takes; P makes up for it
_KEY_BYTES, _BLOCK = 32, 16
_PBES2 = bytes.fromhex("06092a864886f70d01050d")
_SCRYPT = bytes.fromhex("06092b06010401da47040b")
_AES_256_CBC = bytes.fromhex("060960864801650304012a")
_INTEGER, _OCTETS, _SEQUENCE = 0x02, 0x04, 0x30


def seal(key: RSAPrivateKey, passphrase: str) -> bytes:
    """``key`` as ENCRYPTED PRIVATE KEY in PEM."""
    salt, start = secrets.token_bytes(_BLOCK), secrets.token_bytes(_BLOCK)
    derived = Scrypt(salt, _KEY_BYTES, N, R, P).derive(passphrase.encode())
    padder = PKCS7(8 * _BLOCK).padder()
    plain = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    encryptor = Cipher(AES(derived), CBC(start)).encryptor()
    hidden = encryptor.update(padder.update(plain) + padder.finalize()) + encryptor.finalize()
    parameters = _sequence(_tlv(_OCTETS, salt), _integer(N), _integer(R), _integer(P))
    derivation = _sequence(_SCRYPT, parameters)
    scheme = _sequence(_AES_256_CBC, _tlv(_OCTETS, start))
    whole = _sequence(_sequence(_PBES2, _sequence(derivation, scheme)), _tlv(_OCTETS, hidden))
    name = b"ENCRYPTED PRIVATE KEY-----\n"
    return b"-----BEGIN " + name + encodebytes(whole) + b"-----END " + name


def unseal(pem: bytes, passphrase: str) -> RSAPrivateKey:
    """The key that was sealed; ValueError where the passphrase is another, or the file is damaged."""
    try:
        key = load_pem_private_key(pem, passphrase.encode())
    except (ValueError, TypeError):
        raise ValueError("the passphrase does not open it; try again, or restore the file") from None
    if not isinstance(key, RSAPrivateKey):
        raise ValueError("holds no RSA key; restore the file")
    return key


def _tlv(tag: int, body: bytes) -> bytes:
    size = len(body)
    if size < 0x80:
        return bytes((tag, size)) + body
    length = size.to_bytes((size.bit_length() + 7) // 8)
    return bytes((tag, 0x80 | len(length))) + length + body


def _sequence(*parts: bytes) -> bytes:
    return _tlv(_SEQUENCE, b"".join(parts))


def _integer(value: int) -> bytes:
    return _tlv(_INTEGER, value.to_bytes(value.bit_length() // 8 + 1))
