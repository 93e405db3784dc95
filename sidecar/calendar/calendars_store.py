"""The table `calendar_calendars`: the calendars of each account, and the state of their syncs."""

from collections.abc import Iterable
from typing import Final, NamedTuple

from sidecar_protocol.calendar.calendars import Calendar, CalendarSyncError
from sidecar_protocol.contract import Encoded

from sidecar.calendar.provider import RemoteCalendar
from sidecar.storage.database import Database
from sidecar.storage.paging import row_json

# A row of the old backend may have NULL in a column that has a default.
CALENDAR_JSON: Final = row_json(Calendar, selected="coalesce(selected, 1)")

DESELECTED: Final = "SELECT account_id, calendar_id FROM calendar_calendars WHERE selected = 0"
"""Query of the deselected calendars, for a NOT IN."""


class CalendarKey(NamedTuple):
    """The primary key of a calendar."""

    account_id: str
    calendar_id: str


class CalendarState(NamedTuple):
    """A calendar and the state of its sync."""

    key: CalendarKey
    name: str
    is_primary: bool
    time_zone: str | None
    access_role: str | None
    selected: bool
    sync_token: str | None
    sync_token_settings: str | None
    full_sync_at: str | None
    feed_watermark_ts: int | None

    @property
    def calendar_id(self) -> str:
        return self.key.calendar_id


class SyncCheckpoint(NamedTuple):
    """The result of a completed read of a calendar."""

    sync_token: str | None
    """The cursor of the next query."""
    sync_token_settings: str
    """The settings that the token is valid for; other ones require a full read."""
    full_sync_at: str | None


_COPIED: Final = tuple(name for name in RemoteCalendar._fields if name not in ("calendar_id", "selected"))
_UPSERT: Final = f"""
    INSERT INTO calendar_calendars (account_id, calendar_id, {", ".join(_COPIED)}, selected, created_at, updated_at)
    VALUES ({", ".join("?" * (len(_COPIED) + 5))})
    ON CONFLICT (account_id, calendar_id) DO UPDATE
    SET {", ".join(f"{name} = excluded.{name}" for name in _COPIED)}, updated_at = excluded.updated_at
    WHERE ({", ".join(_COPIED)}) IS NOT ({", ".join(f"excluded.{name}" for name in _COPIED)})
    RETURNING calendar_id"""


class CalendarsStore:
    """All SQL on the table."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def calendars(self, account_id: str | None) -> list[Encoded[Calendar]]:
        return self._database.all_encoded(
            Calendar,
            f"""
            SELECT {CALENDAR_JSON} FROM calendar_calendars WHERE :account_id IS NULL OR account_id = :account_id
            ORDER BY account_id, iif(is_primary, 0, 1), name, calendar_id
            """,
            {"account_id": account_id},
        )

    def states(self, account_id: str) -> list[CalendarState]:
        rows = self._database.rows(
            """
            SELECT calendar_id, name, coalesce(is_primary, 0), time_zone, access_role, coalesce(selected, 1),
                sync_token, sync_token_settings, full_sync_at, feed_watermark_ts
            FROM calendar_calendars WHERE account_id = ? ORDER BY coalesce(is_primary, 0) DESC, name, calendar_id
            """,
            (account_id,),
        )
        return [CalendarState(CalendarKey(account_id, row[0]), *row[1:]) for row in rows]

    def upsert(self, account_id: str, calendars: Iterable[RemoteCalendar], now: str) -> list[str]:
        """Stores the provider's calendars, and returns the ids of those that are new or different.

        `selected` is stored only for a new calendar, since the user may have changed it here.
        """
        changed: list[str] = []
        for calendar in calendars:
            values = [getattr(calendar, name) for name in _COPIED]
            key = account_id, calendar.calendar_id
            row = self._database.row(_UPSERT, (*key, *values, calendar.selected, now, now))
            if row is not None:
                changed.append(row[0])
        return changed

    def select(self, calendar: CalendarKey, now: str, *, selected: bool) -> Encoded[Calendar] | None:
        """Selects or deselects a calendar, and returns it; None if it does not exist."""
        return self._database.encoded(
            Calendar,
            f"""
            UPDATE calendar_calendars SET selected = ?, updated_at = ? WHERE account_id = ? AND calendar_id = ?
            RETURNING {CALENDAR_JSON}
            """,
            (selected, now, *calendar),
        )

    def set_checkpoint(self, calendar: CalendarKey, checkpoint: SyncCheckpoint, now: str) -> None:
        self._database.execute(
            """
            UPDATE calendar_calendars
            SET sync_token = ?, sync_token_settings = ?, full_sync_at = ?, last_sync_at = ?, sync_error = NULL
            WHERE account_id = ? AND calendar_id = ?
            """,
            (*checkpoint, now, *calendar),
        )

    def set_sync_error(self, calendar: CalendarKey, error: CalendarSyncError) -> bool:
        """Stores why a calendar could not be synced.  Returns whether that has changed."""
        row = self._database.row(
            """
            UPDATE calendar_calendars SET sync_error = ?1
            WHERE account_id = ?2 AND calendar_id = ?3 AND sync_error IS NOT ?1 RETURNING 1
            """,
            (error, *calendar),
        )
        return row is not None

    def set_problem_counts(self, calendar: CalendarKey, skipped: int, adjusted: int, now: str) -> bool:
        """Stores how many events were left out and adjusted.  Returns whether that has changed."""
        row = self._database.row(
            """
            UPDATE calendar_calendars SET skipped_events = ?1, adjusted_events = ?2, updated_at = ?3
            WHERE account_id = ?4 AND calendar_id = ?5 AND (skipped_events, adjusted_events) IS NOT (?1, ?2) RETURNING 1
            """,
            (skipped, adjusted, now, *calendar),
        )
        return row is not None

    def set_feed_watermark(self, calendar: CalendarKey, watermark_ts: int | None) -> None:
        """Stores the time up to which ended events are in the feed; None if none are."""
        self._database.execute(
            "UPDATE calendar_calendars SET feed_watermark_ts = ? WHERE account_id = ? AND calendar_id = ?",
            (watermark_ts, *calendar),
        )

    def delete(self, calendar: CalendarKey) -> None:
        self._database.execute("DELETE FROM calendar_calendars WHERE account_id = ? AND calendar_id = ?", calendar)
