"""iCalendar files as a provider: a secret address, as Google, Outlook, iCloud and Nextcloud give one, or a file here.

There is nothing to sign in with but the address, which is therefore a secret itself.  A server is asked whether the
file has changed (ETag, Last-Modified); the cursor of a listing is a digest of what the file said.
"""

import stat
from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final, TypeVar
from urllib.parse import urljoin, urlsplit
from urllib.request import url2pathname

import anyio
from anyio.from_thread import check_cancelled
from anyio.to_thread import run_sync
from sidecar_protocol.accounts import AccountService
from sidecar_protocol.calendar.accounts import (
    CalendarAuth,
    CalendarCredentialsRejected,
    CalendarProvider,
    CalendarUnreachable,
)
from sidecar_protocol.errors import InvalidParams

from sidecar.accounts import AccountRefused
from sidecar.calendar.ics.split import NotACalendar, TooMuch
from sidecar.calendar.provider import (
    ConnectedAccount,
    CursorExpired,
    EventPage,
    EventQuery,
    RemoteCalendar,
    StoredAccount,
)
from sidecar.days import zone_or_utc
from sidecar.http.client import MAX_BODY_BYTES, Http, HttpError, HttpRequest, HttpResponse, job_error
from sidecar.job_handler import JobFailed, JobSnoozed
from sidecar.loopback import is_loopback

if TYPE_CHECKING:
    from sidecar.calendar.ics.expand import IcsCalendar

T = TypeVar("T")
WHAT: Final = "The calendar's address"
FILE: Final = "The calendar's file"
NARROWER: Final = "Choose fewer days for the account, before and ahead (`calendar.accounts.update`)."
PAGE: Final = 500
WORK_S: Final = 300.0
"""To read a file and to work out its rules; ten thousand events take some ten seconds."""
MOVED: Final = frozenset({301, 302, 303, 307, 308})
HOPS: Final = 5
"""Enough for any service that leads people from an old address to a new one."""
GONE: Final = frozenset({401, 403, 404, 410})
"""The address does not let anybody in: it was made anew, or the calendar was deleted."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What the file of an account was when it was last read, for the life of the process."""

    etag: str | None
    modified: str | None
    digest: str
    calendar: RemoteCalendar


class IcsProvider:
    """iCalendar files, local or at a secret address."""

    provider_id: ClassVar = "ics"
    service: ClassVar = AccountService.ICS
    sync_period_s: ClassVar = 900
    """Many servers, such as Google's, send the whole file each time, and generate it only a few times a day."""
    has_one_account_per_email: ClassVar = False

    def __init__(self, http: Http) -> None:
        self._http = http
        self._seen: dict[str, Seen] = {}

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
        """See `Provider`."""
        if set(credentials) != {"address"} or config:
            raise _bad_address("must be there, and nothing else")
        address = normalised(credentials["address"])
        reader = IcsReader(self._http, StoredAccount("", email, {"address": address}), {})
        try:
            calendars = await reader.list_calendars()
        except JobFailed as failure:
            if failure.kind in ("upstream_error", "bad_response"):
                raise CalendarUnreachable(failure.message, hint=failure.hint) from None
            raise CalendarCredentialsRejected(failure.message, hint=failure.hint) from None
        except AccountRefused as refusal:
            raise CalendarCredentialsRejected(refusal.message, hint=refusal.hint) from None
        except JobSnoozed as pause:
            raise CalendarUnreachable(pause.message, retry_after_ms=round(pause.delay_s * 1_000)) from None
        return ConnectedAccount(email, {"address": address}, display_name=calendars[0].name, calendars=calendars)

    def open(self, account: StoredAccount) -> "IcsReader":
        """See `Provider`."""
        return IcsReader(self._http, account, self._seen)

    async def revoke(self, account: StoredAccount) -> bool:
        """See `Provider`: an address is taken back only where it was made."""
        self._seen.pop(account.account_id, None)
        return False


class IcsReader:
    """See `AccountReader`."""

    def __init__(self, http: Http, account: StoredAccount, seen: dict[str, Seen]) -> None:
        self._http = http
        self._account = account
        self._address = str(account.credentials.get("address", ""))
        self._seen = seen
        self._file: IcsCalendar | None = None

    async def list_calendars(self) -> list[RemoteCalendar]:
        """See `AccountReader`: the one that the file is."""
        return [(await self._read(self._seen.get(self._account.account_id))).calendar]

    async def list_events(self, query: EventQuery) -> AsyncGenerator[EventPage, None]:
        """See `AccountReader`."""
        seen = self._seen.get(self._account.account_id) or await self._read(None)
        if query.cursor is not None:
            if query.cursor != seen.digest:
                raise CursorExpired
            yield EventPage(cursor=seen.digest)
            return
        if self._file is None:  # the server said that it is as it was, and now all of it is wanted
            seen = await self._read(None)
        assert self._file is not None
        # A calendar that says nowhere where it is is meant for whoever looks at it.
        zone = zone_or_utc(query.zone) if seen.calendar.time_zone else None
        found = await _worked_out(
            partial(self._file.occurrences, query.time_range, zone, self._account.email, check_cancelled)
        )
        for start in range(0, len(found), PAGE):
            yield EventPage(found[start : start + PAGE])
        yield EventPage(cursor=seen.digest)

    async def _read(self, known: Seen | None) -> Seen:
        """The file as it is now; `known` where it is as it was."""
        headers: Mapping[str, str] = {}
        if self._address.startswith(("https://", "http://")):
            answer = await self._ask(known)
            if answer.status == 304 and known is not None:
                return known
            body, headers = answer.body, answer.headers
        else:
            body = await _worked_out(partial(_contents, self._address))
        file, calendar = await _worked_out(partial(_taken_apart, body, self._account.email))
        self._file = file
        seen = Seen(headers.get("etag"), headers.get("last-modified"), file.digest, calendar)
        self._seen[self._account.account_id] = seen
        return seen

    async def _ask(self, known: Seen | None) -> HttpResponse:
        headers = {"accept": "text/calendar, */*;q=0.5"}
        if known is not None and known.etag is not None:
            headers["if-none-match"] = known.etag
        if known is not None and known.modified is not None:
            headers["if-modified-since"] = known.modified  # a server that knows ETags ignores it (RFC 9110 §13.1.3)
        address = self._address
        for _ in range(HOPS):
            try:
                answer = await self._http.send(
                    HttpRequest("GET", address, WHAT, headers=headers, has_secret_address=True)
                )
            except HttpError as trouble:
                raise job_error(trouble) from None
            if answer.status not in MOVED:
                return _accepted(answer)
            address = _where(address, answer.headers.get("location", ""))
            if not _is_safe(address):
                break
        raise JobFailed(f"{WHAT} leads on and on, or to where it must not.", kind="bad_response")


async def _worked_out(work: Callable[[], T]) -> T:
    """Do it in a thread.  Raises what a job raises; a thread that is given up ends at its next `check_cancelled`."""
    try:
        with anyio.fail_after(WORK_S):
            return await run_sync(work, abandon_on_cancel=True)
    except NotACalendar as fault:
        hint = "The address must be that of an iCalendar file (.ics); a network's sign-in page may stand between."
        # A file that was read while it was written is whole the next time.
        raise JobFailed(f"{FILE} {fault}.", kind="not_a_calendar", hint=hint, retryable=True) from None
    except TooMuch as fault:
        raise JobFailed(f"{FILE} {fault}.", kind="too_many_events", hint=NARROWER) from None
    except TimeoutError:
        raise JobFailed(f"{FILE} takes more than {WORK_S:.0f} s to read.", kind="timeout", hint=NARROWER) from None


def _taken_apart(body: bytes, email: str) -> "tuple[IcsCalendar, RemoteCalendar]":
    # icalendar and recurring_ical_events take 35 ms and 6 MiB, and most users have no such calendar.
    from sidecar.calendar.ics.expand import IcsCalendar  # noqa: PLC0415

    file = IcsCalendar(body)
    return file, file.describe(email)


def _contents(path: str) -> bytes:
    """A file's bytes.  Raises `AccountRefused`, `NotACalendar`, `TooMuch`."""
    try:
        if not stat.S_ISREG(Path(path).stat().st_mode):  # a device or a pipe might never end
            raise NotACalendar("is no file")
        with Path(path).open("rb") as file:
            body = file.read(MAX_BODY_BYTES + 1)
    except OSError as error:
        raise AccountRefused(
            "file_missing",
            f"The calendar's file cannot be read: {error.strerror}.",
            "Put it back where it was and sync again, or connect it from where it is now.",
        ) from None
    if len(body) > MAX_BODY_BYTES:
        raise TooMuch(f"has more than {MAX_BODY_BYTES // 2**20} MiB")
    return body


def normalised(address: str) -> str:
    """An address or a path as it is kept.  Raises InvalidParams.

    Calendar apps write `webcal:` for an address that is asked for by https.
    """
    text = address.strip()
    if not text.isprintable():
        raise _bad_address("must not have signs in it that cannot be seen")
    scheme, colon, rest = text.partition("://")
    scheme = scheme.lower()
    if scheme == "file":
        host, slash, path = rest.partition("/")
        if host not in ("", "localhost"):
            raise _bad_address("must name a file of this computer")
        text, colon = url2pathname(slash + path), ""
    if not colon:
        if not Path(text).is_absolute():
            raise _bad_address("must be a web address or the absolute path of a file")
        return text
    text = f"{'https' if scheme in ('webcal', 'webcals') else scheme}://{rest}"
    if not _is_safe(text):
        raise _bad_address("must begin with https, since whoever reads it on its way can read the calendar")
    return text


def _where(address: str, location: str) -> str:
    """To where a redirect leads; nothing where that is no address."""
    try:
        return urljoin(address, location)
    except ValueError:
        return ""


def _is_safe(address: str) -> bool:
    try:
        parts = urlsplit(address)
        host = parts.hostname or ""
        host.encode("idna")  # what the socket will do with it
        _ = parts.port  # raises where it is none
    except ValueError:
        return False
    return bool(host) and (parts.scheme == "https" or (parts.scheme == "http" and is_loopback(host)))


def _accepted(answer: HttpResponse) -> HttpResponse:
    if answer.status in GONE:
        raise AccountRefused(
            "address_rejected",
            f"{WHAT} does not let anybody in any more: the server answers {answer.status}.",
            "Copy the calendar's secret address (iCal) from its settings, connect it, and delete this account.",
        )
    if answer.status not in (200, 304):
        retryable = answer.status >= 500 or answer.status == 429
        raise JobFailed(f"{WHAT} answers {answer.status}.", kind="upstream_error", retryable=retryable)
    return answer


def _bad_address(why: str) -> InvalidParams:
    return InvalidParams(details=[{"path": "credentials.address", "message": why}])
