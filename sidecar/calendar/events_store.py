"""The table `calendar_events`."""

import hashlib
import re
from collections.abc import Collection, Iterable, Sequence
from typing import Any, Final

from pydantic_core import from_json, to_json
from sidecar_protocol.calendar.calendars import CalendarEvent
from sidecar_protocol.contract import Encoded

from sidecar.calendar.calendars_store import DESELECTED, CalendarKey
from sidecar.calendar.provider import RemoteEvent
from sidecar.storage.database import Database
from sidecar.storage.paging import PagedList, row_json

EVENT_JSON: Final = row_json(
    CalendarEvent,
    end_ts="coalesce(end_ts, start_ts)",
    organizer="json(organizer_json)",
    attendees="json(attendees_json)",
)

DURATION_BUCKETS: Final = (86_400, 691_200, 5_529_600, 44_236_800, 1_000_000_000_000)
"""The values of `duration_bucket_s`: 1, 8, 64 and 512 days, and longer than any event."""

_EVENTS: Final = PagedList(
    CalendarEvent,
    # Otherwise SQLite may choose an index by account or calendar, and read all of its events.
    "calendar_events INDEXED BY idx_calendar_events_range",
    EVENT_JSON,
    {"start_ts": int, "account_id": str, "calendar_id": str, "event_id": str},
)

FINGERPRINT_VERSION: Final = 1
"""Increase it when events are converted or stored differently, so that every event is written again."""

_SPLIT: Final = re.compile(r"_R\d{8}(T\d{6})?$")
"""The end of the id of a series that Google has split off another, whose id is the part before."""
_JSON: Final = frozenset({"organizer", "attendees"})
_COLUMNS: Final = tuple(f"{name}_json" if name in _JSON else name for name in RemoteEvent._fields)
_UPDATED: Final = (*(name for name in _COLUMNS if name != "event_id"), "fingerprint", "updated_at")
_UPSERT: Final = f"""
    INSERT INTO calendar_events (account_id, calendar_id, {", ".join(_COLUMNS)}, fingerprint, updated_at, created_at)
    VALUES ({", ".join("?" * (len(_COLUMNS) + 5))})
    ON CONFLICT (account_id, calendar_id, event_id) DO UPDATE
    SET {", ".join(f"{name} = excluded.{name}" for name in _UPDATED)}"""


class EventsStore:
    """All SQL on the table."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def events(
        self,
        start: float,
        end: float,
        *,
        account_id: str | None = None,
        calendar_id: str | None = None,
        include_unselected: bool = False,
        limit: int,
        cursor: str | None = None,
    ) -> tuple[list[Encoded[CalendarEvent]], str | None]:
        """Returns events that overlap a time (seconds since 1970), by start, and the cursor of the next page."""
        # The event may be empty: then it overlaps if it starts at :start.
        conditions = ["start_ts < :end", "(start_ts >= :start OR end_ts > :start)"]
        if not include_unselected:
            conditions.append(f"(account_id, calendar_id) NOT IN ({DESELECTED})")
        return _EVENTS.page(
            self._database,
            limit,
            cursor,
            equal={"account_id": account_id, "calendar_id": calendar_id},
            conditions=conditions,
            parameters={"start": start, "end": end},
            # One sorted index range per bucket, so that the cost of a page does not depend on the number of events.
            arms=[f"duration_bucket_s = {bucket} AND start_ts > :start - {bucket}" for bucket in DURATION_BUCKETS],
        )

    def fingerprints(self, calendar: CalendarKey, event_ids: Sequence[str]) -> dict[str, str | None]:
        """Returns the fingerprints of those of these events that are stored."""
        return dict(
            self._database.rows(
                """
                SELECT event_id, fingerprint FROM calendar_events
                WHERE account_id = ? AND calendar_id = ? AND event_id IN (SELECT value FROM json_each(?))
                """,
                (*calendar, to_json(event_ids).decode()),
            )
        )

    def occurrence_ids(self, calendar: CalendarKey, series_id: str) -> list[str]:
        """Returns the stored occurrences of a series.

        At Google their ids begin with that of the series and `_`.  A series that was split off by "this and following"
        has the id of the first one and `_R` with its start, which the ids of its occurrences do not repeat.
        """
        first_id = _SPLIT.sub("", series_id)
        return self._database.values(
            """
            SELECT event_id FROM calendar_events
            WHERE account_id = ? AND calendar_id = ? AND event_id > ? AND event_id < ? AND recurring_event_id = ?
            """,
            (*calendar, first_id + "_", first_id + "`", series_id),  # "`" is the character after "_"
        )

    def upsert(self, calendar: CalendarKey, events: Iterable[tuple[RemoteEvent, str]], now: str) -> None:
        for event, digest in events:
            self._database.execute(_UPSERT, (*calendar, *_values(event), digest, now, now))

    def delete(self, calendar: CalendarKey, event_ids: Collection[str]) -> int:
        """Deletes events, and returns how many of them were stored."""
        deleted = self._database.rows(
            """
            DELETE FROM calendar_events
            WHERE account_id = ? AND calendar_id = ? AND event_id IN (SELECT value FROM json_each(?))
            RETURNING 1
            """,
            (*calendar, to_json(list(event_ids)).decode()),
        )
        return len(deleted)

    def delete_some(self, calendar: CalendarKey, limit: int) -> int:
        deleted = self._database.rows(
            """
            DELETE FROM calendar_events WHERE rowid IN (
                SELECT rowid FROM calendar_events WHERE account_id = ? AND calendar_id = ? LIMIT ?)
            RETURNING 1
            """,
            (*calendar, limit),
        )
        return len(deleted)

    def ids_since(self, calendar: CalendarKey, start_ts: int, *, after: str, limit: int) -> list[str]:
        """Returns the stored events, after the id `after`, that are not over at `start_ts`; see `is_over`."""
        return self._database.values(
            """
            SELECT event_id FROM calendar_events WHERE account_id = ? AND calendar_id = ? AND event_id > ?
                AND (start_ts >= ? OR end_ts > ?)
            ORDER BY event_id LIMIT ?
            """,
            (*calendar, after, start_ts, start_ts, limit),
        )

    def ended(self, calendar: CalendarKey, after: tuple[int, str], until_ts: int, limit: int) -> list[RemoteEvent]:
        """Returns events by end and id, those after the given end and id that ended by `until_ts`."""
        rows = self._database.rows(
            f"""
            SELECT {", ".join(_COLUMNS)} FROM calendar_events
            WHERE account_id = ? AND calendar_id = ? AND (end_ts, event_id) > (?, ?) AND end_ts <= ?
            ORDER BY end_ts, event_id LIMIT ?
            """,
            (*calendar, *after, until_ts, limit),
        )
        return [_event(row) for row in rows]

    def calendar_ids(self, account_id: str) -> list[str]:
        """Returns the calendars that have events; their own rows may be deleted already."""
        sql = "SELECT DISTINCT calendar_id FROM calendar_events WHERE account_id = ?"
        return self._database.values(sql, (account_id,))


def fingerprint(event: RemoteEvent) -> str:
    """Returns a digest of an event's fields, to recognize an unchanged event."""
    return hashlib.blake2b(to_json([FINGERPRINT_VERSION, event]), digest_size=12).hexdigest()


def _values(event: RemoteEvent) -> Iterable[Any]:
    for name, value in zip(event._fields, event, strict=True):
        yield to_json(value).decode() if value is not None and name in _JSON else value


def _event(row: Sequence[Any]) -> RemoteEvent:
    values = dict(zip(RemoteEvent._fields, row, strict=True))
    for name in _JSON:
        values[name] = None if values[name] is None else from_json(values[name])
    return RemoteEvent(**values)
