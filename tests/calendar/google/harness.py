"""The calendar feature against Google on loopback: the services without the process, on the test's own clock."""

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
"""The vendor's own description, where a checkout lies beside it."""


class Waits:
    """Stands in for sleeping: the waits are noted, and over at once."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)


class CalendarHarness(InProcessApp):
    """A sidecar without its process."""

    def __init__(self, path: Path, clock: ManualClock, **settings: Any) -> None:
        super().__init__(path, clock, **settings)
        self.waits = Waits()
        self.registrations.update({one.spec.type: one for one in self.features.get("calendar").registrations})
        self.accounts = self.remote(CalendarAccounts)
        self.calendars = self.remote(Calendars)

    def make_http(self) -> Http:
        return Http(self.clock, random_fraction=lambda: 0.5, sleep=self.waits)

    async def synced(self, account_id: str, status: str = "succeeded", *, full: bool = False) -> dict[str, Any]:
        """One sync, run to this end; the job."""
        job = await self.accounts.sync(account_id=account_id, full=full)
        async with self.working():
            return await self.until_job(job.job_id, status)

    async def events(self, **more: Any) -> list[dict[str, Any]]:
        """All events of two and a half years, or of a range, page by page."""
        wanted = {"start": "2026-01-01T00:00:00Z", "end": "2028-06-01T00:00:00Z", "limit": 500} | more
        found: list[dict[str, Any]] = []
        while True:
            page = await self.call("calendar.events.list", wanted)
            found += page["events"]
            if page["next_cursor"] is None:
                return found
            wanted["cursor"] = page["next_cursor"]

    async def titles(self, **more: Any) -> list[str]:
        """The titles of all events, in order of time."""
        return [one["title"] for one in await self.events(**more)]

    async def feed(self, source: str = "google_calendar") -> list[dict[str, Any]]:
        """The calendars' events in the feed, the oldest first."""
        page = await self.call("activity.events.list", {"source": source, "limit": 500})
        return sorted(page["events"], key=lambda one: (one["event_ts"], one["event_id"]))


class GoogleHarness(CalendarHarness):
    """A sidecar without its process, and its Google."""

    def __init__(self, path: Path, google: FakeGoogle, clock: ManualClock, *, has_client: bool = True) -> None:
        settings = {
            "google_client_id": CLIENT_ID if has_client else None,
            "google_client_secret": CLIENT_SECRET,
            "google_url": google.url,
        }
        super().__init__(path, clock, **settings)
        self.google = google
        self.signing = self.remote(GoogleSignIn)

    async def consent(self, **start: Any) -> str:
        """What a browser does: start a sign-in, go to Google's page, and bring the redirect home; its state."""
        started = await self.signing.start(redirect_uri=REDIRECT, **start)
        async with httpx.AsyncClient() as browser:
            answer = await browser.get(started.authorization_url)
        assert answer.status_code == 302
        returned = await self.signing.callback(url=answer.headers["location"])
        assert returned.state == started.state
        return started.state

    async def sign_in(self, **start: Any) -> CalendarAccount:
        """All of a sign-in; the account, whose first sync is queued."""
        return await self.signing.complete(state=await self.consent(**start))

    async def connected(self) -> CalendarAccount:
        """A signed-in account after its first sync."""
        account = await self.sign_in()
        await self.synced(account.account_id)
        return account


def timed(start: str, end: str, zone: str | None = None) -> dict[str, Any]:
    """`start` and `end` as Google has them."""
    more = {} if zone is None else {"timeZone": zone}
    return {"start": {"dateTime": start, **more}, "end": {"dateTime": end, **more}}


def all_day(first: str, after: str) -> dict[str, Any]:
    """The same for whole days; the end is the day after the last."""
    return {"start": {"date": first}, "end": {"date": after}}


def utc(ts: int) -> str:
    """A moment in words."""
    return datetime.fromtimestamp(ts, UTC).strftime("%Y-%m-%dT%H:%M")


@contextmanager
def fake_google(clock: ManualClock) -> Iterator[FakeGoogle]:
    """A Google with Ada's empty calendar; at the end nothing that it was asked may have been wrong."""
    with FakeGoogle(now=lambda: clock.now_ms() / 1_000) as google:
        google.calendars.add_calendar(ADA, ADA, summary="Ada", entry={"primary": True})
        yield google
    assert google.calendars.violations == []
    assert google.oauth.violations == []
    assert against_description(google) == []


@asynccontextmanager
async def google_harness(
    path: Path, google: FakeGoogle, clock: ManualClock, *, has_client: bool = True, **hello: Any
) -> AsyncIterator[GoogleHarness]:
    """A rig after the handshake."""
    rig = GoogleHarness(path, google, clock, has_client=has_client)
    await rig.initialize(**hello)
    try:
        yield rig
    finally:
        await rig.runtime.http().close()
        rig.close()


def against_description(google: FakeGoogle) -> list[str]:
    """Every way in which a request departs from Google's own description; nothing where that is not at hand."""
    spec = description()
    if spec is None:
        return []
    problems: list[str] = []
    for asked in google.requests:
        if asked.path.startswith(API):
            problems += spec.request(asked.method, asked.path, asked.query)
    return problems


@cache
def description() -> Any:
    """Google's description of its Calendar API, as something that checks; None where it is not at hand."""
    if not (SPECS / "tools" / "contract_check.py").is_file():
        return None
    sys.path.insert(0, str(SPECS / "tools"))
    try:
        from contract_check import Spec  # type: ignore[import-not-found]
    finally:
        sys.path.remove(str(SPECS / "tools"))
    return Spec(SPECS / "data" / "specs" / "calendar.v3.mock.json")


def tables(rig: InProcessApp, sql: str) -> list[Any]:
    """Rows of the database."""
    return rig.database.rows(sql)


def body(value: Any) -> bytes:
    """JSON as a fault's body."""
    return json.dumps(value).encode()
