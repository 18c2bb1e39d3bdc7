"""The self-test's judgements, each on what the kernel, a controller or a clock may say."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given
from hypothesis import strategies as st

from gateway import reach
from gateway.device import Device
from gateway.field.entries import TagEntry, compile_tags
from gateway.field.probe.opcua_security import credentials
from gateway.field.security import OPEN, read_security
from gateway.field.tags import Tag, read_range
from gateway.field.types import Order, arrange
from gateway.local.checks.certificate import judge, own, protection
from gateway.local.checks.clock import clock
from gateway.local.checks.device import refusals
from gateway.local.checks.disk import disk
from gateway.local.checks.line import Voice
from gateway.local.checks.words import swapped
from gateway.local.messages import DeviceShown
from gateway.local.sockets import count
from gateway.routes import Way, silent, way

# --- words ---------------------------------------------------------------------------------------------


def tags(**kinds: str) -> dict[str, Tag]:
    """Outputs by name, of a type and perhaps a range: ``REAL 0..100``."""
    problems: list[str] = []
    entries = []
    for n, (name, text) in enumerate(kinds.items()):
        kind, _, limits = text.partition(" ")
        entries.append(
            TagEntry("output", kind, f"hr:{4 * n}", name=name, range=read_range(limits) if limits else None)
        )
    found = compile_tags(entries, {"plc": "modbus"}, lambda line, what, hint: problems.append(what))
    assert problems == []
    return found


def misread(tag: Tag, value: float, order: Order) -> float:
    """What ``tag`` shows where the device holds ``value`` in ``order``."""
    shown = tag.type.unpack(arrange(tag.type.pack(value), order))
    assert isinstance(shown, int | float)
    return shown


@pytest.mark.parametrize("order", ["CDAB", "DCBA"])
@pytest.mark.parametrize("value", [12.7, 99.9, 0.3, 65.0])
def test_a_real_whose_words_are_swapped_is_known_by_its_range(order: Order, value: float) -> None:
    mine = tags(level="REAL 0..100")
    found = swapped(mine.values(), {"level": misread(mine["level"], value, order)})
    assert found is not None
    assert found.order == order
    assert found.meant == pytest.approx(value)


def test_a_small_number_in_the_high_word_is_swapped() -> None:
    mine = tags(count="DINT", level="REAL")
    values = {"count": misread(mine["count"], 5, "CDAB"), "level": misread(mine["level"], 21.5, "CDAB")}
    found = swapped(mine.values(), values)
    assert found is not None
    assert (found.tag.name, found.order, found.meant, found.others) == ("count", "CDAB", 5, 1)


@pytest.mark.parametrize(
    ("kinds", "values"),
    [
        ({"level": "REAL 0..100"}, {"level": 12.7}),
        ({"level": "REAL 0..100"}, {"level": 0.0}),  # zero tells nothing
        ({"level": "REAL 0..100"}, {"level": 250.0}),  # too high, and in no order right
        ({"count": "DINT"}, {"count": 123_456}),
        ({"status": "DWORD"}, {"status": 0x0001_0000}),  # bits are no number
        ({"short": "INT 0..10"}, {"short": 256}),  # one word has no order of words
        ({"a": "DINT", "b": "DINT 0..100000"}, {"a": 65536, "b": 70_000}),  # b would make no sense otherwise
        ({"a": "DINT"}, {}),
    ],
)
def test_nothing_is_said_of_what_makes_sense_or_of_what_no_order_explains(
    kinds: Mapping[str, str], values: Mapping[str, float]
) -> None:
    assert swapped(tags(**kinds).values(), values) is None


@given(st.floats(width=32, min_value=0.125, max_value=100), st.sampled_from(["CDAB", "DCBA", "BADC"]))
def test_what_is_read_rightly_is_never_blamed(value: float, order: Order) -> None:
    mine = tags(level="REAL 0..100")
    assert swapped(mine.values(), {"level": value}) is None
    shown = struct.unpack(">f", arrange(struct.pack(">f", value), order))[0]
    found = swapped(mine.values(), {"level": shown})
    assert found is None or 0 < found.meant <= 100


# --- the clock -----------------------------------------------------------------------------------------

HOUR, NOW = 3_600_000_000_000, 1_800_000_000_000_000_000


def voices(live: bool = True, **ahead: int) -> dict[str, Voice]:
    return {node: Voice(node, live, by, None) for node, by in ahead.items()}


@pytest.mark.parametrize(
    ("heard", "newest", "standing", "says"),
    [
        (voices(a=HOUR, b=HOUR, c=0), NOW, "WRONG", "60 min behind the clocks of a, b"),
        (voices(a=-HOUR, b=-HOUR), NOW, "WRONG", "60 min ahead of the clocks of a, b"),
        (voices(a=HOUR), NOW, "WRONG", "60 min behind the clock of a"),
        (voices(a=HOUR, b=0, c=0), NOW, "WRONG", "60 min behind the clock of a"),
        (voices(a=-300_000_000, b=0), NOW, "ok", "as do a, b"),  # a slow broker is no wrong clock
        ({}, NOW + 50 * 24 * HOUR, "WRONG", "50 days younger"),
        (voices(live=False, a=HOUR), NOW, "WRONG", "60 min later"),
        (voices(live=False, a=-HOUR), NOW, "open", "nobody is heard"),
        ({}, 0, "open", "nobody is heard"),
    ],
)
def test_whose_clock_is_wrong(heard: dict[str, Voice], newest: int, standing: str, says: str) -> None:
    found = clock(NOW, newest, heard, "12:00")
    assert found.standing == standing
    assert says in found.text
    assert (found.do == "") is (standing == "ok")


# --- the network ---------------------------------------------------------------------------------------

ROUTES = """Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT
eth0\t00000000\t0100000A\t0003\t0\t0\t0\t00000000\t0\t0\t0
eth0\t0000000A\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0
eth1\t0001A8C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0
eth2\t0002A8C0\t00000000\t0000\t0\t0\t0\t00FFFFFF\t0\t0\t0
"""
ARP = """IP address       HW type     Flags       HW address            Mask     Device
192.168.1.5      0x1         0x2         aa:bb:cc:dd:ee:ff     *        eth1
192.168.1.77     0x1         0x0         00:00:00:00:00:00     *        eth1
"""


def test_the_way_is_the_narrowest_network_that_is_up() -> None:
    assert way(ROUTES, "192.168.1.5") == Way("eth1", "")
    assert way(ROUTES, "10.0.3.4") == Way("eth0", "")
    assert way(ROUTES, "192.168.2.1") == way(ROUTES, "8.8.8.8") == Way("eth0", "10.0.0.1")
    without_default = "\n".join(line for line in ROUTES.splitlines() if "0100000A" not in line)
    assert way(without_default, "8.8.8.8") is None


def test_who_does_not_answer_on_the_network_is_silent() -> None:
    assert silent(ARP, "192.168.1.77")
    assert not silent(ARP, "192.168.1.5")
    assert not silent(ARP, "192.168.1.6")


@pytest.mark.parametrize(
    ("carrier", "standing", "says"),
    [("1", "whole", "has a link"), ("0", "broken", "its cable is unplugged"), (None, "unknown", "has gone")],
)
def test_the_link_of_an_interface(tmp_path: Path, carrier: str | None, standing: str, says: str) -> None:
    folder = tmp_path / "eth0"
    folder.mkdir()
    if carrier is not None:
        (folder / "carrier").write_text(f"{carrier}\n")
    found = reach.link("eth0", tmp_path)
    assert found.standing == standing
    assert says in found.text


def test_connections_to_a_device_are_counted_as_the_kernel_shows_them() -> None:
    text = """  sl  local_address rem_address   st tx_queue
   0: 0100007F:C350 0501A8C0:01F6 01 00000000
   1: 0100007F:C351 0501A8C0:01F6 01 00000000
   2: 0100007F:C352 0501A8C0:01F6 06 00000000
   3: 0100007F:C353 0501A8C0:0066 01 00000000
"""
    assert count([text], "0501A8C0:01F6") == 2


# --- refusals, certificates, the disk --------------------------------------------------------------------


def device(protocol: str, *refused: tuple[str, str]) -> DeviceShown:
    return DeviceShown("plc", "controller", protocol, "s7://h/0/1", "ready", True, refused=refused)


def test_each_reason_of_a_refusal_is_told_once() -> None:
    said = "{} at DB1.DBW0: refused with {}; check the address"
    shown = device(
        "s7",
        *((tag, said.format(tag, "access not allowed")) for tag in ("a", "b", "c")),
        ("d", said.format("d", "address out of range")),
        ("e", "the controller does not read hr:3; check the module"),
    )
    found = refusals(shown)
    assert len(found) == 3
    assert "a and 2 more" in found[0].text
    assert "PUT/GET" in found[0].do
    assert (found[1].text, found[1].do) == ("d refused: address out of range", "check the address")
    assert "does not read hr:3" in found[2].text
    assert "PUT/GET" not in refusals(device("modbus", ("a", said.format("a", "access not allowed"))))[0].do


@pytest.mark.parametrize(
    ("begins", "ends", "standing", "says"),
    [
        (-30, 100, "ok", "valid until"), (-30, -1, "WRONG", "expired on"), (-30, 5, "WRONG", "expires on"),
        (1, 100, "WRONG", "not valid yet"),
    ],
)  # fmt: skip
def test_a_certificate_is_judged_by_its_days(begins: int, ends: int, standing: str, says: str) -> None:
    now, key = datetime.now(UTC), ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "x")])
    made = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(1).not_valid_before(now + timedelta(days=begins))
        .not_valid_after(now + timedelta(days=ends)).sign(key, hashes.SHA256())
    )  # fmt: skip
    found = judge("certificate", made.public_bytes(Encoding.DER), now, "make another", "it")
    assert found.standing == standing
    assert says in found.text
    assert judge("certificate", b"none", now, "make another", "it").standing == "WRONG"


def test_a_disk_that_takes_what_is_written_keeps_nothing_of_it(tmp_path: Path) -> None:
    assert disk(tmp_path).standing == "ok"
    assert list(tmp_path.iterdir()) == []
    assert disk(tmp_path / "none").standing == "open"


@pytest.mark.parametrize(
    ("device", "standing", "says"),
    [
        (Device("modbus://10.0.0.7/1"), None, ""),
        (Device("opc.tcp://127.0.0.1:4840"), "ok", "none, on this machine"),
        (Device("opc.tcp://[::1]:4840"), "ok", "none, on this machine"),
        (Device("opc.tcp://press.example:4840"), "open", "not signed, not encrypted"),
        (Device("opc.tcp://10.0.0.7", security=OPEN), "ok", "none, as the station file says"),
        (Device("opc.tcp://10.0.0.7", security=read_security("Basic256Sha256")), "ok", "/SignAndEncrypt"),
        (
            Device("opc.tcp://10.0.0.7", security=read_security("aes256sha256rsapss"), user="ada"),
            "ok",
            "Aes256_Sha256_RsaPss/SignAndEncrypt, user ada",
        ),
    ],
)
def test_what_protects_a_device_on_its_way(device: Device, standing: str | None, says: str) -> None:
    found = protection(device)
    assert (None if found is None else found.standing) == standing
    assert found is None or says in found.text


def test_the_certificate_that_a_gateway_shows_must_be_there(tmp_path: Path) -> None:
    now = datetime.now(UTC)
    [missing] = own(now, str(tmp_path))
    assert missing.standing == "WRONG"
    credentials(tmp_path, now)
    [found] = own(now + timedelta(minutes=5), str(tmp_path))  # making it took a while
    assert found.standing == "ok"
    [late] = own(now + timedelta(days=3000), str(tmp_path))
    assert late.standing == "WRONG"
