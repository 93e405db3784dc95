"""Google's OAuth endpoints and their memory, without the HTTP: consent, codes with PKCE, tokens, revocation."""

import base64
import hashlib
import json
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode, urlsplit

CLIENT_ID = "sidecar-tests.apps.googleusercontent.com"
CLIENT_SECRET = "GOCSPX-of-the-tests"  # noqa: S105 - it guards nothing
LIFETIME_S = 3_599


@dataclass
class Consent:
    """What the person in front of Google's page does."""

    email: str = "ada@example.com"
    error: str | None = None
    """What the page ends with instead: `access_denied`, `admin_policy_enforced`."""
    unticked: frozenset[str] = frozenset()
    """Ends of the scopes that are refused (granular consent): `calendar.events.readonly`."""


@dataclass
class Code:
    """An authorization code, good for one exchange."""

    email: str
    scopes: tuple[str, ...]
    challenge: str
    redirect_uri: str
    until: datetime


@dataclass
class Grant:
    """What a user has granted, with all tokens that came of it."""

    email: str
    scopes: tuple[str, ...]
    refresh_token: str
    alive: bool = True
    access_tokens: dict[str, datetime] = field(default_factory=dict)


class OAuthError(Exception):
    """An error of the token endpoint's."""

    def __init__(self, status: int, error: str, description: str = "", **more: str) -> None:
        super().__init__(error)
        self.status = status
        self.body = {"error": error, "error_description": description or error, **more}


class FakeOAuth:
    """All sign-ins."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._codes: dict[str, Code] = {}
        self.grants: list[Grant] = []
        self.consent = Consent()
        self.rotates = False
        """Whether each refresh brings a new refresh token and kills the old one."""
        self.gives_id_token = True
        self.refreshes = 0
        self.refusal: OAuthError | None = None
        """What every refresh is answered with."""
        self.issued: list[str] = []
        """Everything secret that was ever given out, codes too."""
        self.problems: list[str] = []
        """What a client asked wrongly of the page where people sign in."""

    def authorize(self, query: Mapping[str, str]) -> str:
        """`GET /o/oauth2/v2/auth`: where the browser goes next.  The person's mind is made up (`consent`)."""
        redirect = urlsplit(query.get("redirect_uri", ""))
        wanted = {
            "client_id": CLIENT_ID,
            "response_type": "code",
            "code_challenge_method": "S256",
            "access_type": "offline",
            "prompt": "consent",
        }
        self.problems += [f"{key} is {query.get(key)}" for key, value in wanted.items() if query.get(key) != value]
        if redirect.hostname not in ("127.0.0.1", "::1", "localhost") or len(query.get("state", "")) < 32:
            self.problems.append("redirect_uri or state are not as they should be")
        email = query.get("login_hint") or self.consent.email  # Google tells it as its owner has once written it
        answer = {"state": query.get("state", "")}
        if self.consent.error is not None:
            return f"{query['redirect_uri']}?{urlencode({**answer, 'error': self.consent.error})}"
        scopes = tuple(
            scope
            for scope in query.get("scope", "").split()
            if not any(scope.endswith(name) for name in self.consent.unticked)
        )
        code = self._secret("4/0A")
        until = self._now() + timedelta(minutes=10)
        self._codes[code] = Code(email, scopes, query.get("code_challenge", ""), query["redirect_uri"], until)
        return f"{query['redirect_uri']}?{urlencode({**answer, 'code': code, 'scope': ' '.join(scopes)})}"

    def token(self, form: Mapping[str, str]) -> dict[str, Any]:
        """`POST /token`."""
        if "client_secret" not in form:
            raise OAuthError(400, "invalid_request", "client_secret is missing.")
        if (form.get("client_id"), form["client_secret"]) != (CLIENT_ID, CLIENT_SECRET):
            raise OAuthError(401, "invalid_client", "The OAuth client was not found.")
        if form.get("grant_type") == "refresh_token":
            return self._refresh(form.get("refresh_token", ""))
        code = self._codes.pop(form.get("code", ""), None)
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).decode().rstrip("=")
        if code is None or code.until < self._now() or code.challenge != challenge:
            raise OAuthError(400, "invalid_grant", "Bad Request")
        if code.redirect_uri != form.get("redirect_uri"):
            raise OAuthError(400, "redirect_uri_mismatch", "Bad Request")
        grant = Grant(code.email, code.scopes, self._secret("1//0"))
        self.grants.append(grant)
        answer = self.open(grant) | {"refresh_token": grant.refresh_token}
        if self.gives_id_token and "openid" in code.scopes:
            answer["id_token"] = self._id_token(code.email)
        return answer

    def revoke(self, token: str) -> bool:
        """`POST /revoke`: all that this user has granted ends."""
        found = next(
            (one for one in self.grants if one.alive and token in (one.refresh_token, *one.access_tokens)), None
        )
        if found is None:
            return False
        self.end(found.email)
        return True

    def end(self, email: str) -> None:
        """The user takes everything back, as on Google's own page."""
        for grant in self.grants:
            if grant.email == email:
                grant.alive = False
                grant.access_tokens.clear()

    def expire_access_tokens(self) -> None:
        """All access tokens end now, earlier than was said."""
        for grant in self.grants:
            grant.access_tokens.clear()

    def grant_of(self, access_token: str) -> Grant | None:
        """Whose token this is; None: nobody's that is alive."""
        for grant in self.grants:
            until = grant.access_tokens.get(access_token)
            if until is not None and until > self._now():
                return grant
        return None

    def give(self, email: str, scopes: tuple[str, ...]) -> Grant:
        """A sign-in that was made elsewhere."""
        grant = Grant(email, scopes, self._secret("1//0"))
        self.grants.append(grant)
        return grant

    def _refresh(self, token: str) -> dict[str, Any]:
        self.refreshes += 1
        if self.refusal is not None:
            raise self.refusal
        grant = next((one for one in self.grants if one.alive and one.refresh_token == token), None)
        if grant is None:
            raise OAuthError(400, "invalid_grant", "Token has been expired or revoked.")
        answer = self.open(grant)
        if self.rotates:
            grant.refresh_token = self._secret("1//0")
            answer["refresh_token"] = grant.refresh_token
        return answer

    def open(self, grant: Grant) -> dict[str, Any]:
        """An access token of a grant, as the token endpoint gives it."""
        token = self._secret("ya29.")
        grant.access_tokens[token] = self._now() + timedelta(seconds=LIFETIME_S)
        scope = " ".join(grant.scopes)
        return {"access_token": token, "expires_in": LIFETIME_S, "scope": scope, "token_type": "Bearer"}

    def _id_token(self, email: str) -> str:
        parts = [{"alg": "none"}, {"email": email, "sub": hashlib.sha256(email.encode()).hexdigest()[:21]}]
        coded = [base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts]
        return ".".join([*coded, "signature"])

    def _secret(self, prefix: str) -> str:
        made = prefix + secrets.token_urlsafe(32)
        self.issued.append(made)
        return made
