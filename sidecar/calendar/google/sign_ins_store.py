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
    stage: str = Stage.STARTED
    code: str | None = None
    error: str | None = None


_COLUMNS: Final = ", ".join(SignIn._fields)


class SignInsStore:
    """All SQL on the table."""

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
        """Sets these columns."""
        sets = ", ".join(f"{name} = :{name}" for name in values)
        with self._database.write():
            self._database.execute(
                f"UPDATE calendar_sign_ins SET {sets} WHERE state = :state", {**values, "state": state}
            )

    def finish(self, state: str) -> None:
        """Marks a sign-in as used and deletes its secrets."""
        self.change(state, stage=Stage.DONE, verifier="", code=None)
