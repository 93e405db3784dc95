"""Confluence: the accounts at Confluence Cloud sites."""

from typing import Protocol

from protocol.contract import method
from protocol.entities import AtlassianAccountList


class Confluence(Protocol):
    """Confluence Cloud."""

    @method("confluence.accounts.list", rest="GET /confluence/accounts")
    async def list_accounts(self) -> AtlassianAccountList:
        """All Confluence accounts, the oldest first."""
        ...
