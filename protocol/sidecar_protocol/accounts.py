"""Accounts at the vendors' clouds: what all of them have in common, whichever feature keeps them."""

from enum import StrEnum
from typing import ClassVar

from sidecar_protocol.contract import Notification


class AccountService(StrEnum):
    """What an account is for; the feed calls its sources the same."""

    GOOGLE_CALENDAR = "google_calendar"
    ICS = "ics"
    JIRA = "jira"
    CONFLUENCE = "confluence"


class AccountStatus(StrEnum):
    """How an account stands."""

    ACTIVE = "active"
    NEEDS_REAUTH = "needs_reauth"
    """It is not synced until somebody connects it anew; the reason says why."""
    DELETING = "deleting"
    """What it brought is being removed; then it is gone."""
    DELETED = "deleted"
    """It is gone: said once, by `accounts.updated`."""


class AccountUpdated(Notification):
    """An account was connected, needs somebody's attention, or is gone."""

    name: ClassVar[str] = "accounts.updated"
    service: AccountService
    account_id: str
    status: AccountStatus
    reason: str | None = None
    """Why it stands so, in one word: `token_revoked`, `secret_unreadable`."""
    hint: str | None = None
    """What a person can do about it."""
