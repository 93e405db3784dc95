"""The Atlassian Document Format as plain text.  Pure and total: whatever comes, it gives some text and never fails.

Nodes and attributes by https://developer.atlassian.com/cloud/jira/platform/apis/document/structure/; new ones appear
without notice, so that of an unknown node its text and its content are taken.
"""

from collections.abc import Callable
from typing import Any, Final

MAX_CHARS: Final = 20_000
"""What is kept of a text; the feed keeps less."""
MAX_DEPTH: Final = 60
"""Real documents nest up to about ten deep; Python's own stack allows some hundreds."""
MAX_LEAVES: Final[dict[str, Callable[[dict[Any, Any]], str]]] = {
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
