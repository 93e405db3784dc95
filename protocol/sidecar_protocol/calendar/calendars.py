"""Calendar: the accounts, their calendars, and what happens when."""

from enum import StrEnum
from typing import Annotated, Any, ClassVar, Protocol

from pydantic import Field, StringConstraints

from sidecar_protocol.accounts import AccountStatus
from sidecar_protocol.contract import Model, Notification, RpcError, method
from sidecar_protocol.errors import InvalidCursor, InvalidParams
from sidecar_protocol.scalars import DEFAULT_LIMIT, AccountId, Count, Flag, Integer, Limit, NextCursor, UtcTime, When

CalendarId = Annotated[str, StringConstraints(min_length=1, max_length=1_024), Field(description="A calendar's id.")]
# It names an event by three ids, and Google allows 1,024 characters for one of them.
EventCursor = Annotated[
    str,
    StringConstraints(min_length=1, max_length=8_192),
    Field(description="`next_cursor` of the page before; opaque.", json_schema_extra={"format": "cursor"}),
]


class CalendarAccountNotFound(RpcError):
    """No calendar account has this id."""

    code = 4043


class CalendarNotFound(RpcError):
    """The account has no calendar with this id."""

    code = 4047


class CalendarAccount(Model):
    """Somebody's account at a calendar provider.  What it signs in with never leaves the sidecar."""

    account_id: str
    provider: str
    """`google` or `ics`."""
    email: str
    display_name: str | None = None
    status: AccountStatus
    reason: str | None = None
    """Why it needs somebody, in one word: `token_revoked`, `token_expired`, `scope_missing`, `client_rejected`,
    `secret_unreadable`, `address_rejected`, `file_missing`."""
    hint: str | None = None
    """What a person can do about it."""
    past_days: Count
    """How far back a full sync reads; what is older and known already stays."""
    future_days: Count
    """How far ahead events are kept."""
    last_sync_at: UtcTime | None = None
    created_at: UtcTime
    updated_at: UtcTime


class CalendarSyncError(StrEnum):
    """Why one calendar of an account is not synced."""

    NOT_FOUND = "not_found"
    """The provider has no such calendar any more, or it is not shared with the account any more."""
    FORBIDDEN = "forbidden"


class Calendar(Model):
    """One calendar of an account."""

    account_id: str
    calendar_id: str
    name: str
    description: str | None = None
    is_primary: Flag = False
    """Whether it is the account's own calendar."""
    access_role: str | None = None
    """What the account may do with it, in the provider's word: `owner`, `writer`, `reader`, `freeBusyReader`."""
    background_color: str | None = None
    foreground_color: str | None = None
    time_zone: str | None = None
    """IANA name."""
    selected: Flag = True
    """Whether the user wants to see it; a deselected one is not synced, and its events are left out, not lost."""
    sync_error: CalendarSyncError | None = None
    """Why it, alone of its account, could not be synced the last time."""
    last_sync_at: UtcTime | None = None
    created_at: UtcTime
    updated_at: UtcTime


class CalendarEvent(Model):
    """Something with a beginning and an end.  Its account, calendar and own id name it together.

    The end is exclusive.  An all-day event is its dates, wherever one is: go by `start_time` and `end_time` there; its
    `start_ts` and `end_ts` are those dates' midnights where the account's primary calendar is.
    """

    account_id: str
    calendar_id: str
    event_id: str
    title: str | None = None
    description: str | None = None
    """May be HTML."""
    start_time: str | None = None
    """As the provider said it: ISO 8601, a plain date where it lasts all day."""
    end_time: str | None = None
    start_ts: Integer
    """The beginning, seconds since 1970."""
    end_ts: Integer
    all_day: Flag = False
    location: str | None = None
    conference_url: str | None = None
    visibility: str | None = None
    status: str | None = None
    """`confirmed`, `tentative` or `cancelled`."""
    organizer: Any = None
    """Who invites, as the provider said it: an object with `email`, and perhaps `displayName` and `self`."""
    attendees: Any = None
    """Who is invited, as the provider said it: a list of such objects, with `responseStatus`."""
    html_link: str | None = None
    time_zone: str | None = None
    """IANA name; null: its calendar's."""
    event_type: str | None = None
    """In the provider's word: `default`, `focusTime`, `outOfOffice`, `workingLocation`, `birthday`, `fromGmail`."""
    transparency: str | None = None
    """`transparent` where it does not block time."""
    response_status: str | None = None
    """What the calendar's owner has answered: `accepted`, `declined`, `tentative`, `needsAction`; null: not invited."""
    ical_uid: str | None = None
    """Copies of one event in several calendars share it, and so do all events of a series."""
    recurring_event_id: str | None = None
    """The series that it belongs to."""
    original_start_time: str | None = None
    """Where in its series it belongs, wherever it was moved to."""
    created_at: UtcTime
    updated_at: UtcTime


class CalendarAccountList(Model):
    """All calendar accounts, the oldest first."""

    accounts: list[CalendarAccount]


class CalendarList(Model):
    """Calendars by account, the primary one first, then by name."""

    calendars: list[Calendar]


class CalendarEventPage(Model):
    """Events in the order in which they begin."""

    events: list[CalendarEvent]
    next_cursor: NextCursor | None = None
    """Null on the last page."""


class CalendarChanged(Notification):
    """Events of a calendar were added, changed or removed, or the calendar itself was (then with counts of 0)."""

    name: ClassVar[str] = "calendar.changed"
    account_id: str
    calendar_id: str
    added: Count
    updated: Count
    removed: Count


class Calendars(Protocol):
    """What the calendars hold, as last synced."""

    @method("calendar.accounts.list", rest="GET /calendar/accounts")
    async def list_accounts(self) -> CalendarAccountList:
        """All calendar accounts."""
        ...

    @method("calendar.accounts.get", raises=(CalendarAccountNotFound,), rest="GET /calendar/accounts/{id}")
    async def get_account(self, *, account_id: AccountId) -> CalendarAccount:
        """One calendar account."""
        ...

    @method("calendar.calendars.list", rest="GET /calendar/calendars")
    async def list_calendars(self, *, account_id: AccountId | None = None) -> CalendarList:
        """The calendars, of one account where given, deselected ones too."""
        ...

    @method("calendar.events.list", raises=(InvalidParams, InvalidCursor), rest="GET /calendar/events")
    async def list_events(
        self,
        *,
        start: When,
        end: When,
        account_id: AccountId | None = None,
        calendar_id: CalendarId | None = None,
        include_unselected: Flag = False,
        limit: Limit = DEFAULT_LIMIT,
        cursor: EventCursor | None = None,
    ) -> CalendarEventPage:
        """What goes on between start and end, from its beginning: also what began before start and ends after it.

        Events of deselected calendars are left out, unless `include_unselected`.  A page ends early when it grows
        past 4 MiB.
        """
        ...
