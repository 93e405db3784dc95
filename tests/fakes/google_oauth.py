"""State and rules of Google's OAuth endpoints, without HTTP: consent, codes with PKCE, tokens, revocation."""

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
CLIENT_SECRET = "GOCSPX-of-the-tests"  # noqa: S105 - a fake
LIFETIME_S = 3_599


@dataclass
class Consent:
    """The user's response on Google's consent page."""

    email: str = "ada@example.com"
    error: str | None = None
    """The error that the page returns: `access_denied`, `admin_policy_enforced`."""
    unticked: frozenset[str] = frozenset()
    """Suffixes of the scopes that the user refuses: `calendar.events.readonly`."""


@dataclass
class Code:
    """An authorization code, valid for one exchange."""

    email: str
    scopes: tuple[str, ...]
    challenge: str
    redirect_uri: str
    until: datetime


@dataclass
class Grant:
    """The grant of a user, with all its tokens."""

    email: str
    scopes: tuple[str, ...]
    refresh_token: str
    alive: bool = True
    access_tokens: dict[str, datetime] = field(default_factory=dict)


class OAuthError(Exception):
    """An error response of the token endpoint."""

    def __init__(self, status: int, error: str, description: str = "", **more: str) -> None:
        super().__init__(error)
        self.status = status
        self.body = {"error": error, "error_description": description or error, **more}


class FakeOAuth:
    """All grants."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._codes: dict[str, Code] = {}
        self.grants: list[Grant] = []
        self.consent = Consent()
        self.rotates = False
        """Whether each refresh returns a new refresh token and revokes the old one."""
        self.gives_id_token = True
        self.refreshes = 0
        self.refusal: OAuthError | None = None
        """The error that answers every refresh."""
        self.issued: list[str] = []
        """Every code and token ever issued."""
        self.violations: list[str] = []
        """Errors in the client's authorization requests."""

    def authorize(self, query: Mapping[str, str]) -> str:
        """`GET /o/oauth2/v2/auth`: returns the redirect after the user's `consent`."""
        redirect = urlsplit(query.get("redirect_uri", ""))
        wanted = {
            "client_id": CLIENT_ID,
            "response_type": "code",
            "code_challenge_method": "S256",
            "access_type": "offline",
            "prompt": "consent",
        }
        self.violations += [f"{key} is {query.get(key)}" for key, value in wanted.items() if query.get(key) != value]
        if redirect.hostname not in ("127.0.0.1", "::1", "localhost") or len(query.get("state", "")) < 32:
            self.violations.append("redirect_uri or state is wrong")
        email = query.get("login_hint") or self.consent.email  # Google returns the spelling of the account's owner
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
        answer = self.issue_token(grant) | {"refresh_token": grant.refresh_token}
        if self.gives_id_token and "openid" in code.scopes:
            answer["id_token"] = self._id_token(code.email)
        return answer

    def revoke(self, token: str) -> bool:
        """`POST /revoke`: revokes all grants of this user."""
        found = next(
            (one for one in self.grants if one.alive and token in (one.refresh_token, *one.access_tokens)), None
        )
        if found is None:
            return False
        self.revoke_user(found.email)
        return True

    def revoke_user(self, email: str) -> None:
        """Revokes all grants of a user, as on Google's account page."""
        for grant in self.grants:
            if grant.email == email:
                grant.alive = False
                grant.access_tokens.clear()

    def expire_access_tokens(self) -> None:
        """Revokes all access tokens before they expire."""
        for grant in self.grants:
            grant.access_tokens.clear()

    def grant_of(self, access_token: str) -> Grant | None:
        """Returns the grant of a valid access token, or None."""
        for grant in self.grants:
            until = grant.access_tokens.get(access_token)
            if until is not None and until > self._now():
                return grant
        return None

    def add_grant(self, email: str, scopes: tuple[str, ...]) -> Grant:
        """Adds a grant without a sign-in."""
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
        answer = self.issue_token(grant)
        if self.rotates:
            grant.refresh_token = self._secret("1//0")
            answer["refresh_token"] = grant.refresh_token
        return answer

    def issue_token(self, grant: Grant) -> dict[str, Any]:
        """Issues an access token; returns the response of the token endpoint."""
        token = self._secret("ya29.")
        grant.access_tokens[token] = self._now() + timedelta(seconds=LIFETIME_S)
        scope = " ".join(grant.scopes)
        return {"access_token": token, "expires_in": LIFETIME_S, "scope": scope, "token_type": "Bearer"}

    def _id_token(self, email: str) -> str:
        parts = [{"alg": "none"}, {"email": email, "sub": hashlib.sha256(email.encode()).hexdigest()[:21]}]
        coded = [base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts]
        return ".".join([*coded, "signature"])

    def _secret(self, prefix: str) -> str:
        secret = prefix + secrets.token_urlsafe(32)
        self.issued.append(secret)
        return secret
