"""What several commands take: JSON, and the names of tags, which can be completed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from cmd2 import Choices, CommandSet
from cmd2.annotated import Argument, Option

from gateway.local.client import Unanswered

if TYPE_CHECKING:
    from gateway.local.shell import Shell

Commands = CommandSet[Any]


def shell_of(commands: Commands | Shell) -> Shell:
    """The shell that ``commands`` belong to; for a completion it is the shell itself that asks."""
    shell: Shell = commands._cmd if isinstance(commands, CommandSet) else commands
    return shell


def _tags(commands: Commands | Shell, direction: str) -> Choices:
    try:
        found = [tag.name for tag in shell_of(commands).tags() if direction in ("", tag.direction)]
    except Unanswered:
        found = []
    return Choices.from_values(found)


def all_tags(commands: Commands | Shell) -> Choices:
    """Every tag's name."""
    return _tags(commands, "")


def inputs(commands: Commands | Shell) -> Choices:
    """Those that can be forced."""
    return _tags(commands, "input")


Json = Annotated[bool, Option("--json", action="store_true", help_text="For programs to read.")]
TagNames = Annotated[str, Argument(choices_provider=all_tags, metavar="TAG", help_text="Tags by name.")]
MaybeInput = Annotated[
    str | None, Argument(nargs="?", choices_provider=inputs, metavar="TAG", help_text="Left out: all.")
]
InputName = Annotated[
    str, Argument(choices_provider=inputs, metavar="TAG", help_text="An input, or its bit.")
]
