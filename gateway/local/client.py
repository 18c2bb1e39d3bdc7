"""The shell's end: connections to the agent's socket, each of which asks one thing at a time."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Self, TypeVar

from gateway.local.framing import Broken, frame, read_answer
from gateway.local.messages import VERSION, Answer, Changes, Follow, No, Request, Welcome
from gateway.local.place import SOCKET, reachable
from gateway.net.messages import Refused

ANSWER_S = 10.0  # longer than the agent waits for its cell
SILENT_S = 4.0  # of a stream that says every second that it is still there

_Wanted = TypeVar("_Wanted", bound=Answer)


class Unanswered(Exception):
    """The agent does not answer: ``why``, and what to ``do``."""

    def __init__(self, why: str, do: str = "") -> None:
        self.why, self.do = why, do
        super().__init__(f"{why}; {do}" if do else why)


class Denied(Unanswered):
    """It answers, and refuses."""


class Client:
    """One connection to the agent whose state is in ``folder``; Unanswered where there is none."""

    def __init__(self, folder: Path) -> None:
        path = folder / SOCKET
        start = "start it (docs/gateway.md); its log says why it ended"
        self._stream = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._stream.settimeout(ANSWER_S)
        try:
            with reachable(path) as short:
                self._stream.connect(short)
            self._hello()
        except (FileNotFoundError, ConnectionRefusedError):
            self.close()
            raise Unanswered("the gateway's process does not run", start) from None
        except PermissionError:
            self.close()
            do = "use sudo, or log in as the user that the gateway runs as"
            raise Unanswered(f"you may not open {path}", do) from None
        except OSError as error:
            self.close()
            raise Unanswered(f"{path}: {error.strerror or error}", start) from None
        except BaseException:
            self.close()
            raise

    def _hello(self) -> None:
        welcome = self._receive()
        if isinstance(welcome, No):
            raise Unanswered(welcome.why, welcome.do)
        if not isinstance(welcome, Welcome) or welcome.version != VERSION:
            raise Unanswered("the gateway runs another version of Twinline", "use the shell of that version")
        self.station, self.operator = welcome.station, welcome.operator

    def ask(self, request: Request, wanted: type[_Wanted]) -> _Wanted | Refused:
        """The answer to ``request``, which is ``wanted`` or why not; Unanswered where none comes."""
        self._send(request)
        answer = self._receive()
        if isinstance(answer, No):
            raise Unanswered(answer.why, answer.do)
        if not isinstance(answer, wanted | Refused):
            raise Unanswered(f"the gateway answered {type(answer).__name__}", "look at logs")
        return answer

    def follow(self, tags: tuple[str, ...]) -> Iterator[Changes]:
        """What becomes of ``tags``, at least every second; Unanswered when the agent has gone."""
        self._send(Follow(tags))
        self._stream.settimeout(SILENT_S)
        while True:
            answer = self._receive()
            if isinstance(answer, No):
                raise Unanswered(answer.why, answer.do)
            if isinstance(answer, Changes):
                yield answer

    def _send(self, request: Request) -> None:
        try:
            self._stream.sendall(frame(request))
        except OSError as error:
            raise Unanswered(f"the gateway has gone: {error.strerror or error}", "try again") from None

    def _receive(self) -> Answer:
        try:
            answer = read_answer(self._stream)
        except TimeoutError:
            raise Unanswered("the gateway is silent", "it is stuck, or the machine is very busy") from None
        except (OSError, Broken) as error:
            raise Unanswered(f"the gateway cannot be heard: {error}", "try again") from None
        if answer is None:
            raise Unanswered("the gateway's process has ended", "see status, then logs of how it was started")
        return answer

    def close(self) -> None:
        """End the connection; harmless twice."""
        self._stream.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
