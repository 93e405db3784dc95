"""The stores of the calendar feature's tables."""

from dataclasses import dataclass

from sidecar.calendar.accounts_store import AccountsStore
from sidecar.calendar.calendars_store import CalendarsStore
from sidecar.calendar.events_store import EventsStore
from sidecar.storage.database import Database


@dataclass(frozen=True, slots=True)
class Stores:
    """The stores of accounts, calendars and events."""

    accounts: AccountsStore
    calendars: CalendarsStore
    events: EventsStore

    @classmethod
    def of(cls, database: Database) -> "Stores":
        return cls(AccountsStore(database), CalendarsStore(database), EventsStore(database))
