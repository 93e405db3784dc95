"""The calendar feature in this process, with a fake Google and the test's own clock."""

import json
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any, Final

import httpx
from sidecar_protocol.calendar.accounts import CalendarAccounts
from sidecar_protocol.calendar.calendars import CalendarAccount, Calendars
from sidecar_protocol.calendar.google_sign_in import GoogleSignIn

from sidecar.http.client import Http
from tests.fakes.google import ADA, API, FakeGoogle
from tests.fakes.google_oauth import CLIENT_ID, CLIENT_SECRET
from tests.in_process_app import InProcessApp, ManualClock

REDIRECT: Final = "http://127.0.0.1:49321/callback"
SPECS: Final = Path(__file__).parents[3].parent / "shared"
"""Google's description of its API, if a checkout has it next to it."""


class RecordedSleep:
    """Replaces `anyio.sleep`: records the delays and returns at once."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)


class CalendarHarness(InProcessApp):
    """The app in this process, with the methods of the calendar feature."""

    def __init__(self, path: Path, clock: ManualClock, **settings: Any) -> None:
        super().__init__(path, clock, **settings)
        self.waits = RecordedSleep()
        self.registrations.update({one.spec.type: one for one in self.features.get("calendar").registrations})
        self.accounts = self.remote(CalendarAccounts)
        self.calendars = self.remote(Calendars)

    def make_http(self) -> Http:
        return Http(self.clock, random_fraction=lambda: 0.5, sleep=self.waits)

    async def sync(self, account_id: str, status: str = "succeeded", *, full: bool = False) -> dict[str, Any]:
        """Runs a sync until it has this status, and returns the job."""
        job = await self.accounts.sync(account_id=account_id, full=full)
        async with self.working():
            return await self.until_job(job.job_id, status)

    async def events(self, **more: Any) -> list[dict[str, Any]]:
        """Returns all events of two and a half years, or of a range, page by page."""
        params = {"start": "2026-01-01T00:00:00Z", "end": "2028-06-01T00:00:00Z", "limit": 500} | more
        found: list[dict[str, Any]] = []
        while True:
            page = await self.call("calendar.events.list", params)
            found += page["events"]
            if page["next_cursor"] is None:
                return found
            params["cursor"] = page["next_cursor"]

    async def titles(self, **more: Any) -> list[str]:
        """Returns the titles of all events by start."""
        return [one["title"] for one in await self.events(**more)]

    async def feed(self, source: str = "google_calendar") -> list[dict[str, Any]]:
        """Returns the calendars' events in the feed, oldest first."""
        page = await self.call("activity.events.list", {"source": source, "limit": 500})
        return sorted(page["events"], key=lambda one: (one["event_ts"], one["event_id"]))


class GoogleHarness(CalendarHarness):
    """The app with a fake Google."""

    def __init__(self, path: Path, google: FakeGoogle, clock: ManualClock, *, has_client: bool = True) -> None:
        settings = {
            "google_client_id": CLIENT_ID if has_client else None,
            "google_client_secret": CLIENT_SECRET,
            "google_url": google.url,
        }
        super().__init__(path, clock, **settings)
        self.google = google
        self.oauth = self.remote(GoogleSignIn)

    async def consent(self, **start: Any) -> str:
        """Starts a sign-in, opens Google's page and passes on the redirect; returns the state."""
        started = await self.oauth.start(redirect_uri=REDIRECT, **start)
        async with httpx.AsyncClient() as browser:
            answer = await browser.get(started.authorization_url)
        assert answer.status_code == 302
        returned = await self.oauth.callback(url=answer.headers["location"])
        assert returned.state == started.state
        return started.state

    async def sign_in(self, **start: Any) -> CalendarAccount:
        """Performs a complete sign-in, which queues the first sync; returns the account."""
        return await self.oauth.complete(state=await self.consent(**start))

    async def connect(self) -> CalendarAccount:
        """Signs in and runs the first sync; returns the account."""
        account = await self.sign_in()
        await self.sync(account.account_id)
        return account


def timed(start: str, end: str, zone: str | None = None) -> dict[str, Any]:
    """Returns `start` and `end` of an event in Google's form."""
    more = {} if zone is None else {"timeZone": zone}
    return {"start": {"dateTime": start, **more}, "end": {"dateTime": end, **more}}


def all_day(first: str, after: str) -> dict[str, Any]:
    """Returns `start` and `end` of an all-day event; the end is exclusive."""
    return {"start": {"date": first}, "end": {"date": after}}


def utc(ts: int) -> str:
    """Formats a timestamp in UTC."""
    return datetime.fromtimestamp(ts, UTC).strftime("%Y-%m-%dT%H:%M")


@contextmanager
def fake_google(clock: ManualClock) -> Iterator[FakeGoogle]:
    """A Google with Ada's empty calendar.  Checks at the end that all requests were valid."""
    with FakeGoogle(now=lambda: clock.now_ms() / 1_000) as google:
        google.calendars.add_calendar(ADA, ADA, summary="Ada", entry={"primary": True})
        yield google
    assert google.calendars.violations == []
    assert google.oauth.violations == []
    assert spec_violations(google) == []


@asynccontextmanager
async def google_harness(
    path: Path, google: FakeGoogle, clock: ManualClock, *, has_client: bool = True, **hello: Any
) -> AsyncIterator[GoogleHarness]:
    """Opens a harness and performs the handshake."""
    harness = GoogleHarness(path, google, clock, has_client=has_client)
    await harness.initialize(**hello)
    try:
        yield harness
    finally:
        await harness.runtime.http().close()
        harness.close()


def spec_violations(google: FakeGoogle) -> list[str]:
    """Returns the errors of the requests by Google's description of its API; none if it is not available."""
    spec = description()
    if spec is None:
        return []
    problems: list[str] = []
    for request in google.requests:
        if request.path.startswith(API):
            problems += spec.request(request.method, request.path, request.query)
    return problems


@cache
def description() -> Any:
    """Returns a checker of requests by Google's description of its Calendar API; None if it is not available."""
    if not (SPECS / "tools" / "contract_check.py").is_file():
        return None
    sys.path.insert(0, str(SPECS / "tools"))
    try:
        from contract_check import Spec  # type: ignore[import-not-found]
    finally:
        sys.path.remove(str(SPECS / "tools"))
    return Spec(SPECS / "data" / "specs" / "calendar.v3.mock.json")


def tables(harness: InProcessApp, sql: str) -> list[Any]:
    """Returns rows of the database."""
    return harness.database.rows(sql)


def body(value: Any) -> bytes:
    """Encodes the JSON body of a fault."""
    return json.dumps(value).encode()
