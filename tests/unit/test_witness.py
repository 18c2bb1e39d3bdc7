"""A witness' configuration: what is wrong in it, and that one runs with one state."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from gateway.agentfile import AgentConfig
from gateway.errors import BadInput
from gateway.genesisfile import genesis_bytes
from gateway.net.identity import Identity
from gateway.witness import Witness
from ledger.records import Party
from ledger.state import Genesis


@pytest.fixture
def config(tmp_path: Path) -> AgentConfig:
    identity = Identity.create("witness-1")
    identity.save(tmp_path / "key.pem")
    genesis = Genesis(1, "row", 0, (Party("witness-1", identity.public_bytes, "customer"),))
    (tmp_path / "genesis.json").write_bytes(genesis_bytes(genesis))
    return AgentConfig(
        "row", "", ("mqtt://127.0.0.1:1",), str(tmp_path / "key.pem"), "", str(tmp_path), id="witness-1",
        chain=str(tmp_path / "genesis.json"),
    )  # fmt: skip


def test_a_second_one_with_the_same_state_is_refused(config: AgentConfig) -> None:
    first = Witness(config)
    assert (first.node, first.chain.problem) == ("witness-1", "")
    with pytest.raises(BadInput, match="another gateway runs here"):
        Witness(config)
    first.journal.close()
    Witness(config).journal.close()


def test_all_that_is_wrong_is_said_at_once(config: AgentConfig) -> None:
    with pytest.raises(BadInput) as bad:
        Witness(msgspec.structs.replace(config, id="witness-2", chain=""))
    said = str(bad.value)
    assert "a witness needs a chain" in said
    assert "its key is that of witness-1" in said


def test_a_genesis_that_cannot_be_read_is_said(config: AgentConfig) -> None:
    Path(config.chain).write_text("{}")
    with pytest.raises(BadInput, match="no genesis"):
        Witness(config)
