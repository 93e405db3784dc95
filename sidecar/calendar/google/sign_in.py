"""`calendar.oauth.google.*`: a sign-in from its start to the account, over restarts."""

import logging
from base64 import urlsafe_b64encode
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qs, urlsplit

from anyio import to_thread
from sidecar_protocol.calendar.accounts import CalendarUnreachable
from sidecar_protocol.calendar.calendars import CalendarAccount
from sidecar_protocol.calendar.google_sign_in import (
    GoogleClientMissing,
    GoogleClientRejected,
    GoogleSignIn,
    SignInAccountMismatch,
    SignInBlocked,
    SignInDenied,
    SignInExpired,
    SignInFailed,
    SignInIncomplete,
    SignInReturned,
    SignInScopeMissing,
    SignInStarted,
    SignInStatus,
    SignInUnknown,
    SignInUsed,
)
from sidecar_protocol.contract import RpcError
from sidecar_protocol.errors import InvalidParams

from sidecar.accounts import AccountRefused
from sidecar.calendar.accounts import Accounts
from sidecar.calendar.changes import Books
from sidecar.calendar.google.oauth import Client, GoogleOAuth, Grant, OAuthRefused, authorization_url
from sidecar.calendar.google.provider import GoogleProvider
from sidecar.calendar.google.sign_ins_store import SignIn, SignInsStore, Stage
from sidecar.calendar.google.tokens import AccessTokens, FixedToken
from sidecar.calendar.provider import ConnectedAccount, RemoteCalendar
from sidecar.calendar.sealed import CODE, VERIFIER
from sidecar.clock import iso, iso_now
from sidecar.http.client import HttpError
from sidecar.job_handler import JobFailed, JobSnoozed
from sidecar.loopback import is_loopback
from sidecar.storage.secrets import SecretUnreadable, Vault

log = logging.getLogger(__name__)

SIGN_IN_MS: Final = 10 * 60_000
"""Google's codes live for ten minutes."""
RANDOM_BYTES: Final = 48
"""64 characters: RFC 7636 §4.1 wants 43 to 128 for a verifier."""
BLOCKED: Final = frozenset({"admin_policy_enforced", "org_internal"})
_AGAIN: Final = "Start the sign-in again."


@dataclass(frozen=True, slots=True)
class Google:
    """The parts of the Google connection that a sign-in uses."""

    client: Client
    oauth: GoogleOAuth
    tokens: AccessTokens
    provider: GoogleProvider


class GoogleSignInService(GoogleSignIn):
    """Sign-ins, as clients make them."""

    def __init__(
        self,
        store: SignInsStore,
        accounts: Accounts,
        books: Books,
        vault: Vault,
        google: Callable[[], Google | None],
        randomness: Callable[[int], bytes],
    ) -> None:
        """`google` gives None where no OAuth client is configured.

        `randomness` makes the state and the verifier, which guard the sign-in: only a replay may foretell them.
        """
        self._store = store
        self._accounts = accounts
        self._books = books
        self._vault = vault
        self._google = google
        self._randomness = randomness

    async def start(
        self, *, redirect_uri: str, login_hint: str | None = None, account_id: str | None = None
    ) -> SignInStarted:
        _check_redirect(redirect_uri)
        if account_id is not None:
            account = self._accounts.get(account_id)
            if account.provider != "google":
                raise InvalidParams(details=[{"path": "account_id", "message": "must be an account of Google's"}])
            login_hint = account.email
        google = self._ready()
        state, verifier = self._random(), self._random()
        url = await to_thread.run_sync(
            lambda: authorization_url(
                google.oauth.endpoints,
                google.client,
                redirect_uri=redirect_uri,
                state=state,
                verifier=verifier,
                login_hint=login_hint,
            )
        )
        now_ms = self._books.clock.now_ms()
        expires_at = iso(now_ms + SIGN_IN_MS)
        with self._books.database.write():
            self._store.add(
                state,
                verifier=self._vault.seal(verifier, VERIFIER, state),
                redirect_uri=redirect_uri,
                account_id=account_id,
                now_ms=now_ms,
                expires_at=expires_at,
            )
        return SignInStarted(authorization_url=url, state=state, expires_at=expires_at)

    async def callback(
        self, *, url: str | None = None, state: str | None = None, code: str | None = None, error: str | None = None
    ) -> SignInReturned:
        if url is not None:
            state, code, error = _redirected(url)
        if not state or not (code or error):
            message = "must be the redirect's URL, or its state with its code or error"
            raise InvalidParams(details=[{"path": "url", "message": message}])
        self._get(state, Stage.STARTED)
        sealed = None if error or code is None else self._vault.seal(code, CODE, state)
        with self._books.database.write():
            self._store.returned(state, code=sealed, error=error)
        return SignInReturned(state=state, status=SignInStatus.REFUSED if sealed is None else SignInStatus.AUTHORIZED)

    async def complete(self, *, state: str) -> CalendarAccount:
        sign_in = self._get(state, Stage.AUTHORIZED, Stage.REFUSED)
        google = self._ready()
        if sign_in.stage == Stage.REFUSED:
            self._spend(state)
            raise _refused(sign_in.error or "")
        try:
            code = self._vault.open(sign_in.code or "", CODE, state)
            verifier = self._vault.open(sign_in.verifier, VERIFIER, state)
        except SecretUnreadable:
            raise SignInExpired("The sign-in was begun with another key.", hint=_AGAIN) from None
        with self._books.database.write():
            self._store.move(state, Stage.COMPLETING)  # from now on nobody else completes it
        await self._books.committed()
        try:
            account = await self._exchange(google, sign_in, code, verifier)
        except CalendarUnreachable:
            with self._books.database.write():
                self._store.move(state, Stage.AUTHORIZED)
            raise
        except BaseException:
            self._spend(state)
            raise
        self._spend(state)
        return account

    async def _exchange(self, google: Google, sign_in: SignIn, code: str, verifier: str) -> CalendarAccount:
        try:
            grant = await google.oauth.exchange(
                google.client, code=code, verifier=verifier, redirect_uri=sign_in.redirect_uri
            )
            email = grant.email or await google.oauth.whose(grant.access_token)
        except OAuthRefused as refusal:
            raise _not_exchanged(refusal.error, lacks_secret=refusal.lacks_secret) from None
        except HttpError as trouble:
            raise CalendarUnreachable(f"{trouble}.", hint="Complete the sign-in again.") from None
        problem = self._problem(grant, email, sign_in)
        if problem is not None:
            if email is None or self._accounts.with_email("google", email) is None:
                await google.oauth.revoke(grant.refresh_token or grant.access_token)
            raise problem
        assert email is not None
        assert grant.refresh_token is not None
        calendars = await _calendars(google, grant)
        existing = self._accounts.with_email("google", email)
        credentials = {"refresh_token": grant.refresh_token, "client_id": google.client.client_id}
        account = self._accounts.connect(
            "google",
            ConnectedAccount(email, credentials, calendars=calendars),
            account_id=sign_in.account_id or (existing.account_id if existing is not None else None),
        )
        connected = account.load()
        google.tokens.learn(connected.account_id, grant, grant.refresh_token)
        return connected

    def _problem(self, grant: Grant, email: str | None, sign_in: SignIn) -> RpcError | None:
        """What keeps a grant from becoming an account."""
        if not grant.reads_calendars:
            return SignInScopeMissing(hint=f"{_AGAIN} Leave the calendar's permissions ticked on Google's page.")
        if email is None or grant.refresh_token is None:
            return SignInFailed("Google gave a sign-in without an e-mail address or a lasting token.", hint=_AGAIN)
        if sign_in.account_id is not None:
            wanted = self._accounts.get(sign_in.account_id).email
            if wanted.casefold() != email.casefold():
                return SignInAccountMismatch(hint=f"Sign in as {wanted}, or connect the other one as a new account.")
        return None

    def _get(self, state: str, *stages: Stage) -> SignIn:
        """A sign-in that is at one of these stages; raises what is wrong with it otherwise."""
        sign_in = self._store.get(state)
        if sign_in is None:
            raise SignInUnknown(hint=_AGAIN)
        if sign_in.stage not in stages and sign_in.stage != Stage.STARTED:
            raise SignInUsed(hint=_AGAIN)
        if sign_in.expires_at <= iso_now(self._books.clock):
            raise SignInExpired(hint=_AGAIN)
        if sign_in.stage not in stages:
            raise SignInIncomplete(hint="Hand the redirect to calendar.oauth.google.callback first.")
        return sign_in

    def _ready(self) -> Google:
        google = self._google()
        if google is None:
            raise GoogleClientMissing(hint="It is an OAuth client of type Desktop of a Google Cloud project.")
        return google

    def _spend(self, state: str) -> None:
        with self._books.database.write():
            self._store.spend(state)

    def _random(self) -> str:
        return urlsafe_b64encode(self._randomness(RANDOM_BYTES)).decode()


async def _calendars(google: Google, grant: Grant) -> list[RemoteCalendar]:
    """The calendars at once, so that there is something to see; what goes wrong here the first sync tells."""
    try:
        return await google.provider.reader(FixedToken(grant.access_token)).list_calendars()
    except (AccountRefused, JobFailed, JobSnoozed) as trouble:
        log.warning("the calendars of a new account could not be listed: %s", trouble.message)
        return []


def _check_redirect(uri: str) -> None:
    """Google calls a desktop app on loopback only (RFC 8252 §7.3), on any port."""
    try:
        parts = urlsplit(uri)
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    if (parts.scheme, is_loopback(parts.hostname)) != ("http", True) or not port or parts.query or parts.fragment:
        message = "must be http://127.0.0.1:<port>, with a path if need be, and nothing behind it"
        raise InvalidParams(details=[{"path": "redirect_uri", "message": message}])


def _redirected(url: str) -> tuple[str | None, str | None, str | None]:
    """state, code and error of a redirect."""
    try:
        query = parse_qs(urlsplit(url).query, max_num_fields=50)
    except ValueError:
        return None, None, None
    state, code, error = (query.get(name, [None])[0] for name in ("state", "code", "error"))
    return state, code, None if error is None else error[:200]


def _refused(error: str) -> RpcError:
    """What Google's page said (developers.google.com/identity/protocols/oauth2/native-app, its errors)."""
    if error == "access_denied":
        return SignInDenied(hint=f"{_AGAIN} Choose Continue on Google's page.")
    if error in BLOCKED:
        hint = "An administrator can allow the app in the Google Workspace console, under API controls."
        return SignInBlocked(hint=hint, details=[{"error": error}])
    return _not_exchanged(error, lacks_secret=False)


def _not_exchanged(error: str, *, lacks_secret: bool) -> RpcError:
    """What the token endpoint, or the page before it, said."""
    if lacks_secret or error in ("invalid_client", "deleted_client", "unauthorized_client"):
        return GoogleClientRejected(hint="Check GOOGLE_CLIENT_ID and GOOGLE_CLIENT_SECRET.")
    if error == "invalid_grant":
        return SignInExpired("Google does not know the sign-in any more.", hint=_AGAIN)
    known = error if error.replace("_", "").isalpha() and len(error) <= 64 else "unknown"
    if known == "redirect_uri_mismatch":
        hint = "The OAuth client must be of type Desktop, which allows any port of 127.0.0.1."
        return SignInFailed(hint=hint, details=[{"error": known}])
    return SignInFailed(hint=_AGAIN, details=[{"error": known}])
