"""Reading calendar accounts, calendars and events."""

from enum import StrEnum
from typing import Annotated, Any, ClassVar, Final, Protocol

from pydantic import Field, StringConstraints, WithJsonSchema

from sidecar_protocol.accounts import AccountNotFound, AccountState
from sidecar_protocol.contract import Cited, Foreign, Model, Notification, RpcError, ToolUse, method
from sidecar_protocol.errors import InvalidCursor, InvalidParams
from sidecar_protocol.scalars import (
    DEFAULT_LIMIT,
    TIME,
    AccountId,
    Count,
    Flag,
    ForeignText,
    Integer,
    Limit,
    NextCursor,
    UtcTime,
    When,
    known,
)

CalendarId = Annotated[str, Field(min_length=1, max_length=1_024, description="The id of a calendar.")]
# The cursor contains three ids; Google allows 1,024 characters for one of them.
EventCursor = Annotated[
    str,
    StringConstraints(min_length=1, max_length=8_192),
    Field(description="The `next_cursor` of the previous page.  Opaque.", json_schema_extra={"format": "cursor"}),
]
PROVIDERS: Final = known("google", "ics")
ResponseStatus = Annotated[str, known("accepted", "declined", "tentative", "needsAction")]
_PERSON: Final = {
    "type": "object",
    "properties": {
        "email": {"type": "string"},
        "displayName": {"type": "string"},
        "self": {"type": "boolean", "description": "Whether it is the account's owner."},
        "responseStatus": {
            "type": "string",
            "x-known-values": ["accepted", "declined", "tentative", "needsAction"],
        },
        "organizer": {"type": "boolean"},
        "optional": {"type": "boolean"},
        "resource": {"type": "boolean", "description": "Whether it is a room or a thing."},
    },
    "additionalProperties": True,
}
Person = Annotated[Any, Foreign, WithJsonSchema(_PERSON)]
"""A person in Google's form, without the fields that are empty; not checked, because old databases have other rows."""
People = Annotated[Any, Foreign, WithJsonSchema({"type": "array", "items": _PERSON})]


class CalendarNotFound(RpcError):
    """The account has no calendar with this id."""

    code = 4047


class CalendarAccount(AccountState):
    """An account at a calendar provider.  Its credentials are never sent."""

    shown: ClassVar = ("last_sync_at", "display_name", "email", "provider", "status", "hint", "account_id")
    provider: Annotated[str, PROVIDERS]
    """`google` or `ics`."""
    display_name: str | None = None
    past_days: Count
    """Days before today that are synced, in the zone of the account's main calendar.  Older stored events remain."""
    future_days: Count
    """Days after today that are synced."""


class CalendarSyncError(StrEnum):
    """Why a single calendar of an account cannot be synced."""

    NOT_FOUND = "not_found"
    """It was deleted, or is no longer shared with the account."""
    FORBIDDEN = "forbidden"
    """The account may not read it."""


ProviderTime = Annotated[str, TIME]
"""ISO 8601 as a provider writes it: with an offset, or a date without a time."""


class Calendar(Model):
    """A calendar of an account."""

    shown: ClassVar = (
        "last_sync_at",
        "name",
        "selected",
        "sync_error",
        "calendar_id",
        "account_id",
        "time_zone",
        "access_role",
    )
    account_id: str
    calendar_id: str
    name: ForeignText
    description: ForeignText | None = None
    is_primary: Flag = False
    """Whether it is the account's main calendar."""
    access_role: str | None = None
    """The account's access as the provider names it: `owner`, `writer`, `reader`, `freeBusyReader`."""
    background_color: str | None = None
    foreground_color: str | None = None
    time_zone: str | None = None
    """IANA name."""
    selected: Flag = True
    """Whether the user wants to see it.  A deselected calendar is not synced, and its events are hidden."""
    sync_error: CalendarSyncError | None = None
    """Why the last sync could not read this calendar; null if it could."""
    skipped_events: Count = 0
    """Events that the last complete read left out because they could not be read.  The sync's log names them."""
    adjusted_events: Count = 0
    """Events that are stored although a part of them could not be followed, such as an unknown time zone or an invalid
    recurrence rule; they may differ from the original.  The sync's log names them."""
    last_sync_at: UtcTime | None = None
    created_at: UtcTime
    updated_at: UtcTime


class CalendarEvent(Model):
    """A calendar event, or one occurrence of a recurring event.  `event_id` is unique only within its calendar.

    The end is exclusive.  An all-day event has the same dates in every time zone: use `start_time` and `end_time`.  Its
    `start_ts` and `end_ts` are midnights in the time zone of the account's primary calendar.
    """

    shown: ClassVar = (
        "start_time..end_time|start_ts..end_ts",
        "title",
        "location",
        "response_status",
        "status",
        "conference_url",
    )
    cited: ClassVar = Cited(
        "calendar_event", ("account_id", "calendar_id", "event_id"), title="title", at="start_time", url="html_link"
    )
    account_id: str
    calendar_id: str
    event_id: str
    title: ForeignText | None = None
    description: ForeignText | None = None
    """May be HTML."""
    start_time: ProviderTime | None = None
    """The provider's value, ISO 8601; a date without a time if the event lasts all day."""
    end_time: ProviderTime | None = None
    start_ts: Annotated[Integer, TIME]
    """The start in seconds since 1970."""
    end_ts: Annotated[Integer, TIME]
    all_day: Flag = False
    location: ForeignText | None = None
    conference_url: str | None = None
    visibility: str | None = None
    status: Annotated[str, known("confirmed", "tentative", "cancelled")] | None = None
    """`confirmed`, `tentative` or `cancelled`."""
    organizer: Person | None = None
    """Who organises it, in Google's form, which other providers' events have too."""
    attendees: People | None = None
    """At most 300 people who are invited, in the same form.  Null if it has no attendees."""
    html_link: str | None = None
    time_zone: str | None = None
    """IANA name; null for the calendar's time zone."""
    event_type: str | None = None
    """Google's `eventType`: `default`, `focusTime`, `outOfOffice`, `workingLocation`, `birthday`, `fromGmail`."""
    transparency: Annotated[str, known("opaque", "transparent")] | None = None
    """`transparent` if the event does not block time."""
    response_status: ResponseStatus | None = None
    """The owner's response: `accepted`, `declined`, `tentative` or `needsAction`; null if the owner is not invited."""
    ical_uid: str | None = None
    """Shared by the copies of an event in several calendars, and by all occurrences of a recurring event."""
    recurring_event_id: str | None = None
    """The recurring event that it is an occurrence of."""
    original_start_time: ProviderTime | None = None
    """The start that the recurrence rule gives this occurrence, even if it was moved."""
    created_at: UtcTime
    updated_at: UtcTime


class CalendarAccountList(Model):
    """All calendar accounts, oldest first."""

    accounts: list[CalendarAccount]


class CalendarList(Model):
    """Calendars by account; the primary one first, then by name."""

    calendars: list[Calendar]


class CalendarEventPage(Model):
    """Events by start."""

    events: list[CalendarEvent]
    next_cursor: NextCursor | None = None
    """Null on the last page."""


class CalendarChanged(Notification):
    """Events of a calendar were added, updated or removed, or the calendar itself was (then all counts are 0)."""

    name: ClassVar[str] = "calendar.changed"
    key: ClassVar[tuple[str, ...]] = ("account_id", "calendar_id")
    account_id: str
    calendar_id: str
    added: Count
    updated: Count
    removed: Count


class Calendars(Protocol):
    """Accounts, calendars and events as of the last sync."""

    @method("calendar.accounts.list", rest="GET /calendar/accounts", tool=ToolUse.READ)
    async def list_accounts(self) -> CalendarAccountList:
        """Returns all calendar accounts."""
        ...

    @method("calendar.accounts.get", raises=(AccountNotFound,), rest="GET /calendar/accounts/{id}")
    async def get_account(self, *, account_id: AccountId) -> CalendarAccount:
        """Returns a calendar account."""
        ...

    @method("calendar.calendars.list", rest="GET /calendar/calendars", tool=ToolUse.READ)
    async def list_calendars(self, *, account_id: AccountId | None = None) -> CalendarList:
        """Returns the calendars of an account, or of all accounts, including deselected ones."""
        ...

    @method(
        "calendar.events.list", raises=(InvalidParams, InvalidCursor), rest="GET /calendar/events", tool=ToolUse.READ
    )
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
        """Returns the events that overlap the time from `start` to `end`.

        Events of deselected calendars are left out unless `include_unselected` is set.  A page ends early at 4 MiB.
        """
        ...
