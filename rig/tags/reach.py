"""How a server whose variables are listed is reached: as a person says, else as the station file says.

What neither says is in the clear; over a network a list says so, since whoever is on the way may have
changed it.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from gateway.device import Device
from gateway.errors import BadInput, Problem
from gateway.field.security import ENCRYPT, OPEN, Access, Security, is_loopback, read_security, variable


class Reach(msgspec.Struct, frozen=True):
    """What a person asks for: ``security`` (None: as the station file says), with the certificate in
    ``certificates`` (None: this machine's own, made where there is none)."""

    security: Security | None = None
    certificates: Path | None = None
    user: str = ""
    password_file: str = ""


def read_reach(security: str | None, certificates: Path | None, user: str, password_file: str) -> Reach:
    """The options, read; ValueError("what was wrong; what would be right")."""
    asked = None if security is None else read_security(security)
    if user and (asked is None or asked.mode != ENCRYPT):
        raise ValueError(f"--user sends a password; ask for --security Basic256Sha256/{ENCRYPT}")
    if password_file and not user:
        raise ValueError("--password-file without --user; give both, or neither")
    return Reach(asked, certificates, user, password_file)


def access_of(reach: Reach, device: Device, station: str, file: Path) -> Access | None:
    """How the server of ``device`` of the ``station`` in ``file`` is reached; None: in the clear. BadInput
    where there is no certificate for it."""
    security, user, password = reach.security, reach.user, reach.password_file
    if security is None and device.secured:
        security, user = device.security, device.user
        beside = device.password_file
        password = "" if beside is None else str((file.parent / beside.text).resolve())
    if security is None or security == OPEN:
        return None
    from gateway.field.probe.opcua_security import credentials, default_folder

    folder = reach.certificates or default_folder()
    try:
        credentials(folder, datetime.now(UTC))
    except OSError as error:
        what, hint = f"cannot keep a certificate there: {error.strerror}", "name another: --certificates"
        raise BadInput([Problem(str(folder), 0, 0, what, hint)]) from None
    except ValueError as error:
        what, _, hint = str(error).partition("; ")
        raise BadInput([Problem("", 0, 0, what, hint)]) from None
    return Access(security, str(folder), user, password, variable(station, device.name))


def notes(url: str, reach: Reach, device: Device) -> list[str]:
    """What is to be said of the way to ``url``: nothing where somebody has said how it is to be."""
    said = reach.security if reach.security is not None else device.security
    if said is not None or is_loopback(urlsplit(url).hostname or ""):
        return []
    return [
        f"note: {url} was browsed without security: whoever is on the way may have changed this list; ask "
        "with --security Basic256Sha256 (twinline probe shows what the server offers)"
    ]
