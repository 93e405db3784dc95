"""The table `atlassian_objects`: what was read of a site, in which state, and which events came of it.

By it a sync skips what has not changed, removes what is no longer there, and goes on after a crash.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from pydantic_core import from_json, to_json

from sidecar.clock import iso
from sidecar.storage.database import Database


@dataclass(frozen=True, slots=True)
class ReadObject:
    """An issue, page or comment: `issue:10001`; `event_suffixes` are the ends of its events' ids."""

    object_id: str
    remote_updated: str
    event_suffixes: tuple[str, ...] = ()
    parent_id: str | None = None


class ObjectsStore:
    """Every statement about what was read."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def known(self, account_id: str, object_ids: Collection[str]) -> dict[str, ReadObject]:
        """Those of these that were read before."""
        rows = self._database.rows(
            """
            SELECT object_id, remote_updated, event_suffixes_json, parent_id FROM atlassian_objects
            WHERE account_id = ? AND object_id IN (SELECT value FROM json_each(?))
            """,
            (account_id, to_json(list(object_ids)).decode()),
        )
        return {row[0]: ReadObject(row[0], row[1], tuple(from_json(row[2])), row[3]) for row in rows}

    def family(self, account_id: str, object_id: str) -> list[ReadObject]:
        """One object with those that go when it goes."""
        rows = self._database.rows(
            """
            SELECT object_id, remote_updated, event_suffixes_json, parent_id FROM atlassian_objects
            WHERE account_id = :account AND object_id = :object
            UNION ALL
            SELECT object_id, remote_updated, event_suffixes_json, parent_id FROM atlassian_objects
            WHERE account_id = :account AND parent_id = :object
            """,
            {"account": account_id, "object": object_id},
        )
        return [ReadObject(row[0], row[1], tuple(from_json(row[2])), row[3]) for row in rows]

    def put(self, account_id: str, objects: Iterable[ReadObject], now_ms: int) -> None:
        """Note what was read."""
        for one in objects:
            self._database.execute(
                """
                INSERT INTO atlassian_objects
                    (account_id, object_id, parent_id, remote_updated, event_suffixes_json, checked_at)
                VALUES (?, ?, ?, ?, ?, ?)
                ON CONFLICT (account_id, object_id) DO UPDATE SET
                    parent_id = excluded.parent_id, remote_updated = excluded.remote_updated,
                    event_suffixes_json = excluded.event_suffixes_json, checked_at = excluded.checked_at
                """,
                (
                    account_id,
                    one.object_id,
                    one.parent_id,
                    one.remote_updated,
                    to_json(one.event_suffixes).decode(),
                    iso(now_ms),
                ),
            )

    def unchecked(self, account_id: str, before_ms: int, limit: int) -> list[str]:
        """Objects that nobody has looked at since then, the longest neglected first."""
        rows = self._database.rows(
            """
            SELECT object_id FROM atlassian_objects WHERE account_id = ? AND checked_at < ?
            ORDER BY checked_at LIMIT ?
            """,
            (account_id, iso(before_ms), limit),
        )
        return [row[0] for row in rows]

    def checked(self, account_id: str, object_ids: Collection[str], now_ms: int) -> None:
        """These are still there."""
        self._database.execute(
            """
            UPDATE atlassian_objects SET checked_at = ?
            WHERE account_id = ? AND object_id IN (SELECT value FROM json_each(?))
            """,
            (iso(now_ms), account_id, to_json(list(object_ids)).decode()),
        )

    def drop(self, account_id: str, object_ids: Collection[str]) -> None:
        """Forget these."""
        self._database.execute(
            "DELETE FROM atlassian_objects WHERE account_id = ? AND object_id IN (SELECT value FROM json_each(?))",
            (account_id, to_json(list(object_ids)).decode()),
        )

    def drop_some(self, account_id: str, limit: int) -> int:
        """Forget some of an account's; how many."""
        rows = self._database.rows(
            "SELECT object_id FROM atlassian_objects WHERE account_id = ? LIMIT ?", (account_id, limit)
        )
        if rows:
            self.drop(account_id, [row[0] for row in rows])
        return len(rows)
