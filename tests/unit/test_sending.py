"""Journal first: a disk that hangs holds up nobody who puts something there, and is given up in time."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from gateway import sending as sending_module
from gateway.cell.freshness import Freshness
from gateway.cell.scan import Change as Kept
from gateway.cell.scan import Outputs
from gateway.net.bus import Bus
from gateway.net.envelope import MAX_BYTES
from gateway.net.identity import Identity
from gateway.net.messages import ReplyBody, Signals
from gateway.net.reports import StationEvent
from gateway.sending import Sending
from gateway.store.journal import Change, Journal, JournalFailed

WITHIN = 30.0


class Hanging(Journal):
    """A real journal, on a disk that answers only once it is ``back``."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.asked, self.back = threading.Event(), threading.Event()

    def apply(self, changes: Iterable[Change]) -> None:
        self.asked.set()
        assert self.back.wait(WITHIN)
        super().apply(changes)


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Hanging]:
    with Hanging(tmp_path / "journal.sqlite") as made:
        yield made
        made.back.set()


def answered(operator: str, request: int, body: ReplyBody) -> None:
    raise AssertionError("nobody asked")


def sending(journal: Journal, happened: list[str]) -> Sending:
    bus = Bus("belt", ["mqtt://127.0.0.1:1"], identity=Identity.create("belt"))
    for link in bus._links:
        link.up = True  # so that everything is sealed; nobody takes it
    return Sending(
        "one", "belt", bus, journal, None, answered, lambda _, text: happened.append(text), lambda: None,
        Freshness("00" * 8).couple,
    )  # fmt: skip


def said(text: str, ticket: int = 0) -> Outputs:
    out = Outputs()
    out.events.append(StationEvent("lease", text))
    if ticket:
        out.ticket, out.journal = ticket, [Kept("meta", "key", b"value")]
    return out


def test_a_hung_disk_holds_up_no_scan_and_is_given_up_when_no_more_can_wait(
    journal: Hanging, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sending_module, "DISK_WITHIN", 10 * WITHIN)

    async def work() -> None:
        happened: list[str] = []
        made = sending(journal, happened)
        running = asyncio.create_task(made.run())
        made.put(said("first", ticket=1))
        assert await asyncio.to_thread(journal.asked.wait, WITHIN)
        for n in range(sending_module.MAX_OUTBOX):
            made.put(said(str(n)))
        assert made.problem == ""
        made.put(said("one too many"))
        assert "the disk does not answer, and 1024 scans wait for it" in made.problem
        with pytest.raises(JournalFailed, match="1024 scans wait"):
            async with asyncio.timeout(WITHIN):
                await running
        made.put(said("later"))
        assert (happened, made.persisted) == ([], 0)  # nothing without the journal
        journal.back.set()

    asyncio.run(work())


def test_a_disk_that_comes_back_loses_nothing(journal: Hanging) -> None:
    async def work() -> list[str]:
        happened: list[str] = []
        made = sending(journal, happened)
        running = asyncio.create_task(made.run())
        made.put(said("first", ticket=1))
        made.put(said("second"))
        made.end()
        assert await asyncio.to_thread(journal.asked.wait, WITHIN)
        assert happened == []
        journal.back.set()
        await running
        assert made.persisted == 1
        return happened

    assert asyncio.run(work()) == ["first", "second"]


@pytest.mark.parametrize("value", ["x" * MAX_BYTES, "\ud800"], ids=["too large", "no text"])
def test_what_cannot_be_a_message_is_a_line_in_the_log(
    journal: Hanging, caplog: pytest.LogCaptureFixture, value: str
) -> None:
    async def work() -> list[str]:
        happened: list[str] = []
        made = sending(journal, happened)
        out = said("first")
        out.couple.append(("next", Signals({"words": value})))
        made.put(out)
        made.end()
        await made.run()
        return happened

    assert asyncio.run(work()) == ["first"]
    assert "Coupled is not sent" in caplog.text
