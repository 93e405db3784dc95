"""The table `sync_state`: how far each connector has got, and when.  Connectors share it, so it belongs to none."""

from protocol.system import SyncStatus
from sidecar.database import Database


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
