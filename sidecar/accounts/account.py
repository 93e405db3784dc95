"""An account, a service's refusal of it, and the state that follows from a refusal.  No I/O."""

from dataclasses import dataclass
from enum import Enum
from typing import Final, NamedTuple

from sidecar_protocol.accounts import (
    AccessDenied,
    AccountErrorKind,
    AccountReason,
    AccountService,
    AccountStatus,
    CredentialsRejected,
    ServiceUnreachable,
)
from sidecar_protocol.contract import RpcError

from sidecar.clock import iso
from sidecar.feed import Origin
from sidecar.job_handler import JobFailed, JobSnoozed

SECOND_LOOK_S: Final = 3_600
"""After how long a refusal counts as confirmed if it is repeated: outages of a sign-in service often last minutes."""
DENIED_RETRY_S: Final = 900
"""Pace of the tries while the service denies the network: the user may join the VPN at any time."""
NEEDS_REAUTH_RETRY_S: Final = 6 * 3_600
"""Pace of the tries while only the user can help: a mistake of the service is noticed within the day."""


class Verdict(Enum):
    """The meaning of a refusal for the account."""

    FINAL = "final"
    """The sign-in has ended or cannot succeed: the user must connect the account again."""
    UNCONFIRMED = "unconfirmed"
    """The service does not accept the account; if it does so again later, the user must connect it again."""
    ELSEWHERE = "elsewhere"
    """The account may be in order: another sign-in would be refused just the same."""


@dataclass(eq=False)
class AccountRefused(Exception):
    """The service refuses the account.  `message` and `hint` are for the user."""

    reason: AccountReason
    message: str
    hint: str
    verdict: Verdict = Verdict.UNCONFIRMED


@dataclass(frozen=True, slots=True)
class Account:
    """An account's row, as far as its life cycle depends on it."""

    account_id: str
    service: AccountService
    email: str
    status: str
    reason: str | None
    hint: str | None
    refused_at: str | None
    """Since when the service has refused it for this reason; None if its last sync succeeded."""
    next_try_at: str | None
    sign_in: str | None
    """Changes whenever the user connects it again."""

    @property
    def origin(self) -> Origin:
        return Origin(self.service, self.account_id)

    @property
    def connector(self) -> str:
        return f"{self.service}:{self.account_id}"


class State(NamedTuple):
    """The part of an account that its life cycle changes."""

    status: AccountStatus
    reason: str | None = None
    hint: str | None = None
    refused_at: str | None = None
    next_try_at: str | None = None


def state_after(account: Account, refusal: AccountRefused, now_ms: int) -> tuple[State, int]:
    """Returns an account's state after a refusal, without `next_try_at`, and the seconds until it is tried again.

    A second refusal for the same reason, an hour after the first, confirms it.  A refusal without a word about the
    account confirms nothing, and leaves one as it is that its user must connect again anyway.
    """
    now, second_look = iso(now_ms), iso(now_ms - SECOND_LOOK_S * 1_000)
    since = account.refused_at if account.reason == refusal.reason else None
    since = now if since is None or since > now else since  # later than now: the clock was set back
    needs_reauth = account.status == AccountStatus.NEEDS_REAUTH
    if refusal.verdict is Verdict.ELSEWHERE:
        if needs_reauth:
            return State(AccountStatus.NEEDS_REAUTH, account.reason, account.hint, account.refused_at), DENIED_RETRY_S
        hint = f"{refusal.message} {refusal.hint}"
        return State(AccountStatus.RETRYING, refusal.reason, hint, since), DENIED_RETRY_S
    if needs_reauth or refusal.verdict is Verdict.FINAL or since <= second_look:
        hint = f"{refusal.message} {refusal.hint}"
        return State(AccountStatus.NEEDS_REAUTH, refusal.reason, hint, since), NEEDS_REAUTH_RETRY_S
    hint = f"{refusal.message} If this does not pass by itself: {refusal.hint}"
    return State(AccountStatus.RETRYING, refusal.reason, hint, since), SECOND_LOOK_S


def connect_error(error: AccountRefused | JobFailed | JobSnoozed) -> RpcError:
    """Returns the error of a method that checks credentials, for what a sync with them would raise."""
    match error:
        case AccountRefused(verdict=Verdict.ELSEWHERE):
            return AccessDenied(error.message, hint=error.hint)
        case AccountRefused():
            return CredentialsRejected(error.message, hint=error.hint)
        case JobFailed():
            return ServiceUnreachable(error.message, hint=error.hint)
        case JobSnoozed():
            return ServiceUnreachable(error.message, retry_after_ms=round(error.delay_s * 1_000))


def account_deleted() -> JobFailed:
    return JobFailed("The account was deleted.", kind=AccountErrorKind.ACCOUNT_NOT_FOUND)


def sign_in_replaced() -> JobFailed:
    """Returns the failure of a sync that was refused after its user had connected the account again."""
    message = "The account was connected again during the sync."
    return JobFailed(message, kind=AccountErrorKind.SIGN_IN_REPLACED, retryable=True)
