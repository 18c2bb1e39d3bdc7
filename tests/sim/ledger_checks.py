"""What must hold in every ledger world: each invariant on its own, looking at what nodes put out."""

from __future__ import annotations

from sim_ledger import World

from ledger import pom
from ledger.pom import Place
from ledger.ports import Accuse, Decided, Keep, Output, Send
from ledger.types import PREVOTE, Proposal, Vote, ballot


class Agreement:
    """One block a height, the same everywhere."""

    def __init__(self, world: World) -> None:
        self.decided: dict[int, bytes] = {}
        world.watchers.append(self.watch)

    def watch(self, name: str, output: Output) -> None:
        if isinstance(output, Decided):
            height, bid = output.commit.qc.height, output.commit.block.id
            before = self.decided.setdefault(height, bid)
            assert before == bid, f"fork at {height}: {before.hex()[:8]} and, at {name}, {bid.hex()[:8]}"


class SignsOnce:
    """No honest node signs two things that exclude each other; what it sends it has on disk."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.signed: dict[tuple[str, int, int, int], bytes] = {}
        world.watchers.append(self.watch)

    def watch(self, name: str, output: Output) -> None:
        if not isinstance(output, Send) or name in self.world.liars:
            return
        message = output.message
        if isinstance(message, Vote) and message.who == name:
            self._look(name, message.height, message.round, message.type, message.bid)
        elif isinstance(message, Proposal) and message.who == name:
            self._look(name, message.height, message.round, 0, ballot(message).bid)

    def _look(self, name: str, height: int, round: int, type: int, bid: bytes) -> None:
        before = self.signed.setdefault((name, height, round, type), bid)
        assert before == bid, f"{name} signed twice at {height}/{round}, type {type}"


class OnDiskFirst:
    """A vote or proposal that goes out is in what the node's disk holds."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.kept: dict[str, set[bytes]] = {}
        world.watchers.append(self.watch)

    def watch(self, name: str, output: Output) -> None:
        if isinstance(output, Keep):
            self.kept.setdefault(name, set()).update(said.sig for said in output.kept.signed)
        elif isinstance(output, Send) and name not in self.world.liars:  # whose lies may come back to it
            message = output.message
            if isinstance(message, Vote | Proposal) and message.who == name:
                assert message.sig in self.kept.get(name, set()), f"{name} said what is not on its disk"


class Locks:
    """No honest prevote against its lock without a newer certificate of prevotes."""

    def __init__(self, world: World) -> None:
        self.world = world
        world.watchers.append(self.watch)

    def watch(self, name: str, output: Output) -> None:
        node = self.world.nodes[name]
        if not isinstance(output, Send) or node is None or name in self.world.liars:
            return
        vote = output.message
        if not (isinstance(vote, Vote) and vote.who == name and vote.type == PREVOTE and vote.bid):
            return
        consensus = node.consensus
        if vote.height != consensus.height or consensus.locked is None or consensus.locked[0] >= vote.round:
            return
        at, bid = consensus.locked
        if vote.bid != bid:
            proposal = consensus.proposals.get(vote.round)
            newer = proposal is not None and proposal.pol is not None and proposal.pol.round >= at
            assert newer, f"{name} prevotes against its lock of round {at} in {vote.round}"


class Formula:
    """Every decided block meets formula (3), and its nonce is that of the order of proposers."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.before: dict[str, tuple[bytes, dict[str, int], set[str]]] = {}
        for name in world.names:
            self.before[name] = ()  # type: ignore[assignment]
        world.watchers.append(self.watch)
        self.roots: dict[int, tuple[bytes, bytes]] = {}

    def watch(self, name: str, output: Output) -> None:
        if not isinstance(output, Decided):
            return
        header = output.commit.block.header
        roots = self.roots.setdefault(header.height, (header.state_root, header.pom_root))
        assert roots == (header.state_root, header.pom_root), f"{name}: other roots at {header.height}"
        node = self.world.nodes[name]
        assert node is not None
        seed = (
            self.world.genesis.id
            if header.height == 1
            else self.world.disks[name].commits[header.height - 1].block.seed
        )
        limits = pom.thresholds(dict.fromkeys(node.chain.members, 0))
        place = Place(header.proposer, header.nonce)
        assert pom.meets(seed, place, limits), f"height {header.height} does not meet formula (3)"
        assert place in set(pom.order(seed, limits)), f"height {header.height}: another nonce"


class OrderOfProposers:
    """Whoever stands at a height draws the same proposers for it."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.orders: dict[int, list[Place]] = {}
        world.watchers.append(self.watch)

    def watch(self, name: str, output: Output) -> None:
        node = self.world.nodes[name]
        if node is None:
            return
        order = [node.chain.proposer(round) for round in range(len(node.chain.members))]
        before = self.orders.setdefault(node.chain.height, order)
        assert before == order, f"{name} draws other proposers at {node.chain.height}"


class HonestStaysUnaccused:
    """Evidence names liars alone."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.accused: set[str] = set()
        world.watchers.append(self.watch)

    def watch(self, name: str, output: Output) -> None:
        if isinstance(output, Accuse) and name not in self.world.liars:
            who = output.evidence.first.who
            self.accused.add(who)
            assert who in self.world.liars, f"{name} accuses {who}, who is honest"


class Bounded:
    """What a node holds stays small, whatever it is sent."""

    def __init__(self, world: World) -> None:
        self.world = world
        world.watchers.append(self.watch)

    def watch(self, name: str, output: Output) -> None:
        node = self.world.nodes[name]
        if node is None:
            return
        consensus, members = node.consensus, len(self.world.names)
        rounds = {at for at, _ in consensus.votes._cast}
        assert len(rounds) <= 2 * 64 + 3, f"{name} holds votes of {len(rounds)} rounds"
        assert len(consensus.early) <= 9 * members


def watch_all(world: World) -> list[object]:
    """Every checker there is."""
    return [
        each(world)
        for each in (
            Agreement,
            SignsOnce,
            OnDiskFirst,
            Locks,
            Formula,
            OrderOfProposers,
            HonestStaysUnaccused,
            Bounded,
        )
    ]
