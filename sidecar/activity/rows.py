"""The rows of the feed, as they are written and read."""

from typing import Final, NamedTuple

from pydantic_core import to_json
from sidecar_protocol.activity.feed import ActivityEvent
from sidecar_protocol.contract import Encoded
from sidecar_protocol.scalars import canonical_time

from sidecar.activity.keys import MAX_KEYS, find_keys
from sidecar.days import moment
from sidecar.feed import FeedEvent, Origin
from sidecar.text import well_formed

TITLE_CHARS: Final = 1_000
DESCRIPTION_CHARS: Final = 4_000
"""Enough to recognise and find an event; its source has the full text."""


class NewRow(NamedTuple):
    """The columns of an event to be written."""

    event_id: str
    source: str
    account_id: str
    event_type: str
    title: str | None
    description: str | None
    url: str | None
    actor: str | None
    event_time: str
    event_ts: int
    ended_at: str | None
    ended_ts: int | None
    local_date: str | None
    local_end_date: str | None
    by_me: bool
    container_id: str | None
    container: str | None
    object_id: str | None
    issue_key: str | None
    status: str | None
    previous_status: str | None
    status_kind: str | None
    links_json: str | None
    raw_json: str | None


class ReportRow(NamedTuple):
    """The columns of an event that reports use."""

    feed_key: int
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


class FoundEvent(NamedTuple):
    """An event, and its texts for the snippet of a search."""

    event: Encoded[ActivityEvent]
    title: str
    description: str


def to_row(origin: Origin, event: FeedEvent) -> NewRow:
    """Converts an event to its row, with texts cut to their limits."""
    return NewRow(
        event_id=event.event_id,
        source=origin.source,
        account_id=origin.account_id,
        event_type=event.event_type,
        title=_text(event.title, TITLE_CHARS),
        description=_text(event.description, DESCRIPTION_CHARS),
        url=_text(event.url, DESCRIPTION_CHARS),
        actor=_text(event.actor, TITLE_CHARS),
        event_time=canonical_time(moment(event.at_ms)),
        event_ts=event.at_ms // 1000,
        ended_at=None if event.end_ms is None else canonical_time(moment(event.end_ms)),
        ended_ts=None if event.end_ms is None else event.end_ms // 1000,
        local_date=event.local_date,
        local_end_date=event.local_end_date,
        by_me=event.by_me,
        container_id=event.container_id,
        container=_text(event.container, TITLE_CHARS),
        object_id=event.object_id,
        issue_key=event.issue_key,
        status=_text(event.status, TITLE_CHARS),
        previous_status=_text(event.previous_status, TITLE_CHARS),
        status_kind=event.status_kind,
        links_json=_links(event),
        raw_json=None if event.raw is None else to_json(event.raw, inf_nan_mode="null").decode(),
    )


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
