"""OAuth 2.0 at Google, for an installed app: the address to sign in at, and what the token endpoint says.

google-auth-oauthlib builds the address.  It would talk to the endpoint by `requests`, which blocks, and raise a bare
`Warning` where the user unticked a permission; so that is done by our own client.
"""

import logging
import re
from base64 import urlsafe_b64decode
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import anyio
from pydantic_core import from_json

from sidecar.http.client import BadResponse, Http, HttpError, HttpRequest, HttpResponse, ServerUnreachable

log = logging.getLogger(__name__)

CALENDARS: Final = "https://www.googleapis.com/auth/calendar.calendarlist.readonly"
EVENTS: Final = "https://www.googleapis.com/auth/calendar.events.readonly"
SCOPES: Final = ("openid", "https://www.googleapis.com/auth/userinfo.email", CALENDARS, EVENTS)
"""The least that is needed.  Whole addresses: Google gives `email` back as one."""
SUFFICIENT: Final = (
    frozenset({CALENDARS, EVENTS}),
    frozenset({"https://www.googleapis.com/auth/calendar.readonly"}),
    frozenset({"https://www.googleapis.com/auth/calendar"}),
)
"""Any of these lets calendars be read: the old backend asked for more."""
REVOKE_S: Final = 15.0
"""Taking a sign-in back is a courtesy; nobody waits longer for it."""
_WORD: Final = re.compile(r"[A-Za-z_]{1,64}")


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Google's addresses; as its discovery documents name them."""

    authorization: str = "https://accounts.google.com/o/oauth2/v2/auth"
    tokens: str = "https://oauth2.googleapis.com/token"
    revocation: str = "https://oauth2.googleapis.com/revoke"
    userinfo: str = "https://openidconnect.googleapis.com/v1/userinfo"
    calendar: str = "https://www.googleapis.com/calendar/v3"

    @classmethod
    def at(cls, base: str | None) -> "Endpoints":
        """All of them at another place, which stands in for Google in tests; None: Google's own."""
        if base is None:
            return cls()
        return cls(
            f"{base}/o/oauth2/v2/auth", f"{base}/token", f"{base}/revoke", f"{base}/v1/userinfo", f"{base}/calendar/v3"
        )


@dataclass(frozen=True, slots=True)
class Client:
    """The app, as it is registered with Google."""

    client_id: str
    client_secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Grant:
    """What the token endpoint gives; `expires_in` in seconds."""

    access_token: str = field(repr=False)
    expires_in: float
    refresh_token: str | None = field(default=None, repr=False)
    scope: str | None = None
    id_token: str | None = field(default=None, repr=False)

    @property
    def reads_calendars(self) -> bool:
        """Whether the user has ticked what is needed.  No word of scopes: all that was asked (RFC 6749 §5.1)."""
        granted = set((self.scope or "").split())
        return self.scope is None or any(needed <= granted for needed in SUFFICIENT)

    @property
    def email(self) -> str | None:
        """Whose it is.  The id token came straight from Google over TLS, so its signature need not be checked."""
        try:
            payload = (self.id_token or "").split(".")[1]
            claims = from_json(urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        except (IndexError, ValueError):
            return None
        email = claims.get("email") if isinstance(claims, dict) else None
        return email if isinstance(email, str) and email else None


class OAuthRefused(Exception):
    """The token endpoint said no; `error` and `subtype` are its own words, `invalid_grant` say."""

    def __init__(self, error: str, subtype: str | None, *, lacks_secret: bool) -> None:
        super().__init__(f"Google refused: {error}")
        self.error = error
        self.subtype = subtype
        self.lacks_secret = lacks_secret


def authorization_url(
    endpoints: Endpoints, client: Client, *, redirect_uri: str, state: str, verifier: str, login_hint: str | None
) -> str:
    """Where the user signs in.  Slow at its first call: call it in a thread.

    `prompt=consent`: only then is a new refresh token sure to come.
    """
    from google_auth_oauthlib.flow import Flow  # type: ignore[import-untyped]  # noqa: PLC0415 - slow to import

    google = Endpoints()
    config = {
        "client_id": client.client_id,
        "client_secret": client.client_secret,
        "auth_uri": google.authorization,
        "token_uri": google.tokens,
    }
    flow = Flow.from_client_config(
        {"installed": config}, scopes=SCOPES, redirect_uri=redirect_uri, state=state, code_verifier=verifier
    )
    hint = {} if login_hint is None else {"login_hint": login_hint}
    url, _ = flow.authorization_url(access_type="offline", prompt="consent", **hint)
    # The library takes no plain http, not even on loopback, where tests have their Google.
    return str(url).replace(google.authorization, endpoints.authorization, 1)


class GoogleOAuth:
    """The token endpoint.  Raises `OAuthRefused`, and `HttpError` where there is no telling."""

    def __init__(self, http: Http, endpoints: Endpoints) -> None:
        self._http = http
        self.endpoints = endpoints

    async def exchange(self, client: Client, *, code: str, verifier: str, redirect_uri: str) -> Grant:
        """The tokens for a code, which is good for one call."""
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "code_verifier": verifier,
            "redirect_uri": redirect_uri,
        }
        return await self._grant(client, form, repeatable=False)

    async def refresh(self, client: Client, refresh_token: str) -> Grant:
        """A new access token."""
        return await self._grant(client, {"grant_type": "refresh_token", "refresh_token": refresh_token})

    async def revoke(self, token: str) -> bool:
        """Take back all that the user has granted this app; whether it is taken back now.  Raises nothing."""
        request = HttpRequest("POST", self.endpoints.revocation, "Google's sign-in", form={"token": token})
        with anyio.move_on_after(REVOKE_S):
            try:
                response = await self._http.send(request)
            except HttpError as trouble:
                log.warning("a sign-in could not be taken back: %s", trouble)
            else:
                return response.status in (200, 400)  # 400: it was dead already
        return False

    async def whose(self, access_token: str) -> str | None:
        """The e-mail address, where no id token told it."""
        headers = {"authorization": f"Bearer {access_token}"}
        response = await self._http.send(
            HttpRequest("GET", self.endpoints.userinfo, "Google's user information", headers=headers)
        )
        found = response.json() if response.status == 200 else {}
        email = found.get("email") if isinstance(found, dict) else None
        return email if isinstance(email, str) and email else None

    async def _grant(self, client: Client, form: Mapping[str, str], *, repeatable: bool = True) -> Grant:
        secrets = {"client_id": client.client_id, "client_secret": client.client_secret}
        what = "Google's sign-in"
        response = await self._http.send(
            HttpRequest("POST", self.endpoints.tokens, what, form={**form, **secrets}, repeatable=repeatable)
        )
        answer = _object(response, what)
        if response.status == 200:
            return _grant_of(answer, what)
        error = answer.get("error")
        if response.status in (400, 401, 403) and isinstance(error, str):
            subtype = answer.get("error_subtype")
            raise OAuthRefused(
                word(error) or "unknown",
                word(subtype),
                lacks_secret="client_secret" in str(answer.get("error_description")),
            )
        raise ServerUnreachable(f"answered {response.status}", what)


def word(value: Any) -> str | None:
    """A vendor's word for programs; whatever is none is not repeated, since it may be anything."""
    return value if isinstance(value, str) and _WORD.fullmatch(value) else None


def _object(response: HttpResponse, what: str) -> dict[str, Any]:
    try:
        answer = response.json()
    except BadResponse as trouble:
        raise BadResponse(trouble.reason, what) from None
    if not isinstance(answer, dict):
        raise BadResponse("the response has an unexpected structure", what)
    return answer


def _grant_of(answer: Mapping[str, Any], what: str) -> Grant:
    access_token, expires_in = answer.get("access_token"), answer.get("expires_in", 3_599)
    if not isinstance(access_token, str) or not access_token or not isinstance(expires_in, int | float):
        raise BadResponse("the response has no token", what)
    texts = {name: answer.get(name) for name in ("refresh_token", "scope", "id_token")}
    return Grant(access_token, expires_in, **{name: one for name, one in texts.items() if isinstance(one, str) and one})
