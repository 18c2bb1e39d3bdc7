"""``twinline gateway prepare --pki``: the keys stay where their nodes were enrolled."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import pytest

from gateway.agentfile import read_config
from gateway.config import find_config
from gateway.errors import BadInput
from gateway.genesisfile import load_genesis
from gateway.net.identity import Identity, Trust
from gateway.net.roles import ALL, Role
from gateway.pki.enrolment import Kind
from rig.line import Line, load_line
from rig.pki.admission import admit
from rig.pki.authority import Authority
from rig.prepare import GENESIS, key_of, prepare, tls_of

BROKER = "mqtts://10.0.0.5:8883"
NODES: dict[str, Kind] = {
    "infeed": "gateway", "glue": "gateway", "screw": "gateway", "witness-1": "witness", "anna": "operator",
    "inspector": "party",
}  # fmt: skip


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority.create(tmp_path_factory.mktemp("pki"), "starter", None, now=time.time_ns())


@pytest.fixture(scope="module")
def line() -> Line:
    return load_line(find_config("lines/starter.yaml"))


def enrol(authority: Authority, folder: Path, roles: tuple[Role, ...] = ALL) -> None:
    """Every node of the line, each in a folder of its own, as if on a machine of its own."""
    now = time.time_ns()
    for node, kind in NODES.items():
        given = roles if kind == "operator" else ()
        admit(authority, folder / node, Identity.create(node), kind, now=now, roles=given)
    admit(
        authority, folder / "mosquitto", Identity.create("mosquitto"), "broker", now=now, hosts=["10.0.0.5"]
    )


@pytest.fixture(scope="module")
def machines(authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("machines")
    enrol(authority, folder)
    return folder


def test_who_is_not_enrolled_yet_is_said_all_at_once(line: Line, tmp_path: Path) -> None:
    made = Authority.create(tmp_path / "pki", "starter", None, now=time.time_ns())
    with pytest.raises(BadInput) as raised:
        list(prepare(line, tmp_path / "into", (BROKER,), "anna", pki=made.folder))
    said = "\n".join(map(str, raised.value.problems))
    for node, kind in NODES.items():
        assert f"{node} is not enrolled yet; twinline pki enroll {node} --as {kind}" in said
    assert not (tmp_path / "into").exists()


def test_no_key_is_made_and_all_is_said_of_those_there_are(
    line: Line, authority: Authority, machines: Path, tmp_path: Path
) -> None:
    into = tmp_path / "into"
    said = "\n".join(prepare(line, into, (BROKER,), "anna", pki=authority.folder))
    assert not [path for path in into.rglob("*") if path.is_file() and b"PRIVATE" in path.read_bytes()]
    assert "which has the keys" in said
    trust, genesis = Trust.load(into / "infeed/trust.yaml"), load_genesis(into / "glue/genesis.json")
    known = {party.node: party for party in genesis.parties}
    for node in NODES:
        public = Identity.load(machines / node / "key.pem").public_bytes
        assert trust.public_bytes(node) == known[node].public == public
    assert trust.may("anna", "commissioner")
    assert known["anna"].roles == ALL
    assert not trust.may("infeed", "viewer")
    assert trust.public_bytes("mosquitto") is None  # a broker says nothing of its own
    acl = (into / "mosquitto/acl").read_text()
    assert all(f"user {node}" in acl for node in NODES)


def test_a_gateway_has_all_that_it_needs_once_both_are_together(
    line: Line, authority: Authority, machines: Path, tmp_path: Path
) -> None:
    into = tmp_path / "into"
    list(prepare(line, into, (BROKER,), "anna", pki=authority.folder))
    shutil.copytree(machines / "infeed", tmp_path / "infeed")
    shutil.copytree(into / "infeed", tmp_path / "infeed", dirs_exist_ok=True)
    config = read_config(tmp_path / "infeed/gateway.json")
    files = config.tls_files
    assert files is not None
    assert all(
        path.exists() for path in (*files, Path(config.trust), Path(config.chain), Path(config.station))
    )
    assert Identity.load(Path(config.key)).node == "infeed"
    # The operator's stay at the desk, beside what was prepared.
    shutil.copytree(machines / "anna", into / "anna", dirs_exist_ok=True)
    assert Identity.load(key_of(into, "anna")).node == "anna"
    assert tls_of(into, "anna") is not None


def test_owners_and_roles_are_on_the_chain_as_the_authority_gave_them(line: Line, tmp_path: Path) -> None:
    made = Authority.create(tmp_path / "pki", "starter", None, now=time.time_ns(), owner="Works Ltd")
    owners = {"glue": "Glue Vendor", "inspector": "Third House"}
    admit(made, tmp_path / "spare", Identity.create("witness-9"), "witness", now=time.time_ns())
    for node, kind in NODES.items():
        roles: tuple[Role, ...] = {"anna": ALL, "inspector": ("signer",)}.get(node, ())  # type: ignore[assignment]
        owner = owners.get(node, "")
        admit(
            made, tmp_path / node, Identity.create(node), kind, now=time.time_ns(), roles=roles, owner=owner
        )
    told = "\n".join(prepare(line, tmp_path / "into", ("mqtt://127.0.0.1",), "anna", pki=made.folder))
    assert "witness-9 is enrolled as witness, and has no part in" in told
    parties = {each.node: each for each in load_genesis(tmp_path / "into/genesis.json").parties}
    assert {name: each.owner for name, each in parties.items()} == dict.fromkeys(NODES, "Works Ltd") | owners
    assert (parties["inspector"].roles, parties["anna"].roles) == (("signer",), ALL)
    assert not parties["inspector"].member


def test_an_inspector_of_the_gateways_own_owner_is_another_on_the_chain(
    line: Line, authority: Authority, machines: Path, tmp_path: Path
) -> None:
    said = "\n".join(prepare(line, tmp_path, (BROKER,), "anna", pki=authority.folder))
    assert "witness-9" not in said
    (found,) = (each for each in load_genesis(tmp_path / GENESIS).parties if each.node == "inspector")
    assert found.owner == "inspection"
    assert "it could not inspect: on the chain it belongs to inspection" in said


def test_the_chain_goes_on_when_it_is_prepared_again(
    line: Line, authority: Authority, machines: Path, tmp_path: Path
) -> None:
    into = tmp_path / "into"
    list(prepare(line, into, (BROKER,), "anna", pki=authority.folder))
    first = (into / "genesis.json").read_bytes()
    list(prepare(line, into, (BROKER,), "anna", pki=authority.folder))
    assert (into / "genesis.json").read_bytes() == first


def test_only_a_commissioner_begins_a_chain(line: Line, tmp_path: Path) -> None:
    made = Authority.create(tmp_path / "pki", "starter", None, now=time.time_ns())
    enrol(made, tmp_path, ("operator",))
    with pytest.raises(BadInput, match="enrol anna with --role commissioner"):
        list(prepare(line, tmp_path / "into", (BROKER,), "anna", pki=made.folder))
    assert list(prepare(line, tmp_path / "into", (BROKER,), "anna", chain=False, pki=made.folder))


def test_an_authority_that_does_not_fit(
    line: Line, authority: Authority, machines: Path, tmp_path: Path
) -> None:
    with pytest.raises(BadInput, match="holds no authority"):
        list(prepare(line, tmp_path, (BROKER,), "anna", pki=tmp_path / "nowhere"))
    theirs = Authority.create(tmp_path / "theirs", "other", None, now=time.time_ns())
    with pytest.raises(BadInput, match="is the authority of line other, this is starter"):
        list(prepare(line, tmp_path, (BROKER,), "anna", pki=theirs.folder))
    with pytest.raises(BadInput, match=r"no broker is enrolled for 10\.0\.0\.6"):
        list(prepare(line, tmp_path, ("mqtts://10.0.0.6",), "anna", pki=authority.folder))
