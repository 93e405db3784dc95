"""The table `calendar_events`.

Rows leave for clients as JSON that SQLite made, which `CalendarEvent` describes.  What a sync asks for and writes is
bounded: whoever has more to do gives others their turn in between.
"""

import hashlib
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from pydantic_core import from_json, to_json
from sidecar_protocol.calendar.calendars import CalendarEvent
from sidecar_protocol.contract import Encoded

from sidecar.calendar.calendars_store import DESELECTED
from sidecar.calendar.provider import RemoteEvent, TimeRange
from sidecar.clock import DAY_S
from sidecar.storage.database import Database
from sidecar.storage.paging import PagedList

EVENT_JSON: Final = """json_object(
    'account_id', account_id, 'calendar_id', calendar_id, 'event_id', event_id,
    'title', title, 'description', description, 'start_time', start_time, 'end_time', end_time,
    'start_ts', start_ts, 'end_ts', coalesce(end_ts, start_ts), 'all_day', json(iif(all_day, 'true', 'false')),
    'location', location, 'conference_url', conference_url, 'visibility', visibility, 'status', status,
    'organizer', json(organizer_json), 'attendees', json(attendees_json), 'html_link', html_link,
    'time_zone', time_zone, 'event_type', event_type, 'transparency', transparency,
    'response_status', response_status, 'ical_uid', ical_uid, 'recurring_event_id', recurring_event_id,
    'original_start_time', original_start_time, 'created_at', created_at, 'updated_at', updated_at)"""

DURATION_BUCKETS: Final = (86_400, 691_200, 5_529_600, 44_236_800, 1_000_000_000_000)
"""What `duration_bucket_s` may be: 1, 8, 64 and 512 days, and longer than any event."""

_EVENTS: Final = PagedList(
    CalendarEvent,
    # SQLite would otherwise choose an index by account or calendar, and read its whole history.
    "calendar_events INDEXED BY idx_calendar_events_range",
    EVENT_JSON,
    {"start_ts": int, "account_id": str, "calendar_id": str, "event_id": str},
)

RIM_S: Final = 2 * DAY_S
"""Zones lie up to 26 hours apart."""
ROW_VERSION: Final = 1
"""Raise it when events come to be stored otherwise: then each is written anew."""


class CalendarKey(NamedTuple):
    """What names a calendar."""

    account_id: str
    calendar_id: str


_JSON: Final = frozenset({"organizer", "attendees"})
_COLUMNS: Final = tuple(f"{name}_json" if name in _JSON else name for name in RemoteEvent._fields)
_SET: Final = (*(name for name in _COLUMNS if name != "event_id"), "fingerprint", "updated_at")
_PUT: Final = f"""
    INSERT INTO calendar_events (account_id, calendar_id, {", ".join(_COLUMNS)}, fingerprint, updated_at, created_at)
    VALUES ({", ".join("?" * (len(_COLUMNS) + 5))})
    ON CONFLICT (account_id, calendar_id, event_id) DO UPDATE
    SET {", ".join(f"{name} = excluded.{name}" for name in _SET)}"""


@dataclass(frozen=True, slots=True)
class EventFilter:
    """Which events are wanted: those between two moments (seconds since 1970); None: of any account, any calendar."""

    start: float
    end: float
    account_id: str | None = None
    calendar_id: str | None = None
    include_unselected: bool = False


class EventsStore:
    """Every statement about events."""

    def __init__(self, database: Database) -> None:
        self._database = database

    # --- for clients ----------------------------------------------------------------------------------------------

    def events(
        self, wanted: EventFilter, limit: int, cursor: str | None
    ) -> tuple[list[Encoded[CalendarEvent]], str | None]:
        """Events as they begin, and the cursor of the next page."""
        conditions = ["start_ts < :end", "(start_ts >= :start OR end_ts > :start)"]  # the former: without a duration
        if not wanted.include_unselected:
            conditions.append(f"(account_id, calendar_id) NOT IN ({DESELECTED})")
        return _EVENTS.page(
            self._database,
            limit,
            cursor,
            equal={"account_id": wanted.account_id, "calendar_id": wanted.calendar_id},
            conditions=conditions,
            parameters={"start": wanted.start, "end": wanted.end},
            # One sorted index range per bucket, so that the cost of a page does not depend on the number of events.
            arms=[f"duration_bucket_s = {bucket} AND start_ts > :start - {bucket}" for bucket in DURATION_BUCKETS],
        )

    # --- for the sync ---------------------------------------------------------------------------------------------

    def known(self, calendar: CalendarKey, event_ids: Sequence[str]) -> dict[str, str | None]:
        """Those of these events that are stored, with their fingerprints."""
        return dict(
            self._database.rows(
                """
                SELECT event_id, fingerprint FROM calendar_events
                WHERE account_id = ? AND calendar_id = ? AND event_id IN (SELECT value FROM json_each(?))
                """,
                (*calendar, to_json(event_ids).decode()),
            )
        )

    def occurrences(self, calendar: CalendarKey, series_id: str) -> list[str]:
        """The stored events of a series, whose ids begin with its own (Google's do)."""
        rows = self._database.rows(
            """
            SELECT event_id FROM calendar_events
            WHERE account_id = ? AND calendar_id = ? AND event_id > ? AND event_id < ? AND recurring_event_id = ?
            """,
            (*calendar, series_id + "_", series_id + "`", series_id),  # "`" is the sign that follows "_"
        )
        return [row[0] for row in rows]

    def put(self, calendar: CalendarKey, events: Iterable[tuple[RemoteEvent, str]], now: str) -> None:
        """Store events with their fingerprints, over what is there."""
        for event, digest in events:
            self._database.execute(_PUT, (*calendar, *_values(event), digest, now, now))

    def remove(self, calendar: CalendarKey, event_ids: Collection[str]) -> int:
        """Delete events; how many there were."""
        gone = self._database.rows(
            """
            DELETE FROM calendar_events
            WHERE account_id = ? AND calendar_id = ? AND event_id IN (SELECT value FROM json_each(?))
            RETURNING 1
            """,
            (*calendar, to_json(list(event_ids)).decode()),
        )
        return len(gone)

    def within(self, calendar: CalendarKey, time_range: TimeRange, *, after: str, limit: int) -> list[str]:
        """The ids of the stored events that a full listing of the window has to name, or are too far ahead of it.

        Not of those at its rim: about them provider and table may differ, since each has its own idea of where an
        all-day event begins.
        """
        rows = self._database.rows(
            """
            SELECT event_id FROM calendar_events
            WHERE account_id = :account_id AND calendar_id = :calendar_id AND event_id > :after
                AND (start_ts >= :end OR (start_ts < :end - :rim AND end_ts > :start + :rim))
            ORDER BY event_id LIMIT :limit
            """,
            {
                **dict(zip(("account_id", "calendar_id"), calendar, strict=True)),
                "start": time_range.start_ts,
                "end": time_range.end_ts,
                "rim": RIM_S,
                "after": after,
                "limit": limit,
            },
        )
        return [row[0] for row in rows]

    def ended(self, calendar: CalendarKey, after: tuple[int, str], until_ts: int, limit: int) -> list[RemoteEvent]:
        """Events that ended after a moment (and id) and not later than another, in that order."""
        rows = self._database.rows(
            f"""
            SELECT {", ".join(_COLUMNS)} FROM calendar_events
            WHERE account_id = ? AND calendar_id = ? AND (end_ts, event_id) > (?, ?) AND end_ts <= ?
            ORDER BY end_ts, event_id LIMIT ?
            """,
            (*calendar, *after, until_ts, limit),
        )
        return [_event(row) for row in rows]

    def some_ids(self, calendar: CalendarKey, limit: int) -> list[str]:
        """Events of a calendar that is to be emptied."""
        rows = self._database.rows(
            "SELECT event_id FROM calendar_events WHERE account_id = ? AND calendar_id = ? LIMIT ?",
            (*calendar, limit),
        )
        return [row[0] for row in rows]

    def calendar_ids(self, account_id: str) -> list[str]:
        """The calendars of which events are stored."""
        rows = self._database.rows(
            "SELECT DISTINCT calendar_id FROM calendar_events WHERE account_id = ?", (account_id,)
        )
        return [row[0] for row in rows]


def fingerprint(event: RemoteEvent) -> str:
    """A digest of all that is said of an event, and of how it is stored."""
    return hashlib.blake2b(to_json([ROW_VERSION, event]), digest_size=12).hexdigest()


def _values(event: RemoteEvent) -> Iterable[Any]:
    for name, value in zip(event._fields, event, strict=True):
        yield to_json(value).decode() if value is not None and name in _JSON else value


def _event(row: Sequence[Any]) -> RemoteEvent:
    values = dict(zip(RemoteEvent._fields, row, strict=True))
    for name in _JSON:
        values[name] = None if values[name] is None else from_json(values[name])
    return RemoteEvent(**values)
