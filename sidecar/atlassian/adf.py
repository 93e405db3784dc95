"""Converts the Atlassian Document Format to plain text.  Pure; any value gives some text, and none raises.

Nodes and attributes follow https://developer.atlassian.com/cloud/jira/platform/apis/document/structure/.  New ones
appear without notice, so an unknown node is converted to its text and its content.
"""

import re
from collections.abc import Callable, Iterator, Mapping
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
BREAK: Final = "\x1e"
"""Within the conversion: ends the line unless it is empty."""

_BREAKS: Final = re.compile(rf"(^|\n)?{BREAK}+")


def adf_text(document: object, limit: int = MAX_CHARS) -> str:
    """Returns a document as text of at most `limit` characters.  A string is returned, any other value gives ""."""
    if isinstance(document, str):
        return document[:limit].strip()
    text = _Converter(limit).convert(document, 0) if isinstance(document, dict) else ""
    return _lines(text)[:limit].strip()


class _Converter:
    """Converts nodes to text until the limits are reached; what follows then is left out."""

    def __init__(self, chars_left: int) -> None:
        self._chars_left = chars_left
        self._nodes_left = MAX_NODES

    def convert(self, node: Node, depth: int) -> str:
        if depth > MAX_DEPTH:
            return ""
        kind = get_text(node, "type") or ""
        if (container := CONTAINERS.get(kind)) is not None:
            return container(self, node, depth)
        leaf = LEAVES.get(kind)
        text = (get_text(node, "text") or "") if leaf is None else leaf(node)
        self._chars_left -= len(text)
        return text + self.children(node, depth) if leaf is None else text

    def children(self, node: Node, depth: int) -> str:
        return "".join(self.convert(child, depth + 1) for child in self.content(node))

    def content(self, node: Node) -> Iterator[Node]:
        for child in get_objects(node, "content"):
            self._nodes_left -= 1
            if self._nodes_left < 0 or self._chars_left < 0:
                return
            yield child


def _lines(text: str) -> str:
    return _BREAKS.sub(lambda found: "\n" if found[1] is None else found[1], text)


def _indented(text: str, first: str, others: str) -> str:
    """Puts `first` before the first line that is not empty, and `others` before the following ones."""
    lines, indent = [], first
    for line in _lines(text).split("\n"):
        lines.append(indent + line if line else "")
        indent = others if line else indent
    return "\n".join(lines)


def _block(converter: _Converter, node: Node, depth: int) -> str:
    return BREAK + converter.children(node, depth) + BREAK


def _quote(converter: _Converter, node: Node, depth: int) -> str:
    return BREAK + _indented(converter.children(node, depth), "> ", "> ") + BREAK


def _list(converter: _Converter, node: Node, depth: int) -> str:
    """Converts a list of bullets, numbers, tasks or decisions."""
    order = get_count(node, "attrs", "order")
    text = BREAK
    for number, item in enumerate(converter.content(node), 1 if order is None else order):
        kind = get_text(item, "type")
        if kind == "taskItem":
            marker = "[x] " if _attribute(item, "state") == "DONE" else "[ ] "
        elif kind in ("taskList", "decisionList", "bulletList", "orderedList"):  # a list directly inside a list
            marker = ""
        else:
            marker = f"{number}. " if node.get("type") == "orderedList" else "• "
        text += _indented(converter.children(item, depth + 1), marker, "  ") + BREAK
    return text


def _table(converter: _Converter, node: Node, depth: int) -> str:
    text = BREAK
    for row in converter.content(node):
        cells = [converter.convert(cell, depth + 2) for cell in converter.content(row)]
        text += "\t".join(" ".join(cell.split()) for cell in cells) + BREAK
    return text


def _expand(converter: _Converter, node: Node, depth: int) -> str:
    return BREAK + _attribute(node, "title") + _block(converter, node, depth)


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
    "rule": lambda _: BREAK + "---" + BREAK,
    **dict.fromkeys(("media", "mediaInline"), lambda node: _attribute(node, "alt", default="[attachment]")),
}
"""The text of nodes without content, by type."""
CONTAINERS: Final[dict[str, Callable[[_Converter, Node, int], str]]] = {
    **dict.fromkeys(("paragraph", "heading", "codeBlock", "panel", "mediaSingle", "mediaGroup"), _block),
    **dict.fromkeys(("layoutSection", "layoutColumn", "caption"), _block),
    "blockquote": _quote,
    **dict.fromkeys(("bulletList", "orderedList", "taskList", "decisionList"), _list),
    "table": _table,
    **dict.fromkeys(("expand", "nestedExpand"), _expand),
}
"""How nodes with content are converted, by type."""
