"""`calendar.*`: the accounts, calendars and events, as clients read them."""

from datetime import datetime

from protocol.calendar import (
    CalendarAccount,
    CalendarAccountList,
    CalendarAccountNotFound,
    CalendarEventPage,
    CalendarList,
    Calendars,
)
from protocol.contract import page
from protocol.errors import InvalidParams
from sidecar.calendar.store import CalendarStore, EventFilter


class CalendarService(Calendars):
    """The calendars, as last synced."""

    def __init__(self, store: CalendarStore) -> None:
        self._store = store

    async def list_accounts(self) -> CalendarAccountList:
        return CalendarAccountList.encoded(b'{"accounts":[%s]}' % b",".join(self._store.accounts()))

    async def get_account(self, *, account_id: str) -> CalendarAccount:
        account = self._store.account(account_id)
        if account is None:
            raise CalendarAccountNotFound
        return CalendarAccount.encoded(account)

    async def list_calendars(self, *, account_id: str | None = None) -> CalendarList:
        return CalendarList.encoded(b'{"calendars":[%s]}' % b",".join(self._store.calendars(account_id)))

    async def list_events(
        self,
        *,
        start: str,
        end: str,
        account_id: str | None = None,
        calendar_id: str | None = None,
        include_unselected: bool = False,
        limit: int = 50,
        cursor: str | None = None,
    ) -> CalendarEventPage:
        if end <= start:  # both have the canonical form, which sorts as text
            raise InvalidParams(details=[{"path": "end", "message": "must lie after start"}])
        wanted = EventFilter(_seconds(start), _seconds(end), account_id, calendar_id, include_unselected)
        events, next_cursor = self._store.events(wanted, limit, cursor)
        return CalendarEventPage.encoded(page("events", events, next_cursor))


def _seconds(moment: str) -> float:
    """Seconds since 1970, unrounded: rounding either way would move an event in or out."""
    return datetime.fromisoformat(moment).timestamp()
