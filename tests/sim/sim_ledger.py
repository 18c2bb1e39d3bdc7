"""A world for the ledger: the real consensus over one seeded queue of network, clocks and disks.

Whatever the seed says happens to messages (dropped, late, doubled, out of order, partitions, links that lead
one way), to nodes (killed between any two of their outputs, and started again from what their disk had
synced), and what Byzantine members do. The checkers in ``ledger_checks`` look on; nothing here judges.
"""

from __future__ import annotations

import heapq
import itertools
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import msgspec

from ledger import codec
from ledger.chain import DecidedChain
from ledger.consensus import Consensus
from ledger.genesis import Genesis
from ledger.gossip import Gossip
from ledger.ports import Accuse, Decided, Keep, Kept, Output, Send, Start, Timer, Timing
from ledger.records import Accused, Loaded, Party, Record, transaction
from ledger.signing import sign
from ledger.types import NIL, Block, Commit, Message, Proposal, Qc, Status, Tx, Vote, ballot
from ledger.whereabouts import Whereabouts

MS = 1_000_000
SECOND = 1_000 * MS
UTC = 1_700_000_000 * SECOND
GOSSIP = 500 * MS
RESEND = 4
TIMING = Timing(idle=2 * SECOND)


class SimKeys:
    """Signatures that nobody else can make, at the price of a hash: each node holds its own secret alone."""

    def __init__(self, node: str) -> None:
        self.node = node

    def sign(self, context: str, data: bytes) -> bytes:
        return _signature(self.node, context, data)

    def verify(self, node: str, context: str, data: bytes, signature: bytes) -> bool:
        return signature == _signature(node, context, data)


def _signature(node: str, context: str, data: bytes) -> bytes:
    half = codec.digest(b"secret of " + node.encode(), context.encode(), b"\0", data)
    return half + codec.digest(half)


def party(name: str, member: bool = True) -> Party:
    """``n0`` is dispatcher and commissioner."""
    roles = ("commissioner",) if name == "n0" else ()
    return Party(name, codec.digest(name.encode()), f"owner-{name}", member, name == "n0", roles)


@dataclass
class Disk:
    """What a node has synced."""

    kept: Kept | None = None
    blocks: dict[bytes, Block] = field(default_factory=dict)
    commits: dict[int, Commit] = field(default_factory=dict)
    own: dict[int, Tx] = field(default_factory=dict)  # its transactions by number: accepted


@dataclass
class Faults:
    """Shares of messages, and how often things happen, of one world."""

    drop: float = 0.0
    double: float = 0.0
    late: float = 0.0
    delay: tuple[int, int] = (1 * MS, 20 * MS)
    lateness: int = 2 * SECOND
    kills: int = 0
    partitions: int = 0
    one_way: int = 0
    skew: int = 200 * MS


class Node:
    """One gateway's node: consensus and gossip around a disk."""

    def __init__(self, world: World, name: str, disk: Disk, lost: bool = False) -> None:
        self.world, self.name, self.disk = world, name, disk
        keys = SimKeys(name)
        self.keys = keys
        self.chain = world.chain_of(name, keys, disk)
        for height in itertools.count(1):
            commit = disk.commits.get(height)
            if commit is None:
                break
            self.chain.commit(commit)
        blocks = tuple(disk.blocks.values())
        self.consensus = world.consensus_of(name, self.chain, keys, disk.kept, blocks, lost)
        self.gossip = Gossip(self.consensus, world.now)

    def receive(self, message: Message | Tx) -> list[Output]:
        now = self.world.clock(self.name)
        if isinstance(message, Tx):
            return self.consensus.work(now) if not self.chain.submit(message) else []
        return self.gossip.receive(message, now)

    def submit(self, record: Record) -> Tx:
        """Accept a new record of its own."""
        seq = len(self.disk.own) + 1
        tx = self.disk.own[seq] = sign(self.keys, transaction(self.chain.id, self.name, seq, record))
        return tx

    def waiting(self) -> list[Tx]:
        """A few that it accepted and that are not final, in order."""
        taken = self.chain.state.seqs.get(self.name, 0)
        return [self.disk.own[seq] for seq in range(taken + 1, len(self.disk.own) + 1)][:RESEND]


class World:
    """``members`` nodes of which ``liars`` lie; every draw comes from ``seed``.

    ``onlookers`` are enrolled and have no vote; ``spares`` are strangers until somebody enrols them.
    ``genesis``: of another chain than the usual one; its parties' nodes are there.
    """

    def __init__(
        self,
        seed: int,
        members: int = 4,
        liars: dict[str, str] | None = None,
        faults: Faults | None = None,
        onlookers: int = 0,
        spares: int = 0,
        genesis: Genesis | None = None,
    ) -> None:
        self.random = random.Random(seed)
        self.faults = faults or Faults()
        self.now = 0
        self.liars = liars or {}
        if genesis is None:
            parties = [party(f"n{number}") for number in range(members)]
            parties += [party(f"o{number}", member=False) for number in range(onlookers)]
            genesis = Genesis(1, "main", UTC, tuple(parties))
        self.genesis = genesis
        self.names = [each.node for each in genesis.parties] + [f"s{number}" for number in range(spares)]
        self.skews = {name: self.random.randint(-1, 1) * self.faults.skew // 2 for name in self.names}
        self.disks = {name: Disk() for name in self.names}
        self.nodes: dict[str, Node | None] = dict.fromkeys(self.names)
        self.cut: set[tuple[str, str]] = set()  # links that carry nothing now
        self.heal_at: int | None = None
        self.watchers: list[Callable[[str, Output], None]] = []
        self.trace: list[str] = []
        self._queue: list[tuple[int, int, str, Any]] = []
        self._order = itertools.count()
        self._lives = dict.fromkeys(self.names, 0)

    # What a mutant or a scripted schedule replaces.

    def chain_of(self, name: str, keys: SimKeys, disk: Disk) -> DecidedChain:
        return DecidedChain(self.genesis, keys, disk.commits.get)

    def consensus_of(
        self,
        name: str,
        chain: DecidedChain,
        keys: SimKeys,
        kept: Kept | None,
        blocks: tuple[Block, ...],
        lost: bool,
    ) -> Consensus:
        round = kept.round if kept is not None and kept.height == chain.height else 0
        unsure = Whereabouts(chain.height, round, lost)
        return Consensus(name, chain, keys, TIMING, kept, blocks, unsure)

    # --- time ---------------------------------------------------------------------------------------------

    def clock(self, name: str) -> int:
        """UTC as ``name`` has it, ns."""
        return UTC + self.now + self.skews[name]

    def at(self, delay: int, what: str, argument: Any) -> None:
        heapq.heappush(self._queue, (self.now + delay, next(self._order), what, argument))

    def run(self, until: int, wanted: Callable[[], bool] | None = None) -> None:
        """Let time pass; ends early when ``wanted``."""
        while self._queue and self._queue[0][0] <= until:
            self.now, _, what, argument = heapq.heappop(self._queue)
            getattr(self, f"_on_{what}")(argument)
            if wanted is not None and wanted():
                return
        self.now = max(self.now, until)

    # --- nodes ----------------------------------------------------------------------------------------------

    def start(self, name: str, lost: bool = False) -> None:
        node = self.nodes[name] = Node(self, name, self.disks[name], lost)
        self._lives[name] += 1
        self.trace.append(f"{self.now} {name} starts at {node.chain.height}")
        self.do(name, node.consensus.begin(self.clock(name)))
        self.at(self.random.randint(0, GOSSIP), "gossip", (name, self._lives[name]))

    def kill(self, name: str) -> None:
        self.nodes[name] = None
        self.trace.append(f"{self.now} {name} is killed")

    def do(self, name: str, outputs: list[Output]) -> None:
        """Carry out what a node wants, up to where it dies."""
        for output in outputs:
            for watcher in self.watchers:
                watcher(name, output)
            self.carry_out(name, output)
            if self.dies_after(name, output):
                self.kill(name)
                self.at(self.random.randint(10 * MS, 3 * SECOND), "restart", name)
                return

    def dies_after(self, name: str, output: Output) -> bool:
        """Whether the node is killed right after this output of it."""
        share = 0.002 * self.faults.kills if self.now < (self.heal_at or 0) else 0.0
        return share > 0 and self.random.random() < share

    def carry_out(self, name: str, output: Output) -> None:
        """What the world does with an output of a node."""
        node, disk = self.nodes[name], self.disks[name]
        assert node is not None
        match output:
            case Keep(kept, block):
                disk.kept = kept
                if block is not None:
                    disk.blocks[block.id] = block
            case Send(message, to):
                for receiver in [to] if to else [other for other in self.names if other != name]:
                    self.post(name, receiver, message)
            case Start(timer, delay):
                self.at(delay, "timer", (name, self._lives[name], timer))
            case Decided(commit):
                disk.commits[commit.qc.height] = commit
                disk.blocks.clear()
                self.trace.append(f"{self.now} {name} decides {commit.qc.height} {commit.block.id.hex()[:8]}")
            case Accuse(evidence):
                self.spread(name, [node.submit(Accused(evidence))])

    # --- the network ----------------------------------------------------------------------------------------

    def post(self, sender: str, receiver: str, message: Message | Tx) -> None:
        """Send over a bad network."""
        lie = self.liars.get(sender)
        if lie:
            said = self.distort(lie, sender, receiver, message)
            if said is None:
                return
            message = said
        if (sender, receiver) in self.cut or self.random.random() < self.faults.drop:
            return
        for _ in range(2 if self.random.random() < self.faults.double else 1):
            delay = self.random.randint(*self.faults.delay)
            if self.random.random() < self.faults.late:
                delay += self.random.randint(0, self.faults.lateness)
            self.at(delay, "message", (receiver, codec.encode(message)))

    def distort(self, lie: str, sender: str, receiver: str, message: Message | Tx) -> Message | Tx | None:
        """What a Byzantine member says instead."""
        if lie == "withhold":
            return None if isinstance(message, Vote | Proposal) and self.random.random() < 0.7 else message
        if lie == "claim" and isinstance(message, Status):  # to have all votes, of a round that may come
            every = bytes([255] * len(message.prevotes))
            round = message.round + self.random.randint(0, 2)
            said = msgspec.structs.replace(message, round=round, prevotes=every, precommits=every)
            return sign(SimKeys(sender), said)
        if lie == "claim":
            return None if isinstance(message, Vote | Proposal | Qc) else message
        if lie == "equivocate" and self.names.index(receiver) % 2:
            if isinstance(message, Vote):
                bid = NIL if message.bid else codec.digest(b"another", sender.encode())
                return sign(SimKeys(sender), msgspec.structs.replace(message, bid=bid))
            if isinstance(message, Proposal):
                header = message.block.header
                block = Block(msgspec.structs.replace(header, time=header.time + 1), message.block.body)
                other = msgspec.structs.replace(message, block=block, pol=None)
                said = sign(SimKeys(sender), ballot(other))
                return msgspec.structs.replace(other, sig=said.sig)
        if lie == "invalid" and isinstance(message, Proposal):
            header = msgspec.structs.replace(
                message.block.header, nonce=(message.block.header.nonce + 1) % 65536
            )
            other = msgspec.structs.replace(message, block=Block(header, message.block.body), pol=None)
            return msgspec.structs.replace(other, sig=sign(SimKeys(sender), ballot(other)).sig)
        if lie == "flood" and isinstance(message, Vote):
            for ahead in range(1, 4):
                vote = msgspec.structs.replace(message, round=message.round + ahead * 1_000)
                self.at(MS, "message", (receiver, codec.encode(sign(SimKeys(sender), vote))))
        if lie == "wrong-chain" and isinstance(message, Vote | Qc):
            return msgspec.structs.replace(message, chain="other")
        return message

    def spread(self, name: str, txs: list[Tx]) -> None:
        """Let a node's own transactions wait for a block, there and everywhere."""
        for tx in txs:
            self.at(0, "message", (name, codec.encode(tx)))
            for other in self.names:
                if other != name:
                    self.post(name, other, tx)

    # --- what happens -------------------------------------------------------------------------------

    def _on_message(self, argument: tuple[str, bytes]) -> None:
        receiver, data = argument
        node = self.nodes[receiver]
        if node is None:
            return
        message = codec.decode(data, Message | Tx)
        assert not isinstance(message, codec.Malformed), message
        self.do(receiver, node.receive(message))

    def _on_timer(self, argument: tuple[str, int, Timer]) -> None:
        name, life, timer = argument
        node = self.nodes[name]
        if node is not None and life == self._lives[name]:
            self.do(name, node.consensus.timeout(timer, self.clock(name)))

    def _on_gossip(self, argument: tuple[str, int]) -> None:
        name, life = argument
        node = self.nodes[name]
        if node is not None and life == self._lives[name]:
            self.do(name, [node.gossip.status()])
            self.spread(name, node.waiting())
            self.at(GOSSIP, "gossip", (name, life))

    def _on_submit(self, name: str) -> None:
        self._on_record((name, Loaded(name, codec.digest(b"program"), codec.digest(b"configuration"))))

    def _on_record(self, argument: tuple[str, Record]) -> None:
        name, record = argument
        node = self.nodes[name]
        if node is None:  # whoever wants it recorded tries again
            self.at(SECOND, "record", argument)
        else:
            self.spread(name, [node.submit(record)])

    def _on_kill(self, name: str) -> None:
        if self.nodes[name] is not None:
            self.kill(name)
            self.at(self.random.randint(10 * MS, 3 * SECOND), "restart", name)

    def _on_restart(self, name: str) -> None:
        if self.nodes[name] is None:
            self.start(name)

    def _on_cut(self, links: set[tuple[str, str]]) -> None:
        self.cut |= links

    def _on_join(self, links: set[tuple[str, str]]) -> None:
        self.cut -= links
