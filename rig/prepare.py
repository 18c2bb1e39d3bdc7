"""``twinline gateway prepare``: what each gateway of a line needs, in a folder of its own, keys included.

Keys are exchanged by carrying the folders: each holds the private key of its own gateway and the public keys
of all. Made again, what is there stays: a gateway keeps its key, and one that is new in the line is added.
"""

from __future__ import annotations

import itertools
import shutil
import time
from collections.abc import Callable, Collection, Generator, Iterator, Mapping
from functools import partial
from pathlib import Path

import msgspec

from gateway.agentfile import CONFIG, AgentConfig
from gateway.errors import BadInput, Problem
from gateway.genesisfile import genesis_bytes, load_genesis
from gateway.local.access import OPERATOR
from gateway.net.identity import Identity, Trust
from gateway.net.link import broker_address, check_plain
from gateway.net.roles import ALL, ROLES
from gateway.pki.credentials import OPCUA, TLS, TlsFiles
from gateway.pki.enrolment import Kind
from gateway.store.atomic import write_atomically
from gateway.yamlfile import identifier, read_text
from ledger.contracts.workload import EPOCH
from ledger.genesis import Genesis
from rig import brokerfiles
from rig.genesis import INSPECTION, begin, impartial, inspector, witnesses
from rig.line import Line, LineStation
from rig.pki.admission import admit
from rig.pki.authority import ROOT, Authority
from rig.pki.roster import broker_at, roster
from rig.secured import needs_certificate, served_hosts

TRUST, KEY, STATION = "trust.yaml", "key.pem", "station.yaml"
GENESIS, LEDGER = "genesis.json", "ledger"  # how the chain begins; the operator's copy of it
PROGRAM = "program.st"  # of a controller that the gateway plays
BESIDE = "beside.st"  # which runs beside the real one
AUTHORITY, BROKER = "authority", "broker"  # of the line, where its brokers speak TLS


def prepare(
    line: Line,
    into: Path,
    brokers: tuple[str, ...],
    operator: str,
    chain: bool = True,
    hosts: tuple[str, ...] = (),
    passphrase: str | None = None,
    pki: Path | None = None,
) -> Iterator[str]:
    """Make them, saying each; BadInput where broker or operator are none, or a key there cannot be read.

    Without ``chain`` there are no witnesses and no inspector, and no session's evidence becomes final.
    Brokers of mqtts:// get a folder each, with a certificate for their host and ``hosts``, and everybody one
    of an authority in ``into``, whose root is kept under ``passphrase``; None: it is forgotten.
    With ``pki``, the folder of an authority, no key is made here: each has its own where it was enrolled,
    and BadInput says who was not yet.
    """
    brokers = brokers or ((line.broker,) if line.broker else ())
    _check(line, brokers, operator)
    voting = witnesses(line.stations, operator) if chain else ()
    inspecting = inspector(line.stations, operator)
    kinds: dict[str, Kind] = dict.fromkeys(line.stations, "gateway")
    kinds.update(dict.fromkeys(voting, "witness"))
    kinds[operator] = "operator"
    if chain:
        kinds[inspecting] = "party"
    secured = [url for url in brokers if broker_address(url).secured]
    if pki is None:
        trust = yield from _make_keys(line, into, kinds, operator, secured, hosts, passphrase)
    else:
        begins = chain and not (into / GENESIS).exists()
        trust = yield from _take_keys(line, into, kinds, operator, secured, pki, begins)
        owners = {name: trust.owner(name) for name in kinds}
        if begins and not impartial(owners, operator, inspecting):
            yield (
                f"{inspecting} is enrolled as of {owners[inspecting]}, whose gateways it could not inspect: "
                f"on the chain it belongs to {INSPECTION}"
            )
    trust.save(into / TRUST)
    enrolled = pki is not None
    genesis = _genesis(line, into / GENESIS, trust, kinds, operator, inspecting, enrolled) if chain else None
    for name in (*line.stations, *voting):
        trust.save(into / name / TRUST)
        if genesis is not None:
            write_atomically(into / name / GENESIS, genesis_bytes(genesis))
    for name, each in line.stations.items():
        folder = into / name
        shutil.copyfile(each.station.file, folder / STATION)
        if each.played:
            program = each.station.composed if each.program is None else read_text(each.program)
            write_atomically(folder / PROGRAM, program.encode())
        if each.accompanied:
            own = each.station.program_path()
            text = each.station.composed if own is None else read_text(own)
            write_atomically(folder / BESIDE, text.encode())
        _write(_config(line, name, brokers, chain, bool(secured), each), folder)
        yield f"{folder}: to the machine of {name}; there: python -m gateway.agent {folder.name}/{CONFIG}"
    for name in voting:
        _write(_config(line, name, brokers, chain, bool(secured)), into / name)
        yield f"{into / name}: to another machine, to vote; there: python -m gateway.agent {name}/{CONFIG}"
    if genesis is not None and operator not in {party.node for party in genesis.parties}:
        yield f"{into / GENESIS}: the chain knows no operator {operator}, whose sessions will not be final"
    yield f"{into}: stays here; then: twinline session run {line.file} --keys {into} --operator {operator}"


def _make_keys(
    line: Line,
    into: Path,
    kinds: Mapping[str, Kind],
    operator: str,
    secured: list[str],
    hosts: tuple[str, ...],
    passphrase: str | None,
) -> Generator[str, None, Trust]:
    """The keys of all, in ``into``, with certificates where brokers are ``secured``."""
    into.mkdir(parents=True, exist_ok=True)
    persons = {name for name, kind in kinds.items() if kind in ("operator", "party")}
    places = {name: key_of(into, name) if name in persons else into / name / KEY for name in kinds}
    identities = {name: _identity(name, path) for name, path in places.items()}
    trust = Trust.load(into / TRUST) if (into / TRUST).exists() else Trust()
    for name, identity in identities.items():
        try:
            roles = trust.roles(name) or (ALL if name == operator else ())
            trust.add(name, identity.public_bytes, roles, trust.owner(name))
        except ValueError as error:
            what, _, hint = str(error).partition("; ")
            raise BadInput([Problem(str(into / TRUST), 0, 0, what, hint)]) from None
    if not secured:
        return trust
    authority, now = _authority(line, into / AUTHORITY, passphrase), time.time_ns()
    for name, identity in identities.items():
        given = [each for each in ROLES if each in trust.roles(name)]
        shows = name in line.stations and needs_certificate(line.stations[name])
        reached = served_hosts(line.stations[name].station) if shows else ()
        admit(authority, into / name, identity, kinds[name], now=now, roles=given, hosts=reached, opcua=shows)
    for url, name in zip(secured, _broker_names(len(secured), identities), strict=True):
        host, port, _ = broker_address(url)
        brokerfiles.write(into / name, authority, name, {host, *hosts}, ("", port), now)
        yield f"{into / name}: to the machine of {host}; there, in it: mosquitto -c {brokerfiles.CONF}"
    return trust


def _take_keys(
    line: Line,
    into: Path,
    kinds: Mapping[str, Kind],
    operator: str,
    secured: list[str],
    pki: Path,
    begins: bool,
) -> Generator[str, None, Trust]:
    """What the authority in ``pki`` knows of all; ``begins``: the operator begins the line's chain."""
    authority, now = _of_line(line, Authority.open(pki)), time.time_ns()
    trust = roster(authority, kinds, now)
    if begins and not trust.may(operator, "commissioner"):
        what = f"{operator} begins the line's chain, on which a commissioner says who belongs"
        hint = f"enrol {operator} with --role commissioner, or name another --operator"
        raise BadInput([Problem("--operator", 0, 0, what, hint)])
    reached = [broker_address(url) for url in secured]
    nodes = [broker_at(authority, host, now) for host, _, _ in reached]
    into.mkdir(parents=True, exist_ok=True)
    for each in brokerfiles.admitted(authority):
        if each.kind in ("gateway", "witness") and each.node not in kinds:
            yield f"{each.node} is enrolled as {each.kind}, and has no part in {line.file}: no folder is made"
    for (host, port, _), node in zip(reached, nodes, strict=True):
        brokerfiles.configure(into / node, authority, ("", port))
        yield f"{into / node}: to {host}, beside the keys of {node}; there: mosquitto -c {brokerfiles.CONF}"
    for name in kinds:
        (into / name).mkdir(exist_ok=True, mode=0o700)
    yield "each folder goes into the one that its node was enrolled into, which has the keys"
    return trust


def key_of(folder: Path, operator: str) -> Path:
    """Where ``prepare`` puts the operator's private key; where it made none, the one of its credentials."""
    made, enrolled = folder / f"{operator}.pem", folder / operator / KEY
    if not made.exists() and (enrolled.exists() or (folder / operator).is_dir()):
        return enrolled
    return made


def tls_of(folder: Path, node: str) -> TlsFiles | None:
    """What ``prepare`` made for ``node`` to show the brokers; None: they want nothing."""
    made = TlsFiles.of(folder / node / TLS)
    return made if made.certificate.exists() else None


def _authority(line: Line, folder: Path, passphrase: str | None) -> Authority:
    """The one that is there, else a new one; BadInput where it is another line's."""
    if not (folder / ROOT).exists():
        return Authority.create(folder, line.id, passphrase, now=time.time_ns())
    return _of_line(line, Authority.open(folder))


def _of_line(line: Line, authority: Authority) -> Authority:
    """BadInput where it is another line's."""
    if authority.line != line.id:
        what = f"is the authority of line {authority.line}, this is {line.id}"
        raise BadInput([Problem(str(authority.folder), 0, 0, what, "choose that of this line")])
    return authority


def _broker_names(count: int, taken: Collection[str]) -> list[str]:
    """Ids for the brokers."""
    if count == 1 and BROKER not in taken:
        return [BROKER]
    free = (name for number in itertools.count(1) if (name := f"{BROKER}-{number}") not in taken)
    return list(itertools.islice(free, count))


def _config(
    line: Line,
    name: str,
    brokers: tuple[str, ...],
    chain: bool,
    secured: bool,
    each: LineStation | None = None,
) -> AgentConfig:
    """What the gateway of the station ``each`` is told; without one, a witness."""
    common = AgentConfig(
        line=line.id,
        station="",
        brokers=brokers,
        key=KEY,
        trust=TRUST,
        state="state",
        id=name,
        chain=GENESIS if chain else "",
        tls=TLS if secured else "",
        plain=line.plain,
    )
    if each is None:
        return common
    return msgspec.structs.replace(
        common,
        station=STATION,
        neighbours=each.neighbours,
        addresses={device.name: device.address for device in each.station.reached.values()},
        program=PROGRAM if each.played else "",
        beside=BESIDE if each.accompanied else "",
        within=each.within,
        mode=each.mode,
        seed=line.seed,
        opcua=OPCUA if needs_certificate(each) else "",
    )


def _write(config: AgentConfig, folder: Path) -> None:
    write_atomically(folder / CONFIG, msgspec.json.format(msgspec.json.encode(config), indent=2) + b"\n")


def _genesis(
    line: Line,
    path: Path,
    trust: Trust,
    kinds: Mapping[str, Kind],
    operator: str,
    inspecting: str,
    enrolled: bool,
) -> Genesis:
    """The one that is there, so that the chain goes on (a session enrols who is new), else a new one, with
    owners and roles as the authority gave them where it has ``enrolled`` all."""
    if not path.exists():
        publics = {name: public for name in kinds if (public := trust.public_bytes(name)) is not None}
        owners = {name: trust.owner(name) for name in publics} if enrolled else None
        roles = {name: trust.roles(name) for name in publics} if enrolled else None
        genesis = begin(line.id, time.time_ns(), publics, operator, inspecting, EPOCH, owners, roles)
        write_atomically(path, genesis_bytes(genesis))
    return load_genesis(path)


def _identity(name: str, path: Path) -> Identity:
    """The one that is there, else a new one."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        Identity.create(name).save(path)
    return Identity.load(path)


def _check(line: Line, brokers: tuple[str, ...], operator: str) -> None:
    problems: list[Problem] = []
    if not brokers:
        problems.append(
            Problem(line.file, 0, 0, "the line names no broker", "give --broker mqtts://host:8883")
        )
    checks: tuple[tuple[str, Callable[[str], object], tuple[str, ...]], ...] = (
        ("--broker", partial(check_plain, plain=line.plain), brokers),
        ("--operator", identifier, (operator,)),
    )
    for option, read, texts in checks:
        for text in texts:
            try:
                read(text)
            except ValueError as error:
                what, _, hint = str(error).partition("; ")
                problems.append(Problem(option, 0, 0, what, hint))
    if operator.startswith(OPERATOR):
        what = f"{operator!r} would be the name of a local shell"
        problems.append(Problem("--operator", 0, 0, what, f"choose another id, without {OPERATOR}"))
    if operator in line.stations:
        problems.append(
            Problem("--operator", 0, 0, f"{operator!r} is a station of this line", "choose another id")
        )
    if problems:
        raise BadInput(problems)
