"""A parser of the subset of JQL and CQL that the fakes support.

Comparisons, functions, lists, AND, OR, parentheses and ORDER BY.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

TOKEN = re.compile(
    r"""\s*(?:(?P<text>"(?:[^"\\]|\\.)*")|(?P<sign>>=|<=|!=|=|>|<|\(|\)|,)|(?P<word>[\w./:-]+))""", re.VERBOSE
)


class BadQuery(Exception):
    """The query is invalid; the real API answers with 400."""


@dataclass(frozen=True)
class Call:
    """A function such as `currentUser()`."""

    name: str
    arguments: tuple[Any, ...]


@dataclass(frozen=True)
class Clause:
    """`field operator value`."""

    field: str
    operator: str
    value: Any


@dataclass(frozen=True)
class Query:
    """A parsed query: `where` is a nested tuple of "and", "or" and clauses; `order` the fields it names."""

    where: Any
    order: tuple[str, ...]

    def matches(self, test: Callable[[Clause], bool]) -> bool:
        """Whether the query is true if `test` evaluates its clauses."""
        return _matches(self.where, test)


def _matches(node: Any, test: Callable[[Clause], bool]) -> bool:
    if isinstance(node, Clause):
        return test(node)
    kind, *parts = node
    return (all if kind == "and" else any)(_matches(part, test) for part in parts)


class _Parser:
    def __init__(self, text: str) -> None:
        self.tokens: list[tuple[str, str]] = []
        position = 0
        text = text.strip()
        while position < len(text):
            found = TOKEN.match(text, position)
            if found is None:
                raise BadQuery(text[position:])
            self.tokens.append((found.lastgroup or "", found[found.lastgroup or 0]))
            position = found.end()
        self.at = 0

    def peek(self) -> str:
        return self.tokens[self.at][1].upper() if self.at < len(self.tokens) else ""

    def take(self) -> tuple[str, str]:
        if self.at >= len(self.tokens):
            raise BadQuery("unexpected end")
        self.at += 1
        return self.tokens[self.at - 1]

    def expect(self, text: str) -> None:
        if self.take()[1].upper() != text:
            raise BadQuery(f"{text} expected")

    def or_expression(self) -> Any:
        parts = [self.and_expression()]
        while self.peek() == "OR":
            self.take()
            parts.append(self.and_expression())
        return parts[0] if len(parts) == 1 else ("or", *parts)

    def and_expression(self) -> Any:
        parts = [self.term()]
        while self.peek() == "AND":
            self.take()
            parts.append(self.term())
        return parts[0] if len(parts) == 1 else ("and", *parts)

    def term(self) -> Any:
        if self.peek() == "(":
            self.take()
            inner = self.or_expression()
            self.expect(")")
            return inner
        kind, field = self.take()
        if kind != "word":
            raise BadQuery(field)
        operator = self.take()[1].lower()
        if operator not in ("=", "!=", ">=", "<=", ">", "<", "in"):
            raise BadQuery(operator)
        return Clause(field.lower(), operator, self.value())

    def value(self) -> Any:
        if self.peek() == "(":
            self.take()
            listed = [self.value()]
            while self.peek() == ",":
                self.take()
                listed.append(self.value())
            self.expect(")")
            return listed
        kind, text = self.take()
        if kind == "text":
            return re.sub(r"\\(.)", r"\1", text[1:-1])
        if kind != "word":
            raise BadQuery(text)
        if self.peek() != "(":
            return int(text) if text.isdecimal() else text
        self.take()
        arguments = []
        while self.peek() != ")":
            arguments.append(self.value())
            if self.peek() == ",":
                self.take()
        self.take()
        return Call(text.lower(), tuple(arguments))


def parse(text: str) -> Query:
    """Parses a query.  Raises `BadQuery`."""
    parser = _Parser(text)
    where = parser.or_expression()
    order: list[str] = []
    if parser.peek() == "ORDER":
        parser.take()
        parser.expect("BY")
        while parser.at < len(parser.tokens):
            kind, name = parser.take()
            if kind == "word" and name.upper() not in ("ASC", "DESC"):
                order.append(name.lower())
    if parser.at < len(parser.tokens):
        raise BadQuery(parser.peek())
    return Query(where, tuple(order))
