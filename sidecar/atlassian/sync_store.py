"""Storage of the syncs: the table `atlassian_objects`, and the account's cursor."""

from collections.abc import Collection, Iterable
from typing import Final, NamedTuple

from pydantic import ValidationError
from pydantic_core import from_json, to_json

from sidecar.accounts.account import Account
from sidecar.atlassian.sync_cursor import SyncCursor
from sidecar.clock import iso
from sidecar.runtime import Runtime
from sidecar.storage.sync_state import SyncState

DELETE_BATCH: Final = 2_000
"""Rows deleted per transaction, which takes some milliseconds."""

_COLUMNS: Final = "object_id, remote_updated, event_suffixes_json, parent_id, missing_since, is_unread, shown_as"


class SyncedObject(NamedTuple):
    """An object as it was last read: `issue:10001`; `event_suffixes` are its events' ids without their prefix."""

    object_id: str
    remote_updated: str
    event_suffixes: tuple[str, ...] = ()
    parent_id: str | None = None
    missing_since: str | None = None
    """When a look at it first did not find it; None if it is there."""
    is_unread: bool = False
    """Whether the last read left something out."""
    shown_as: str | None = None
    """An issue's key, or a page's address."""

    @property
    def is_removed(self) -> bool:
        """Whether it is gone and has no events any more, but may reappear."""
        return self.missing_since is not None and not self.event_suffixes


class SyncStore:
    """All SQL on the table, and on the other rows that an account owns."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._database = runtime.database
        self._sync_state = SyncState(runtime.database)

    def cursor(self, account: Account) -> SyncCursor:
        """Returns the stored cursor, or that of a first sync if it is unreadable, such as the old backend's."""
        try:
            return SyncCursor.model_validate_json(self._sync_state.cursor(account.connector) or "{}")
        except ValidationError:
            return SyncCursor()

    def set_cursor(self, account: Account, cursor: SyncCursor, last_sync_at: str | None = None) -> None:
        self._sync_state.set(account.connector, cursor.model_dump_json(), last_sync_at)

    def request_reset(self, account: Account) -> None:
        """Makes the account's next sync delete everything stored and start over."""
        self.set_cursor(account, SyncCursor(reset=True))

    def get(self, account_id: str, object_ids: Collection[str]) -> dict[str, SyncedObject]:
        condition = "object_id IN (SELECT value FROM json_each(?))"
        return {row.object_id: row for row in self._objects(condition, account_id, _json(object_ids))}

    def with_children(self, account_id: str, object_id: str) -> list[SyncedObject]:
        """Returns an object and those that are deleted with it."""
        conditions = ("object_id = ?", "parent_id = ?")
        return [row for condition in conditions for row in self._objects(condition, account_id, object_id)]

    def _objects(self, condition: str, account_id: str, *values: object) -> list[SyncedObject]:
        rows = self._database.rows(
            f"""
            SELECT {_COLUMNS} FROM atlassian_objects WHERE account_id = ? AND {condition}
            """,
            (account_id, *values),
        )
        return [
            SyncedObject(row[0], row[1], tuple(from_json(row[2])), row[3], row[4], bool(row[5]), row[6]) for row in rows
        ]

    def put(self, account_id: str, objects: Iterable[SyncedObject], checked_ms: int) -> None:
        """Stores objects; `checked_ms` is when the sync that has read them began."""
        for item in objects:
            self._database.execute(
                f"""
                INSERT OR REPLACE INTO atlassian_objects
                    (account_id, {_COLUMNS}, checked_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
                """,
                (
                    account_id,
                    item.object_id,
                    item.remote_updated,
                    _json(item.event_suffixes),
                    item.parent_id,
                    item.missing_since,
                    item.is_unread,
                    item.shown_as,
                    iso(checked_ms),
                ),
            )

    def unchecked_since(self, account_id: str, before_ms: int, limit: int) -> list[SyncedObject]:
        """Returns objects that were last checked before then, the longest unchecked first."""
        condition = "checked_at < ? ORDER BY checked_at LIMIT ?"
        return self._objects(condition, account_id, iso(before_ms), limit)

    def unread_since(self, account_id: str, before_ms: int, limit: int) -> list[SyncedObject]:
        """Returns objects whose last read was before then and left something out, the earliest read first."""
        condition = "is_unread AND checked_at < ? ORDER BY checked_at LIMIT ?"
        return self._objects(condition, account_id, iso(before_ms), limit)

    def mark_checked(self, account_id: str, object_ids: Collection[str], checked_ms: int) -> None:
        """Records that a sync that began then has looked at the objects."""
        self._database.execute(
            """
            UPDATE atlassian_objects SET checked_at = ?
            WHERE account_id = ? AND object_id IN (SELECT value FROM json_each(?))
            """,
            (iso(checked_ms), account_id, _json(object_ids)),
        )

    def expect_checks(self, account_id: str, begun_ms: int) -> None:
        """Counts objects as unchecked that were checked later than now: a clock was ahead, and was set back since."""
        self._database.execute(
            "UPDATE atlassian_objects SET checked_at = '' WHERE account_id = ? AND checked_at > ?",
            (account_id, iso(begun_ms)),
        )

    def forget_missing(self, account_id: str, before_ms: int) -> None:
        """Deletes the rows of objects that are gone since before then."""
        self._database.execute(
            """
            DELETE FROM atlassian_objects
            WHERE account_id = ? AND missing_since < ? AND event_suffixes_json = '[]'
            """,
            (account_id, iso(before_ms)),
        )

    def delete(self, account_id: str, object_ids: Collection[str]) -> None:
        self._database.execute(
            "DELETE FROM atlassian_objects WHERE account_id = ? AND object_id IN (SELECT value FROM json_each(?))",
            (account_id, _json(object_ids)),
        )

    async def delete_objects(self, account_id: str) -> None:
        """Deletes all objects of an account, in committed steps."""
        batch = "SELECT object_id FROM atlassian_objects WHERE account_id = ? LIMIT ?"
        while rows := self._database.rows(batch, (account_id, DELETE_BATCH)):
            with self._database.write():
                self.delete(account_id, [row[0] for row in rows])
            await self._runtime.committed()


def _json(values: Collection[str]) -> str:
    return to_json(list(values)).decode()
