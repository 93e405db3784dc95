"""Accounts at Atlassian Cloud sites and their syncs: the same for Jira and Confluence."""

from enum import StrEnum
from typing import Annotated, ClassVar, Protocol

from pydantic import Field, StringConstraints

from sidecar_protocol.accounts import (
    AccessDenied,
    AccountErrorKind,
    AccountExists,
    AccountNotFound,
    AccountState,
    CredentialsRejected,
    ServiceUnreachable,
)
from sidecar_protocol.contract import Input, JobPolicy, Model, Recovery, RpcError, Secret, ToolUse, method
from sidecar_protocol.entities import Job
from sidecar_protocol.errors import SecretsLocked
from sidecar_protocol.job_errors import AtlassianErrorKind, SyncErrorKind
from sidecar_protocol.scalars import AccountId, Count, Flag, UtcTime, When

SiteAddress = Annotated[
    str,
    StringConstraints(min_length=1, max_length=500),
    Field(description="The site: https://example.atlassian.net.  The address of any of its pages is accepted."),
]
EmailAddress = Annotated[str, StringConstraints(min_length=3, max_length=254, pattern=r"^[^\s@]+@[^\s@]+$")]
ApiToken = Annotated[
    str,
    Secret,
    StringConstraints(min_length=1, max_length=4_096, strip_whitespace=True, pattern=r"^[!-~]+$"),
    Field(description="An API token of the Atlassian account, with or without scopes."),
]
OrgName = Annotated[str, StringConstraints(min_length=1, max_length=200), Field(description="A name for the site.")]


class AtlassianService(StrEnum):
    """The Atlassian product of an account."""

    JIRA = "jira"
    CONFLUENCE = "confluence"


class AtlassianScope(StrEnum):
    """Which events of a site are added to the feed."""

    MINE = "mine"
    """The account owner's own actions."""
    WATCHED = "watched"
    """Also the actions of others on items that the owner is assigned to, or has reported, created or watched."""


class AtlassianAccount(AccountState):
    """An account at an Atlassian Cloud site.  Its API token is never sent."""

    shown: ClassVar = ("last_sync_at", "org", "email", "status", "hint", "base_url", "account_id")
    service: AtlassianService
    org: str
    base_url: str
    """The site: https://example.atlassian.net."""
    display_name: str | None = None
    """The owner's name at the site."""
    scope: AtlassianScope
    token_expires_at: UtcTime | None = None
    """Entered by the user; Atlassian's API does not provide it."""


class AtlassianAccountList(Model):
    """All accounts of one product, oldest first."""

    accounts: list[AtlassianAccount]


class AtlassianAccountDeleted(Model):
    """The account that was deleted."""

    account_id: str


class AtlassianSynced(Model):
    """The result of a sync."""

    read: Count
    """Number of changed issues, or of changed pages and comments, that were read."""
    added: Count
    """Number of events added to the feed."""
    updated: Count
    removed: Count
    full: Flag = False
    """Whether everything was read again, not only what changed since the last sync."""
    unreadable: Count = 0
    """Number of issues, pages and comments that could not be read, or not completely.

    The job's log names them, what the feed has of them stays, and the next daily sync reads them again.
    """


class SiteAddressInvalid(RpcError):
    """The address is not an Atlassian site."""

    code = 4222


class AtlassianSync(Input):
    """The payload of a sync.  Repeating it does no harm; the first one of a large site can take hours."""

    result: ClassVar[type[Model]] = AtlassianSynced
    policy: ClassVar = JobPolicy(max_attempts=4, recovery=Recovery.REQUEUE, timeout_s=12 * 3600.0, concurrency=4)
    errors: ClassVar[tuple[type[StrEnum], ...]] = (AccountErrorKind, SyncErrorKind, AtlassianErrorKind)
    account_id: AccountId
    full: Flag = False
    """Reads the whole last year again, instead of only what changed since the last sync."""

    def lock_key(self) -> str:
        """Returns the account's lock: concurrent syncs of one account would undo each other's removals."""
        return f"account:{self.account_id}"


class AtlassianAccounts(Protocol):
    """The accounts of one product; `Jira` and `Confluence` have these methods, each in its own domain."""

    domain: ClassVar[str]

    @method("{domain}.accounts.list", rest="GET /{domain}/accounts", tool=ToolUse.READ)
    async def list_accounts(self) -> AtlassianAccountList:
        """Returns the accounts, oldest first."""
        ...

    @method(
        "{domain}.accounts.create",
        raises=(
            SiteAddressInvalid,
            AccountExists,
            CredentialsRejected,
            AccessDenied,
            ServiceUnreachable,
            SecretsLocked,
        ),
        rest="POST /{domain}/accounts",
        waits=True,
    )
    async def create_account(
        self,
        *,
        org: OrgName,
        base_url: SiteAddress,
        email: EmailAddress,
        api_token: ApiToken,
        scope: AtlassianScope = AtlassianScope.MINE,
        token_expires_at: When | None = None,
    ) -> AtlassianAccount:
        """Checks the credentials at the site, stores the account and queues its first sync.

        Tokens with and without scopes are accepted: the former work through api.atlassian.com only, the latter at the
        site only.  The same token can be used for the other product, by a second account.  A user's account at a site
        is connected once per product, by whichever of the site's addresses.
        """
        ...

    @method(
        "{domain}.accounts.update",
        raises=(
            AccountNotFound,
            SiteAddressInvalid,
            AccountExists,
            CredentialsRejected,
            AccessDenied,
            ServiceUnreachable,
            SecretsLocked,
        ),
        waits=True,
    )
    async def update_account(
        self,
        *,
        account_id: AccountId,
        org: OrgName | None = None,
        base_url: SiteAddress | None = None,
        api_token: ApiToken | None = None,
        scope: AtlassianScope | None = None,
        token_expires_at: When | None = None,
    ) -> AtlassianAccount:
        """Changes the given fields.

        A new token or address is checked at the site first, and makes the account active.  `base_url` is the new
        address of the same site, if it was renamed; another site is refused with `site_address_invalid`.  A new token
        clears `token_expires_at` unless that is given, too.  After a change of `scope` the next sync starts over.
        """
        ...

    @method(
        "{domain}.accounts.delete",
        raises=(AccountNotFound,),
        rest="DELETE /{domain}/accounts/{id}",
        waits=True,
    )
    async def delete_account(self, *, account_id: AccountId) -> AtlassianAccountDeleted:
        """Deletes an account with its token, schedule and events.  The token remains valid at Atlassian."""
        ...

    @method(
        "{domain}.accounts.sync",
        raises=(AccountNotFound,),
        rest="POST /{domain}/accounts/{id}/sync",
        job="{domain}.sync",
        tool=ToolUse.ACT,
    )
    async def sync_account(self, *, account_id: AccountId, full: Flag = False) -> Job:
        """Starts a sync and returns its job, or that of an unfinished sync unless `full` is set."""
        ...
