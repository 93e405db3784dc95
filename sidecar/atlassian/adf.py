"""Converts the Atlassian Document Format to plain text.  Pure; any value gives some text, and none raises.

Nodes and attributes follow https://developer.atlassian.com/cloud/jira/platform/apis/document/structure/.  New ones
appear without notice, so an unknown node is converted to its text and its content.
"""

import contextlib
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from sidecar.json_reader import get, get_count, get_objects, get_text

Node = Mapping[str, Any]

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
    if isinstance(document, dict):
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
                self._end_line()
            if piece:
                if self._at_start:
                    self._append(self.indent if self.marker is None else self.marker)
                    self.marker = None
                    self._at_start = False
                self._append(piece)

    def start_line(self) -> None:
        """Ends the current line unless it is empty."""
        if not self._at_start:
            self._end_line()

    def count_node(self) -> None:
        self.nodes_left -= 1
        if self.nodes_left < 0:
            raise _Full

    def _end_line(self) -> None:
        self._append("\n")
        self._at_start = True

    def _append(self, text: str) -> None:
        self.parts.append(text)
        self.chars_left -= len(text)
        if self.chars_left < 0:
            raise _Full


def _convert(node: Node, writer: _TextWriter, depth: int) -> None:
    if depth > MAX_DEPTH:
        return
    writer.count_node()
    kind = get_text(node, "type") or ""
    if (leaf := LEAVES.get(kind)) is not None:
        writer.write(leaf(node))
    elif kind == "rule":
        writer.start_line()
        writer.write(RULE)
        writer.start_line()
    else:
        CONTAINERS.get(kind, _unknown)(node, writer, depth)


def _children(node: Node, writer: _TextWriter, depth: int) -> None:
    for child in get_objects(node, "content"):
        _convert(child, writer, depth + 1)


def _unknown(node: Node, writer: _TextWriter, depth: int) -> None:
    writer.write(get_text(node, "text") or "")
    _children(node, writer, depth)


def _paragraph(node: Node, writer: _TextWriter, depth: int) -> None:
    writer.start_line()
    _children(node, writer, depth)
    writer.start_line()


def _quote(node: Node, writer: _TextWriter, depth: int) -> None:
    outer = writer.indent
    writer.start_line()
    writer.indent = outer + "> "
    _children(node, writer, depth)
    writer.start_line()
    writer.indent = outer


def _list(node: Node, writer: _TextWriter, depth: int) -> None:
    """Converts a list of bullets, numbers, tasks or decisions."""
    order = get_count(node, "attrs", "order")
    for number, item in enumerate(get_objects(node, "content"), 1 if order is None else order):
        kind = get_text(item, "type")
        if kind == "taskItem":
            marker = "[x] " if _attribute(item, "state") == "DONE" else "[ ] "
        elif kind in ("taskList", "decisionList", "bulletList", "orderedList"):  # a list directly inside a list
            marker = ""
        else:
            marker = f"{number}. " if node.get("type") == "orderedList" else "• "
        _list_item(item, writer, depth, marker)


def _list_item(item: Node, writer: _TextWriter, depth: int, marker: str) -> None:
    writer.count_node()
    writer.start_line()
    outer = writer.indent
    writer.marker = (outer if writer.marker is None else writer.marker) + marker
    writer.indent = outer + "  "
    _children(item, writer, depth + 1)
    writer.start_line()
    writer.indent, writer.marker = outer, None


def _table(node: Node, writer: _TextWriter, depth: int) -> None:
    for row in get_objects(node, "content"):
        writer.count_node()
        writer.start_line()
        writer.write("\t".join(_cell(cell, writer, depth + 2) for cell in get_objects(row, "content")))
    writer.start_line()


def _cell(cell: Node, writer: _TextWriter, depth: int) -> str:
    inner = _TextWriter(writer.chars_left, writer.nodes_left)
    with contextlib.suppress(_Full):
        _convert(cell, inner, depth)
    writer.nodes_left = inner.nodes_left
    return " ".join("".join(inner.parts).split())


def _expand(node: Node, writer: _TextWriter, depth: int) -> None:
    writer.start_line()
    writer.write(_attribute(node, "title"))
    _paragraph(node, writer, depth)


def _attribute(node: Node, *names: str, default: str = "") -> str:
    """Returns the first of these attributes with a text."""
    return next((text for name in names if (text := get_text(node, "attrs", name))), default)


def _date(node: Node) -> str:
    timestamp = get(node, "attrs", "timestamp")
    try:
        return datetime.fromtimestamp(int(timestamp) / 1000, UTC).date().isoformat()
    except (TypeError, ValueError, OverflowError, OSError):
        return timestamp if isinstance(timestamp, str) else ""


LEAVES: Final[dict[str, Callable[[Node], str]]] = {
    "hardBreak": lambda _: "\n",
    "mention": lambda node: _attribute(node, "text", "id"),
    "emoji": lambda node: _attribute(node, "text", "shortName"),
    "date": _date,
    "status": lambda node: f"[{_attribute(node, 'text')}]",
    "placeholder": lambda node: _attribute(node, "text"),
    **dict.fromkeys(("inlineCard", "blockCard", "embedCard"), lambda node: _attribute(node, "url", default="[link]")),
    **dict.fromkeys(("media", "mediaInline"), lambda node: _attribute(node, "alt", default="[attachment]")),
}
"""The text of nodes without content, by type."""
CONTAINERS: Final[dict[str, Callable[[Node, _TextWriter, int], None]]] = {
    **dict.fromkeys(("paragraph", "heading", "codeBlock", "panel", "mediaSingle", "mediaGroup"), _paragraph),
    **dict.fromkeys(("layoutSection", "layoutColumn", "caption"), _paragraph),
    "blockquote": _quote,
    **dict.fromkeys(("bulletList", "orderedList", "taskList", "decisionList"), _list),
    "table": _table,
    **dict.fromkeys(("expand", "nestedExpand"), _expand),
}
"""How nodes with content are converted, by type."""
