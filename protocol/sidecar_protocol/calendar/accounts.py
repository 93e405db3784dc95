"""Connecting, changing, syncing and deleting calendar accounts."""

from enum import StrEnum
from typing import Annotated, ClassVar, Protocol

from pydantic import Field, StringConstraints

from sidecar_protocol.accounts import (
    AccessDenied,
    AccountErrorKind,
    AccountExists,
    AccountNotFound,
    CredentialsRejected,
    ServiceUnreachable,
)
from sidecar_protocol.calendar.calendars import PROVIDERS, Calendar, CalendarAccount, CalendarId, CalendarNotFound
from sidecar_protocol.contract import JobPolicy, JobSpec, Model, Recovery, RpcError, Secret, ToolUse, method
from sidecar_protocol.entities import Job
from sidecar_protocol.errors import InvalidParams, SecretsLocked
from sidecar_protocol.job_errors import CalendarErrorKind, SyncErrorKind
from sidecar_protocol.scalars import WHOLE, AccountId, Count, Flag, JsonObject, ShortText

EmailAddress = Annotated[str, Field(min_length=3, max_length=254, pattern=r"^[^\s@]+@[^\s@]+$", description="E-mail.")]
Credentials = Annotated[
    dict[str, Annotated[str, StringConstraints(max_length=4_096)]],
    Secret,
    Field(max_length=10, description="The account's credentials; `calendar.providers.list` lists the keys."),
]
PastDays = Annotated[int, Field(strict=True, ge=0, le=3_660, description="Days, up to ten years."), WHOLE]
FutureDays = Annotated[int, Field(strict=True, ge=1, le=3_660, description="Days, up to ten years."), WHOLE]


class CalendarProviderUnavailable(RpcError):
    """The calendar provider is not available; see `calendar.providers.list`."""

    code = 4223


class CalendarAuth(StrEnum):
    """How an account of a provider is connected."""

    OAUTH = "oauth"
    """A sign-in in the browser."""
    ADDRESS = "address"
    """A secret address in `credentials`."""


class CalendarProvider(Model):
    """A source of calendars."""

    shown: ClassVar = ("id", "name", "available", "auth", "reason")
    id: Annotated[str, PROVIDERS]
    name: str
    auth: CalendarAuth
    available: Flag
    reason: str | None = None
    """Why it is not available, for the developer of the app; null if it is."""
    credentials: list[str]
    """The keys of `credentials` in `calendar.accounts.create`, each with its meaning: `key: meaning`."""


class CalendarProviderList(Model):
    """All calendar providers."""

    providers: list[CalendarProvider]


class CalendarAccountDeleted(Model):
    """The account that was deleted."""

    account_id: str
    revoked: Flag
    """Whether the sign-in was revoked at the provider.  It is not if another account uses it."""


class CalendarSynced(Model):
    """The result of a sync."""

    calendars: Count
    """Number of calendars that were synced."""
    failed_calendars: Count
    """Number of calendars that could not be synced, each with a `sync_error`; the others were."""
    added: Count
    """Number of events added."""
    updated: Count
    removed: Count


class SyncCalendar(JobSpec):
    """Reads the changes of an account's calendars."""

    type: ClassVar = "calendar.sync"
    result: ClassVar = CalendarSynced
    # The first sync of fifty large calendars takes minutes; after an hour something is stuck.
    policy: ClassVar = JobPolicy(max_attempts=4, recovery=Recovery.REQUEUE, timeout_s=3_600.0, concurrency=4)
    errors: ClassVar = (AccountErrorKind, SyncErrorKind, CalendarErrorKind)
    account_id: AccountId
    full: Flag = False
    """Whether to read everything again, and remove events that no longer exist."""

    def lock_key(self) -> str:
        return f"calendar:{self.account_id}"


class CalendarAccounts(Protocol):
    """Accounts at calendar providers."""

    @method("calendar.providers.list", rest="GET /calendar/providers")
    async def list_providers(self) -> CalendarProviderList:
        """Returns the calendar providers, with the credentials that each needs and whether it is available."""
        ...

    @method(
        "calendar.accounts.create",
        raises=(
            InvalidParams,
            SecretsLocked,
            CalendarProviderUnavailable,
            AccountExists,
            CredentialsRejected,
            AccessDenied,
            ServiceUnreachable,
        ),
        rest="POST /calendar/accounts",
        waits=True,
    )
    async def create(
        self,
        *,
        provider: Annotated[ShortText, PROVIDERS],
        email: EmailAddress,
        display_name: ShortText | None = None,
        credentials: Credentials | None = None,
        config: JsonObject | None = None,
    ) -> CalendarAccount:
        """Connects an account with the given credentials, which are checked first.

        Google accounts are usually connected by `calendar.oauth.google.start` instead.  A Google account that is
        connected already is reconnected; a calendar file that is connected already, by whatever form of its address
        or path, is refused with `account_exists`.  No provider uses `config`.
        """
        ...

    @method(
        "calendar.accounts.update",
        raises=(
            AccountNotFound,
            InvalidParams,
            SecretsLocked,
            CalendarProviderUnavailable,
            AccountExists,
            CredentialsRejected,
            AccessDenied,
            ServiceUnreachable,
        ),
        waits=True,
    )
    async def update(
        self,
        *,
        account_id: AccountId,
        display_name: ShortText | None = None,
        past_days: PastDays | None = None,
        future_days: FutureDays | None = None,
        credentials: Credentials | None = None,
    ) -> CalendarAccount:
        """Changes an account's name, the range of days that is synced, or its credentials; the latter two start a sync.

        New credentials, such as the new secret address of a calendar file, are checked first, and make the account
        active.
        """
        ...

    @method("calendar.accounts.delete", raises=(AccountNotFound,), rest="DELETE /calendar/accounts/{id}", waits=True)
    async def delete(self, *, account_id: AccountId) -> CalendarAccountDeleted:
        """Revokes an account's sign-in, and deletes the account with its calendars and events, also from the feed."""
        ...

    @method(
        "calendar.accounts.sync",
        raises=(AccountNotFound,),
        rest="POST /calendar/accounts/{id}/sync",
        job=SyncCalendar.type,
        tool=ToolUse.ACT,
    )
    async def sync(self, *, account_id: AccountId, full: Flag = False) -> Job:
        """Starts a sync, and returns its job.  Without `full`, returns the queued or running sync if there is one."""
        ...

    @method(
        "calendar.calendars.update",
        raises=(CalendarNotFound,),
        rest="PATCH /calendar/calendars/{account_id}/{calendar_id}",
    )
    async def update_calendar(self, *, account_id: AccountId, calendar_id: CalendarId, selected: Flag) -> Calendar:
        """Selects or deselects a calendar.  The events of a deselected one are stored but hidden."""
        ...
