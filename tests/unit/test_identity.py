"""A key survives its file and nobody else reads it; trust is kept as it was given."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from gateway.errors import BadInput
from gateway.net.identity import Identity, Trust, boot_id, next_sequence
from gateway.net.roles import ROLES
from gateway.store.atomic import write_atomically


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "node.key"


class TestIdentity:
    def test_it_survives_its_file(self, path: Path) -> None:
        saved = Identity.create("st-a")
        saved.save(path)
        loaded = Identity.load(path)
        assert (loaded.node, loaded.public_bytes) == ("st-a", saved.public_bytes)
        trust = Trust()
        trust.add("st-a", saved.public_bytes)
        assert trust.verify("st-a", "test", b"data", loaded.sign("test", b"data"))
        assert path.stat().st_mode & 0o777 == 0o600
        assert list(path.parent.iterdir()) == [path]

    def test_a_node_is_an_id(self) -> None:
        with pytest.raises(ValueError, match="not an id"):
            Identity.create("Station A")

    def test_each_is_its_own(self) -> None:
        assert Identity.create("a").public_bytes != Identity.create("a").public_bytes

    def test_a_file_that_others_can_read_is_refused(self, path: Path) -> None:
        Identity.create("st-a").save(path)
        path.chmod(0o640)
        with pytest.raises(BadInput, match="chmod 600"):
            Identity.load(path)

    def test_all_that_is_wrong_is_told(self, path: Path) -> None:
        write_atomically(path, b"nothing of use\n", 0o644)
        with pytest.raises(BadInput) as caught:
            Identity.load(path)
        assert len(caught.value.problems) == 3
        assert all(problem.file == str(path) and problem.hint for problem in caught.value.problems)

    def test_the_id_in_the_file_is_checked(self, path: Path) -> None:
        Identity.create("st-a").save(path)
        write_atomically(path, path.read_bytes().replace(b"Node: st-a", b"Node: St-A"), 0o600)
        with pytest.raises(BadInput, match="'St-A' is not an id"):
            Identity.load(path)

    def test_another_kind_of_key_is_refused(self, path: Path) -> None:
        pem = generate_private_key(SECP256R1()).private_bytes(
            Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
        )
        write_atomically(path, b"Node: st-a\n" + pem, 0o600)
        with pytest.raises(BadInput, match="Ed25519"):
            Identity.load(path)

    def test_no_file(self, path: Path) -> None:
        with pytest.raises(BadInput, match="no such file"):
            Identity.load(path)


class TestTrust:
    def test_it_survives_its_file(self, path: Path) -> None:
        trust = Trust()
        trust.save(path)
        assert Trust.load(path).nodes == ()
        keys = {node: Identity.create(node).public_bytes for node in ("st-b", "st-a")}
        for node, key in keys.items():
            trust.add(node, key)
        trust.save(path)
        loaded = Trust.load(path)
        assert loaded.nodes == ("st-a", "st-b")
        assert {node: loaded.public_bytes(node) for node in keys} == keys
        assert loaded.public_bytes("st-c") is None

    def test_a_known_node_keeps_its_key(self) -> None:
        trust, key = Trust(), Identity.create("a").public_bytes
        trust.add("a", key)
        trust.add("a", key)
        with pytest.raises(ValueError, match="another key"):
            trust.add("a", Identity.create("a").public_bytes)
        assert trust.public_bytes("a") == key

    @pytest.mark.parametrize(("node", "key"), [("A", bytes(32)), ("a", bytes(31)), ("a", b"")])
    def test_what_is_no_node_or_no_key_is_refused(self, node: str, key: bytes) -> None:
        with pytest.raises(ValueError):
            Trust().add(node, key)

    def test_a_persons_mistakes_are_told_by_line(self, path: Path) -> None:
        path.write_text("nodes:\n  st-a: 0123\n  St-B: " + "00" * 32 + "\n")
        with pytest.raises(BadInput) as caught:
            Trust.load(path)
        assert [problem.line for problem in caught.value.problems] == [2, 3]
        assert "64 hexadecimal digits" in str(caught.value)

    def test_roles_and_owner_survive_their_file(self, path: Path) -> None:
        trust, key = Trust(), Identity.create("anna").public_bytes
        trust.add("anna", key, ("signer", "operator"), 'Größe & Söhne: "integrator"')
        trust.add("belt", Identity.create("belt").public_bytes)
        trust.save(path)
        assert "roles: [operator, signer], owner: " in path.read_text()
        loaded = Trust.load(path)
        assert loaded.roles("anna") == {"operator", "signer"}
        assert (loaded.owner("anna"), loaded.public_bytes("anna")) == (trust.owner("anna"), key)
        assert loaded.owner("anna").startswith("Größe")
        assert loaded.roles("belt") == frozenset()

    @pytest.mark.parametrize(
        ("given", "may"),
        [
            ((), ()),
            (("viewer",), ("viewer",)),
            (("operator",), ("viewer", "operator")),
            (("commissioner",), ("viewer", "operator", "commissioner")),
            (("signer",), ("signer",)),
            (("viewer", "signer"), ("viewer", "signer")),
        ],
    )
    def test_a_role_holds_the_lesser_ones(self, given: tuple[str, ...], may: tuple[str, ...]) -> None:
        trust = Trust()
        trust.add("anna", Identity.create("anna").public_bytes, given)
        assert tuple(role for role in ROLES if trust.may("anna", role)) == may
        assert not any(trust.may("berta", role) for role in ROLES)

    def test_a_revoked_key_is_never_taken_again(self, path: Path) -> None:
        trust, identity = Trust(), Identity.create("anna")
        trust.add("anna", identity.public_bytes, ("operator",))
        trust.revoke("anna")
        trust.revoke("nobody")
        trust.save(path)
        for each in (trust, Trust.load(path)):
            assert not each.verify("anna", "test", b"data", identity.sign("test", b"data"))
            assert not each.may("anna", "viewer")
            for node in ("anna", "berta"):
                with pytest.raises(ValueError, match="is revoked"):
                    each.add(node, identity.public_bytes)
            each.add("anna", Identity.create("anna").public_bytes)
        path.write_text(
            f"nodes: {{anna: {identity.public_bytes.hex()}}}\n" + path.read_text().split("\n", 1)[1]
        )
        with pytest.raises(BadInput, match="the key of anna is revoked; make a new one") as caught:
            Trust.load(path)
        assert [problem.line for problem in caught.value.problems] == [1]

    def test_who_watches_is_told_what_changes(self) -> None:
        trust, key, told = Trust(), Identity.create("anna").public_bytes, list[tuple[str, bool]]()
        trust.watch(lambda node: told.append((node, trust.may(node, "viewer"))))
        trust.add("anna", key)
        trust.add("anna", key, ("viewer",))
        trust.add("anna", key, ("viewer",))
        trust.add("anna", key, ())
        trust.revoke("anna")
        assert told == [("anna", False), ("anna", True), ("anna", False), ("anna", False)]

    def test_it_becomes_another_and_tells_only_what_differs(self, path: Path) -> None:
        trust, other = Trust(), Trust()
        keys = {node: Identity.create(node).public_bytes for node in ("anna", "belt", "carl", "dora", "eva")}
        for node in ("anna", "belt", "carl", "dora"):
            trust.add(node, keys[node], ("operator",))
        other.add("eva", keys["dora"])
        other.revoke("eva")
        for node, roles in (("anna", ["operator"]), ("belt", []), ("eva", ["viewer"])):
            other.add(node, keys[node], roles)
        told: list[str] = []
        trust.watch(told.append)
        assert trust.become(other) == tuple(told) == ("belt", "carl", "dora", "eva")
        assert (trust.nodes, trust.roles("eva")) == (("anna", "belt", "eva"), {"viewer"})
        with pytest.raises(ValueError, match="is revoked"):
            trust.add("dora", keys["dora"])
        other.forget("anna")
        assert trust.may("anna", "operator"), "what comes later to the other stays with the other"
        assert trust.become(other) == ("anna",)

    def test_a_role_that_is_none_is_told_by_line(self, path: Path) -> None:
        with pytest.raises(ValueError, match="'boss' is no role"):
            Trust().add("anna", bytes(32), ("boss",))
        path.write_text("nodes:\n  anna:\n    key: " + "00" * 32 + "\n    roles: [viewer, boss]\n")
        with pytest.raises(BadInput, match=r"allowed are viewer, operator, commissioner, signer") as caught:
            Trust.load(path)
        assert [problem.line for problem in caught.value.problems] == [4]


def test_a_boot_id_is_one_per_process() -> None:
    assert boot_id() == boot_id()
    assert len(boot_id()) == 8
    other = subprocess.run(
        [sys.executable, "-c", "from gateway.net.identity import boot_id; print(boot_id().hex())"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert len(other.stdout.strip()) == 16
    assert other.stdout.strip() != boot_id().hex()


def test_sequence_numbers_rise_and_begin_above_none() -> None:
    first = next_sequence()
    assert first >= 1
    assert next_sequence() > first


def test_a_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    write_atomically(path, b"old")

    def full(_: int) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="no space"):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]
