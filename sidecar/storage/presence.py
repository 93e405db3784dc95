"""Notices that the data folder, the database or its lock file was moved, deleted or replaced under the running process.

The open files would take further writes, which would be lost with them.  Commits are therefore refused at once (see
`Database.commit`); the process answers for a while, so that the host can ask for its health, and then ends.
"""

import logging
import sqlite3
from collections.abc import Callable
from typing import Final

from sidecar.storage.database import Database, DatabaseMoved

log = logging.getLogger(__name__)

CHECK_S: Final = 5.0
"""How often an idle process looks; every commit looks too."""
GRACE_S: Final = 3.0
"""How long requests are answered once it is noticed."""


class PresenceWatch:
    """Calls `on_gone` some seconds after a file of the database was moved or deleted."""

    def __init__(
        self,
        database: Database,
        call_later: Callable[[float, Callable[[], None]], object],
        on_gone: Callable[[], None],
    ) -> None:
        self._database = database
        self._call_later = call_later
        self._on_gone = on_gone
        self._is_gone = False
        call_later(CHECK_S, self._check)

    def on_commit(self, failure: sqlite3.Error | None) -> None:
        if isinstance(failure, DatabaseMoved):
            self._notice(str(failure))

    def _check(self) -> None:
        if (problem := self._database.moved()) is not None:
            self._notice(problem)
        elif not self._is_gone:
            self._call_later(CHECK_S, self._check)

    def _notice(self, problem: str) -> None:
        if not self._is_gone:
            self._is_gone = True
            log.critical("%s; nothing more is written, and the process ends", problem)
            self._call_later(GRACE_S, self._on_gone)
