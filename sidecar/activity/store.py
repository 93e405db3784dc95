"""The table `activity_events`.  Rows leave as JSON that SQLite made, which `ActivityEvent` describes."""

from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass, fields
from typing import Final

from pydantic_core import to_json

from sidecar.cursor import decode_cursor, encode_cursor
from sidecar.database import Database
from sidecar.feed import Origin

EVENT_JSON: Final = """json_object(
    'event_id', event_id, 'source', source, 'account_id', account_id, 'event_type', event_type,
    'title', title, 'description', description, 'url', url, 'actor', actor,
    'event_time', event_time, 'event_ts', event_ts, 'ended_at', ended_at,
    'local_date', local_date, 'local_end_date', local_end_date, 'by_me', json(iif(by_me, 'true', 'false')),
    'container_id', container_id, 'container', container, 'object_id', object_id, 'issue_key', issue_key,
    'status', status, 'previous_status', previous_status, 'status_kind', status_kind,
    'links', json(coalesce(links_json, '[]')), 'revision', revision,
    'created_at', created_at, 'updated_at', updated_at, 'raw', json(raw_json))"""


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
class NewRow:
    """An event as its columns hold it."""

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


@dataclass(frozen=True, slots=True)
class Stored:
    """A row that was written: where it stands in the feed, and whether it is new."""

    event_ts: int
    event_id: str
    added: bool


_COLUMNS: Final = tuple(field.name for field in fields(NewRow))
_TOLD: Final = tuple(name for name in _COLUMNS if name != "event_id")

# What says the same as before is not written, and so returns nothing.
_UPSERT: Final = f"""
    INSERT INTO activity_events ({", ".join(_COLUMNS)}, created_at, updated_at)
    VALUES ({", ".join("?" * len(_COLUMNS))}, ?, ?)
    ON CONFLICT (event_id) DO UPDATE SET
        {", ".join(f"{name} = excluded.{name}" for name in _TOLD)},
        updated_at = excluded.updated_at, revision = revision + 1
    WHERE ({", ".join(_TOLD)}) IS NOT ({", ".join(f"excluded.{name}" for name in _TOLD)})
    RETURNING revision"""


class ActivityStore:
    """Every statement about the feed."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def put(self, row: NewRow, now: str) -> Stored | None:
        """Write an event, or what has become of it; None: it is there already and says the same."""
        written = self._database.row(_UPSERT, (*astuple(row), now, now))
        return None if written is None else Stored(row.event_ts, row.event_id, written[0] == 1)

    def events(self, event_ids: Sequence[str]) -> list[bytes]:
        """These events, newest first."""
        rows = self._database.rows(
            f"""
            SELECT {EVENT_JSON} FROM activity_events WHERE event_id IN (SELECT value FROM json_each(?))
            ORDER BY event_ts DESC, event_id DESC
            """,
            (to_json(event_ids).decode(),),
        )
        return [row[0].encode() for row in rows]

    def remove(self, origin: Origin, event_ids: Iterable[str]) -> list[str]:
        """Delete those of these events that the origin has; their ids."""
        rows = self._database.rows(
            """
            DELETE FROM activity_events WHERE event_id IN (SELECT value FROM json_each(?))
                AND source = ? AND account_id = ?
            RETURNING event_id
            """,
            (to_json(list(event_ids)).decode(), origin.source, origin.account_id),
        )
        return [event_id for (event_id,) in rows]

    def below(self, prefix: str) -> list[str]:
        """The ids that begin so."""
        rows = self._database.rows(
            "SELECT event_id FROM activity_events WHERE event_id >= ? AND event_id < ?", (prefix, prefix + "\U0010ffff")
        )
        return [event_id for (event_id,) in rows]

    def account_events(
        self, account_id: str, after: tuple[int, str], end_ts: int, limit: int
    ) -> list[tuple[int, str, str, str | None]]:
        """Up to `limit` of an account's events after a position: when, id, source, container; the oldest first."""
        return self._database.rows(
            """
            SELECT event_ts, event_id, source, container_id
            FROM activity_events INDEXED BY idx_activity_account_page
            WHERE account_id = ? AND (event_ts, event_id) > (?, ?) AND event_ts < ?
            ORDER BY event_ts, event_id LIMIT ?
            """,
            (account_id, *after, end_ts, limit),
        )

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
