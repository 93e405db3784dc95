"""The composition root: makes every object once and hands each what it needs.  Features meet only here.

What is heavy and not needed for the first answers (anyio, psutil, httpx) is imported when work begins.
"""

import asyncio
import contextlib
import gc
import logging
import os
import signal
import sqlite3
import sys
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final

from sidecar_protocol.connection import Connection, Id
from sidecar_protocol.system import (
    OutboxStatus,
    ProgressKind,
    ProgressValue,
    RequestProgress,
)

from sidecar import exit_codes
from sidecar.clock import FixedClock, SystemClock, iso
from sidecar.features import Features
from sidecar.ids import Uuid7
from sidecar.logs import Logs
from sidecar.randomness import Randomness
from sidecar.settings import Settings, make_private_dir, schema_dir
from sidecar.storage.database import Database, LockFile
from sidecar.storage.migrations import open_database
from sidecar.storage.sync_state import SyncState
from sidecar.storage.unit_of_work import UnitOfWork
from sidecar.system.service import Probes, SystemService
from sidecar.wire.dispatch import Dispatcher, Routes
from sidecar.wire.event_log import EventLog, EventsService
from sidecar.wire.host_watch import watch_parent, watch_process
from sidecar.wire.in_flight import InFlightRequests
from sidecar.wire.lifecycle import DRAIN_S, LifecycleService
from sidecar.wire.outbox import Outbox
from sidecar.wire.stdio import Host, Reader, make_writer

if TYPE_CHECKING:
    from sidecar.transcripts.record import Recorder

log = logging.getLogger(__name__)

WORK_AFTER_S: Final = 0.01
"""Work begins this long after the handshake, so that its imports do not delay the first answers."""
WORK_AT_LATEST_S: Final = 1.0
"""Work begins without a handshake, too: what is queued is due."""
LAST_WRITE_S: Final = 0.2


class App:
    """The running sidecar."""

    def __init__(self, settings: Settings, logs: Logs, wire: tuple[int, int], parent: int) -> None:
        self._settings = settings
        self._logs = logs
        self._parent = parent
        self._loop = asyncio.get_running_loop()
        self._ended: asyncio.Future[int] = self._loop.create_future()
        self._ending: asyncio.Task[None] | None = None
        self._code = exit_codes.OK
        self._work: asyncio.Task[None] | None = None
        self._clock = SystemClock() if settings.now_ms is None else FixedClock(settings.now_ms)
        self._turn = UnitOfWork(self._loop.call_soon)
        self._connection = Connection()
        self._writer = make_writer(wire[1], self._loop, self.end)
        self._host = Host(self._connection, self._writer)
        self._lock, self._database = self._open()
        event_log = EventLog(self._database)
        self._chance = Randomness(settings.seed, life=event_log.window()[1])
        self._new_id = Uuid7(self._clock, self._chance.bytes_for("ids"))
        self._outbox = Outbox(
            self._database,
            event_log,
            self._clock,
            soon=self._turn.soon,
            later=self._loop.call_later,
        )
        self._writer.on_progress = self._outbox.caught_up
        self._dispatcher = Dispatcher(
            self._connection, self._writer, self._database, soon=self._turn.soon, new_id=self._new_id
        )
        self._recorder = self._record()
        recording = () if self._recorder is None else (self._recorder,)
        self._turn.connect(self._database, self._dispatcher, self._outbox, self._host, *recording)
        self._serve()
        self._reader = Reader(
            wire[0],
            self._loop,
            self._connection,
            self._dispatcher.handle,
            self._turn,
            on_eof=self._on_eof,
        )
        if self._recorder is not None:
            self._reader.on_data = self._recorder.input_arrived

    def _open(self) -> tuple[LockFile, Database]:
        path = self._settings.database
        make_private_dir(path.parent)
        lock = LockFile(path.with_name(path.name + ".lock"))
        stamp = iso(self._clock.now_ms()).replace(":", "").replace(".", "")
        randomness = Randomness(self._settings.seed).bytes_for("facts of a new database")
        return lock, Database(open_database(path, schema_dir(), stamp, randomness), path, self._turn.soon)

    def _record(self) -> "Recorder | None":
        """Have the conversation recorded where that is wanted."""
        if self._settings.record is None:
            return None
        from sidecar.transcripts.record import open_recorder  # noqa: PLC0415 - most runs do not

        openrpc = (schema_dir() / "openrpc.json").read_bytes()
        recorder = open_recorder(self._settings.record, openrpc, self._clock, fixed=self._settings.fixed())
        self._connection.received = recorder.received
        self._writer.on_lines = recorder.record_output
        return recorder

    def _serve(self) -> None:
        """Make the services, and the routes to them."""
        self._features = Features(
            self._settings,
            self._database,
            self._outbox,
            self._clock,
            self._new_id,
            self._chance,
            committed=self._committed,
            after_commit=self._turn.after,
            is_draining=self._is_draining,
        )
        waiting = InFlightRequests(
            self._dispatcher.answer,
            self._tell_progress,
            lambda token: self._outbox.forget(RequestProgress, token),
        )
        openrpc = schema_dir() / "openrpc.json"
        self._lifecycle = LifecycleService(
            dispatcher=self._dispatcher,
            waiting=waiting,
            outbox=self._outbox,
            wire=self._host,
            token=self._settings.token,
            schema_hash=sha256(openrpc.read_bytes()).hexdigest()[:16],
            unlock=self._features.unlock,
            on_initialized=self._on_initialized,
            stop_work=self._features.stop_work,
            end=self.end,
        )
        services = (
            self._lifecycle,
            SystemService(self._database, self._settings, self._probes(), self._clock, openrpc),
            EventsService(self._outbox.log),
            *self._features.services,
        )
        self._dispatcher.connect(Routes(services, self._features.later), self._lifecycle.admit, waiting)

    def _probes(self) -> Probes:
        return Probes(
            queue=self._features.jobs_by_status,
            accounts=self._features.account_counts,
            syncs=SyncState(self._database).last_syncs,
            outbox=lambda: OutboxStatus(
                pending_bytes=self._writer.unread_bytes,
                latest_seq=self._outbox.log.window()[1],
                lagged=self._outbox.lagged,
            ),
            requests=lambda: self._dispatcher.requests,
            work_trouble=self._work_trouble,
            secrets=self._features.secrets_state,
            logs_dropped=lambda: self._logs.dropped,
            log_tail=self._logs.tail,
            claude=self._features.probe_claude,
        )

    async def run(self) -> int:
        """Serve until the end; the exit code."""
        self._loop.set_exception_handler(self._on_loop_error)
        for name in ("SIGTERM", "SIGINT", "SIGHUP"):
            with contextlib.suppress(NotImplementedError, AttributeError):  # Windows has no such handlers
                self._loop.add_signal_handler(getattr(signal, name), self.end, exit_codes.OK)
        watch_parent(self._parent, self._loop, lambda: self.end(exit_codes.HOST_DIED))
        for note in self._settings.notes:
            log.warning(note)
        log.info("process %d serves %s", os.getpid(), self._settings.database)
        self._reader.start()
        gc.freeze()  # what stands now stays; see serve.py
        gc.enable()
        self._loop.call_later(WORK_AT_LATEST_S, self._start_work)
        return await self._ended

    def _on_eof(self) -> None:
        if self._recorder is not None:
            self._recorder.record_eof()
        self.end(exit_codes.OK)

    def end(self, code: int) -> None:
        """Drain within its bound, then end with this exit code; the first call counts.

        But for the host's death: a pipe that broke a moment before was its first sign.
        """
        if self._ending is None or (code == exit_codes.HOST_DIED and self._code == exit_codes.IO):
            log.info("ending with exit code %d", code)
            self._code = code
        if self._ending is None:
            self._ending = self._loop.create_task(self._end())

    async def _end(self) -> None:
        try:
            await self._finish()
        finally:  # whatever went wrong there: a process that neither serves nor ends is the worst of all
            self._lock.release()
            self._ended.set_result(self._code)

    async def _finish(self) -> None:
        until = self._loop.time() + DRAIN_S + LAST_WRITE_S
        self._reader.stop()
        # It keeps its time by itself, and at the end of it writes down what did not stop; this is for when that hangs.
        await asyncio.wait({self._lifecycle.drain(DRAIN_S)}, timeout=DRAIN_S + LAST_WRITE_S)
        self._reader.finish(LAST_WRITE_S)
        self._turn.end()
        self._turn.close()
        self._writer.finish(until - self._loop.time())
        if self._recorder is not None:
            self._recorder.close(self._code)
        try:
            self._database.close()
        except sqlite3.Error:
            log.exception("the database could not be closed")

    def _on_initialized(self, process_id: int | None) -> None:
        if process_id is not None and process_id not in (os.getppid(), os.getpid()):
            watch_process(process_id, self._loop, lambda: self.end(exit_codes.HOST_DIED))
        self._loop.call_later(WORK_AFTER_S, self._start_work)

    def _start_work(self) -> None:
        if self._work is None and not self._lifecycle.is_draining:
            self._work = self._loop.create_task(self._run_work())

    def _is_draining(self) -> bool:
        return self._lifecycle.is_draining

    def _work_trouble(self) -> str | None:
        return "the worker has ended" if self._work is not None and self._work.done() else self._features.work_trouble()

    async def _run_work(self) -> None:
        try:
            await self._features.run_work()
        except Exception:
            log.exception("the worker has failed")
            self.end(exit_codes.CRASHED)

    async def _committed(self) -> None:
        """Return once what was written so far is durable; raise what kept it from that."""
        done: asyncio.Future[None] = self._loop.create_future()

        def settled(failure: sqlite3.Error | None) -> None:
            if not done.done():
                done.set_result(None) if failure is None else done.set_exception(failure)

        self._turn.after(settled)
        await done

    def _tell_progress(self, token: Id, kind: str, message: str | None, fraction: float | None) -> None:
        value = ProgressValue(kind=ProgressKind(kind), message=message, fraction=fraction)
        self._outbox.notify(RequestProgress(token=token, value=value))

    def _on_loop_error(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """A callback failed: a bug that may have left things half done, so start anew."""
        del loop
        log.critical("%s", context.get("message"), exc_info=context.get("exception"))
        if "handle" in context:
            self.end(exit_codes.CRASHED)


def serve(settings: Settings, wire: tuple[int, int], parent: int) -> int:
    """Run a sidecar on two claimed descriptors until its end, or its parent's; the exit code.

    Raises what opening the database raises: `DatabaseLocked`, `DatabaseNewer`, `DatabaseUnusable`, OSError.
    """
    logs = Logs(settings.log_dir, logging.DEBUG if settings.run_env == "dev" else logging.INFO)
    logs.start()

    async def main() -> int:
        return await App(settings, logs, wire, parent).run()

    # Never closed: that would wait for every task and thread, and the process ends with `os._exit` anyway.
    runner = asyncio.Runner()
    try:
        return runner.run(main())
    finally:
        logs.stop()
        sys.stderr.flush()
