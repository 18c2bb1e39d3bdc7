"""``twinline gateway prepare``: what each gateway of a line needs, in a folder of its own, keys included.

Keys are exchanged by carrying the folders: each holds the private key of its own gateway and the public keys
of all. Made again, what is there stays: a gateway keeps its key, and one that is new in the line is added.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import msgspec

from gateway.agentfile import AgentConfig
from gateway.errors import BadInput, Problem
from gateway.net.identity import Identity, Trust
from gateway.net.link import broker_address
from gateway.store.atomic import write_atomically
from gateway.yamlfile import identifier, read_text
from rig.line import Line, LineStation

TRUST, KEY, CONFIG, STATION = "trust.yaml", "key.pem", "gateway.json", "station.yaml"
PROGRAM = "program.st"  # of a controller that the gateway plays


def prepare(line: Line, into: Path, brokers: tuple[str, ...], operator: str) -> Iterator[str]:
    """Make them, saying each; BadInput where broker or operator are none, or a key there cannot be read."""
    brokers = brokers or ((line.broker,) if line.broker else ())
    _check(line, brokers, operator)
    into.mkdir(parents=True, exist_ok=True)
    places = {operator: key_of(into, operator), **{name: into / name / KEY for name in line.stations}}
    identities = {name: _identity(name, path) for name, path in places.items()}
    trust = Trust.load(into / TRUST) if (into / TRUST).exists() else Trust()
    for name, identity in identities.items():
        try:
            trust.add(name, identity.public_bytes)
        except ValueError as error:
            what, _, hint = str(error).partition("; ")
            raise BadInput([Problem(str(into / TRUST), 0, 0, what, hint)]) from None
    trust.save(into / TRUST)
    for name, each in line.stations.items():
        folder = into / name
        trust.save(folder / TRUST)
        shutil.copyfile(each.station.file, folder / STATION)
        if each.played:
            program = each.station.composed if each.program is None else read_text(each.program)
            write_atomically(folder / PROGRAM, program.encode())
        config = msgspec.json.encode(_config(line, name, each, brokers))
        write_atomically(folder / CONFIG, msgspec.json.format(config, indent=2) + b"\n")
        yield f"{folder}: to the machine of {name}; there: python -m gateway.agent {folder.name}/{CONFIG}"
    yield f"{into}: stays here; then: twinline session run {line.file} --keys {into} --operator {operator}"


def key_of(folder: Path, operator: str) -> Path:
    """Where ``prepare`` puts the operator's private key."""
    return folder / f"{operator}.pem"


def _config(line: Line, name: str, each: LineStation, brokers: tuple[str, ...]) -> AgentConfig:
    return AgentConfig(
        line=line.id,
        station=STATION,
        brokers=brokers,
        key=KEY,
        trust=TRUST,
        state="state",
        neighbours=each.neighbours,
        id=name,
        addresses={device.name: device.address for device in each.station.reached.values()},
        program=PROGRAM if each.played else "",
        mode=each.mode,
    )


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
            Problem(line.file, 0, 0, "the line names no broker", "give --broker mqtt://host:1883")
        )
    for option, read, texts in (
        ("--broker", broker_address, brokers),
        ("--operator", identifier, (operator,)),
    ):
        for text in texts:
            try:
                read(text)
            except ValueError as error:
                what, _, hint = str(error).partition("; ")
                problems.append(Problem(option, 0, 0, what, hint))
    if operator in line.stations:
        problems.append(
            Problem("--operator", 0, 0, f"{operator!r} is a station of this line", "choose another id")
        )
    if problems:
        raise BadInput(problems)
