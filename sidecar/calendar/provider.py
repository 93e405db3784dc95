"""What a provider of calendars has to be able to do, and how it tells what it found.

The rest of the feature knows no provider: it decides when to read what, compares, stores, and tells the feed.
"""

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from sidecar_protocol.calendar.calendars import CalendarSyncError


class TimeRange(NamedTuple):
    """The stretch of time within which events are kept: start <= time < end, seconds since 1970."""

    start_ts: int
    end_ts: int


class RemoteCalendar(NamedTuple):
    """A calendar as its provider describes it."""

    calendar_id: str
    name: str
    description: str | None = None
    is_primary: bool = False
    access_role: str | None = None
    background_color: str | None = None
    foreground_color: str | None = None
    time_zone: str | None = None
    """IANA name."""
    selected: bool = True
    """Whether the user wants to see it, as far as the provider knows; asked only when the calendar is new here."""


class RemoteEvent(NamedTuple):
    """An event as its provider describes it; of a series each occurrence is one.

    `sidecar_protocol.calendar.calendars.CalendarEvent` says what is what.
    `start_ts` and `end_ts` of an all-day event are its dates' midnights in the account's zone (`EventQuery.zone`).
    `organizer` and `attendees` are JSON.
    """

    event_id: str
    """The same for ever, and its calendar's only one; an occurrence's stays when it is moved."""
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


@dataclass(frozen=True, slots=True)
class EventPage:
    """A piece of a listing, some hundred events at most: what is worked off at a stretch."""

    events: Sequence[RemoteEvent] = ()
    removed: Sequence[str] = ()
    """Ids that are gone, of single events or of series with all that belongs to them; they need not be known here."""
    cursor: str | None = None
    """Where the next listing may go on; with the last page only, and None where nothing changed or it cannot."""


@dataclass(frozen=True, slots=True)
class EventQuery:
    """What is asked of a calendar.

    With `cursor` only what has changed since the listing that it came from; an answer may reach beyond the window.
    """

    calendar_id: str
    time_range: TimeRange
    zone: str
    """The account's time zone, an IANA name: where all-day events begin and end."""
    cursor: str | None = None


class CursorExpired(Exception):
    """The provider does not know the cursor any more, or will not go on from it: everything has to be read anew."""


class CalendarRefused(Exception):
    """One calendar cannot be read, which says nothing about the others of its account."""

    def __init__(self, why: CalendarSyncError) -> None:
        super().__init__(f"the calendar is {why}")
        self.why = why


class AccountReader(Protocol):
    """One account at its provider, for the time of one sync.

    Raises `AccountRefused`, and what a job raises (`JobFailed`, `JobSnoozed`): the sync ends with that.
    """

    async def list_calendars(self) -> list[RemoteCalendar]:
        """The account's calendars, all of them; the primary one's zone is the account's."""

    def list_events(self, query: EventQuery) -> AsyncGenerator[EventPage, None]:
        """A calendar's events, page by page, or what has changed.

        Without a cursor: all that lie in the window, and whatever is not among them is gone.  A provider that cannot
        tell changes answers to a cursor with one empty page where nothing changed, and raises `CursorExpired` else.
        Raises `CursorExpired` and `CalendarRefused`.
        """


@dataclass(frozen=True, slots=True)
class StoredAccount:
    """An account as its provider needs it; `credentials` has been opened: the JSON that the provider has once given."""

    account_id: str
    email: str
    credentials: Mapping[str, Any] = field(repr=False)
    signed_in_ms: int | None = None
    """When its owner last signed in, milliseconds since 1970; None: not known."""


@dataclass(frozen=True, slots=True)
class ConnectedAccount:
    """An account that a provider has let in: what is stored of it, and its calendars where they are known already."""

    email: str
    credentials: Mapping[str, Any] = field(repr=False)
    display_name: str | None = None
    calendars: Sequence[RemoteCalendar] = ()


class Provider(Protocol):
    """Where calendars come from."""

    async def connect(
        self, *, email: str, credentials: Mapping[str, str], config: Mapping[str, Any]
    ) -> ConnectedAccount:
        """Try credentials.

        Raises `InvalidParams`, `CalendarCredentialsRejected`, `CalendarUnreachable`, `CalendarProviderUnavailable`.
        """

    def open(self, account: StoredAccount) -> AccountReader:
        """The account's calendars; asks nothing yet."""

    async def revoke(self, account: StoredAccount) -> bool:
        """Take the sign-in back as far as the provider knows such a thing; whether that was done.  Raises nothing."""
