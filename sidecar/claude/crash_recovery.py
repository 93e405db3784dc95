"""Cleans up after a sidecar that died: kills its CLI processes and repairs the state of its sessions."""

import logging
import sqlite3
from collections.abc import Collection
from typing import Final

from sidecar.claude.permissions.journal import PermissionJournal
from sidecar.claude.process.orphans import kill_orphans, still_running
from sidecar.claude.process.process_table import ProcessTable
from sidecar.claude.sessions.journal import SessionJournal

log = logging.getLogger(__name__)

KILL_TIMEOUT_S: Final = 5.0
"""Time limit in seconds; no job runs before the orphans are killed."""


class CrashRecovery:
    """Kills orphaned processes; `database` is the value of DATABASE_ENV in their environment."""

    def __init__(
        self, database: str, process_table: ProcessTable, sessions: SessionJournal, permissions: PermissionJournal
    ) -> None:
        self._database = database
        self._process_table = process_table
        self._sessions = sessions
        self._permissions = permissions

    async def kill_orphans(self, job_ids: Collection[str]) -> int:
        """Kills the processes of jobs of an earlier sidecar.  Returns their number."""
        return await kill_orphans(job_ids, self._database, timeout_s=KILL_TIMEOUT_S)

    async def recover(self) -> None:
        """Kills all orphans.  Afterwards no session is running; permission requests stay open."""
        try:
            session_ids = self._sessions.store.unfinished()
            records = self._process_table.records()
            if session_ids or records:
                owners = {*session_ids, *(record.owner_id for record in records)}
                known = await still_running(records)
                killed = await kill_orphans(owners, self._database, known=known, timeout_s=KILL_TIMEOUT_S)
                log.warning("an earlier process left %d sessions open; killed %d processes", len(session_ids), killed)
                self._process_table.discard(record.pid for record in records)
                self._sessions.recover(session_ids, self._permissions.recover())
        except sqlite3.Error:  # the next turn of each session repairs it
            log.exception("the sessions of an earlier process could not be repaired")
