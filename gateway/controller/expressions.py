"""Expressions to trees: a Pratt parser whose ranks follow the standard's grammar (and MATIEC).

Unary operators bind before `**`, which binds to the left. Depth and length are bounded, so that neither
this parser nor what walks the tree later can run out of stack.
"""

from __future__ import annotations

from gateway.controller import literals, tree
from gateway.controller.cursor import Cursor
from gateway.controller.lexer import Source
from gateway.errors import Problem

MAX_NESTING = 40
"""Levels of parentheses, prefixes, calls and changing operators in an expression."""
MAX_TERMS = 250
"""Operators in one expression."""

_RANK = {
    "OR": 1, "OR_ELSE": 1, "XOR": 2, "AND": 3, "&": 3, "AND_THEN": 3, "=": 4, "<>": 4,
    "<": 5, ">": 5, "<=": 5, ">=": 5, "+": 6, "-": 6, "*": 7, "/": 7, "MOD": 7, "**": 8,
}  # fmt: skip
_ALIAS = {"&": "AND", "AND_THEN": "AND", "OR_ELSE": "OR"}
# Operators whose chains stay flat in the generated code.
_CHAIN = {"AND": 1, "OR": 2, "XOR": 3, "+": 4, "-": 4, "*": 5}


class ExpressionParser(Cursor):
    def __init__(self, source: Source, problems: list[Problem]) -> None:
        super().__init__(source, problems)
        self.nesting = self.terms = 0
        self.height = 0  # of the expression parsed last

    def whole_expression(self) -> tree.Expr:
        self.nesting = self.terms = 0
        return self.expression()

    def expression(self, floor: int = 0) -> tree.Expr:
        left = self.prefix()
        height = self.height
        while (rank := _RANK.get(self.now.kind, 0)) > floor:
            token = self.take()
            op = _ALIAS.get(token.kind, token.kind)
            right = self.expression(rank)
            chained = isinstance(left, tree.Infix) and op in _CHAIN and _CHAIN.get(left.op) == _CHAIN[op]
            height = max(height + (not chained), self.height + 1)
            self.terms += 1
            if height > MAX_NESTING or self.terms > MAX_TERMS:
                limit = f"{MAX_TERMS} operators" if self.terms > MAX_TERMS else f"{MAX_NESTING} levels"
                raise self.fail(
                    token.at, f"the expression has more than {limit}", "use a variable for a part of it"
                )
            left = tree.Infix(token.at, op, left, right)
        self.height = height
        return left

    def prefix(self) -> tree.Expr:
        token = self.now
        self.nesting += 1
        if self.nesting > MAX_NESTING:
            self.nesting = 0
            raise self.fail(
                token.at, f"the expression nests deeper than {MAX_NESTING}", "use a variable for a part"
            )
        try:
            if token.kind == "NOT":
                self.take()
                operand = self.prefix()
                self.height += 1
                return tree.Prefix(token.at, "NOT", operand)
            if token.kind in ("-", "+"):
                self.take()
                operand = self.prefix()
                if token.kind == "+":
                    return operand
                if (
                    isinstance(operand, tree.Number)
                    and operand.type is None
                    and not isinstance(operand.value, bool)
                ):
                    return tree.Number(token.at, -operand.value)
                self.height += 1
                return tree.Prefix(token.at, "-", operand)
            return self.primary()
        finally:
            self.nesting -= 1

    def primary(self) -> tree.Expr:
        token = self.now
        self.height = 1
        try:
            match token.kind:
                case "integer" | "real" | "based":
                    return tree.Number(self.take().at, literals.number(token.text))
                case "typed":
                    return literals.typed(self.take().at, token.text)
                case "time":
                    return tree.Duration(self.take().at, literals.duration(token.text))
        except literals.BadLiteral as bad:
            raise self.fail(token.at, bad.what, bad.hint) from None
        match token.kind:
            case "TRUE" | "FALSE":
                return tree.Number(self.take().at, token.kind == "TRUE")
            case "(":
                self.take()
                inner = self.expression()
                self.expect(")", "to close the parenthesis")
                self.height += 1
                return inner
            case "name" | "AND" | "OR" | "XOR" | "MOD" if self.peek().kind == "(":
                return self.invocation()
            case "name":
                return self.reference()
            case "direct":
                raise self.fail(
                    token.at, f"{token.text} is used without a name", f"declare `name AT {token.text} : ...`"
                )
            case "string":
                raise self.fail(token.at, "STRING is not supported")
        raise self.fail(token.at, f"an expression expected, found {self.shown()}")

    def reference(self) -> tree.Name | tree.Bit:
        first = self.take()
        path = [first.text]
        while self.accept("."):
            token = self.take()
            if token.kind == "integer" or (token.kind == "direct" and token.text[:2].upper() == "%X"):
                digits = token.text.lstrip("%xX")
                if not digits.isdigit() or len(digits) > 2:
                    raise self.fail(token.at, f"`{token.text}` is no bit number", "write word.3 or word.%X3")
                return tree.Bit(token.at, tree.Name(first.at, tuple(path)), int(digits))
            if token.kind != "name":
                self.at -= token.kind != "end"
                raise self.fail(token.at, f"a member or bit number expected after `.`, found `{token.text}`")
            path.append(token.text)
        return tree.Name(first.at, tuple(path))

    def invocation(self) -> tree.Invocation:
        name = self.take()
        arguments = self.arguments()
        return tree.Invocation(name.at, name.text, arguments)

    def arguments(self) -> tuple[tree.Argument, ...]:
        self.take()
        found = list[tree.Argument]()
        height = 1
        if not self.accept(")"):
            while True:
                found.append(self.argument())
                height = max(height, self.height + 1)
                if self.accept(")"):
                    break
                self.expect(",", "between arguments")
        self.height = height
        return tuple(found)

    def argument(self) -> tree.Argument:
        token = self.now
        if token.kind == "NOT" and self.peek().kind == "name" and self.peek(2).kind == "=>":
            raise self.fail(token.at, "a negated output is not supported", "negate the variable afterwards")
        if token.kind == "name" and self.peek().kind in (":=", "=>"):
            self.take()
            out = self.take().kind == "=>"
            return tree.Argument(token.at, token.text, self.expression(), out)
        value = self.expression()
        return tree.Argument(value.at, None, value)
