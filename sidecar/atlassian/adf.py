"""Converts the Atlassian Document Format to plain text.  Pure; any value gives some text, and none raises.

Nodes and attributes follow https://developer.atlassian.com/cloud/jira/platform/apis/document/structure/.  New ones
appear without notice, so an unknown node is converted to its text and its content.
"""

import contextlib
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

MAX_CHARS: Final = 20_000
"""Default maximum length of a text; the feed stores less."""
MAX_DEPTH: Final = 60
"""Real documents are nested about ten levels deep; Python's stack allows some hundreds."""
MAX_NODES: Final = 50_000
"""Limits the time for a document of empty nodes, which never reaches the maximum length."""
RULE: Final = "---"


def adf_text(document: object, limit: int = MAX_CHARS) -> str:
    """Returns a document as text of at most `limit` characters.  A string is returned, any other value gives ""."""
    if isinstance(document, str):
        return document[:limit].strip()
    writer = _TextWriter(limit)
    with contextlib.suppress(_Full):
        _convert(document, writer, 0)
    return "".join(writer.parts)[:limit].strip()


class _Full(Exception):
    """The text has its maximum length."""


class _TextWriter:
    """Builds a text line by line; `indent` starts every line, `marker` only the next one."""

    def __init__(self, chars_left: int, nodes_left: int = MAX_NODES) -> None:
        self.parts: list[str] = []
        self.chars_left = chars_left
        self.nodes_left = nodes_left
        self.indent = ""
        self.marker: str | None = None
        self._at_start = True

    def write(self, text: str) -> None:
        """Appends text, which may contain line ends."""
        for number, piece in enumerate(text.split("\n")):
            if number:
                self.newline()
            if piece:
                if self._at_start:
                    self._append(self.indent if self.marker is None else self.marker)
                    self.marker = None
                    self._at_start = False
                self._append(piece)

    def newline(self) -> None:
        self._append("\n")
        self._at_start = True

    def start_line(self) -> None:
        """Ends the current line unless it is empty."""
        if not self._at_start:
            self.newline()

    def count_node(self) -> None:
        self.nodes_left -= 1
        if self.nodes_left < 0:
            raise _Full

    def _append(self, text: str) -> None:
        self.parts.append(text)
        self.chars_left -= len(text)
        if self.chars_left < 0:
            raise _Full


def _convert(node: object, writer: _TextWriter, depth: int) -> None:
    if not isinstance(node, dict) or depth > MAX_DEPTH:
        return
    writer.count_node()
    kind = node.get("type")
    if not isinstance(kind, str):
        kind = ""
    if (leaf := LEAVES.get(kind)) is not None:
        writer.write(leaf(node))
    elif kind == "rule":
        writer.start_line()
        writer.write(RULE)
        writer.start_line()
    else:
        CONTAINERS.get(kind, _unknown)(node, writer, depth)


def _children(node: dict[Any, Any], writer: _TextWriter, depth: int) -> None:
    content = node.get("content")
    if isinstance(content, list):
        for child in content:
            _convert(child, writer, depth + 1)


def _unknown(node: dict[Any, Any], writer: _TextWriter, depth: int) -> None:
    text = node.get("text")
    if isinstance(text, str):
        writer.write(text)
    _children(node, writer, depth)


def _paragraph(node: dict[Any, Any], writer: _TextWriter, depth: int) -> None:
    writer.start_line()
    _children(node, writer, depth)
    writer.start_line()


def _quote(node: dict[Any, Any], writer: _TextWriter, depth: int) -> None:
    writer.start_line()
    outer = writer.indent
    writer.indent = outer + "> "
    _children(node, writer, depth)
    writer.start_line()
    writer.indent = outer


def _list(node: dict[Any, Any], writer: _TextWriter, depth: int) -> None:
    """Converts a list of bullets, numbers, tasks or decisions."""
    content = node.get("content")
    number = _integer(_attribute(node, "order"), 1)
    for item in content if isinstance(content, list) else ():
        kind = item.get("type") if isinstance(item, dict) else None
        if kind == "taskItem":
            marker = "[x] " if _attribute(item, "state") == "DONE" else "[ ] "
        elif kind in ("taskList", "decisionList", "bulletList", "orderedList"):  # a list directly inside a list
            marker = ""
        else:
            marker = f"{number}. " if node.get("type") == "orderedList" else "• "
        number += 1
        _list_item(item, writer, depth, marker)


def _list_item(item: object, writer: _TextWriter, depth: int, marker: str) -> None:
    if not isinstance(item, dict):
        return
    writer.count_node()
    writer.start_line()
    outer = writer.indent
    writer.marker = (outer if writer.marker is None else writer.marker) + marker
    writer.indent = outer + "  "
    _children(item, writer, depth + 1)
    writer.start_line()
    writer.indent, writer.marker = outer, None


def _table(node: dict[Any, Any], writer: _TextWriter, depth: int) -> None:
    content = node.get("content")
    for row in content if isinstance(content, list) else ():
        cells = row.get("content") if isinstance(row, dict) else None
        writer.count_node()
        writer.start_line()
        writer.write("\t".join(_cell(cell, writer, depth + 2) for cell in cells) if isinstance(cells, list) else "")
    writer.start_line()


def _cell(cell: object, writer: _TextWriter, depth: int) -> str:
    inner = _TextWriter(writer.chars_left, writer.nodes_left)
    with contextlib.suppress(_Full):
        _convert(cell, inner, depth)
    writer.nodes_left = inner.nodes_left
    return " ".join("".join(inner.parts).split())


def _expand(node: dict[Any, Any], writer: _TextWriter, depth: int) -> None:
    writer.start_line()
    writer.write(_string(node, "title"))
    _paragraph(node, writer, depth)


def _first_attribute(*names: str, default: str = "") -> Callable[[dict[Any, Any]], str]:
    """Returns a function that gives the first of these attributes with a text."""
    return lambda node: next((text for name in names if (text := _string(node, name))), default)


def _date(node: dict[Any, Any]) -> str:
    timestamp = _attribute(node, "timestamp")
    try:
        return datetime.fromtimestamp(int(timestamp) / 1000, UTC).date().isoformat()
    except (TypeError, ValueError, OverflowError, OSError):
        return timestamp if isinstance(timestamp, str) else ""


def _attribute(node: dict[Any, Any], name: str) -> Any:
    attributes = node.get("attrs")
    return attributes.get(name) if isinstance(attributes, dict) else None


def _string(node: dict[Any, Any], name: str) -> str:
    value = _attribute(node, name)
    return value if isinstance(value, str) else ""


def _integer(value: object, default: int) -> int:
    return int(value) if isinstance(value, int | float) and abs(value) < 1e9 else default


LEAVES: Final[dict[str, Callable[[dict[Any, Any]], str]]] = {
    "hardBreak": lambda _: "\n",
    "mention": _first_attribute("text", "id"),
    "emoji": _first_attribute("text", "shortName"),
    "date": _date,
    "status": lambda node: f"[{_string(node, 'text')}]",
    "placeholder": _first_attribute("text"),
    "inlineCard": _first_attribute("url", default="[link]"),
    "blockCard": _first_attribute("url", default="[link]"),
    "embedCard": _first_attribute("url", default="[link]"),
    "media": _first_attribute("alt", default="[attachment]"),
    "mediaInline": _first_attribute("alt", default="[attachment]"),
}
"""The text of nodes without content, by type."""
CONTAINERS: Final[dict[str, Callable[[dict[Any, Any], _TextWriter, int], None]]] = {
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
"""How nodes with content are converted, by type."""
