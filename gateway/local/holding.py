"""A person's lease: held while the shell lives and somebody types, given back by itself otherwise."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

from gateway.cell.lease import HOLDS
from gateway.local.client import Client, Denied, Unanswered
from gateway.net.messages import Acquire, Action, Done, Leased, Refused, Release, Renew, Run, Trace

TTL = 1_000_000_000
RENEW_S = 0.25
PRESENT_S = 600.0  # without a command nobody is there


_ENDED = {
    "link": "a device is not connected; plc says why",
    "lease": "the lease has ended",
    "aborted": "it was aborted",
}


class Holding:
    """The lease of one shell on the station of the agent in ``folder``, on a connection of its own.

    The agent ends it when that connection does; its own time to live ends it when this process is stuck.
    ``lost`` is called once, on another thread, with why it ended by itself. With ``breaks`` it is taken from
    whoever holds it: who stands beside the machine may.
    """

    def __init__(
        self, folder: Path, lost: Callable[[str], None], present_s: float = PRESENT_S, breaks: bool = False
    ) -> None:
        self._lost, self._present = lost, present_s
        self._turn = threading.Lock()
        self._over = threading.Event()
        self._typed = time.monotonic()
        self._client = Client(folder)
        answer = self._client.ask(Acquire(TTL, breaks), Leased)
        if isinstance(answer, Refused):
            self._client.close()
            held = HOLDS in answer.why  # what else is in the way no --break takes out of it
            do = "ask who holds it, or take it: lease take --break" if held else ""
            raise Denied(f"no lease: {answer.why}", do)
        self.token = answer.token
        self.ended = ""
        self._renewing = threading.Thread(target=self._renew, name="lease", daemon=True)
        self._renewing.start()

    def typed(self) -> None:
        """Somebody is there."""
        self._typed = time.monotonic()

    def act(self, *actions: Action) -> str:
        """Do them and leave them so; why not, empty if it is done."""
        with self._turn:
            if self.ended:
                return self.ended
            answer = self._client.ask(Run(self.token, actions, watch=(), keep=True), Trace)
        if isinstance(answer, Refused):
            return answer.why
        lost = [f"{device} is not connected: {why}" for device, why in answer.lost.items()]
        return "" if answer.ended == "done" else "; ".join(lost) or _ENDED.get(answer.ended, answer.ended)

    def give_back(self) -> None:
        """End it: forces end, the safe state is driven."""
        with self._turn:
            if not self.ended:
                self.ended = "the lease was given back"
                try:
                    self._client.ask(Release(self.token), Done)
                except Unanswered:
                    pass  # then it has ended with the connection
                finally:
                    self._client.close()
        self._over.set()
        self._renewing.join()

    def _renew(self) -> None:
        while not self._over.wait(RENEW_S):
            with self._turn:
                if self.ended:
                    return
                self.ended = self._renewed()
                if self.ended:
                    self._client.close()
            if self.ended:
                self._lost(self.ended)
                return

    def _renewed(self) -> str:
        """Empty, or why the lease is over."""
        if time.monotonic() - self._typed > self._present:
            return f"nobody has typed a command for {self._present:g} s: the lease is given back"
        try:
            answer = self._client.ask(Renew(self.token), Done)
        except Unanswered as silent:
            return f"the lease is lost: {silent.why}"
        return f"the lease is lost: {answer.why}" if isinstance(answer, Refused) else ""
