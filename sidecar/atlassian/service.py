"""`jira.accounts.*` and `confluence.accounts.*`: the accounts, as clients read them."""

from protocol.confluence import Confluence
from protocol.entities import AtlassianAccountList, AtlassianService
from protocol.jira import Jira
from sidecar.atlassian.store import AtlassianStore


class JiraService(Jira):
    """Jira's accounts."""

    def __init__(self, store: AtlassianStore) -> None:
        self._store = store

    async def list_accounts(self) -> AtlassianAccountList:
        return _listed(self._store, AtlassianService.JIRA)


class ConfluenceService(Confluence):
    """Confluence's accounts."""

    def __init__(self, store: AtlassianStore) -> None:
        self._store = store

    async def list_accounts(self) -> AtlassianAccountList:
        return _listed(self._store, AtlassianService.CONFLUENCE)


def _listed(store: AtlassianStore, service: AtlassianService) -> AtlassianAccountList:
    return AtlassianAccountList.encoded(b'{"accounts":[%s]}' % b",".join(store.accounts(service)))
