"""What a witness, which has no station, shows to its shell: its brokers, its part in the chain, its log."""

from __future__ import annotations

import importlib.metadata
import os
import time

from gateway.chain import ChainKeeper
from gateway.local.messages import (
    AskChain,
    AskLogs,
    AskNet,
    AskStatus,
    Chain,
    Logs,
    Look,
    Net,
    No,
    Shown,
    Witnessed,
)
from gateway.local.recent import LogLines

_VERSION = importlib.metadata.version("twinline")
NO_STATION = No("a witness has no station", "status, chain, peers, net, logs, selftest and bundle look at it")


class WitnessView:
    """Of the witness of ``line`` with this ``keeper`` of the chain; ``log`` is what was logged."""

    def __init__(self, line: str, keeper: ChainKeeper, log: LogLines) -> None:
        self._line, self._keeper, self._log = line, keeper, log
        self._begun = time.monotonic_ns()
        self.name = keeper.me

    def show(self, request: Look) -> Shown | No:
        """The answer."""
        match request:
            case AskStatus():
                return self._status()
            case AskNet():
                return Net(self._keeper.brokers, self._keeper.counted, {})
            case AskChain():
                return Chain(self._keeper.facts())
            case AskLogs(count=count):
                return Logs(tuple(self._log.lines)[-max(1, count) :])
        return NO_STATION

    def _status(self) -> Witnessed:
        return Witnessed(
            node=self._keeper.me,
            line=self._line,
            version=_VERSION,
            chain=self._keeper.facts(),
            brokers=self._keeper.brokers,
            uptime=time.monotonic_ns() - self._begun,
            pid=os.getpid(),
            problem=self._keeper.problem,
        )
