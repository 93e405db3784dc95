"""The queue with job types whose handlers do what the test says, when the test says it."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, ClassVar

import anyio
import anyio.lowlevel
from sidecar_protocol.claude.runs import RunClaude
from sidecar_protocol.contract import JobPolicy, JobSpec, Model, Recovery
from sidecar_protocol.jobs import Jobs

from sidecar.job_handler import JobContext, Registration
from sidecar.jobs.store import JobsStore
from sidecar.jobs.worker import JobsWorker
from tests.in_process_app import PATIENCE_S, InProcessApp, ManualClock


class Made(Model):
    """What such a job comes to."""

    text: str


class Work(JobSpec):
    """A job by the name that the test gives it, with the key that it wants for itself."""

    type: ClassVar = "work.once"
    result: ClassVar = Made
    name: str = ""
    key: str | None = None

    def lock_key(self) -> str | None:
        return self.key


class Again(Work):
    """It may be done twice without harm, and is tried three times."""

    type: ClassVar = "work.again"
    policy: ClassVar = JobPolicy(max_attempts=3, recovery=Recovery.REQUEUE)


class Fatal(Work):
    """Its interruption is its failure."""

    type: ClassVar = "work.fatal"
    policy: ClassVar = JobPolicy(recovery=Recovery.FAIL)


class Alone(Work):
    """One at a time."""

    type: ClassVar = "work.alone"
    policy: ClassVar = JobPolicy(concurrency=1)


class Brief(Work):
    """It has a hundredth of a second, twice."""

    type: ClassVar = "work.brief"
    policy: ClassVar = JobPolicy(max_attempts=2, timeout_s=0.01)


TYPES: tuple[type[Work | RunClaude], ...] = (Work, Again, Fatal, Alone, Brief, RunClaude)


class Run:
    """One run of a handler, until the test says how it ends."""

    def __init__(self, context: JobContext) -> None:
        self.context = context
        self.on_cancel: Exception | None = None
        self.outcome: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    def succeed(self, text: str = "") -> None:
        self.outcome.set_result(text)

    def fail(self, error: Exception) -> None:
        self.outcome.set_exception(error)


class Hands:
    """The handler of all of these types."""

    def __init__(self) -> None:
        self.order: list[str] = []
        """The jobs' names, as their runs began."""
        self.most: Counter[str] = Counter()
        """How many ran at a time at most: of each type, with each key, and `all`."""
        self._live: Counter[str] = Counter()
        self._fresh: dict[str, Run] = {}
        self._came = anyio.Event()

    async def run(self, job: Work | RunClaude, context: JobContext) -> Made:
        name = job.name if isinstance(job, Work) else job.prompt
        run = self._fresh[name] = Run(context)
        self.order.append(name)
        key = job.lock_key()
        kinds = ("all", job.type, *((key,) if key else ()))
        self._live.update(kinds)
        self.most |= self._live
        self._came.set()
        try:
            return Made(text=await run.outcome)
        except asyncio.CancelledError:
            if run.on_cancel is not None:
                raise run.on_cancel from None
            raise
        finally:
            self._live.subtract(kinds)

    async def next(self, name: str) -> Run:
        """The next run of the job with this name, once it has begun."""
        with anyio.fail_after(PATIENCE_S):
            while name not in self._fresh:
                self._came = anyio.Event()
                await self._came.wait()
        return self._fresh.pop(name)


class Shop(InProcessApp):
    """One life of the process: its services, and its worker inside of `working`."""

    def __init__(self, path: Path, clock: ManualClock | None = None) -> None:
        super().__init__(path, clock)
        self.hands = Hands()
        self.store = JobsStore(self.database)
        self.journal = self.job_queue.journal
        self.scheduler = self.job_queue.schedules
        self.jobs = self.remote(Jobs)
        self.random_fraction = 0.0
        self.reaped: list[list[str]] = []
        self.on_reap: Callable[[], None] = lambda: None
        self.types = {spec.type: Registration(spec, self.hands) for spec in TYPES}
        self.specs.update({spec.type: spec for spec in TYPES})

    async def make(self, name: str, spec: type[Work] = Work, key: str | None = None, **params: Any) -> str:
        """A job's id."""
        payload = {"name": name, **({"key": key} if key else {})}
        made = await self.call("jobs.create", {"type": spec.type, "payload": payload, **params})
        job_id: str = made["job"]["job_id"]
        return job_id

    async def get(self, job_id: str) -> dict[str, Any]:
        """A job as it stands."""
        job: dict[str, Any] = await self.call("jobs.get", {"job_id": job_id})
        return job

    async def log_of(self, job_id: str) -> list[str]:
        """The words of a job's log."""
        return [line.message for line in (await self.jobs.list_log(job_id=job_id, limit=500)).lines]

    def snapshots(self, job_id: str) -> list[dict[str, Any]]:
        """What `jobs.updated` has said about a job."""
        return [params["job"] for params in self.named("jobs.updated") if params["job"]["job_id"] == job_id]

    def statuses(self, job_id: str) -> list[str]:
        """How a job went, as `jobs.updated` told it."""
        return [job["status"] for job in self.snapshots(job_id)]

    async def seen(self, job_id: str, **fields: Any) -> dict[str, Any]:
        """The first snapshot of a job with these values, once `jobs.updated` has brought it."""

        def found() -> list[dict[str, Any]]:
            return [job for job in self.snapshots(job_id) if fields.items() <= job.items()]

        await self.until(lambda _: found())
        return found()[0]

    async def tick(self) -> None:
        """One iteration of the loop."""
        await anyio.lowlevel.checkpoint()

    async def pass_time(self, seconds: float) -> None:
        """Move the clock, and let the worker see it."""
        self.clock.advance(seconds)
        self.look_for_jobs()
        await self.settle()

    @asynccontextmanager
    async def working(self) -> AsyncIterator[None]:
        """Jobs are run inside this block and interrupted at its end."""
        worker = self.job_queue.worker = JobsWorker(
            self.journal,
            self.types,
            scheduler=self.scheduler,
            runtime=self.runtime,
            random_fraction=lambda: self.random_fraction,
            kill_orphans=self._kill_orphans,
        )
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(worker.run)
            try:
                yield
            finally:
                with anyio.CancelScope(shield=True):
                    await worker.stop(PATIENCE_S)

    async def _kill_orphans(self, job_ids: Collection[str]) -> int:
        self.reaped.append(list(job_ids))
        self.on_reap()
        return 0


@asynccontextmanager
async def open_shop(path: Path, clock: ManualClock | None = None) -> AsyncIterator[Shop]:
    """One life of the process on this database, after the handshake."""
    shop = Shop(path, clock)
    try:
        await shop.initialize()
        shop.received.clear()
        yield shop
    finally:
        shop.close()
