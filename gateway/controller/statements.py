"""Statements to trees, by recursive descent, recovering behind the next `;` or at a word that closes a block.

Nesting is bounded so that no text, however deep, ends in anything but a problem with a place.
"""

from __future__ import annotations

from gateway.controller import tree
from gateway.controller.cursor import BLOCK_STOPS, BLOCKS, STOPS, UNIT_STOPS, Skip
from gateway.controller.expressions import ExpressionParser
from gateway.controller.lexer import Source, Token
from gateway.errors import Problem

MAX_DEPTH = 40
"""Statements in statements."""
MAX_LOOPS = 16
"""Loops within loops (Python compiles at most 20)."""

_STARTS = {*BLOCKS, "name", "EXIT", "CONTINUE", "RETURN", ";"}


class StatementParser(ExpressionParser):
    def __init__(self, source: Source, problems: list[Problem]) -> None:
        super().__init__(source, problems)
        self.open: list[str] = []  # words that would close the blocks we are in, innermost last
        self.loops = 0

    def body(self, in_case: bool = False) -> tuple[tree.Statement, ...]:
        """Statements up to a word that closes or continues a block (or the next label of a CASE)."""
        found = list[tree.Statement]()
        while self.now.kind not in STOPS and not (in_case and self.label_ahead()):
            before = self.at
            try:
                if not self.accept(";"):
                    found.append(self.statement())
            except Skip:
                self.skip()
            if self.at == before and self.now.kind not in STOPS:
                self.take()
        return tuple(found)

    def statement(self) -> tree.Statement:
        token = self.now
        if token.kind in BLOCKS:
            if len(self.open) >= MAX_DEPTH:
                raise self.fail_whole_block(token, f"statements nest deeper than {MAX_DEPTH}")
            return self.block()
        if token.kind in ("EXIT", "CONTINUE", "RETURN"):
            self.take()
            self.semicolon(f"after {token.kind}")
            return tree.Jump(token.at, token.kind)
        if token.kind == "name":
            return self.simple()
        if token.kind == "direct":
            raise self.fail(
                token.at, f"{token.text} is used without a name", f"declare `name AT {token.text} : ...`"
            )
        raise self.fail(token.at, f"a statement expected, found {self.shown()}")

    def fail_whole_block(self, token: Token, what: str) -> Skip:
        """Report once and pass over the block with everything nested in it."""
        self.report(token.at, what, "move the inner part to a FUNCTION_BLOCK")
        depth = 0
        while self.now.kind not in UNIT_STOPS:
            kind = self.take().kind
            depth += (kind in BLOCKS) - (kind in BLOCKS.values())
            if depth == 0:
                break
        return Skip()

    def simple(self) -> tree.Statement:
        """An assignment or a call."""
        first = self.now
        word = first.text.upper()
        if word in ("ELSEIF", "ELIF") and "END_IF" in self.open:
            self.report(first.at, f"{first.text} is no keyword", "write ELSIF")
            self.tokens[self.at] = Token("ELSIF", first.text, first.at)
            raise Skip
        if self.peek().kind == "(":
            self.nesting = self.terms = 0
            call = self.invocation()
            self.semicolon("after the call")
            return tree.CallStatement(first.at, call)
        target = self.reference()
        if self.now.kind == ":=":
            self.take()
            value = self.whole_expression()
            self.semicolon("after the assignment")
            return tree.Assign(first.at, target, value)
        if word == "BEGIN":
            raise self.fail(first.at, "BEGIN is SCL", "statements follow the last END_VAR directly")
        hint = {
            "=": "assign with `:=`",
            "(": "methods and inner instances are not callable here",
            "[": "ARRAY is not supported",
        }.get(self.now.kind, "")
        raise self.fail(self.now.at, f"`:=` or `(` expected after `{first.text}`, found {self.shown()}", hint)

    def semicolon(self, where: str) -> None:
        if self.accept(";"):
            return
        # Where the next statement follows directly only the semicolon is missing: go on as if it stood.
        last = self.tokens[self.at - 1]
        hint = "ARRAY is not supported" if self.now.kind == "[" else ""
        self.report(last.at + len(last.text), f"`;` is missing {where}", hint)
        if self.now.kind not in STOPS and self.now.kind not in _STARTS:
            raise Skip

    def block(self) -> tree.Statement:
        start = self.take()
        loop = start.kind in ("FOR", "WHILE", "REPEAT")
        self.open.append(BLOCKS[start.kind])
        self.loops += loop
        try:
            if self.loops > MAX_LOOPS:
                self.at -= 1
                raise self.fail_whole_block(start, f"loops nest deeper than {MAX_LOOPS}")
            match start.kind:
                case "IF":
                    return self.if_block(start)
                case "CASE":
                    return self.case_block(start)
                case "FOR":
                    return self.for_block(start)
                case "WHILE":
                    condition = self.guard("DO", "after the WHILE condition")
                    body = self.body()
                    self.close(start)
                    return tree.While(start.at, condition, body)
                case _:
                    return self.repeat_block(start)
        finally:
            self.loops -= loop
            self.open.pop()

    def guard(self, word: str, where: str) -> tree.Expr:
        """A condition and the word behind it; a wrong condition does not hide the block's body."""
        start = self.now
        try:
            condition = self.whole_expression()
            self.expect(word, where, "compare with `=`" if self.now.kind == ":=" else "")
            return condition
        except Skip:
            self.skip_to(word)
            return tree.Number(start.at, False)

    def skip_to(self, word: str) -> None:
        """Go behind `word`, or behind the next `;`, or to a word that closes something."""
        while self.now.kind not in STOPS:
            if self.take().kind in (word, ";"):
                return

    def repeat_block(self, start: Token) -> tree.Repeat:
        body = self.body()
        until: tree.Expr = tree.Number(start.at, True)
        try:
            self.expect("UNTIL", "after the REPEAT body")
            until = self.whole_expression()
            self.accept(";")
        except Skip:
            self.skip()
        self.close(start)
        return tree.Repeat(start.at, body, until)

    def if_block(self, start: Token) -> tree.If:
        arms = [(self.guard("THEN", "after the IF condition"), self.body())]
        other: tuple[tree.Statement, ...] = ()
        nested_if = False
        while word := self.accept("ELSIF", "ELSE"):
            if word.kind == "ELSIF":
                arms.append((self.guard("THEN", "after the ELSIF condition"), self.body()))
                continue
            nested_if |= self.now.kind == "IF" and self.source.line(self.now.at) == self.source.line(word.at)
            other = self.body()
            if self.now.kind in ("ELSIF", "ELSE"):
                self.report(self.now.at, f"{self.now.kind} after ELSE", "ELSE is the last part of an IF")
        hint = "`ELSE IF` opens a second IF that needs its own END_IF; write ELSIF" if nested_if else ""
        self.close(start, hint)
        return tree.If(start.at, tuple(arms), other)

    def case_block(self, start: Token) -> tree.Case:
        selector = self.guard("OF", "after the CASE selector")
        arms, other = list[tuple[tuple[tree.Label, ...], tree.Body]](), tuple[tree.Statement, ...]()
        while self.now.kind not in STOPS:
            try:
                labels = [self.label()]
                while self.accept(","):
                    labels.append(self.label())
                self.expect(":", "after the CASE label")
            except Skip:
                self.skip()
                self.body(in_case=True)
                continue
            arms.append((tuple(labels), self.body(in_case=True)))
        if self.accept("ELSE"):
            self.accept(":")
            other = self.body()
        self.close(start)
        return tree.Case(start.at, selector, tuple(arms), other)

    def label_ahead(self) -> bool:
        if self.now.kind != "name":
            return self.now.kind in ("integer", "based", "typed", "-", "TRUE", "FALSE")
        distance = 1
        while self.peek(distance).kind == "." and self.peek(distance + 1).kind == "name":
            distance += 2
        return self.peek(distance).kind in (":", ",", "..")

    def label(self) -> tree.Label:
        low = self.whole_expression()
        return tree.Label(low.at, low, self.whole_expression() if self.accept("..") else None)

    def for_block(self, start: Token) -> tree.For:
        name = self.now
        first: tree.Expr = tree.Number(start.at, 0)
        last: tree.Expr = first
        step: tree.Expr | None = None
        try:
            self.expect("name", "after FOR")
            if self.now.kind == ".":
                raise self.fail(
                    self.now.at, "the FOR variable is a plain variable", "copy it inside the loop"
                )
            self.expect(":=", "after the FOR variable", "assign with `:=`")
            first = self.whole_expression()
            self.expect("TO", "after the FOR start")
            last = self.whole_expression()
            step = self.whole_expression() if self.accept("BY") else None
            self.expect("DO", "after the FOR range")
        except Skip:
            self.skip_to("DO")
        body = self.body()
        self.close(start)
        return tree.For(start.at, tree.Name(name.at, (name.text,)), first, last, step, body)

    def close(self, start: Token, hint: str = "") -> None:
        end = BLOCKS[start.kind]
        if self.accept(end):
            self.accept(";")
            return
        line = self.source.line(start.at)
        self.report(
            self.now.at,
            f"{end} expected for the {start.kind} of line {line}, found {self.shown()}",
            hint or f"end it with {end};",
        )
        # A closing word that no enclosing block waits for was meant for this one.
        if self.now.kind in BLOCK_STOPS and self.now.kind not in self.open[:-1]:
            self.take()
            self.accept(";")
