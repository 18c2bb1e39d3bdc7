"""Source text to tokens, with comments, pragmas and white space dropped.

A token carries its offset in the text; `Source.place` turns an offset into line and column when an error
or a statement needs them. Characters that begin no token are reported and skipped.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from typing import NamedTuple

from gateway.errors import Problem

_WORDS = """
    PROGRAM END_PROGRAM FUNCTION_BLOCK END_FUNCTION_BLOCK FUNCTION END_FUNCTION TYPE END_TYPE
    VAR VAR_INPUT VAR_OUTPUT VAR_IN_OUT VAR_TEMP VAR_GLOBAL VAR_EXTERNAL END_VAR
    CONSTANT RETAIN NON_RETAIN PERSISTENT AT
    IF THEN ELSIF ELSE END_IF CASE OF END_CASE FOR TO BY DO END_FOR WHILE END_WHILE
    REPEAT UNTIL END_REPEAT EXIT CONTINUE RETURN
    AND OR XOR NOT MOD AND_THEN OR_ELSE TRUE FALSE
"""
KEYWORDS = frozenset(_WORDS.split())

# Order matters: the first alternative that matches wins.
_TOKEN = re.compile(
    r"""
      (?P<space>    [ \t\r\n\f\v]+ | //[^\n]* )
    | (?P<comment>  \(\* | /\* )
    | (?P<pragma>   \{ )
    | (?P<time>     (?: L?TIME | L?T ) \# [-+]? (?: \d[\d_]*(?:\.\d+)? [ ]? [A-Z]+ _? )+ )
    | (?P<typed>    [A-Z_]\w* \# (?: (?:2|8|10|16)\#\w+
                                   | [-+]?\d[\d_]*(?:\.\d[\d_]*)?(?:E[-+]?\d+)?
                                   | [A-Z_]\w* ) )
    | (?P<name>     [A-Z_]\w* )
    | (?P<based>    \d+\#\w* )
    | (?P<real>     \d[\d_]*\.\d[\d_]*(?:E[-+]?\d+)? | \d[\d_]*E[-+]?\d+ )
    | (?P<integer>  \d[\d_]* )
    | (?P<direct>   %[A-Z]*\d*(?:\.\d+)*\*? )
    | (?P<string>   '[^'\n]*' | "[^"\n]*" )
    | (?P<mark>     := | => | <= | >= | <> | \*\* | \.\. | [-+*/=<>&().,;:\[\]] )
    """,
    re.VERBOSE | re.IGNORECASE | re.ASCII,
)
_COMMENT_ENDS = {"(*": re.compile(r"\(\*|\*\)"), "/*": re.compile(r"/\*|\*/")}


class Token(NamedTuple):
    """`kind` is the keyword or mark itself, or: name time typed based real integer direct string end."""

    kind: str
    text: str
    at: int


class Source:
    """A text, its name, and the way from an offset to a place in it."""

    def __init__(self, text: str, file: str) -> None:
        self.text, self.file = text, file
        self._starts = [0, *(m.end() for m in re.finditer("\n", text))]

    def line(self, at: int) -> int:
        return bisect_right(self._starts, at)

    def problem(self, at: int, what: str, hint: str = "") -> Problem:
        line = self.line(at)
        return Problem(self.file, line, at - self._starts[line - 1] + 1, what, hint)


def tokens(source: Source, problems: list[Problem]) -> list[Token]:
    """All tokens, the last of kind "end". Appends to `problems` what is no token."""
    text, found, at = source.text, list[Token](), 0
    if text.startswith("\ufeff"):
        at = 1
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            problems.append(source.problem(at, f"{text[at]!r} begins nothing in Structured Text"))
            at += 1
            continue
        kind, word, start = match.lastgroup or "", match.group(), at
        at = match.end()
        match kind:
            case "space":
                continue
            case "comment":
                at = _comment_end(source, word, start, problems)
                continue
            case "pragma":
                close = text.find("}", start)
                if close < 0:
                    problems.append(source.problem(start, "the pragma is not closed", "end it with `}`"))
                at = close + 1 if close >= 0 else len(text)
                continue
            case "name" if word.upper() in KEYWORDS:
                kind = word.upper()
            case "mark":
                kind = word
        found.append(Token(kind, word, start))
    found.append(Token("end", "the end of the file", max(len(text.rstrip()) - 1, 0)))
    return found


def _comment_end(source: Source, opening: str, start: int, problems: list[Problem]) -> int:
    """The offset behind the comment that opens at `start`; comments of its kind nest."""
    depth, at = 0, start
    while match := _COMMENT_ENDS[opening].search(source.text, at):
        depth += 1 if match.group() == opening else -1
        at = match.end()
        if depth == 0:
            return at
    closing = opening[::-1].replace("(", ")")
    problems.append(source.problem(start, "the comment is not closed", f"end it with `{closing}`"))
    return len(source.text)
