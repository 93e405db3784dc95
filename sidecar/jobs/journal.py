"""Every change of a job: its row, its line in the log and its notifications, in one transaction.

The service and the worker change jobs through this and nothing else, so the three can never disagree.
"""

from collections.abc import Mapping
from typing import Final, Protocol

from pydantic_core import to_json
from sidecar_protocol.contract import Encoded, Ephemeral, JobSpec, Notification
from sidecar_protocol.entities import Job, JobError, JobStatus, WaitingFor
from sidecar_protocol.errors import PayloadTooLarge
from sidecar_protocol.jobs import JobLogAdded, JobProgress, JobQueue, JobQueueUpdated, JobUpdated

from sidecar.clock import Clock, iso, iso_now
from sidecar.ids import MakeId
from sidecar.jobs.records import ClaimedJob, LogSize, NewJob, Orphan, Requeued
from sidecar.jobs.store import JobsStore
from sidecar.storage.database import Database
from sidecar.text import well_formed

MAX_PAYLOAD_BYTES: Final = 3 * 1024 * 1024
"""With the largest result beside it, a job still fits into an answer of 8 MiB."""
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

    def discard(self, kind: type[Ephemeral], *key: object) -> None: ...


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
        self,
        spec: JobSpec,
        *,
        priority: int = 0,
        run_at: str | None = None,
        idempotency_key: str | None = None,
        max_attempts: int | None = None,
        schedule_id: str | None = None,
    ) -> tuple[Encoded[Job], bool]:
        """A new job, and False; or the one that already has the key, and True.  Raises PayloadTooLarge."""
        payload = spec.json_bytes()
        if len(payload) > MAX_PAYLOAD_BYTES:
            raise PayloadTooLarge
        new = NewJob(
            self._new_id(),
            spec.type,
            payload,
            priority=priority,
            run_at=run_at,
            idempotency_key=idempotency_key,
            max_attempts=max_attempts or spec.policy.max_attempts,
            lock_key=spec.lock_key(),
            schedule_id=schedule_id,
        )
        with self._database.write():
            job = self._store.insert(new, iso_now(self._clock))
            if job is None and idempotency_key is not None:
                existing = self._store.by_idempotency_key(idempotency_key)
                assert existing is not None  # the key is what the insert collided with
                return existing, True
            assert job is not None
            self._changed(job)
            self.log(new.job_id, "info", "Queued")
        return job, False

    def request_cancel(self, job_id: str) -> Encoded[Job] | None:
        """The job after the request; None where it has ended or was asked already."""
        with self._database.write():
            job = self._store.request_cancel(job_id, iso_now(self._clock))
            if job is not None:
                self._changed(job)
                self.log(job_id, "info", "Cancel requested")
        return job

    def claim(self, full_types: list[str]) -> ClaimedJob | None:
        """The next due job, now running.  Most looks find nothing, and a look needs no lock."""
        now = iso_now(self._clock)
        if self._store.has_ripe(now):
            with self._database.write():
                self._store.ripen(now)
        job_id = self._store.next_ready(full_types)
        if job_id is None:
            return None
        with self._database.write():
            claimed = self._store.claim(job_id, self._boot_id, now)
            if claimed is not None:
                self._changed(claimed.encoded)
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
        self._notifier.discard(JobProgress, job_id)
        with self._database.write():
            job = self._store.finish(
                job_id,
                status,
                message or (error.message if error is not None else None),
                result=None if result is None else result.decode(),
                error=None if error is None else error.json_bytes().decode(),
                now=iso_now(self._clock),
            )
            if job is not None:
                self.log(job_id, level, f"{word}: {error.message}" if error is not None else word)
                self._changed(job)

    def log(self, job_id: str, level: str, message: str, meta: Mapping[str, object] | None = None) -> None:
        """A line in the job's log."""
        encoded = None if meta is None else storable_json(meta)
        with self._database.write():
            line = self._store.add_log_line(
                self._new_id(), job_id, iso_now(self._clock), level, storable_text(message), encoded
            )
            self._notifier.notify(JobLogAdded(line=line.as_model()))

    def log_size(self, job_id: str, full: str) -> LogSize:
        """How much log a job has, and whether it holds the line `full`."""
        return self._store.log_size(job_id, full)

    def save_progress(self, job_id: str, progress: float | None, message: str | None) -> None:
        """How far the job is, kept for whoever looks later."""
        with self._database.write():
            kept = None if message is None else storable_text(message)
            self._store.set_progress(job_id, progress, kept, iso_now(self._clock))

    def tell_progress(self, job_id: str, progress: float | None, message: str | None) -> None:
        """How far the job is, for whoever looks now."""
        told = None if message is None else storable_text(message)
        self._notifier.notify(JobProgress(job_id=job_id, progress=progress, message=told))

    def wait_for(self, job_id: str, what: WaitingFor | None) -> None:
        """A running job waits for this; None: no more."""
        with self._database.write():
            if (job := self._store.wait_for(job_id, what, iso_now(self._clock))) is not None:
                self._changed(job)

    def retry_later(self, job_id: str, error: JobError, *, delay_s: float, attempt: int, max_attempts: int) -> bool:
        """A failed try, with another to come; False where somebody wants the job cancelled."""
        message = f"Try {attempt} of {max_attempts} failed, the next comes in {delay_s:.1f} s: {error.message}"
        encoded = error.json_bytes().decode()
        back = Requeued(message, self._in(delay_s), WaitingFor.RETRY, encoded, spent=True)
        return self._requeue(job_id, back, "warning")

    def snooze(self, job_id: str, message: str, *, delay_s: float, waiting_for: WaitingFor) -> bool:
        """It cannot run now, which is nobody's fault; False where somebody wants the job cancelled."""
        back = Requeued(storable_text(message), self._in(delay_s), waiting_for, snoozed=True)
        return self._requeue(job_id, back, "info")

    def put_back(self, job_id: str) -> bool:
        """The process ends before the job did; it runs again, and has lost no try."""
        return self._requeue(job_id, Requeued("Queued again: the sidecar was shut down"), "info")

    def recover(self, job_id: str) -> bool:
        """The process died while the job ran; it runs again."""
        return self._requeue(job_id, Requeued("Queued again after a crash", recovered=True), "warning")

    def _requeue(self, job_id: str, back: Requeued, level: str) -> bool:
        self._notifier.discard(JobProgress, job_id)
        with self._database.write():
            job = self._store.requeue(job_id, back, iso_now(self._clock))
            if job is not None:
                self.log(job_id, level, back.message)
                self._changed(job)
        return job is not None

    def rerun(self, job_id: str) -> Encoded[Job] | None:
        """A finished job, queued anew; None where it is not finished."""
        with self._database.write():
            job = self._store.rerun(job_id, iso_now(self._clock))
            if job is not None:
                self.log(job_id, "info", "Queued again by hand")
                self._changed(job)
        return job

    def lock(self, job_id: str, key: str) -> None:
        """A running job has this key from now on."""
        with self._database.write():
            self._store.lock(job_id, key)

    def set_paused(self, *, paused: bool) -> JobQueue:
        """Pause or resume the queue, for restarts too."""
        with self._database.write():
            if paused is not (self._store.paused_at() is not None):
                self._store.set_paused_at(iso_now(self._clock) if paused else None)
                self._notifier.notify(JobQueueUpdated(queue=self.queue_state()))
        return self.queue_state()

    def queue_state(self) -> JobQueue:
        """The queue as a whole."""
        paused_at = self._store.paused_at()
        return JobQueue(paused=paused_at is not None, paused_at=paused_at, counts=self._store.counts())

    def orphans(self) -> list[Orphan]:
        """The jobs that a dead process left running."""
        return self._store.orphans(self._boot_id)

    def next_run_at(self) -> str | None:
        """When the next job that waits for its time is due."""
        return self._store.next_run_at()

    def now_ms(self) -> int:
        """The wall clock, by which jobs are due."""
        return self._clock.now_ms()

    def _changed(self, job: Encoded[Job]) -> None:
        self._notifier.notify(JobUpdated(job=job.as_model()))

    def _in(self, delay_s: float) -> str:
        return iso(self._clock.now_ms() + round(delay_s * 1000))


def storable_text(text: str) -> str:
    """Returns text that SQLite and JSON can hold: at most MAX_MESSAGE_CHARS, without lone surrogates."""
    return well_formed(text[:MAX_MESSAGE_CHARS])


def storable_json(value: Mapping[str, object]) -> bytes:
    """A handler's own words as JSON; what cannot be JSON, or is too large, is only mentioned."""
    try:
        encoded = to_json(value, inf_nan_mode="null", serialize_unknown=True)
    except ValueError:  # half of a surrogate pair, or a circle
        return b'{"unreadable":true}'
    return encoded if len(encoded) <= MAX_META_BYTES else b'{"truncated":true}'
