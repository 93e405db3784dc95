"""The calendar, composed: what its parts are given of one another and of the rest of the process."""

import logging
import sqlite3
from collections.abc import Awaitable, Callable, Iterable
from typing import TYPE_CHECKING

from sidecar_protocol.accounts import AccountService
from sidecar_protocol.calendar.accounts import SyncCalendar
from sidecar_protocol.contract import Notification

from sidecar.calendar.accounts import Accounts, Queue, Schedule, Surroundings
from sidecar.calendar.accounts_store import AccountsStore
from sidecar.calendar.calendars_store import CalendarsStore
from sidecar.calendar.changes import Books
from sidecar.calendar.events_store import EventsStore
from sidecar.calendar.provider import Provider
from sidecar.calendar.providers import GOOGLE_EVERY_S, ICS_EVERY_S, Offer, Providers, google_described, ics_described
from sidecar.calendar.service import CalendarAccountsService, CalendarService
from sidecar.calendar.sign_in import Google, GoogleSignInService
from sidecar.calendar.sign_ins_store import SignInsStore
from sidecar.clock import Clock
from sidecar.feed import Feed
from sidecar.ids import MakeId
from sidecar.job_handler import OnDemand, Registration
from sidecar.settings import Settings
from sidecar.storage.database import Database
from sidecar.storage.secrets import Vault
from sidecar.storage.sync_state import SyncState

if TYPE_CHECKING:
    from sidecar.calendar.handlers import SyncHandler
    from sidecar.http import Http

log = logging.getLogger(__name__)


class CalendarFeature:
    """Accounts at calendar providers, and their syncs."""

    def __init__(
        self,
        settings: Settings,
        database: Database,
        clock: Clock,
        new_id: MakeId,
        randomness: Callable[[int], bytes],
        *,
        notify: Callable[[Notification], None],
        feed: Feed,
        vault: Vault,
        queue: Queue,
        schedule: Schedule,
        http: "Callable[[], Http]",
        committed: Callable[[], Awaitable[None]],
    ) -> None:
        self._settings = settings
        self._http = http
        self._google: Google | None = None
        self._store = AccountsStore(database)
        self._books = Books(database, CalendarsStore(database), EventsStore(database), feed, clock, notify, committed)
        self._providers = Providers(self._offers())
        self._accounts = Accounts(
            self._store,
            self._books,
            SyncState(database),
            self._providers,
            Surroundings(queue, schedule, vault, new_id),
        )
        self.services: tuple[object, ...] = (
            CalendarService(self._store, self._books.calendars, self._books.events),
            CalendarAccountsService(self._accounts),
            GoogleSignInService(
                SignInsStore(database), self._accounts, self._books, vault, self._maybe_google, randomness
            ),
        )

    def account_counts(self) -> dict[str, int]:
        """How many accounts there are, by service."""
        counts: dict[str, int] = {}
        for provider_id, count in self._store.counts().items():
            service = self._providers.service(provider_id)
            counts[service] = counts.get(service, 0) + count
        return counts

    def registrations(self) -> Iterable[Registration]:
        """The job type."""
        yield Registration(SyncCalendar, OnDemand(self._make_handler))

    def _make_handler(self) -> "SyncHandler":
        from sidecar.calendar.handlers import SyncHandler  # noqa: PLC0415 - serving needs none of this

        return SyncHandler(self._accounts, self._books)

    async def start(self) -> None:
        """Schedule the syncs, and finish what an earlier process was deleting."""
        try:
            await self._accounts.resume()
        except sqlite3.Error:  # a full disk, or somebody's database browser: no reason to end
            log.exception("the calendar accounts could not be looked through; the next start will do it")

    def _offers(self) -> Iterable[Offer]:
        """Every provider: a line here, and a module of its own."""
        yield Offer(
            AccountService.GOOGLE_CALENDAR,
            lambda: google_described(has_client=self._has_client()),
            lambda: self._needed_google().provider,
            is_one_a_person=True,
            every_s=GOOGLE_EVERY_S,
        )
        yield Offer(AccountService.ICS, ics_described, self._make_ics, is_one_a_person=False, every_s=ICS_EVERY_S)

    def _make_ics(self) -> Provider:
        from sidecar.calendar.ics import IcsProvider  # noqa: PLC0415 - it brings httpx and the parser

        return IcsProvider(self._http())

    def _has_client(self) -> bool:
        return bool(self._settings.google_client_id and self._settings.google_client_secret)

    def _maybe_google(self) -> Google | None:
        return self._needed_google() if self._has_client() else None

    def _needed_google(self) -> Google:
        if self._google is None:
            from sidecar.calendar.google import GoogleProvider  # noqa: PLC0415 - they bring httpx
            from sidecar.calendar.oauth import Client, Endpoints, GoogleOAuth  # noqa: PLC0415
            from sidecar.calendar.tokens import AccessTokens  # noqa: PLC0415

            client = Client(self._settings.google_client_id or "", self._settings.google_client_secret or "")
            oauth = GoogleOAuth(self._http(), Endpoints.at(self._settings.google_url))
            tokens = AccessTokens(
                oauth, client, self._books.clock, keep=self._accounts.keep, committed=self._books.committed
            )
            self._google = Google(client, oauth, tokens, GoogleProvider(self._http(), oauth, tokens))
        return self._google
