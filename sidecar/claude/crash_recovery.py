"""Cleans up after a sidecar that died: kills its CLI processes and repairs the state of its sessions."""

import logging
import sqlite3
from collections.abc import Collection
from dataclasses import dataclass
from itertools import chain, repeat
from typing import Final

import anyio
from anyio.to_thread import run_sync

from sidecar.claude.permissions.journal import PermissionJournal
from sidecar.claude.process.environment import DATABASE_ENV
from sidecar.claude.process.launch import Launcher
from sidecar.claude.process.orphans import kill_orphans, still_running
from sidecar.claude.prompts.attachments import Attachments
from sidecar.claude.sessions.journal import SessionJournal
from sidecar.claude.sessions.limit_waits import LimitWaits
from sidecar.runtime import Runtime

log = logging.getLogger(__name__)

RETRIES_S: Final = (0.2, 0.5)
"""Delays in seconds before a repair that failed is tried again; the last one from then on."""
KILL_TIMEOUT_S: Final = 5.0
"""Time limit in seconds; no job runs before the orphans are killed."""


@dataclass(frozen=True, slots=True)
class CrashRecovery:
    """Kills orphaned processes of the launcher."""

    runtime: Runtime
    launcher: Launcher
    sessions: SessionJournal
    permissions: PermissionJournal
    limit_waits: LimitWaits
    attachments: Attachments

    @property
    def _database(self) -> str:
        return self.launcher.discovery.environment[DATABASE_ENV]

    async def kill_orphans(self, job_ids: Collection[str]) -> int:
        """Kills the processes of jobs of an earlier sidecar.  Returns their number."""
        return await kill_orphans(job_ids, self._database, timeout_s=KILL_TIMEOUT_S)

    async def recover(self) -> None:
        """Kills all orphans.  Afterwards no session is running; permission requests stay open.

        Returns once that is stored, before which no turn may begin, or at the shutdown.
        """
        for pause_s in chain(RETRIES_S, repeat(RETRIES_S[-1])):
            try:
                await self._recover()
                await self.runtime.committed()
                await self.attachments.tidy()
            except sqlite3.Error:
                log.exception("the sessions of an earlier process could not be repaired; trying again")
            else:
                return
            if self.runtime.is_draining():
                return
            await anyio.sleep(pause_s)

    async def _recover(self) -> None:
        session_ids = self.sessions.store.unfinished()
        stored = self.launcher.process_table.left()
        if session_ids or stored:
            owners = {*session_ids, *(one.owner_id for one in stored)}
            known = await run_sync(still_running, stored)
            killed = await kill_orphans(owners, self._database, known=known, timeout_s=KILL_TIMEOUT_S)
            log.warning("an earlier process left %d sessions open; killed %d processes", len(session_ids), killed)
            self.launcher.process_table.discard(one.pid for one in stored)
            self.sessions.recover(self.permissions.recover())
        self.limit_waits.recover()
