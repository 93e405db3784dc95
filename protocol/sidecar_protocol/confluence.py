"""Confluence: the accounts at Confluence Cloud sites, and their syncs."""

from typing import ClassVar, Protocol

from sidecar_protocol.atlassian import (
    SYNC_POLICY,
    ApiToken,
    AtlassianAccount,
    AtlassianAccountDeleted,
    AtlassianAccountExists,
    AtlassianAccountList,
    AtlassianAccountNotFound,
    AtlassianScope,
    AtlassianSynced,
    CredentialsRejected,
    EmailAddress,
    OrgName,
    SiteAddress,
    SiteAddressInvalid,
    SiteUnavailable,
)
from sidecar_protocol.contract import JobSpec, method
from sidecar_protocol.entities import Job
from sidecar_protocol.errors import SecretsLocked
from sidecar_protocol.scalars import AccountId, Flag, When


class SyncConfluence(JobSpec):
    """Bring the feed up to date with a Confluence site."""

    type: ClassVar = "confluence.sync"
    result: ClassVar = AtlassianSynced
    policy: ClassVar = SYNC_POLICY
    account_id: AccountId
    full: Flag = False
    """Read all of the last year anew, instead of what has changed."""

    def lock_key(self) -> str:
        """Two syncs of one account would undo each other's removals."""
        return f"account:{self.account_id}"


class Confluence(Protocol):
    """Confluence Cloud."""

    @method("confluence.accounts.list", rest="GET /confluence/accounts")
    async def list_accounts(self) -> AtlassianAccountList:
        """All Confluence accounts, the oldest first."""
        ...

    @method(
        "confluence.accounts.create",
        raises=(SiteAddressInvalid, AtlassianAccountExists, CredentialsRejected, SiteUnavailable, SecretsLocked),
        rest="POST /confluence/accounts",
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
        """Connect a site, once it has accepted the credentials; the first sync is queued.

        A token without scopes works on the site itself, one with scopes through api.atlassian.com: which of the two
        is found out.  The same token may serve Jira, as an account of its own.
        """
        ...

    @method(
        "confluence.accounts.update",
        raises=(AtlassianAccountNotFound, CredentialsRejected, SiteUnavailable, SiteAddressInvalid, SecretsLocked),
        waits=True,
    )
    async def update_account(
        self,
        *,
        account_id: AccountId,
        org: OrgName | None = None,
        api_token: ApiToken | None = None,
        scope: AtlassianScope | None = None,
        token_expires_at: When | None = None,
    ) -> AtlassianAccount:
        """Change what is given.

        A new token is checked first, and sets an account right that needs it; its end is forgotten unless given.
        A new scope has everything read anew.
        """
        ...

    @method(
        "confluence.accounts.delete",
        raises=(AtlassianAccountNotFound,),
        rest="DELETE /confluence/accounts/{id}",
        waits=True,
    )
    async def delete_account(self, *, account_id: AccountId) -> AtlassianAccountDeleted:
        """Forget an account: its token, its schedule and its events.  The token itself stays valid at Atlassian."""
        ...

    @method("confluence.accounts.sync", raises=(AtlassianAccountNotFound,), rest="POST /confluence/accounts/{id}/sync")
    async def sync_account(self, *, account_id: AccountId, full: Flag = False) -> Job:
        """Sync now: the job.  Where one is under way already, and nothing more is asked for, it is that one."""
        ...
