"""What can be heard of the line for a moment: which brokers answer, who speaks, and what their clocks say.

It only listens, as nobody, and from the shell's own process: it works where the gateway's does not run.
"""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from gateway.net import topics
from gateway.net.bus import Bus, Delivery
from gateway.net.link import broker_address
from gateway.net.messages import decode
from gateway.net.reports import State
from gateway.net.tls import explain
from gateway.pki.credentials import TlsFiles
from gateway.reach import unreached

LISTEN_S = 1.6  # three heartbeats
CONNECT_S = 2.0


class Voice(NamedTuple):
    """``node`` was heard (``live``), or only what a broker had kept of it; ``ahead`` is by how many ns its
    clock is ahead of this one, as far as the way here allows to say; ``state`` is None of an operator."""

    node: str
    live: bool
    ahead: int
    state: State | None


class Heard(NamedTuple):
    """By broker, "" where it answers or why it does not, and after how many ns its port did (0: it does not);
    and who was heard."""

    brokers: dict[str, tuple[str, int]]
    voices: dict[str, Voice]


def listen(
    line: str, own: str, brokers: Sequence[str], tls: TlsFiles | None = None, listen_s: float = LISTEN_S
) -> Heard:
    """To all but ``own``, with its certificate in ``tls`` where the brokers want one. Bounded: about
    ``CONNECT_S`` and ``listen_s`` together."""
    answers = {url: _answers(url) for url in brokers}
    voices: dict[str, Voice] = {}

    def on(delivery: Delivery) -> None:
        envelope = delivery.envelope
        if envelope.sender == own:
            return
        state = None
        with contextlib.suppress(msgspec.MsgspecError):
            state = decode(envelope.body, State) if envelope.kind == "state" else None
        ahead, live = envelope.utc_ns - time.time_ns(), not delivery.retained
        before = voices.get(envelope.sender)
        if before is not None and before.live:
            if not live:
                return
            ahead = max(ahead, before.ahead)  # the least delayed one tells most
        voices[envelope.sender] = Voice(envelope.sender, live, ahead, state or (before and before.state))

    up = [url for url, (why, _) in answers.items() if not why]
    if up:
        bus = Bus("listener", up, tls=tls)
        bus.subscribe(topics.state(line, topics.ANY), on, qos=0)
        bus.subscribe(topics.command(line, own, topics.ANY), on, qos=0)
        with bus:
            if bus.wait_ready(CONNECT_S):
                time.sleep(listen_s)
            for url, is_up in bus.brokers.items():
                if not is_up:
                    why = "something answers there, but it is no broker, or refuses us; correct brokers"
                    answers[url] = (bus.problems.get(url, why), answers[url][1])
    return Heard(answers, voices)


def _answers(url: str) -> tuple[str, int]:
    """Why a broker's port cannot be reached ("": it can), and after how many ns it could."""
    host, port, _ = broker_address(url)
    begun = time.monotonic_ns()
    try:
        socket.create_connection((host, port), CONNECT_S).close()
    except TimeoutError:
        return unreached(host) or f"no answer within {CONNECT_S:g} s", 0
    except OSError as error:
        return unreached(host) or explain(error, None), 0
    return "", time.monotonic_ns() - begun
