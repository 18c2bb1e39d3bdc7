"""What one check found: ok, wrong with what to do, or open because it could not be looked at; pure."""

from __future__ import annotations

from typing import Literal

import msgspec

Standing = Literal["ok", "WRONG", "open"]


class Finding(msgspec.Struct, frozen=True):
    """``check`` is what was looked at, ``text`` what was found, ``do`` what to change."""

    check: str
    standing: Standing
    text: str
    do: str = ""

    def __str__(self) -> str:
        return f"{self.text}; {self.do}" if self.do else self.text


def ok(check: str, text: str) -> Finding:
    """It is as it should be."""
    return Finding(check, "ok", text)


def wrong(check: str, text: str, do: str) -> Finding:
    """It is not, and what to do."""
    return Finding(check, "WRONG", text, do)


def unseen(check: str, why: str, do: str = "") -> Finding:
    """It could not be looked at."""
    return Finding(check, "open", why, do)
