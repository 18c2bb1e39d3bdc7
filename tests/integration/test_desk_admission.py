"""A second operator is let onto a line's chain from a desk, and runs sessions there, or is told at once."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from gateway.agentfile import AgentConfig
from gateway.chain import ChainKeeper
from gateway.errors import BadInput
from gateway.genesisfile import genesis_bytes, load_genesis
from gateway.net.identity import Identity, Trust
from ledger.genesis import Genesis
from ledger.records import Party
from rig import admission
from rig.admission import Void, enrol, on_chain, revoke
from rig.backend import RigFault
from rig.broker import Broker
from rig.chain import RigChain
from rig.onchain import check_may_run
from rig.prepare import CONFIG, GENESIS, TRUST

NOBODY = "mqtt://127.0.0.1:1"


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    """The folder with the keys of a chain of one member, which anna began."""
    known = {name: Identity.create(name) for name in ("mill", "anna", "bert")}
    parties = (
        Party("mill", known["mill"].public_bytes, "row"),
        Party("anna", known["anna"].public_bytes, "anna", False, True, ("commissioner",)),
    )
    genesis = Genesis(1, "row", time.time_ns(), parties)
    (tmp_path / GENESIS).write_bytes(genesis_bytes(genesis))
    trust = Trust()
    for name, each in known.items():
        trust.add(name, each.public_bytes)
        each.save(tmp_path / f"{name}.pem")
    trust.save(tmp_path / TRUST)
    (tmp_path / "state").mkdir()
    return tmp_path


@pytest.fixture
def url(keys: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The broker at which its member runs."""
    with Broker(tmp_path_factory.mktemp("broker")) as broker:
        mill, genesis = Identity.load(keys / "mill.pem"), load_genesis(keys / GENESIS)
        keeper = ChainKeeper("row", mill, [broker.url], genesis, keys / "state")
        keeper.start()
        try:
            yield broker.url
        finally:
            keeper.stop()


@pytest.mark.long
def test_a_second_operator_runs_sessions_and_the_last_one_stays(keys: Path, url: str) -> None:
    said = enrol(keys, "anna", "bert", roles=("commissioner",), dispatches=False, brokers=(url,))
    assert "bert of row is enrolled (commissioner), final" in said[0]
    with pytest.raises(Void, match="anna is the last dispatcher"):
        revoke(keys, "bert", "anna", "the notebook is gone", (url,))
    with on_chain(keys, "bert", (url,)) as chain, pytest.raises(RigFault, match="bert runs no sessions"):
        check_may_run(chain)
    said = enrol(keys, "anna", "bert", roles=("operator",), brokers=(url,))
    assert "bert of row is enrolled (runs sessions, operator), final" in said[0]
    with on_chain(keys, "bert", (url,)) as chain:
        check_may_run(chain)


@pytest.mark.parametrize("plain", [False, True])
def test_a_desk_speaks_in_the_clear_only_where_the_line_does(
    keys: Path, plain: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = AgentConfig("row", "", (NOBODY,), "key.pem", "trust.yaml", "state", id="mill", plain=plain)
    (keys / "mill").mkdir()
    (keys / "mill" / CONFIG).write_bytes(msgspec.json.encode(config))

    class Asked(Exception):
        """It got past the check."""

    def made(*_: object, **__: object) -> RigChain:
        raise Asked

    monkeypatch.setattr(admission, "RigChain", made)
    with pytest.raises(Asked if plain else BadInput), on_chain(keys, "anna", ("mqtt://192.0.2.1",)):
        pass


def test_what_does_not_start_whole_is_ended(keys: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stopped = []

    def start(chain: RigChain) -> None:
        raise OSError("no room")

    monkeypatch.setattr(RigChain, "start", start)
    monkeypatch.setattr(RigChain, "stop", lambda chain: stopped.append(chain))
    with pytest.raises(OSError, match="no room"), on_chain(keys, "anna", (NOBODY,)):
        pass
    assert len(stopped) == 1


def test_who_decides_is_known_before_anything_is_revoked(keys: Path, url: str) -> None:
    assert admission.decides(keys, "anna", (url,))
    assert not admission.decides(keys, "bert", (url,))
