"""`jira.accounts.*` and `confluence.accounts.*`: two doors to the same accounts."""

from typing import Any

from sidecar_protocol.atlassian import AtlassianAccount, AtlassianAccountDeleted, AtlassianAccountList, AtlassianService
from sidecar_protocol.confluence import Confluence
from sidecar_protocol.entities import Job
from sidecar_protocol.jira import Jira

from sidecar.atlassian.accounts import Accounts


class _Service:
    """The methods of one product, which differ in nothing but that."""

    service: AtlassianService

    def __init__(self, accounts: Accounts) -> None:
        self._accounts = accounts

    async def list_accounts(self) -> AtlassianAccountList:
        return self._accounts.list(self.service)

    async def create_account(self, **params: Any) -> AtlassianAccount:
        return await self._accounts.create(self.service, **params)

    async def update_account(self, **params: Any) -> AtlassianAccount:
        return await self._accounts.update(self.service, **params)

    async def delete_account(self, *, account_id: str) -> AtlassianAccountDeleted:
        return await self._accounts.delete(self.service, account_id)

    async def sync_account(self, *, account_id: str, full: bool = False) -> Job:
        return await self._accounts.sync(self.service, account_id, full=full)


class JiraService(_Service, Jira):
    """Jira's accounts."""

    service = AtlassianService.JIRA


class ConfluenceService(_Service, Confluence):
    """Confluence's accounts."""

    service = AtlassianService.CONFLUENCE
