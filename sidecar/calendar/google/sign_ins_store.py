"""The table `calendar_sign_ins`: Google sign-ins, which expire after ten minutes."""

from enum import StrEnum
from typing import Final, NamedTuple

from sidecar.clock import DAY_MS, iso
from sidecar.storage.database import Database

MAX_SIGN_INS: Final = 50
"""The oldest ones are deleted; a user does one at a time."""
RETENTION_MS: Final = DAY_MS
"""How long an expired or used sign-in is reported as such instead of as unknown."""


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
    stage: str
    code: str | None
    error: str | None


class SignInsStore:
    """All SQL on the table."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, state: str, *, verifier: str, redirect_uri: str, account_id: str | None, expires_at: str) -> None:
        self._database.execute(
            """
            INSERT INTO calendar_sign_ins (state, verifier, redirect_uri, account_id, expires_at)
            VALUES (?, ?, ?, ?, ?)
            """,
            (state, verifier, redirect_uri, account_id, expires_at),
        )

    def prune(self, now_ms: int) -> None:
        """Deletes sign-ins that expired long ago, and the oldest of too many."""
        self._database.execute(
            """
            DELETE FROM calendar_sign_ins WHERE expires_at < ?
            OR state NOT IN (SELECT state FROM calendar_sign_ins ORDER BY expires_at DESC LIMIT ?)
            """,
            (iso(now_ms - RETENTION_MS), MAX_SIGN_INS),
        )

    def get(self, state: str) -> SignIn | None:
        row = self._database.row(
            """
            SELECT state, verifier, redirect_uri, account_id, expires_at, stage, code, error
            FROM calendar_sign_ins WHERE state = ?
            """,
            (state,),
        )
        return None if row is None else SignIn(*row)

    def set_redirect(self, state: str, *, code: str | None, error: str | None) -> None:
        """Stores the parameters of the redirect."""
        stage = Stage.REFUSED if code is None else Stage.AUTHORIZED
        self._database.execute(
            "UPDATE calendar_sign_ins SET stage = ?, code = ?, error = ? WHERE state = ?", (stage, code, error, state)
        )

    def set_stage(self, state: str, stage: Stage) -> None:
        self._database.execute("UPDATE calendar_sign_ins SET stage = ? WHERE state = ?", (stage, state))

    def finish(self, state: str) -> None:
        """Marks a sign-in as used and deletes its secrets."""
        self._database.execute(
            "UPDATE calendar_sign_ins SET stage = ?, verifier = '', code = NULL WHERE state = ?", (Stage.DONE, state)
        )
