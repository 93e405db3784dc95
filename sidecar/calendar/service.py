"""The methods of the contract on calendar accounts, calendars and events."""

from dataclasses import replace
from datetime import datetime
from typing import Any

from sidecar_protocol.accounts import AccountNotFound, AccountStatus
from sidecar_protocol.calendar.accounts import CalendarAccountDeleted, CalendarAccounts, CalendarProviderList
from sidecar_protocol.calendar.calendars import (
    Calendar,
    CalendarAccount,
    CalendarAccountList,
    CalendarChanged,
    CalendarEventPage,
    CalendarList,
    CalendarNotFound,
    Calendars,
)
from sidecar_protocol.contract import as_models, encode
from sidecar_protocol.entities import Job
from sidecar_protocol.scalars import DEFAULT_LIMIT

from sidecar.calendar.accounts import Accounts
from sidecar.calendar.calendars_store import CalendarKey
from sidecar.calendar.stores import Stores
from sidecar.clock import iso_now
from sidecar.days import check_order
from sidecar.runtime import Runtime


class CalendarService(Calendars):
    """Reads the stored accounts, calendars and events."""

    def __init__(self, stores: Stores) -> None:
        self._stores = stores

    async def list_accounts(self) -> CalendarAccountList:
        return encode(CalendarAccountList, accounts=as_models(self._stores.accounts.encoded())).as_model()

    async def get_account(self, *, account_id: str) -> CalendarAccount:
        found = self._stores.accounts.encoded("account_id = ?", account_id)
        if not found:
            raise AccountNotFound
        return found[0].as_model()

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
        events, next_cursor = self._stores.events.events(
            _seconds(start),
            _seconds(end),
            account_id=account_id,
            calendar_id=calendar_id,
            include_unselected=include_unselected,
            limit=limit,
            cursor=cursor,
        )
        return encode(CalendarEventPage, events=as_models(events), next_cursor=next_cursor).as_model()


class CalendarAccountsService(CalendarAccounts):
    """Connects, changes, syncs and deletes accounts."""

    def __init__(self, runtime: Runtime, accounts: Accounts) -> None:
        self._runtime = runtime
        self._accounts = accounts
        self._stores = accounts.stores

    async def list_providers(self) -> CalendarProviderList:
        return CalendarProviderList(providers=[one.describe() for one in self._accounts.providers.values()])

    async def create(
        self,
        *,
        provider: str,
        email: str,
        display_name: str | None = None,
        credentials: dict[str, str] | None = None,
        config: dict[str, Any] | None = None,
    ) -> CalendarAccount:
        source = self._accounts.provider(provider)
        found = await source.connect(email=email, credentials=credentials or {}, config=config or {})
        if display_name is not None:
            found = replace(found, display_name=display_name)
        existing = self._accounts.with_email(provider, found.email) if source.has_one_account_per_email else None
        if existing is None:
            self._accounts.refuse_same(source, found)
        account_id = None if existing is None else existing.account_id
        return self._accounts.connect(provider, found, account_id=account_id).as_model()

    async def update(
        self,
        *,
        account_id: str,
        display_name: str | None = None,
        past_days: int | None = None,
        future_days: int | None = None,
        credentials: dict[str, str] | None = None,
    ) -> CalendarAccount:
        account = self._accounts.get(account_id)
        fields: dict[str, Any] = {"display_name": display_name, "past_days": past_days, "future_days": future_days}
        changes = {name: value for name, value in fields.items() if value is not None}
        found = None
        if credentials is not None:
            source = self._accounts.provider(account.provider)
            found = await source.connect(email=account.email, credentials=credentials, config={})
            account = self._accounts.get(account_id)  # it may have been deleted meanwhile
            self._accounts.refuse_same(source, found, account_id)
        with self._runtime.database.write():
            if found is not None:
                self._accounts.connect(account.provider, replace(found, display_name=None), account_id=account_id)
            has_range = bool(changes.keys() - {"display_name"})
            stored = self._accounts.change(self._accounts.get(account_id), sync=has_range and not found, **changes)
        return stored.as_model()

    async def delete(self, *, account_id: str) -> CalendarAccountDeleted:
        is_revoked = await self._accounts.delete(account_id)
        return CalendarAccountDeleted(account_id=account_id, revoked=is_revoked)

    async def sync(self, *, account_id: str, full: bool = False) -> Job:
        return self._accounts.request_sync(self._accounts.get(account_id), full=full).as_model()

    async def update_calendar(self, *, account_id: str, calendar_id: str, selected: bool) -> Calendar:
        key = CalendarKey(account_id, calendar_id)
        with self._runtime.database.write():
            calendar = self._stores.calendars.select(key, iso_now(self._runtime.clock), selected=selected)
            if calendar is None:
                raise CalendarNotFound
            self._runtime.notify(CalendarChanged(**key._asdict(), added=0, updated=0, removed=0))
            account = self._stores.accounts.find(account_id)
            if account is not None and account.status == AccountStatus.ACTIVE:
                self._accounts.request_sync(account)  # a running sync checks the selection again before it ends
        return calendar.as_model()


def _seconds(moment: str) -> float:
    """Returns seconds since 1970; rounding them would add or leave out events at the limits."""
    return datetime.fromisoformat(moment).timestamp()
