"""From what a feature tells to what the table holds: texts within their limits and free of what SQLite refuses."""

from typing import Final

from pydantic_core import to_json

from sidecar.activity.store import NewRow
from sidecar.clock import iso
from sidecar.feed import FeedEvent, Origin

TITLE_CHARS: Final = 1_000
DESCRIPTION_CHARS: Final = 4_000
"""Enough to recognise and to find it; the source has the whole."""


def row_of(origin: Origin, event: FeedEvent) -> NewRow:
    """The row of an event."""
    return NewRow(
        event_id=event.event_id,
        source=origin.source,
        account_id=origin.account_id,
        event_type=event.event_type,
        title=_text(event.title, TITLE_CHARS),
        description=_text(event.description, DESCRIPTION_CHARS),
        url=_text(event.url, DESCRIPTION_CHARS),
        actor=_text(event.actor, TITLE_CHARS),
        event_time=iso(event.at_ms),
        event_ts=event.at_ms // 1000,
        ended_at=None if event.end_ms is None else iso(event.end_ms),
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
        links_json=to_json(event.links).decode() if event.links else None,
        raw_json=None if event.raw is None else to_json(event.raw, inf_nan_mode="null").decode(),
    )


def _text(text: str | None, limit: int) -> str | None:
    """Half an emoji cannot be stored, and a NUL would end the text: one odd title must not stop a sync for ever."""
    if text is None or (text.isascii() and len(text) <= limit and "\0" not in text):
        return text
    return text[:limit].replace("\0", "\ufffd").encode("utf-8", "replace").decode()
