"""What Jira and Confluence share: the account at a site, how it fares, and what may be wrong with it."""

from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field, StringConstraints

from sidecar_protocol.accounts import AccountStatus
from sidecar_protocol.contract import JobPolicy, Model, Recovery, RpcError, Secret
from sidecar_protocol.scalars import Count, Flag, UtcTime

SiteAddress = Annotated[
    str,
    StringConstraints(min_length=1, max_length=500),
    Field(description="The site: https://example.atlassian.net.  A path or page address of it will do."),
]
EmailAddress = Annotated[str, StringConstraints(min_length=3, max_length=254, pattern=r"^[^\s@]+@[^\s@]+$")]
ApiToken = Annotated[
    str,
    Secret,
    StringConstraints(min_length=1, max_length=4_096, strip_whitespace=True, pattern=r"^[!-~]+$"),
    Field(description="An API token of the Atlassian account, with scopes or without."),
]
OrgName = Annotated[
    str, StringConstraints(min_length=1, max_length=200), Field(description="What people call the site.")
]

SYNC_POLICY = JobPolicy(max_attempts=4, recovery=Recovery.REQUEUE, timeout_s=12 * 3600.0, concurrency=4)
"""A sync may be done twice without harm.  A first one of a big site takes hours where the site is slow."""


class AtlassianService(StrEnum):
    """Which product of Atlassian's an account is for."""

    JIRA = "jira"
    CONFLUENCE = "confluence"


class AtlassianScope(StrEnum):
    """What of a site comes into the feed."""

    MINE = "mine"
    """What the account's owner did."""
    WATCHED = "watched"
    """Also what others did on what is the owner's: assigned to, reported, created or watched by them."""


class AtlassianAccount(Model):
    """Somebody's account at an Atlassian Cloud site.  Its API token never leaves the sidecar."""

    account_id: str
    service: AtlassianService
    org: str
    base_url: str
    """The site: https://example.atlassian.net."""
    email: str
    status: AccountStatus
    reason: str | None = None
    """In one word: `token_rejected`, `secret_unreadable`, `site_address_invalid`; `token_expires_soon` while active."""
    hint: str | None = None
    """What the user can do about it."""
    display_name: str | None = None
    """What the site calls the owner."""
    scope: AtlassianScope
    token_expires_at: UtcTime | None = None
    """As the user has entered it; Atlassian does not tell."""
    last_sync_at: UtcTime | None = None
    created_at: UtcTime
    updated_at: UtcTime


class AtlassianAccountList(Model):
    """All accounts of one product, the oldest first."""

    accounts: list[AtlassianAccount]


class AtlassianAccountDeleted(Model):
    """The account that is gone."""

    account_id: str


class AtlassianSynced(Model):
    """What a sync came to."""

    read: Count
    """Issues, or pages and comments, that had changed and were read."""
    added: Count
    """Events that are new in the feed."""
    updated: Count
    removed: Count
    full: Flag = False
    """Whether all of the account's past was read anew."""


class AtlassianAccountNotFound(RpcError):
    """No account of this product has this id."""

    code = 4049


class AtlassianAccountExists(RpcError):
    """There is an account for this site and e-mail address already."""

    code = 4094


class SiteAddressInvalid(RpcError):
    """The address is not that of an Atlassian site."""

    code = 4222


class CredentialsRejected(RpcError):
    """The site does not accept this e-mail address and API token."""

    code = 4012


class SiteUnavailable(RpcError):
    """The site could not be asked whether these credentials are right."""

    code = 5023
    retryable: ClassVar[bool] = True
