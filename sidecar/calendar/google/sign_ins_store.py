"""The table `calendar_sign_ins`: Google sign-ins that are under way.  They outlast a restart, but not ten minutes."""

from enum import StrEnum
from typing import Final, NamedTuple

from sidecar.clock import iso
from sidecar.storage.database import Database

MAX_SIGN_INS: Final = 50
"""The oldest ones go; a person does one at a time."""
KEPT_MS: Final = 24 * 3_600_000
"""So long an expired or used one is known as such."""


class Stage(StrEnum):
    """How far a sign-in is."""

    STARTED = "started"
    AUTHORIZED = "authorized"
    REFUSED = "refused"
    COMPLETING = "completing"
    DONE = "done"


class SignIn(NamedTuple):
    """A sign-in; `verifier` and `code` are sealed."""

    state: str
    verifier: str
    redirect_uri: str
    account_id: str | None
    expires_at: str
    stage: str
    code: str | None
    error: str | None


class SignInsStore:
    """Every statement about sign-ins."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(
        self, state: str, *, verifier: str, redirect_uri: str, account_id: str | None, now_ms: int, expires_at: str
    ) -> None:
        """A new one; old ones are forgotten."""
        self._database.execute(
            """
            INSERT INTO calendar_sign_ins (state, verifier, redirect_uri, account_id, expires_at)
            VALUES (?, ?, ?, ?, ?)
            """,
            (state, verifier, redirect_uri, account_id, expires_at),
        )
        self._database.execute(
            """
            DELETE FROM calendar_sign_ins WHERE expires_at < ?
            OR state NOT IN (SELECT state FROM calendar_sign_ins ORDER BY expires_at DESC LIMIT ?)
            """,
            (iso(now_ms - KEPT_MS), MAX_SIGN_INS),
        )

    def get(self, state: str) -> SignIn | None:
        """One sign-in."""
        row = self._database.row(
            """
            SELECT state, verifier, redirect_uri, account_id, expires_at, stage, code, error
            FROM calendar_sign_ins WHERE state = ?
            """,
            (state,),
        )
        return None if row is None else SignIn(*row)

    def returned(self, state: str, *, code: str | None, error: str | None) -> None:
        """The redirect came, with a code or an error."""
        stage = Stage.REFUSED if code is None else Stage.AUTHORIZED
        self._database.execute(
            "UPDATE calendar_sign_ins SET stage = ?, code = ?, error = ? WHERE state = ?", (stage, code, error, state)
        )

    def move(self, state: str, stage: Stage) -> None:
        """It has got further, or back."""
        self._database.execute("UPDATE calendar_sign_ins SET stage = ? WHERE state = ?", (stage, state))

    def spend(self, state: str) -> None:
        """It is over, one way or another: nothing secret of it stays."""
        self._database.execute(
            "UPDATE calendar_sign_ins SET stage = ?, verifier = '', code = NULL WHERE state = ?", (Stage.DONE, state)
        )
