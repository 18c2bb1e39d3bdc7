"""Who signs a session off, who is let in and who is put out: on the chain, with every node a process."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from running import HOLD, TWINLINE, WITHIN, Memory, Run, Starter, belt, memory, procedures, until, witnesses
from site_alone import Site
from test_session_lease import HOLDS

from gateway.chain import ChainKeeper
from gateway.genesisfile import load_genesis
from gateway.net.identity import Identity
from gateway.net.reports import ChainState
from gateway.net.roles import ALL
from ledger.codec import Malformed
from ledger.records import Enrolled, Party, Record, Revoked, SessionOpened, read
from ledger.types import Commit
from rig.backend import RigFault, Script
from rig.broker import Broker
from rig.chainfolder import examine
from rig.chainstatus import Heard, ask
from rig.pki.admission import admit
from rig.pki.authority import Authority
from rig.prepare import KEY

SECOND = 1_000_000_000


@pytest.fixture
def site(tmp_path: Path, start: Starter) -> Iterator[Site]:
    """The small line, its gateway and its witnesses; anna was there first, carl and vera have come."""
    made = belt(tmp_path)
    start.controller(tmp_path, made)
    with Broker(tmp_path / "broker") as broker:
        site = Site(tmp_path, made, start, broker, ("anna", "carl", "vera"))
        site.gateway()
        witnesses(tmp_path, site.keys, start)
        yield site


def desk(site: Site, *command: str) -> Run:
    return site.start(site.folder, *TWINLINE, *command, "--keys", str(site.keys))


def authority(site: Site) -> tuple[str, str]:
    """An authority that has let in carl and the gateway, as options of ``twinline pki``."""
    made = Authority.create(site.folder / "authority", "one", None, now=time.time_ns())
    for node, kind, roles in (("carl", "operator", ALL), ("belt", "gateway", ())):
        identity = site.operators.get(node) or Identity.load(site.keys / node / KEY)
        admit(made, site.folder / "admitted" / node, identity, kind, now=time.time_ns(), roles=roles)
    return "--pki", str(made.folder)


def ends(run: Run, status: int, *said: str) -> None:
    assert run.wait() == status, run.shown
    for each in said:
        assert each in run.said, run.shown


def chain(site: Site, node: str) -> ChainState:
    found: Heard = until(
        f"{node} is heard", lambda: ask(site.broker.url, site.keys, "anna").get(f"one/{node}")
    )
    return found.state


def test_who_is_revoked_is_out_within_a_block_while_it_forces(site: Site) -> None:
    seen: list[tuple[float, str, int, Record]] = []  # when it became final, proposer, height, record

    def decided(commit: Commit) -> None:
        header = commit.block.header
        for tx in commit.block.body:
            found = read(tx)
            assert not isinstance(found, Malformed)
            seen.append((time.monotonic(), header.proposer, header.height, found))

    def final(record: Record) -> tuple[float, str, int, Record]:
        keeper.record(record).result(WITHIN)
        found: tuple[float, str, int, Record] = until(
            "it is final", lambda: next((each for each in seen if each[-1] == record), None)
        )
        return found

    (site.folder / "desk").mkdir()
    anna, carl = site.operators["anna"], site.operators["carl"]
    genesis = load_genesis(site.keys / "genesis.json")
    keeper = ChainKeeper("one", anna, [site.broker.url], genesis, site.folder / "desk", decided)
    keeper.start()
    try:
        final(Enrolled(Party("carl", carl.public_bytes, "integrator", False, False, ("operator",))))
        with site.operator("carl") as backend, memory(site.made.port) as watched:
            backend.hold("belt")
            backend.run({"belt": Script(HOLDS, keep=True)})
            watched.wait(Memory.HELD)
            at = final(Revoked("carl", "the notebook is gone"))[0]
            watched.wait(Memory.SAFE)
            print(f"{time.monotonic() - at:.3f} s from the block that revokes to the safe state")
            with pytest.raises(RigFault):
                backend.hold("belt")
            assert watched.read() == Memory.SAFE
        _, _, height, _ = final(Revoked("belt", "its card was stolen", weakens=True))
        until("belt knows", lambda: "belt is revoked" in chain_problem(site))
        later = [final(SessionOpened(f"s{number}", "one", bytes(32))) for number in range(4)]
        # What was being agreed on while it was revoked may be of belt.
        assert "belt" not in {proposer for _, proposer, at_height, _ in later if at_height > height + 1}
    finally:
        keeper.stop()


def chain_problem(site: Site) -> str:
    """What the gateway says in its heartbeat."""
    with site.operator("anna") as backend:
        return backend.seen(["belt"], WITHIN * SECOND)["belt"].state.problem


@pytest.mark.long
def test_a_session_is_signed_off_and_who_is_revoked_writes_no_more(site: Site) -> None:
    options = ("--broker", site.broker.url, "--keys", str(site.keys), "--operator", "anna", "-k")
    first = site.start.session(site.folder / "first", site.made.line, *options, "passing")
    ends(first, 0)
    run = first.run
    assert run is not None
    signing = ("session", "sign", str(run), "--person", "Vera Vogt", "--role", "vendor", "--operator")
    ends(desk(site, *signing, "vera"), 3, "vera is not enrolled")
    enroll = ("ledger", "enroll", "--operator")
    pki = authority(site)
    ends(desk(site, "pki", "record", "carl", "--operator", "anna", *pki), 0, "carl of one is enrolled")
    allowed = desk(site, *enroll, "anna", "vera", "--roles", "signer", "--owner", "vendor")
    ends(allowed, 0, "vera of vendor is enrolled (signer)")
    ends(desk(site, *signing, "vera"), 0, "signed by Vera Vogt for vera (vendor), final at height")
    trusted = ("--genesis", str(site.keys / "genesis.json"))
    verified = site.start(site.folder, *TWINLINE, "ledger", "verify", str(run), *trusted)
    ends(verified, 0, "accepted by Vera Vogt, vendor (vera)")
    (run / "chain/signed-vera.json").unlink()
    ends(desk(site, *signing, "vera"), 0, "signed-vera.json")  # as if it had been ended before it wrote that
    another = [each.replace("Vera Vogt", "Victor Vogt") for each in signing]
    ends(desk(site, *another, "vera"), 1, "vera has signed")

    procedures(site.folder / "held", hold=HOLD)
    held = site.start.session(site.folder / "held", site.made.line, *options, "hold")
    with memory(site.made.port) as watched:
        watched.wait(Memory.HELD)
        ends(desk(site, *signing, "carl"), 1, "forced: command of belt, part-leaves of belt")
        revoke = ("ledger", "revoke", "--operator", "carl", "--why", "the notebook is gone")
        put_out = desk(site, *revoke, "anna")
        watched.wait(Memory.SAFE)
        ends(put_out, 0, "anna is revoked, final at height")
        assert held.wait() == 3, held.shown
        put_out = desk(site, "pki", *revoke[1:], "belt", *pki)
        ends(put_out, 0, "revoked.crl.pem", "3 members are left, of which none may lie or be away")
    looking = ("gateway.local", str(site.keys / "belt"), "-c", "status", "-c", "lease take")
    shell = site.start(site.folder, sys.executable, "-m", *looking)
    assert shell.wait() != 0, shell.shown
    assert "belt is revoked" in shell.said
    ends(desk(site, *signing, "carl"), 0, "signed by Vera Vogt for carl")
    signed = examine(run)
    assert [each.node for each in signed.signed] == ["carl", "vera"]
    assert not signed.wrong
    until("it is no member", lambda: not chain(site, "belt").member)
    height = chain(site, "witness-1").height
    made = {block.header.proposer for block in examine(run).blocks if block.header.height > height}
    assert "belt" not in made
