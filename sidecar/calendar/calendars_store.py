"""The table `calendar_calendars`: which calendars an account has, and how far the sync of each has got.

Rows leave for clients as JSON that SQLite made, which `Calendar` describes.
"""

from collections.abc import Iterable
from typing import Final, NamedTuple

from sidecar_protocol.calendar.calendars import Calendar, CalendarSyncError
from sidecar_protocol.contract import Encoded

from sidecar.calendar.provider import RemoteCalendar
from sidecar.storage.database import Database

# A NULL is the column's default: an old row may have one where the old backend relied on that.
CALENDAR_JSON: Final = """json_object(
    'account_id', account_id, 'calendar_id', calendar_id, 'name', name, 'description', description,
    'is_primary', json(iif(is_primary, 'true', 'false')), 'access_role', access_role,
    'background_color', background_color, 'foreground_color', foreground_color, 'time_zone', time_zone,
    'selected', json(iif(coalesce(selected, 1), 'true', 'false')),
    'sync_error', sync_error, 'last_sync_at', last_sync_at, 'created_at', created_at, 'updated_at', updated_at)"""

DESELECTED: Final = "SELECT account_id, calendar_id FROM calendar_calendars WHERE selected = 0"
"""The calendars that are hidden, for a NOT IN."""


class CalendarState(NamedTuple):
    """How far the sync of a calendar has got."""

    calendar_id: str
    name: str
    is_primary: bool
    time_zone: str | None
    access_role: str | None
    selected: bool
    sync_token: str | None
    sync_token_settings: str | None
    full_sync_at: str | None
    sync_error: str | None
    feed_watermark_ts: int | None


class SyncCheckpoint(NamedTuple):
    """What a sync of a calendar leaves behind."""

    sync_token: str | None
    sync_token_settings: str
    full_sync_at: str | None


_FACTS: Final = (
    "name",
    "description",
    "is_primary",
    "access_role",
    "background_color",
    "foreground_color",
    "time_zone",
)
_PUT: Final = f"""
    INSERT INTO calendar_calendars (account_id, calendar_id, {", ".join(_FACTS)}, selected, created_at, updated_at)
    VALUES ({", ".join("?" * (len(_FACTS) + 5))})
    ON CONFLICT (account_id, calendar_id) DO UPDATE
    SET {", ".join(f"{name} = excluded.{name}" for name in _FACTS)}, updated_at = excluded.updated_at
    WHERE ({", ".join(_FACTS)}) IS NOT ({", ".join(f"excluded.{name}" for name in _FACTS)})
    RETURNING calendar_id"""


class CalendarsStore:
    """Every statement about calendars."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def calendars(self, account_id: str | None) -> list[Encoded[Calendar]]:
        """Calendars, of one account where given."""
        rows = self._database.rows(
            f"""
            SELECT {CALENDAR_JSON} FROM calendar_calendars WHERE :account_id IS NULL OR account_id = :account_id
            ORDER BY account_id, iif(is_primary, 0, 1), name, calendar_id
            """,
            {"account_id": account_id},
        )
        return [Encoded(Calendar, row[0].encode()) for row in rows]

    def states(self, account_id: str) -> list[CalendarState]:
        """How far each calendar of an account has got."""
        rows = self._database.rows(
            """
            SELECT calendar_id, name, coalesce(is_primary, 0), time_zone, access_role, coalesce(selected, 1),
                sync_token, sync_token_settings, full_sync_at, sync_error, feed_watermark_ts
            FROM calendar_calendars WHERE account_id = ? ORDER BY coalesce(is_primary, 0) DESC, name, calendar_id
            """,
            (account_id,),
        )
        return [CalendarState(*row) for row in rows]

    def put(self, account_id: str, found: Iterable[RemoteCalendar], now: str) -> list[str]:
        """Store what the provider says of its calendars; the ids of those that are new or different.

        Whether one is selected is the user's to say once it is known here.
        """
        changed: list[str] = []
        for one in found:
            facts = [getattr(one, name) for name in _FACTS]
            row = self._database.row(_PUT, (account_id, one.calendar_id, *facts, int(one.selected), now, now))
            if row is not None:
                changed.append(row[0])
        return changed

    def select(self, account_id: str, calendar_id: str, now: str, *, selected: bool) -> Encoded[Calendar] | None:
        """Select or deselect a calendar; None where there is none."""
        row = self._database.row(
            f"""
            UPDATE calendar_calendars SET selected = ?, updated_at = ? WHERE account_id = ? AND calendar_id = ?
            RETURNING {CALENDAR_JSON}
            """,
            (int(selected), now, account_id, calendar_id),
        )
        return None if row is None else Encoded(Calendar, row[0].encode())

    def reached(self, account_id: str, calendar_id: str, progress: SyncCheckpoint, now: str) -> None:
        """A sync of it is through."""
        self._database.execute(
            """
            UPDATE calendar_calendars
            SET sync_token = ?, sync_token_settings = ?, full_sync_at = ?, last_sync_at = ?, sync_error = NULL
            WHERE account_id = ? AND calendar_id = ?
            """,
            (*progress, now, account_id, calendar_id),
        )

    def refused(self, account_id: str, calendar_id: str, why: CalendarSyncError) -> bool:
        """It could not be synced; whether that is news."""
        row = self._database.row(
            """
            UPDATE calendar_calendars SET sync_error = :why
            WHERE account_id = :account_id AND calendar_id = :calendar_id AND sync_error IS NOT :why RETURNING 1
            """,
            {"why": why, "account_id": account_id, "calendar_id": calendar_id},
        )
        return row is not None

    def fed(self, account_id: str, calendar_id: str, feed_watermark_ts: int | None) -> None:
        """What had ended by then is in the feed."""
        self._database.execute(
            "UPDATE calendar_calendars SET feed_watermark_ts = ? WHERE account_id = ? AND calendar_id = ?",
            (feed_watermark_ts, account_id, calendar_id),
        )

    def read_anew(self, account_id: str) -> None:
        """The next sync of each of the account's calendars reads all of its window."""
        self._database.execute("UPDATE calendar_calendars SET full_sync_at = NULL WHERE account_id = ?", (account_id,))

    def remove(self, account_id: str, calendar_id: str) -> None:
        """Forget a calendar."""
        self._database.execute(
            "DELETE FROM calendar_calendars WHERE account_id = ? AND calendar_id = ?", (account_id, calendar_id)
        )
