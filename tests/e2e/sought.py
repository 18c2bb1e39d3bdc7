"""Private keys and other secrets, looked for in whatever is written or shown, in the forms that leak."""

from __future__ import annotations

import io
import re
import zipfile
from base64 import b64encode
from collections.abc import Iterable, Iterator
from pathlib import Path

import psutil
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

PRIVATE = re.compile(rb"-----BEGIN [A-Z ]*PRIVATE KEY-----")
_BREAKS = re.compile(rb"\s|\\[rn]")  # as PEM and JSON break a text
_SHORTEST = 8  # bytes; what is shorter is found by chance


class Sought:
    """Secrets by name. What certificates hold as well (a modulus, a public key) is none."""

    def __init__(self) -> None:
        self._forms: dict[bytes, str] = {}

    def add(self, name: str, secret: bytes) -> None:
        """To be looked for as it is, in hexadecimal, and in base64 wherever in a longer text it begins."""
        assert len(secret) >= _SHORTEST, f"{name} is too short to be known again"
        digits = secret.hex()
        for form in (secret, digits.encode(), digits.upper().encode(), *_in_base64(secret)):
            self._forms[form] = name

    def add_keys(self, folder: Path) -> list[Path]:
        """Every private key in ``folder`` that opens without a passphrase; the files that they are in."""
        there = (path for path in sorted(folder.rglob("*")) if path.is_file())
        files = [path for path in there if PRIVATE.search(path.read_bytes())]
        for path in files:
            for secret in _private_numbers(path.read_bytes()):
                self.add(str(path), secret)
        return files

    def found(self, data: bytes) -> set[str]:
        """Which are in ``data``, also where that is an archive."""
        joined = _BREAKS.sub(b"", data)
        names = {name for form, name in self._forms.items() if form in data or form in joined}
        if PRIVATE.search(data):
            names.add("a private key in PEM")
        if zipfile.is_zipfile(io.BytesIO(data)):
            with zipfile.ZipFile(io.BytesIO(data)) as archive:
                names |= {name for member in archive.namelist() for name in self.found(archive.read(member))}
        return names

    def in_files(self, folder: Path, but: Iterable[Path] = ()) -> dict[str, set[str]]:
        """Which are in the files of ``folder``, ``but`` those where they belong."""
        own = {path.resolve() for path in but}
        files = [path for path in folder.rglob("*") if path.is_file() and path.resolve() not in own]
        assert files, f"{folder}: nothing to look at"
        return {str(path): names for path in files if (names := self.found(path.read_bytes()))}

    def in_processes(self, processes: Iterable[psutil.Process]) -> dict[str, set[str]]:
        """Which are in their command lines and environments."""
        shown = {str(each.cmdline()): "\n".join([*each.cmdline(), *_environment(each)]) for each in processes}
        assert shown, "nobody to look at"
        return {who: names for who, text in shown.items() if (names := self.found(text.encode()))}


def _environment(process: psutil.Process) -> Iterator[str]:
    for name, value in process.environ().items():
        yield f"{name}={value}"


def _in_base64(secret: bytes) -> Iterator[bytes]:
    """By where among three bytes it begins, without the letters that what is around it has a part in."""
    for before in range(3):
        letters = b64encode(bytes(before) + secret)
        letters = letters.rstrip(b"=")[(before * 8 + 5) // 6 : (before + len(secret)) * 8 // 6]
        yield letters
        yield letters.replace(b"+", b"-").replace(b"/", b"_")


def _private_numbers(pem: bytes) -> Iterator[bytes]:
    try:
        key = load_pem_private_key(pem, None)
    except TypeError:
        return  # under a passphrase
    match key:
        case Ed25519PrivateKey():
            yield key.private_bytes_raw()
        case EllipticCurvePrivateKey():
            number = key.private_numbers().private_value
            yield number.to_bytes((key.key_size + 7) // 8)
        case RSAPrivateKey():
            numbers = key.private_numbers()
            for number in (numbers.d, numbers.p, numbers.q):
                yield number.to_bytes((number.bit_length() + 7) // 8)
        case _:
            raise AssertionError(f"no private number is known of {type(key)}")
