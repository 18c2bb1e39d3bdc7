"""An import written into the text of a station file: only what changes is touched, byte for byte.

ruamel.yaml says where each value stands and how a new one is spelled; comments, order, alignment, quotes
and line ends around it are not written again.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode
from ruamel.yaml.scalarstring import DoubleQuotedScalarString, SingleQuotedScalarString

from gateway.errors import BadInput, Problem
from rig.tags.found import KEYS, text_of
from rig.tags.merge import Added, Plan

# What both the loader and ruamel read as this very text, in a block and between braces.
_PLAIN = re.compile(r"[A-Za-z0-9.](?:[A-Za-z0-9_.;=/+-]| (?=[A-Za-z0-9]))*\Z")
_NO_VALUE = frozenset({"null", "Null", "NULL"})


def spliced(text: str, plan: Plan, file: str) -> str:
    """``text`` with the plan's changes; BadInput where only a hand can edit a tag."""
    return _Splicer(text, file).apply(plan)


def scalar(text: str, style: str | None = None) -> str:
    """A scalar as it stands in a file: plain where nothing can be misread, else quoted."""
    if style is None and _PLAIN.match(text) and text not in _NO_VALUE:
        return text
    odd = not text.isprintable()  # breaks lines, or cannot stand in a file: written as an escape
    quoted = SingleQuotedScalarString if style == "'" and not odd else DoubleQuotedScalarString
    yaml = YAML()
    yaml.width = 2**30
    yaml.allow_unicode = not odd
    line = CommentedMap({"k": quoted(text)})
    line.fa.set_flow_style()
    out = io.StringIO()
    yaml.dump(line, out)
    return out.getvalue().rstrip("\n")[len("{k: ") : -1]


class _Splicer:
    def __init__(self, text: str, file: str) -> None:
        self.text, self.file = text, file
        self.newline = "\r\n" if "\r\n" in text else "\n"
        self.edits: list[tuple[int, int, str]] = []
        root = YAML().compose(text)
        self.tags = next(value for key, value in root.value if key.value == "tags")
        self.entries: dict[str, tuple[Any, Any]] = {key.value: (key, value) for key, value in self.tags.value}

    def apply(self, plan: Plan) -> str:
        problems = []
        fills: dict[str, list[tuple[str, str, bool]]] = {}
        for change in plan.changed:
            if change.old:
                problem = self.replace(change.tag, change.key, change.new)
                problems += [problem] if problem else []
            else:
                fills.setdefault(change.tag, []).append((change.key, change.new, change.check))
        for tag, fields in fills.items():
            problem = self.fill(tag, fields)
            problems += [problem] if problem else []
        if problems:
            raise BadInput(problems)
        if plan.added:
            self.add(plan.added)
        result = self.text
        # From the end, so that what stands before keeps its place; of two at one place the first comes first.
        for _, (start, end, new) in sorted(
            enumerate(self.edits), key=lambda e: (e[1][0], e[0]), reverse=True
        ):
            result = result[:start] + new + result[end:]
        return result

    def by_hand(self, node: Node, what: str) -> Problem:
        mark = node.start_mark
        return Problem(
            self.file, mark.line + 1, mark.column + 1, what, "change it by hand, then import again"
        )

    def inside(self, node: Node, within: Node) -> bool:
        """Whether the node stands there itself; an alias only points to where it stands."""
        a, b = within.start_mark.index, within.end_mark.index
        return bool(a <= node.start_mark.index and node.end_mark.index <= b)

    def replace(self, tag: str, key: str, new: str) -> Problem | None:
        _, entry = self.entries[tag]
        value = next(value for name, value in entry.value if name.value == key)
        scattered = not isinstance(value, ScalarNode) and not value.flow_style
        if not self.inside(entry, self.tags) or not self.inside(value, entry) or scattered or _is_text(value):
            return self.by_hand(value, f"{tag}: {key} is an alias or runs over several lines")
        quotes = value.style if isinstance(value, ScalarNode) and value.style in ("'", '"') else None
        self.edits.append((value.start_mark.index, value.end_mark.index, _spelled(key, new, quotes)))
        return None

    def fill(self, tag: str, fields: list[tuple[str, str, bool]]) -> Problem | None:
        """New keys of a tag that is there, behind its last one."""
        name, entry = self.entries[tag]
        if not self.inside(entry, self.tags):
            return self.by_hand(name, f"{tag} is an alias")
        end = self.end(entry.value[-1], entry)
        if entry.flow_style:
            new = "".join(f", {key}: {_spelled(key, text)}" for key, text, _ in fields)
            self.edits.append((end, end, new))
            return None
        indent = " " * entry.value[0][0].start_mark.column
        for key, text, check in fields:
            remark = "  # check" if check else ""
            self.insert_line(end, f"{indent}{key}: {_spelled(key, text)}{remark}")
        return None

    def end(self, pair: tuple[Any, Any], within: Any) -> int:
        """Where a pair ends, without the comments and empty lines behind it."""
        key, value = pair
        if not self.inside(value, within) or value.start_mark.index < key.end_mark.index:
            rest = self.text[key.end_mark.index : within.end_mark.index]
            alias = re.match(r"\s*:\s*\*[^\s,}]+", rest)
            return int(key.end_mark.index) + (alias.end() if alias else 1)
        if isinstance(value, MappingNode) and not value.flow_style and value.value:
            return self.end(value.value[-1], value)
        end = int(value.end_mark.index)
        return len(self.text[:end].rstrip()) if isinstance(value, ScalarNode) else end

    def insert_line(self, after: int, line: str) -> None:
        """A line of its own behind the line in which ``after`` lies."""
        end = self.text.find("\n", after)
        if end < 0:
            self.edits.append((len(self.text), len(self.text), self.newline + line))
        else:
            self.edits.append((end + 1, end + 1, line + self.newline))

    def add(self, added: list[Added]) -> None:
        if self.tags.flow_style and self.tags.value:
            end = self.end(self.tags.value[-1], self.tags)
            first = self.tags.value[0][0].start_mark
            own_line = not self.text[: first.index].rpartition("\n")[2].strip()
            gap = self.newline + " " * first.column if own_line else " "
            self.edits.append((end, end, "".join(f",{gap}{_flow(each)}" for each in added)))
            return
        if not self.tags.value:  # {}: a block takes its place, below the line
            begin, end = self.tags.start_mark.index, self.tags.end_mark.index
            self.edits.append((len(self.text[:begin].rstrip(" ")), end, ""))
            indent, last, inner = "  ", end, ""
        else:
            indent = " " * self.tags.value[0][0].start_mark.column
            last = self.end(self.tags.value[-1], self.tags)
            value = self.tags.value[-1][1]
            block = isinstance(value, MappingNode) and not value.flow_style and self.inside(value, self.tags)
            inner = " " * value.value[0][0].start_mark.column if block else ""
        for each in added:
            if inner:
                self.insert_line(last, f"{indent}{each.tag}:")
                for key, text in _fields(each):
                    remark = "  # check" if key in each.check else ""
                    self.insert_line(last, f"{inner}{key}: {_spelled(key, text)}{remark}")
            else:
                self.insert_line(last, indent + _flow(each) + _remark(each))


def _is_text(value: Node) -> bool:
    """Whether a scalar is a block of text, with | or >."""
    return isinstance(value, ScalarNode) and value.style in ("|", ">")


def _spelled(key: str, text: str, style: str | None = None) -> str:
    """A field's value; a table is a list already, a tolerance a mapping."""
    return text if key in ("table", "tolerance") else scalar(text, style)


def _fields(each: Added) -> Iterator[tuple[str, str]]:
    return ((key, text_of(each.entry, key)) for key in KEYS if text_of(each.entry, key))


def _flow(each: Added) -> str:
    return f"{each.tag}: {{{', '.join(f'{key}: {_spelled(key, text)}' for key, text in _fields(each))}}}"


def _remark(each: Added) -> str:
    return f"  # check {', '.join(each.check)}" if each.check else ""
