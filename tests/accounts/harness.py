"""One account of each service, with a server that can refuse it, for tests of what all accounts have in common."""

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.atlassian.harness import AtlassianHarness
from tests.calendar.google.harness import CalendarHarness, GoogleHarness, fake_google
from tests.calendar.ics.harness import OWNER, day, vcalendar, vevent
from tests.fakes.atlassian import FakeSite, Response
from tests.fakes.google import ADA, FakeGoogle
from tests.fakes.google_calendar import ApiError
from tests.fakes.ics import FakeIcs
from tests.in_process_app import InProcessApp, ManualClock

NEXT = (f"DTSTART;VALUE=DATE:{day(3)}", "SUMMARY:Next")


class Connector(ABC):
    """The sidecar in this process with a connected account, which was synced once."""

    service: str
    domain: str
    token_reason = "token_rejected"  # noqa: S105 - the name of a reason
    """Its reason for a 401."""

    def __init__(self, app: InProcessApp) -> None:
        self.app = app
        self.account_id = ""

    @abstractmethod
    def refuse(self, status: int | None) -> None:
        """Makes the server answer with this status from now on, or as usual for None."""

    @abstractmethod
    async def connect(self) -> str:
        """Connects the account, or connects it again; returns its id."""

    async def account(self) -> dict[str, Any]:
        """Returns the account as clients see it."""
        accounts = (await self.app.call(f"{self.domain}.accounts.list"))["accounts"]
        found: dict[str, Any] = next(one for one in accounts if one["account_id"] == self.account_id)
        return found

    async def state(self) -> tuple[str, str | None]:
        """Returns the account's status and reason."""
        account = await self.account()
        return account["status"], account["reason"]

    async def sync(self, ends: str = "succeeded") -> dict[str, Any]:
        """Syncs the account by hand, and returns the job."""
        job = await self.app.call(f"{self.domain}.accounts.sync", {"account_id": self.account_id})
        return await self.app.until_job(job["job_id"], ends)

    async def schedule(self) -> dict[str, Any]:
        """Returns the account's schedule."""
        [schedule] = (await self.app.call("jobs.schedules.list"))["schedules"]
        assert isinstance(schedule, dict)
        return schedule

    async def wait(self, seconds: int) -> list[dict[str, Any]]:
        """Lets the time pass; returns the syncs that the schedule has run, finished."""
        self.app.received.clear()
        self.app.clock.advance(seconds)
        self.app.look_for_jobs()
        await self.app.run_pending()
        started = {one["job"]["job_id"] for one in self.app.named("jobs.updated")}
        return [await self.app.until_job(job_id, "succeeded", "failed") for job_id in started]

    def updates(self) -> list[tuple[str, str | None]]:
        """Returns status and reason of each `accounts.updated`."""
        return [(one["status"], one["reason"]) for one in self.app.named("accounts.updated")]


class AtlassianConnector(Connector):
    """Ada's account at a Jira or Confluence site."""

    app: AtlassianHarness

    def __init__(self, app: AtlassianHarness, service: str) -> None:
        super().__init__(app)
        self.service = self.domain = service

    def refuse(self, status: int | None) -> None:
        self.app.site.refusal = None if status is None else Response(status, {"message": "Nein."})

    async def connect(self) -> str:
        if not self.account_id:
            return (await self.app.connect(self.service)).account_id
        token = self.app.site.token(self.app.ada, "a-new-token")
        params = {"account_id": self.account_id, "api_token": token}
        return str((await self.app.call(f"{self.domain}.accounts.update", params))["account_id"])


class GoogleConnector(Connector):
    """Ada's Google account."""

    service, domain = "google_calendar", "calendar"

    def __init__(self, app: GoogleHarness) -> None:
        super().__init__(app)
        self._google = app.google
        self._sign_in = app.sign_in

    def refuse(self, status: int | None) -> None:
        self._google.refusal = None if status is None else ApiError(status, "authError" if status == 401 else "no")

    async def connect(self) -> str:
        return (await self._sign_in()).account_id


class IcsConnector(Connector):
    """A calendar's secret address."""

    service, domain, token_reason = "ics", "calendar", "address_rejected"

    def __init__(self, app: CalendarHarness, server: FakeIcs) -> None:
        super().__init__(app)
        self._server = server

    def refuse(self, status: int | None) -> None:
        self._server.status = status or 200

    async def connect(self) -> str:
        credentials = {"address": self._server.address}
        params = {"provider": "ics", "email": OWNER, "credentials": credentials}
        return str((await self.app.call("calendar.accounts.create", params))["account_id"])


def _make(service: str, path: Path, clock: ManualClock, site: FakeSite, servers: ExitStack) -> Connector:
    if service == "google_calendar":
        google: FakeGoogle = servers.enter_context(fake_google(clock))
        google.calendars.add(ADA, summary="Next", start={"date": "2026-12-01"}, end={"date": "2026-12-02"})
        return GoogleConnector(GoogleHarness(path, google, clock))
    if service == "ics":
        server = servers.enter_context(FakeIcs(body=vcalendar(vevent(*NEXT))))
        return IcsConnector(CalendarHarness(path, clock), server)
    return AtlassianConnector(AtlassianHarness(path, site, clock), service)


@pytest.fixture(params=["google_calendar", "ics", "jira", "confluence"])
async def connector(
    request: pytest.FixtureRequest, data_dir: Path, clock: ManualClock, site: FakeSite
) -> AsyncIterator[Connector]:
    """A connected account of each service, synced once."""
    with ExitStack() as servers:
        connector = _make(request.param, data_dir / "sidecar.db", clock, site, servers)
        await connector.app.initialize()
        try:
            async with connector.app.working():
                connector.account_id = await connector.connect()
                await connector.sync()
                connector.app.received.clear()
                yield connector
        finally:
            await connector.app.runtime.http().close()
            connector.app.close()
