"""One start of the sidecar: the real `App` on a simulated loop, between two pipes."""

import asyncio
import gc
import logging
import os
import sqlite3
import tempfile
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from random import Random
from typing import Any, Final

from anyio._backends._asyncio import _task_states

from sidecar.app import EXIT_CODES, App, Machine
from sidecar.clock import Clock
from sidecar.http.client import Transport
from sidecar.logs import Logs
from sidecar.paths import schema_dir
from sidecar.settings import Settings
from sidecar.storage.inspection import DatabaseUnusable
from sidecar.storage.lock_file import DatabaseLocked
from sidecar.storage.migrations import open_database
from tests.simulation.loop import Killed, SimulatedLoop, World

KILLED: Final = -9
GRAVEYARD: Final[list[object]] = []
"""Remains of killed processes: their cleanup must not run before the life has ended, see `bury`."""


@cache
def empty_database() -> bytes:
    """Returns a database of this version, which each life begins with: migrating takes longer than living."""
    with tempfile.TemporaryDirectory(prefix="sidecar-life-") as folder:
        path = Path(folder) / "sidecar.db"
        open_database(path, schema_dir(), 0, Random(0).randbytes).close()
        return path.read_bytes()


class Process:
    """A process; `run` returns its exit code, or KILLED."""

    def __init__(
        self,
        world: World,
        settings: Settings,
        clock: Clock,
        connect: Callable[[int], Transport],
        on_open: Callable[[sqlite3.Connection], Any],
    ) -> None:
        """`on_open` receives the database's connection, and returns the one to use."""
        own_in, self.stdin = os.pipe()
        self.stdout, own_out = os.pipe()
        for descriptor in (own_in, self.stdin, self.stdout, own_out):
            os.set_blocking(descriptor, False)
        self._wire = own_in, own_out
        self._settings = settings
        self._on_open = on_open
        self._machine = Machine(clock=clock, open_database=self._open, connect=connect)
        self._loop = SimulatedLoop(world)
        self._connection: sqlite3.Connection | None = None
        self._app: App | None = None
        self.problem: str | None = None
        """Why the start failed."""

    def _open(self, path: Path, *more: Any) -> Any:
        self._connection = open_database(path, *more)
        return self._on_open(self._connection)

    def run(self) -> int:
        """Runs the process until it ends.  An exception of the world ends it, too."""
        handlers = logging.root.handlers
        logs = Logs(self._settings.log_dir, logging.INFO)
        logging.root.handlers = handlers

        async def main() -> int:
            self._app = App(self._settings, logs, self._wire, os.getppid(), lambda: None, self._machine)
            return await self._app.run()

        try:
            return self._loop.run_until_complete(main())
        except Killed:
            return KILLED
        except (DatabaseLocked, DatabaseUnusable, sqlite3.Error, OSError) as error:
            self.problem = f"{type(error).__name__}: {error}"
            return EXIT_CODES.get(type(error), 1)
        finally:
            self._die()

    def _die(self) -> None:
        """Closes what the system closes at the end of a process."""
        GRAVEYARD.append((self._app, self._loop, asyncio.all_tasks(self._loop)))
        if self._connection is not None:
            with suppress(sqlite3.Error):
                self._connection.close()
        self._loop.drop()
        for descriptor in {*self._wire, self.stdin, self.stdout}:
            with suppress(OSError):
                os.close(descriptor)
        folder = self._settings.data_dir
        for link in Path("/proc/self/fd").iterdir():
            with suppress(OSError):
                target = link.readlink()
                if target.parent == folder and target.suffix == ".lock":
                    os.close(int(link.name))


def bury() -> None:
    """Lets what killed processes have left clean up, where it can no longer do anything."""
    for _, _, tasks in GRAVEYARD:  # type: ignore[misc]
        for task in sorted(tasks, key=lambda one: one.get_name()):  # type: ignore[has-type]
            with suppress(BaseException):
                task.get_coro().close()
            task._log_destroy_pending = False  # noqa: SLF001 - a killed process complains about nothing
            _task_states.pop(task, None)  # it knows its key, so that all of the process would stay
    GRAVEYARD.clear()
    gc.collect()  # what the imports have made is frozen, see `__main__`
