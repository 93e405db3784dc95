"""The interface of a calendar provider.

The rest of the feature is the same for every provider: it schedules the syncs, and compares, stores and lists events.
"""

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final, NamedTuple, Protocol

from sidecar_protocol.accounts import AccountService
from sidecar_protocol.calendar.accounts import CalendarProvider
from sidecar_protocol.calendar.calendars import CalendarSyncError

MAX_ATTENDEES: Final = 300
"""Google's own interface shows no more.  The attendees of a large meeting can take a megabyte."""


class TimeRange(NamedTuple):
    """A range of time: start <= time < end, in seconds since 1970."""

    start_ts: int
    end_ts: int


class RemoteCalendar(NamedTuple):
    """A calendar of an account at its provider."""

    calendar_id: str
    name: str
    description: str | None = None
    is_primary: bool = False
    """Whether it is the account's main calendar, whose time zone is the account's."""
    access_role: str | None = None
    background_color: str | None = None
    foreground_color: str | None = None
    time_zone: str | None = None
    """IANA name."""
    selected: bool = True
    """Whether the user wants to see it, as the provider knows; used only when the calendar is first stored."""


class RemoteEvent(NamedTuple):
    """An event at its provider; each occurrence of a series is an event of its own.

    `CalendarEvent` in the contract describes the fields.  An all-day event starts and ends at midnights in the
    account's time zone.  `organizer` and `attendees` are JSON values.
    """

    event_id: str
    """Unique in the calendar, and never changes: an occurrence that is moved retains it."""
    start_ts: int
    end_ts: int
    start_time: str
    end_time: str
    all_day: bool = False
    title: str | None = None
    description: str | None = None
    location: str | None = None
    conference_url: str | None = None
    visibility: str | None = None
    status: str | None = None
    organizer: Any = None
    attendees: Any = None
    html_link: str | None = None
    time_zone: str | None = None
    event_type: str | None = None
    transparency: str | None = None
    response_status: str | None = None
    ical_uid: str | None = None
    recurring_event_id: str | None = None
    original_start_time: str | None = None
    sequence: int | None = None

    def is_over(self, at_ts: int) -> bool:
        """Returns whether it has ended by then.  An event without a duration is over after its start."""
        return self.end_ts <= at_ts and self.start_ts < at_ts


class EventProblem(NamedTuple):
    """An event that was left out, or that may be stored otherwise than it was meant."""

    title: str | None
    reason: str
    """A clause such as "its start cannot be read"."""
    is_skipped: bool


def stored_attendees(attendees: Sequence[dict[str, Any]], owner: dict[str, Any] | None) -> list[dict[str, Any]] | None:
    """Returns the attendees of an event that are stored: at most `MAX_ATTENDEES`, among them the account's owner."""
    stored = list(attendees[:MAX_ATTENDEES])
    if owner is not None and owner not in stored:
        stored[-1] = owner
    return stored or None


@dataclass(frozen=True, slots=True)
class RemoteEventPage:
    """A part of the answer to an `EventQuery`: a few hundred events at most, since the loop is blocked meanwhile."""

    events: Sequence[RemoteEvent] = ()
    removed: Sequence[str] = ()
    """Ids of deleted events, or of deleted series with all their occurrences.  They may be unknown here."""
    cursor: str | None = None
    """The cursor of the next query.  Only on the last page, and None if the provider has no new one."""
    problems: Sequence[EventProblem] = ()


@dataclass(frozen=True, slots=True)
class EventQuery:
    """A query for the events of a calendar, or for their changes since `cursor`.

    The answer to a query for changes is not limited to the time range.
    """

    calendar_id: str
    time_range: TimeRange
    zone: str
    """The account's time zone as an IANA name."""
    cursor: str | None = None


class CursorExpired(Exception):
    """The provider no longer accepts the cursor: the sync reads all events instead."""


class CalendarRefused(Exception):
    """A calendar cannot be read.  The account's other calendars are not affected."""

    def __init__(self, error: CalendarSyncError) -> None:
        super().__init__(f"the calendar is {error}")
        self.error = error


class AccountReader(Protocol):
    """Reads an account's calendars during one sync.

    The methods raise `AccountRefused`, `JobFailed` or `JobSnoozed`, which end the sync.
    """

    async def list_calendars(self) -> list[RemoteCalendar]:
        """Returns all calendars of the account."""

    def list_events(self, query: EventQuery) -> AsyncGenerator[RemoteEventPage, None]:
        """Yields the events of a calendar or their changes.  Raises `CursorExpired` and `CalendarRefused`.

        A query without a cursor yields every event that overlaps the time range, by the times that it is given here;
        stored events that are missing from the answer are deleted.  It may yield others, too.  A provider that cannot
        list changes answers a query with a cursor by an empty page if nothing has changed, and else raises
        `CursorExpired`.
        """


@dataclass(frozen=True, slots=True)
class StoredAccount:
    """An account with its decrypted credentials, as the provider returned them from `connect`."""

    account_id: str
    email: str
    credentials: Mapping[str, Any] = field(repr=False)
    signed_in_ms: int | None = None
    """When its user last signed in, in milliseconds since 1970."""


@dataclass(frozen=True, slots=True)
class ConnectedAccount:
    """An account that a provider has accepted: the data to store, and its calendars if they are known already."""

    email: str
    credentials: Mapping[str, Any] = field(repr=False)
    display_name: str | None = None
    calendars: Sequence[RemoteCalendar] = ()


class Provider(Protocol):
    """A source of calendars.  A new one is a class with this interface, listed in `feature.py`."""

    provider_id: ClassVar[str]
    """The `provider` of its accounts."""
    service: ClassVar[AccountService]
    """The source of its events in the feed, and the service of its accounts in `accounts.updated`."""
    sync_period_s: ClassVar[int]
    """How often its accounts are synced."""
    has_one_account_per_email: ClassVar[bool]
    """Whether connecting an e-mail address again reconnects its account instead of adding one."""

    def describe(self) -> CalendarProvider:
        """Returns the provider's entry in `calendar.providers.list`."""

    async def connect(
        self, *, email: str, credentials: Mapping[str, str], config: Mapping[str, Any]
    ) -> ConnectedAccount:
        """Checks credentials.

        Raises `InvalidParams`, `CredentialsRejected`, `AccessDenied`, `ServiceUnreachable` or
        `CalendarProviderUnavailable`.
        """

    def identity(self, credentials: Mapping[str, Any]) -> str | None:
        """Returns what all credentials for the same calendars have in common; None if that is only
        the e-mail address.
        """

    def open(self, account: StoredAccount) -> AccountReader:
        """Returns a reader of the account's calendars, without a request."""

    async def revoke(self, account: StoredAccount) -> bool:
        """Revokes the account's sign-in.  Returns whether it is revoked; raises nothing."""
