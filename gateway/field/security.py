"""How a device is reached over OPC UA: the security that is asked for, who logs in, and nothing less."""

from __future__ import annotations

import ipaddress
from typing import NamedTuple

POLICIES = ("Basic256Sha256", "Aes256_Sha256_RsaPss", "Aes128_Sha256_RsaOaep")
"""By the name at the end of the policy's URI; older ones are broken and not spoken."""
SIGN, ENCRYPT = "Sign", "SignAndEncrypt"


class Security(NamedTuple):
    """A policy of ``POLICIES`` in the mode ``SIGN`` or ``ENCRYPT``."""

    policy: str
    mode: str

    def __str__(self) -> str:
        return f"{self.policy}/{self.mode}" if self.mode else self.policy


OPEN = Security("None", "")
"""Neither signed nor encrypted, and that is meant."""


class Access(NamedTuple):
    """How to reach a device: ``security``, with the certificates in ``folder``.

    ``user`` logs in by the password in the file ``password_file``, else in the environment's ``variable``;
    "": the anonymous one.
    """

    security: Security
    folder: str
    user: str = ""
    password_file: str = ""
    variable: str = ""


def read_security(text: str) -> Security:
    """Read ``Basic256Sha256/Sign``, or ``None``; without a mode it is signed and encrypted.

    Raises ValueError("what was wrong; what would be right").
    """
    name, slash, mode = text.partition("/")
    if text == OPEN.policy:
        return OPEN
    plain = name.replace("_", "").lower()
    policy = next((each for each in POLICIES if each.replace("_", "").lower() == plain), "")
    modes = {each.lower(): each for each in (SIGN, ENCRYPT)}
    if not policy or (slash and mode.lower() not in modes):
        raise ValueError(
            f"{text!r} is no security spoken here; write {', '.join(POLICIES)}, "
            f"and after it /{SIGN} or /{ENCRYPT} if need be"
        )
    return Security(policy, modes[mode.lower()] if slash else ENCRYPT)


def variable(station: str, device: str) -> str:
    """The environment's variable with the password for ``device`` of ``station``."""
    return f"TWINLINE_PASSWORD_{station}_{device}".upper().replace("-", "_")


def is_loopback(host: str) -> bool:
    """Whether ``host`` is this machine, so that no network lies between."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"
