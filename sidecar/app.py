"""The composition root: makes each object of the process once and connects it to the others.

What the first responses do not need (anyio, psutil, httpx, the features) is imported when work begins.
"""

import asyncio
import contextlib
import logging
import os
import signal
import sqlite3
import sys
from collections.abc import Callable, Mapping
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from sidecar_protocol.connection import Connection
from sidecar_protocol.json_line import Id
from sidecar_protocol.system.lifecycle import SecretsState
from sidecar_protocol.system.progress import ProgressValue, RequestProgress

from sidecar import exit_codes
from sidecar.clock import DAY_S, Clock
from sidecar.features import JOB_TYPES, SECRETS, SYSTEM, Features, importing, methods
from sidecar.ids import Randomness, Uuid7
from sidecar.jobs.feature import JobsFeature
from sidecar.logs import Logs
from sidecar.paths import make_private_dir, schema_dir
from sidecar.runtime import Runtime
from sidecar.settings import Settings, process_settings
from sidecar.storage.database import Database, check_sqlite
from sidecar.storage.identity import lost_backup
from sidecar.storage.inspection import DatabaseNewer, DatabaseUnusable, start_problem
from sidecar.storage.lock_file import DatabaseLocked, LockFile
from sidecar.storage.migrations import InstallationDamaged, check_installation, open_database
from sidecar.storage.presence import PresenceWatch
from sidecar.storage.secrets import Vault
from sidecar.storage.unit_of_work import UnitOfWork
from sidecar.text import printable
from sidecar.wire.dispatch import Dispatcher, Responses, Routes
from sidecar.wire.event_log import EventLog, EventsService
from sidecar.wire.host_watch import watch_parent, watch_process
from sidecar.wire.in_flight import InFlightRequests
from sidecar.wire.lifecycle import DRAIN_S, LifecycleService
from sidecar.wire.outbox import Outbox
from sidecar.wire.stdio import PlatformWriter, Reader, WireOut

if TYPE_CHECKING:
    from sidecar_protocol.contract import JobSpec

    from sidecar.feed import Feed
    from sidecar.http.client import Http, Transport, Upstream
    from sidecar.hub.tools import Hub
    from sidecar.transcripts.record import Recorder

log = logging.getLogger(__name__)

MAINTENANCE: Final = {"maintenance.backup": DAY_S, "maintenance.prune": DAY_S, "maintenance.vacuum": 7 * DAY_S}
"""The jobs of the sidecar's own schedules, with their periods in seconds."""

WORK_AFTER_S: Final = 0.01
"""Delay from the handshake to the start of work, whose imports would delay the first responses."""
WORK_AT_LATEST_S: Final = 1.0
"""Delay from the start of the process to that of work if no client shakes hands: queued jobs are due."""
BACKLOG_S: Final = 1.3
"""Time for the requests that stdin has left behind at its end; later ones are refused."""
LAST_WRITE_S: Final = 0.2
"""Time for handling the remaining requests and writing their answers once the work is stopped."""
EXIT_CODES: Final = {
    DatabaseLocked: exit_codes.LOCKED,
    DatabaseNewer: exit_codes.NEWER,
    DatabaseUnusable: exit_codes.IO,
}
"""The exit code of a start that fails with one of these; another is a mistake in the settings or the installation."""


class Machine(NamedTuple):
    """Replacements, which the simulation has, of what the process otherwise takes from its computer."""

    clock: Clock | None = None
    open_database: Callable[..., sqlite3.Connection] | None = None
    connect: "Callable[[int], Transport] | None" = None
    """Makes the transport of requests to the clouds."""


class App:
    """The running sidecar."""

    def __init__(
        self,
        settings: Settings,
        logs: Logs,
        wire: tuple[int, int],
        parent: int,
        on_loaded: Callable[[], None],
        machine: Machine,
    ) -> None:
        """`on_loaded` is called whenever a stage of the start has imported its modules and created its objects."""
        self._settings, self._logs, self._parent, self._machine = settings, logs, parent, machine
        self._on_loaded = on_loaded
        self._loop = asyncio.get_running_loop()
        self._ended: asyncio.Future[int] = self._loop.create_future()
        self._ending: asyncio.Task[None] | None = None
        self._code = exit_codes.OK
        self._end_at: float | None = None
        """When the process must end, by the loop's clock; None as long as stdin is open."""
        self._work: asyncio.Task[None] | None = None
        self._clock = machine.clock or settings.clock()
        self._started = self._clock.monotonic()
        self._unit_of_work = UnitOfWork(self._loop.call_soon)
        self._lock, self._database = self._open()
        event_log = EventLog(self._database)
        # Only for a fixed seed: a damaged log must not prevent the start.
        self._randomness = Randomness(settings.seed, life=0 if settings.seed is None else event_log.window()[1])
        self._new_id = Uuid7(self._clock, self._randomness.bytes_for("ids"))
        commit, later = self._unit_of_work.request_commit, self._loop.call_later
        self._outbox = Outbox(self._database, event_log, self._clock, request_commit=commit, call_later=later)
        self._recorder = self._record()
        recording = () if self._recorder is None else (self._recorder,)
        on_send = None if self._recorder is None else self._recorder.on_send
        self._connection = Connection(read_lines=None if self._recorder is None else self._recorder.received)
        self._writer = PlatformWriter(wire[1], self.end, self._outbox.on_written, on_send)
        self._wire_out = WireOut(self._connection, self._writer)
        self._responses = Responses(self._connection, self._writer.queue_response, self._database, commit, self._new_id)
        # The one late binding: what is called after a commit needs the database, which requests the commits.
        presence = PresenceWatch(self._database, later, lambda: self.end(exit_codes.IO))
        self._unit_of_work.connect(self._database, self._responses, self._outbox, self._wire_out, *recording, presence)
        self._jobs = JobsFeature(self._database, self._outbox, self._clock, self._new_id, JOB_TYPES, self._admit)
        self._runtime = self._make_runtime()
        self._features = Features(self._runtime, self._jobs, event_log)
        self._dispatcher = self._make_dispatcher()
        self._reader = Reader(
            wire[0],
            self._connection,
            self._unit_of_work,
            handle=self._dispatcher.handle,
            on_eof=self._on_eof,
            on_receive=None if self._recorder is None else self._recorder.on_receive,
        )

    def _open(self) -> tuple[LockFile, Database]:
        path = self._settings.database
        make_private_dir(path.parent)
        lock = LockFile(path.resolve())
        randomness = Randomness(self._settings.seed).bytes_for("facts of a new database")
        connection = (self._machine.open_database or open_database)(
            path, schema_dir(), self._clock.now_ms(), randomness
        )
        begin = self._unit_of_work.request_commit
        log_of_writes = Path(f"{path.resolve()}-wal")
        watched = [file for file in (path, lock.path, log_of_writes) if file.exists()]
        return lock, Database(connection, path.resolve(), begin, watched=watched)

    def _record(self) -> "Recorder | None":
        if self._settings.record is None:
            return None
        from sidecar.transcripts.record import open_recorder  # noqa: PLC0415 - most runs are not recorded

        openrpc = (schema_dir() / "openrpc.json").read_bytes()
        return open_recorder(self._settings, openrpc, self._clock)

    def _make_runtime(self) -> Runtime:
        return Runtime(
            settings=self._settings,
            database=self._database,
            clock=self._clock,
            new_id=self._new_id,
            randomness=self._randomness,
            notify=self._outbox.notify,
            committed=self._unit_of_work.committed,
            after_commit=self._unit_of_work.after_commit,
            is_draining=lambda: self._lifecycle.is_draining,
            vault=Vault(self._database, self._settings.data_dir, SECRETS),
            queue=self._jobs.queue,
            schedules=self._jobs.schedules,
            feed=self._feed,
            http=cache(self._make_http),
            hub=cache(self._make_hub),
        )

    async def _admit(self, job: "JobSpec") -> None:
        await self._features.admit(job)

    def _feed(self) -> "Feed":
        return self._features.feed()

    def _make_http(self) -> "Http":
        from sidecar.http.client import Http  # noqa: PLC0415 - it brings anyio, which the start does without

        random_fraction = self._randomness.fractions_for("pauses of requests")
        upstream, connect = self._upstream(), self._machine.connect
        return Http(self._clock, random_fraction=random_fraction, upstream=upstream, connect=connect)

    def _make_hub(self) -> "Hub":
        from sidecar.hub.tools import Hub  # noqa: PLC0415 - only Claude needs it

        return Hub(self._routes.find, methods, self._new_id)

    def _upstream(self) -> "Upstream | None":
        if self._settings.upstream is None and self._settings.upstream_record is None:
            return None
        from sidecar.transcripts.upstream import UpstreamPlayer, UpstreamRecorder  # noqa: PLC0415 - as above

        if self._settings.upstream is not None:
            return UpstreamPlayer(self._settings.upstream)
        return UpstreamRecorder(self._settings.upstream_record) if self._settings.upstream_record else None

    def _make_dispatcher(self) -> Dispatcher:
        self._in_flight = in_flight = InFlightRequests(
            self._responses.add, self._notify_progress, lambda token: self._outbox.discard(RequestProgress, token)
        )
        openrpc = schema_dir() / "openrpc.json"
        self._lifecycle = LifecycleService(
            in_flight,
            self._outbox,
            self._wire_out,
            self,
            token=self._settings.token,
            schema_hash=sha256(openrpc.read_bytes()).hexdigest()[:16],
        )
        services = (self._lifecycle, EventsService(self._outbox.log), *self._jobs.services)
        system = cache(self._make_system)
        waits_for = {"jobs.create": self._jobs.queue.create_waits}
        self._routes = Routes(services, {**self._features.deferred, "system": system, "rpc": system}, waits_for)
        return Dispatcher(self._routes, self._lifecycle.admit, self._responses, in_flight, self._features.loading)

    def _make_system(self) -> tuple[object, ...]:
        with importing(*SYSTEM):  # the handshake does without their models
            from sidecar.system.backups import BackupsService  # noqa: PLC0415
            from sidecar.system.service import SystemService  # noqa: PLC0415

        openrpc = schema_dir() / "openrpc.json"
        service = SystemService(self._runtime, self._features, self, self._outbox, self._logs, openrpc)
        return service, BackupsService(self._runtime, self.end)

    async def run(self) -> int:
        self._loop.set_exception_handler(self._on_loop_error)
        self._reader.on_hang_up, self._reader.has_room = self._on_hang_up, self._in_flight.has_room
        for name in ("SIGTERM", "SIGINT", "SIGHUP"):
            with contextlib.suppress(NotImplementedError, AttributeError):  # Windows has no such handlers
                self._loop.add_signal_handler(getattr(signal, name), self.end, exit_codes.OK)
        watch_parent(self._parent, self._loop, lambda: self.end(exit_codes.HOST_DIED))
        for note in self._settings.notes:
            log.warning(note)
        log.info("process %d serves %s", os.getpid(), self._settings.database)
        self._jobs.schedules.ensure_own(MAINTENANCE)
        self._reader.start()
        self._on_loaded()
        self._loop.call_later(WORK_AT_LATEST_S, self._start_work)
        return await self._ended

    def _on_eof(self) -> None:
        if self._recorder is not None and self._ending is None:
            self._recorder.on_eof()
        self.end(exit_codes.OK)

    def _on_hang_up(self) -> None:
        self._end_at = self._loop.time() + DRAIN_S + LAST_WRITE_S
        self._loop.call_later(BACKLOG_S, self._on_eof)

    def end(self, code: int) -> None:
        """Drains within the time limit, then ends with this exit code.

        Later calls have no effect, except that `HOST_DIED` replaces `IO`: the broken pipe was its first sign.
        """
        if self._ending is None or (code == exit_codes.HOST_DIED and self._code == exit_codes.IO):
            log.info("ending with exit code %d", code)
            self._code = code
        if self._ending is None:
            self._ending = self._loop.create_task(self._end())

    async def _end(self) -> None:
        try:
            await self._finish()
        finally:  # in any case: the host could not recover from a process that neither serves nor ends
            self._lock.close()
            self._ended.set_result(self._code)

    async def _finish(self) -> None:
        until = self._end_at or self._loop.time() + DRAIN_S + LAST_WRITE_S
        drain_s = max(0.0, until - LAST_WRITE_S - self._loop.time())
        self._reader.stop()
        # The drain keeps its own time limit and then stores what did not stop; this one is for a drain that hangs.
        await asyncio.wait({self._lifecycle.drain(drain_s)}, timeout=drain_s + LAST_WRITE_S)
        self._reader.finish(until - self._loop.time() - LAST_WRITE_S / 2)
        await asyncio.sleep(0)  # `shutdown` returns now, if the drain has ended, and what was read last begins
        self._in_flight.abandon()
        self._unit_of_work.commit()
        self._unit_of_work.close()
        self._writer.finish(until - self._loop.time())
        if self._recorder is not None:
            self._recorder.close(self._code)
        try:
            self._database.close()
        except sqlite3.Error:
            log.exception("the database could not be closed")

    def unlock(self, key: str | None) -> SecretsState:
        return self._features.unlock(key)

    def on_initialized(self, client_pid: int | None) -> None:
        if client_pid is not None and client_pid not in (os.getppid(), os.getpid()):
            watch_process(client_pid, self._loop, lambda: self.end(exit_codes.HOST_DIED))
        self._loop.call_later(WORK_AFTER_S, self._start_work)
        self._loop.call_soon(self._notify_of_lost_database)

    def _notify_of_lost_database(self) -> None:
        try:
            if lost_backup(self._database.rows) is not None:
                from sidecar.system.backups import notify_of_lost_database  # noqa: PLC0415 - hardly ever needed

                notify_of_lost_database(self._runtime)
        except sqlite3.Error:  # it must not cost the handshake; the next start tries again
            log.exception("whether a database was lost cannot be read")

    async def stop_work(self, deadline_s: float) -> tuple[int, bool]:
        return await self._features.stop_work(deadline_s)

    @property
    def requests(self) -> int:
        return self._dispatcher.requests

    @property
    def uptime_s(self) -> float:
        return self._clock.monotonic() - self._started

    @property
    def pending_bytes(self) -> int:
        return self._writer.pending_bytes

    def _start_work(self) -> None:
        if self._work is None and not self._lifecycle.is_draining:
            self._work = self._loop.create_task(self._run_work())

    async def _run_work(self) -> None:
        try:
            await self._features.run_work(self._on_loaded, self._reader.has_arrivals)
        except Exception:
            log.exception("the job worker has failed")
            self.end(exit_codes.CRASHED)

    def _notify_progress(self, token: Id, message: str | None, fraction: float | None) -> None:
        value = ProgressValue(message=message, fraction=fraction)
        self._outbox.notify(RequestProgress(token=token, value=value))

    def _on_loop_error(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Ends the process: a callback that failed may have left its work half done, and a new process recovers."""
        del loop
        log.critical("%s", context.get("message"), exc_info=context.get("exception"))
        if "handle" in context:
            self.end(exit_codes.CRASHED)


def serve(wire: tuple[int, int], parent: int, on_loaded: Callable[[], None], options: Mapping[str, Any]) -> int:
    """Serves on two claimed descriptors until the end.  Returns the exit code.

    `options` are the settings of the command line.  A start that fails is explained on stderr.
    """
    data_dir = Path()
    try:
        check_sqlite()
        settings = process_settings(**options)
        data_dir = settings.data_dir
        check_installation(schema_dir())  # before the data folder is touched
        return _serve(settings, wire, parent, on_loaded)
    except OSError as error:
        problem, code = start_problem(error, data_dir), exit_codes.IO
    except (ValueError, InstallationDamaged, DatabaseLocked, DatabaseNewer, DatabaseUnusable) as error:
        problem, code = str(error), EXIT_CODES.get(type(error), exit_codes.USAGE)
    with contextlib.suppress(OSError):  # stderr can be a file on the full disk
        print(printable(f"sidecar: {problem}"), file=sys.stderr)  # noqa: T201 - stderr; the logs may not exist yet
    return code


def _serve(settings: Settings, wire: tuple[int, int], parent: int, on_loaded: Callable[[], None]) -> int:
    logs = Logs(settings.log_dir, logging.DEBUG if settings.run_env == "dev" else logging.INFO)
    logs.start()

    async def main() -> int:
        return await App(settings, logs, wire, parent, on_loaded, Machine()).run()

    # Never closed: that would wait for every task and thread, and the process ends with `os._exit` anyway.
    runner = asyncio.Runner()
    try:
        return runner.run(main())
    finally:
        logs.stop()
