"""The accounts of all cloud services: their states, the reasons for these, and the errors of their methods."""

from enum import StrEnum
from typing import ClassVar

from sidecar_protocol.contract import Model, Notification, RpcError
from sidecar_protocol.scalars import UtcTime


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
    RETRYING = "retrying"
    """Its service has refused it, which may pass: it is tried again at `next_try_at`, at a slower pace than usual.

    A sync that succeeds makes it active.  If the service refuses it again an hour later, its status becomes
    `needs_reauth`, unless another sign-in could not help: Google, Jira or Confluence denies this network."""
    NEEDS_REAUTH = "needs_reauth"
    """Its service keeps refusing it: the user should connect it again; see `hint`.

    It is still tried, a few times a day, and a sync that succeeds makes it active."""
    DELETING = "deleting"
    """Its data is being deleted, and then the account itself."""
    DELETED = "deleted"
    """It was deleted.  Only in the last `accounts.updated` of an account."""


class AccountReason(StrEnum):
    """Why an account is not active, or is about to be no longer."""

    ACCESS_DENIED = "access_denied"
    """The service answers 403: it does not allow this network (IP allow-list, VPN), or the user lost the access."""
    ADDRESS_REJECTED = "address_rejected"
    """Nothing is found at its address (404, 410), or a calendar's secret address is refused."""
    SITE_MOVED = "site_moved"
    """The site redirects elsewhere; `jira.accounts.update` and `confluence.accounts.update` take its new address."""
    SITE_ADDRESS_INVALID = "site_address_invalid"
    """The stored address is not that of an Atlassian site."""
    FILE_MISSING = "file_missing"
    """The calendar's file cannot be read."""
    TOKEN_REJECTED = "token_rejected"  # noqa: S105 - the name of a reason
    """The service does not accept the token (401)."""
    TOKEN_REFUSED = "token_refused"  # noqa: S105
    """Google did not renew the sign-in, for a reason that the hint names."""
    TOKEN_REVOKED = "token_revoked"  # noqa: S105
    """Google has ended the sign-in: it was revoked, or not used for six months."""
    TOKEN_EXPIRED = "token_expired"  # noqa: S105
    """Google has ended the sign-in after seven days, as it does for projects in status Testing."""
    TOKEN_MISSING = "token_missing"  # noqa: S105
    """The account has no refresh token."""
    TOKEN_EXPIRES_SOON = "token_expires_soon"  # noqa: S105
    """The account is active, but its token expires within 14 days."""
    SESSION_ENDED = "session_ended"
    """The Google account's organisation requires a new sign-in from time to time."""
    SCOPE_MISSING = "scope_missing"
    """The sign-in does not include permission to read calendars."""
    CLIENT_REJECTED = "client_rejected"
    """Google does not accept the app's OAuth client."""
    SECRET_UNREADABLE = "secret_unreadable"  # noqa: S105
    """The stored credentials cannot be decrypted with this computer's key."""


class AccountErrorKind(StrEnum):
    """The `kind` of a sync's error that is due to its account, whatever its service."""

    ACCOUNT_NOT_FOUND = "account_not_found"
    """No account has this id, or it is being deleted."""
    ACCOUNT_REFUSED = "account_refused"
    """The service refused the account, whose status is `retrying` now; `details` has the `reason`."""
    NEEDS_REAUTH = "needs_reauth"
    """The service refused the account, whose status is `needs_reauth` now; `details` as above."""
    SIGN_IN_REPLACED = "sign_in_replaced"
    """The account was connected again during the sync, which is repeated."""


class AccountState(Model):
    """The fields that the accounts of all services have in common."""

    account_id: str
    email: str
    status: AccountStatus
    reason: AccountReason | None = None
    """Why the status is not `active`, or why it will not stay so."""
    hint: str | None = None
    """Suggested action for the user."""
    next_try_at: UtcTime | None = None
    """When it is tried again, while its status is `retrying` or `needs_reauth`."""
    last_sync_at: UtcTime | None = None
    created_at: UtcTime
    updated_at: UtcTime


class AccountUpdated(Notification):
    """An account was connected or deleted, was refused by its service, or works again."""

    name: ClassVar[str] = "accounts.updated"
    key: ClassVar[tuple[str, ...]] = ("account_id",)
    service: AccountService
    account_id: str
    status: AccountStatus
    reason: AccountReason | None = None
    """Why it has this status."""
    hint: str | None = None
    """Suggested action for the user."""
    next_try_at: UtcTime | None = None
    """When it is tried again, while its status is `retrying` or `needs_reauth`."""


class AccountNotFound(RpcError):
    """No account of this service has this id."""

    code = 4043


class AccountExists(RpcError):
    """It is connected already; details has the `account_id` of its account."""

    code = 4094


class CredentialsRejected(RpcError):
    """The service rejected the credentials."""

    code = 4012


class AccessDenied(RpcError):
    """The service denies the access, whatever the credentials: it may not allow this network."""

    code = 4034


class ServiceUnreachable(RpcError):
    """The credentials could not be checked: the service could not be reached, or did not answer as it should."""

    code = 5023
    retryable: ClassVar[bool] = True
