"""Access tokens of Google accounts.

They are only in memory, and are refreshed a minute before they expire, by one request at a time per account.
"""

from collections import defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final

import anyio
from sidecar_protocol.accounts import AccountReason

from sidecar.accounts.account import AccountRefused, Verdict
from sidecar.calendar.accounts_store import CredentialsStore
from sidecar.calendar.google.oauth import Client, GoogleOAuth, Grant, OAuthRefused
from sidecar.calendar.provider import StoredAccount
from sidecar.clock import DAY_MS
from sidecar.json_reader import get_text
from sidecar.runtime import Runtime

EARLY_MS: Final = 60_000
"""A token that expires while a request is being sent would be rejected."""
TESTING_AGES_MS: Final = (round(6.5 * DAY_MS), 9 * DAY_MS)
"""The age of a sign-in that Google has ended after seven days, as it does for projects in status `Testing`."""
_RECONNECT: Final = "Connect the account again."

GetToken = Callable[[str | None], Awaitable[str]]
"""Returns the access token for a request; not the one of its argument, which the API has rejected."""


@dataclass(slots=True)
class _Tokens:
    lock: anyio.Lock = field(default_factory=anyio.Lock)
    refresh_tokens: list[str] = field(default_factory=list, repr=False)
    """All refresh tokens of this account, oldest first: a reader that has an older one uses the newest."""
    access_token: str = field(default="", repr=False)
    expires_ms: int = 0


class AccessTokens:
    """The access tokens of all Google accounts."""

    def __init__(self, runtime: Runtime, oauth: GoogleOAuth, client: Client, credentials: CredentialsStore) -> None:
        self._clock = runtime.clock
        self._committed = runtime.committed
        self._oauth = oauth
        self._client = client
        self._credentials = credentials
        self._accounts: defaultdict[str, _Tokens] = defaultdict(_Tokens)

    def add(self, account_id: str, grant: Grant, refresh_token: str) -> None:
        tokens = self._accounts[account_id]
        if refresh_token not in tokens.refresh_tokens:
            tokens.refresh_tokens.append(refresh_token)
        tokens.access_token = grant.access_token
        tokens.expires_ms = self._clock.now_ms() + round(grant.expires_in * 1_000) - EARLY_MS

    def discard(self, account_id: str) -> None:
        self._accounts.pop(account_id, None)

    async def get(self, account: StoredAccount, rejected: str | None) -> str:
        """Returns an access token that is valid for another minute.  Raises `AccountRefused` and `HttpError`."""
        refresh_token = get_text(account.credentials, "refresh_token")
        if not refresh_token:
            raise AccountRefused(
                AccountReason.TOKEN_MISSING, "The account has no refresh token.", _RECONNECT, Verdict.FINAL
            )
        tokens = self._accounts[account.account_id]
        async with tokens.lock:  # a request that waited here uses the token that the first one fetched
            if refresh_token not in tokens.refresh_tokens:  # the first request, or the account was connected again
                tokens.refresh_tokens.append(refresh_token)
                tokens.access_token = ""
            is_valid = tokens.expires_ms > self._clock.now_ms() and tokens.access_token != rejected
            if tokens.access_token and is_valid:
                return tokens.access_token
            current = tokens.refresh_tokens[-1]
            try:
                grant = await self._oauth.refresh(self._client_of(account), current)
            except OAuthRefused as refusal:
                raise self._refused(account, refusal) from None
            self.add(account.account_id, grant, grant.refresh_token or current)
            if grant.refresh_token not in (None, current):
                credentials = {**account.credentials, "refresh_token": grant.refresh_token}
                self._credentials.replace(account.account_id, credentials)
                await self._committed()  # before it is used: the old token may no longer be valid
            return grant.access_token

    def _client_of(self, account: StoredAccount) -> Client:
        """Returns the client that the refresh token was issued to, which the old backend stored with the account."""
        client_id = get_text(account.credentials, "client_id")
        if client_id is None or client_id == self._client.client_id:
            return self._client
        return Client(client_id, get_text(account.credentials, "client_secret") or self._client.client_secret)

    def _refused(self, account: StoredAccount, refusal: OAuthRefused) -> AccountRefused:
        if refusal.error == "invalid_client" or refusal.lacks_secret:
            message = "Google rejected the app's client id and secret."
            hint = "Check GOOGLE_CLIENT_ID and GOOGLE_CLIENT_SECRET, then connect the account again."
            return AccountRefused(AccountReason.CLIENT_REJECTED, message, hint)
        if refusal.subtype == "invalid_rapt":
            message = "The Google account's organisation requires a new sign-in from time to time."
            return AccountRefused(AccountReason.SESSION_ENDED, message, _RECONNECT, Verdict.FINAL)
        if refusal.error != "invalid_grant":
            message = f"Google did not renew the sign-in ({refusal.error})."
            return AccountRefused(AccountReason.TOKEN_REFUSED, message, _RECONNECT)
        if self._has_testing_age(account):
            hint = (
                "Google ends sign-ins after seven days if the consent screen of the Google Cloud project is External "
                "and in status Testing: publish the app there, then connect the account again."
            )
            message = "Google has ended the sign-in after seven days."
            return AccountRefused(AccountReason.TOKEN_EXPIRED, message, hint, Verdict.FINAL)
        message = "Google has ended the sign-in: it was revoked, or not used for six months."
        return AccountRefused(AccountReason.TOKEN_REVOKED, message, _RECONNECT, Verdict.FINAL)

    def _has_testing_age(self, account: StoredAccount) -> bool:
        if account.signed_in_ms is None:
            return False
        return TESTING_AGES_MS[0] <= self._clock.now_ms() - account.signed_in_ms <= TESTING_AGES_MS[1]
