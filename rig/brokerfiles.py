"""What a broker of the line is told: its certificate, who may do what, who is revoked, mosquitto's settings.

They lie in one folder, which mosquitto runs in: ``mosquitto -c mosquitto.conf``.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from pathlib import Path

from gateway.agentfile import CONFIG
from gateway.errors import Problem
from gateway.net.envelope import MAX_BYTES
from gateway.pki.certificates import fingerprint, read_certificates
from gateway.pki.credentials import TLS, TlsFiles, enrolled
from gateway.pki.keys import make_keys
from gateway.store.atomic import write_atomically
from rig.acl import Admitted, mosquitto_acl
from rig.pki.admission import admit
from rig.pki.authority import Authority
from rig.pki.registry import Registry

CONF, ACL, REVOKED = "mosquitto.conf", "acl", "revoked.pem"
PORT = 8883
_HEAD = 64 * 1024  # of a message, beside its body
_WAITING = 10_000  # messages for one client; what is more is dropped


def write(
    folder: Path,
    authority: Authority,
    node: str,
    hosts: Collection[str],
    listen: tuple[str, int],
    now: int,
) -> None:
    """Make them for the broker ``node``, reached by ``hosts``, at the address ``listen`` ("": at all of the
    machine's); ``now`` is UTC ns.

    What is there of its certificate stays; the rest is made anew. BadInput, OSError, ValueError.
    """
    identity = make_keys(folder, node, opcua=False)
    admit(authority, folder, identity, "broker", hosts=hosts, now=now)
    configure(folder, authority, listen)


def configure(folder: Path, authority: Authority, listen: tuple[str, int]) -> None:
    """All but its certificate, for a broker that was enrolled where it is. BadInput, OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(folder / CONF, mosquitto_conf(*listen).encode())
    refresh(folder, authority)


def listens(folder: Path) -> tuple[str, int]:
    """The address and port of the settings that are there; those of a new broker where there are none."""
    try:
        text = (folder / CONF).read_text(errors="replace")
    except OSError:
        text = ""
    found = re.search(r"^listener[ \t]+(\d+)[ \t]*(\S*)", text, re.MULTILINE)
    return (found[2], int(found[1])) if found else ("", PORT)


def misplaced(folder: Path, authority: Authority) -> list[Problem]:
    """Why what ``authority`` knows is not for ``folder``: it is another node's, or of another authority."""
    held, ca = enrolled(folder), TlsFiles.of(folder / TLS).ca
    kind = held.enrolment.kind if held is not None else "gateway" if (folder / CONFIG).exists() else "broker"
    hint = "name the folder that the broker was enrolled into"
    if kind != "broker":
        what = (
            f"is the folder of {held.enrolment.node}, a {kind}"
            if held is not None
            else f"is a {kind}'s folder"
        )
        return [Problem(str(folder), 0, 0, what, hint)]
    if not ca.exists() or read_certificates(ca)[0] == authority.root:
        return []
    root = fingerprint(read_certificates(ca)[0]).hex()
    what = f"was enrolled by another authority than {authority.folder}: its root is {root}"
    return [
        Problem(str(folder), 0, 0, what, "name the authority with that root (twinline pki list shows it)")
    ]


def admitted(authority: Authority) -> list[Admitted]:
    """Whom the authority has let in and not revoked since."""
    registry = Registry(authority.folder)
    try:
        last = {each.place.node: each for each in registry.issued()}
    finally:
        registry.close()
    places = [each.place for each in last.values() if each.revoked is None]
    return [Admitted(place.node, place.kind, place.roles) for place in places]


def replaced(authority: Authority, now: int) -> dict[str, int]:
    """Who has another certificate in place of one that was revoked before its time: since when (UTC ns).

    mosquitto knows a connection by its name: the old certificate keeps the one that it has, whatever is read
    anew meanwhile, until the broker is restarted.
    """
    registry, names = Registry(authority.folder), {each.node for each in admitted(authority)}
    try:
        return {
            each.place.node: each.revoked
            for each in registry.issued()
            if each.revoked is not None
            and each.answer.enrolment.enrolment.before > now
            and each.place.node in names
        }
    finally:
        registry.close()


def refresh(folder: Path, authority: Authority, nodes: Sequence[Admitted] | None = None) -> None:
    """Say anew who may do what (``nodes``, else all that are ``admitted``) and who is revoked; a running
    mosquitto takes it with SIGHUP. BadInput, OSError."""
    nodes = admitted(authority) if nodes is None else nodes
    write_atomically(folder / ACL, mosquitto_acl(authority.line, nodes).encode())
    write_atomically(folder / REVOKED, authority.lists)


def mosquitto_conf(address: str, port: int, secured: bool = True) -> str:
    """Its settings; without ``secured`` for anybody, which is for loopback alone."""
    tls = TlsFiles.of(Path(TLS))
    access = [
        "allow_anonymous false",
        "require_certificate true",
        "use_identity_as_username true",
        "tls_version tlsv1.2",
        f"cafile {tls.ca}",
        f"certfile {tls.certificate}",
        f"keyfile {tls.key}",
        f"crlfile {REVOKED}",
        f"acl_file {ACL}",
    ]
    return "\n".join(
        [
            "# Made by twinline. Run mosquitto in this folder; SIGHUP has it read acl and revoked.pem again.",
            "per_listener_settings true",
            f"listener {port} {address}".rstrip(),
            *(access if secured else ["allow_anonymous true"]),
            # What gateways say for keeping they say again to a broker that comes back.
            "persistence false",
            "set_tcp_nodelay true",
            f"max_packet_size {MAX_BYTES + _HEAD}",
            "max_inflight_messages 100",
            f"max_queued_messages {_WAITING}",
            "log_dest stderr",
            "log_type error",
            "log_type warning",
            "",
        ]
    )
