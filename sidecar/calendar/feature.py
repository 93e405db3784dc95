"""Creates the calendar feature: its providers, its services and its job."""

from collections import Counter
from collections.abc import Mapping

from sidecar_protocol.calendar.accounts import SyncCalendar

from sidecar.calendar.accounts import Accounts
from sidecar.calendar.accounts_store import CredentialsStore
from sidecar.calendar.google.provider import GoogleProvider
from sidecar.calendar.google.sign_in import GoogleSignInService
from sidecar.calendar.ics.provider import IcsProvider
from sidecar.calendar.service import CalendarAccountsService, CalendarService
from sidecar.calendar.stores import Stores
from sidecar.calendar.sync import SyncHandler
from sidecar.job_handler import Registration
from sidecar.runtime import Feature, Runtime


def make(runtime: Runtime) -> Feature:
    stores = Stores.of(runtime.database)
    credentials = CredentialsStore(runtime, stores.accounts)
    google = GoogleProvider(runtime, credentials)
    accounts = Accounts(runtime, stores, credentials, [google, IcsProvider(runtime.http())])

    def account_counts() -> Mapping[str, int]:
        counts: Counter[str] = Counter()
        for provider_id, count in stores.accounts.counts().items():
            counts[accounts.service(provider_id)] += count
        return counts

    return Feature(
        services=(
            CalendarService(stores),
            CalendarAccountsService(runtime, accounts),
            GoogleSignInService(runtime, accounts, google),
        ),
        registrations=(Registration(SyncCalendar, SyncHandler(runtime, accounts)),),
        run=accounts.resume,
        account_counts=account_counts,
    )
