"""Every change of a job: its row, its line in the log and its notifications, in one transaction.

The service and the worker change jobs through this and nothing else, so the three can never disagree.
"""

from collections.abc import Mapping
from typing import Final, Protocol

from pydantic_core import to_json

from protocol.contract import Ephemeral, Notification
from protocol.entities import Job, JobError, JobStatus
from protocol.jobs import JobEvent, JobEventAdded, JobProgressed, JobUpdated
from sidecar.clock import Clock, iso
from sidecar.database import Database
from sidecar.ids import MakeId
from sidecar.jobs.store import ClaimedJob, JobsStore, NewJob

MAX_MESSAGE_CHARS: Final = 2_000
MAX_META_BYTES: Final = 64 * 1024

ENDINGS: Final = {
    JobStatus.SUCCEEDED: ("info", "Succeeded"),
    JobStatus.FAILED: ("error", "Failed"),
    JobStatus.CANCELLED: ("info", "Cancelled"),
    JobStatus.INTERRUPTED: ("warning", "Interrupted"),
}


class Notifier(Protocol):
    """Where notifications go."""

    def notify(self, notification: Notification) -> None: ...

    def forget(self, kind: type[Ephemeral], *key: object) -> None: ...


class JobJournal:
    """The one way to change a job."""

    def __init__(
        self, database: Database, store: JobsStore, notifier: Notifier, clock: Clock, new_id: MakeId, boot_id: str
    ) -> None:
        self._database = database
        self._store = store
        self._notifier = notifier
        self._clock = clock
        self._new_id = new_id
        self._boot_id = boot_id

    def queue(
        self, job_type: str, payload: bytes, *, priority: int, run_at: str | None, idempotency_key: str | None
    ) -> tuple[bytes, bool]:
        """A new job, and False; or the one that already has the key, and True."""
        new = NewJob(self._new_id(), job_type, payload, priority, run_at, idempotency_key)
        with self._database.write():
            job = self._store.insert(new, self._now())
            if job is None and idempotency_key is not None:
                existing = self._store.by_idempotency_key(idempotency_key)
                assert existing is not None  # the key is what the insert collided with
                return existing, True
            assert job is not None
            self._changed(job)
            self.log(new.job_id, "info", "Queued")
        return job, False

    def request_cancel(self, job_id: str) -> bytes | None:
        """The job after the request; None where it has ended or was asked already."""
        with self._database.write():
            job = self._store.request_cancel(job_id, self._now())
            if job is not None:
                self._changed(job)
                self.log(job_id, "info", "Cancel requested")
        return job

    def claim(self, full_types: list[str]) -> ClaimedJob | None:
        """The next due job, now running."""
        if not self._store.has_due(self._now(), full_types):
            return None  # most looks find nothing, and a look needs no lock
        with self._database.write():
            claimed = self._store.claim(self._boot_id, self._now(), full_types)
            if claimed is not None:
                self._changed(claimed.json)
                self.log(claimed.job_id, "info", "Started")
        return claimed

    def finish(
        self,
        job_id: str,
        status: JobStatus,
        *,
        result: bytes | None = None,
        error: JobError | None = None,
        message: str | None = None,
    ) -> None:
        """A running job's end."""
        level, word = ENDINGS[status]
        self._notifier.forget(JobProgressed, job_id)
        with self._database.write():
            job = self._store.finish(
                job_id,
                status,
                message or (error.message if error is not None else None),
                result=None if result is None else result.decode(),
                error=None if error is None else error.json_bytes().decode(),
                now=self._now(),
            )
            if job is not None:
                self.log(job_id, level, f"{word}: {error.message}" if error is not None else word)
                self._changed(job)

    def log(self, job_id: str, level: str, message: str, meta: Mapping[str, object] | None = None) -> None:
        """A line in the job's log."""
        encoded = None if meta is None else to_json(meta, inf_nan_mode="null", serialize_unknown=True)
        if encoded is not None and len(encoded) > MAX_META_BYTES:
            encoded = b'{"truncated":true}'
        with self._database.write():
            line = self._store.add_event(
                self._new_id(), job_id, self._now(), level, message[:MAX_MESSAGE_CHARS], encoded
            )
            self._notifier.notify(JobEventAdded(event=JobEvent.encoded(line)))

    def save_progress(self, job_id: str, progress: float | None, message: str | None) -> None:
        """How far the job is, kept for whoever looks later."""
        with self._database.write():
            self._store.set_progress(job_id, progress, message, self._now())

    def tell_progress(self, job_id: str, progress: float | None, message: str | None) -> None:
        """How far the job is, for whoever looks now."""
        self._notifier.notify(JobProgressed(job_id=job_id, progress=progress, message=message))

    def orphans(self) -> list[str]:
        """The jobs that a dead process left running."""
        return [job_id for job_id, _ in self._store.orphans(self._boot_id)]

    def settle_orphans(self) -> None:
        """End what a dead process left running, before anything is claimed.  A wish to cancel outranks the rest."""
        crashed = JobError(
            kind="crash",
            message="The sidecar ended while this job ran.",
            hint="Start it again if its work is still wanted.",
            retryable=True,
        )
        with self._database.write():
            for job_id, cancelled in self._store.orphans(self._boot_id):
                if cancelled:
                    self.finish(job_id, JobStatus.CANCELLED)
                else:
                    self.finish(job_id, JobStatus.INTERRUPTED, error=crashed)

    def next_run_at(self) -> str | None:
        """When the next job that waits for its time is due."""
        return self._store.next_run_at(self._now())

    def now_ms(self) -> int:
        """The wall clock, by which jobs are due."""
        return self._clock.now_ms()

    def _changed(self, job: bytes) -> None:
        self._notifier.notify(JobUpdated(job=Job.encoded(job)))

    def _now(self) -> str:
        return iso(self._clock.now_ms())
