"""A line's chain as it stands in the field: a gateway and three witnesses, each a process, and a listener.

It checks all that goes over the brokers: nobody signs two things that exclude each other, and no
height has two blocks.
"""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec
from running import GATEWAY, WITHIN, Run, Starter, belt

from gateway.agentfile import AgentConfig
from gateway.chain import STORE, ChainKeeper
from gateway.genesisfile import load_genesis
from gateway.net import topics
from gateway.net.bus import Bus, Delivery
from gateway.net.identity import Identity, Trust
from gateway.net.messages import decode
from gateway.net.reports import ChainState, State
from ledger.codec import Malformed, digest
from ledger.codec import decode as read_message
from ledger.genesis import Genesis
from ledger.records import Record, SessionOpened, read
from ledger.store import Store
from ledger.types import NIL, PRECOMMIT, Commit, Message, Proposal, Qc, Status, Vote, ballot
from rig.line import load_line
from rig.prepare import CONFIG, GENESIS, TRUST, key_of, prepare

NODES = ("belt", "witness-1", "witness-2", "witness-3")
OPERATOR = "anna"


class Ear:
    """Hears all that nodes say. ``wrong`` is what none may do; ``states`` is what each reported last of the
    chain, ``beats`` are the gateways' heartbeats."""

    def __init__(self, genesis: Genesis, brokers: list[str], trust: Trust) -> None:
        self.changed = threading.Condition()
        self.wrong: list[str] = []
        self.states: dict[str, ChainState] = {}
        self.beats: dict[str, State] = {}
        self.statuses: list[Status] = []
        self.signed: dict[
            tuple[str, int, int, int], bytes
        ] = {}  # by who, height, round and type (0: proposal)
        self.blocks: dict[int, bytes] = {}
        self._bus = Bus("ear", brokers, trust=trust)
        self._bus.subscribe(topics.chain("one", topics.ANY), self._on_state)
        self._bus.subscribe(topics.state("one", topics.ANY), self._on_beat)
        self._bus.subscribe(topics.pool(genesis.chain, topics.ANY, topics.ANY), self._on_message, qos=0)
        self._bus.start()
        assert self._bus.wait_ready(WITHIN, every=True)

    def until(self, what: str, holds: Callable[[], object], within: float = WITHIN) -> None:
        """Wait until ``holds`` says so, looking whenever something was said."""
        with self.changed:
            assert self.changed.wait_for(holds, within), f"{what}: not within {within:g} s; {self.states}"

    def wake(self) -> None:
        """Something has changed elsewhere."""
        with self.changed:
            self.changed.notify_all()

    def close(self) -> None:
        """Listen no longer."""
        self._bus.close()

    def _on_state(self, delivery: Delivery) -> None:
        assert delivery.verified is True
        state = decode(delivery.envelope.body, ChainState)
        with self.changed:
            self.states[delivery.envelope.sender] = state
            if state.height:
                self._is_block(delivery.envelope.sender, state.height, bytes.fromhex(state.head))
            self.changed.notify_all()

    def _on_beat(self, delivery: Delivery) -> None:
        with self.changed:
            self.beats[delivery.envelope.sender] = decode(delivery.envelope.body, State)
            self.changed.notify_all()

    def _on_message(self, delivery: Delivery) -> None:
        message = read_message(delivery.envelope.body, Message)
        if isinstance(message, Malformed):
            return  # transactions
        with self.changed:
            match message:
                case Vote():
                    self._is_signed(message.who, message.height, message.round, message.type, message.bid)
                case Proposal():
                    self._is_signed(message.who, message.height, message.round, 0, ballot(message).bid)
                case Qc():
                    self._on_certificate(message)
                case Commit():
                    self._on_certificate(message.qc)
                case Status():
                    self.statuses.append(message)
            self.changed.notify_all()

    def _on_certificate(self, qc: Qc) -> None:
        for seal in qc.seals:
            self._is_signed(seal.who, qc.height, qc.round, qc.type, qc.bid)
        if qc.type == PRECOMMIT and qc.bid != NIL:
            self._is_block("a certificate", qc.height, qc.bid)

    def _is_signed(self, who: str, height: int, round: int, type: int, bid: bytes) -> None:
        if self.signed.setdefault((who, height, round, type), bid) != bid:
            self.wrong.append(f"{who} signed twice at {height}/{round}, type {type}")

    def _is_block(self, who: str, height: int, bid: bytes) -> None:
        if self.blocks.setdefault(height, bid) != bid:
            self.wrong.append(f"{who} has another block {height}")


class ChainSite:
    """The nodes' folders, and the operator, who records. ``reaches`` are the brokers of each, by its name."""

    def __init__(self, folder: Path, start: Starter, reaches: Mapping[str, list[str]]) -> None:
        self.folder, self.start = folder, start
        made = belt(folder)
        made.change("lines/one.yaml", ("mode: hil, serve: true", "mode: virtual"))
        everywhere = sorted({url for urls in reaches.values() for url in urls})
        self.keys = folder / "gateways"
        list(prepare(load_line(made.line), self.keys, tuple(everywhere), OPERATOR))
        for name in NODES:
            path = self.keys / name / CONFIG
            config = msgspec.json.decode(path.read_bytes(), type=AgentConfig)
            path.write_bytes(
                msgspec.json.encode(msgspec.structs.replace(config, brokers=tuple(reaches[name])))
            )
        self.genesis = load_genesis(self.keys / GENESIS)
        self.ear = Ear(self.genesis, everywhere, Trust.load(self.keys / TRUST))
        self.runs: dict[str, Run] = {}
        self.final: dict[str, int] = {}  # the operator's records, by session, and where they are
        self.records: list[tuple[str, Record]] = []  # all that became final, with who recorded it
        self._recorded = 0
        (folder / "desk").mkdir()
        self.operator = Identity.load(key_of(self.keys, OPERATOR))
        self.keeper = ChainKeeper(
            "one", self.operator, reaches[OPERATOR], self.genesis, folder / "desk", self._decided
        )
        self.keeper.start()

    def _decided(self, commit: Commit) -> None:
        for tx in commit.block.body:
            record = read(tx)
            assert not isinstance(record, Malformed)
            self.records.append((tx.node, record))
            if isinstance(record, SessionOpened):
                self.final[record.session] = commit.qc.height
        self.ear.wake()

    # --- nodes ---------------------------------------------------------------------------------------------

    def run(self, *names: str) -> None:
        """Start nodes on what their disks hold, and wait until each votes."""
        self.start_again(*names)
        self.votes(*names)

    def launch(self, *names: str) -> None:
        """Start nodes on what their disks hold."""
        for name in names:
            command = (sys.executable, "-m", GATEWAY, str(self.keys / name / CONFIG))
            self.runs[name] = self.start(self.folder / name, *command)

    def start_again(self, *names: str) -> None:
        """Start nodes on what their disks hold, and wait until each follows."""
        before = {name: self.ear.states[name].boot for name in names if name in self.ear.states}
        self.launch(*names)

        def follows(name: str) -> bool:
            state = self.ear.states.get(name)
            return state is not None and bool(state.proposer) and state.boot != before.get(name)

        self.ear.until(f"{names} follow", lambda: all(follows(name) for name in names))

    def votes(self, *names: str) -> None:
        """Wait until each of them votes."""
        self.ear.until(f"{names} vote", lambda: not any(self.ear.states[name].silent for name in names))

    def told_often(self, *names: str, count: int = 6) -> None:
        """Wait until each of them has told its status so often from now on."""
        since = len(self.ear.statuses)

        def often(name: str) -> bool:
            return sum(status.who == name for status in self.ear.statuses[since:]) >= count

        self.ear.until(f"{names} tell", lambda: all(often(name) for name in names))

    def kill(self, *names: str) -> None:
        """SIGKILL, all before any is waited for."""
        for name in names:
            self.runs[name].process.kill()
        for name in names:
            self.runs[name].wait()

    def state(self, name: str) -> Path:
        """Its state folder."""
        return self.keys / name / "state"

    def store(self, name: str) -> Path:
        """Its copy of the chain."""
        return self.state(name) / STORE

    def log(self, name: str) -> Path:
        """What was written to that last."""
        return self.store(name).with_name(f"{STORE}-wal")

    # --- records -------------------------------------------------------------------------------------------

    def record(self) -> str:
        """The operator records something; accepted when this returns."""
        self._recorded += 1
        session = f"session-{self._recorded}"
        self.keeper.record(SessionOpened(session, "one", digest(session.encode()))).result(WITHIN)
        return session

    def settle(self, count: int = 1) -> None:
        """So many records become final, one after the other."""
        for _ in range(count):
            session = self.record()
            self.ear.until(f"{session} is final", lambda session=session: session in self.final)  # type: ignore[misc]

    def together(self, *names: str) -> None:
        """Wait until these nodes have come as far as the operator's copy is now."""
        height = max(self.final.values(), default=0)
        self.ear.until(
            f"{names} at {height}", lambda: all(self.ear.states[n].height >= height for n in names)
        )

    # --- the end -------------------------------------------------------------------------------------------

    def assert_sound(self) -> None:
        """Nobody did what none may do."""
        assert self.ear.wrong == []
        for name, run in self.runs.items():
            assert "Traceback" not in run.shown, f"{name}:\n{run.shown}"

    def end(self) -> None:
        """End the nodes in order; then every disk holds the same blocks, and all that became final."""
        for run in self.runs.values():
            run.signal(signal.SIGTERM)
        for name, run in self.runs.items():
            assert run.wait() == 0, f"{name}:\n{run.shown}"
        self.keeper.stop()
        for name in NODES:
            with Store(self.store(name), self.genesis) as store:
                sessions = {}
                height = 1
                while (commit := store.decided(height)) is not None:
                    assert commit.block.id == self.ear.blocks.get(height, commit.block.id)
                    records = [read(tx) for tx in commit.block.body]
                    sessions |= {r.session: height for r in records if isinstance(r, SessionOpened)}
                    height += 1
            assert self.final.items() <= sessions.items(), name
        self.assert_sound()

    def close(self) -> None:
        """Whatever still runs here."""
        self.keeper.stop()
        self.ear.close()
