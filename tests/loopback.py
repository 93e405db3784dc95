"""The services over a real database and two real connections, without the process: on the test's own loop and clock.

What a client sends crosses as bytes and is answered as bytes; only the pipes are missing.  The host may stop reading.
"""

import asyncio
import heapq
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from typing import Any, Final, Self, TypeVar

import anyio
import anyio.lowlevel
from pydantic_core import to_json
from sidecar_protocol import contract
from sidecar_protocol.connection import Answered, Connection, Notified

from sidecar.commandline.client import Received, RemoteError
from sidecar.features import Features
from sidecar.ids import Uuid7
from sidecar.jobs.worker import JobsWorker
from sidecar.paths import schema_dir
from sidecar.randomness import Randomness
from sidecar.settings import Settings
from sidecar.storage.database import Database
from sidecar.storage.migrations import open_database
from sidecar.storage.unit_of_work import UnitOfWork
from sidecar.wire.dispatch import Dispatcher, Routes
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
    """Both clocks; they move when told to, and so do the timers that hang on them."""

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
        """What `loop.call_later` does, by this clock."""
        heapq.heappush(self._timers, (self.monotonic() + delay_s, next(self._order), callback))

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.moved_ms += round(seconds * 1000)
        while self._timers and self._timers[0][0] <= self.monotonic() + 1e-9:
            heapq.heappop(self._timers)[2]()


class MemoryWire:
    """Stands in for `Writer` and `WireOut`: responses overtake notifications, and pending bytes are counted."""

    def __init__(self, connection: Connection, deliver: Callable[[bytes], None]) -> None:
        self._connection = connection
        self._deliver = deliver
        self._answers: list[bytes] = []
        self._notifications: list[bytes] = []
        self.on_written: Callable[[], None] = lambda: None
        self.host_reads = True

    @property
    def pending_bytes(self) -> int:
        return sum(map(len, self._answers)) + sum(map(len, self._notifications))

    @property
    def holds_notifications(self) -> bool:
        return self._connection.open_batches > 0

    def queue_response(self, line: bytes) -> None:
        self._answers.append(line)

    def notify(self, method: str, params: bytes) -> None:
        self._notifications.append(self._connection.notify(method, params))

    def flush(self) -> None:
        if self.host_reads:
            data = b"".join(self._answers + self._notifications)
            self._answers, self._notifications = [], []
            self._deliver(data)
            self.on_written() if data else None

    def on_commit(self, failure: Exception | None) -> None:
        del failure
        self.flush()


class TestFeatures(Features):
    """The real features, but for what jobs there are, and for chance."""

    __test__ = False

    def __init__(self, *parts: Any, **more: Any) -> None:
        super().__init__(*parts, **more)
        self.registrations = registrations()
        self.journal = self._journal
        self.activity = self._activity
        self.calendar = self._calendar
        self.claude = self._claude
        self.scheduler = self._scheduler
        self.specs.update({name: one.spec for name, one in self.registrations.items()})

    async def run_work(self) -> None:
        """Run the tests' jobs until `stop_work`."""
        self._worker = JobsWorker(
            self._journal,
            self.registrations,
            scheduler=self._scheduler,
            clock=self._clock,
            new_id=self._new_id,
            chance=lambda: 0.5,
            committed=self._committed,
            reap=_nothing_left,
        )
        await self._worker.run()

    def look(self) -> None:
        """Wake the worker."""
        self._wake()


async def _nothing_left(job_ids: Collection[str]) -> int:
    return 0


class Loopback:
    """`remote(Jobs)` and the like, with everything that came unasked in `received`."""

    def __init__(self, path: Path, clock: ManualClock | None = None, **settings: Any) -> None:
        self.clock = clock or ManualClock()
        self._settings = settings
        self.received: list[Received] = []
        self.unit_of_work = UnitOfWork(asyncio.get_running_loop().call_soon)
        self.database = Database(open_database(path, schema_dir(), "test"), path, self.unit_of_work.request_commit)
        self._client, self._server = Connection(), Connection()
        self._answers: dict[int | str | None, asyncio.Future[Answered]] = {}
        self._came = anyio.Event()
        self.wire = MemoryWire(self._server, self._take)
        self.outbox = Outbox(
            self.database,
            EventLog(self.database),
            self.clock,
            request_commit=self.unit_of_work.request_commit,
            call_later=self.clock.later,
        )
        self.wire.on_written = self.outbox.on_written
        self._new_id = Uuid7(self.clock)
        self.dispatcher = Dispatcher(
            self._server, self.wire, self.database, request_commit=self.unit_of_work.request_commit, new_id=self._new_id
        )
        self.unit_of_work.connect(self.database, self.dispatcher, self.outbox, self.wire)
        self._serve()

    def settings(self) -> Settings:
        """What the process would be given by its environment."""
        return Settings(database=self.database.path, log_dir=self.database.path.parent, **self._settings)

    def _serve(self) -> None:
        self.features = TestFeatures(
            self.settings(),
            self.database,
            self.outbox,
            self.clock,
            self._new_id,
            Randomness(None),
            committed=self._committed,
            after_commit=self.unit_of_work.after_commit,
            is_draining=lambda: False,
        )
        waiting = InFlightRequests(self.dispatcher.answer, lambda *_: None, lambda _: None)
        lifecycle = LifecycleService(
            dispatcher=self.dispatcher,
            waiting=waiting,
            outbox=self.outbox,
            wire=self.wire,
            token=None,
            schema_hash="test",
            unlock=self.features.unlock,
            on_initialized=lambda _: None,
            stop_work=self.features.stop_work,
            end=lambda _: None,
        )
        services = (*self.features.services, EventsService(self.outbox.log), lifecycle)
        self.dispatcher.connect(Routes(services, self.features.later), lifecycle.admit, waiting)

    # --- the client's side --------------------------------------------------------------------------------------

    async def call(self, method: str, params: dict[str, Any] | None = None) -> Any:
        """Ask and wait for the result.  Raises RemoteError."""
        answer = (await self.burst((method, params or {})))[0]
        if answer.error is not None:
            raise RemoteError(answer.error)
        return answer.result

    async def burst(self, *calls: tuple[str, dict[str, Any]]) -> list[Answered]:
        """Ask all of this in one chunk, and wait for the answers."""
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
        """The methods of one interface, typed as declared."""
        return contract.remote(interface, self.call)

    async def initialize(self, **params: Any) -> Any:
        """Shake hands."""
        client = {"name": "tests", "version": "1"}
        return await self.call("initialize", {"protocol_version": 1, "client_info": client, **params})

    def send(self, data: bytes) -> None:
        """Handles a chunk as the real reader does."""
        self.unit_of_work.begin()
        self._server.receive(data)
        while (event := self._server.next_event()) is not None:
            self.dispatcher.handle(event)
        self.unit_of_work.commit()

    def _take(self, data: bytes) -> None:
        self._client.receive(data)
        while (event := self._client.next_event()) is not None:
            if isinstance(event, Answered):
                self._answers.pop(event.id).set_result(event)
            else:
                assert isinstance(event, Notified)
                self.received.append(Received(event.method, event.params))
        self._came.set()

    def named(self, method: str) -> list[dict[str, Any]]:
        """The params of all notifications of this name so far."""
        return [one.params for one in self.received if one.method == method]

    async def until(self, holds: Callable[[Self], object]) -> None:
        """Wait for what some message brings about."""
        with anyio.fail_after(PATIENCE_S):
            while not holds(self):
                self._came = anyio.Event()
                await self._came.wait()

    async def until_job(self, job_id: str, *statuses: str) -> dict[str, Any]:
        """The job, once `jobs.updated` says that it has one of these statuses."""

        def found() -> list[dict[str, Any]]:
            jobs = [params["job"] for params in self.named("jobs.updated")]
            return [job for job in jobs if job["job_id"] == job_id and job["status"] in statuses]

        await self.until(lambda _: found())
        return found()[0]

    async def settle(self) -> None:
        """Let everything happen that is due now."""
        for _ in range(20):
            await anyio.lowlevel.checkpoint()

    def look_for_jobs(self) -> None:
        """What the worker does by itself once a minute: the clock may have moved."""
        self.features.look()

    # --- the worker ---------------------------------------------------------------------------------------------

    @asynccontextmanager
    async def working(self) -> AsyncIterator[None]:
        """Jobs are run inside this block and interrupted at its end."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self.features.run_work)
            try:
                yield
            finally:
                with anyio.CancelScope(shield=True):
                    await self.features.stop_work(PATIENCE_S)

    async def _committed(self) -> None:
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.unit_of_work.after_commit(
            lambda failure: done.set_exception(failure) if failure else done.set_result(None)
        )
        await done

    def close(self) -> None:
        """End it, in good order."""
        self.unit_of_work.commit()
        self.unit_of_work.close()
        self.database.close()
