"""Google's OAuth 2.0 for installed apps: the authorization URL and the token endpoint.

google-auth-oauthlib builds the URL.  It is not used for the token endpoint: it sends blocking requests, and raises a
plain `Warning` if the user unticked a permission.
"""

import logging
import re
from base64 import urlsafe_b64decode
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final

import anyio
from pydantic_core import from_json

from sidecar.http.client import BadResponse, Http, HttpError, HttpRequest, ServerUnreachable
from sidecar.json_reader import get_number, get_text

log = logging.getLogger(__name__)

CALENDAR_LIST_SCOPE: Final = "https://www.googleapis.com/auth/calendar.calendarlist.readonly"
EVENTS_SCOPE: Final = "https://www.googleapis.com/auth/calendar.events.readonly"
SCOPES: Final = ("openid", "https://www.googleapis.com/auth/userinfo.email", CALENDAR_LIST_SCOPE, EVENTS_SCOPE)
"""The requested scopes: the least that is needed, and in full, since Google returns `email` as a URL."""
SUFFICIENT_SCOPES: Final = (
    frozenset({CALENDAR_LIST_SCOPE, EVENTS_SCOPE}),
    frozenset({"https://www.googleapis.com/auth/calendar.readonly"}),
    frozenset({"https://www.googleapis.com/auth/calendar"}),
)
"""Each of these sets allows reading calendars.  The old backend requested more."""
REVOKE_TIMEOUT_S: Final = 15.0
"""The user waits for it when an account is deleted."""
DEFAULT_LIFETIME_S: Final = 3_599.0
"""Used if a token response has no `expires_in`, which RFC 6749, 5.1 only recommends; Google's usual value."""
WHAT: Final = "Google's sign-in"
_CODE: Final = re.compile(r"[A-Za-z_]{1,64}")


@dataclass(frozen=True, slots=True)
class Endpoints:
    """The URLs of Google's services, as in its discovery documents."""

    authorization: str = "https://accounts.google.com/o/oauth2/v2/auth"
    tokens: str = "https://oauth2.googleapis.com/token"
    revocation: str = "https://oauth2.googleapis.com/revoke"
    userinfo: str = "https://openidconnect.googleapis.com/v1/userinfo"
    calendar: str = "https://www.googleapis.com/calendar/v3"

    @classmethod
    def at(cls, base: str | None) -> "Endpoints":
        """Returns the endpoints of a fake at this URL, or Google's own for None."""
        if base is None:
            return cls()
        return cls(
            f"{base}/o/oauth2/v2/auth", f"{base}/token", f"{base}/revoke", f"{base}/v1/userinfo", f"{base}/calendar/v3"
        )


@dataclass(frozen=True, slots=True)
class Client:
    """The OAuth client: the app as registered with Google."""

    client_id: str
    client_secret: str = field(repr=False)

    @property
    def is_configured(self) -> bool:
        return bool(self.client_id and self.client_secret)


@dataclass(frozen=True, slots=True)
class Grant:
    """A response of the token endpoint; `expires_in` is in seconds."""

    access_token: str = field(repr=False)
    expires_in: float
    refresh_token: str | None = field(default=None, repr=False)
    scope: str | None = None
    id_token: str | None = field(default=None, repr=False)

    @property
    def can_read_calendars(self) -> bool:
        """Whether the user has granted the scopes; without `scope` in the response all are granted (RFC 6749, 5.1)."""
        granted = set((self.scope or "").split())
        return self.scope is None or any(needed <= granted for needed in SUFFICIENT_SCOPES)

    @property
    def email(self) -> str | None:
        """The user's e-mail address from the id token, which needs no check of its signature: it came over TLS."""
        try:
            payload = (self.id_token or "").split(".")[1]
            claims = from_json(urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        except (IndexError, ValueError):
            return None
        return get_text(claims, "email") or None


@dataclass(eq=False)
class OAuthRefused(Exception):
    """An error response of the token endpoint: `error` is `invalid_grant` or another code, `subtype` refines it."""

    error: str
    subtype: str | None
    lacks_secret: bool
    """Whether Google reports that the client secret is missing."""


def authorization_url(
    endpoints: Endpoints, client: Client, redirect_uri: str, state: str, verifier: str, login_hint: str | None
) -> str:
    """Returns the page where the user signs in; `verifier` is PKCE's, and `login_hint` preselects a Google account.

    Call it in a thread: its first call imports a large package.
    """
    from google_auth_oauthlib.flow import Flow  # type: ignore[import-untyped]  # noqa: PLC0415 - slow to import

    google = Endpoints()
    config = {**asdict(client), "auth_uri": google.authorization, "token_uri": google.tokens}
    flow = Flow.from_client_config(
        {"installed": config}, scopes=SCOPES, redirect_uri=redirect_uri, state=state, code_verifier=verifier
    )
    hint = {} if login_hint is None else {"login_hint": login_hint}
    # Without prompt=consent, Google may return no refresh token.
    url, _ = flow.authorization_url(access_type="offline", prompt="consent", **hint)
    # The library rejects plain http, which a fake on loopback uses.
    return str(url).replace(google.authorization, endpoints.authorization, 1)


class GoogleOAuth:
    """Requests to the OAuth endpoints.  The methods raise `OAuthRefused` and `HttpError`."""

    def __init__(self, http: Http, endpoints: Endpoints) -> None:
        self._http = http
        self.endpoints = endpoints

    async def exchange(self, client: Client, *, code: str, verifier: str, redirect_uri: str) -> Grant:
        """Returns the tokens for an authorization code.  A code can be used only once, so this is not retried."""
        form = {"code": code, "code_verifier": verifier, "redirect_uri": redirect_uri}
        return await self._request_grant("authorization_code", client, form, repeatable=False)

    async def refresh(self, client: Client, refresh_token: str) -> Grant:
        return await self._request_grant("refresh_token", client, {"refresh_token": refresh_token}, repeatable=True)

    async def revoke(self, token: str) -> bool:
        """Revokes all that the user has granted to this app.  Returns whether it is revoked; raises nothing."""
        request = HttpRequest("POST", self.endpoints.revocation, WHAT, form={"token": token})
        with anyio.move_on_after(REVOKE_TIMEOUT_S):
            try:
                response = await self._http.send(request)
            except HttpError as error:
                log.warning("could not revoke a sign-in: %s", error)
            else:
                return response.status in (200, 400)  # 400: the token is already invalid
        return False

    async def user_email(self, access_token: str) -> str | None:
        """Requests the user's e-mail address, for a grant without an id token."""
        headers = {"authorization": f"Bearer {access_token}"}
        request = HttpRequest("GET", self.endpoints.userinfo, "Google's user information", headers=headers)
        response = await self._http.send(request)
        return (get_text(response.json(request.what), "email") or None) if response.status == 200 else None

    async def _request_grant(
        self, grant_type: str, client: Client, parameters: Mapping[str, str], *, repeatable: bool
    ) -> Grant:
        form = {"grant_type": grant_type, **parameters, **asdict(client)}
        response = await self._http.send(
            HttpRequest("POST", self.endpoints.tokens, WHAT, form=form, repeatable=repeatable)
        )
        body = response.json(WHAT)
        if response.status == 200:
            return _grant(body)
        refusal = get_text(body, "error")
        if response.status in (400, 401, 403) and refusal is not None:
            raise OAuthRefused(
                error_code(refusal) or "unknown",
                error_code(get_text(body, "error_subtype")),
                lacks_secret="client_secret" in (get_text(body, "error_description") or ""),
            )
        raise ServerUnreachable(f"HTTP {response.status}", WHAT)


def error_code(value: object) -> str | None:
    """Returns the value if it has the form of an error code; other text of a response may hold personal data."""
    return value if isinstance(value, str) and _CODE.fullmatch(value) else None


def _grant(body: Any) -> Grant:
    access_token = get_text(body, "access_token")
    if not access_token:
        raise BadResponse("the response has no token", WHAT)
    expires_in = get_number(body, "expires_in")
    return Grant(
        access_token,
        DEFAULT_LIFETIME_S if expires_in is None else expires_in,
        refresh_token=get_text(body, "refresh_token") or None,
        scope=get_text(body, "scope") or None,
        id_token=get_text(body, "id_token") or None,
    )
