"""A device's connection outlives what its driver did not foresee, and says what that was, once."""

from __future__ import annotations

import asyncio
import logging

import pytest

from gateway.errors import ConnectionLost
from gateway.field.drivers.base import Identity
from gateway.field.scan import Backoff, DeviceLink, LinkState

WITHIN = 30.0


def test_an_error_of_a_driver_is_a_lost_connection(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """At each call: the link is given up, and connects anew."""

    async def work() -> None:
        seen: asyncio.Queue[LinkState] = asyncio.Queue()
        link = DeviceLink("modbus://127.0.0.1:1/1", {}, 10**8, Backoff(1_000, 1_000), seen.put_nowait)
        driver, tries = link.driver, 0

        async def connect() -> Identity:
            nonlocal tries
            tries += 1
            if tries <= 2:
                raise TypeError("a text for a number")
            driver.lost.clear()
            return Identity("modbus")

        async def boom(*_: object) -> None:
            raise UnicodeEncodeError("utf-8", "\udcff", 0, 1, "surrogates not allowed")

        monkeypatch.setattr(driver, "connect", connect)
        for each in ("read", "write", "read_back"):
            monkeypatch.setattr(driver, each, boom)

        async def ready() -> None:
            async with asyncio.timeout(WITHIN):
                while await seen.get() != "ready":
                    pass

        living = asyncio.create_task(link.run())
        await ready()
        assert (tries, link.ready, link.problem) == (3, True, "")
        assert await link.read() == {}
        assert not link.ready
        assert "its driver failed: UnicodeEncodeError" in link.problem
        await ready()
        assert await link.write({}) is None
        await ready()
        with pytest.raises(ConnectionLost, match="its driver failed: UnicodeEncodeError"):
            await link.read_back([])
        await ready()
        assert link.losses == 3
        await link.close()
        assert living.cancelled()

    with caplog.at_level(logging.ERROR):
        asyncio.run(work())
    assert [(str(r.exc_info[1]), r.exc_info[2] is not None) for r in caplog.records if r.exc_info] == [
        ("a text for a number", True),
        ("'utf-8' codec can't encode character '\\udcff' in position 0: surrogates not allowed", True),
    ]
