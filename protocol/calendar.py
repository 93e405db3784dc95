"""Calendar: the accounts, their calendars, and what happens when."""

from typing import Annotated, Any, Protocol

from pydantic import Field, StringConstraints

from protocol.contract import Model, RpcError, method
from protocol.errors import InvalidCursor, InvalidParams
from protocol.scalars import AccountId, Flag, Integer, Limit, NextCursor, UtcTime, When

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


class CalendarAccount(Model):
    """Somebody's account at a calendar provider.  What it signs in with never leaves the sidecar."""

    account_id: str
    provider: str
    email: str
    display_name: str | None = None
    created_at: UtcTime
    updated_at: UtcTime


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
    """Whether the user wants to see it."""
    created_at: UtcTime
    updated_at: UtcTime


class CalendarEvent(Model):
    """Something with a beginning and an end.  Its account, calendar and own id name it together.

    The end is exclusive.  An all-day event is its dates, wherever one is: go by `start_time` and `end_time` there.
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
        limit: Limit = 50,
        cursor: EventCursor | None = None,
    ) -> CalendarEventPage:
        """What goes on between start and end, from its beginning: also what began before start and ends after it.

        Events of deselected calendars are left out, unless `include_unselected`.  A page ends early when it grows
        past 4 MiB.
        """
        ...
