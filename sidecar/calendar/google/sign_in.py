"""The Google sign-in, from `calendar.oauth.google.start` to the account.  It survives a restart of the process."""

import logging
from base64 import urlsafe_b64encode
from enum import StrEnum
from typing import Final, NamedTuple
from urllib.parse import parse_qs, urlsplit

from anyio import to_thread
from sidecar_protocol.accounts import ServiceUnreachable
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

from sidecar.accounts.account import AccountRefused
from sidecar.calendar.accounts import Accounts
from sidecar.calendar.google.oauth import Grant, OAuthRefused, authorization_url, error_code
from sidecar.calendar.google.provider import GoogleProvider
from sidecar.calendar.provider import ConnectedAccount, RemoteCalendar
from sidecar.calendar.sealed import CODE, VERIFIER
from sidecar.clock import DAY_MS, iso, iso_now
from sidecar.http.client import HttpError
from sidecar.job_handler import JobFailed, JobSnoozed
from sidecar.loopback import is_loopback
from sidecar.runtime import Runtime
from sidecar.storage.database import Database
from sidecar.storage.secrets import SecretUnreadable

log = logging.getLogger(__name__)

LIFETIME_MS: Final = 10 * 60_000
"""Google's authorization codes expire after ten minutes."""
RANDOM_BYTES: Final = 48
"""64 characters of state or verifier; RFC 7636, 4.1 requires 43 to 128 for the latter."""
MAX_SIGN_INS: Final = 50
"""The oldest ones are deleted; a user does one at a time."""
RETENTION_MS: Final = DAY_MS
"""How long an expired or used sign-in is reported as such instead of as unknown."""
MAX_QUERY_FIELDS: Final = 50
"""Google's redirect has about six."""
MAX_ERROR_CHARS: Final = 200
BLOCKED_ERRORS: Final = frozenset({"admin_policy_enforced", "org_internal"})
_RESTART: Final = "Start the sign-in again."


class Stage(StrEnum):
    """The stage of a sign-in."""

    STARTED = "started"
    AUTHORIZED = "authorized"
    REFUSED = "refused"
    COMPLETING = "completing"
    DONE = "done"


class SignIn(NamedTuple):
    """A sign-in; `verifier` and `code` are encrypted."""

    state: str
    verifier: str
    redirect_uri: str
    account_id: str | None
    expires_at: str
    stage: str = Stage.STARTED
    code: str | None = None
    error: str | None = None


_COLUMNS: Final = ", ".join(SignIn._fields)


class SignInsStore:
    """All SQL on the table `calendar_sign_ins`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, sign_in: SignIn, now_ms: int) -> None:
        """Adds a sign-in, and deletes those that expired long ago and the oldest of too many."""
        with self._database.write():
            self._database.execute(
                f"INSERT INTO calendar_sign_ins ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)", sign_in
            )
            self._database.execute(
                """
                DELETE FROM calendar_sign_ins WHERE expires_at < ?
                OR state NOT IN (SELECT state FROM calendar_sign_ins ORDER BY expires_at DESC LIMIT ?)
                """,
                (iso(now_ms - RETENTION_MS), MAX_SIGN_INS),
            )

    def get(self, state: str) -> SignIn | None:
        row = self._database.row(f"SELECT {_COLUMNS} FROM calendar_sign_ins WHERE state = ?", (state,))
        return None if row is None else SignIn(*row)

    def change(self, state: str, **values: str | None) -> None:
        sets = ", ".join(f"{name} = :{name}" for name in values)
        with self._database.write():
            self._database.execute(
                f"UPDATE calendar_sign_ins SET {sets} WHERE state = :state", {**values, "state": state}
            )

    def finish(self, state: str) -> None:
        """Marks a sign-in as used and deletes its secrets."""
        self.change(state, stage=Stage.DONE, verifier="", code=None)


class GoogleSignInService(GoogleSignIn):
    """Performs the sign-ins."""

    def __init__(self, runtime: Runtime, accounts: Accounts, google: GoogleProvider) -> None:
        self._runtime = runtime
        self._accounts = accounts
        self._google = google
        self._store = SignInsStore(runtime.database)
        self._random_bytes = runtime.randomness.bytes_for("sign-ins")

    async def start(
        self, *, redirect_uri: str, login_hint: str | None = None, account_id: str | None = None
    ) -> SignInStarted:
        _check_redirect_uri(redirect_uri)
        if account_id is not None:
            account = self._accounts.get(account_id)
            if account.provider != self._google.provider_id:
                raise InvalidParams(details=[{"path": "account_id", "message": "must be a Google account"}])
            login_hint = account.email
        self._require_client()
        state, verifier = self._random_text(), self._random_text()
        endpoints, client = self._google.oauth.endpoints, self._google.client
        url = await to_thread.run_sync(authorization_url, endpoints, client, redirect_uri, state, verifier, login_hint)
        now_ms = self._runtime.clock.now_ms()
        expires_at = iso(now_ms + LIFETIME_MS)
        sealed = self._runtime.vault.seal(verifier, VERIFIER, state)
        self._store.add(SignIn(state, sealed, redirect_uri, account_id, expires_at), now_ms)
        return SignInStarted(authorization_url=url, state=state, expires_at=expires_at)

    async def callback(
        self, *, url: str | None = None, state: str | None = None, code: str | None = None, error: str | None = None
    ) -> SignInReturned:
        if url is not None:
            state, code, error = _parse_redirect(url)
        if not state or not (code or error):
            message = "must be the URL of the redirect, unless state and code or error are given"
            raise InvalidParams(details=[{"path": "url", "message": message}])
        self._get(state, Stage.STARTED)
        sealed = None if error or code is None else self._runtime.vault.seal(code, CODE, state)
        status = SignInStatus.REFUSED if sealed is None else SignInStatus.AUTHORIZED
        self._store.change(state, stage=status, code=sealed, error=error)
        return SignInReturned(state=state, status=status)

    async def complete(self, *, state: str) -> CalendarAccount:
        sign_in = self._get(state, Stage.AUTHORIZED, Stage.REFUSED)
        self._require_client()
        if sign_in.stage == Stage.REFUSED:
            self._store.finish(state)
            raise _page_error(sign_in.error or "")
        try:
            code = self._runtime.vault.open(sign_in.code or "", CODE, state)
            verifier = self._runtime.vault.open(sign_in.verifier, VERIFIER, state)
        except SecretUnreadable:
            message = "The sign-in was started with another encryption key."
            raise SignInExpired(message, hint=_RESTART) from None
        self._store.change(state, stage=Stage.COMPLETING)  # so that a second call is refused
        await self._runtime.committed()
        try:
            account = await self._connect(sign_in, code, verifier)
        except ServiceUnreachable:
            self._store.change(state, stage=Stage.AUTHORIZED)
            raise
        except BaseException:
            self._store.finish(state)
            raise
        self._store.finish(state)
        return account

    async def _connect(self, sign_in: SignIn, code: str, verifier: str) -> CalendarAccount:
        google = self._google
        try:
            grant = await google.oauth.exchange(
                google.client, code=code, verifier=verifier, redirect_uri=sign_in.redirect_uri
            )
            email = grant.email or await google.oauth.user_email(grant.access_token)
        except OAuthRefused as refusal:
            raise _oauth_error(refusal.error, lacks_secret=refusal.lacks_secret) from None
        except HttpError as error:
            raise ServiceUnreachable(f"{error}.", hint="Complete the sign-in again.") from None
        problem = self._problem(grant, email, sign_in)
        if problem is not None:
            # Revoking a grant revokes the user's other grants as well.
            if email is None or self._accounts.with_email(google.provider_id, email) is None:
                await google.oauth.revoke(grant.refresh_token or grant.access_token)
            raise problem
        assert email is not None
        assert grant.refresh_token is not None
        credentials = {"refresh_token": grant.refresh_token, "client_id": google.client.client_id}
        calendars = await self._list_calendars(grant)
        existing = self._accounts.with_email(google.provider_id, email)
        account = self._accounts.connect(
            google.provider_id,
            ConnectedAccount(email, credentials, calendars=calendars),
            account_id=sign_in.account_id or (None if existing is None else existing.account_id),
        ).load()
        google.tokens.add(account.account_id, grant, grant.refresh_token)
        return account

    def _problem(self, grant: Grant, email: str | None, sign_in: SignIn) -> RpcError | None:
        """Returns why a grant cannot be used for an account, or None if it can."""
        if not grant.can_read_calendars:
            return SignInScopeMissing(hint=f"{_RESTART} Leave the calendar's permissions ticked on Google's page.")
        if email is None or grant.refresh_token is None:
            return SignInFailed("Google returned no e-mail address or no refresh token.", hint=_RESTART)
        if sign_in.account_id is not None:
            expected = self._accounts.get(sign_in.account_id).email
            if expected.casefold() != email.casefold():
                return SignInAccountMismatch(hint=f"Sign in as {expected}, or connect the other one as a new account.")
        return None

    async def _list_calendars(self, grant: Grant) -> list[RemoteCalendar]:
        """Lists the calendars so that they are shown before the first sync, which reports the errors."""

        async def get_token(_: str | None) -> str:
            return grant.access_token

        try:
            return await self._google.reader(get_token).list_calendars()
        except (AccountRefused, JobFailed, JobSnoozed) as error:
            log.warning("could not list the calendars of a new account: %s", error.message)
            return []

    def _get(self, state: str, *stages: Stage) -> SignIn:
        """Returns a sign-in that is in one of the stages.  Raises the error for another stage."""
        sign_in = self._store.get(state)
        if sign_in is None:
            raise SignInUnknown(hint=_RESTART)
        if sign_in.stage not in stages and sign_in.stage != Stage.STARTED:
            raise SignInUsed(hint=_RESTART)
        if sign_in.expires_at <= iso_now(self._runtime.clock):
            raise SignInExpired(hint=_RESTART)
        if sign_in.stage not in stages:
            raise SignInIncomplete(hint="Call calendar.oauth.google.callback with the redirect first.")
        return sign_in

    def _require_client(self) -> None:
        if not self._google.client.is_configured:
            raise GoogleClientMissing(hint="Create an OAuth client of type Desktop in a Google Cloud project.")

    def _random_text(self) -> str:
        return urlsafe_b64encode(self._random_bytes(RANDOM_BYTES)).decode()


def _check_redirect_uri(uri: str) -> None:
    """Checks that the URI is on loopback, where Google redirects desktop apps to, on any port (RFC 8252, 7.3)."""
    try:
        parts = urlsplit(uri)
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    if (parts.scheme, is_loopback(parts.hostname)) != ("http", True) or not port or parts.query or parts.fragment:
        message = "must be http://127.0.0.1:<port>, optionally with a path, but without a query or fragment"
        raise InvalidParams(details=[{"path": "redirect_uri", "message": message}])


def _parse_redirect(url: str) -> tuple[str | None, str | None, str | None]:
    """Returns the parameters state, code and error."""
    try:
        query = parse_qs(urlsplit(url).query, max_num_fields=MAX_QUERY_FIELDS)
    except ValueError:
        return None, None, None
    state, code, error = (query.get(name, [None])[0] for name in ("state", "code", "error"))
    return state, code, None if error is None else error[:MAX_ERROR_CHARS]


def _page_error(error: str) -> RpcError:
    """Maps an error of Google's page (developers.google.com/identity/protocols/oauth2/native-app)."""
    if error == "access_denied":
        return SignInDenied(hint=f"{_RESTART} Choose Continue on Google's page.")
    if error in BLOCKED_ERRORS:
        hint = "An administrator can allow the app in the Google Workspace console, under API controls."
        return SignInBlocked(hint=hint, details=[{"error": error}])
    return _oauth_error(error, lacks_secret=False)


def _oauth_error(error: str, *, lacks_secret: bool) -> RpcError:
    if lacks_secret or error in ("invalid_client", "deleted_client", "unauthorized_client"):
        return GoogleClientRejected(hint="Check GOOGLE_CLIENT_ID and GOOGLE_CLIENT_SECRET.")
    if error == "invalid_grant":
        return SignInExpired("The sign-in is no longer valid at Google.", hint=_RESTART)
    hint = _RESTART
    if error == "redirect_uri_mismatch":
        hint = "The OAuth client must be of type Desktop, which allows any port of 127.0.0.1."
    return SignInFailed(hint=hint, details=[{"error": error_code(error) or "unknown"}])
