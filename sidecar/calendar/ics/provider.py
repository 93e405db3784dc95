"""Calendars from iCalendar files: a secret address, as Google, Outlook, iCloud and Nextcloud offer, or a local file.

The address is the only credential and therefore a secret.  Servers are sent conditional requests (ETag,
Last-Modified); the cursor of a listing is a digest of the file's content.
"""

import os
import stat
import time
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from email.message import Message
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final, TypeVar

import anyio
from anyio.from_thread import check_cancelled
from anyio.to_thread import run_sync
from sidecar_protocol.accounts import AccountReason, AccountService, CredentialsRejected
from sidecar_protocol.calendar.accounts import CalendarAuth, CalendarProvider

from sidecar.accounts.account import AccountRefused, connect_error
from sidecar.calendar.ics.address import canonical_url, invalid_address, is_url, normalize, redirected
from sidecar.calendar.ics.split import LimitExceeded, NotACalendar
from sidecar.calendar.provider import (
    AccountReader,
    ConnectedAccount,
    CursorExpired,
    EventQuery,
    Provider,
    RemoteCalendar,
    RemoteEventPage,
    StoredAccount,
)
from sidecar.days import computer_zone_name, zone_or_utc
from sidecar.files import LOOK_S, TimedThreads
from sidecar.http.client import MAX_BODY_BYTES, Http, HttpError, HttpRequest, HttpResponse, job_exception
from sidecar.job_handler import JobFailed, JobSnoozed

if TYPE_CHECKING:
    from sidecar.calendar.ics.expand import IcsCalendar

T = TypeVar("T")
ADDRESS: Final = "The calendar's address"
FILE: Final = "The calendar's file"
NARROW_HINT: Final = "Choose fewer past or future days for the account (`calendar.accounts.update`)."
SERVICE_KINDS: Final = frozenset({"upstream_error", "bad_response", "timeout"})
"""Kinds of failures that say nothing about the address with which an account was to be connected."""
READER_VERSION: Final = 2
"""Increase it when the same file gives other events than before, so that all accounts read theirs again."""
PAGE: Final = 500
"""Events per page."""
DRIVE_HINT: Final = "Connect the drive that it is on, or update the account with another path."
FILE_TIMEOUT_S: Final = 300.0
"""Time to read a file or expand its events; 10,000 events take about 10 s."""
REDIRECT_STATUSES: Final = frozenset({301, 302, 303, 307, 308})
MAX_REQUESTS: Final = 5
"""Requests per read, thus at most four redirects; a service whose addresses changed needs one or two."""
VALIDATORS: Final = {"etag": "if-none-match", "last-modified": "if-modified-since"}
"""Header of a response -> header of the next request (RFC 9110 §13.1); servers that know ETags ignore the date."""
REFUSAL_STATUSES: Final = frozenset({401, 403, 404, 410})
"""The secret address was reset, or the calendar was deleted."""


@dataclass(frozen=True, slots=True)
class FileState:
    """An account's file when it was last read; kept in memory only."""

    validators: Mapping[str, str]
    """Headers that make the next request conditional."""
    digest: str
    calendar: RemoteCalendar


class IcsProvider(Provider):
    """Provides the calendars of iCalendar addresses and local files."""

    provider_id: ClassVar = "ics"
    service: ClassVar = AccountService.ICS
    sync_period_s: ClassVar = 900
    """Many servers, such as Google's, send the whole file each time, and generate it only a few times a day."""
    has_one_account_per_email: ClassVar = False

    def __init__(self, http: Http) -> None:
        self._http = http
        self._states: dict[str, FileState] = {}
        self._threads = TimedThreads()

    def describe(self) -> CalendarProvider:
        return CalendarProvider(
            id=self.provider_id,
            name="iCalendar address or file",
            auth=CalendarAuth.ADDRESS,
            available=True,
            credentials=["address: a secret iCal address (https or webcal), or the absolute path of an .ics file"],
        )

    async def connect(
        self, *, email: str, credentials: Mapping[str, str], config: Mapping[str, Any]
    ) -> ConnectedAccount:
        if set(credentials) != {"address"} or config:
            raise invalid_address("must be the only credential, without a config")
        address = normalize(credentials["address"])
        reader = IcsReader(self._http, self._threads, StoredAccount("", email, {"address": address}), {})
        stored = {"address": address}
        try:
            calendars = await reader.list_calendars()
            if not is_url(address):
                stored["real_path"] = await _look(self._threads, address, partial(os.path.realpath, address))
        except (AccountRefused, JobFailed) as failure:
            if isinstance(failure, AccountRefused) or failure.kind in SERVICE_KINDS:
                raise connect_error(failure) from None
            raise CredentialsRejected(failure.message, hint=failure.hint) from None
        except JobSnoozed as pause:
            raise connect_error(pause) from None
        return ConnectedAccount(email, stored, display_name=calendars[0].name, calendars=calendars)

    def identity(self, credentials: Mapping[str, Any]) -> str:
        address = str(credentials.get("address", ""))
        return canonical_url(address) if is_url(address) else str(credentials.get("real_path", address))

    def open(self, account: StoredAccount) -> "IcsReader":
        return IcsReader(self._http, self._threads, account, self._states)

    async def revoke(self, account: StoredAccount) -> bool:
        self._states.pop(account.account_id, None)
        return False  # only the service that issued an address can revoke it


class IcsReader(AccountReader):
    """One account's file during one sync."""

    def __init__(self, http: Http, threads: TimedThreads, account: StoredAccount, states: dict[str, FileState]) -> None:
        self._http = http
        self._threads = threads
        self._account = account
        self._address = str(account.credentials.get("address", ""))
        self._states = states
        self._file: IcsCalendar | None = None

    async def list_calendars(self) -> list[RemoteCalendar]:
        return [(await self._read(self._states.get(self._account.account_id))).calendar]

    async def list_events(self, query: EventQuery) -> AsyncGenerator[RemoteEventPage, None]:
        state = self._states.get(self._account.account_id) or await self._read(None)
        cursor = _cursor(state)
        if query.cursor is not None:
            if query.cursor != cursor:
                raise CursorExpired
            yield RemoteEventPage(cursor=cursor)
            return
        if self._file is None:  # the server responded 304, but all events are needed
            state = await self._read(None)
            cursor = _cursor(state)
        assert self._file is not None
        # Floating times of a calendar without a time zone are in this computer's zone.
        zone = zone_or_utc(query.zone) if state.calendar.time_zone else None
        events, problems = await _run_in_thread(
            partial(self._file.expand, query.time_range, zone, self._account.email, check_cancelled)
        )
        for start in range(0, len(events), PAGE):
            yield RemoteEventPage(events[start : start + PAGE])
        yield RemoteEventPage(cursor=cursor, problems=problems)

    async def _read(self, known: FileState | None) -> FileState:
        """Reads the file; returns `known` if the server responds that it has not changed."""
        validators: dict[str, str] = {}
        charset: str | None = None
        if self._address.startswith(("https://", "http://")):
            response = await self._request({} if known is None else known.validators)
            if response.status == 304 and known is not None:
                return known
            body, headers = response.body, response.headers
            charset = _charset(headers.get("content-type", ""))
            found = ((name, headers.get(source, "")) for source, name in VALIDATORS.items())
            validators = {name: value for name, value in found if value.isascii() and value}
        else:
            await _look(self._threads, self._address, partial(os.path.exists, self._address))  # wakes the drive
            body = await _look(self._threads, self._address, partial(_read_file, self._address), FILE_TIMEOUT_S)
        file, calendar = await _run_in_thread(partial(_parse, body, charset, self._account.email))
        state = FileState(validators, file.digest, calendar)
        self._file, self._states[self._account.account_id] = file, state
        return state

    async def _request(self, validators: Mapping[str, str]) -> HttpResponse:
        headers = {"accept": "text/calendar, */*;q=0.5", **validators}
        address, internet_only = self._address, False
        for _ in range(MAX_REQUESTS):
            request = HttpRequest(
                "GET", address, ADDRESS, headers=headers, has_secret_address=True, internet_only=internet_only
            )
            try:
                response = await self._http.send(request)
            except HttpError as error:
                raise job_exception(error) from None
            if response.status not in REDIRECT_STATUSES:
                return _checked(response, is_conditional=bool(validators))
            target = redirected(address, response.headers.get("location", ""))
            if target is None:
                break
            address, internet_only = target, internet_only or response.is_from_internet
        message = f"{ADDRESS} redirects too often, to an address that is not https, or into the local network."
        raise JobFailed(message, kind="bad_response")


async def _run_in_thread(work: Callable[[], T]) -> T:
    """Runs this in a thread, which a cancelled caller leaves to end at its next `check_cancelled`.

    Raises `JobFailed`.
    """
    try:
        with _failures(), anyio.fail_after(FILE_TIMEOUT_S):
            return await run_sync(work, abandon_on_cancel=True)
    except TimeoutError:
        message = f"{FILE} could not be read within {FILE_TIMEOUT_S:.0f} s."
        raise JobFailed(message, kind="timeout", hint=NARROW_HINT) from None


async def _look(threads: TimedThreads, path: str, look: Callable[[], T], limit_s: float = LOOK_S) -> T:
    """Runs this, which looks at a file.  The files of a folder are on one drive, and share what is late there.

    Raises `JobFailed`, and what `look` raises.
    """
    try:
        with _failures():
            return await threads.run(str(Path(path).parent), look, limit_s=limit_s)
    except TimeoutError:
        message = "The folder of the calendar's file does not answer."
        raise JobFailed(message, kind="timeout", hint=DRIVE_HINT, retryable=True) from None


@contextmanager
def _failures() -> Iterator[None]:
    """Raises `JobFailed` for what is wrong with a file's content."""
    try:
        yield
    except NotACalendar as error:
        hint = "The address must be that of an iCalendar file (.ics), not of a web page such as a sign-in page."
        # Retryable, since the file may have been read while it was being written.
        raise JobFailed(f"{FILE} {error}.", kind="not_a_calendar", hint=hint, retryable=True) from None
    except LimitExceeded as error:
        raise JobFailed(f"{FILE} {error}.", kind="too_many_events", hint=NARROW_HINT) from None


def _cursor(state: FileState) -> str:
    """Returns the cursor of a file: a digest of what its events are computed from."""
    cursor = f"{READER_VERSION}:{state.digest}"
    if state.calendar.time_zone:
        return cursor
    return f"{cursor}:{computer_zone_name() or time.tzname}"  # dates and floating times follow the computer


def _charset(content_type: str) -> str | None:
    """Returns the `charset` of a Content-Type, or None."""
    message = Message()
    message["content-type"] = content_type
    return message.get_content_charset()


def _parse(body: bytes, charset: str | None, name: str) -> "tuple[IcsCalendar, RemoteCalendar]":
    # Imported here because icalendar and dateutil take 35 ms and 6 MiB, and most users have no such file.
    from sidecar.calendar.ics.expand import IcsCalendar  # noqa: PLC0415

    file = IcsCalendar(body, charset)
    return file, file.describe(name)


def _read_file(path: str) -> bytes:
    """Returns a local file's content.  Raises `AccountRefused`, `NotACalendar` or `LimitExceeded`."""
    try:
        if not stat.S_ISREG(Path(path).stat().st_mode):  # reading a device or a pipe might never end
            raise NotACalendar("is not a regular file")
        with Path(path).open("rb") as file:
            body = file.read(MAX_BODY_BYTES + 1)
    except OSError as error:
        raise AccountRefused(
            AccountReason.FILE_MISSING,
            f"{FILE} cannot be read: {error.strerror}.",
            "Put the file back, or update the account with its new path.",
        ) from None
    if len(body) > MAX_BODY_BYTES:
        raise LimitExceeded(f"is larger than {MAX_BODY_BYTES // 2**20} MiB")
    return body


def _checked(response: HttpResponse, *, is_conditional: bool) -> HttpResponse:
    """Returns a response with a usable status: 200, or 304 to a conditional request.

    Raises `AccountRefused` or `JobFailed`.
    """
    status = response.status
    if status in REFUSAL_STATUSES:
        denied = "The server may not allow requests from this network: connect to the company's VPN. Otherwise: "
        raise AccountRefused(
            AccountReason.ACCESS_DENIED if status == 403 else AccountReason.ADDRESS_REJECTED,
            f"{ADDRESS} was refused (HTTP {status}).",
            (denied if status == 403 else "")
            + "Copy the calendar's secret address (iCal) from its settings, and update the account with it.",
        )
    if status != 200 and not (status == 304 and is_conditional):
        retryable = status >= 500 or status == 429
        raise JobFailed(f"{ADDRESS} could not be read (HTTP {status}).", kind="upstream_error", retryable=retryable)
    return response
