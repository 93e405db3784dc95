"""The tables `calendar_accounts`, `calendar_calendars` and `calendar_events`.

Rows leave as JSON that SQLite made, which `CalendarAccount`, `Calendar` and `CalendarEvent` describe.  No statement
here reads what an account signs in with.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from pydantic_core import from_json, to_json

from protocol.errors import InvalidCursor
from sidecar.cursor import decode_cursor, encode_cursor
from sidecar.database import Database
from sidecar.secrets import SecretColumn

CREDENTIALS: Final = SecretColumn("calendar_accounts", "credentials_json", "account_id")
CONFIG: Final = SecretColumn("calendar_accounts", "config_json", "account_id")
"""The old backend kept the OAuth client's secret in it."""

ACCOUNT_JSON: Final = """json_object(
    'account_id', account_id, 'provider', provider, 'email', email, 'display_name', display_name,
    'created_at', created_at, 'updated_at', updated_at)"""

# A NULL is the column's default: an old row may have one where the old backend relied on that.
CALENDAR_JSON: Final = """json_object(
    'account_id', account_id, 'calendar_id', calendar_id, 'name', name, 'description', description,
    'is_primary', json(iif(is_primary, 'true', 'false')), 'access_role', access_role,
    'background_color', background_color, 'foreground_color', foreground_color, 'time_zone', time_zone,
    'selected', json(iif(coalesce(selected, 1), 'true', 'false')),
    'created_at', created_at, 'updated_at', updated_at)"""

EVENT_JSON: Final = """json_object(
    'account_id', account_id, 'calendar_id', calendar_id, 'event_id', event_id,
    'title', title, 'description', description, 'start_time', start_time, 'end_time', end_time,
    'start_ts', start_ts, 'end_ts', coalesce(end_ts, start_ts), 'all_day', json(iif(all_day, 'true', 'false')),
    'location', location, 'conference_url', conference_url, 'visibility', visibility, 'status', status,
    'organizer', json(organizer_json), 'attendees', json(attendees_json), 'html_link', html_link,
    'time_zone', time_zone, 'created_at', created_at, 'updated_at', updated_at)"""

REACHES: Final = (86_400, 691_200, 5_529_600, 44_236_800, 1_000_000_000_000)
"""What `reach_s` may be: 1, 8, 64 and 512 days, and longer than any event."""

EventKey = tuple[str | int, str, str, str]
"""What events are sorted by: the beginning, then account, calendar and event."""


@dataclass(frozen=True, slots=True)
class EventFilter:
    """Which events are wanted: those between two moments (seconds since 1970); None: of any account, any calendar."""

    start: float
    end: float
    account_id: str | None = None
    calendar_id: str | None = None
    include_unselected: bool = False


class CalendarStore:
    """Every statement about calendars."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def accounts(self) -> list[bytes]:
        """All accounts, the oldest first."""
        rows = self._database.rows(f"SELECT {ACCOUNT_JSON} FROM calendar_accounts ORDER BY created_at, account_id")
        return [row[0].encode() for row in rows]

    def account(self, account_id: str) -> bytes | None:
        """One account."""
        row = self._database.row(f"SELECT {ACCOUNT_JSON} FROM calendar_accounts WHERE account_id = ?", (account_id,))
        return None if row is None else row[0].encode()

    def account_counts(self) -> dict[str, int]:
        """Accounts by service, each named as the feed names its source."""
        return dict(
            self._database.rows(
                """
                SELECT iif(provider = 'google', 'google_calendar', provider) AS service, count(*)
                FROM calendar_accounts GROUP BY service
                """
            )
        )

    def calendars(self, account_id: str | None) -> list[bytes]:
        """Calendars, of one account where given."""
        rows = self._database.rows(
            f"""
            SELECT {CALENDAR_JSON} FROM calendar_calendars WHERE :account_id IS NULL OR account_id = :account_id
            ORDER BY account_id, iif(is_primary, 0, 1), name, calendar_id
            """,
            {"account_id": account_id},
        )
        return [row[0].encode() for row in rows]

    def events(self, wanted: EventFilter, limit: int, cursor: str | None) -> tuple[list[bytes], str | None]:
        """Events as they begin, and the cursor of the next page."""
        after = (None, None, None, None) if cursor is None else _decode(cursor)
        where = " AND ".join(_conditions(wanted, cursor))
        # One sorted index range a reach, which SQLite merges: what a page costs does not depend on how much there is.
        # INDEXED BY: an index by account or calendar looks better to the planner, and would mean its whole history.
        arms = "UNION ALL".join(
            f"""
            SELECT {EVENT_JSON}, start_ts, account_id, calendar_id, event_id
            FROM calendar_events INDEXED BY idx_calendar_events_range
            WHERE reach_s = {reach} AND start_ts > :start - {reach} AND {where}
            """
            for reach in REACHES
        )
        rows, more = self._database.page(
            f"{arms} ORDER BY start_ts, account_id, calendar_id, event_id LIMIT :limit",
            {
                "start": wanted.start,
                "end": wanted.end,
                "account_id": wanted.account_id,
                "calendar_id": wanted.calendar_id,
                **dict(zip(("after_ts", "after_account", "after_calendar", "after_event"), after, strict=True)),
                "limit": limit + 1,
            },
            limit,
        )
        return [row[0].encode() for row in rows], _encode(rows[-1][1:]) if more else None


def _conditions(wanted: EventFilter, cursor: str | None) -> Iterable[str]:
    yield "start_ts < :end"
    # The first half is for what has no length.
    yield "(start_ts >= :start OR end_ts > :start)"
    if wanted.account_id is not None:
        yield "account_id = :account_id"
    if wanted.calendar_id is not None:
        yield "calendar_id = :calendar_id"
    if not wanted.include_unselected:
        yield """(account_id, calendar_id) NOT IN (
                SELECT account_id, calendar_id FROM calendar_calendars WHERE selected = 0)"""
    if cursor is not None:
        yield """(start_ts, account_id, calendar_id, event_id)
                > (:after_ts, :after_account, :after_calendar, :after_event)"""


def _encode(key: EventKey) -> str:
    start_ts, *ids = key
    return encode_cursor((start_ts, to_json(ids).decode()))


def _decode(cursor: str) -> EventKey:
    start_ts, ids = decode_cursor(cursor, int)
    try:
        match from_json(ids):
            case [str(account_id), str(calendar_id), str(event_id)]:
                return start_ts, account_id, calendar_id, event_id
    except ValueError:
        pass
    raise InvalidCursor
