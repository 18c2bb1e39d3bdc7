"""Records that wait for the chain's disk: in order, each answered, and none forgotten where it ends."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future

import pytest

from gateway.pending import MAX_PENDING, Pending
from ledger.codec import digest
from ledger.node import Ended
from ledger.records import Loaded, Record
from ledger.store import StoreFailed

HASH = digest(b"")
RECORDS = [Loaded(f"n-{number}", HASH, HASH) for number in range(3)]


class Disk:
    """Takes records, or does not; ``taken`` are their numbers."""

    def __init__(self, fails: dict[str, Exception]) -> None:
        self.taken: list[str] = []
        self.fails = fails

    async def submit(self, record: Record) -> int:
        assert isinstance(record, Loaded)
        await asyncio.sleep(0)
        if record.station in self.fails:
            raise self.fails[record.station]
        self.taken.append(record.station)
        return len(self.taken)


def at_once(what: Callable[[], None]) -> None:
    what()


async def hand_over(pending: Pending, disk: Disk) -> None:
    """Until none waits, or the disk has failed."""
    handing = asyncio.create_task(pending.hand_over(disk.submit))
    emptied = asyncio.create_task(pending.emptied())
    await asyncio.wait((handing, emptied), return_when=asyncio.FIRST_COMPLETED)
    for task in (handing, emptied):
        task.cancel()
    for result in await asyncio.gather(handing, emptied, return_exceptions=True):
        if isinstance(result, Exception):
            raise result


def test_they_are_handed_over_in_order_and_what_nobody_takes_is_told() -> None:
    pending, disk = Pending(at_once), Disk({"n-1": ValueError("too long")})
    put = [pending.put(record) for record in RECORDS]
    asyncio.run(hand_over(pending, disk))
    assert disk.taken == ["n-0", "n-2"]
    assert [put[0].result(0), put[2].result(0)] == [1, 2]
    with pytest.raises(ValueError, match="too long"):
        put[1].result(0)
    assert (len(pending), pending.lost) == (0, 0)


def test_what_a_failed_disk_did_not_take_stays_first() -> None:
    pending, disk = Pending(at_once), Disk({"n-1": StoreFailed("full")})
    put = [pending.put(record) for record in RECORDS]
    with pytest.raises(StoreFailed, match="full"):
        asyncio.run(hand_over(pending, disk))
    assert not put[1].done()
    disk.fails.clear()
    asyncio.run(hand_over(pending, disk))
    assert disk.taken == ["n-0", "n-1", "n-2"]


def test_there_is_a_bound_and_what_is_beyond_it_is_counted() -> None:
    pending = Pending(at_once)
    put: list[Future[int]] = [pending.put(RECORDS[0]) for _ in range(MAX_PENDING + 2)]
    assert (len(pending), pending.lost) == (MAX_PENDING, 2)
    with pytest.raises(StoreFailed, match="wait for the disk already"):
        put[-1].result(0)


def test_at_the_end_who_waits_is_told(caplog: pytest.LogCaptureFixture) -> None:
    pending = Pending(at_once)
    put = [pending.put(record) for record in RECORDS]
    pending.end(Ended("it takes part no longer"))
    for each in put:
        with pytest.raises(Ended, match="no longer"):
            each.result(0)
    assert pending.lost == 3
    assert caplog.messages == ["the chain has ended before it had recorded what waited: 3 Loaded"]
