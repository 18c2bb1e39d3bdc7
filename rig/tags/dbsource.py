"""Sources of data blocks (.db, .scl, .udt, .awl), as TIA Portal and STEP 7 generate them, read into trees."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import msgspec

from gateway.errors import Problem
from rig.tags.dbtree import MAX_DEPTH, Block, Member, lay_out
from rig.tags.rows import MAX_TAGS, Listing

_TOKEN = re.compile(
    r"""(?P<space>[^\S\n]+) | (?P<line>\n) | (?P<note>//[^\n]*) | (?P<block>\(\*.*?\*\)|/\*.*?\*/)
      | (?P<quoted>"[^"\n]*") | (?P<text>'(?:\$.|[^'\n$])*') | (?P<becomes>:=) | (?P<dots>\.\.)
      | (?P<word>[^\W\d][\w#]*|\#\w+) | (?P<number>\d[\w#]*(?:\.(?!\.)[\w#]+)*) | (?P<mark>.)""",
    re.VERBOSE | re.DOTALL,
)
_NUMBERED = re.compile(r"DB\s*(\d+)\Z", re.IGNORECASE)
_CLOSERS = ("END_STRUCT", "END_VAR")


class _Token(NamedTuple):
    kind: str
    text: str
    line: int
    column: int

    @property
    def word(self) -> str:
        """A keyword or type in capitals; "" where this is none."""
        return self.text.upper() if self.kind == "word" else ""


class _Fault(Exception):
    def __init__(self, token: _Token, what: str, hint: str) -> None:
        self.token, self.what, self.hint = token, what, hint


def _tokens(text: str) -> Iterator[_Token]:
    line, begin = 1, 0
    for match in _TOKEN.finditer(text):
        kind = match.lastgroup or ""
        if kind not in ("space", "line"):
            yield _Token(kind, match[0], line, match.start() - begin + 1)
        breaks = match[0].count("\n")
        if breaks:
            line += breaks
            begin = match.start() + match[0].rindex("\n") + 1
    yield _Token("end", "the end of the file", line, 1)


class _Parser:
    """Reads TYPE and DATA_BLOCK declarations; everything else is passed over."""

    def __init__(self, text: str) -> None:
        tokens = list(_tokens(text))
        self.tokens = [token for token in tokens if token.kind not in ("note", "block")]
        self.notes = {t.line: t.text[2:].strip() for t in tokens if t.kind == "note"}
        self.at = 0
        self.blocks: list[Block] = []
        self.types: dict[str, list[Member]] = {}

    @property
    def token(self) -> _Token:
        return self.tokens[self.at]

    def take(self) -> _Token:
        token = self.token
        if token.kind != "end":
            self.at += 1
        return token

    def accept(self, *texts: str) -> bool:
        if self.token.text.upper() in texts and self.token.kind != "quoted":
            self.at += 1
            return True
        return False

    def expect(self, text: str, hint: str = "") -> None:
        if not self.accept(text):
            raise _Fault(self.token, f"{text} is wanted here, not {self.token.text[:40]!r}", hint)

    def file(self, problems: list[Problem], file: str) -> None:
        """All declarations; a fault ends one declaration and the next is tried."""
        while self.token.kind != "end":
            token = self.take()
            try:
                if token.word == "TYPE":
                    self.type()
                elif token.word == "DATA_BLOCK":
                    self.data_block(token)
            except _Fault as fault:
                where = fault.token
                problems.append(Problem(file, where.line, where.column, fault.what, fault.hint))

    def name(self) -> str:
        token = self.take()
        if token.kind == "quoted":
            return token.text[1:-1]
        if token.kind == "word":
            return token.text.removeprefix("#")
        raise _Fault(token, f"a name is wanted here, not {token.text[:40]!r}", "")

    def type(self) -> None:
        name = self.name()
        while self.token.word != "STRUCT":
            self.header()
        self.take()
        self.types[name.upper()] = self.members(0)

    def data_block(self, start: _Token) -> None:
        name = self.name()
        if name.upper() == "DB" and self.token.kind == "number":
            name = f"DB{self.take().text}"
        optimised, of = False, ""
        while self.token.word not in ("STRUCT", "VAR"):
            if self.token.kind == "quoted" or self.token.word == "BEGIN":  # of a type, or a function block's
                of = self.name().upper() if self.token.kind == "quoted" else of
                member = Member("", of, start.line)
                self.blocks.append(Block(name, _number_of(name), optimised, [member], start.line))
                return
            of = self.token.word
            optimised = _is_optimised(self.header()) or optimised
        members: list[Member] = []
        while self.accept("STRUCT", "VAR"):  # retentive and other variables have a section each
            self.accept("RETAIN")
            members += self.members(0)
        self.blocks.append(Block(name, _number_of(name), optimised, members, start.line))

    def header(self) -> str:
        """One line between a block's name and its variables: an attribute list, a title, a version."""
        token = self.take()
        if token.kind == "end" or token.word in ("END_DATA_BLOCK", "END_TYPE", "DATA_BLOCK", "TYPE"):
            raise _Fault(token, f"STRUCT is wanted here, not {token.text[:40]!r}", "declare the variables")
        if token.text == "{":
            parts = [token.text]
            while parts[-1] != "}" and self.token.kind != "end":
                parts.append(self.take().text)
            return "".join(parts)
        while self.token.line == token.line and self.token.kind != "end":
            self.take()
        return ""

    def members(self, depth: int) -> list[Member]:
        """The variables up to END_STRUCT or END_VAR, which is taken."""
        members: list[Member] = []
        while not self.accept(*_CLOSERS):
            if depth > MAX_DEPTH or len(members) > MAX_TAGS:
                raise _Fault(self.token, "is nested too deeply or too long", "divide the block")
            if self.token.kind == "end":
                raise _Fault(self.token, "END_STRUCT is missing", "the source is cut short: export it again")
            members += self.member(depth)
        self.accept(";")
        return members

    def member(self, depth: int) -> list[Member]:
        """``a, b {…} : Array[0..9] of Int := …; // comment``, as one member for each name."""
        token = self.token
        names = [self.name()]
        self.attributes()
        while self.accept(","):
            names.append(self.name())
            self.attributes()
        self.expect(":", "write a variable as name : type;")
        bounds: tuple[tuple[int, int], ...] = ()
        while self.accept("ARRAY"):
            bounds += self.bounds()
            self.expect("OF")
        inner: list[Member] | None = None
        kind = ""
        last = self.token.line
        if self.accept("STRUCT"):
            inner = self.members(depth + 1)
        else:
            kind = self.kind()
            last = self.to_semicolon()
        comment = self.notes.get(token.line if inner is not None else last, "")
        return [Member(name, kind, token.line, comment, bounds, inner) for name in names]

    def attributes(self) -> None:
        if self.accept("{"):
            while not self.accept("}"):
                if self.take().kind == "end":
                    raise _Fault(self.token, "} is missing", "close the list of attributes")

    def bounds(self) -> tuple[tuple[int, int], ...]:
        self.expect("[")
        found = []
        while True:
            low = self.integer()
            self.expect("..")
            high = self.integer()
            if high < low:
                raise _Fault(
                    self.token, f"an array cannot run from {low} to {high}", "write Array[0..9] of Int"
                )
            found.append((low, high))
            if not self.accept(","):
                self.expect("]")
                return tuple(found)

    def integer(self) -> int:
        sign = -1 if self.accept("-") else 1
        token = self.take()
        if not token.text.isdecimal() or len(token.text) > 9:
            hint = "write the number; the value of a constant is not in the source"
            raise _Fault(token, f"a number is wanted here, not {token.text[:40]!r}", hint)
        return sign * int(token.text)

    def kind(self) -> str:
        """The type's name in capitals, with its length: ``INT``, ``STRING[20]``."""
        token = self.token
        name = self.name().upper()
        if token.kind == "word" and name in ("STRING", "WSTRING") and self.accept("["):
            name += f"[{self.integer()}]"
            self.expect("]")
        return name

    def to_semicolon(self) -> int:
        """Past the initial value; the line where the declaration ends."""
        while True:
            token = self.take()
            if token.text == ";" and token.kind == "mark":
                return token.line
            if token.kind == "end" or token.word in (*_CLOSERS, "BEGIN", "END_DATA_BLOCK"):
                raise _Fault(token, "; is missing before this", "end each variable with ;")


def _is_optimised(attributes: str) -> bool:
    return re.search(r"S7_Optimized_Access:='TRUE'", attributes, re.IGNORECASE) is not None


def _number_of(name: str) -> int:
    match = _NUMBERED.match(name)
    return int(match[1]) if match else 0


def is_source(text: str) -> bool:
    """Whether ``text`` declares a data block or a PLC data type."""
    return re.search(r"^\s*(DATA_BLOCK|TYPE)\s+[\"\w]", text, re.MULTILINE | re.IGNORECASE) is not None


def read_source(text: str, listing: Listing, offsets: bool, numbers: Mapping[str, int]) -> None:
    """Add the tags of every block in ``text``.

    With ``offsets`` they lie at addresses, for which a block needs a number: its own, or one of ``numbers``
    by its name. Without, they are known by their symbols.
    """
    parser = _Parser(text)
    parser.file(listing.problems, listing.file)
    if not parser.blocks and not listing.problems:
        listing.bad(1, 0, "declares no data block", "export the block too, not its types alone")
    place_blocks(parser.blocks, parser.types, listing, offsets, numbers)


def place_blocks(
    blocks: list[Block],
    types: Mapping[str, list[Member]],
    listing: Listing,
    offsets: bool,
    numbers: Mapping[str, int],
) -> None:
    """Add the tags of ``blocks``, as ``read_source`` does."""
    for block in blocks:
        if len(block.members) == 1 and not block.members[0].name:  # all of it is of one type
            of = block.members[0].type
            if of not in types:
                listing.leave(
                    block.name, f"is a block of {of or 'a type'} that is not in the file", block.line
                )
                continue
            block = msgspec.structs.replace(block, members=types[of])
        number = numbers.get(block.name, 0) or numbers.get("", 0) or block.number
        if offsets and block.optimised:
            what = f"block {block.name!r} has optimised access: its variables have no offsets"
            hint = "take it out of the block's properties, or reach the controller by OPC UA"
            listing.bad(block.line, 0, what, hint)
        elif offsets and not number:
            what = f"block {block.name!r} has no number in its source"
            listing.bad(block.line, 0, what, f'say it: --db "{block.name}=10"')
        else:
            lay_out(block, types, number, offsets, listing)
