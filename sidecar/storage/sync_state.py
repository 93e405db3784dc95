"""The table `sync_state`: how far each connector has got, and when.  Connectors share it, so it belongs to none."""

from sidecar_protocol.system import SyncStatus

from sidecar.storage.database import Database


class SyncState:
    """Every statement about how far connectors have got."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def last_syncs(self) -> list[SyncStatus]:
        """When each connector last synced, by name."""
        # SQLite lets a text primary key be NULL; what has no name says nothing.
        rows = self._database.rows(
            "SELECT connector, last_sync_at FROM sync_state WHERE connector IS NOT NULL ORDER BY connector"
        )
        return [SyncStatus(connector=connector, last_sync_at=at) for connector, at in rows]

    def cursor(self, connector: str) -> str | None:
        """Where the connector goes on; None: it begins."""
        row = self._database.row("SELECT cursor FROM sync_state WHERE connector = ?", (connector,))
        return None if row is None else row[0]

    def set(self, connector: str, cursor: str | None, last_sync_at: str | None) -> None:
        """Store where to go on, inside the `write` that stores what was read; no time given: the last one stays."""
        self._database.execute(
            """
            INSERT INTO sync_state (connector, cursor, last_sync_at) VALUES (?, ?, ?)
            ON CONFLICT (connector) DO UPDATE
            SET cursor = excluded.cursor, last_sync_at = coalesce(excluded.last_sync_at, last_sync_at)
            """,
            (connector, cursor, last_sync_at),
        )

    def remove(self, connector: str) -> None:
        """Forget a connector."""
        self._database.execute("DELETE FROM sync_state WHERE connector = ?", (connector,))
