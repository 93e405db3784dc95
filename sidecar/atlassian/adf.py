"""Converts the Atlassian Document Format to plain text.  Pure; any value gives some text, and none raises.

Nodes and attributes follow https://developer.atlassian.com/cloud/jira/platform/apis/document/structure/.  New ones
appear without notice, so an unknown node is converted to its text and its content.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from html import unescape
from types import MappingProxyType
from typing import Any, Final

from sidecar.json_reader import get, get_count, get_object, get_objects, get_text

Node = Mapping[str, Any]

MAX_CHARS: Final = 20_000
"""Default maximum length of a text; the feed stores less."""
MAX_DEPTH: Final = 60
"""Real documents are nested about ten levels deep; Python's stack allows some hundreds."""
MAX_NODES: Final = 50_000
"""Limits the time for a document of empty nodes, which never reaches the maximum length."""
BREAK: Final = "\x1e"
"""Within the conversion: ends the line unless it is empty."""

INLINE_OBJECTS: Final = ("mediaInline", "inlineCard", "mention", "status", "date")
"""Nodes that are shown as boxes, so that two of them are apart without a space."""

_SCHEME: Final = re.compile(r"^(?:https?://|mailto:|tel:)", re.IGNORECASE)
_TAG: Final = re.compile(r"<[^<>]*>")
_BREAKS: Final = re.compile(rf"(^|\n)?{BREAK}+")


def adf_text(document: object, limit: int = MAX_CHARS, names: Mapping[str, str] = MappingProxyType({})) -> str:
    """Returns a document as text of at most `limit` characters.  A string is returned, other values give "".

    `names` are those of users, by their account ids, for mentions that do not contain the name.
    """
    if isinstance(document, str):
        return document[:limit].strip()
    if isinstance(document, list):
        document = {"content": document}
    text = _Converter(limit, names).convert(document, 0) if isinstance(document, dict) else ""
    return _lines(text)[:limit].strip()


class _Converter:
    """Converts nodes to text until the limits are reached; what follows then is left out."""

    def __init__(self, chars_left: int, names: Mapping[str, str]) -> None:
        self._names = names
        self._chars_left = chars_left
        self._nodes_left = MAX_NODES

    def convert(self, node: Node, depth: int) -> str:
        kind = get_text(node, "type") or ""
        if depth > MAX_DEPTH:
            return self._flat(node)
        if (container := CONTAINERS.get(kind)) is not None:
            return container(self, node, depth)
        text = self._own_text(node, kind)
        return text if kind in LEAVES else text + self.children(node, depth)

    def children(self, node: Node, depth: int) -> str:
        """Converts the content; after the text of a link follows its target."""
        text = linked = ""
        nodes = list(self.content(node))
        for index, child in enumerate(nodes):
            if self._chars_left < 0:
                break
            converted = self.convert(child, depth + 1)
            is_apart = index > 0 and all(
                get_text(one, "type") in INLINE_OBJECTS for one in nodes[index - 1 : index + 1]
            )
            text += f" {converted}" if is_apart else converted
            if target := _link_target(child):
                linked += converted
                if index + 1 == len(nodes) or _link_target(nodes[index + 1]) != target:
                    text = text if _bare(target) in _bare(linked) else _appended(text, f" ({target})")
                    linked = ""
        return text

    def content(self, node: Node) -> Iterator[Node]:
        content = get(node, "content")
        for child in [content] if isinstance(content, dict) else get_objects(node, "content"):
            self._nodes_left -= 1
            if self._nodes_left < 0 or self._chars_left < 0:
                return
            yield child

    def _own_text(self, node: Node, kind: str) -> str:
        text = LEAVES.get(kind, _unknown)(node)
        if kind == "mention":
            user_id = _attribute(node, "id")
            text = text or (f"@{self._names[user_id]}" if user_id in self._names else user_id)
        self._chars_left -= len(text)
        return text

    def _flat(self, node: Node) -> str:
        """Converts content that is nested too deeply for recursion: its text, without lists, tables and links."""
        text, left = "", [node]
        while left:
            node = left.pop()
            kind = get_text(node, "type") or ""
            text += BREAK if kind in CONTAINERS else self._own_text(node, kind)
            left += list(self.content(node))[::-1]
        return text


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
        if kind in ("taskItem", "blockTaskItem"):
            marker = _task_marker(item)
        elif kind in ("taskList", "decisionList", "bulletList", "orderedList"):  # a list directly inside a list
            marker = ""
        else:
            marker = f"{number}. " if node.get("type") == "orderedList" else "• "
        text += _indented(converter.children(item, depth + 1), marker, "  ") + BREAK
    return text


def _task(converter: _Converter, node: Node, depth: int) -> str:
    """Converts a task outside of a list."""
    return BREAK + _indented(converter.children(node, depth), _task_marker(node), "  ") + BREAK


def _task_marker(node: Node) -> str:
    return "[x] " if _attribute(node, "state").upper() == "DONE" else "[ ] "


def _table(converter: _Converter, node: Node, depth: int) -> str:
    text = BREAK
    for row in converter.content(node):
        cells = [converter.convert(cell, depth + 2) for cell in converter.content(row)]
        text += "\t".join(" ".join(cell.split()) for cell in cells) + BREAK
    return text


def _expand(converter: _Converter, node: Node, depth: int) -> str:
    return BREAK + _attribute(node, "title") + _block(converter, node, depth)


def _extension(converter: _Converter, node: Node, depth: int) -> str:
    """Converts a macro of an app: the text that it brings for programs that do not know it, and its content."""
    title = get_text(node, "attrs", "parameters", "extensionTitle")
    macro = get(node, "attrs", "parameters", "macroParams")
    values = [get_text(macro, name, "value") for name in ("title", "key", "name", "url")]
    text = _attribute(node, "text") or next(filter(None, (title, *values)), "")
    return BREAK + text + _block(converter, node, depth)


def _unsupported(converter: _Converter, node: Node, depth: int) -> str:
    """Converts what an editor did not know when it saved the document, and kept as it was."""
    original = get_object(node, "attrs", "originalValue")
    text = converter.children(node, depth) + (converter.convert(original, depth + 1) if original else "")
    return text if node.get("type") == "unsupportedInline" else BREAK + text + BREAK


def _attribute(node: Node, *names: str, default: str = "") -> str:
    """Returns the first of these attributes with a text."""
    return next((text for name in names if (text := get_text(node, "attrs", name))), default)


def _appended(text: str, more: str) -> str:
    """Appends to the last line of a text."""
    line = text.rstrip(BREAK)
    return line + more + text[len(line) :]


def _link_target(node: Node) -> str:
    """Returns the target of the link that a text or picture is, or ""."""
    links = (mark for mark in get_objects(node, "marks") if get_text(mark, "type") == "link")
    return next((_attribute(link, "href") for link in links), "")


def _bare(link: str) -> str:
    """Returns a link as people write it: `example.com` for `https://example.com/`."""
    return _SCHEME.sub("", link.strip()).rstrip("/").casefold()


def _card(node: Node) -> str:
    """Returns name and address of a linked page: a card has its address, or data of it as JSON-LD."""
    data = get(node, "attrs", "data")
    url = (
        _attribute(node, "url") or get_text(data, "url") or get_text(data, "url", "href") or get_text(data, "@id") or ""
    )
    name = get_text(data, "name") or get_text(data, "title") or ""
    return f"{name} ({url})" if name and url else name or url or "[link]"


def _unknown(node: Node) -> str:
    """Returns the text of a node of an unknown type."""
    text = get_text(node, "text") or _attribute(node, "text", "title", "name", "alt", "issueKey", "url", "shortName")
    return text or unescape(_TAG.sub(" ", _attribute(node, "cxhtml"))).strip()


def _date(node: Node) -> str:
    timestamp = get(node, "attrs", "timestamp")
    try:
        return datetime.fromtimestamp(int(timestamp) / 1000, UTC).date().isoformat()
    except (TypeError, ValueError, OverflowError, OSError):
        return timestamp if isinstance(timestamp, str) else ""


LEAVES: Final[dict[str, Callable[[Node], str]]] = {
    "hardBreak": lambda _: "\n",
    "mention": lambda node: _attribute(node, "text", "displayName", "name"),
    "emoji": lambda node: _attribute(node, "text", "shortName"),
    "date": _date,
    "status": lambda node: f"[{text}]" if (text := _attribute(node, "text")) else "",
    "placeholder": lambda _: "",  # a template's hint to its author, such as "Enter a date"
    "inlineCard": _card,
    **dict.fromkeys(("blockCard", "embedCard"), lambda node: BREAK + _card(node) + BREAK),
    "rule": lambda _: BREAK + "---" + BREAK,
    "media": lambda node: BREAK + _attribute(node, "alt", "url", default="[attachment]") + BREAK,
    "mediaInline": lambda node: _attribute(node, "alt", default="[attachment]"),
}
"""The text of nodes without content, by type."""
CONTAINERS: Final[dict[str, Callable[[_Converter, Node, int], str]]] = {
    **dict.fromkeys(("paragraph", "heading", "codeBlock", "panel", "mediaSingle", "mediaGroup"), _block),
    **dict.fromkeys(("layoutSection", "layoutColumn", "caption"), _block),
    "blockquote": _quote,
    **dict.fromkeys(("bulletList", "orderedList", "taskList", "decisionList"), _list),
    "table": _table,
    **dict.fromkeys(("expand", "nestedExpand"), _expand),
    **dict.fromkeys(("taskItem", "blockTaskItem"), _task),
    **dict.fromkeys(("extension", "bodiedExtension"), _extension),
    **dict.fromkeys(("unsupportedBlock", "unsupportedInline"), _unsupported),
}
"""How nodes with content are converted, by type."""
