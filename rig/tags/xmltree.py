"""XML of strangers, read into elements that know their lines.

A document type declaration is refused, and with it every entity: nothing is expanded and nothing is
fetched. Size, depth and number of elements are bounded.
"""

from __future__ import annotations

from collections.abc import Iterator
from xml.parsers import expat

from gateway.errors import BadInput, Problem

MAX_DEPTH = 200
MAX_ELEMENTS = 400_000


class Element:
    """An element by its local name, its attributes, its own text, its children and its line."""

    __slots__ = ("attributes", "children", "line", "name", "text")

    def __init__(self, name: str, attributes: dict[str, str], line: int) -> None:
        self.name, self.attributes, self.line = name, attributes, line
        self.text = ""
        self.children: list[Element] = []

    def get(self, attribute: str) -> str:
        """An attribute's text without space around it; "" where there is none."""
        return self.attributes.get(attribute, "").strip()

    def all(self, name: str) -> Iterator[Element]:
        """The children of that name."""
        return (child for child in self.children if child.name == name)

    def first(self, *path: str) -> Element | None:
        """The first child of that name, its first child of the next name, and so on."""
        here: Element | None = self
        for name in path:
            here = next(here.all(name), None) if here else None
        return here

    def value(self, *path: str) -> str:
        """The text of the element at ``path``, without space around it; "" where there is none."""
        found = self.first(*path)
        return found.text.strip() if found else ""

    def walk(self) -> Iterator[Element]:
        """This element and all below it, in the order of the file."""
        waiting = [self]
        while waiting:
            here = waiting.pop()
            yield here
            waiting.extend(reversed(here.children))


class _Builder:
    def __init__(self, file: str) -> None:
        self.file = file
        self.parser = expat.ParserCreate()
        self.parser.buffer_text = True
        self.parser.StartElementHandler = self.start
        self.parser.EndElementHandler = self.end
        self.parser.CharacterDataHandler = self.text
        self.parser.StartDoctypeDeclHandler = self.doctype
        self.root: Element | None = None
        self.open: list[Element] = []
        self.count = 0

    def start(self, name: str, attributes: dict[str, str]) -> None:
        local = {key.rpartition(":")[2]: value for key, value in attributes.items()}
        element = Element(name.rpartition(":")[2], local, self.parser.CurrentLineNumber)
        self.count += 1
        if self.count > MAX_ELEMENTS or len(self.open) >= MAX_DEPTH:
            self.refuse(f"has more than {MAX_ELEMENTS} elements, or {MAX_DEPTH} within each other")
        if self.open:
            self.open[-1].children.append(element)
        else:
            self.root = element
        self.open.append(element)

    def end(self, _name: str) -> None:
        self.open.pop()

    def text(self, data: str) -> None:
        self.open[-1].text += data

    def doctype(self, *_declaration: object) -> None:
        self.refuse("declares a document type", "no tag list needs one; remove the <!DOCTYPE …>")

    def refuse(self, what: str, hint: str = "") -> None:
        raise BadInput([Problem(self.file, self.parser.CurrentLineNumber, 0, what, hint)])


def parse_xml(data: bytes, file: str) -> Element:
    """The root element; BadInput with line and column where ``data`` is not XML or too much of it."""
    builder = _Builder(file)
    try:
        builder.parser.Parse(data, True)
    except expat.ExpatError as error:
        what = f"is not XML: {expat.ErrorString(error.code)}"
        raise BadInput([Problem(file, error.lineno, error.offset + 1, what)]) from None
    except (ValueError, LookupError) as error:
        raise BadInput([Problem(file, 1, 0, f"is not XML: {error}", "save it as UTF-8")]) from None
    assert builder.root is not None  # expat refuses a document without an element
    return builder.root
