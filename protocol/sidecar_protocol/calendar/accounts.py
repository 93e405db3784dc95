"""Calendar accounts: how they come to be, change, are synced and go.  Google's sign-in stands in `calendar_oauth`."""

from enum import StrEnum
from typing import Annotated, ClassVar, Protocol

from pydantic import Field, Strict, StringConstraints

from sidecar_protocol.calendar.calendars import (
    Calendar,
    CalendarAccount,
    CalendarAccountNotFound,
    CalendarId,
    CalendarNotFound,
)
from sidecar_protocol.contract import JobPolicy, JobSpec, Model, Recovery, RpcError, Secret, method
from sidecar_protocol.entities import Job
from sidecar_protocol.errors import InvalidParams, SecretsLocked
from sidecar_protocol.scalars import AccountId, Count, Flag, JsonObject, ShortText

EmailAddress = Annotated[
    str, StringConstraints(min_length=3, max_length=254, pattern=r"^[^\s@]+@[^\s@]+$"), Field(description="E-mail.")
]
Credentials = Annotated[
    dict[str, Annotated[str, StringConstraints(max_length=4_096)]],
    Secret,
    Field(max_length=10, description="What the account signs in with; `calendar.providers.list` names the keys."),
]
PastDays = Annotated[int, Strict(), Field(ge=0, le=3_660, description="Days, up to ten years.")]
FutureDays = Annotated[int, Strict(), Field(ge=1, le=3_660, description="Days, up to ten years.")]


class CalendarProviderUnavailable(RpcError):
    """The provider is not set up here; `calendar.providers.list` says what is missing."""

    code = 4223


class CalendarCredentialsRejected(RpcError):
    """The provider does not take these credentials."""

    code = 4013


class CalendarUnreachable(RpcError):
    """The provider could not be asked."""

    code = 5024
    retryable: ClassVar[bool] = True


class CalendarAuth(StrEnum):
    """How one connects an account of a provider."""

    OAUTH = "oauth"
    """By a sign-in in the browser."""
    ADDRESS = "address"
    """By an address that is secret itself."""


class CalendarProvider(Model):
    """Where calendars may come from, and whether this installation is ready for it."""

    id: str
    name: str
    auth: CalendarAuth
    available: Flag
    reason: str | None = None
    """What is missing, in words for the app's developer; null where nothing is."""
    credentials: list[str]
    """The keys that `calendar.accounts.create` takes in `credentials`, each with what it is: `key: meaning`."""


class CalendarProviderList(Model):
    """All providers."""

    providers: list[CalendarProvider]


class CalendarAccountDeleted(Model):
    """The account that is gone."""

    account_id: str
    revoked: Flag
    """Whether the provider was told to take the sign-in back; not where another account still uses it."""


class CalendarSynced(Model):
    """What a sync came to."""

    calendars: Count
    """Calendars that were synced."""
    failed_calendars: Count
    """Calendars that alone could not be synced; each says why in `sync_error`."""
    added: Count
    updated: Count
    removed: Count


class SyncCalendar(JobSpec):
    """Bring an account's calendars up to date."""

    type: ClassVar = "calendar.sync"
    result: ClassVar = CalendarSynced
    # A first sync of fifty big calendars takes minutes; an hour means that something is stuck.
    policy: ClassVar = JobPolicy(max_attempts=4, recovery=Recovery.REQUEUE, timeout_s=3_600.0, concurrency=4)
    account_id: AccountId
    full: Flag = False
    """Read everything anew, and remove what is not there any more."""

    def lock_key(self) -> str:
        return f"calendar:{self.account_id}"


class CalendarAccounts(Protocol):
    """The accounts at calendar providers."""

    @method("calendar.providers.list", rest="GET /calendar/providers")
    async def list_providers(self) -> CalendarProviderList:
        """What calendars may come from, what each needs, and whether it is ready."""
        ...

    @method(
        "calendar.accounts.create",
        raises=(
            InvalidParams,
            SecretsLocked,
            CalendarProviderUnavailable,
            CalendarCredentialsRejected,
            CalendarUnreachable,
        ),
        rest="POST /calendar/accounts",
        waits=True,
    )
    async def create(
        self,
        *,
        provider: ShortText,
        email: EmailAddress,
        display_name: ShortText | None = None,
        credentials: Credentials | None = None,
        config: JsonObject | None = None,
    ) -> CalendarAccount:
        """Connect an account with credentials at hand, after trying them.

        Google accounts mostly come by `calendar.oauth.google.start` instead.  One with the same provider and e-mail
        address is connected anew where the provider is one account a person.  `config` is for the provider: see
        `calendar.providers.list`.
        """
        ...

    @method("calendar.accounts.update", raises=(CalendarAccountNotFound,))
    async def update(
        self,
        *,
        account_id: AccountId,
        display_name: ShortText | None = None,
        past_days: PastDays | None = None,
        future_days: FutureDays | None = None,
    ) -> CalendarAccount:
        """Name an account, or choose how far its events reach; the next sync follows."""
        ...

    @method(
        "calendar.accounts.delete",
        raises=(CalendarAccountNotFound,),
        rest="DELETE /calendar/accounts/{id}",
        waits=True,
    )
    async def delete(self, *, account_id: AccountId) -> CalendarAccountDeleted:
        """Disconnect an account: take its sign-in back, and remove all that came from it, in the feed too."""
        ...

    @method("calendar.accounts.sync", raises=(CalendarAccountNotFound,), rest="POST /calendar/accounts/{id}/sync")
    async def sync(self, *, account_id: AccountId, full: Flag = False) -> Job:
        """Sync now; where a sync is under way already, that one is the answer, unless `full` is wanted."""
        ...

    @method(
        "calendar.calendars.update",
        raises=(CalendarNotFound,),
        rest="PATCH /calendar/calendars/{account_id}/{calendar_id}",
    )
    async def update_calendar(self, *, account_id: AccountId, calendar_id: CalendarId, selected: Flag) -> Calendar:
        """Select a calendar, or deselect it: then it is not synced, and its events are hidden but kept."""
        ...
