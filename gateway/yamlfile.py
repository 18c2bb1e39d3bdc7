"""The one YAML loader: marks give file:line, fields convert one by one, all problems appear at once.

Scalars stay text until the field's type is known, so ``00010``, ``1:30`` and ``on`` mean what was
written. A file's shape is a msgspec Struct: its field names in kebab-case are the keys. Two fields are
filled by the place in the file, not by a key: ``line`` (1-based) and ``name`` (the key of a struct in a
mapping). ``Annotated[T, parse]`` gives a scalar its reader: a function from text to T that raises
ValueError("what was wrong; what would be right").
"""

from __future__ import annotations

import difflib
import re
import types
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import msgspec
import yaml
from yaml import MappingNode, Mark, Node, ScalarNode, SequenceNode

from gateway.checked import Checked
from gateway.errors import BadInput, Problem
from gateway.scalar import Text

__all__ = [
    "Id", "MappingNode", "Mark", "Node", "ScalarNode", "SequenceNode", "Text", "boolean", "compose",
    "convert", "dump", "identifier", "load", "nearest_file", "parse", "read_text",
]  # fmt: skip

T = TypeVar("T", bound=msgspec.Struct)
FROM_PLACE = ("line", "name")
MAX_BYTES = 8 * 1024 * 1024
MAX_VALUES = 500_000  # aliases make a small file large
_ID = re.compile(r"[a-z][a-z0-9-]{0,31}\Z")
_FAILED = object()


def identifier(text: str) -> str:
    """An id: ``[a-z][a-z0-9-]{0,31}``."""
    if not _ID.match(text):
        raise ValueError(
            f"{text!r} is not an id; use a small letter, then small letters, digits or -, at most 32"
        )
    return text


Id = Annotated[str, identifier]


def load(path: Path, shape: type[T]) -> tuple[T, list[Problem]]:
    """Read ``path`` into ``shape``; raises BadInput with every problem found in it."""
    text = read_text(path)
    problems: list[Problem] = []
    value = parse(text, str(path), shape, problems)
    if problems or value is None:
        raise BadInput(problems)
    return value, problems


def read_text(path: Path) -> str:
    """The file's text; BadInput if it is not there, not UTF-8, or larger than 8 MiB."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise BadInput([Problem(str(path), 0, 0, "no such file", nearest_file(path))]) from None
    except OSError as error:
        raise BadInput([Problem(str(path), 0, 0, f"cannot be read: {error.strerror}")]) from None
    if len(data) > MAX_BYTES:
        raise BadInput([Problem(str(path), 0, 0, f"is larger than {MAX_BYTES} bytes")])
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise BadInput([Problem(str(path), line, 0, "is not UTF-8", "save the file as UTF-8")]) from None


def parse(text: str, file: str, shape: type[T], problems: list[Problem]) -> T | None:
    """Convert YAML ``text`` into ``shape``, adding what is wrong to ``problems``; None where it failed."""
    node = compose(text, file, problems)
    return None if node is None else convert(node, file, shape, problems)


def compose(text: str, file: str, problems: list[Problem]) -> yaml.Node | None:
    """YAML ``text`` as nodes whose marks name ``file``; None, with a problem added, where it is no YAML."""
    try:
        loader = yaml.SafeLoader(text)
        loader.name = file
        node: yaml.Node | None = loader.get_single_node()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (0, 0)
        what = " ".join(part for part in (error.context, error.problem) if part)
        problems.append(Problem(file, line, column, f"is not YAML: {what}"))
        return None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        problems.append(
            Problem(file, line, 0, f"is not YAML: character {error.character:#x} has no place here")
        )
        return None
    except yaml.YAMLError as error:
        problems.append(Problem(file, 0, 0, f"is not YAML: {error}"))
        return None
    except RecursionError:
        problems.append(Problem(file, 0, 0, "is nested too deeply to be read"))
        return None
    if node is None:
        problems.append(Problem(file, 1, 0, "is empty"))
    return node


def convert(
    node: yaml.Node, file: str, shape: type[T], problems: list[Problem], name: yaml.Node | None = None
) -> T | None:
    """Convert ``node`` into ``shape``; a problem is told in the file that the node's mark names. ``name`` is
    the key that names the struct."""
    where = "the file" if name is None else str(name.value)
    try:
        value = _Converter(problems).struct(node, shape, where, name)
    except _TooMuch:
        problems.append(Problem(file, 0, 0, f"has more than {MAX_VALUES} values", "use fewer aliases"))
        return None
    return None if value is _FAILED else value


def dump(node: Node) -> str:
    """``node`` as YAML, in its own layout."""
    dumped: str = yaml.serialize(node, Dumper=yaml.SafeDumper, width=10_000, allow_unicode=True)
    return dumped


class _TooMuch(Exception):
    """More values than any real file has."""


class _Converter:
    """Walks nodes and types together, collecting problems."""

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = problems
        self.values = 0

    def bad(self, node: yaml.Node, what: str, hint: str = "") -> Any:
        mark = node.start_mark
        self.problems.append(Problem(mark.name, mark.line + 1, mark.column + 1, what, hint))
        return _FAILED

    def count(self, node: yaml.CollectionNode) -> None:
        self.values += len(node.value)
        if self.values > MAX_VALUES:
            raise _TooMuch

    def convert(self, node: yaml.Node, wanted: Any, key: str) -> Any:
        origin, args = get_origin(wanted), get_args(wanted)
        if origin is Annotated:
            readers = [extra for extra in args[1:] if callable(extra)]
            return self.scalar(node, readers[0], key) if readers else self.convert(node, args[0], key)
        if origin in (Union, types.UnionType):
            some = [arg for arg in args if arg is not type(None)]
            if (
                len(some) < len(args)
                and isinstance(node, yaml.ScalarNode)
                and node.value in ("", "~", "null")
            ):
                return None
            return self.union(node, some, key)
        if origin is Literal:
            return self.choice(node, args, key)
        if origin in (list, tuple):
            return self.sequence(node, args[0], key, origin)
        if origin is dict:
            return self.mapping(node, args[0], args[1], key)
        if wanted is Text:
            mark = node.start_mark
            return self.scalar(node, lambda text: Text(text, mark.line + 1, mark.column + 1), key)
        if isinstance(wanted, type) and issubclass(wanted, msgspec.Struct):
            return self.struct(node, wanted, key)
        return self.scalar(node, _READERS[wanted], key)

    def union(self, node: yaml.Node, some: list[Any], key: str) -> Any:
        """The member whose kind of node this is: a struct or dict for a mapping, else the scalar."""
        for member in some:
            bare = get_args(member)[0] if get_origin(member) is Annotated else member
            is_map = get_origin(bare) is dict or (isinstance(bare, type) and issubclass(bare, msgspec.Struct))
            is_seq = get_origin(bare) in (list, tuple)
            if isinstance(node, yaml.MappingNode) == is_map and isinstance(node, yaml.SequenceNode) == is_seq:
                return self.convert(node, member, key)
        return self.convert(node, some[0], key)

    def scalar(self, node: yaml.Node, reader: Callable[[str], Any], key: str) -> Any:
        if not isinstance(node, yaml.ScalarNode):
            return self.bad(node, f"{key}: one value is wanted here, not a {_kind(node)}")
        try:
            return reader(node.value)
        except ValueError as error:
            what, _, hint = str(error).partition("; ")
            return self.bad(node, f"{key}: {what}", hint)

    def choice(self, node: yaml.Node, allowed: tuple[str, ...], key: str) -> Any:
        def reader(text: str) -> str:
            if text in allowed:
                return text
            raise ValueError(f"{text!r} is not known; {_one_of(text, allowed)}")

        return self.scalar(node, reader, key)

    def sequence(self, node: yaml.Node, item: Any, key: str, origin: Any) -> Any:
        if not isinstance(node, yaml.SequenceNode):
            return self.bad(node, f"{key}: a list is wanted here, not a {_kind(node)}")
        self.count(node)
        values = [self.convert(child, item, f"{key}[{index}]") for index, child in enumerate(node.value)]
        return _FAILED if any(value is _FAILED for value in values) else origin(values)

    def pairs(self, node: yaml.MappingNode, key: str) -> dict[str, tuple[yaml.Node, yaml.Node]]:
        self.count(node)
        found: dict[str, tuple[yaml.Node, yaml.Node]] = {}
        for name, value in node.value:
            if not isinstance(name, yaml.ScalarNode):
                self.bad(name, f"{key}: a key must be plain text")
            elif name.value in found:
                first = found[name.value][0].start_mark.line + 1
                self.bad(name, f"{name.value!r} stands twice here", f"the first is in line {first}")
            else:
                found[name.value] = (name, value)
        return found

    def mapping(self, node: yaml.Node, key_type: Any, item: Any, key: str) -> Any:
        if not isinstance(node, yaml.MappingNode):
            return self.bad(node, f"{key}: keys with values are wanted here, not a {_kind(node)}")
        values: dict[str, Any] = {}
        wrong: set[str] = set()
        for name, (name_node, child) in self.pairs(node, key).items():
            checked = self.convert(name_node, key_type, key)
            if isinstance(item, type) and issubclass(item, msgspec.Struct):
                value = self.struct(child, item, name, name_node)
            else:
                value = self.convert(child, item, f"{key}.{name}")
            if checked is not _FAILED and value is not _FAILED:
                values[checked] = value
            else:
                wrong.add(name)
        return Checked(values, wrong) if wrong else values

    def struct(
        self, node: yaml.Node, shape: type[msgspec.Struct], where: str, name: yaml.Node | None = None
    ) -> Any:
        """``where`` begins the messages; ``name`` is the key in a mapping, which names the struct."""
        if not isinstance(node, yaml.MappingNode):
            return self.bad(node, f"{where}: keys with values are wanted here, not a {_kind(node)}")
        hints, fields = _shape(shape)
        values: dict[str, Any] = {}
        if "line" in hints:
            values["line"] = (name or node).start_mark.line + 1
        if "name" in hints and name is not None:
            values["name"] = where
        failed = False
        found = self.pairs(node, where)
        for key, (key_node, child) in found.items():
            if key not in fields:
                self.bad(key_node, f"{where}: key {key!r} is not known", _one_of(key, tuple(fields)))
                continue
            value = self.convert(
                child, hints[fields[key].name], key if where == "the file" else f"{where}.{key}"
            )
            if value is not _FAILED:
                values[fields[key].name] = value
            elif where != "the file" or (fields[key].required and not _is_text(hints[fields[key].name])):
                failed = True
            # Else something stands in, so that the rest of the file is checked too.
        for key, field in fields.items():
            if field.required and key not in found:
                self.bad(name or node, f"{where}: key {key!r} is missing")
                failed = failed or where != "the file" or not _is_text(hints[field.name])
        if failed:
            return _FAILED
        texts = {field.name for field in fields.values() if field.required}
        return shape(**dict.fromkeys(texts - values.keys(), ""), **values)


@cache
def _shape(shape: type[msgspec.Struct]) -> tuple[dict[str, Any], dict[str, msgspec.structs.FieldInfo]]:
    """The types of a struct's fields, and the fields by their keys: a third of the time of a long file."""
    fields = {f.encode_name: f for f in msgspec.structs.fields(shape) if f.name not in FROM_PLACE}
    return get_type_hints(shape, include_extras=True), fields


def _is_text(wanted: Any) -> bool:
    """Whether it is plain text or an id, of which nothing else in the file depends."""
    return wanted is str or wanted == Id


def boolean(text: str) -> bool:
    """``true`` or ``false`` (any case; ``TRUE`` is how controllers write it)."""
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    raise ValueError(f"{text!r} is not a truth value; write true or false")


def _integer(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise ValueError(f"{text!r} is not a whole number; write for example 10") from None


def _real(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        raise ValueError(f"{text!r} is not a number; write for example 2.5") from None
    if value != value or value in (float("inf"), float("-inf")):
        raise ValueError(f"{text!r} is not a finite number; write for example 2.5")
    return value


_READERS: dict[Any, Callable[[str], Any]] = {str: str, int: _integer, float: _real, bool: boolean}


def _kind(node: yaml.Node) -> str:
    if isinstance(node, yaml.ScalarNode):
        return "value"
    return "list" if isinstance(node, yaml.SequenceNode) else "mapping"


def _one_of(text: str, allowed: tuple[str, ...]) -> str:
    near = difflib.get_close_matches(text, allowed, 1, 0.5)
    return f"did you mean {near[0]!r}?" if near else "allowed are " + ", ".join(allowed)


def nearest_file(path: Path) -> str:
    """Which file may be meant by ``path``, which is not there, as a hint."""
    try:
        names = [entry.name for entry in path.parent.iterdir() if entry.suffix == path.suffix]
    except OSError:
        return f"the folder {path.parent} is not there either"
    near = difflib.get_close_matches(path.name, names, 1, 0.5)
    return f"did you mean {path.parent / near[0]}?" if near else ""
