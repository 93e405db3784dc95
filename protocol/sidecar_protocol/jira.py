"""Jira: accounts at Jira Cloud sites, and their syncs."""

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


class SyncJira(JobSpec):
    """Updates the feed with the changes at a Jira site."""

    type: ClassVar = "jira.sync"
    result: ClassVar = AtlassianSynced
    policy: ClassVar = SYNC_POLICY
    account_id: AccountId
    full: Flag = False
    """Reads the whole last year again, instead of only what changed since the last sync."""

    def lock_key(self) -> str:
        """Returns the account's lock: concurrent syncs of one account would undo each other's removals."""
        return f"account:{self.account_id}"


class Jira(Protocol):
    """Jira Cloud."""

    @method("jira.accounts.list", rest="GET /jira/accounts")
    async def list_accounts(self) -> AtlassianAccountList:
        """Returns all Jira accounts, oldest first."""
        ...

    @method(
        "jira.accounts.create",
        raises=(SiteAddressInvalid, AtlassianAccountExists, CredentialsRejected, SiteUnavailable, SecretsLocked),
        rest="POST /jira/accounts",
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
        site only.  The same token can be used for Confluence, by a second account.
        """
        ...

    @method(
        "jira.accounts.update",
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
        """Changes the given fields.

        A new token is checked at the site first.  It makes an account with status `needs_reauth` active, and clears
        `token_expires_at` unless that is given, too.  After a change of `scope` the next sync starts over.
        """
        ...

    @method(
        "jira.accounts.delete",
        raises=(AtlassianAccountNotFound,),
        rest="DELETE /jira/accounts/{id}",
        waits=True,
    )
    async def delete_account(self, *, account_id: AccountId) -> AtlassianAccountDeleted:
        """Deletes an account with its token, schedule and events.  The token remains valid at Atlassian."""
        ...

    @method("jira.accounts.sync", raises=(AtlassianAccountNotFound,), rest="POST /jira/accounts/{id}/sync")
    async def sync_account(self, *, account_id: AccountId, full: Flag = False) -> Job:
        """Starts a sync and returns its job, or that of an unfinished sync unless `full` is set."""
        ...
