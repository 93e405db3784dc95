"""The rows of the feed, as they are written and read."""

from dataclasses import fields
from typing import Any, Final, NamedTuple

from pydantic_core import to_json
from sidecar_protocol.activity.feed import ActivityEvent
from sidecar_protocol.contract import Encoded
from sidecar_protocol.scalars import canonical_time

from sidecar.activity.keys import MAX_KEYS, find_keys
from sidecar.days import moment
from sidecar.feed import FeedEvent, Origin
from sidecar.text import well_formed

TEXT_CHARS: Final = {
    "title": 1_000,
    "description": 4_000,
    "url": 4_000,
    "actor": 1_000,
    "container": 1_000,
    "status": 1_000,
    "previous_status": 1_000,
}
"""Maximum lengths, enough to recognise and find an event; its source has the full text."""

_COPIED: Final = [
    field.name for field in fields(FeedEvent) if field.name not in ("at_ms", "end_ms", "links", "full_text", "raw")
]
COLUMNS: Final = (
    *_COPIED, "source", "account_id", "event_time", "event_ts", "ended_at", "ended_ts", "links_json", "raw_json",
)  # fmt: skip
"""The columns of an event to be written, except its key."""


Issue = tuple[str, str]
"""The id of an account and the key of an issue: two sites may have the same keys."""


class ReportRow(NamedTuple):
    """The columns of an event that reports use."""

    feed_key: int
    event_id: str
    account_id: str
    event_type: str
    title: str | None
    url: str | None
    by_me: int
    event_ts: int
    ended_ts: int | None
    local_date: str | None
    local_end_date: str | None
    container: str | None
    object_id: str | None
    issue_key: str | None
    status: str | None
    previous_status: str | None
    status_kind: str | None
    cost_usd: float | None
    duration_ms: float | None
    cwd: str | None
    links: str
    """A JSON array of issue keys."""


class WrittenRow(NamedTuple):
    """An event that was inserted or changed."""

    feed_key: int
    is_new: bool


EventPage = tuple[list[Encoded[ActivityEvent]], str | None]
"""Encoded events, newest first, and the cursor of the next page."""


def to_row(origin: Origin, event: FeedEvent) -> dict[str, Any]:
    """Converts an event to its row, with texts cut to their limits."""
    row = {name: getattr(event, name) for name in _COPIED}
    row |= {name: _text(row[name], limit) for name, limit in TEXT_CHARS.items()}
    return row | {
        "source": origin.source,
        "account_id": origin.account_id,
        "event_time": canonical_time(moment(event.at_ms)),
        "event_ts": event.at_ms // 1000,
        "ended_at": None if event.end_ms is None else canonical_time(moment(event.end_ms)),
        "ended_ts": None if event.end_ms is None else event.end_ms // 1000,
        "links_json": _links(event),
        "raw_json": None if event.raw is None else to_json(event.raw, inf_nan_mode="null").decode(),
    }


def _links(event: FeedEvent) -> str | None:
    """Returns the issues that an event refers to, as JSON {key: 1 if its source stated the link, else 0}."""
    texts = (event.title, event.description, event.full_text)
    links = dict.fromkeys(find_keys(texts), 0) | dict.fromkeys(event.links[:MAX_KEYS], 1)
    links.pop(event.issue_key or "", None)
    return to_json(links).decode() if links else None


def _text(text: str | None, limit: int) -> str | None:
    """Cuts a text, and replaces lone surrogates, which SQLite cannot store, and NUL, which would end the text there."""
    if text is None or (text.isascii() and len(text) <= limit and "\0" not in text):
        return text
    return well_formed(text[:limit].replace("\0", "\ufffd"))
