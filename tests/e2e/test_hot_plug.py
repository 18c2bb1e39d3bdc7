"""A gateway that comes is known by the line and joins its flow; one that goes is a closed door."""

from __future__ import annotations

from pathlib import Path

from running import TWINLINE, Starter, secured, until
from site_line import LineSite

from rig.presence import presences

NAMES = ("first", "second")


def test_a_gateway_comes_goes_and_comes_back(tmp_path: Path, start: Starter) -> None:
    with secured(tmp_path) as broker:
        site = LineSite(tmp_path, NAMES, start, dict.fromkeys(NAMES, broker.url), broker)
        options = ("--keys", str(site.keys), "--operator", "anna", "--broker", broker.url)

        def standing() -> dict[str, str]:
            return {each.station: each.standing for each in presences(site.line, site.backend.seen())}

        def finished(*workpieces: str) -> bool:
            """Jogged again where one came onto the belt too late to be at its end after the jog."""
            if site.told("second", "finished") != list(workpieces):
                site.bring_up("second")
            return site.told("second", "finished") == list(workpieces)

        try:
            site.gateway("first")
            site.ready("first")
            site.backend.start()
            until("the first is there", lambda: standing() == {"first": "there", "second": "absent"})
            said = start(tmp_path, *TWINLINE, "line", "who", str(site.file), *options)
            assert said.wait() == 1, said.shown
            assert "absent    no gateway was heard of" in said.shown

            site.lead("first")
            site.feed("w-0")
            until("it waits for its neighbour", lambda: site.told("first", "offered"))
            assert site.told("first", "left") == []

            site.gateway("second")
            site.ready("second")
            until("the second is there", lambda: standing() == {"first": "there", "second": "there"})
            site.lead("second")
            until("it has joined", lambda: finished("w-0"))
            said = start(tmp_path, *TWINLINE, "line", "who", str(site.file), *options)
            assert said.wait() == 0, said.shown

            site.runs["second"][-1].process.terminate()
            until("it is gone", lambda: standing() == {"first": "there", "second": "gone"})
            site.feed("w-1")
            until("the door is closed", lambda: "w-1" in site.told("first", "offered"))
            assert site.told("first", "left") == ["w-0"]

            site.gateway("second")
            site.ready("second")
            site.lead("second")
            until("it is back", lambda: finished("w-0", "w-1"))
        finally:
            site.close()
