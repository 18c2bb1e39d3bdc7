"""Scripts on several stations begin together, or those that had begun end."""

from __future__ import annotations

import pytest

from gateway.net.identity import Identity, Trust
from gateway.net.messages import Abort, Command, Pause, Run
from rig.backend import GatewayGone, Script
from rig.remote import BusBackend


class Half(BusBackend):
    """Its second station does not answer any more; nothing is sent to any broker."""

    asked: list[tuple[str, type]]

    def _ask(self, station: str, command: Command, reply: bool = True) -> int:
        self.asked.append((station, type(command)))
        if station == "screw":
            raise GatewayGone(station, "it does not answer")
        return len(self.asked)


def test_where_the_second_cannot_be_asked_the_first_one_ends() -> None:
    stations = ["infeed", "screw", "glue"]
    backend = Half("one", stations, ["mqtt://127.0.0.1:1"], Identity.create("anna"), Trust(), stations)
    backend.asked = []
    script = Script((Pause(1),))
    with pytest.raises(GatewayGone, match="screw"):
        backend.begin(dict.fromkeys(stations, script))
    assert backend.asked == [("infeed", Run), ("screw", Run), ("infeed", Abort)]
