"""iCalendar files as a provider: a secret address, as Google, Outlook, iCloud and Nextcloud give one, or a file here.

There is nothing to sign in with but the address, which is therefore a secret itself.  A server is asked whether the
file has changed (ETag, Last-Modified); the cursor of a listing is what the file was.
"""

import hashlib
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urljoin, urlsplit

import anyio
from anyio.to_thread import run_sync

from protocol.calendar_accounts import CalendarCredentialsRejected, CalendarUnreachable
from protocol.errors import InvalidParams
from sidecar.calendar.ics_events import IcsCalendar, NotACalendar
from sidecar.calendar.provider import (
    AccountRefused,
    Connected,
    CursorExpired,
    EventPage,
    Listing,
    RemoteCalendar,
    StoredAccount,
)
from sidecar.handler import JobFailed, JobSnoozed
from sidecar.http import Http, HttpTrouble, Request, Response, as_job_outcome

WHAT: Final = "The calendar's address"
PAGE: Final = 500
MAX_FILE_BYTES: Final = 64 * 1024 * 1024
"""As much as a server may answer with."""
LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})
REDIRECTS: Final = 5
"""Enough for any service that moves people from an old address to a new one."""
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
    """See `Provider`."""

    def __init__(self, http: Http) -> None:
        self._http = http
        self._seen: dict[str, Seen] = {}

    async def connect(self, *, email: str, credentials: Mapping[str, str], config: Mapping[str, Any]) -> Connected:
        """See `Provider`."""
        if set(credentials) != {"address"} or config:
            raise _bad_address("must have an address, and nothing else")
        address = normalised(credentials["address"])
        source = self.open(StoredAccount("", email, {"address": address}))
        try:
            calendars = await source.calendars()
        except (AccountRefused, JobFailed) as refusal:
            raise CalendarCredentialsRejected(refusal.message, hint=refusal.hint) from None
        except JobSnoozed as pause:
            raise CalendarUnreachable(pause.message, retry_after_ms=round(pause.delay_s * 1_000)) from None
        finally:
            self._seen.pop("", None)
        return Connected(email, {"address": address}, display_name=calendars[0].name, calendars=calendars)

    def open(self, account: StoredAccount) -> "IcsSource":
        """See `Provider`."""
        return IcsSource(self._http, account, self._seen)

    async def revoke(self, account: StoredAccount) -> bool:
        """See `Provider`: an address is taken back only where it was made."""
        self._seen.pop(account.account_id, None)
        return False


class IcsSource:
    """See `Source`."""

    def __init__(self, http: Http, account: StoredAccount, seen: dict[str, Seen]) -> None:
        self._http = http
        self._account = account
        self._address = str(account.credentials.get("address", ""))
        self._seen = seen
        self._file: IcsCalendar | None = None

    async def calendars(self) -> list[RemoteCalendar]:
        """See `Source`: the one that the file is."""
        known = self._seen.get(self._account.account_id)
        return [(await self._read(known)).calendar]

    async def events(self, wanted: Listing) -> AsyncGenerator[EventPage, None]:
        """See `Source`."""
        seen = self._seen.get(self._account.account_id) or await self._read(None)
        if wanted.cursor is not None:
            if wanted.cursor != seen.digest:
                raise CursorExpired
            yield EventPage(cursor=seen.digest)
            return
        if self._file is None:  # the server said that it is as it was, and now all of it is wanted
            seen = await self._read(None)
        file = self._file
        assert file is not None
        found = await run_sync(
            file.occurrences, wanted.window, wanted.zone, self._account.email, abandon_on_cancel=True
        )
        for start in range(0, len(found), PAGE):
            yield EventPage(found[start : start + PAGE])
        yield EventPage(cursor=seen.digest)

    async def _read(self, known: Seen | None) -> Seen:
        """The file as it is now; `known` as it is where it has not changed since."""
        if not self._address.startswith(("https://", "http://")):
            body, answer = await self._read_file(), None
        else:
            answer = await self._ask(known)
            if answer.status == 304 and known is not None:
                return known
            body = answer.body
        digest = hashlib.sha256(body).hexdigest()
        if known is None or digest != known.digest:
            try:
                self._file = await run_sync(IcsCalendar, body, abandon_on_cancel=True)
            except NotACalendar as fault:
                raise _no_calendar(str(fault)) from None
            calendar = self._file.describe(self._account.email)
        else:
            calendar = known.calendar
        headers: Mapping[str, str] = {} if answer is None else answer.headers
        seen = Seen(headers.get("etag"), headers.get("last-modified"), digest, calendar)
        self._seen[self._account.account_id] = seen
        return seen

    async def _read_file(self) -> bytes:
        path = anyio.Path(self._address)
        try:
            if (await path.stat()).st_size > MAX_FILE_BYTES:
                raise _no_calendar(f"it has more than {MAX_FILE_BYTES // 2**20} MiB")
            return await path.read_bytes()
        except OSError as error:
            raise AccountRefused(
                "file_missing",
                f"The calendar's file cannot be read: {error.strerror}.",
                "Put it back where it was, or connect it again from where it is now.",
            ) from None

    async def _ask(self, known: Seen | None) -> Response:
        headers = {"accept": "text/calendar, */*;q=0.5"}
        if known is not None and known.etag is not None:
            headers["if-none-match"] = known.etag
        elif known is not None and known.modified is not None:
            headers["if-modified-since"] = known.modified
        address = self._address
        for _ in range(REDIRECTS):
            try:
                answer = await self._http.send(Request("GET", address, WHAT, headers=headers))
            except HttpTrouble as trouble:
                raise as_job_outcome(trouble) from None
            if answer.status not in (301, 302, 303, 307, 308):
                return _accepted(answer)
            address = urljoin(address, answer.headers.get("location", ""))
            if not _is_safe(address):
                break
        raise JobFailed(f"{WHAT} leads on to where it must not.", kind="bad_response")


def normalised(address: str) -> str:
    """An address or a path as it is kept.  Raises InvalidParams.

    Calendar apps write `webcal:` for an address that is asked for by https.
    """
    text = address.strip()
    for scheme in ("webcals://", "webcal://"):
        if text.lower().startswith(scheme):
            text = "https://" + text[len(scheme) :]
    if text.lower().startswith("file://"):
        text = unquote(urlsplit(text).path)
    if "://" not in text:
        if not Path(text).is_absolute():
            raise _bad_address("a file must be named by its absolute path")
        return text
    if not _is_safe(text):
        raise _bad_address("must be an https address, since whoever reads it on its way can read the calendar")
    return text


def _is_safe(address: str) -> bool:
    try:
        parts = urlsplit(address)
        host = parts.hostname or ""
    except ValueError:
        return False
    return bool(host) and (parts.scheme == "https" or (parts.scheme == "http" and host in LOOPBACK))


def _accepted(answer: Response) -> Response:
    if answer.status in GONE:
        raise AccountRefused(
            "address_rejected",
            f"{WHAT} is not valid any more: the server answers {answer.status}.",
            "Copy the calendar's secret address (iCal) anew from its settings, and connect it again.",
        )
    if answer.status not in (200, 304):
        retryable = answer.status >= 500 or answer.status == 429
        raise JobFailed(f"{WHAT} answered {answer.status}.", kind="upstream_error", retryable=retryable)
    return answer


def _no_calendar(why: str) -> JobFailed:
    hint = "The address must be that of an iCalendar file (.ics); a network's sign-in page may stand between."
    return JobFailed(f"What was read is no calendar: {why}.", kind="not_a_calendar", hint=hint, retryable=True)


def _bad_address(why: str) -> InvalidParams:
    return InvalidParams(details=[{"path": "credentials.address", "message": why}])
