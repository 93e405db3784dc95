"""The sidecar in this process beside a fake Atlassian site, both on the test's clock."""

import re
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from sidecar_protocol.activity.feed import Activity
from sidecar_protocol.atlassian import AtlassianAccount
from sidecar_protocol.confluence import Confluence
from sidecar_protocol.jira import Jira

from sidecar.http.client import Http
from sidecar.settings import Settings
from sidecar.storage.sync_state import SyncState
from tests.fakes.atlassian import FakeSite, Request, Token, User
from tests.in_process_app import InProcessApp, ManualClock

SPECS = Path(__file__).parents[3] / "shared" / "data" / "specs"
CHECKER = Path(__file__).parents[3] / "shared" / "tools" / "contract_check.py"


class AtlassianHarness(InProcessApp):
    """The sidecar, connected to a fake site where Ada has a token."""

    def __init__(self, path: Path, site: FakeSite, clock: ManualClock) -> None:
        self.site = site
        self.pauses: list[float] = []
        """Delays before retried requests, in seconds; they pass at once."""
        super().__init__(path, clock)
        self.jira = self.remote(Jira)
        self.confluence = self.remote(Confluence)
        self.feed = self.remote(Activity)

    def settings(self) -> Settings:
        # The fake site serves as its own gateway.
        path = self.database.path
        return Settings(database=path, log_dir=path.parent, atlassian_gateway=self.site.url)

    @asynccontextmanager
    async def working(self) -> AsyncIterator[None]:
        """Runs jobs during this block."""
        atlassian = self.features.get("atlassian")
        self.registrations.update({one.spec.type: one for one in atlassian.registrations})
        async with super().working():
            await atlassian.run()
            yield
        await self.runtime.http().close()

    def make_http(self) -> Http:
        return Http(self.clock, random_fraction=lambda: 0.5, sleep=self._pause)

    async def _pause(self, seconds: float) -> None:
        self.pauses.append(seconds)

    @property
    def ada(self) -> User:
        return self.site.user("ada")

    async def connect(self, service: str = "jira", **more: Any) -> AtlassianAccount:
        """Connects Ada's account; its first sync is queued."""
        token = next((text for text, one in self.site.tokens.items() if one.user is self.ada), None)
        given = {"org": "Example", "base_url": self.site.url, "email": self.ada.email, "api_token": token, **more}
        return AtlassianAccount.model_validate(await self.call(f"{service}.accounts.create", given))

    async def sync(self, account: AtlassianAccount, *, full: bool = False, ends: str = "succeeded") -> dict[str, Any]:
        """Syncs an account and returns the finished job."""
        service = account.service.value
        job = await self.call(f"{service}.accounts.sync", {"account_id": account.account_id, "full": full})
        return await self.until_job(job["job_id"], ends)

    async def sync_until_snoozed(self, account: AtlassianAccount, waiting_for: str) -> dict[str, Any]:
        """Starts a sync and returns its job once it waits for this reason."""
        job = await self.call(f"{account.service.value}.accounts.sync", {"account_id": account.account_id})

        def found() -> list[dict[str, Any]]:
            jobs = [one["job"] for one in self.named("jobs.updated")]
            return [one for one in jobs if one["job_id"] == job["job_id"] and one["waiting_for"] == waiting_for]

        await self.until(lambda _: found())
        return found()[-1]

    def stored_cursor(self, account: AtlassianAccount) -> Any:
        """Returns the account's sync cursor."""
        return SyncState(self.database).cursor(f"{account.service.value}:{account.account_id}")

    async def events(self, **filters: Any) -> list[tuple[str, str | None, str | None]]:
        """Returns type, title and description of the feed's events, the oldest first."""
        found: list[tuple[str, str | None, str | None]] = []
        cursor: str | None = None
        while True:
            page = await self.feed.list_events(limit=500, cursor=cursor, **filters)
            found += [(one.event_type, one.title, one.description) for one in page.events]
            cursor = page.next_cursor
            if cursor is None:
                return found[::-1]

    async def event_types(self) -> list[str]:
        """Returns the types of the feed's events, the oldest first."""
        return [kind for kind, _, _ in await self.events()]

    def token(self) -> Token:
        """Returns Ada's token."""
        return next(one for one in self.site.tokens.values() if one.user is self.ada)

    def status_updates(self) -> list[tuple[str, str, str | None]]:
        """Returns service, status and reason of each `accounts.updated`."""
        return [(one["service"], one["status"], one["reason"]) for one in self.named("accounts.updated")]


@asynccontextmanager
async def open_harness(path: Path, site: FakeSite, clock: ManualClock) -> AsyncIterator[AtlassianHarness]:
    """Runs the sidecar on this database, after the handshake and with its worker."""
    harness = AtlassianHarness(path, site, clock)
    try:
        await harness.initialize()
        async with harness.working():
            yield harness
    finally:
        harness.close()


class Checker:
    """Checks requests against the vendor's API descriptions if these are available."""

    def __init__(self) -> None:
        if not CHECKER.is_file():
            self.specs: list[Any] = []
            return
        sys.path.insert(0, str(CHECKER.parent))
        try:
            from contract_check import Spec  # type: ignore[import-not-found]
        finally:
            sys.path.pop(0)
        self.specs = [
            Spec(SPECS / "jira-v3.mock.json"),
            Spec(SPECS / "confluence-v1.mock.json"),
            Spec(SPECS / "confluence-v2.mock.json", "/wiki/api/v2"),
        ]
        for spec in self.specs:
            for path in spec.document["paths"].values():
                for operation in path.values():
                    if isinstance(operation, dict) and "$ref" in operation.get("requestBody", {}):
                        # The checker does not follow references to bodies.
                        operation["requestBody"] = spec._resolve(operation["requestBody"])  # noqa: SLF001 - the checker has no public way

    def __call__(self, request: Request) -> list[str]:
        if not self.specs:
            return []
        # Lists are comma-separated, as the descriptions specify; the checker supports single values only.
        query = [
            (name, value)
            for name, text in request.query
            for value in (text.split(",") if name in ("id", "ids") else [text])
        ]
        spec = self.specs[
            2 if request.path.startswith("/wiki/api/v2") else 1 if request.path.startswith("/wiki") else 0
        ]
        # The descriptions are cut down to what is used; the vendor's have the same for worklogs and for comments.
        path = re.sub(r"/worklog/(\d+)$", r"/comment/\1", request.path)
        path = re.sub(r"/(?:footer|inline)-comments/(\d+)/versions/", r"/pages/\1/versions/", path)
        problems: list[str] = spec.request(request.method, path, query, request.body)
        return problems


_checker = Checker()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def site(clock: ManualClock) -> Any:
    """A site on the test's clock that checks every request against the vendor's description."""
    with FakeSite(clock.now_ms) as site:
        site.token(site.user("ada"))
        site.check = _checker
        yield site
        assert site.violations == []


@pytest.fixture
async def harness(data_dir: Path, site: FakeSite, clock: ManualClock) -> AsyncIterator[AtlassianHarness]:
    async with open_harness(data_dir / "sidecar.db", site, clock) as harness:
        yield harness
