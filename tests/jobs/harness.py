"""The app with job types whose runs end when and how the test decides."""

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


class TextResult(Model):
    """The result of every job type here."""

    text: str


class SimpleJob(JobSpec):
    """One attempt, interrupted by a crash; `name` identifies the job in the test, `lock` is its lock key."""

    type: ClassVar = "work.simple"
    result: ClassVar = TextResult
    name: str = ""
    lock: str | None = None

    def lock_key(self) -> str | None:
        return self.lock


class RepeatableJob(SimpleJob):
    """Three attempts, and queued again after a crash."""

    type: ClassVar = "work.repeatable"
    policy: ClassVar = JobPolicy(max_attempts=3, recovery=Recovery.REQUEUE)


class NonRecoverableJob(SimpleJob):
    """Fails if the process ends while it is running."""

    type: ClassVar = "work.non_recoverable"
    policy: ClassVar = JobPolicy(recovery=Recovery.FAIL)


class SerialJob(SimpleJob):
    """Only one job of this type runs at a time."""

    type: ClassVar = "work.serial"
    policy: ClassVar = JobPolicy(concurrency=1)


class TimeLimitedJob(SimpleJob):
    """Two attempts of at most 10 ms."""

    type: ClassVar = "work.time_limited"
    policy: ClassVar = JobPolicy(max_attempts=2, timeout_s=0.01)


TYPES: tuple[type[SimpleJob | RunClaude], ...] = (
    SimpleJob,
    RepeatableJob,
    NonRecoverableJob,
    SerialJob,
    TimeLimitedJob,
    RunClaude,
)


class Run:
    """One run of the handler, which lasts until the test ends it."""

    def __init__(self, context: JobContext) -> None:
        self.context = context
        self.on_cancel: Exception | None = None
        """Raised in place of the cancellation."""
        self.outcome: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    def succeed(self, text: str = "") -> None:
        self.outcome.set_result(text)

    def fail(self, error: Exception) -> None:
        self.outcome.set_exception(error)


class ControlledHandler:
    """The handler of all job types here."""

    def __init__(self) -> None:
        self.started: list[str] = []
        """The names of the jobs in the order in which their runs started."""
        self.max_running: Counter[str] = Counter()
        """The largest number of concurrent runs per job type, per lock key, and in total (`all`)."""
        self._running: Counter[str] = Counter()
        self._new_runs: dict[str, Run] = {}
        self._run_started = anyio.Event()

    async def run(self, job: SimpleJob | RunClaude, context: JobContext) -> TextResult:
        name = job.name if isinstance(job, SimpleJob) else job.prompt
        run = self._new_runs[name] = Run(context)
        self.started.append(name)
        key = job.lock_key()
        groups = ("all", job.type, *((key,) if key else ()))
        self._running.update(groups)
        self.max_running |= self._running
        self._run_started.set()
        try:
            return TextResult(text=await run.outcome)
        except asyncio.CancelledError:
            if run.on_cancel is not None:
                raise run.on_cancel from None
            raise
        finally:
            self._running.subtract(groups)

    async def next_run(self, name: str) -> Run:
        """Waits for the next run of the job with this name."""
        with anyio.fail_after(PATIENCE_S):
            while name not in self._new_runs:
                self._run_started = anyio.Event()
                await self._run_started.wait()
        return self._new_runs.pop(name)


class JobsHarness(InProcessApp):
    """One start of the app; its worker runs inside `working`."""

    def __init__(self, path: Path, clock: ManualClock | None = None) -> None:
        super().__init__(path, clock)
        self.handler = ControlledHandler()
        self.store = JobsStore(self.database)
        self.journal = self.job_queue.journal
        self.scheduler = self.job_queue.schedules
        self.jobs = self.remote(Jobs)
        self.random_fraction = 0.0
        self.orphan_kills: list[list[str]] = []
        """The arguments of each call of `kill_orphans`."""
        self.on_kill_orphans: Callable[[], None] = lambda: None
        self.on_admit: Callable[[], None] = lambda: None
        """Called while a job is checked that a client wants."""
        self.registrations.update({spec.type: Registration(spec, self.handler) for spec in TYPES})
        self.specs.update({spec.type: spec for spec in TYPES})

    async def _admit(self, job: JobSpec) -> None:
        await super()._admit(job)
        self.on_admit()

    async def create_job(
        self, name: str, spec: type[SimpleJob] = SimpleJob, lock: str | None = None, **params: Any
    ) -> str:
        """Returns the id of a new job."""
        payload = {"name": name, **({"lock": lock} if lock else {})}
        created = await self.call("jobs.create", {"type": spec.type, "payload": payload, **params})
        job_id: str = created["job"]["job_id"]
        return job_id

    async def get_job(self, job_id: str) -> dict[str, Any]:
        job: dict[str, Any] = await self.call("jobs.get", {"job_id": job_id})
        return job

    async def log_messages(self, job_id: str) -> list[str]:
        """Returns the messages of a job's log."""
        return [line.message for line in (await self.jobs.list_log(job_id=job_id, limit=500)).lines]

    def snapshots(self, job_id: str) -> list[dict[str, Any]]:
        """Returns the job in each `jobs.updated` about it."""
        return [params["job"] for params in self.named("jobs.updated") if params["job"]["job_id"] == job_id]

    def statuses(self, job_id: str) -> list[str]:
        """Returns the job's status in each `jobs.updated` about it."""
        return [job["status"] for job in self.snapshots(job_id)]

    async def until_updated(self, job_id: str, **fields: Any) -> dict[str, Any]:
        """Waits until a `jobs.updated` about this job has these values, and returns the first such job."""

        def found() -> list[dict[str, Any]]:
            return [job for job in self.snapshots(job_id) if fields.items() <= job.items()]

        await self.until(lambda _: found())
        return found()[0]

    async def tick(self) -> None:
        """Runs one iteration of the event loop."""
        await anyio.lowlevel.checkpoint()

    async def pass_time(self, seconds: float) -> None:
        """Advances the clock and wakes the worker."""
        self.clock.advance(seconds)
        self.look_for_jobs()
        await self.run_pending()

    def make_worker(self) -> JobsWorker:
        worker = self.job_queue.worker = JobsWorker(
            self.journal,
            self.registrations,
            scheduler=self.scheduler,
            runtime=self.runtime,
            random_fraction=lambda: self.random_fraction,
            kill_orphans=self._kill_orphans,
        )
        return worker

    async def _kill_orphans(self, job_ids: Collection[str]) -> int:
        self.orphan_kills.append(list(job_ids))
        self.on_kill_orphans()
        return 0


@asynccontextmanager
async def open_harness(path: Path, clock: ManualClock | None = None) -> AsyncIterator[JobsHarness]:
    """Starts the app on this database and shakes hands; closes it at the end of the block."""
    harness = JobsHarness(path, clock)
    try:
        await harness.initialize()
        harness.received.clear()
        yield harness
    finally:
        harness.close()
