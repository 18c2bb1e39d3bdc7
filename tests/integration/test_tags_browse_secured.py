"""Browsing a server that wants security: by a person's word, by the station file's, and not without."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import pytest
from secured_support import BEST, SECRET, access, authority, enrol, trust
from serve_support import STILL, serving
from typer.testing import CliRunner

from gateway.device import Device
from gateway.errors import BadInput
from gateway.field.opcua.trust import thumbprint
from gateway.field.probe.opcua_security import credentials
from gateway.field.security import OPEN, read_security
from gateway.pki.credentials import OpcuaFiles
from rig.tags.commands import app
from rig.tags.importing import Import, Wanted, station_tags
from rig.tags.reach import Reach, notes, read_reach

EMPTY = 'twinline: station 1\nid: new\ndevices: {{plc: {{address: "{url}"{more}}}}}\ntags: {{}}\ntwin: {{}}\n'


class Still(NamedTuple):
    """The still program at ``url``, for the user ada alone; its folder, one of the same line, a password."""

    url: str
    folder: Path
    own: Path
    password: str


@pytest.fixture(scope="module")
def still(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Still]:
    folder = tmp_path_factory.mktemp("still")
    line = authority(folder / "authority")
    there, own = enrol(line, folder, "still", "127.0.0.1"), enrol(line, folder, "desk")
    password = access(there, user="ada", password=SECRET).password_file
    options = ("--security", BEST, "--certificates", str(there), "--user", "ada", "--password-file", password)
    with serving(STILL, "opc.tcp", "", *options) as (port, _):
        yield Still(f"opc.tcp://127.0.0.1:{port}", there, own, password)


def station(folder: Path, url: str, more: str = "") -> Path:
    path = folder / "station.yaml"
    path.write_text(EMPTY.format(url=url, more=more))
    return path


def refused(still: Still, path: Path, reach: Reach) -> str:
    with pytest.raises(BadInput) as error:
        Import(still.url, path, Wanted(reach=reach))
    [problem] = error.value.problems
    assert SECRET not in str(problem)
    return str(problem)


def test_it_is_browsed_as_asked_for_and_in_no_other_way(still: Still, tmp_path: Path) -> None:
    path = station(tmp_path, still.url)
    for reach in (Reach(), Reach(OPEN)):
        assert "where it wants security, ask with --security" in refused(still, path, reach)
    other = Reach(read_security("Aes256_Sha256_RsaPss"), still.own, "ada", still.password)
    assert f"offers no Aes256_Sha256_RsaPss/SignAndEncrypt, only {BEST}" in refused(still, path, other)
    assert "check the user" in refused(still, path, Reach(read_security(BEST), still.own))
    words = ("import", still.url, "--into", str(path), "--only", "Still.*", "--yes", "--security", BEST)
    user = ("--certificates", str(still.own), "--user", "ada", "--password-file", still.password)
    done = CliRunner().invoke(app, [*words, *user])
    assert done.exit_code == 0, done.output
    assert SECRET not in done.output
    assert len(station_tags(path)) == 18


def test_the_station_files_security_is_taken_where_nothing_is_said(still: Still, tmp_path: Path) -> None:
    secured = f", security: Basic256Sha256, user: ada, password-file: {still.password}"
    path = station(tmp_path, still.url, secured)
    done = Import(still.url, path, Wanted(reach=Reach(certificates=still.own)))
    assert len(done.plan.added) >= 18


def test_a_certificate_is_made_and_it_says_what_to_trust_on_both_sides(still: Still, tmp_path: Path) -> None:
    path, new = station(tmp_path, still.url), tmp_path / "new"
    reach = Reach(read_security(BEST), new, "ada", still.password)
    there = OpcuaFiles.of(still.folder).certificate.read_bytes()
    kept = new / "rejected" / f"{thumbprint(there)}.der"
    said = refused(still, path, reach)
    assert "BadCertificateUntrusted" in said
    assert f"mv {kept} {OpcuaFiles.of(new).trusted}/" in said
    kept.rename(OpcuaFiles.of(new).trusted / kept.name)
    said = refused(still, path, reach)
    assert f"the server does not trust the certificate {OpcuaFiles.of(new).certificate} (SHA-1" in said
    assert thumbprint(credentials(new, datetime.now(UTC)).der) in said
    trust(still.folder, new)
    assert Import(still.url, path, Wanted(reach=reach)).plan.added


def test_in_the_clear_over_a_network_is_said_until_somebody_means_it() -> None:
    far, here = "opc.tcp://192.0.2.7:4840", "opc.tcp://127.0.0.1:4840"
    [said] = notes(far, Reach(), Device(address=far))
    assert "was browsed without security" in said
    assert notes(here, Reach(), Device(address=far)) == []
    assert notes(far, Reach(OPEN), Device(address=far)) == []
    for security in (OPEN, read_security(BEST)):
        assert notes(far, Reach(), Device(address=far, security=security)) == []


@pytest.mark.parametrize(
    ("given", "wrong"),
    [
        (("Basic128", "", ""), "is no security spoken here"),
        (("Basic256Sha256/Sign", "ada", ""), "sends a password"),
        ((None, "ada", ""), "sends a password"),
        ((BEST, "", "file"), "--password-file without --user"),
    ],
)
def test_options_that_do_not_go_together(given: tuple[str | None, str, str], wrong: str) -> None:
    security, user, password = given
    with pytest.raises(ValueError, match=wrong):
        read_reach(security, None, user, password)
