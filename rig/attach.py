"""A line whose gateways run already, each where it is: nothing is started here, and nothing ended."""

from __future__ import annotations

from functools import partial

from gateway.errors import BadInput, Problem
from gateway.genesisfile import load_genesis
from gateway.library.files import load_library
from gateway.net.identity import Identity, Trust
from ledger.records import Party
from rig.backend import RigFault
from rig.chain import RigChain
from rig.genesis import inspector, witnesses
from rig.line import Line
from rig.open import Options, broker_of, prepare
from rig.prepare import GENESIS, LEDGER, TRUST, key_of, tls_of
from rig.presence import Presence, presences
from rig.remote import BusBackend

LISTEN = 1_500_000_000  # what is retained comes at once; a gateway that runs tells its state twice in that


class AttachedLine:
    """The line as ``options`` say: through its broker, with the operator's key of ``options.keys``."""

    def __init__(self, line: Line, options: Options) -> None:
        identity, trust = load_keys(line, options)
        brokers = [broker_of(line, options)]
        assert options.keys is not None
        self.backend = BusBackend(
            line.id, list(line.stations), brokers, identity, trust, line.in_shadow,
            tls_of(options.keys, identity.node), breaks=options.breaks,
        )  # fmt: skip
        self.chain = _chain(line, options, identity, trust, brokers)

    def start(self) -> None:
        """Connect; BrokerGone, RigFault."""
        if self.chain is not None:
            try:
                self.chain.start()
            except OSError as error:
                raise RigFault(f"{error.filename}: no place for the chain: {error.strerror}") from None
        self.backend.start()

    def stop(self) -> None:
        """Follow the chain no longer."""
        if self.chain is not None:
            self.chain.stop()


def who(options: Options) -> list[Presence]:
    """Who has come to the line; RigFault, and BadInput with everything that is wrong in what was given."""
    line = prepare(options)
    attached = AttachedLine(line, options)
    try:
        attached.backend.start()
        return list(presences(line, attached.backend.seen(line.stations, LISTEN), load_library().names))
    finally:
        attached.backend.close()


def _chain(
    line: Line, options: Options, operator: Identity, trust: Trust, brokers: list[str]
) -> RigChain | None:
    """The line's chain, if its keys were made with one; BadInput."""
    assert options.keys is not None
    path = options.keys / GENESIS
    if not path.exists():
        return None
    genesis = load_genesis(path)
    inspecting = Identity.load(key_of(options.keys, inspector(line.stations, operator.node)))
    known = {party.node for party in genesis.parties}
    newcomers = tuple(
        Party(name, public, line.id)
        for name in (*line.stations, *witnesses(line.stations, operator.node))
        if name not in known and (public := trust.public_bytes(name)) is not None
    )
    state = options.keys / LEDGER
    return RigChain(
        line.id, genesis, operator, inspecting, tuple(brokers), state, newcomers,
        trust=trust, tls=partial(tls_of, options.keys),
    )  # fmt: skip


def load_keys(line: Line, options: Options) -> tuple[Identity, Trust]:
    """The operator's key, and those of the line's gateways; BadInput with what is missing or wrong."""
    assert options.keys is not None
    path = key_of(options.keys, options.operator)
    identity, trust = Identity.load(path), Trust.load(options.keys / TRUST)
    problems = [
        Problem(
            str(options.keys / TRUST), 0, 0, f"the key of {name} is not in it", "run twinline gateway prepare"
        )
        for name in line.stations
        if trust.public_bytes(name) is None
    ]
    if identity.node != options.operator:
        problems.append(
            Problem(str(path), 0, 0, f"is the key of {identity.node}", f"give --operator {identity.node}")
        )
    if problems:
        raise BadInput(problems)
    return identity, trust
