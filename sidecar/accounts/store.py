"""A table of accounts.  The tables of all features have the columns of `AccountState`, and some of their own."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Generic, TypeVar

from sidecar_protocol.accounts import AccountState
from sidecar_protocol.contract import Encoded

from sidecar.accounts.account import Account
from sidecar.storage.database import Database, Row
from sidecar.storage.paging import row_json

A = TypeVar("A", bound=Account)
M = TypeVar("M", bound=AccountState)

COMMON: Final = ("account_id", "email", "status", "reason", "hint", "refused_at", "next_try_at")
"""The columns that each `Account` is made of, besides the table's own."""


@dataclass(frozen=True, slots=True)
class AccountsTable(Generic[M]):
    """A table, the model that its rows are sent as, and its own columns that an account is made of."""

    name: str
    model: type[M]
    columns: Sequence[str]
    condition: str = "TRUE"
    """SQL that is true for the rows that this version knows."""


class AccountsStore(ABC, Generic[A, M]):
    """All SQL on one table."""

    table: ClassVar[AccountsTable[Any]]

    def __init__(self, database: Database) -> None:
        self._database = database
        self._row = row_json(self.table.model)

    @abstractmethod
    def make(self, common: Row, own: Row) -> A:
        """Returns the account with these values of `COMMON` and of the table's own columns."""

    def encoded(self, condition: str = "TRUE", *parameters: str) -> list[Encoded[M]]:
        """Returns the accounts as they are sent, the oldest first."""
        table = self.table
        sql = f"SELECT {self._row} FROM {table.name} WHERE {condition} ORDER BY rowid"
        return self._database.all_encoded(table.model, sql, parameters)

    def all(self) -> list[A]:
        """Returns every account, the oldest first."""
        return self._select("TRUE")

    def find(self, account_id: str) -> A | None:
        return next(iter(self._select("account_id = ?", account_id)), None)

    def add(self, account_id: str, now: str, **columns: Any) -> None:
        values = {"account_id": account_id, **columns, "created_at": now, "updated_at": now}
        self._database.execute(
            f"INSERT INTO {self.table.name} ({', '.join(values)}) VALUES ({', '.join('?' * len(values))})",
            tuple(values.values()),
        )

    def change(self, account_id: str, now: str, **columns: Any) -> Encoded[M] | None:
        """Sets columns.  Returns the account, or None if it has been deleted."""
        return self._database.encoded(
            self.table.model,
            f"""
            UPDATE {self.table.name} SET {", ".join(f"{name} = ?" for name in (*columns, "updated_at"))}
            WHERE account_id = ? RETURNING {self._row}
            """,
            (*columns.values(), now, account_id),
        )

    def set_last_sync(self, account_id: str, now: str) -> None:
        self._database.execute(f"UPDATE {self.table.name} SET last_sync_at = ? WHERE account_id = ?", (now, account_id))

    def remove(self, account_id: str) -> None:
        self._database.execute(f"DELETE FROM {self.table.name} WHERE account_id = ?", (account_id,))

    def _select(self, condition: str, *parameters: str) -> list[A]:
        table = self.table
        rows = self._database.rows(
            f"""
            SELECT {", ".join((*COMMON, *table.columns))} FROM {table.name} WHERE {table.condition} AND {condition}
            ORDER BY rowid
            """,
            parameters,
        )
        return [self.make(row[: len(COMMON)], row[len(COMMON) :]) for row in rows]
