"""The sidecar with the tests' job types, started as a script; its arguments name further modifications.

noisy        system.health prints to every stream while it is served
small        a result may have 2,000 bytes
impatient    a client that leaves 1 MiB unread for half a second has hung
late         the parent is watched only after it has died; until then the data folder has a file `waiting`
full         the database may grow by 60 pages, then the disk is full
held         the import of the module HELD begins with the file `waiting` in the data folder, and waits for `go`
patient      what stdin has left behind at its end is served for a minute: this machine may be busy
slow         the end may take eight seconds: this machine may be busy
hurried      there is no time for the end
stepped      the wall clock is ahead by the milliseconds in the data folder's file `clock`, read at each look at it
"""

import asyncio
import os
import sqlite3
import sys
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType
from typing import Any, Final

sys.path.insert(0, str(Path(__file__).parents[2]))

from sidecar_protocol import catalog
from sidecar_protocol.system.status import Health

import sidecar.app
import sidecar.serve
import sidecar.wire.dispatch
import sidecar.wire.stdio
from sidecar.clock import SystemClock
from sidecar.job_handler import Registration
from sidecar.jobs.worker import JobsWorker
from sidecar.storage import migrations
from sidecar.system.service import SystemService
from sidecar.wire import host_watch
from tests.handlers import make_noise, registrations


def add_job_types() -> None:
    """Adds them to the catalog and to the worker."""
    ours = registrations()
    catalog.JOB_TYPES += tuple(one.spec for one in ours.values())
    make = JobsWorker.__init__

    def make_with_ours(self: JobsWorker, journal: Any, theirs: Mapping[str, Registration], **more: Any) -> None:
        make(self, journal, {**theirs, **ours}, **more)

    setattr(JobsWorker, "__init__", make_with_ours)  # noqa: B010 - mypy would want the whole signature


def noisy() -> None:
    answer: Callable[[SystemService], Awaitable[Health]] = SystemService.health

    async def health(self: SystemService) -> Health:
        make_noise()
        return await answer(self)

    SystemService.health = health  # type: ignore[method-assign]


def small() -> None:
    sidecar.wire.dispatch.MAX_RESULT_BYTES = 2_000  # type: ignore[misc]


def full() -> None:
    opened = migrations.open_database

    def open_database(path: Path, directory: Path, *more: Any) -> sqlite3.Connection:
        connection = opened(path, directory, *more)
        (pages,) = connection.execute("PRAGMA page_count").fetchone()
        connection.execute(f"PRAGMA max_page_count = {pages + 60}")
        return connection

    setattr(sidecar.app, "open_database", open_database)  # noqa: B010 - mypy: not exported


def late() -> None:
    watch = host_watch.watch_parent

    def watch_late(pid: int, loop: asyncio.AbstractEventLoop, on_exit: Callable[[], None]) -> None:
        Path(os.environ["APP_DATA_DIR"], "waiting").touch()
        while os.getppid() == pid:
            time.sleep(0.01)
        watch(pid, loop, on_exit)

    setattr(sidecar.app, "watch_parent", watch_late)  # noqa: B010 - mypy: not exported


class Held:
    """A finder of one module, whose loader waits."""

    @staticmethod
    def find_spec(name: str, path: Sequence[str] | None, *_: object) -> ModuleSpec | None:
        if name != os.environ["HELD"]:
            return None
        spec = PathFinder.find_spec(name, path)
        assert spec is not None
        loader: Any = spec.loader
        load = loader.exec_module

        def load_later(module: ModuleType) -> None:
            folder = Path(os.environ["APP_DATA_DIR"])
            (folder / "waiting").touch()
            while not (folder / "go").exists():
                time.sleep(0.01)
            load(module)

        loader.exec_module = load_later
        return spec


def held() -> None:
    sys.meta_path.insert(0, Held)


def patient() -> None:
    for name in ("DRAIN_S", "BACKLOG_S"):
        setattr(sidecar.app, name, 60.0)


def slow() -> None:
    for name in ("DRAIN_S", "BACKLOG_S"):
        setattr(sidecar.app, name, 8.0)


def hurried() -> None:
    for name in ("DRAIN_S", "LAST_WRITE_S"):
        setattr(sidecar.app, name, 0.0)


def stepped() -> None:
    step = Path(os.environ["APP_DATA_DIR"], "clock")
    real_ms = SystemClock.now_ms

    def now_ms(self: SystemClock) -> int:
        return real_ms(self) + (int(step.read_text("ascii")) if step.exists() else 0)

    SystemClock.now_ms = now_ms  # type: ignore[method-assign]


def impatient() -> None:
    sidecar.wire.stdio.STALLED_BYTES = 1024 * 1024  # type: ignore[misc]
    sidecar.wire.stdio.STALL_TIMEOUT_S = 0.5  # type: ignore[misc]


MODIFICATIONS: Final = {
    "noisy": noisy,
    "small": small,
    "impatient": impatient,
    "full": full,
    "late": late,
    "held": held,
    "patient": patient,
    "slow": slow,
    "hurried": hurried,
    "stepped": stepped,
}

if __name__ == "__main__":
    add_job_types()
    for modification in sys.argv[1:]:
        MODIFICATIONS[modification]()
    sidecar.serve.main([])
