"""Types shared by the accounts of all cloud services."""

from enum import StrEnum
from typing import ClassVar

from sidecar_protocol.contract import Notification


class AccountService(StrEnum):
    """The service of an account.  Activity events from it have the same value as their `source`."""

    GOOGLE_CALENDAR = "google_calendar"
    ICS = "ics"
    JIRA = "jira"
    CONFLUENCE = "confluence"


class AccountStatus(StrEnum):
    """The state of an account."""

    ACTIVE = "active"
    """It is synced periodically."""
    NEEDS_REAUTH = "needs_reauth"
    """It is not synced until the user connects it again; see `reason`."""
    DELETING = "deleting"
    """Its data is being deleted, and then the account itself."""
    DELETED = "deleted"
    """It was deleted.  Only in the last `accounts.updated` of an account."""


class AccountUpdated(Notification):
    """An account was connected, needs the user's attention, or was deleted."""

    name: ClassVar[str] = "accounts.updated"
    service: AccountService
    account_id: str
    status: AccountStatus
    reason: str | None = None
    """A stable identifier of the reason for this status: `token_revoked`, `secret_unreadable`."""
    hint: str | None = None
    """Suggested action for the user."""
