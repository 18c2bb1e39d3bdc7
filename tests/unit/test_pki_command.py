"""``twinline pki`` and ``python -m gateway.enroll`` as people use them, with no network between them."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import NamedTuple

import pytest
from cryptography import x509
from typer.testing import CliRunner

from gateway import enroll
from gateway.errors import BadInput
from gateway.pki.credentials import enrolled
from rig.pki import passphrase as passphrases
from rig.pki.commands import app

PASSPHRASE = "correct horse battery"


class Told(NamedTuple):
    """Exit status and all that was printed."""

    status: int
    text: str


class Desk:
    """An authority's folder, and files beside it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.pki = folder, folder / "authority"

    def pki_(self, *words: str) -> Told:
        return run(words[0], *words[1:], "--pki", str(self.pki))

    def file(self, name: str) -> str:
        return str(self.folder / name)

    def at_gateway(self, *words: str) -> Told:
        """As the process would, without starting one."""
        return enroll_here(*words)


def run(*words: str, answer: str = "") -> Told:
    done = CliRunner().invoke(app, list(words), input=answer)
    if isinstance(done.exception, BadInput):
        return Told(2, done.output + str(done.exception))
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return Told(done.exit_code, done.output)


def enroll_here(*words: str) -> Told:
    with pytest.MonkeyPatch.context() as patched:
        said: list[str] = []
        patched.setattr(sys, "argv", ["enroll", *words])
        patched.setattr("builtins.print", lambda text, **_: said.append(str(text)))
        return Told(enroll.main(), "\n".join(said))


def passphrase(folder: Path, text: str = PASSPHRASE, mode: int = 0o600) -> str:
    path = folder / "passphrase"
    path.write_text(f"{text}\n")
    path.chmod(mode)
    return str(path)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made")
    told = run("init", str(folder / "authority"), "--line", "starter", "--owner", "Works Ltd",
               "--passphrase-file", passphrase(folder))  # fmt: skip
    assert told.status == 0, told.text
    return folder


@pytest.fixture
def desk(tmp_path: Path, made: Path) -> Desk:
    shutil.copytree(made, tmp_path / "desk")
    return Desk(tmp_path / "desk")


def test_init_says_where_the_root_goes_and_hides_its_key(made: Path) -> None:
    folder = made / "authority"
    assert {path.name for path in folder.iterdir()} == {
        "root.pem", "root.key.pem", "issuing.pem", "issuing.key.pem", "registry.sqlite", "revoked.crl.pem",
            "root.crl.pem",
    }  # fmt: skip
    for name in ("root.key.pem", "issuing.key.pem", "registry.sqlite"):
        assert (folder / name).stat().st_mode & 0o777 == 0o600, name
    assert "ENCRYPTED" in (folder / "root.key.pem").read_text()
    told = run("init", str(folder), "--line", "starter", "--passphrase-file", str(made / "passphrase"))
    assert told.status == 2
    assert "holds an authority already" in told.text


@pytest.mark.parametrize(
    ("text", "mode", "why"),
    [("short", 0o600, "is guessed"), (PASSPHRASE, 0o644, "others can read"), ("", 0o600, "is guessed")],
)
def test_a_passphrase_that_does_not_do(tmp_path: Path, text: str, mode: int, why: str) -> None:
    told = run("init", str(tmp_path / "a"), "--line", "starter",
               "--passphrase-file", passphrase(tmp_path, text, mode))  # fmt: skip
    assert told.status == 2
    assert why in told.text
    assert not (tmp_path / "a").exists()
    assert text == "" or text not in told.text


def test_a_missing_passphrase_says_how_to_give_it(tmp_path: Path) -> None:
    told = run("init", str(tmp_path / "a"), "--line", "starter")
    assert told.status == 2
    assert "TWINLINE_PASSPHRASE_FILE" in told.text


def test_a_passphrase_is_asked_twice_on_a_terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal:
        isatty = staticmethod(lambda: True)

    monkeypatch.setattr(passphrases.sys, "stdin", Terminal)
    asked: list[tuple[bool, bool]] = []

    def prompt(_: str, hide_input: bool, confirmation_prompt: bool) -> str:
        asked.append((hide_input, confirmation_prompt))
        return PASSPHRASE

    monkeypatch.setattr(passphrases.typer, "prompt", prompt)
    assert passphrases.passphrase_of(None, new=True) == PASSPHRASE
    assert passphrases.passphrase_of(None, new=False) == PASSPHRASE
    assert asked == [(True, True), (True, False)]


def test_reissue_takes_the_roots_passphrase(desk: Desk) -> None:
    old = (desk.pki / "issuing.pem").read_bytes()
    told = desk.pki_("reissue", "--passphrase-file", passphrase(desk.folder, "another passphrase"))
    assert "the passphrase does not open it" in told.text
    assert (desk.pki / "issuing.pem").read_bytes() == old
    assert desk.pki_("reissue", "--passphrase-file", passphrase(desk.folder)).status == 0
    assert (desk.pki / "issuing.pem").read_bytes() != old


def test_a_node_goes_over_to_a_reissued_authority_and_forgets_the_old_one(desk: Desk) -> None:
    by_hand(desk)
    node = desk.folder / "node"
    old = {path.name for path in (node / "opcua/ca").iterdir()}
    own = node / "opcua/ca" / "of-a-plc-vendor.der"
    own.write_bytes(b"what a person put there")
    assert desk.pki_("reissue", "--passphrase-file", passphrase(desk.folder)).status == 0
    request, answer = desk.file("request"), desk.file("answer")
    desk.at_gateway("--renew", "--new-keys", "--request", request, "--into", str(node))
    desk.pki_("renew", "infeed", "--request", request, "--answer", answer)
    assert desk.at_gateway("--answer", answer, "--into", str(node)).status == 0
    new = {path.name for path in (node / "opcua/ca").iterdir()} - {own.name}
    assert len(old) == len(new) == 4
    assert len(old & new) == 3  # the root, and of each the list's name
    lists = [x509.load_der_x509_crl(path.read_bytes()) for path in (node / "opcua/ca").glob("*.crl")]
    assert sorted(map(len, lists)) == [0, 2]  # its old certificates


def test_a_token_is_printed_with_what_to_type(desk: Desk) -> None:
    told = desk.pki_("enroll", "anna", "--as", "operator", "--owner", "Integrator", "--valid", "1 h")
    assert told.status == 0
    assert "anna may enrol as operator (operator) of Integrator, once, within 1 h" in told.text
    assert "python -m gateway.enroll https://AUTHORITY --into anna and, when it asks, the token: anna." in (
        " ".join(told.text.split())
    )
    assert "does not serve yet" in told.text
    told = desk.pki_("enroll", "bert", "--as", "party", "--authority", "https://10.0.0.5")
    assert "bert may enrol as party (signer) of Works Ltd" in told.text
    assert "https://10.0.0.5 --into bert" in told.text


def test_all_that_is_wrong_is_told_at_once(desk: Desk) -> None:
    told = desk.pki_("enroll", "infeed", "--as", "plc", "--role", "king", "--role", "queen")
    assert told.status == 2
    assert all(word in told.text for word in ("'plc' is no kind", "'king' is no role", "'queen' is no role"))
    told = desk.pki_("enroll", "infeed", "--as", "gateway", "--role", "operator")
    assert "a gateway has no role" in told.text
    for words, why in (
        (("In Feed", "--as", "gateway"), "is not an id"),
        (("mosquitto", "--as", "broker"), "give --host"),
        (("infeed", "--as", "gateway", "--valid", "10"), "has no unit"),
        (("infeed", "--as", "gateway", "--valid", "200 h"), "up to 168 h"),
        (("infeed", "--as", "gateway", "--authority", "10.0.0.5"), "is no address"),
        (("infeed", "--as", "gateway", "--request", "none"), "No such file"),
    ):
        told = desk.pki_("enroll", *words)
        assert told.status == 2
        assert why in told.text


def test_a_folder_without_an_authority(tmp_path: Path) -> None:
    told = run("list", "--pki", str(tmp_path))
    assert told.status == 2
    assert "twinline pki init" in told.text


def by_hand(desk: Desk, node: str = "infeed", into: str = "node") -> Told:
    """Enrol ``node`` with files that are carried."""
    folder, request, answer = desk.file(into), desk.file("request"), desk.file("answer")
    told = desk.at_gateway("--request", request, "--node", node, "--into", folder)
    assert told.status == 0, told.text
    assert f"twinline pki enroll {node} --as KIND --request" in told.text
    told = desk.pki_("enroll", node, "--as", "gateway", "--request", request, "--answer", answer)
    assert told.status == 0, told.text
    root = told.text.split("--root ")[1].split()[0]
    return desk.at_gateway("--answer", answer, "--root", root, "--into", folder)


def test_a_request_by_hand_and_what_becomes_of_it(desk: Desk) -> None:
    told = by_hand(desk)
    assert told.status == 0, told.text
    assert "infeed is gateway of line starter until" in told.text
    folder = desk.file("node")

    shown = json.loads(desk.pki_("list", "--json").text)
    assert [(each["node"], each["kind"], each["owner"], each["state"]) for each in shown["nodes"]] == [
        ("infeed", "gateway", "Works Ltd", "enrolled")
    ]
    assert shown["nodes"][0]["days"] in (364, 365)

    told = desk.at_gateway("--renew", "https://127.0.0.1:9", "--days", "30", "--into", folder)
    assert (told.status, "nothing to renew yet" in told.text) == (0, True)
    assert "lists of the revoked are of" in told.text  # it is no failure that none can be fetched
    assert "no later ones were fetched" in told.text
    lists = str(desk.pki / "revoked.crl.pem")
    told = desk.at_gateway("--revoked", lists, "--into", folder)
    assert (told.status, f"{lists}: taken" in told.text) == (0, True)
    told = desk.at_gateway("--revoked", str(desk.pki / "root.pem"), "--into", folder)
    assert (told.status, "no readable list" in told.text) == (2, True)
    before = (desk.folder / "node/tls/key.pem").read_bytes()
    request, answer = desk.file("renewal"), desk.file("renewed")
    assert desk.at_gateway("--renew", "--new-keys", "--request", request, "--into", folder).status == 0
    assert desk.pki_("renew", "infeed", "--request", request, "--answer", answer).status == 0
    assert desk.at_gateway("--answer", answer, "--into", folder).status == 0
    assert (desk.folder / "node/tls/key.pem").read_bytes() != before

    told = desk.pki_("revoke", "infeed", "--why", "the card was lost")
    assert told.status == 0
    assert "SIGHUP" in told.text
    assert "the card was lost" in " ".join(desk.pki_("list").text.split())
    assert "was revoked" in desk.pki_("renew", "infeed", "--request", request).text
    told = desk.pki_("revoke", "infeed", "--why", "again")
    assert (told.status, "nothing of infeed is left" in told.text) == (2, True)


def test_an_answer_is_taken_whole_or_not_at_all(desk: Desk) -> None:
    """Each byte of it, changed on the way."""
    folder, request = desk.folder / "node", desk.file("request")
    desk.at_gateway("--request", request, "--node", "infeed", "--into", str(folder))
    answer = desk.folder / "answer"
    told = desk.pki_("enroll", "infeed", "--as", "gateway", "--request", request, "--answer", str(answer))
    root = told.text.split("--root ")[1].split()[0]
    good = answer.read_bytes()
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    for at in range(0, len(good), 41):
        answer.write_bytes(good[:at] + bytes([good[at] ^ 0x10]) + good[at + 1 :])
        told = desk.at_gateway("--answer", str(answer), "--root", root, "--into", str(folder))
        assert told.status == 2, at
        assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before, at
    answer.write_bytes(good)
    other = "0" * 64
    for given, why in ((["--root", other], "its root is another"), ([], "--root: is missing"),
                       (["--root", "12"], "is no SHA-256")):  # fmt: skip
        told = desk.at_gateway("--answer", str(answer), *given, "--into", str(folder))
        assert (told.status, why in told.text) == (2, True), told.text
    assert enrolled(folder) is None
    assert desk.at_gateway("--answer", str(answer), "--root", root, "--into", str(folder)).status == 0


def test_what_a_gateway_is_told_wrong(desk: Desk) -> None:
    folder = desk.file("node")
    for words, why in (
        ((), "TOKEN and URL are wanted, 0 given"),
        (("infeed.AAAAA", "https://a"), "this is no token"),
        (("--request", desk.file("r")), "say whose request it is"),
        (("--request", desk.file("r"), "--node", "In Feed"), "is not an id"),
        (("--renew", "https://10.0.0.5"), "holds no enrolment"),
        (("--renew",), "URL is wanted, 0 given"),
        (("--answer", desk.file("none")), "No such file"),
        (("--answer", str(desk.pki / "root.pem")), "is no answer"),
    ):
        told = desk.at_gateway(*words, "--into", folder)
        assert (told.status, why in told.text) == (2, True), (words, told)


def test_a_key_that_cannot_be_read_is_said(desk: Desk) -> None:
    by_hand(desk)
    folder = desk.folder / "node"
    (folder / "tls/key.pem").write_text("nothing")
    told = desk.at_gateway("--renew", "--request", desk.file("r"), "--into", str(folder))
    assert told.status == 2
    assert "holds no readable private key; restore it, or enrol this node anew" in told.text
    (folder / "enrolment.json").write_text("{}")
    told = desk.at_gateway("--renew", "--request", desk.file("r"), "--into", str(folder))
    assert "no enrolment: format None" in told.text


def test_a_folder_that_cannot_be_made(desk: Desk) -> None:
    (desk.folder / "file").write_text("in the way")
    told = desk.at_gateway("--request", desk.file("r"), "--node", "infeed", "--into", desk.file("file/node"))
    assert (told.status, "Not a directory" in told.text) == (2, True)
    told = run("init", desk.file("file/a"), "--line", "b", "--passphrase-file", passphrase(desk.folder))
    assert (told.status, "see to the disk" in told.text) == (2, True)


def test_how_to_renew_is_said(desk: Desk) -> None:
    assert "python -m gateway.enroll --renew" in desk.pki_("renew", "infeed").text


def test_a_key_that_others_can_read_is_refused_whichever_it_is(desk: Desk) -> None:
    asked = desk.at_gateway(
        "--request", desk.file("a.req"), "--node", "infeed", "--into", desk.file("infeed")
    )
    assert asked.status == 0
    wide = desk.folder / "infeed/tls/key.pem"
    wide.chmod(0o644)
    asked = desk.at_gateway(
        "--request", desk.file("a.req"), "--node", "infeed", "--into", desk.file("infeed")
    )
    assert (asked.status, "others can read this private key; run chmod 600" in asked.text) == (2, True)
    issuing = desk.pki / "issuing.key.pem"
    issuing.chmod(0o640)
    assert f"{issuing}: others can read this private key" in desk.pki_("list").text
    issuing.chmod(0o600)


def test_what_a_request_says_to_type_works(desk: Desk) -> None:
    asked = desk.at_gateway("--request", desk.file("b.req"), "--node", "belt", "--into", desk.file("belt"))
    assert "twinline pki enroll belt --as KIND --request b.req --answer belt.answer" in asked.text
    words = ("--as", "gateway", "--request", desk.file("b.req"), "--answer", desk.file("belt.answer"))
    assert desk.pki_("enroll", "belt", *words).status == 0


def test_an_owner_is_somebody_and_a_token_lasts_minutes(tmp_path: Path, desk: Desk) -> None:
    for owner in ("", " ", "x" * 65):
        said = run("init", str(tmp_path / "new"), "--line", "starter", "--owner", owner)
        assert (said.status, "--owner: is not 1 to 64 characters" in said.text) == (2, True)
    assert "write for example '10 min'" in desk.pki_("enroll", "x", "--as", "gateway", "--valid", "10").text


def test_a_renewal_of_nothing_makes_no_folder(desk: Desk) -> None:
    told = desk.at_gateway("--renew", "https://10.0.0.1:8443", "--into", desk.file("nowhere"))
    assert (told.status, "nowhere is no folder; name the folder" in told.text) == (2, True)
    assert not (desk.folder / "nowhere").exists()
