"""The passphrase of a root's key: from a file that is its owner's alone, or asked on the terminal."""

from __future__ import annotations

import sys
from pathlib import Path

import typer

from gateway.errors import BadInput, Problem
from gateway.private import exposed
from gateway.yamlfile import read_text

SHORTEST = 12  # characters of a new one


def passphrase_of(file: Path | None, new: bool) -> str:
    """From the file, else from the terminal, a new one twice; BadInput."""
    if file is not None:
        found = read_text(file).rstrip("\r\n")
        problems = exposed(file, "passphrase")
        where = str(file)
    elif sys.stdin.isatty():
        problems, where = [], "passphrase"
        found = typer.prompt("Passphrase of the root's key", hide_input=True, confirmation_prompt=new)
    else:
        hint = "give --passphrase-file FILE, or set TWINLINE_PASSPHRASE_FILE, or run it in a terminal"
        raise BadInput([Problem("", 0, 0, "the passphrase of the root's key is missing", hint)])
    if new and len(found) < SHORTEST:
        what = f"a passphrase of {len(found)} characters is guessed"
        problems.append(Problem(where, 0, 0, what, f"take {SHORTEST} or more, four words say"))
    if problems:
        raise BadInput(problems)
    return str(found)
