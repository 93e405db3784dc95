"""Access tokens: only ever in memory, refreshed a minute before their end, by one request an account at a time."""

from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

import anyio

from sidecar.accounts import AccountRefused
from sidecar.calendar.google.oauth import Client, GoogleOAuth, Grant, OAuthRefused
from sidecar.calendar.provider import StoredAccount
from sidecar.clock import DAY_MS, Clock

EARLY_MS: Final = 60_000
"""A token that ends while a request is under way would be refused."""
TESTING_MS: Final = (round(6.5 * DAY_MS), 9 * DAY_MS)
"""How old a sign-in is when Google ends it after seven days, as it does for projects in `Testing`."""
Keep = Callable[[str, Mapping[str, Any]], None]
"""account id, credentials: stores them."""


@dataclass(slots=True)
class _Entry:
    lock: anyio.Lock = field(default_factory=anyio.Lock)
    refresh_tokens: list[str] = field(default_factory=list, repr=False)
    """All that were ever given for this account, the newest last: whoever holds an older one is served by that."""
    access_token: str = field(default="", repr=False)
    until_ms: int = 0


class TokenSource(Protocol):
    """Where a request's access token comes from."""

    async def token(self, refused: str | None = None) -> str:
        """A token; another one than `refused`, which the API did not take."""


class FixedToken:
    """The token of a sign-in that is no account yet."""

    def __init__(self, access_token: str) -> None:
        self._access_token = access_token

    async def token(self, refused: str | None = None) -> str:
        """See `TokenSource`; there is no other."""
        del refused
        return self._access_token


class AccessTokens:
    """The access tokens of all Google accounts."""

    def __init__(
        self,
        oauth: GoogleOAuth,
        client: Client,
        clock: Clock,
        *,
        keep: Keep,
        committed: Callable[[], Awaitable[None]],
    ) -> None:
        self._oauth = oauth
        self._client = client
        self._clock = clock
        self._keep = keep
        self._committed = committed
        self._entries: defaultdict[str, _Entry] = defaultdict(_Entry)

    def learn(self, account_id: str, grant: Grant, refresh_token: str) -> None:
        """A sign-in has just brought this token."""
        entry = self._entries[account_id]
        if refresh_token not in entry.refresh_tokens:
            entry.refresh_tokens.append(refresh_token)
        entry.access_token = grant.access_token
        entry.until_ms = self._clock.now_ms() + round(grant.expires_in * 1_000) - EARLY_MS

    def forget(self, account_id: str) -> None:
        """The account is gone."""
        self._entries.pop(account_id, None)

    def of(self, account: StoredAccount) -> TokenSource:
        """The account's tokens."""
        return _AccountToken(self, account)

    async def get(self, account: StoredAccount, refused: str | None) -> str:
        """An access token that holds for another minute at least.  Raises `AccountRefused` and `HttpTrouble`."""
        refresh_token = account.credentials.get("refresh_token")
        if not isinstance(refresh_token, str) or not refresh_token:
            raise AccountRefused("token_missing", "The account has no sign-in of Google's.", "Connect the account.")
        entry = self._entries[account.account_id]
        async with entry.lock:  # whoever waited here finds the token that the first one fetched
            if refresh_token not in entry.refresh_tokens:  # the first time, or connected anew with a token at hand
                entry.refresh_tokens.append(refresh_token)
                entry.access_token = ""
            is_fresh = entry.until_ms > self._clock.now_ms() and entry.access_token != refused
            if entry.access_token and is_fresh:
                return entry.access_token
            current = entry.refresh_tokens[-1]
            try:
                grant = await self._oauth.refresh(self._client_of(account), current)
            except OAuthRefused as refusal:
                raise self._refused(account, refusal) from None
            self.learn(account.account_id, grant, grant.refresh_token or current)
            if grant.refresh_token not in (None, current):
                self._keep(account.account_id, {**account.credentials, "refresh_token": grant.refresh_token})
                await self._committed()  # before it is used: the old one may be dead from now on
            return grant.access_token

    def _client_of(self, account: StoredAccount) -> Client:
        """A token belongs to the client that it was given to: the old backend stored that one beside it."""
        client_id, secret = account.credentials.get("client_id"), account.credentials.get("client_secret")
        if not isinstance(client_id, str) or client_id == self._client.client_id:
            return self._client
        return Client(client_id, secret if isinstance(secret, str) else self._client.client_secret)

    def _refused(self, account: StoredAccount, refusal: OAuthRefused) -> AccountRefused:
        if refusal.error == "invalid_client" or refusal.lacks_secret:
            message = "Google does not accept the app's client id and secret."
            return AccountRefused(
                "client_rejected", message, "Check GOOGLE_CLIENT_ID and GOOGLE_CLIENT_SECRET, then connect again."
            )
        if refusal.subtype == "invalid_rapt":
            message = "The organisation asks for a new sign-in at Google from time to time."
            return AccountRefused("session_ended", message, "Connect the account again.")
        if refusal.error != "invalid_grant":
            message = f"Google refused to renew the sign-in ({refusal.error})."
            return AccountRefused("token_refused", message, "Connect the account again.")
        if self._is_of_testing_age(account):
            message = "Google has ended the sign-in after seven days."
            hint = (
                "It does so while the Google Cloud project's consent screen is External and in status Testing: publish "
                "the app there, and connect the account again."
            )
            return AccountRefused("token_expired", message, hint)
        message = "Google has ended the sign-in: it was revoked, or was not used for six months."
        return AccountRefused("token_revoked", message, "Connect the account again.")

    def _is_of_testing_age(self, account: StoredAccount) -> bool:
        if account.signed_in_ms is None:
            return False
        return TESTING_MS[0] <= self._clock.now_ms() - account.signed_in_ms <= TESTING_MS[1]


class _AccountToken:
    """See `TokenSource`."""

    def __init__(self, tokens: AccessTokens, account: StoredAccount) -> None:
        self._tokens = tokens
        self._account = account

    async def token(self, refused: str | None = None) -> str:
        """See `TokenSource`."""
        return await self._tokens.get(self._account, refused)
