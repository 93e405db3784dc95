"""The methods of the contract on calendar accounts, calendars and events."""

from datetime import datetime
from typing import Any

from sidecar_protocol.calendar.accounts import CalendarAccountDeleted, CalendarAccounts, CalendarProviderList
from sidecar_protocol.calendar.calendars import (
    Calendar,
    CalendarAccount,
    CalendarAccountList,
    CalendarAccountNotFound,
    CalendarEventPage,
    CalendarList,
    Calendars,
)
from sidecar_protocol.contract import as_models, encode
from sidecar_protocol.entities import Job
from sidecar_protocol.scalars import DEFAULT_LIMIT

from sidecar.calendar.accounts import Accounts
from sidecar.calendar.events_store import EventFilter
from sidecar.calendar.stores import Stores
from sidecar.days import check_order


class CalendarService(Calendars):
    """Reads the stored accounts, calendars and events."""

    def __init__(self, stores: Stores) -> None:
        self._stores = stores

    async def list_accounts(self) -> CalendarAccountList:
        return encode(CalendarAccountList, accounts=as_models(self._stores.accounts.accounts())).as_model()

    async def get_account(self, *, account_id: str) -> CalendarAccount:
        account = self._stores.accounts.account(account_id)
        if account is None:
            raise CalendarAccountNotFound
        return account.as_model()

    async def list_calendars(self, *, account_id: str | None = None) -> CalendarList:
        return encode(CalendarList, calendars=as_models(self._stores.calendars.calendars(account_id))).as_model()

    async def list_events(
        self,
        *,
        start: str,
        end: str,
        account_id: str | None = None,
        calendar_id: str | None = None,
        include_unselected: bool = False,
        limit: int = DEFAULT_LIMIT,
        cursor: str | None = None,
    ) -> CalendarEventPage:
        check_order(start, end)
        wanted = EventFilter(_seconds(start), _seconds(end), account_id, calendar_id, include_unselected)
        events, next_cursor = self._stores.events.events(wanted, limit, cursor)
        return encode(CalendarEventPage, events=as_models(events), next_cursor=next_cursor).as_model()


class CalendarAccountsService(CalendarAccounts):
    """Connects, changes, syncs and deletes accounts."""

    def __init__(self, accounts: Accounts) -> None:
        self._accounts = accounts

    async def list_providers(self) -> CalendarProviderList:
        return CalendarProviderList(providers=self._accounts.providers.describe())

    async def create(
        self,
        *,
        provider: str,
        email: str,
        display_name: str | None = None,
        credentials: dict[str, str] | None = None,
        config: dict[str, Any] | None = None,
    ) -> CalendarAccount:
        found = await self._accounts.providers.get(provider).connect(
            email=email, credentials=credentials or {}, config=config or {}
        )
        existing_id = self._accounts.existing_id(provider, found.email)
        account = self._accounts.connect(provider, found, account_id=existing_id)
        if display_name is not None:
            account = self._accounts.update(account.load().account_id, display_name=display_name)
        return account.as_model()

    async def update(
        self,
        *,
        account_id: str,
        display_name: str | None = None,
        past_days: int | None = None,
        future_days: int | None = None,
    ) -> CalendarAccount:
        account = self._accounts.update(
            account_id, display_name=display_name, past_days=past_days, future_days=future_days
        )
        return account.as_model()

    async def delete(self, *, account_id: str) -> CalendarAccountDeleted:
        return await self._accounts.delete(account_id)

    async def sync(self, *, account_id: str, full: bool = False) -> Job:
        return self._accounts.sync(account_id, full=full).as_model()

    async def update_calendar(self, *, account_id: str, calendar_id: str, selected: bool) -> Calendar:
        return self._accounts.select_calendar(account_id, calendar_id, selected=selected).as_model()


def _seconds(moment: str) -> float:
    """Returns seconds since 1970; rounding them would add or leave out events at the limits."""
    return datetime.fromisoformat(moment).timestamp()
