"""``security:``, ``user:`` and ``password-file:`` in a station file: what may be asked for, and what not."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from gateway.errors import BadInput
from gateway.field.drivers.base import open_driver
from gateway.field.opcua.folder import MOST_REJECTED, read_password, reject
from gateway.field.security import OPEN, Access, Security, is_loopback, read_security, variable
from gateway.station import Station, load_station

STATION = """twinline: station 1
id: glue
devices:
  plc: {{{plc}}}
tags:
  lamp: {{direction: output, type: BOOL, address: {at}}}
twin: {{}}
"""
BEST = Security("Basic256Sha256", "SignAndEncrypt")
OPCUA = 'address: "opc.tcp://192.0.2.7:4840"'


def station(folder: Path, plc: str, at: str = "ns=2;s=Lamp") -> Station:
    path = folder / "glue.yaml"
    path.write_text(STATION.format(plc=plc, at=at))
    return load_station(path)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("Basic256Sha256", Security("Basic256Sha256", "SignAndEncrypt")),
        ("basic256sha256/sign", Security("Basic256Sha256", "Sign")),
        ("Aes256Sha256RsaPss/SignAndEncrypt", Security("Aes256_Sha256_RsaPss", "SignAndEncrypt")),
        ("None", OPEN),
    ],
)
def test_security_is_read(tmp_path: Path, text: str, wanted: Security) -> None:
    found = station(tmp_path, f"{OPCUA}, security: {text}")
    assert found.controller.security == wanted == read_security(text)
    assert found.controller.secured is (wanted != OPEN)
    assert not found.controller.exposed
    assert set(found.accesses("certificates")) == ({"plc"} if wanted != OPEN else set())


def test_nothing_said_over_a_network_is_exposed(tmp_path: Path) -> None:
    assert station(tmp_path, OPCUA).controller.exposed
    assert not station(tmp_path, 'address: "opc.tcp://127.0.0.1:4840"').controller.exposed
    assert not station(tmp_path, 'address: "modbus://192.0.2.7/1"', '"coil:0"').controller.exposed


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.0.1", "::1", "localhost", "LOCALHOST"])
def test_this_machine_is_no_network(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["192.0.2.7", "localhost.example", "0.0.0.0", "press", ""])
def test_all_others_are(host: str) -> None:
    assert not is_loopback(host)


@pytest.mark.parametrize(
    ("plc", "at", "what"),
    [
        (f"{OPCUA}, security: Basic256", "ns=2;s=Lamp", "'Basic256' is no security spoken here"),
        (f"{OPCUA}, security: none", "ns=2;s=Lamp", "'none' is no security spoken here"),
        (f"{OPCUA}, security: Basic256Sha256/None", "ns=2;s=Lamp", "is no security spoken here"),
        (f"{OPCUA}, user: ada", "ns=2;s=Lamp", "over an encrypted connection alone"),
        (f"{OPCUA}, security: None, user: ada", "ns=2;s=Lamp", "over an encrypted connection alone"),
        (f"{OPCUA}, security: Basic256Sha256/Sign, user: ada", "ns=2;s=Lamp", "encrypted connection alone"),
        (f"{OPCUA}, security: Basic256Sha256, password-file: x", "ns=2;s=Lamp", "without a user"),
        ('address: "modbus://192.0.2.7/1", security: Basic256Sha256', '"coil:0"', "are OPC UA's"),
        (f"{OPCUA}, password: secret", "ns=2;s=Lamp", "key 'password' is not known"),
    ],
)
def test_what_cannot_be_is_said_with_its_line(tmp_path: Path, plc: str, at: str, what: str) -> None:
    with pytest.raises(BadInput) as error:
        station(tmp_path, plc, at)
    assert any(what in each.what and each.line == 4 for each in error.value.problems), error.value


def test_what_the_gateway_serves_at_a_network_says_its_security(tmp_path: Path) -> None:
    def tool(address: str, security: str) -> Station:
        path = tmp_path / "glue.yaml"
        one = STATION.replace("lamp: {{", "lamp: {{device: plc, ")
        served = f'  tool: {{role: served, address: "opc.tcp://{address}:4840"{security}}}\n'
        path.write_text(one.format(plc=OPCUA, at="ns=2;s=Lamp").replace("tags:\n", f"{served}tags:\n"))
        return load_station(path)

    for address in ("192.0.2.8", "0.0.0.0"):
        with pytest.raises(BadInput, match="serve it over a network, not signed and not encrypted") as error:
            tool(address, "")
        assert "security: None where that is meant" in str(error.value)
        assert tool(address, ", security: None").accesses("opcua") == {}
        asked = tool(address, ", security: Basic256Sha256, user: ada").accesses("opcua")["tool"]
        assert asked == Access(BEST, "opcua", "ada", "", "TWINLINE_PASSWORD_GLUE_TOOL")
    assert tool("127.0.0.1", "").accesses("opcua") == {}


def test_other_protocols_take_no_access() -> None:
    how = Access(read_security("Basic256Sha256"), "")
    with pytest.raises(ValueError, match="has no security"):
        open_driver("modbus://127.0.0.1/1", {}, 1, access=how)


def test_a_password_comes_of_a_file_beside_the_station_file_or_of_the_environment(tmp_path: Path) -> None:
    found = station(tmp_path, f"{OPCUA}, security: Basic256Sha256, user: ada, password-file: plc.password")
    how = found.placed("glue-2", {}).accesses("certificates")["plc"]
    assert how[1:] == ("certificates", "ada", str(tmp_path / "plc.password"), "TWINLINE_PASSWORD_GLUE_2_PLC")
    assert variable("glue-2", "plc") == how.variable
    file = Path(how.password_file)
    for text, mode, wrong in (
        (b"sesame\r\n", 0o644, "chmod 600"), (b"\n", 0o600, "is empty"), (b"\xff", 0o600, "not UTF-8"),
    ):  # fmt: skip
        file.write_bytes(text)
        os.chmod(file, mode)
        with pytest.raises(ValueError, match=wrong) as error:
            read_password(how, {how.variable: "never"})
        assert "sesame" not in str(error.value)
    file.write_bytes(b"sesame \r\n")
    assert read_password(how, {}) == "sesame "
    assert read_password(how._replace(password_file=""), {how.variable: "open"}) == "open"
    with pytest.raises(ValueError, match=how.variable):
        read_password(how._replace(password_file=""), {})


def test_only_so_many_rejected_certificates_are_kept(tmp_path: Path) -> None:
    paths = [reject(tmp_path, bytes([n])) for n in range(MOST_REJECTED + 5)]
    kept = list((tmp_path / "rejected").iterdir())
    assert len(kept) == MOST_REJECTED
    assert paths[-1] in kept
    assert paths[0] not in kept
    tmp_path.chmod(stat.S_IRUSR)
    try:
        assert os.geteuid() == 0 or reject(tmp_path, b"x") is None
    finally:
        tmp_path.chmod(stat.S_IRWXU)
