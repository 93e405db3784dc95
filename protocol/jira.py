"""Jira: the accounts at Jira Cloud sites."""

from typing import Protocol

from protocol.contract import method
from protocol.entities import AtlassianAccountList


class Jira(Protocol):
    """Jira Cloud."""

    @method("jira.accounts.list", rest="GET /jira/accounts")
    async def list_accounts(self) -> AtlassianAccountList:
        """All Jira accounts, the oldest first."""
        ...
