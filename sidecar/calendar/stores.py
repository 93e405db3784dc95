"""The stores of the calendar feature's tables."""

from collections.abc import Mapping

from sidecar_protocol.accounts import AccountService

from sidecar.calendar.accounts_store import CalendarAccountsStore
from sidecar.calendar.calendars_store import CalendarsStore
from sidecar.calendar.events_store import EventsStore
from sidecar.storage.database import Database


class Stores:
    """The stores of accounts, calendars and events."""

    def __init__(self, database: Database, services: Mapping[str, AccountService]) -> None:
        self.accounts = CalendarAccountsStore(database, services)
        self.calendars = CalendarsStore(database)
        self.events = EventsStore(database)
