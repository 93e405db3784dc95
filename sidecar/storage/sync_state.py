"""The table `sync_state`: the cursor and the last sync of each connector.

Connectors of several features share the table.  `SyncState` has no state of its own, so each feature may create one.
"""

from sidecar_protocol.system.status import SyncStatus

from sidecar.storage.database import Database


class SyncState:
    """All SQL on the table."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def last_syncs(self) -> list[SyncStatus]:
        # SQLite allows NULL in a text primary key; the old backend's table does not forbid it.
        rows = self._database.rows(
            "SELECT connector, last_sync_at FROM sync_state WHERE connector IS NOT NULL ORDER BY connector"
        )
        return [SyncStatus(connector=connector, last_sync_at=at) for connector, at in rows]

    def cursor(self, connector: str) -> str | None:
        row = self._database.row("SELECT cursor FROM sync_state WHERE connector = ?", (connector,))
        return None if row is None else row[0]

    def set(self, connector: str, cursor: str | None, last_sync_at: str | None) -> None:
        """Stores the cursor, in the `write` block that stores the data; None for `last_sync_at` leaves it unchanged."""
        self._database.execute(
            """
            INSERT INTO sync_state (connector, cursor, last_sync_at) VALUES (?, ?, ?)
            ON CONFLICT (connector) DO UPDATE
            SET cursor = excluded.cursor, last_sync_at = coalesce(excluded.last_sync_at, last_sync_at)
            """,
            (connector, cursor, last_sync_at),
        )

    def remove(self, connector: str) -> None:
        self._database.execute("DELETE FROM sync_state WHERE connector = ?", (connector,))
