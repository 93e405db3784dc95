"""Calendars, composed: the accounts at the providers and the job that syncs them."""

from collections import Counter
from collections.abc import Callable, Mapping
from functools import cache, partial

from sidecar_protocol.accounts import AccountService
from sidecar_protocol.calendar.accounts import SyncCalendar

from sidecar.calendar.accounts import Accounts
from sidecar.calendar.accounts_store import AccountsStore
from sidecar.calendar.calendars_store import CalendarsStore
from sidecar.calendar.changes import Books
from sidecar.calendar.events_store import EventsStore
from sidecar.calendar.google.oauth import Client, Endpoints, GoogleOAuth
from sidecar.calendar.google.provider import GoogleProvider
from sidecar.calendar.google.sign_in import Google, GoogleSignInService
from sidecar.calendar.google.sign_ins_store import SignInsStore
from sidecar.calendar.google.tokens import AccessTokens, Keep
from sidecar.calendar.handlers import SyncHandler
from sidecar.calendar.ics.provider import IcsProvider
from sidecar.calendar.providers import GOOGLE_EVERY_S, ICS_EVERY_S, Offer, Providers, google_described, ics_described
from sidecar.calendar.service import CalendarAccountsService, CalendarService
from sidecar.job_handler import Registration
from sidecar.runtime import Feature, Runtime


def make(runtime: Runtime) -> Feature:
    database, notify, committed = runtime.database, runtime.notify, runtime.committed
    store, calendars, events = AccountsStore(database), CalendarsStore(database), EventsStore(database)
    books = Books(database, calendars, events, runtime.feed(), runtime.clock, notify, committed)
    settings = runtime.settings
    client = Client(settings.google_client_id or "", settings.google_client_secret or "")
    has_client = bool(client.client_id and client.client_secret)
    # Late: the accounts need the providers, and Google's tokens are stored through the accounts.
    google = cache(lambda: _google(runtime, client, accounts.store_credentials))
    providers = Providers(_offers(runtime, google, has_client=has_client))
    accounts = Accounts(runtime, store, books, providers)
    sign_in = GoogleSignInService(
        SignInsStore(database),
        accounts,
        books,
        runtime.vault,
        lambda: google() if has_client else None,
        runtime.randomness.bytes_for("sign-ins"),
    )

    def account_counts() -> Mapping[str, int]:
        counts: Counter[str] = Counter()
        for provider_id, count in store.counts().items():
            counts[providers.service(provider_id)] += count
        return counts

    return Feature(
        services=(CalendarService(store, calendars, events), CalendarAccountsService(accounts), sign_in),
        registrations=(Registration(SyncCalendar, SyncHandler(accounts, books)),),
        run=accounts.resume,
        account_counts=account_counts,
    )


def _offers(runtime: Runtime, google: Callable[[], Google], *, has_client: bool) -> tuple[Offer, ...]:
    """The providers; a new one is an entry here and a module of its own."""
    return (
        Offer(
            AccountService.GOOGLE_CALENDAR,
            partial(google_described, has_client=has_client),
            lambda: google().provider,
            is_one_a_person=True,
            every_s=GOOGLE_EVERY_S,
        ),
        Offer(
            AccountService.ICS,
            ics_described,
            lambda: IcsProvider(runtime.http()),
            is_one_a_person=False,
            every_s=ICS_EVERY_S,
        ),
    )


def _google(runtime: Runtime, client: Client, keep: Keep) -> Google:
    http = runtime.http()
    oauth = GoogleOAuth(http, Endpoints.at(runtime.settings.google_url))
    tokens = AccessTokens(oauth, client, runtime.clock, keep=keep, committed=runtime.committed)
    return Google(client, oauth, tokens, GoogleProvider(http, oauth, tokens))
