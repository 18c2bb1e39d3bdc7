"""What must hold in every ledger world: each invariant on its own, looking at what nodes put out."""

from __future__ import annotations

from sim_ledger import SimKeys, World

from ledger import pom
from ledger.pom import Place
from ledger.ports import Accuse, Decided, Keep, Output, Send
from ledger.state import State
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
    """No honest prevote against its lock without a newer certificate of prevotes. Each is looked at once: it
    is said again after a restart, when that certificate may be forgotten."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.seen: set[Vote] = set()
        world.watchers.append(self.watch)

    def watch(self, name: str, output: Output) -> None:
        node = self.world.nodes[name]
        if not isinstance(output, Send) or node is None or name in self.world.liars:
            return
        vote = output.message
        if not (isinstance(vote, Vote) and vote.who == name and vote.type == PREVOTE and vote.bid):
            return
        if vote in self.seen:
            return
        self.seen.add(vote)
        consensus = node.consensus
        if vote.height != consensus.height or consensus.locked is None or consensus.locked[0] >= vote.round:
            return
        at, bid = consensus.locked
        if vote.bid != bid:
            proposal = consensus.heard.proposals.get(vote.round)
            newer = proposal is not None and proposal.pol is not None and proposal.pol.round >= at
            assert newer, f"{name} prevotes against its lock of round {at} in {vote.round}"


class Formula:
    """Every decided block meets formula (3), by the nonce that the order of proposers gives, and names the
    roots that follow from the blocks before it."""

    def __init__(self, world: World) -> None:
        self.canon = State(world.genesis, SimKeys(""))  # what the decided blocks add up to
        self.roots: dict[int, tuple[bytes, bytes]] = {}
        world.watchers.append(self.watch)

    def watch(self, name: str, output: Output) -> None:
        if not isinstance(output, Decided):
            return
        header, canon = output.commit.block.header, self.canon
        if header.height == canon.height + 1:
            place = Place(header.proposer, header.nonce)
            assert pom.meets(canon.seed, place, canon.limits), f"{header.height} does not meet formula (3)"
            assert place in set(pom.order(canon.seed, canon.limits)), f"{header.height}: another nonce"
            self.roots[header.height] = canon.root, canon.pom_root
            canon.apply(output.commit.block)
        assert header.height <= canon.height, f"{name} decides {header.height} out of turn"
        roots = header.state_root, header.pom_root
        assert roots == self.roots[header.height], f"{name}: other roots at {header.height}"


class MembersAlone:
    """Nobody but the members of a height votes, proposes or certifies in it; and few change at once."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.canon = State(world.genesis, SimKeys(""))
        self.members: dict[int, set[str]] = {}
        self.changes = 0
        self._name(0)
        world.watchers.append(self.watch)

    def _name(self, height: int) -> None:
        """After ``height`` it is known who votes at the next two."""
        for ahead, voting in enumerate((self.canon.voting, self.canon.next_voting), start=height + 1):
            named = {member.node for member in voting}
            assert self.members.setdefault(ahead, named) == named
        one, other = self.members[height + 1], self.members[height + 2]
        assert len(one ^ other) <= max(1, (len(one) - 1) // 3), f"{one} becomes {other} at once"
        self.changes += one != other

    def watch(self, name: str, output: Output) -> None:
        if isinstance(output, Decided):
            height = output.commit.qc.height
            if height == self.canon.height + 1:
                self.canon.apply(output.commit.block)
                self._name(height)
            voters = {seal.who for seal in output.commit.qc.seals}
            members = self.members[height]
            assert voters <= members, f"{voters - members} have no vote at {height}"
            assert 3 * len(voters) > 2 * len(members), f"{len(voters)} of {len(members)} decide {height}"
        elif isinstance(output, Send) and isinstance(output.message, Vote | Proposal):
            said = output.message
            if said.who == name:
                assert name in self.members[said.height], f"{name} has no vote at {said.height}"


class OrderOfProposers:
    """Whoever stands at a height draws the same proposers for it."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.orders: dict[int, list[Place]] = {}
        world.watchers.append(self.watch)

    def watch(self, name: str, output: Output) -> None:
        node = self.world.nodes[name]
        if node is None or not isinstance(output, Send | Decided):
            return  # it may have gone on in its memory alone
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
        rounds = {at for at, _ in consensus.heard.votes._cast}
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
            MembersAlone,
            OrderOfProposers,
            HonestStaysUnaccused,
            Bounded,
        )
    ]
