"""Google Calendar (API v3) as a provider.

Events are listed with `singleEvents`, so that each occurrence of a series is an event.  All queries of events have the
same parameters except for the time range, the cursor and the page: Google rejects a `syncToken` that was issued for
others.
"""

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from functools import partial
from typing import Any, ClassVar, Final
from urllib.parse import quote

from sidecar_protocol.accounts import AccountService, CredentialsRejected
from sidecar_protocol.calendar.accounts import CalendarAuth, CalendarProvider
from sidecar_protocol.errors import InvalidParams

from sidecar.accounts.account import AccountRefused, connect_error
from sidecar.calendar.accounts_store import CredentialsStore
from sidecar.calendar.google import events as google_events
from sidecar.calendar.google.errors import api_error, is_rate_limited
from sidecar.calendar.google.oauth import Client, Endpoints, GoogleOAuth
from sidecar.calendar.google.tokens import AccessTokens, GetToken
from sidecar.calendar.provider import (
    AccountReader,
    ConnectedAccount,
    EventProblem,
    EventQuery,
    Provider,
    RemoteCalendar,
    RemoteEvent,
    RemoteEventPage,
    StoredAccount,
)
from sidecar.clock import iso
from sidecar.http.client import BadResponse, Http, HttpError, HttpRequest, HttpResponse, job_exception
from sidecar.job_handler import JobFailed, JobSnoozed
from sidecar.json_reader import get_objects, get_text
from sidecar.runtime import Runtime

RESPONSE_EVENTS: Final = 1_000
"""Events per response, about 1 MB, which takes some 10 ms to parse.  Google allows 2,500."""
PAGE_EVENTS: Final = 250
"""Events per `RemoteEventPage`."""
MARGIN_S: Final = 27 * 3_600
"""How much wider than the time range a query is on each side: Google places an all-day event by the zone of its
calendar, and we by that of the account.  Zones are up to 26 hours apart."""
MAX_RESPONSES: Final = 1_000
"""A million events; more means that Google's pages do not end."""
EVENT_FIELDS: Final = f"nextPageToken,nextSyncToken,items({google_events.FIELDS})"
CALENDAR_FIELDS: Final = (
    "nextPageToken,items(id,summary,summaryOverride,description,timeZone,backgroundColor,foregroundColor,accessRole,"
    "primary,selected,hidden,deleted)"
)

Params = Sequence[tuple[str, str]]


class GoogleProvider(Provider):
    """Google Calendar."""

    provider_id: ClassVar = "google"
    service: ClassVar = AccountService.GOOGLE_CALENDAR
    sync_period_s: ClassVar = 300
    has_one_account_per_email: ClassVar = True

    def __init__(self, runtime: Runtime, credentials: CredentialsStore) -> None:
        settings = runtime.settings
        self.client = Client(settings.google_client_id or "", settings.google_client_secret or "")
        self.oauth = GoogleOAuth(runtime.http(), Endpoints.at(settings.google_url))
        self.tokens = AccessTokens(runtime, self.oauth, self.client, credentials)
        self._http = runtime.http()

    def describe(self) -> CalendarProvider:
        missing = "Set GOOGLE_CLIENT_ID and GOOGLE_CLIENT_SECRET to an OAuth client of type Desktop."
        return CalendarProvider(
            id=self.provider_id,
            name="Google Calendar",
            auth=CalendarAuth.OAUTH,
            available=self.client.is_configured,
            reason=None if self.client.is_configured else missing,
            credentials=["refresh_token: from another sign-in with the same OAuth client"],
        )

    async def connect(
        self, *, email: str, credentials: Mapping[str, str], config: Mapping[str, Any]
    ) -> ConnectedAccount:
        if set(credentials) != {"refresh_token"} or config:
            hint = "Pass only a `refresh_token`, or use calendar.oauth.google.start."
            message = "must contain a refresh_token and nothing else"
            raise InvalidParams(hint=hint, details=[{"path": "credentials", "message": message}])
        try:
            calendars = await self.open(StoredAccount("", email, credentials)).list_calendars()
        except (AccountRefused, JobFailed, JobSnoozed) as error:
            raise connect_error(error) from None
        finally:
            self.tokens.discard("")
        owner = next((one.calendar_id for one in calendars if one.is_primary), email)
        if owner.casefold() != email.casefold():
            raise CredentialsRejected("The refresh token belongs to another account.")
        return ConnectedAccount(email, credentials, calendars=calendars)

    def identity(self, credentials: Mapping[str, Any]) -> None:
        del credentials

    def open(self, account: StoredAccount) -> "GoogleReader":
        return self.reader(partial(self.tokens.get, account))

    def reader(self, get_token: GetToken) -> "GoogleReader":
        """Returns a reader of the account that the token belongs to."""
        return GoogleReader(self._http, self.oauth.endpoints.calendar, get_token)

    async def revoke(self, account: StoredAccount) -> bool:
        self.tokens.discard(account.account_id)
        token = get_text(account.credentials, "refresh_token")
        return token is not None and await self.oauth.revoke(token)


class GoogleReader(AccountReader):
    """Reads the calendars and events of one account."""

    def __init__(self, http: Http, base_url: str, get_token: GetToken) -> None:
        self._http = http
        self._base_url = base_url
        self._get_token = get_token

    async def list_calendars(self) -> list[RemoteCalendar]:
        params = [("maxResults", "250"), ("showHidden", "true"), ("fields", CALENDAR_FIELDS)]
        calendars: list[RemoteCalendar] = []
        async with aclosing(self._responses("/users/me/calendarList", params, None)) as responses:
            async for body in responses:
                calendars += [google_events.calendar(item) for item in _items(body) if not item.get("deleted")]
        if not calendars:  # every account has one; accepting this would delete all stored calendars
            raise JobFailed("Google returned an empty list of calendars.", kind="bad_response", retryable=True)
        return calendars

    async def list_events(self, query: EventQuery) -> AsyncGenerator[RemoteEventPage, None]:
        params = [("singleEvents", "true"), ("maxResults", str(RESPONSE_EVENTS)), ("fields", EVENT_FIELDS)]
        if query.cursor is not None:
            params.append(("syncToken", query.cursor))
        else:
            start_ts, end_ts = query.time_range
            params.append(("timeMin", iso((start_ts - MARGIN_S) * 1_000)))
            params.append(("timeMax", iso((end_ts + MARGIN_S) * 1_000)))
        path = f"/calendars/{quote(query.calendar_id, safe='')}/events"
        cursor = None
        async with aclosing(self._responses(path, params, query)) as responses:
            async for body in responses:
                cursor = get_text(body, "nextSyncToken")  # only in the last response
                items = _items(body)
                for start_index in range(0, len(items), PAGE_EVENTS):
                    yield _page(items[start_index : start_index + PAGE_EVENTS], query.zone)
        yield RemoteEventPage(cursor=cursor)

    async def _responses(
        self, path: str, params: Params, query: EventQuery | None
    ) -> AsyncGenerator[dict[str, Any], None]:
        """Yields the bodies of all pages.  A page without items is not necessarily the last one."""
        seen: set[str] = set()
        page_token: list[tuple[str, str]] = []
        for _ in range(MAX_RESPONSES):
            body = await self._get(path, [*params, *page_token], query)
            yield body
            token = get_text(body, "nextPageToken")
            if not token:
                return
            if token in seen:
                break
            seen.add(token)
            page_token = [("pageToken", token)]
        raise JobFailed(f"Could not read {_what(query)}: Google repeated a page.", kind="bad_response", retryable=True)

    async def _get(self, path: str, params: Params, query: EventQuery | None) -> dict[str, Any]:
        what = _what(query)
        try:
            token = await self._get_token(None)
            response = await self._send(path, params, what, token)
            if response.status == 401:
                token = await self._get_token(token)
                response = await self._send(path, params, what, token)
            if response.status != 200:
                raise api_error(response, what, query)
            body = response.json(what)
            if not isinstance(body, dict):
                raise BadResponse("the response has an unexpected structure", what)
        except HttpError as error:
            raise job_exception(error) from None
        return body

    async def _send(self, path: str, params: Params, what: str, token: str) -> HttpResponse:
        headers = {"authorization": f"Bearer {token}"}
        request = HttpRequest("GET", self._base_url + path, what, params=params, headers=headers)
        return await self._http.send(request, is_transient=is_rate_limited)


def _what(query: EventQuery | None) -> str:
    return "Google's calendars" if query is None else "Google's events"


def _page(items: Sequence[Mapping[str, Any]], zone: str) -> RemoteEventPage:
    events: list[RemoteEvent] = []
    removed: list[str] = []
    problems: list[EventProblem] = []
    for item in items:
        if item.get("status") == "cancelled":  # may have no member except its id
            removed.append(str(item["id"]))
        elif (event := google_events.event(item, zone)) is not None:
            events.append(event)
        else:
            problems.append(EventProblem(get_text(item, "summary"), "its start cannot be read", is_skipped=True))
    return RemoteEventPage(events, removed, problems=problems)


def _items(body: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [item for item in get_objects(body, "items") if item.get("id")]
