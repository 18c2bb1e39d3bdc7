"""The self-test of a gateway whose broker wants a certificate: what it shows, is shown, and what is wrong."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import msgspec
import pytest
from shell_support import Gateway
from tls_support import LineOf

from gateway.agentfile import AgentConfig, read_config
from gateway.errors import BadInput
from gateway.pki.certificates import DAY
from rig.acl import Admitted

TAGS = 'level: {direction: output, type: UINT, address: "hr:2"}'


def test_it_looks_at_both_certificates(tmp_path: Path) -> None:
    line = LineOf(tmp_path)
    line.give("cell")
    with line.broker(admitted=(Admitted("cell", "gateway"),)) as broker:
        gateway = Gateway(tmp_path / "gw", "modbus://127.0.0.1:9/1", TAGS, broker.url)
        file = gateway.folder / "gateway.json"
        config = msgspec.json.decode(file.read_bytes(), type=AgentConfig)
        with pytest.raises(BadInput, match="wants a certificate; give tls"):
            read_config(file)
        shutil.copytree(tmp_path / "cell/tls", gateway.folder / "tls")
        file.write_bytes(msgspec.json.encode(msgspec.structs.replace(config, tls="tls")))
        found = gateway.selftest()
        assert found["broker"]["standing"] == "ok", found
        assert found["certificate broker"]["standing"] == "ok"
        assert broker.url in found["certificate broker"]["text"]  # the last one; ours stands before it
        assert found["revocation lists"]["standing"] == "ok"
        lists = gateway.folder / "tls/revoked.pem"
        lists.write_bytes(line.overdue())
        found = gateway.selftest()
        assert found["broker"]["standing"] == "ok"  # a list that is overdue stops nobody
        assert found["revocation lists"]["standing"] == "open"
        assert "the list of the revoked of one issuing ran out on" in found["revocation lists"]["text"]
        lists.unlink()
        assert "there are none" in gateway.selftest()["revocation lists"]["text"]
        line.give("cell", now=time.time_ns() - 100 * DAY, lasts=30 * DAY)
        shutil.copytree(tmp_path / "cell/tls", gateway.folder / "tls", dirs_exist_ok=True)
        found = gateway.selftest()
        assert found["broker"]["standing"] == "WRONG"
        assert "our certificate was valid until" in found["broker"]["text"]


@pytest.mark.parametrize("url", ["mqtt://10.0.0.5", "mqtt://broker.works:1883"])
def test_nothing_goes_to_another_machine_in_the_clear(tmp_path: Path, url: str) -> None:
    gateway = Gateway(tmp_path / "gw", "modbus://127.0.0.1:9/1", TAGS, url)
    file = gateway.folder / "gateway.json"
    allowed = msgspec.json.decode(file.read_bytes(), type=AgentConfig)
    assert read_config(file).brokers == (url,)
    file.write_bytes(msgspec.json.encode(msgspec.structs.replace(allowed, plain=False)))
    with pytest.raises(BadInput, match="everything in the clear to another machine"):
        read_config(file)
