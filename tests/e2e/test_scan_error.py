"""An error that nobody foresaw ends the scan: the safe state is driven all the same, and it is said."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Mapping
from concurrent.futures import Future
from pathlib import Path

import pytest
from running import WITHIN, Memory, Starter, belt, memory
from site_alone import Site

from gateway import agent as agent_module
from gateway.agent import Agent, _agent
from gateway.agentfile import load_config
from gateway.field.tags import TagRef
from gateway.field.types import Value
from gateway.net.messages import Force
from rig.backend import Script
from rig.broker import Broker

HOLDS = (Force(TagRef("command"), 32), Force(TagRef("part-leaves"), True))


class Unforeseen(Exception):
    """What nobody expects."""


def boom(*_: object) -> None:
    raise Unforeseen("boom")


class Cut(threading.Thread):
    """The gateway itself, in this process, so that an error can be put into its scan."""

    def __init__(self, config: Path) -> None:
        super().__init__()
        self.agent: Future[Agent] = Future()
        self.ended: Future[None] = Future()
        self._config = config

    async def _live(self) -> None:
        agent = _agent(load_config(self._config), asyncio.get_running_loop())
        assert isinstance(agent, Agent)
        living = asyncio.create_task(agent.run())
        async with asyncio.timeout(WITHIN):
            await agent.ready.wait()
        self.agent.set_result(agent)
        await living

    def run(self) -> None:
        try:
            asyncio.run(self._live())
        except Exception as error:
            self.ended.set_exception(error)
        else:
            self.ended.set_result(None)


@pytest.mark.parametrize("what", ["the scan", "the cell", "one tag"])
def test_the_safe_state_is_driven_though_the_scan_has_died(
    tmp_path: Path, start: Starter, caplog: pytest.LogCaptureFixture, what: str
) -> None:
    made = belt(tmp_path, serve=False)
    start.controller(tmp_path, made)
    with Broker(tmp_path / "broker") as broker:
        site = Site(tmp_path, made, start, broker, ("anna",))
        cut = Cut(site.config)
        cut.start()
        agent = cut.agent.result(WITHIN)
        with memory(made.port) as watched, site.operator("anna") as anna:
            anna.hold("belt")
            anna.run({"belt": Script(HOLDS, keep=True)})
            watched.wait(Memory.HELD)
            if what == "one tag":
                only_without(agent, "part-enters")
            if what == "the cell":
                agent.cell.shut = boom  # type: ignore[method-assign]
            agent.broadcast.scanned = boom  # type: ignore[method-assign]
            watched.wait(Memory.SAFE)
            with pytest.raises(Unforeseen, match="boom"):
                cut.ended.result(WITHIN)
        cut.join(WITHIN)
    left = "part-enters" if what == "one tag" else "nothing"
    assert f"the scan has ended by an error; not driven safe: {left}" in caplog.messages


def only_without(agent: Agent, tag: str) -> None:
    """Its driver fails wherever ``tag`` is to be written."""
    written = agent.devices.write

    async def write(
        writes: Mapping[str, Value], actuate: Mapping[str, Value]
    ) -> tuple[dict[str, Value], dict[str, str]]:
        if tag in writes:
            raise Unforeseen(tag)
        return await written(writes, actuate)

    agent.devices.write = write  # type: ignore[method-assign]


def test_the_process_ends_with_a_clear_word(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    """Exit status 3: the rig's side failed, and not the station."""
    monkeypatch.setattr("sys.argv", ["agent", "gateway.json"])
    monkeypatch.setattr(agent_module, "load_config", boom)
    with caplog.at_level(logging.CRITICAL):
        assert agent_module.main() == 3
    assert capsys.readouterr().err == "the gateway ends by an error of its own: Unforeseen: boom\n"
    (record,) = caplog.records
    assert record.exc_info is not None
