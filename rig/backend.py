"""What a session needs of a line's gateways, whichever way they are reached."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple, Protocol

from gateway.net.messages import Action, Identified, Trace
from gateway.twin.discrepancy import Discrepancy

LEASE_TTL = 1_000_000_000
LEASE_RENEW = 250_000_000
SLACK = 5_000_000_000  # beyond a script's own limits, for the way there and back


class RigFault(Exception):
    """The rig's own parts are at fault: gateway, broker, or the machine. The verdict is ERROR."""


class GatewayGone(RigFault):
    """A station's gateway does not answer."""

    def __init__(self, station: str, why: str) -> None:
        self.station = station
        super().__init__(f"gateway {station}: {why}")


class LeaseLost(RigFault):
    """A station's lease ran out or went to another operator; the gateway has driven the safe state."""

    def __init__(self, station: str, why: str) -> None:
        self.station = station
        super().__init__(f"{station}: the lease is lost: {why}")


class BrokerGone(RigFault):
    """No broker is connected."""


class Script(NamedTuple):
    """What a station is to do, in one command: see ``gateway.net.messages.Run``."""

    actions: tuple[Action, ...]
    watch: tuple[str, ...] = ()
    tail: int = 0
    keep: bool = False
    counted: tuple[str, ...] = ()

    @property
    def limit(self) -> int:
        """The longest it can take, ns."""
        waits = (getattr(each, "limit", 0) + getattr(each, "duration", 0) for each in self.actions)
        return sum(waits) + self.tail


class Begun(NamedTuple):
    """Scripts that run: by station, and the number of each request."""

    scripts: Mapping[str, Script]
    requests: Mapping[str, int]

    @property
    def limit(self) -> int:
        """How long to wait for them, ns."""
        return max(script.limit for script in self.scripts.values()) + SLACK


class RoundTrip(NamedTuple):
    """Of one question: how long it took, and the gateway's clock less the rig's; ns."""

    took: int
    offset: int
    uncertainty: int


class Backend(Protocol):
    """A line's gateways. All calls are bounded in time and raise ``RigFault`` when the rig is at fault."""

    mode: str

    def identify(self, station: str) -> tuple[Identified, RoundTrip]:
        """Ask the gateway who it and its controller are."""
        ...

    def hold(self, station: str) -> None:
        """Acquire the station's lease and keep it until ``close``."""
        ...

    def begin(self, scripts: Mapping[str, Script]) -> Begun:
        """Begin scripts on several stations at once."""
        ...

    def finish(self, begun: Begun, out: int = 0) -> dict[str, Trace]:
        """Wait for them. With ``out``, all are ended as soon as one has ended or that many workpieces, of
        those that are counted, have come out of the line."""
        ...

    def run(self, scripts: Mapping[str, Script], out: int = 0) -> dict[str, Trace]:
        """Begin scripts and wait for them."""
        return self.finish(self.begin(scripts), out)

    def differences(self, station: str) -> list[Discrepancy]:
        """Where the station's model and what is real did not agree while this was open, in order."""
        return []

    def listen(self, differed: Callable[[str, Discrepancy], None]) -> None:
        """Call ``differed`` with a station and each of these when it begins and ends, on any thread."""
        return

    def uncompared(self, station: str) -> str:
        """Why the virtual controller beside the station's real one is not compared; empty where it is."""
        return ""

    def unheard(self, station: str) -> str:
        """Why that may not be all: when its gateway was not heard; empty if it was heard throughout."""
        return ""

    def left(self, station: str) -> tuple[str, ...]:
        """What was still forced there when this was closed, by whomever."""
        return ()

    def now(self) -> int:
        """UTC ns, or the virtual clock's."""
        ...

    def close(self) -> None:
        """Give the leases back: safe state everywhere."""
        ...
