"""A process and all that it starts: who they are, and whether any is left."""

import contextlib
import time
from typing import Final

import psutil

LOOK_S: Final = 0.1
"""A look walks the whole process table."""


class Family:
    """Remembers every descendant that it saw, also after its parent is gone."""

    def __init__(self, pid: int) -> None:
        self._root = psutil.Process(pid)
        self._seen = {self._root}
        self._looked_at = 0.0

    @property
    def members(self) -> int:
        """How many processes were seen, the first included."""
        return len(self._seen)

    def glance(self) -> None:
        """See who is there, unless somebody has just looked."""
        if time.monotonic() - self._looked_at >= LOOK_S:
            self.look()

    def look(self) -> None:
        """See who is there now."""
        with contextlib.suppress(psutil.Error):
            self._seen |= set(self._root.children(recursive=True))
        self._looked_at = time.monotonic()

    def alive(self) -> list[str]:
        """The ids of those that still run."""
        return [str(one.pid) for one in self._seen if _runs(one)]


def _runs(process: psutil.Process) -> bool:
    try:
        # A process whose parent has not asked for its exit code has ended all the same.
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
