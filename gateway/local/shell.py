"""``twinline shell``: a command line beside the machine, on 80 columns, with or without a terminal."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import cmd2
from cmd2 import rich_utils

from gateway.agentfile import AgentConfig, read_config
from gateway.errors import BadInput
from gateway.local.client import Client, Denied, Unanswered
from gateway.local.commands.holding import Writing
from gateway.local.commands.line import Surroundings
from gateway.local.commands.looking import Looking
from gateway.local.commands.support import Support
from gateway.local.holding import Holding
from gateway.local.messages import Answer, AskTags, Request, Tags, TagShown
from gateway.local.plain import as_json
from gateway.local.table import WIDTH, hanging
from gateway.local.witnessed import NO_STATION
from gateway.net.messages import Refused
from gateway.station import Station, load_station

DONE, FAILED, BAD, UNANSWERED = 0, 1, 2, 3
_INTRO = "status: how it is; selftest: what is wrong; help: all commands; Ctrl-D ends"
_HIDDEN = ("alias", "macro", "edit", "shell", "shortcuts", "set", "run_pyscript")
_Wanted = TypeVar("_Wanted", bound=Answer)


class Shell(cmd2.Cmd):
    """Of the gateway whose configuration is ``file``. ``status`` is how the last command ended:
    0 done, 1 something is wrong or refused, 2 not a command, 3 the gateway does not answer."""

    def __init__(self, file: Path, config: AgentConfig, history: str = "") -> None:
        rich_utils.ALLOW_STYLE = rich_utils.AllowStyle.NEVER
        cmd2.Cmd.DEFAULT_CATEGORY = "The shell"  # of the commands that it brings along
        self.file, self.config = file, config
        self.folder = Path(config.state)
        self.lease: Holding | None = None
        self._station: Station | None = None
        self.status = DONE
        self._ended: int | None = None
        super().__init__(
            allow_cli_args=False,
            allow_clipboard=False,
            auto_suggest=False,
            suggest_similar_command=True,
            persistent_history_file=history,
            terminators=None,
            shortcuts={"?": "help"},
            command_sets=[Looking(), Surroundings(), Writing(), Support()],
        )
        self.hidden_commands += _HIDDEN
        self.name = config.id or self.file.resolve().parent.name
        self.refresh_prompt()

    # --- what commands use ---------------------------------------------------------------------------

    @property
    def width(self) -> int:
        """Columns of the terminal, 80 at most so that what is saved looks the same."""
        try:
            return min(WIDTH, max(40, os.get_terminal_size(sys.stdout.fileno()).columns))
        except (OSError, ValueError):
            return WIDTH

    def check_station(self) -> None:
        """Unanswered where there is no station to be asked."""
        if not self.config.station:
            raise Unanswered(NO_STATION.why, NO_STATION.do)

    def ask(self, request: Request, wanted: type[_Wanted]) -> _Wanted:
        """The agent's answer; Unanswered where it gives none, or refuses."""
        with Client(self.folder) as client:
            answer = client.ask(request, wanted)
        if isinstance(answer, Refused):
            raise Denied(answer.why)
        return answer

    def tags(self) -> tuple[TagShown, ...]:
        """All tags as they are now."""
        return self.ask(AskTags(), Tags).tags

    def knows(self, tags: Sequence[str]) -> bool:
        """Whether there are such tags; says so where not."""
        unknown = set(tags) - {tag.name for tag in self.tags()}
        if unknown:
            self.fail(f"{', '.join(sorted(unknown))}: no such tag here", "'tags' shows them", BAD)
        return not unknown

    def station(self) -> Station:
        """As the station file has it; BadInput."""
        self.check_station()
        # No property: cmd2 looks at every attribute of a shell that begins.
        if self._station is None:
            self._station = load_station(Path(self.config.station))
        return self._station

    def say(self, lines: str | Iterable[str]) -> None:
        """To whoever reads; a pipe or a file too."""
        for line in [lines] if isinstance(lines, str) else lines:
            print(line, file=self.stdout, flush=True)

    def tell(self, answer: Any, as_text: Iterable[str], json: bool) -> None:
        """``answer`` as JSON or as text."""
        self.say(as_json(answer) if json else as_text)

    def fail(self, why: str, do: str = "", status: int = FAILED) -> None:
        """The command has not done what it was to do."""
        self._ended = status
        print("\n".join(hanging("", f"{why}; {do}" if do else why, self.width)), file=sys.stderr, flush=True)

    def refresh_prompt(self) -> None:
        """Whoever holds the lease sees it."""
        self.prompt = f"{self.name} HOLDS THE LEASE> " if self.lease is not None else f"{self.name}> "

    # --- cmd2 ------------------------------------------------------------------------------------------

    def precmd(self, statement: cmd2.Statement | str) -> cmd2.Statement:
        """A command begins: somebody is there."""
        self._ended = None
        if self.lease is not None:
            self.lease.typed()
        return super().precmd(statement)

    def onecmd(self, statement: cmd2.Statement | str, *, add_to_history: bool = True) -> bool:
        """Do it; what the agent or a file is to blame for is said in words."""
        self.status = BAD  # what is no command does not come back here
        try:
            stop = super().onecmd(statement, add_to_history=add_to_history)
        except Denied as denied:
            self.fail(denied.why, denied.do)
            stop = False
        except Unanswered as unanswered:
            self.fail(unanswered.why, unanswered.do, UNANSWERED)
            stop = False
        except BadInput as bad:
            self.fail(str(bad), status=BAD)
            stop = False
        except BrokenPipeError:  # whoever reads has read enough
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            stop = True
        self.status = DONE if self._ended is None else self._ended
        return stop

    def default(self, statement: cmd2.Statement) -> bool | None:
        """It is no command."""
        self._ended = BAD
        return super().default(statement)

    def postloop(self) -> None:
        """Whoever goes holds nothing."""
        self.end_lease()

    def end_lease(self) -> None:
        """Give it back, if it is held."""
        lease, self.lease = self.lease, None
        if lease is not None:
            lease.give_back()
        self.refresh_prompt()


def run(file: Path, commands: Sequence[str], history: str) -> int:
    """Do ``commands`` one after the other until one fails, or whatever is typed; the exit status."""
    shell = Shell(file, read_config(file), history)
    if not commands:
        shell.cmdloop(_INTRO if sys.stdin.isatty() else "")
        return shell.exit_code or (DONE if sys.stdin.isatty() else shell.status)
    try:
        for command in commands:
            shell.status = BAD
            stop = shell.onecmd_plus_hooks(command, add_to_history=False, raise_keyboard_interrupt=True)
            if shell.status != DONE or stop:
                break
    finally:
        shell.end_lease()
    return shell.status
