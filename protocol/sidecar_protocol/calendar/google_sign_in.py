"""Google's sign-in in three steps, without a port of ours: the host listens on loopback and hands over what came."""

from enum import StrEnum
from typing import Annotated, Protocol

from pydantic import Field, StringConstraints

from sidecar_protocol.calendar.accounts import CalendarUnreachable, EmailAddress
from sidecar_protocol.calendar.calendars import CalendarAccount, CalendarAccountNotFound
from sidecar_protocol.contract import Model, RpcError, Secret, method
from sidecar_protocol.errors import InvalidParams, SecretsLocked
from sidecar_protocol.scalars import MEASURED, AccountId, UtcTime

RedirectUri = Annotated[
    str,
    StringConstraints(max_length=500),
    Field(description="Where the host listens: http://127.0.0.1:<port>, with a path if it likes."),
]
RedirectedUrl = Annotated[
    str, Secret, StringConstraints(min_length=1, max_length=8_192), Field(description="The whole URL that was called.")
]
AuthorizationCode = Annotated[str, Secret, StringConstraints(min_length=1, max_length=1_024)]
OAuthError = Annotated[
    str, StringConstraints(min_length=1, max_length=200), Field(description="The redirect's `error`.")
]
SignInState = Annotated[
    str,
    StringConstraints(min_length=1, max_length=200),
    Field(description="Names a sign-in; from `start`.", json_schema_extra={"format": "id"}),
]


class GoogleClientMissing(RpcError):
    """No Google OAuth client is configured: set GOOGLE_CLIENT_ID and GOOGLE_CLIENT_SECRET."""

    code = 4224


class GoogleClientRejected(RpcError):
    """Google does not accept the configured OAuth client."""

    code = 4225


class SignInUnknown(RpcError):
    """No sign-in with this state has been started here."""

    code = 4048


class SignInExpired(RpcError):
    """The sign-in took too long; start it again."""

    code = 4100


class SignInUsed(RpcError):
    """The sign-in has been completed or given up already; start another."""

    code = 4095


class SignInIncomplete(RpcError):
    """Google has not redirected to the host yet."""

    code = 4096


class SignInDenied(RpcError):
    """Access was refused on Google's page."""

    code = 4031


class SignInBlocked(RpcError):
    """The organisation of this Google account does not allow the app."""

    code = 4032


class SignInScopeMissing(RpcError):
    """The account was signed in, but without permission to read its calendars."""

    code = 4033


class SignInAccountMismatch(RpcError):
    """Another Google account was signed in than the one to be connected anew."""

    code = 4097


class SignInFailed(RpcError):
    """Google refused the sign-in."""

    code = 5025


class SignInStatus(StrEnum):
    """How far a sign-in is."""

    AUTHORIZED = "authorized"
    """Google agreed; `complete` makes an account of it."""
    REFUSED = "refused"
    """Google did not; `complete` says why."""


class SignInStarted(Model):
    """Where to send the user."""

    authorization_url: Annotated[str, MEASURED]
    """Open it in the user's own browser."""
    state: SignInState
    expires_at: UtcTime


class SignInReturned(Model):
    """What the redirect said."""

    state: SignInState
    status: SignInStatus


class GoogleSignIn(Protocol):
    """OAuth 2.0 for installed apps (RFC 8252), with PKCE."""

    @method(
        "calendar.oauth.google.start",
        raises=(InvalidParams, CalendarAccountNotFound, GoogleClientMissing, SecretsLocked),
        rest="POST /calendar/oauth/google/start",
        waits=True,
    )
    async def start(
        self, *, redirect_uri: RedirectUri, login_hint: EmailAddress | None = None, account_id: AccountId | None = None
    ) -> SignInStarted:
        """Begin a sign-in; with `account_id` one that connects that account anew.  It may take ten minutes.

        Listen on the loopback port first: `redirect_uri` must be exactly what Google then calls.
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
        """Hand over the redirect: its whole URL, or `state` with `code` or `error`."""
        ...

    @method(
        "calendar.oauth.google.complete",
        raises=(
            CalendarAccountNotFound,
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
            CalendarUnreachable,
            SecretsLocked,
        ),
        rest="POST /calendar/oauth/google/complete",
        waits=True,
    )
    async def complete(self, *, state: SignInState) -> CalendarAccount:
        """Make an account of it: its calendars are listed, and the first sync is queued.

        An account with the same e-mail address is connected anew.  Where Google could not be reached, call it again.
        """
        ...
