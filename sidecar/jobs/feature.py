"""Composes the job queue.  It is created at the start of the process, since all other features queue jobs."""

from collections.abc import Awaitable, Callable, Collection, Iterable
from typing import TYPE_CHECKING

from sidecar.clock import Clock
from sidecar.ids import MakeId
from sidecar.job_handler import Admit, Registration
from sidecar.jobs.intake import Intake
from sidecar.jobs.journal import JobJournal, JobTypes, Notifier
from sidecar.jobs.scheduler import Scheduler
from sidecar.jobs.schedules import SchedulesService
from sidecar.jobs.service import JobsService
from sidecar.jobs.store import JobsStore
from sidecar.runtime import Runtime
from sidecar.storage.database import Database

if TYPE_CHECKING:
    from sidecar.jobs.worker import JobsWorker

KillOrphans = Callable[[Collection[str]], Awaitable[int]]


class JobsFeature:
    """The queue, its schedules and, once `make_worker` was called, its worker."""

    def __init__(
        self,
        database: Database,
        notifier: Notifier,
        clock: Clock,
        new_id: MakeId,
        specs: JobTypes,
        admit: Admit,
    ) -> None:
        self.store = JobsStore(database)
        self.journal = JobJournal(database, self.store, notifier, clock, new_id, boot_id=new_id())
        intake = Intake(specs, admit)
        self.queue = JobsService(self.journal, intake, wake=self.wake, on_cancel=self._cancel)
        self.schedules = Scheduler(self.journal, specs, wake=self.wake)
        self.services = (self.queue, SchedulesService(self.schedules, intake))
        self.worker: JobsWorker | None = None

    @property
    def start_error(self) -> str | None:
        """Why the worker's last attempt to start jobs failed; None if it did not."""
        return None if self.worker is None else self.worker.start_error

    @property
    def store_error(self) -> str | None:
        """The last outcome that the database did not take, and why; None if it took all."""
        return None if self.worker is None else self.worker.store_error

    def make_worker(
        self, runtime: Runtime, registrations: Iterable[Registration], kill_orphans: KillOrphans
    ) -> "JobsWorker":
        """Creates the worker; the caller runs it.  Until then, jobs are only queued."""
        from sidecar.jobs.worker import JobsWorker  # noqa: PLC0415 - it imports anyio, which the start does without

        self.worker = JobsWorker(
            self.journal,
            {one.spec.type: one for one in registrations},
            scheduler=self.schedules,
            runtime=runtime,
            random_fraction=runtime.randomness.fractions_for("pauses of jobs"),
            kill_orphans=kill_orphans,
        )
        return self.worker

    def wake(self, due_at: str | None = None) -> None:
        """Makes the worker look for due jobs: one was queued, which may be due only later, or the clock was set."""
        if self.worker is not None:
            self.worker.wake(due_at)

    def _cancel(self, job_id: str) -> None:
        if self.worker is not None:
            self.worker.cancel(job_id)
