"""The table `activity_events`.  Rows leave as JSON that SQLite made, which `ActivityEvent` describes."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from sidecar.cursor import decode_cursor, encode_cursor
from sidecar.database import Database

EVENT_JSON: Final = """json_object(
    'event_id', event_id, 'source', source, 'account_id', account_id, 'event_type', event_type,
    'title', title, 'description', description, 'url', url, 'actor', actor,
    'event_time', event_time, 'event_ts', event_ts, 'created_at', created_at, 'updated_at', updated_at,
    'raw', json(raw_json))"""


@dataclass(frozen=True, slots=True)
class ActivityFilter:
    """Which events are wanted; None: all."""

    start_ts: int | None = None
    end_ts: int | None = None
    source: str | None = None
    account_id: str | None = None
    event_type: str | None = None
    query: str | None = None


@dataclass(frozen=True, slots=True)
class NewEvent:
    """Something that happened, as its source tells it.  `event_id` is stable: the same thing never becomes two rows."""

    event_id: str
    source: str
    account_id: str
    event_type: str
    event_time: str
    event_ts: int
    title: str | None = None
    description: str | None = None
    url: str | None = None
    actor: str | None = None
    raw: bytes | None = None


class ActivityStore:
    """Every statement about the feed."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def put(self, event: NewEvent, now: str) -> tuple[bytes, bool]:
        """Write an event, or what has become of it; its JSON, and whether it is new."""
        known = self._database.row("SELECT 1 FROM activity_events WHERE event_id = ?", (event.event_id,))
        row = self._database.row(
            f"""
            INSERT INTO activity_events (event_id, source, account_id, event_type, title, description, url, actor,
                                         event_time, event_ts, created_at, updated_at, raw_json)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
            ON CONFLICT (event_id) DO UPDATE SET
                event_type = excluded.event_type, title = excluded.title, description = excluded.description,
                url = excluded.url, actor = excluded.actor, event_time = excluded.event_time,
                event_ts = excluded.event_ts, updated_at = excluded.updated_at, raw_json = excluded.raw_json
            RETURNING {EVENT_JSON}
            """,
            (
                event.event_id, event.source, event.account_id, event.event_type, event.title, event.description,
                event.url, event.actor, event.event_time, event.event_ts, now, now,
                None if event.raw is None else event.raw.decode(),
            ),
        )  # fmt: skip
        assert row is not None  # an upsert returns its row
        return row[0].encode(), known is None

    def page(self, wanted: ActivityFilter, limit: int, cursor: str | None) -> tuple[list[bytes], str | None]:
        """Events, newest first, and the cursor of the next page."""
        clauses = list(_clauses(wanted))
        if cursor is not None:
            clauses.append(("(event_ts, event_id) < (?, ?)", decode_cursor(cursor, int)))
        where = "WHERE " + " AND ".join(condition for condition, _ in clauses) if clauses else ""
        rows, more = self._database.page(
            f"""
            SELECT {EVENT_JSON}, event_ts, event_id FROM activity_events {where}
            ORDER BY event_ts DESC, event_id DESC LIMIT ?
            """,
            (*(value for _, values in clauses for value in values), limit + 1),
            limit,
        )
        return [row[0].encode() for row in rows], encode_cursor(rows[-1][1:]) if more else None


def _clauses(wanted: ActivityFilter) -> Iterable[tuple[str, tuple[str | int, ...]]]:
    if wanted.start_ts is not None:
        yield "event_ts >= ?", (wanted.start_ts,)
    if wanted.end_ts is not None:
        yield "event_ts < ?", (wanted.end_ts,)
    if wanted.source is not None:
        yield "source = ?", (wanted.source,)
    if wanted.account_id is not None:
        yield "account_id = ?", (wanted.account_id,)
    if wanted.event_type is not None:
        yield "event_type = ?", (wanted.event_type,)
    if wanted.query is not None:
        pattern = "%" + wanted.query.replace("\\", r"\\").replace("%", r"\%").replace("_", r"\_") + "%"
        yield r"(title LIKE ? ESCAPE '\' OR description LIKE ? ESCAPE '\')", (pattern, pattern)
