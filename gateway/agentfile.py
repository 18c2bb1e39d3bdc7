"""What a gateway is told, in one JSON file: its line, station file, brokers, key and state."""

from __future__ import annotations

import logging
from pathlib import Path

import msgspec

from gateway.cell.couplings import Neighbours
from gateway.controller.beside import LEAST, MOST, WITHIN
from gateway.errors import BadInput, Problem
from gateway.net.link import broker_address, check_plain
from gateway.pki.credentials import TlsFiles, finish
from gateway.station import Mode, Station
from ledger.shapes import from_json

log = logging.getLogger(__name__)

CONFIG = "gateway.json"  # in the folder of a gateway or witness that was prepared
PATHS = ("station", "key", "trust", "state", "program", "beside", "chain", "opcua", "tls")


class AgentConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``line`` is the line's id and ``id`` the station's in it (empty: as the station file says); ``key`` and
    ``trust`` are its private key and the public ones it knows; ``state`` is the folder of its journal.

    ``neighbours`` come of the line's couplings; ``ports`` and ``addresses`` stand in place of those of the
    station file, by device. ``mode`` says which of controller and plant is real (docs/modes.md); in virtual
    and ril the gateway's process plays the controller itself, with ``program``, the path of a Structured Text
    file. ``beside`` is that of a program that runs beside the real controller, ``within`` by how many scans
    one of these two may be later than the other (docs/beside.md). ``group`` is the Unix group whose members
    may use the local shell, too (docs/shell.md).
    ``seed`` is of what chance decides in the twin. ``chain`` is the path of the genesis of the line's chain
    (empty: none); ``opcua`` is the folder with its certificate for devices with security (docs/opcua.md).
    ``tls`` is the folder with its certificate for the brokers (docs/broker.md); ``plain`` allows brokers on
    other machines without TLS. Without a ``station`` it is a witness, which only votes on the chain
    (docs/gateway.md).
    """

    line: str
    station: str
    brokers: tuple[str, ...]
    key: str
    trust: str
    state: str
    neighbours: Neighbours = Neighbours()
    ports: dict[str, int] = {}
    id: str = ""
    addresses: dict[str, str] = {}
    program: str = ""
    mode: Mode = "hil"
    group: str = ""
    chain: str = ""
    beside: str = ""
    seed: int = 0
    opcua: str = ""
    within: int = WITHIN
    tls: str = ""
    plain: bool = False

    @property
    def tls_files(self) -> TlsFiles | None:
        """What it shows the brokers, None where it is told nothing."""
        return TlsFiles.of(Path(self.tls)) if self.tls else None


def load_config(path: Path) -> AgentConfig:
    """As ``read_config``, and the state folder is there afterwards; OSError if it cannot be made.

    A renewal that a kill left half done is finished: until then key and certificate are of two, and no broker
    lets in who shows them.
    """
    config = read_config(path)
    Path(config.state).mkdir(parents=True, exist_ok=True, mode=0o700)
    if config.tls:
        credentials = Path(config.tls).parent
        try:
            if finish(credentials):
                log.warning("%s: put in place what an earlier renewal had got", credentials)
        except OSError as error:
            log.error("%s: a renewal is half done, python -m gateway.enroll ends it: %s", credentials, error)
    return config


def read_config(path: Path) -> AgentConfig:
    """Read it; paths in it are seen from its own folder. BadInput says what is wrong."""
    try:
        config = from_json(path.read_bytes(), AgentConfig)
    except OSError as error:
        raise BadInput(
            [Problem(str(path), 0, 0, error.strerror or str(error), "name one that is there")]
        ) from None
    except msgspec.MsgspecError as error:
        hint = "see docs/gateway.md, or make it with twinline gateway prepare"
        raise BadInput([Problem(str(path), 0, 0, str(error), hint)]) from None
    _check_brokers(config, str(path))
    seen = {name: str(path.parent / value) for name in PATHS if (value := getattr(config, name))}
    return msgspec.structs.replace(config, **seen)


def _check_brokers(config: AgentConfig, file: str) -> None:
    problems: list[Problem] = []
    for url in config.brokers:
        try:
            check_plain(url, config.plain)
            if broker_address(url).secured and not config.tls:
                raise ValueError(f"{url} wants a certificate; give tls, the folder that holds it")
        except ValueError as error:
            what, _, hint = str(error).partition("; ")
            problems.append(Problem(file, 0, 0, f"brokers: {what}", hint))
    if problems:
        raise BadInput(problems)


def check(config: AgentConfig, station: Station) -> None:
    """BadInput where ``station`` and the rest of ``config`` do not go together with its mode."""
    problems: list[Problem] = []
    played = config.mode in ("virtual", "ril")
    if played and not config.program:
        what = f"{station.id}: mode {config.mode} plays a program, none is named"
        problems.append(Problem(config.station, 0, 0, what, "give program in the gateway's configuration"))
    if config.program and not played:
        what = f"{station.id}: mode {config.mode} plays no program"
        problems.append(Problem(config.station, 0, 0, what, "leave program out, or choose virtual or ril"))
    if config.beside and played:
        what = f"{station.id}: in mode {config.mode} there is no real controller to run beside"
        problems.append(Problem(config.station, 0, 0, what, "leave beside out, or choose hil or shadow"))
    if not LEAST <= config.within <= MOST:
        what = f"{station.id}: within {config.within} scans"
        problems.append(Problem(config.station, 0, 0, what, f"give {LEAST} to {MOST} in its configuration"))
    secured = [each.name for each in station.devices.values() if each.secured]
    if secured and not config.opcua and not played:
        what = f"{station.id}: {secured[0]} is reached with security, and the gateway has no certificate"
        hint = "give opcua in the gateway's configuration: docs/opcua.md, own certificate"
        problems.append(Problem(config.station, 0, 0, what, hint))
    if config.mode == "ril" and station.plant is None:
        problems.append(no_plant(station, config.station, 0))
    if problems:
        raise BadInput(problems)


def no_plant(station: Station, file: str, line: int) -> Problem:
    """Of a station in ril, for whom ``file`` says so in ``line``."""
    what = f"{station.id}: ril drives the real plant, and {station.file} declares none"
    hint = "add plant: {address: modbus://host:port/unit, role: plant} to its devices"
    return Problem(file, line, 0, what, hint)
