"""Accounts of all services: what is told when one of them changes."""

from typing import ClassVar

from protocol.contract import Notification


class AccountUpdated(Notification):
    """An account was connected or changed, needs its user, or is gone."""

    name: ClassVar[str] = "accounts.updated"
    service: str
    """google, ics, jira, confluence."""
    account_id: str
    status: str
    """`active`, `needs_reauth`, `deleting`, `deleted`."""
    reason: str | None = None
    """In one word: `token_rejected`."""
