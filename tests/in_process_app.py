"""The sidecar without its process: the real services, database and connections, on the test's own loop and clock.

Requests and answers cross as bytes; only the pipes are missing.  `host_reads` simulates a host that stops reading.
"""

import asyncio
import heapq
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any, Final, Self, TypeVar

import anyio
import anyio.lowlevel
from pydantic_core import to_json
from sidecar_protocol import contract
from sidecar_protocol.connection import Answered, Connection, Notified
from sidecar_protocol.contract import JobSpec
from sidecar_protocol.system.lifecycle import SecretsState

from sidecar.activity.service import ActivityService
from sidecar.commandline.client import Received, RemoteError
from sidecar.features import JOB_TYPES, SECRETS, Features, methods
from sidecar.http.client import Http
from sidecar.hub.tools import Hub
from sidecar.ids import Randomness, Uuid7
from sidecar.jobs.feature import JobsFeature
from sidecar.jobs.worker import JobsWorker
from sidecar.paths import schema_dir
from sidecar.runtime import Runtime
from sidecar.settings import Settings
from sidecar.storage.database import Database
from sidecar.storage.migrations import open_database
from sidecar.storage.secrets import Vault
from sidecar.storage.unit_of_work import UnitOfWork
from sidecar.wire.dispatch import Dispatcher, Responses, Routes
from sidecar.wire.event_log import EventLog, EventsService
from sidecar.wire.in_flight import InFlightRequests
from sidecar.wire.lifecycle import LifecycleService
from sidecar.wire.outbox import Outbox
from tests.handlers import registrations

T = TypeVar("T")
EIGHT_O_CLOCK: Final = 1_795_420_800_000
"""2026-11-23T08:00:00Z"""
PATIENCE_S: Final = 60.0


class ManualClock:
    """A `Clock` that only `advance` moves, with the timers that depend on it."""

    def __init__(self) -> None:
        self.moved_ms = 0
        self.wall_ms = EIGHT_O_CLOCK
        self._timers: list[tuple[float, int, Callable[[], None]]] = []
        self._order = count()

    def now_ms(self) -> int:
        return self.wall_ms + self.moved_ms

    def monotonic(self) -> float:
        return self.moved_ms / 1000

    def later(self, delay_s: float, callback: Callable[[], None]) -> None:
        """Replaces `loop.call_later`."""
        heapq.heappush(self._timers, (self.monotonic() + delay_s, next(self._order), callback))

    def advance(self, seconds: float) -> None:
        """Moves the clock and runs the timers that are due."""
        self.moved_ms += round(seconds * 1000)
        while self._timers and self._timers[0][0] <= self.monotonic() + 1e-9:
            heapq.heappop(self._timers)[2]()


def let_time_pass(seconds: float) -> None:
    """Moves the event loop's clock forward: what would be due by then is due now."""
    loop = asyncio.get_running_loop()
    time = loop.time
    loop.time = lambda: time() + seconds  # type: ignore[method-assign]


class MemoryWire:
    """Replaces `Writer` and `WireOut`: responses overtake notifications, and pending bytes are counted."""

    def __init__(self, connection: Connection, deliver: Callable[[bytes], None]) -> None:
        self._connection = connection
        self.deliver = deliver
        self._answers: list[bytes] = []
        self._notifications: list[bytes] = []
        self.on_written: Callable[[], None] = lambda: None
        self.host_reads = True

    @property
    def pending_bytes(self) -> int:
        return sum(map(len, self._answers)) + sum(map(len, self._notifications))

    @property
    def holds_notifications(self) -> bool:
        return self._connection.holds_back

    def queue_response(self, line: bytes) -> None:
        self._answers.append(line)

    def notify(self, method: str, params: bytes) -> None:
        self._notifications.append(self._connection.notify(method, params))

    def flush(self) -> None:
        if self.host_reads:
            data = b"".join(self._answers + self._notifications)
            self._answers, self._notifications = [], []
            self.deliver(data)
            self.on_written() if data else None

    def on_commit(self, failure: Exception | None) -> None:
        del failure
        self.flush()


async def _no_orphans(job_ids: Collection[str]) -> int:
    return 0


class InProcessApp:
    """One start of the sidecar, with its client: `remote(Jobs)` calls methods, `received` holds the notifications."""

    def __init__(self, path: Path, clock: ManualClock | None = None, **settings: Any) -> None:
        self.clock = clock or ManualClock()
        self._settings = settings
        self.received: list[Received] = []
        self.unit_of_work = UnitOfWork(asyncio.get_running_loop().call_soon)
        self.connection = open_database(path, schema_dir(), 0)
        self.database = Database(self.connection, path, self.unit_of_work.request_commit)
        self._client, self._server = Connection(), Connection()
        self._answers: dict[int | str | None, asyncio.Future[Answered]] = {}
        self._message_received = anyio.Event()
        self.wire = MemoryWire(self._server, self._receive)
        self.outbox = Outbox(
            self.database,
            EventLog(self.database),
            self.clock,
            request_commit=self.unit_of_work.request_commit,
            call_later=self.clock.later,
        )
        self.wire.on_written = self.outbox.on_written
        self.responses = Responses(
            self._server, self.wire.queue_response, self.database, self.unit_of_work.request_commit, Uuid7(self.clock)
        )
        self.unit_of_work.connect(self.database, self.responses, self.outbox, self.wire)
        self.registrations = registrations()
        self.specs = {**JOB_TYPES, **{name: one.spec for name, one in self.registrations.items()}}
        self.is_draining = False
        self._compose()

    def settings(self) -> Settings:
        """Returns the settings that a process would read from its environment."""
        return Settings(database=self.database.path, log_dir=self.database.path.parent, **self._settings)

    def make_http(self) -> Http:
        """Returns the client for the vendors' servers."""
        return Http(self.clock, random_fraction=lambda: 0.5)

    def _compose(self) -> None:
        new_id = Uuid7(self.clock)
        self.job_queue = JobsFeature(self.database, self.outbox, self.clock, new_id, self.specs, self._admit)
        settings = self.settings()
        self.runtime = Runtime(
            settings=settings,
            database=self.database,
            clock=self.clock,
            new_id=new_id,
            randomness=Randomness(None),
            notify=self.outbox.notify,
            committed=self.unit_of_work.committed,
            after_commit=self.unit_of_work.after_commit,
            is_draining=lambda: self.is_draining,
            vault=Vault(self.database, settings.data_dir, SECRETS),
            queue=self.job_queue.queue,
            schedules=self.job_queue.schedules,
            feed=lambda: self.activity,
            http=cache(self.make_http),
            hub=lambda: Hub(self.routes.find, methods, new_id),
        )
        self.features = Features(self.runtime, self.job_queue, self.outbox.log)
        in_flight = InFlightRequests(self.responses.add, lambda *_: None, lambda _: None)
        lifecycle = LifecycleService(in_flight, self.outbox, self.wire, self, token=None, schema_hash="test")
        self.services = (*self.job_queue.services, EventsService(self.outbox.log), lifecycle)
        self.routes = Routes(self.services, self.features.deferred, {"jobs.create": self.job_queue.queue.create_waits})
        self.dispatcher = Dispatcher(self.routes, lifecycle.admit, self.responses, in_flight)

    async def _admit(self, job: JobSpec) -> None:
        await self.features.admit(job)

    @property
    def activity(self) -> ActivityService:
        """The activity feed."""
        feed = self.features.feed()
        assert isinstance(feed, ActivityService)
        return feed

    # --- the process, as the lifecycle reaches it ---------------------------------------------------------------

    def unlock(self, key: str | None) -> SecretsState:
        return self.features.unlock(key)

    def on_initialized(self, client_pid: int | None) -> None:
        del client_pid

    async def stop_work(self, deadline_s: float) -> tuple[int, bool]:
        return await self.features.stop_work(deadline_s)

    def end(self, code: int) -> None:
        del code

    # --- the client's side --------------------------------------------------------------------------------------

    async def call(self, method: str, params: dict[str, Any] | None = None) -> Any:
        """Calls a method and returns its result.  Raises `RemoteError`."""
        answer = (await self.burst((method, params or {})))[0]
        if answer.error is not None:
            raise RemoteError(answer.error)
        return answer.result

    async def burst(self, *calls: tuple[str, dict[str, Any]]) -> list[Answered]:
        """Sends several requests in one chunk and returns their answers."""
        lines = b""
        futures: list[asyncio.Future[Answered]] = []
        for method, params in calls:
            request_id, line = self._client.call(method, to_json(params))
            future = self._answers[request_id] = asyncio.get_running_loop().create_future()
            futures.append(future)
            lines += line
        self.send(lines)
        with anyio.fail_after(PATIENCE_S):
            return [await future for future in futures]

    def remote(self, interface: type[T]) -> T:
        """Returns a client of one interface, typed as declared."""
        return contract.remote(interface, self.call)

    async def initialize(self, **params: Any) -> Any:
        """Performs the handshake."""
        client = {"name": "tests", "version": "1"}
        return await self.call("initialize", {"protocol_version": 1, "client_info": client, **params})

    def send(self, data: bytes) -> None:
        """Handles a chunk as the real reader does."""
        self.unit_of_work.begin()
        self._server.receive(data)
        while (event := self._server.next_event()) is not None:
            self.dispatcher.handle(event)
        self.unit_of_work.commit()

    def _receive(self, data: bytes) -> None:
        self._client.receive(data)
        while (event := self._client.next_event()) is not None:
            if isinstance(event, Answered):
                self._answers.pop(event.id).set_result(event)
            else:
                assert isinstance(event, Notified)
                self.received.append(Received(event.method, event.params))
        self._message_received.set()

    def named(self, method: str) -> list[dict[str, Any]]:
        """Returns the params of all notifications of this name."""
        return [one.params for one in self.received if one.method == method]

    async def until(self, holds: Callable[[Self], object]) -> None:
        """Waits until the condition holds; it is checked after each message."""
        with anyio.fail_after(PATIENCE_S):
            while not holds(self):
                self._message_received = anyio.Event()
                await self._message_received.wait()

    async def until_job(self, job_id: str, *statuses: str) -> dict[str, Any]:
        """Waits until `jobs.updated` reports one of these statuses, and returns the job."""

        def found() -> list[dict[str, Any]]:
            jobs = [params["job"] for params in self.named("jobs.updated")]
            return [job for job in jobs if job["job_id"] == job_id and job["status"] in statuses]

        await self.until(lambda _: found())
        return found()[0]

    async def run_pending(self) -> None:
        """Runs the event loop until nothing is due."""
        for _ in range(20):
            await anyio.lowlevel.checkpoint()

    def look_for_jobs(self) -> None:
        """Wakes the worker, as its timer does once a minute, since the clock may have moved."""
        self.job_queue.wake()

    # --- the worker ---------------------------------------------------------------------------------------------

    def make_worker(self) -> JobsWorker:
        """Returns a worker for the job types in `registrations`."""
        return self.job_queue.make_worker(self.runtime, self.registrations.values(), _no_orphans)

    @asynccontextmanager
    async def working(self) -> AsyncIterator[None]:
        """Runs jobs inside the block and interrupts them at its end."""
        worker = self.make_worker()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(worker.run)
            try:
                yield
            finally:
                with anyio.CancelScope(shield=True):
                    await worker.stop(PATIENCE_S)

    def close(self) -> None:
        """Closes the sidecar as the end of its process does."""
        self.unit_of_work.commit()
        self.unit_of_work.close()
        self.database.close()
