"""A site, and the services over a real database with their own jobs, on the test's clock: what most tests here need."""

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


class Desk(InProcessApp):
    """One life of the process beside a site; Ada has a token."""

    def __init__(self, path: Path, site: FakeSite, clock: ManualClock) -> None:
        self.site = site
        self.pauses: list[float] = []
        """How long requests have waited before they were tried again; no time passes."""
        super().__init__(path, clock)
        self.jira = self.remote(Jira)
        self.confluence = self.remote(Confluence)
        self.feed = self.remote(Activity)

    def settings(self) -> Settings:
        """The gateway is the site's own server."""
        path = self.database.path
        return Settings(database=path, log_dir=path.parent, atlassian_gateway=self.site.url)

    @asynccontextmanager
    async def working(self) -> AsyncIterator[None]:
        """Syncs are run inside this block."""
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
        """Ada's account, before its first sync."""
        token = next((text for text, one in self.site.tokens.items() if one.user is self.ada), None)
        given = {"org": "Example", "base_url": self.site.url, "email": self.ada.email, "api_token": token, **more}
        return AtlassianAccount.model_validate(await self.call(f"{service}.accounts.create", given))

    async def sync(self, account: AtlassianAccount, *, full: bool = False, ends: str = "succeeded") -> dict[str, Any]:
        """Sync it and wait for the job's end; what else is queued for it is waited for, too."""
        service = account.service.value
        job = await self.call(f"{service}.accounts.sync", {"account_id": account.account_id, "full": full})
        return await self.until_job(job["job_id"], ends)

    async def put_off(self, account: AtlassianAccount, waiting_for: str) -> dict[str, Any]:
        """Sync it, and wait until its job has been put off for this."""
        job = await self.call(f"{account.service.value}.accounts.sync", {"account_id": account.account_id})

        def found() -> list[dict[str, Any]]:
            jobs = [one["job"] for one in self.named("jobs.updated")]
            return [one for one in jobs if one["job_id"] == job["job_id"] and one["waiting_for"] == waiting_for]

        await self.until(lambda _: found())
        return found()[-1]

    def position(self, account: AtlassianAccount) -> Any:
        """Where the account's next sync begins, as it is stored."""
        return SyncState(self.database).cursor(f"{account.service.value}:{account.account_id}")

    async def events(self, **wanted: Any) -> list[tuple[str, str | None, str | None]]:
        """Type, title and description of the feed's events, oldest first."""
        found: list[tuple[str, str | None, str | None]] = []
        cursor: str | None = None
        while True:
            page = await self.feed.list_events(limit=500, cursor=cursor, **wanted)
            found += [(one.event_type, one.title, one.description) for one in page.events]
            cursor = page.next_cursor
            if cursor is None:
                return found[::-1]

    async def types(self) -> list[str]:
        """The events' types, oldest first."""
        return [kind for kind, _, _ in await self.events()]

    def token(self) -> Token:
        """Ada's."""
        return next(one for one in self.site.tokens.values() if one.user is self.ada)

    def status(self) -> list[tuple[str, str, str | None]]:
        """What `accounts.updated` has said."""
        return [(one["service"], one["status"], one["reason"]) for one in self.named("accounts.updated")]


@asynccontextmanager
async def open_desk(path: Path, site: FakeSite, clock: ManualClock) -> AsyncIterator[Desk]:
    """One life of the process on this database, after the handshake, with its worker."""
    desk = Desk(path, site, clock)
    try:
        await desk.initialize()
        async with desk.working():
            yield desk
    finally:
        desk.close()


class Checker:
    """Holds requests against the vendor's descriptions, where they are at hand."""

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
                        # The checker looks into bodies that stand in place.
                        operation["requestBody"] = spec._resolve(operation["requestBody"])

    def __call__(self, request: Request) -> list[str]:
        if not self.specs:
            return []
        # Lists are comma-separated, as the parameters' descriptions say; the checker knows single values.
        query = [
            (name, value)
            for name, text in request.query
            for value in (text.split(",") if name in ("id", "ids") else [text])
        ]
        spec = self.specs[
            2 if request.path.startswith("/wiki/api/v2") else 1 if request.path.startswith("/wiki") else 0
        ]
        problems: list[str] = spec.request(request.method, request.path, query, request.body)
        return problems


_checker = Checker()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def site(clock: ManualClock) -> Any:
    """A site whose clock is the test's, and which holds every request against the vendor's description."""
    with FakeSite(clock.now_ms) as made:
        made.token(made.user("ada"))
        made.check = _checker
        yield made
        assert made.violations == []


@pytest.fixture
async def desk(data_dir: Path, site: FakeSite, clock: ManualClock) -> AsyncIterator[Desk]:
    async with open_desk(data_dir / "sidecar.db", site, clock) as made:
        yield made
