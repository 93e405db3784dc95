"""The Google sign-in.  The client listens for the redirect on a loopback port, since the sidecar opens none."""

from enum import StrEnum
from typing import Annotated, Protocol

from pydantic import Field, StringConstraints

from sidecar_protocol.accounts import AccountNotFound, ServiceUnreachable
from sidecar_protocol.calendar.accounts import EmailAddress
from sidecar_protocol.calendar.calendars import CalendarAccount
from sidecar_protocol.contract import Model, RpcError, Secret, method
from sidecar_protocol.errors import InvalidParams, SecretsLocked
from sidecar_protocol.scalars import MEASURED, AccountId, UtcTime

RedirectUri = Annotated[
    str,
    StringConstraints(max_length=500),
    Field(description="The client's address for the redirect: http://127.0.0.1:<port>, optionally with a path."),
]
RedirectedUrl = Annotated[
    str,
    Secret,
    Field(
        min_length=1,
        max_length=8_192,
        description="The complete URL of the redirect.",
        json_schema_extra={"format": "redirect"},
    ),
]
AuthorizationCode = Annotated[str, Secret, StringConstraints(min_length=1, max_length=1_024)]
OAuthError = Annotated[str, Field(min_length=1, max_length=200, description="The `error` parameter of the redirect.")]
SignInState = Annotated[
    str,
    StringConstraints(min_length=1, max_length=200),
    Field(description="Identifies a sign-in; returned by `start`.", json_schema_extra={"format": "id"}),
]


class GoogleClientMissing(RpcError):
    """No Google OAuth client is configured: set GOOGLE_CLIENT_ID and GOOGLE_CLIENT_SECRET."""

    code = 4224


class GoogleClientRejected(RpcError):
    """Google does not accept the configured OAuth client."""

    code = 4225


class SignInUnknown(RpcError):
    """No sign-in has this state."""

    code = 4048


class SignInExpired(RpcError):
    """The sign-in has expired; start a new one."""

    code = 4100


class SignInUsed(RpcError):
    """The sign-in was already completed or has failed; start a new one."""

    code = 4095


class SignInIncomplete(RpcError):
    """The sign-in has no redirect yet."""

    code = 4096


class SignInDenied(RpcError):
    """The user denied access on Google's page."""

    code = 4031


class SignInBlocked(RpcError):
    """The organisation of this Google account blocks the app."""

    code = 4032


class SignInScopeMissing(RpcError):
    """The sign-in does not include permission to read calendars."""

    code = 4033


class SignInAccountMismatch(RpcError):
    """The user signed in to another Google account than the one to reconnect."""

    code = 4097


class SignInFailed(RpcError):
    """Google rejected the sign-in."""

    code = 5025


class SignInStatus(StrEnum):
    """The state of a sign-in after the redirect."""

    AUTHORIZED = "authorized"
    """Access was granted; call `complete` to connect the account."""
    REFUSED = "refused"
    """Access was denied; `complete` returns the reason as an error."""


class SignInStarted(Model):
    """A sign-in that was started."""

    authorization_url: Annotated[str, MEASURED]
    """The page to open in the user's default browser."""
    state: SignInState
    expires_at: UtcTime


class SignInReturned(Model):
    """The state of a sign-in after its redirect."""

    state: SignInState
    status: SignInStatus


class GoogleSignIn(Protocol):
    """OAuth 2.0 for native apps (RFC 8252) with PKCE."""

    @method(
        "calendar.oauth.google.start",
        raises=(InvalidParams, AccountNotFound, GoogleClientMissing, SecretsLocked),
        rest="POST /calendar/oauth/google/start",
        waits=True,
    )
    async def start(
        self, *, redirect_uri: RedirectUri, login_hint: EmailAddress | None = None, account_id: AccountId | None = None
    ) -> SignInStarted:
        """Starts a sign-in, or with `account_id` one that reconnects this account.  It expires after ten minutes.

        Open the loopback port before this call; Google redirects to exactly this `redirect_uri`.
        """
        ...

    @method(
        "calendar.oauth.google.callback",
        raises=(InvalidParams, SignInUnknown, SignInExpired, SignInUsed, SecretsLocked),
        rest="GET /calendar/oauth/google/callback",
    )
    async def callback(
        self,
        *,
        url: RedirectedUrl | None = None,
        state: SignInState | None = None,
        code: AuthorizationCode | None = None,
        error: OAuthError | None = None,
    ) -> SignInReturned:
        """Passes on the redirect: its complete URL, or `state` with `code` or `error`."""
        ...

    @method(
        "calendar.oauth.google.complete",
        raises=(
            AccountNotFound,
            SignInUnknown,
            SignInExpired,
            SignInUsed,
            SignInIncomplete,
            SignInDenied,
            SignInBlocked,
            SignInScopeMissing,
            SignInAccountMismatch,
            SignInFailed,
            GoogleClientMissing,
            GoogleClientRejected,
            ServiceUnreachable,
            SecretsLocked,
        ),
        rest="POST /calendar/oauth/google/complete",
        waits=True,
    )
    async def complete(self, *, state: SignInState) -> CalendarAccount:
        """Connects the account, reads its list of calendars, and queues its first sync.

        An existing account with the same e-mail address is reconnected.  After `service_unreachable`, call it again.
        """
        ...
