"""Recordings of twins: kept for each station of a virtual session, and replayed to compare."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.errors import BadInput, Problem

if TYPE_CHECKING:
    from gateway.station import Station
    from gateway.twin.twin import Twin

twin_app = typer.Typer(help="Look at what a twin did.", no_args_is_help=True)


@contextmanager
def recorded(twins: Mapping[str, tuple[Station, Twin]], folder: Path) -> Iterator[None]:
    """Record ``twins``, which have just begun, into ``folder``/<name>.jsonl until the end of the context."""
    from gateway.twin.recording import Recorder

    folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as open_files:
        for name, (station, twin) in twins.items():
            file = open_files.enter_context((folder / f"{name}.jsonl").open("wb"))
            open_files.callback(Recorder(twin, station.id, station.sha256, file.write).end)
        yield


@twin_app.command("replay")
def replay_command(
    file: Annotated[Path, typer.Argument(help="A recording, such as runs/…/twins/glue.jsonl.")],
    station: Annotated[Path, typer.Argument(help="The station file.", metavar="STATION.yaml")],
    trace: Annotated[bool, typer.Option("--trace", help="Show every edge and happening.")] = False,
) -> None:
    """Do again what was done to a twin; exit status 0: the same came of it, 1: something else."""
    raise typer.Exit(replay_file(file, station, typer.echo if trace else lambda line: None, typer.echo))


def replay_file(
    file: Path, station_file: Path, show: Callable[[str], object], say: Callable[[str], object]
) -> int:
    """Replay ``file``: each line of the trace goes to ``show``, the outcome to ``say``; the exit status."""
    from gateway.station import load_station
    from gateway.twin.recording import digest, read_recording, replay
    from gateway.twin.twin import Twin

    try:
        data = file.read_bytes()
    except OSError as error:
        raise BadInput([Problem(str(file), 0, 0, error.strerror or str(error), "name a recording")]) from None
    recording, station = read_recording(data, str(file)), load_station(station_file)
    if recording.head.sha256 != station.sha256:
        what = f"it was recorded with another version of station {recording.head.station!r}"
        raise BadInput([Problem(str(file), 1, 0, what, f"{station_file} has changed since, or is another")])
    twin = Twin(station.twin, station.tags, recording.head.start, recording.head.seed)

    def lines() -> Iterator[bytes]:
        for line in replay(recording, twin):
            show(line.decode())
            yield line

    count, found = digest(lines())
    inputs = sum(each.what != "look" for each in recording.given)
    what = f"{station.id}: {inputs} inputs, {count} edges and happenings"
    if recording.end is None:
        say(f"{what}; the recording was cut off, so there is nothing to compare with")
        return 1
    same = (count, found) == (recording.end.seen, recording.end.digest)
    say(f"{what}, " + ("as recorded" if same else f"where {recording.end.seen} were recorded: they differ"))
    return 0 if same else 1
