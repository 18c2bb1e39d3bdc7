"""Tokens to the syntax tree of a file: its types, units and declarations, recovering after each."""

from __future__ import annotations

from gateway.controller import tree
from gateway.controller.cursor import (
    MAX_PROBLEMS,
    UNIT_STOPS,
    UNITS,
    VARS,
    Skip,
    TooMany,
)
from gateway.controller.datatypes import UNSUPPORTED_TYPES
from gateway.controller.lexer import Source
from gateway.controller.statements import StatementParser
from gateway.errors import Problem

_UNSUPPORTED_UNITS = {"CONFIGURATION", "RESOURCE", "CLASS", "INTERFACE", "NAMESPACE", "METHOD", "ACTION"}


def parse(source: Source, problems: list[Problem]) -> tree.File:
    """The tree of a whole file. Appends every problem found to `problems`; never raises."""
    return _Parser(source, problems).file()


class _Parser(StatementParser):
    def __init__(self, source: Source, problems: list[Problem]) -> None:
        super().__init__(source, problems)
        self.lost = set[str]()
        self.incomplete = False

    # --- units

    def file(self) -> tree.File:
        units, enumerations = list[tree.Unit](), list[tree.Enumeration]()
        try:
            while self.now.kind != "end":
                try:
                    if self.now.kind in UNITS:
                        units.append(self.unit())
                    elif self.accept("TYPE"):
                        self.types(enumerations)
                    else:
                        self.stray()
                except Skip:
                    self.incomplete = True
                    while self.now.kind not in UNITS and self.now.kind not in ("TYPE", "end"):
                        self.take()
        except TooMany:
            self.problems.append(
                self.source.problem(
                    self.now.at, f"more than {MAX_PROBLEMS} problems", "the rest was not read"
                )
            )
            self.incomplete = True
        return tree.File(tuple(units), tuple(enumerations), frozenset(self.lost), self.incomplete)

    def stray(self) -> None:
        word = self.now.text.upper()
        hint = "a file holds TYPE, FUNCTION, FUNCTION_BLOCK and one PROGRAM"
        if word in ("VAR_GLOBAL", *_UNSUPPORTED_UNITS):
            raise self.fail(
                self.now.at, f"{word} is not supported", f"{hint}; declare variables in the PROGRAM"
            )
        raise self.fail(self.now.at, f"{self.shown()} is outside any unit", hint)

    def unit(self) -> tree.Unit:
        start = self.take()
        name = self.expect("name", f"after {start.kind}").text
        result = None
        if start.kind == "FUNCTION":
            self.expect(":", f"after FUNCTION {name}", f"give its result type: FUNCTION {name} : INT")
            result = self.type_name()[0]
        declarations, body = list[tree.Declaration](), list[tree.Statement]()
        while self.now.kind in VARS:
            self.section(declarations)
        end = UNITS[start.kind]
        while self.now.kind not in UNIT_STOPS:
            body += self.body()
            if self.now.kind in VARS:
                self.report(self.now.at, f"{self.now.kind} after the first statement", "declare before it")
                self.section([])
            elif self.now.kind not in UNIT_STOPS:
                self.report(self.now.at, f"{self.take().kind} closes nothing here")
                self.accept(";")
        if not self.accept(end):
            line = self.source.line(start.at)
            self.report(
                self.now.at, f"{start.kind} {name} of line {line} is not closed", f"end it with {end}"
            )
            if self.now.kind in UNITS.values():
                self.take()
        self.accept(";")
        return tree.Unit(start.at, start.kind, name, result, tuple(declarations), tuple(body))

    def types(self, found: list[tree.Enumeration]) -> None:
        while self.now.kind == "name":
            try:
                name = self.take()
                self.expect(":", f"after TYPE {name.text}")
                if self.now.kind != "(":
                    what = f"TYPE {name.text} as {self.shown()} is not supported"
                    raise self.fail(self.now.at, what, f"enumerations are: {name.text} : (Idle, Running);")
                self.take()
                values = [self.enumerator()]
                while self.accept(","):
                    values.append(self.enumerator())
                self.expect(")", "after the enumeration's values")
                if self.now.kind == ":=":
                    raise self.fail(
                        self.now.at, "a type's own initial value is not supported", "give it per variable"
                    )
                self.expect(";", "after the type")
                found.append(tree.Enumeration(name.at, name.text, tuple(values)))
            except Skip:
                self.incomplete = True
                if self.now.text.upper() == "STRUCT":
                    self.skip_structure()
                self.skip("END_TYPE")
        self.expect("END_TYPE", "after the types")
        self.accept(";")

    def skip_structure(self) -> None:
        while self.now.kind not in UNIT_STOPS and self.take().text.upper() != "END_STRUCT":
            continue

    def enumerator(self) -> tuple[int, str, tree.Expr | None]:
        name = self.expect("name", "in the enumeration")
        return name.at, name.text, self.expression() if self.accept(":=") else None

    # --- declarations

    def section(self, found: list[tree.Declaration]) -> None:
        keyword = self.take()
        if keyword.kind in ("VAR_GLOBAL", "VAR_EXTERNAL"):
            self.report(
                keyword.at, f"{keyword.kind} is not supported", "declare the variables in the PROGRAM"
            )
        constant = False
        while word := self.accept("CONSTANT", "RETAIN", "NON_RETAIN", "PERSISTENT"):
            constant |= word.kind == "CONSTANT"
        while self.now.kind == "name":
            name = self.now.text.upper()
            try:
                self.declaration(keyword.kind, constant, found)
            except Skip:
                self.lost.add(name)
                self.skip("END_VAR")
        if not self.accept("END_VAR"):
            self.incomplete = True
            line = self.source.line(keyword.at)
            self.report(
                self.now.at,
                f"a declaration or END_VAR expected, found {self.shown()}",
                f"the {keyword.kind} of line {line} ends with END_VAR",
            )
            while self.now.kind not in UNIT_STOPS and self.now.kind not in VARS:
                if self.take().kind == "END_VAR":
                    break
        self.accept(";")

    def declaration(self, keyword: str, constant: bool, found: list[tree.Declaration]) -> None:
        names = [self.take()]
        while self.accept(","):
            names.append(self.expect("name", "after `,`"))
        self.lost |= {name.text.upper() for name in names}
        address = None
        if self.accept("AT"):
            address = self.expect("direct", "after AT", "addresses look like %IX0.0, %QW2 or %MD4")
        self.expect(":", f"after {names[-1].text}", "declare as `name : TYPE;`")
        type_name, type_at = self.type_name()
        initial: tree.Expr | None = None
        presets: tuple[tree.Argument, ...] = ()
        if self.accept(":="):
            if self.now.kind == "(" and self.peek().kind == "name" and self.peek(2).kind == ":=":
                presets = self.arguments()
            elif self.now.kind == "[":
                raise self.fail(
                    self.now.at, "initial values in brackets are for arrays", "ARRAY is not supported"
                )
            else:
                initial = self.whole_expression()
        self.semicolon("after the declaration")
        self.lost -= {name.text.upper() for name in names}
        text, place = (address.text, address.at) if address else (None, 0)
        found += [
            tree.Declaration(
                at=name.at,
                name=name.text,
                section=keyword,
                constant=constant,
                type=type_name,
                type_at=type_at,
                address=text,
                address_at=place,
                initial=initial,
                presets=presets,
            )
            for name in names
        ]

    def type_name(self) -> tuple[str, int]:
        token = self.expect("name", "as the type")
        if token.text.upper() in UNSUPPORTED_TYPES:
            raise self.fail(
                token.at, f"{token.text.upper()} is not supported", "use the elementary types and instances"
            )
        if self.now.kind in ("(", "["):
            raise self.fail(
                self.now.at, f"a subrange or length of {token.text} is not supported", "leave it out"
            )
        return token.text, token.at
