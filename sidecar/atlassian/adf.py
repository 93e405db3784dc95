"""The Atlassian Document Format as plain text.  Pure and total: whatever comes, it gives some text and never fails.

Nodes and attributes by https://developer.atlassian.com/cloud/jira/platform/apis/document/structure/; new ones appear
without notice, so that of an unknown node its text and its content are taken.
"""

import contextlib
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

MAX_CHARS: Final = 20_000
"""What is kept of a text; the feed keeps less."""
MAX_DEPTH: Final = 60
"""Real documents nest up to about ten deep; Python's own stack allows some hundreds."""
MAX_NODES: Final = 50_000
"""A document of empty nodes has no length to stop at."""
RULE: Final = "---"


def adf_text(document: object, limit: int = MAX_CHARS) -> str:
    """The document as text with at most `limit` characters.  A string is taken as it is, anything else is empty."""
    if isinstance(document, str):
        return document[:limit].strip()
    out = _Text(limit)
    with contextlib.suppress(_Full):
        _walk(document, out, 0)
    return "".join(out.parts)[:limit].strip()


class _Full(Exception):
    """There is enough text."""


class _Text:
    """Text while it is put together, line by line; `indent` leads every line, `marker` only the next one."""

    def __init__(self, room: int, nodes: int = MAX_NODES) -> None:
        self.parts: list[str] = []
        self.room = room
        self.nodes = nodes
        self.indent = ""
        self.marker: str | None = None
        self._at_start = True

    def say(self, text: str) -> None:
        """Go on in this line; line ends within the text begin new ones."""
        for number, piece in enumerate(text.split("\n")):
            if number:
                self.newline()
            if piece:
                if self._at_start:
                    self._put(self.indent if self.marker is None else self.marker)
                    self.marker = None
                    self._at_start = False
                self._put(piece)

    def newline(self) -> None:
        """End this line."""
        self._put("\n")
        self._at_start = True

    def block(self) -> None:
        """What follows begins a line."""
        if not self._at_start:
            self.newline()

    def count(self) -> None:
        """One more node."""
        self.nodes -= 1
        if self.nodes < 0:
            raise _Full

    def _put(self, text: str) -> None:
        self.parts.append(text)
        self.room -= len(text)
        if self.room < 0:
            raise _Full


def _walk(node: object, out: _Text, depth: int) -> None:
    if not isinstance(node, dict) or depth > MAX_DEPTH:
        return
    out.count()
    kind = node.get("type")
    if not isinstance(kind, str):
        kind = ""
    if (leaf := _LEAVES.get(kind)) is not None:
        out.say(leaf(node))
    elif kind == "rule":
        out.block()
        out.say(RULE)
        out.block()
    else:
        _NODES.get(kind, _unknown)(node, out, depth)


def _children(node: dict[Any, Any], out: _Text, depth: int) -> None:
    content = node.get("content")
    if isinstance(content, list):
        for child in content:
            _walk(child, out, depth + 1)


def _unknown(node: dict[Any, Any], out: _Text, depth: int) -> None:
    text = node.get("text")
    if isinstance(text, str):
        out.say(text)
    _children(node, out, depth)


def _paragraph(node: dict[Any, Any], out: _Text, depth: int) -> None:
    out.block()
    _children(node, out, depth)
    out.block()


def _quote(node: dict[Any, Any], out: _Text, depth: int) -> None:
    out.block()
    outer = out.indent
    out.indent = outer + "> "
    _children(node, out, depth)
    out.block()
    out.indent = outer


def _list(node: dict[Any, Any], out: _Text, depth: int) -> None:
    """Any list: bullets, numbers, tasks, decisions."""
    content = node.get("content")
    number = _whole(_attribute(node, "order"), 1)
    for item in content if isinstance(content, list) else ():
        kind = item.get("type") if isinstance(item, dict) else None
        if kind == "taskItem":
            lead = "[x] " if _attribute(item, "state") == "DONE" else "[ ] "
        elif kind in ("taskList", "decisionList", "bulletList", "orderedList"):  # a list in a list, without an item
            lead = ""
        else:
            lead = f"{number}. " if node.get("type") == "orderedList" else "• "
        number += 1
        _item(item, out, depth, lead)


def _item(item: object, out: _Text, depth: int, lead: str) -> None:
    if not isinstance(item, dict):
        return
    out.count()
    out.block()
    outer = out.indent
    out.marker = (outer if out.marker is None else out.marker) + lead
    out.indent = outer + "  "
    _children(item, out, depth + 1)
    out.block()
    out.indent, out.marker = outer, None


def _table(node: dict[Any, Any], out: _Text, depth: int) -> None:
    content = node.get("content")
    for row in content if isinstance(content, list) else ():
        cells = row.get("content") if isinstance(row, dict) else None
        out.count()
        out.block()
        out.say("\t".join(_cell(cell, out, depth + 2) for cell in cells) if isinstance(cells, list) else "")
    out.block()


def _cell(cell: object, out: _Text, depth: int) -> str:
    inner = _Text(out.room, out.nodes)
    with contextlib.suppress(_Full):
        _walk(cell, inner, depth)
    out.nodes = inner.nodes
    return " ".join("".join(inner.parts).split())


def _expand(node: dict[Any, Any], out: _Text, depth: int) -> None:
    out.block()
    out.say(_string(node, "title"))
    _paragraph(node, out, depth)


def _first(*names: str, otherwise: str = "") -> Callable[[dict[Any, Any]], str]:
    """The first of these attributes that has a text."""
    return lambda node: next((text for name in names if (text := _string(node, name))), otherwise)


def _date(node: dict[Any, Any]) -> str:
    stamp = _attribute(node, "timestamp")
    try:
        return datetime.fromtimestamp(int(stamp) / 1000, UTC).date().isoformat()
    except (TypeError, ValueError, OverflowError, OSError):
        return stamp if isinstance(stamp, str) else ""


def _attribute(node: dict[Any, Any], name: str) -> Any:
    attributes = node.get("attrs")
    return attributes.get(name) if isinstance(attributes, dict) else None


def _string(node: dict[Any, Any], name: str) -> str:
    value = _attribute(node, name)
    return value if isinstance(value, str) else ""


def _whole(value: object, otherwise: int) -> int:
    return int(value) if isinstance(value, int | float) and abs(value) < 1e9 else otherwise


_LEAVES: Final[dict[str, Callable[[dict[Any, Any]], str]]] = {
    "hardBreak": lambda _: "\n",
    "mention": _first("text", "id"),
    "emoji": _first("text", "shortName"),
    "date": _date,
    "status": lambda node: f"[{_string(node, 'text')}]",
    "placeholder": _first("text"),
    "inlineCard": _first("url", otherwise="[link]"),
    "blockCard": _first("url", otherwise="[link]"),
    "embedCard": _first("url", otherwise="[link]"),
    "media": _first("alt", otherwise="[attachment]"),
    "mediaInline": _first("alt", otherwise="[attachment]"),
}
_NODES: Final[dict[str, Callable[[dict[Any, Any], _Text, int], None]]] = {
    "paragraph": _paragraph,
    "heading": _paragraph,
    "codeBlock": _paragraph,
    "panel": _paragraph,
    "mediaSingle": _paragraph,
    "mediaGroup": _paragraph,
    "layoutSection": _paragraph,
    "layoutColumn": _paragraph,
    "caption": _paragraph,
    "blockquote": _quote,
    "bulletList": _list,
    "orderedList": _list,
    "taskList": _list,
    "decisionList": _list,
    "table": _table,
    "expand": _expand,
    "nestedExpand": _expand,
}
