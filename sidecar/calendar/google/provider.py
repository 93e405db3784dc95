"""Google Calendar (API v3): its requests, and what its refusals mean.

Events are asked for one by one (`singleEvents`), so that a row is an occurrence.  The parameters of a listing are the
same for ever but for the window, the cursor and the page: Google refuses a `syncToken` that came from other ones.
"""

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from typing import Any, Final
from urllib.parse import quote

from sidecar_protocol.calendar.accounts import (
    CalendarCredentialsRejected,
    CalendarUnreachable,
)
from sidecar_protocol.calendar.calendars import CalendarSyncError
from sidecar_protocol.entities import WaitingFor
from sidecar_protocol.errors import InvalidParams

from sidecar.accounts import AccountRefused
from sidecar.calendar.google import events as google_events
from sidecar.calendar.google.error_reasons import QUOTA, RATE, reasons_of
from sidecar.calendar.google.oauth import GoogleOAuth
from sidecar.calendar.google.tokens import AccessTokens, TokenSource
from sidecar.calendar.provider import (
    CalendarRefused,
    ConnectedAccount,
    CursorExpired,
    EventPage,
    EventQuery,
    RemoteCalendar,
    RemoteEvent,
    StoredAccount,
)
from sidecar.clock import iso
from sidecar.http.client import BadResponse, Http, HttpError, HttpRequest, HttpResponse, job_error
from sidecar.job_handler import JobFailed, JobSnoozed

PAGE: Final = 1_000
"""Events a page (Google allows 2,500): about a megabyte, which is parsed in some ten milliseconds."""
PIECE: Final = 250
"""Events that are worked off at a stretch."""
MAX_PAGES: Final = 1_000
"""A million events; beyond that something goes in circles."""
RATE_S: Final = 60.0
"""Google counts requests in minutes."""
QUOTA_S: Final = 3_600.0
"""A day's quota is used up: by the hour it is soon enough known whether there is a new one."""
EVENT_FIELDS: Final = f"nextPageToken,nextSyncToken,items({google_events.FIELDS})"
CALENDAR_FIELDS: Final = (
    "nextPageToken,items(id,summary,summaryOverride,description,timeZone,backgroundColor,foregroundColor,accessRole,"
    "primary,selected,hidden,deleted)"
)
_AGAIN: Final = "Connect the account again, and leave all permissions ticked."


class GoogleProvider:
    """See `Provider`."""

    def __init__(self, http: Http, oauth: GoogleOAuth, tokens: AccessTokens) -> None:
        self._http = http
        self._oauth = oauth
        self._tokens = tokens

    async def connect(
        self, *, email: str, credentials: Mapping[str, str], config: Mapping[str, Any]
    ) -> ConnectedAccount:
        """See `Provider`."""
        if set(credentials) != {"refresh_token"} or config:
            hint = "Give `refresh_token` alone, or sign in by calendar.oauth.google.start."
            raise InvalidParams(hint=hint, details=[{"path": "credentials", "message": "must have a refresh_token"}])
        trial = StoredAccount("", email, credentials)
        try:
            calendars = await self.open(trial).list_calendars()
        except (AccountRefused, JobFailed) as refusal:
            raise CalendarCredentialsRejected(refusal.message, hint=refusal.hint) from None
        except JobSnoozed as pause:
            raise CalendarUnreachable(pause.message, retry_after_ms=round(pause.delay_s * 1_000)) from None
        finally:
            self._tokens.forget("")
        owner = next((one.calendar_id for one in calendars if one.is_primary), email)
        if owner.casefold() != email.casefold():
            raise CalendarCredentialsRejected("The refresh token is of another account.")
        return ConnectedAccount(email, credentials, calendars=calendars)

    def open(self, account: StoredAccount) -> "GoogleReader":
        """See `Provider`."""
        return self.reader(self._tokens.of(account))

    def reader(self, tokens: TokenSource) -> "GoogleReader":
        """The calendars behind these tokens."""
        return GoogleReader(self._http, self._oauth.endpoints.calendar, tokens)

    async def revoke(self, account: StoredAccount) -> bool:
        """See `Provider`."""
        self._tokens.forget(account.account_id)
        token = account.credentials.get("refresh_token")
        return isinstance(token, str) and await self._oauth.revoke(token)


class GoogleReader:
    """See `AccountReader`."""

    def __init__(self, http: Http, base: str, tokens: TokenSource) -> None:
        self._http = http
        self._base = base
        self._tokens = tokens

    async def list_calendars(self) -> list[RemoteCalendar]:
        """See `AccountReader`."""
        # Hidden ones too: what is hidden at Google is not gone.
        params = [("maxResults", "250"), ("showHidden", "true"), ("fields", CALENDAR_FIELDS)]
        found: list[RemoteCalendar] = []
        async with aclosing(self._pages("/users/me/calendarList", params, "Google's calendars", None)) as pages:
            async for page in pages:
                found += [google_events.calendar(entry) for entry in _items(page) if not entry.get("deleted")]
        if not found:  # everybody has one at least; to believe this would be to remove all that there is
            raise JobFailed("Google named no calendar at all.", kind="bad_response", retryable=True)
        return found

    async def list_events(self, query: EventQuery) -> AsyncGenerator[EventPage, None]:
        """See `AccountReader`."""
        params = [("singleEvents", "true"), ("maxResults", str(PAGE)), ("fields", EVENT_FIELDS)]
        if query.cursor is not None:
            params.append(("syncToken", query.cursor))
        else:
            params += [("timeMin", _moment(query.time_range.start_ts)), ("timeMax", _moment(query.time_range.end_ts))]
        path = f"/calendars/{quote(query.calendar_id, safe='')}/events"
        cursor = None
        async with aclosing(self._pages(path, params, "Google's events", query)) as pages:
            async for page in pages:
                cursor = page.get("nextSyncToken")  # with the last page only
                items = _items(page)
                for start in range(0, len(items), PIECE):
                    yield _piece(items[start : start + PIECE], query.zone)
        yield EventPage(cursor=cursor if isinstance(cursor, str) else None)

    async def _pages(
        self, path: str, params: Sequence[tuple[str, str]], what: str, query: EventQuery | None
    ) -> AsyncGenerator[dict[str, Any], None]:
        """All pages, every other parameter the same; a page may be short, or empty, and still not be the last."""
        seen: set[str] = set()
        more: list[tuple[str, str]] = []
        for _ in range(MAX_PAGES):
            page = await self._get(path, [*params, *more], what, query)
            yield page
            token = page.get("nextPageToken")
            if not isinstance(token, str) or not token:
                return
            if token in seen:
                break
            seen.add(token)
            more = [("pageToken", token)]
        raise JobFailed(f"{what} go in circles.", kind="bad_response", retryable=True)

    async def _get(
        self, path: str, params: Sequence[tuple[str, str]], what: str, query: EventQuery | None
    ) -> dict[str, Any]:
        try:
            token = await self._tokens.token()
            response = await self._send(path, params, what, token)
            if response.status == 401:
                token = await self._tokens.token(refused=token)
                response = await self._send(path, params, what, token)
            if response.status != 200:
                raise _refusal(response, what, query)
            answer = response.json()
            if not isinstance(answer, dict):
                raise BadResponse("the response has an unexpected structure", what)
        except HttpError as trouble:
            raise job_error(trouble) from None
        return answer

    async def _send(self, path: str, params: Sequence[tuple[str, str]], what: str, token: str) -> HttpResponse:
        headers = {"authorization": f"Bearer {token}"}
        request = HttpRequest("GET", self._base + path, what, params=params, headers=headers)
        return await self._http.send(
            request, is_transient=lambda answer: answer.status == 403 and bool(reasons_of(answer) & RATE)
        )


def _refusal(response: HttpResponse, what: str, query: EventQuery | None) -> Exception:
    """What a refusal means; `query` where it is about one calendar's events.  Texts are for people, and never read."""
    reasons = reasons_of(response)
    details = {"status": response.status, "reasons": sorted(reasons)}
    if response.status == 401:
        return AccountRefused("token_rejected", "Google does not accept the sign-in any more.", _AGAIN)
    if response.status == 429 or (response.status == 403 and reasons & RATE):
        return JobSnoozed(f"{what} may not be asked so often.", delay_s=RATE_S, waiting_for=WaitingFor.RATE_LIMIT)
    if response.status == 403:
        return _forbidden(reasons, details, query)
    if response.status == 404 and query is not None:
        return CalendarRefused(CalendarSyncError.NOT_FOUND)
    if query is not None and query.cursor is not None and response.status in (400, 410):
        return CursorExpired()  # 400: a token that it cannot read at all; without one it is our mistake
    message = f"{what} cannot be had: Google answered {response.status}."
    if response.status >= 500 or response.status == 410:
        return JobFailed(message, kind="unavailable", retryable=True, details=details)
    return JobFailed(message, kind="bad_response", details=details)


def _forbidden(reasons: frozenset[str], details: Mapping[str, object], query: EventQuery | None) -> Exception:
    if reasons & QUOTA:
        message = "The app's quota at Google is used up."
        return JobSnoozed(message, delay_s=QUOTA_S, waiting_for=WaitingFor.RATE_LIMIT)
    if reasons & {"insufficientPermissions", "ACCESS_TOKEN_SCOPE_INSUFFICIENT"}:
        return AccountRefused("scope_missing", "The sign-in does not allow to read calendars.", _AGAIN)
    if reasons & {"accessNotConfigured", "SERVICE_DISABLED"}:
        hint = "Enable the Google Calendar API in the Google Cloud project that the OAuth client belongs to."
        return JobFailed("The Google Calendar API is switched off.", kind="api_disabled", hint=hint, details=details)
    if query is not None:
        return CalendarRefused(CalendarSyncError.FORBIDDEN)
    return JobFailed("Google does not allow to list the calendars.", kind="forbidden", details=details)


def _piece(items: Sequence[Mapping[str, Any]], zone: str) -> EventPage:
    events: list[RemoteEvent] = []
    removed: list[str] = []
    for item in items:
        if item.get("status") == "cancelled":  # it may have an id and nothing else
            removed.append(str(item["id"]))
        elif (event := google_events.event(item, zone)) is not None:
            events.append(event)
    return EventPage(events, removed)


def _items(page: Mapping[str, Any]) -> list[dict[str, Any]]:
    items = page.get("items")
    return [item for item in items if isinstance(item, dict) and item.get("id")] if isinstance(items, list) else []


def _moment(ts: int) -> str:
    return iso(ts * 1_000)
