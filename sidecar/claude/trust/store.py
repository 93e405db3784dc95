"""The table `claude_trusted_folders`: folders whose own settings the user has allowed through the sidecar."""

from typing import Final

from sidecar_protocol.claude.trust import TrustedFolder
from sidecar_protocol.errors import InvalidParams

from sidecar.clock import Clock, iso_now
from sidecar.storage.database import Database

MAX_FOLDERS: Final = 1_000


class TrustStore:
    """Every statement about trusted folders, which are named by their real path."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def all(self) -> list[TrustedFolder]:
        """Returns the folders, newest first."""
        sql = "SELECT folder, trusted_at FROM claude_trusted_folders ORDER BY trusted_at DESC, folder"
        return [TrustedFolder(folder=folder, trusted_at=at) for folder, at in self._database.rows(sql)]

    def add(self, folder: str) -> None:
        """Adds a folder.  Raises `InvalidParams` if there are too many."""
        with self._database.write():
            self._database.execute(
                "INSERT INTO claude_trusted_folders (folder, trusted_at) VALUES (?, ?) ON CONFLICT DO NOTHING",
                (folder, iso_now(self._clock)),
            )
            if self._database.value("SELECT count(*) FROM claude_trusted_folders") > MAX_FOLDERS:
                problem = f"{MAX_FOLDERS} folders are trusted; withdraw some with claude.trust.remove"
                raise InvalidParams(details=[{"path": "cwd", "message": problem}])

    def remove(self, folder: str) -> bool:
        """Removes a folder.  Returns whether it was there."""
        with self._database.write():
            sql = "DELETE FROM claude_trusted_folders WHERE folder = ? RETURNING 1"
            return self._database.row(sql, (folder,)) is not None
