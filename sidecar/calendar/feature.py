"""Creates the calendar feature: its providers, its services and its job."""

from collections import Counter

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
    credentials = CredentialsStore(runtime)
    google = GoogleProvider(runtime, credentials)
    providers = {one.provider_id: one for one in (google, IcsProvider(runtime.http()))}
    stores = Stores(runtime.database, {provider_id: one.service for provider_id, one in providers.items()})
    accounts = Accounts(runtime, stores, credentials, providers)
    return Feature(
        services=(
            CalendarService(stores),
            CalendarAccountsService(runtime, accounts),
            GoogleSignInService(runtime, accounts, google),
        ),
        registrations=(Registration(SyncCalendar, SyncHandler(runtime, accounts), admit=accounts.admit),),
        run=accounts.resume,
        account_counts=lambda: Counter(account.service for account in stores.accounts.all()),
    )
