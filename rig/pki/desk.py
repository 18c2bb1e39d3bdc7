"""Who is let into a line: a token lets one node in once, a renewal follows, and a revocation ends it.

What is issued is on the disk before it is given away. The same keys that ask the same thing again get the
same answer, so that a gateway or an authority that was killed in between just goes on.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Sequence
from typing import NamedTuple

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePublicKey

from gateway.pki import certificates
from gateway.pki.certificates import DAY, PublicKey, moment
from gateway.pki.requests import SECRET_BYTES, Answer, Asked, Request, held_bytes, read_request
from gateway.pki.token import ROOT_BYTES, Token, secret_hash
from gateway.yamlfile import identifier
from ledger import codec
from ledger.codec import Malformed
from rig.pki.authority import ISSUING, Authority, check_hosts
from rig.pki.registry import SUPERSEDED, Issued, Place, Registry

OPCUA_KINDS = ("gateway", "operator", "controller")  # who speaks to devices, or is one
LATE = 30 * DAY  # after its end an enrolment can still be renewed; later the node is enrolled anew
_ADDRESS = "address"


class Refused(NamedTuple):
    """Why nothing was issued, and what to do; ``guess`` where it was a token that nobody made."""

    what: str
    hint: str
    guess: bool = False

    def __str__(self) -> str:
        return f"{self.what}; {self.hint}"


class _Keys(NamedTuple):
    tls: PublicKey
    opcua: PublicKey | None


class Desk:
    """What ``authority`` decides, remembered in ``registry``; ``clock`` tells UTC ns. For several threads."""

    def __init__(self, authority: Authority, registry: Registry, clock: Callable[[], int]) -> None:
        self._registry, self._clock = registry, clock
        self._held = authority, _stamp(authority)
        self._lock = threading.Lock()  # the registry's connection has one transaction at a time

    @property
    def authority(self) -> Authority:
        """As its folder has it now: somebody may give it more years while it serves. BadInput."""
        authority, stamp = self._held
        if (now := _stamp(authority)) != stamp and now is not None:
            authority = Authority.open(authority.folder)
            self._held = authority, now
        return authority

    def invite(self, place: Place, valid: int) -> Token | Refused:
        """A token that lets the node in once, within ``valid`` ns. ValueError where the place is none."""
        self._check(place)
        root = certificates.fingerprint(self.authority.root)[:ROOT_BYTES]
        token = Token(place.node, root, secrets.token_bytes(SECRET_BYTES))
        with self._lock, self._registry.changing():
            if refused := self._taken(place.node):
                return refused
            self._registry.invite(token.hash, place, self._clock() + valid)
        return token

    def enrol(self, data: bytes) -> Answer | Refused:
        """What the bearer of a token gets for the request in ``data``."""
        read = _read(data)
        if isinstance(read, Refused):
            return read
        _, request, keys = read
        if request.secret is None:
            return Refused("the request has no token", f"make one: twinline pki enroll {request.node}")
        digest = _digest(request, keys)
        with self._lock, self._registry.changing():
            found = self._registry.invitation(secret_hash(request.secret))
            anew = f"make a new one: twinline pki enroll {request.node}"
            if found is None or found.place.node != request.node:
                return Refused("this token was not made here", anew, guess=True)
            if found.used is not None:
                if found.used != digest:
                    return Refused(
                        "this token was used already, by other keys",
                        "if it was not you, revoke that node; else go on in the folder where it was used, "
                        f"or revoke {request.node} and {anew}",
                    )
                return self._again(digest)
            if self._clock() > found.until:
                ended = f"{moment(found.until):%Y-%m-%d %H:%M:%S} UTC"
                return Refused(f"this token ended at {ended}", f"{anew} (--valid for longer)")
            if refused := self._taken(request.node) or self._known(request):
                return refused
            answer = self._issue(digest, found.place, request, keys)
            self._registry.use(secret_hash(request.secret), digest)
        return answer

    def enrol_by_hand(self, data: bytes, place: Place) -> Answer | Refused:
        """What the request in ``data`` gets, which a person carried here and vouches for. ValueError.

        A node that is enrolled gets another place by it, for the same Ed25519 key.
        """
        self._check(place)
        read = _read(data)
        if isinstance(read, Refused):
            return read
        _, request, keys = read
        if request.node != place.node:
            return Refused(f"the request is of {request.node}", f"name that node, not {place.node}")
        if request.secret is not None or request.renews is not None:
            return Refused("this request is not one for a first enrolment", "make it with --request alone")
        with self._lock, self._registry.changing():
            issued = self._registry.issued(request.node)
            held = issued[-1] if issued else None
            asked = codec.encode((_digest(request, keys), place))
            if held is not None and held.digest == _nth(asked, len(issued) - 1):
                answer, superseded = self._again(held.digest), _any_superseded(issued)
            else:
                digest = _nth(asked, len(issued))
                own = held is not None and held.revoked is None and held.public == request.public
                if refused := (None if own else self._taken(request.node)) or self._known(request):
                    return refused
                answer = self._issue(digest, place, request, keys)
                superseded = own and held is not None and self._supersede(held, keys)
        if superseded:
            self.publish()
        return answer

    def renew(self, data: bytes) -> Answer | Refused:
        """What follows the enrolment that the request in ``data`` names.

        It is signed with the node's own key, which stays, and with the TLS key of the certificate that ends.
        """
        read = _read(data)
        if isinstance(read, Refused):
            return read
        asked, request, keys = read
        digest = _digest(request, keys)
        anew = f"enrol it anew: twinline pki enroll {request.node}"
        with self._lock, self._registry.changing():
            issued = self._registry.issued(request.node)
            if any(each.digest == digest for each in issued):
                answer, superseded = self._again(digest), _any_superseded(issued)
            else:
                held = issued[-1] if issued else None
                if held is None or held.public != request.public or not _holds(held, asked):
                    return Refused(f"this is not {request.node} as it is enrolled here", anew)
                if held.revoked is not None:
                    return Refused(f"{request.node} was revoked ({held.why})", f"with new keys {anew}")
                said = held.answer.enrolment.enrolment
                if request.renews != said.serial:
                    return Refused("there is a later enrolment than the one that this renews", "use that one")
                if self._clock() > said.before + LATE:
                    return Refused(f"its enrolment ended at {moment(said.before):%Y-%m-%d}", anew)
                answer = self._issue(digest, held.place, request, keys)
                superseded = self._supersede(held, keys)
        if superseded:
            self.publish()
        return answer

    def revoke(self, node: str, why: str) -> Refused | int:
        """End every enrolment of ``node`` that is not revoked, and its open tokens: how many enrolments.

        To be published then, again and again if need be: a kill may come in between."""
        with self._lock, self._registry.changing():
            now = self._clock()
            live = [each for each in self._registry.issued(node) if each.revoked is None]
            tokens = self._registry.withdraw(node)
            if not live and not tokens:
                return Refused(f"nothing of {node} is left to revoke", "see: twinline pki list")
            for each in live:
                self._registry.revoke(each.number, now, why)
        return len(live)

    def publish(self) -> None:
        """Write the list of revoked certificates anew, as the registry has it, without those whose time
        ended ``LATE`` ago, so that it does not grow for ever; OSError."""
        with self._lock, self._registry.changing():  # nor does another process write an older list after it
            now = self._clock()
            serials = [
                (number, each.revoked)
                for each in self._registry.issued()
                if each.revoked is not None and each.answer.enrolment.enrolment.before > now - LATE
                for number in _serials(each.answer)
            ]
            self.authority.revoke(serials, now=now)

    def listed(self) -> list[Issued]:
        """The last enrolment of each node, by id."""
        with self._lock:
            return sorted({each.place.node: each for each in self._registry.issued()}.values(), key=_node)

    def invited(self) -> list[tuple[Place, int]]:
        """Each token that is open: for whom, and until when (UTC ns)."""
        with self._lock:
            return self._registry.open_invitations(self._clock())

    @property
    def address(self) -> str:
        """Where the authority served last; empty where it never did."""
        with self._lock:
            return self._registry.setting(_ADDRESS)

    def reached(self, address: str) -> None:
        """Remember where it serves."""
        with self._lock, self._registry.changing():
            self._registry.set(_ADDRESS, address)

    def _issue(self, digest: bytes, place: Place, request: Request, keys: _Keys) -> Answer:
        answer = self.authority.issue(
            place.node,
            place.kind,
            request.public,
            keys.tls,
            keys.opcua if place.kind in OPCUA_KINDS else None,
            now=self._clock(),
            owner=place.owner,
            roles=place.roles,
            hosts=place.hosts,
        )
        self._registry.add(digest, place, answer)
        return answer

    def _supersede(self, held: Issued, keys: _Keys) -> bool:
        """Whether there are new keys: then the old certificates are good no more."""
        superseded = _tls_der(held.answer) != certificates.public_der(keys.tls)
        if superseded:
            self._registry.revoke(held.number, self._clock(), SUPERSEDED)
        return superseded

    def _again(self, digest: bytes) -> Answer | Refused:
        """The answer that these keys had already."""
        (found,) = (each for each in self._registry.issued() if each.digest == digest)
        node = found.place.node
        if found.revoked is not None:
            hint = f"with new keys enrol it anew: twinline pki enroll {node}"
            return Refused(f"{node} was revoked ({found.why})", hint)
        return found.answer

    def _taken(self, node: str) -> Refused | None:
        """Where the node's place is not free."""
        for each in self._registry.issued(node):
            until = each.answer.enrolment.enrolment.before
            if each.revoked is None and until > self._clock():
                what = f"{node} is enrolled until {moment(until):%Y-%m-%d}"
                return Refused(what, f"renew it there, or first: twinline pki revoke {node} --why …")
        return None

    def _known(self, request: Request) -> Refused | None:
        """Where the key is one that another node has, or that was revoked."""
        for each in self._registry.issued():
            said = each.answer.enrolment.enrolment
            if said.public == request.public and (each.burnt or said.node != request.node):
                what = f"this is the key of {said.node}" + (", and revoked" if each.burnt else "")
                return Refused(what, "enrol with new keys: choose an empty folder")
        return None

    def _check(self, place: Place) -> None:
        identifier(place.node)
        check_hosts(place.kind, place.hosts)
        if not 1 <= len(place.owner) <= 64:
            raise ValueError(f"{place.owner!r} is no owner; write 1 to 64 characters")


def _stamp(authority: Authority) -> tuple[int, int, int] | None:
    """Changes with the file of its issuing certificate; None where that is not there."""
    try:
        found = (authority.folder / ISSUING).stat()
    except FileNotFoundError:
        return None
    return found.st_mtime_ns, found.st_ino, found.st_size


def _any_superseded(issued: Sequence[Issued]) -> bool:
    """Whether the list has to name one of ``issued``: it may not have been written when that was decided."""
    return any(each.why == SUPERSEDED for each in issued)


def _read(data: bytes) -> tuple[Asked, Request, _Keys] | Refused:
    read = read_request(data)
    if isinstance(read, Malformed):
        return Refused(f"this is no request: {read.reason}", "make it with python -m gateway.enroll")
    asked, request = read
    try:
        keys = _Keys(
            certificates.requested(request.tls),
            None if request.opcua is None else certificates.requested(request.opcua),
        )
    except ValueError as error:
        return Refused(str(error), "make the request with python -m gateway.enroll")
    if not isinstance(keys.tls, EllipticCurvePublicKey) or isinstance(keys.opcua, EllipticCurvePublicKey):
        return Refused("TLS takes an EC key here and OPC UA an RSA key", "delete them, and ask again")
    return asked, request, keys


def _digest(request: Request, keys: _Keys) -> bytes:
    """Of what is asked, and for which keys; the signatures differ each time."""
    opcua = b"" if keys.opcua is None else certificates.public_der(keys.opcua)
    asked = (request.node, request.public, certificates.public_der(keys.tls), opcua)
    return codec.digest(codec.encode((*asked, request.secret, request.renews)))


def _nth(asked: bytes, number: int) -> bytes:
    """Of what was asked by hand as the node's enrolment of this number: a place may come back."""
    return codec.digest(asked, number.to_bytes(4))


def _holds(held: Issued, asked: Asked) -> bool:
    """Whether who asked holds the TLS key of the certificate that was issued."""
    key = x509.load_der_x509_certificate(held.answer.tls).public_key()
    assert isinstance(key, EllipticCurvePublicKey), "we issue for no other"
    try:
        key.verify(asked.held, held_bytes(asked.request), ECDSA(hashes.SHA256()))
    except InvalidSignature:
        return False
    return True


def _tls_der(answer: Answer) -> bytes:
    key = x509.load_der_x509_certificate(answer.tls).public_key()
    assert isinstance(key, EllipticCurvePublicKey), "we issue for no other"
    return certificates.public_der(key)


def _serials(answer: Answer) -> list[int]:
    ders = (answer.tls,) if answer.opcua is None else (answer.tls, answer.opcua)
    return [x509.load_der_x509_certificate(each).serial_number for each in ders]


def _node(issued: Issued) -> str:
    return issued.place.node
