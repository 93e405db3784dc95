"""Accounts, sync results and errors, shared by Jira and Confluence."""

from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field, StringConstraints

from sidecar_protocol.accounts import AccountStatus
from sidecar_protocol.contract import JobPolicy, Model, Recovery, RpcError, Secret
from sidecar_protocol.scalars import Count, Flag, UtcTime

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

SYNC_POLICY = JobPolicy(max_attempts=4, recovery=Recovery.REQUEUE, timeout_s=12 * 3600.0, concurrency=4)
"""Repeating a sync does no harm.  The first sync of a large site can take hours."""


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


class AtlassianAccount(Model):
    """An account at an Atlassian Cloud site.  Its API token is never sent."""

    account_id: str
    service: AtlassianService
    org: str
    base_url: str
    """The site: https://example.atlassian.net."""
    email: str
    status: AccountStatus
    reason: str | None = None
    """`token_rejected`, `secret_unreadable` or `site_address_invalid`; `token_expires_soon` while active."""
    hint: str | None = None
    """Suggested action for the user."""
    display_name: str | None = None
    """The owner's name at the site."""
    scope: AtlassianScope
    token_expires_at: UtcTime | None = None
    """Entered by the user; Atlassian's API does not provide it."""
    last_sync_at: UtcTime | None = None
    created_at: UtcTime
    updated_at: UtcTime


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


class AtlassianAccountNotFound(RpcError):
    """No account of this product has this id."""

    code = 4049


class AtlassianAccountExists(RpcError):
    """An account with this site and e-mail address already exists."""

    code = 4094


class SiteAddressInvalid(RpcError):
    """The address is not an Atlassian site."""

    code = 4222


class CredentialsRejected(RpcError):
    """The site rejected this e-mail address and API token."""

    code = 4012


class SiteUnavailable(RpcError):
    """The credentials could not be checked: the site did not respond."""

    code = 5023
    retryable: ClassVar[bool] = True
