"""Changes jobs: the row, the line of the job's log and the notifications, in one transaction."""

from collections.abc import Mapping
from typing import Any, Final, Protocol

from pydantic import ValidationError
from pydantic_core import to_json
from sidecar_protocol.contract import Encoded, Ephemeral, JobSpec, Notification
from sidecar_protocol.entities import Job, JobError, JobStatus, WaitingFor
from sidecar_protocol.errors import PayloadTooLarge
from sidecar_protocol.jobs import IdempotencyKeyReused, JobLogAdded, JobProgress, JobQueue, JobQueueUpdated, JobUpdated

from sidecar.clock import Clock, iso, iso_now
from sidecar.ids import MakeId
from sidecar.jobs.ledger import Ledger
from sidecar.jobs.store import ClaimedJob, JobsStore, Orphan
from sidecar.storage.database import Database
from sidecar.text import well_formed

MAX_PAYLOAD_BYTES: Final = 3 * 1024 * 1024
"""Maximum size of a payload; with the largest result a job still fits into a response of 8 MiB."""
MAX_MESSAGE_CHARS: Final = 2_000
"""Maximum length of a message; longer ones are cut, since every notification of the job repeats it."""
MAX_META_BYTES: Final = 64 * 1024
"""Maximum size of a log line's `meta`, and of an error's `details`."""

ENDINGS: Final = {
    JobStatus.SUCCEEDED: ("info", "Succeeded"),
    JobStatus.FAILED: ("error", "Failed"),
    JobStatus.CANCELLED: ("info", "Cancelled"),
    JobStatus.INTERRUPTED: ("warning", "Interrupted"),
}


JobTypes = Mapping[str, type[JobSpec]]
"""Every job type by name."""


class Notifier(Protocol):
    """Sends notifications; `discard` drops an ephemeral one that is still unsent."""

    def notify(self, notification: Notification) -> None: ...

    def discard(self, kind: type[Ephemeral], *key: object) -> None: ...


class JobJournal:
    """Every change of a job goes through this class; only `maintenance.prune` deletes rows without it."""

    def __init__(
        self, database: Database, store: JobsStore, notifier: Notifier, clock: Clock, new_id: MakeId, boot_id: str
    ) -> None:
        self.database = database
        self.store = store
        self.clock = clock
        self.notify = notifier.notify
        self._notifier = notifier
        self.new_id = new_id
        self.ledger = Ledger(database, notifier.notify, clock, new_id)
        self._boot_id = boot_id

    def enqueue(
        self,
        spec: JobSpec,
        *,
        priority: int = 0,
        run_at: str | None = None,
        idempotency_key: str | None = None,
        max_attempts: int | None = None,
        schedule_id: str | None = None,
    ) -> tuple[Encoded[Job], bool]:
        """Adds a job and returns it with False; returns the existing job with this idempotency key with True.

        Raises `PayloadTooLarge`, or `IdempotencyKeyReused` if the existing job has another type or payload.
        """
        payload = spec.json_bytes()
        if len(payload) > MAX_PAYLOAD_BYTES:
            raise PayloadTooLarge
        job_id = self.new_id()
        with self.database.write():
            job = self.store.insert(
                iso_now(self.clock),
                job_id=job_id,
                type=spec.type,
                payload_json=payload.decode(),
                priority=priority,
                run_at=run_at,
                idempotency_key=idempotency_key,
                max_attempts=max_attempts or spec.policy.max_attempts,
                lock_key=spec.lock_key(),
                schedule_id=schedule_id,
            )
            if job is None:
                existing = self.store.by_idempotency_key(idempotency_key)
                assert existing is not None  # the insertion has just collided with it
                if not _is_of(existing.load(), spec):
                    raise IdempotencyKeyReused
                return existing, True
            self.notify(JobUpdated(job=job.as_model()))
        return job, False

    def request_cancel(self, job_id: str) -> Encoded[Job] | None:
        """Returns the job, or None if it is finished or its cancellation was requested before."""
        with self.database.write():
            job = self.store.request_cancel(job_id, iso_now(self.clock))
            if job is not None:
                self._notify_updated(job_id, job)
                self.log(job_id, "info", "Cancel requested")
        return job

    def claim(self, full_types: list[str]) -> ClaimedJob | None:
        """Starts the next due job, except jobs of `full_types`.  Takes no write lock if there is none."""
        now = iso_now(self.clock)
        if self.store.has_newly_due(now):
            with self.database.write():
                self.store.mark_due(now)
        job_id = self.store.next_due(full_types)
        if job_id is None:
            return None
        with self.database.write():
            claimed = self.store.claim(job_id, self._boot_id, now)
            if claimed is not None:
                self._notify_updated(claimed.job_id, claimed.encoded)
                self.log(claimed.job_id, "info", "Started")
        return claimed

    def finish(
        self, job_id: str, status: JobStatus, *, result: bytes | None = None, error: JobError | None = None
    ) -> None:
        level, word = ENDINGS[status]
        self._notifier.discard(JobProgress, job_id)
        with self.database.write():
            job = self.store.finish(
                job_id,
                status,
                None if error is None else error.message,
                result=None if result is None else result.decode(),
                error=None if error is None else error.json_bytes().decode(),
                now=iso_now(self.clock),
            )
            if job is not None:
                self.log(job_id, level, f"{word}: {error.message}" if error is not None else word)
                self._notify_updated(job_id, job)

    def log(self, job_id: str, level: str, message: str, meta: Mapping[str, object] | None = None) -> None:
        encoded = None if meta is None else storable_json(meta)
        with self.database.write():
            line = self.store.add_log_line(
                self.new_id(), job_id, iso_now(self.clock), level, storable_text(message), encoded
            )
            self.notify(JobLogAdded(line=line.as_model()))

    def progress(self, job_id: str, progress: float | None, message: str | None, *, store: bool) -> None:
        """Notifies the client of the progress; stores it in the job's row if `store`."""
        text = None if message is None else storable_text(message)
        self.notify(JobProgress(job_id=job_id, progress=progress, message=text))
        if store:
            with self.database.write():
                self.store.set_progress(job_id, progress, text, iso_now(self.clock))

    def wait_for(self, job_id: str, what: WaitingFor | None) -> None:
        with self.database.write():
            if (job := self.store.wait_for(job_id, what, iso_now(self.clock))) is not None:
                self._notify_updated(job_id, job)

    def retry_later(self, claimed: ClaimedJob, error: JobError, delay_s: float) -> None:
        attempt = f"Attempt {claimed.attempt} of {claimed.max_attempts}"
        message = f"{attempt} failed; retrying in {delay_s:.1f} s: {error.message}"
        encoded = error.json_bytes().decode()
        self._requeue_in(delay_s, claimed.job_id, "warning", message, waiting_for=WaitingFor.RETRY, error=encoded)

    def snooze(
        self, job_id: str, message: str, delay_s: float, waiting_for: WaitingFor, *, keeps_lock: bool = False
    ) -> None:
        text = storable_text(message)
        self._requeue_in(delay_s, job_id, "info", text, waiting_for=waiting_for, keeps_lock=keeps_lock)

    def requeue_after_shutdown(self, job_id: str) -> None:
        self._requeue(job_id, "info", "Queued again: the sidecar was shut down")

    def requeue_after_crash(self, job_id: str) -> None:
        self._requeue(job_id, "warning", "Queued again after a crash", recovered=True)

    def _requeue_in(self, delay_s: float, *arguments: str, **changes: Any) -> None:
        delay_ms = round(delay_s * 1000)
        self._requeue(*arguments, run_at=iso(self.clock.now_ms() + delay_ms), delay_ms=delay_ms, **changes)

    def _requeue(self, job_id: str, level: str, message: str, **changes: Any) -> None:
        """Returns a job to the queue, or cancels it if that was requested."""
        self._notifier.discard(JobProgress, job_id)
        with self.database.write():
            job = self.store.requeue(job_id, iso_now(self.clock), message, **changes)
            if job is not None:
                self.log(job_id, level, message)
                self._notify_updated(job_id, job)
        if job is None:
            self.finish(job_id, JobStatus.CANCELLED)

    def rerun(self, job_id: str) -> Encoded[Job] | None:
        with self.database.write():
            job = self.store.rerun(job_id, iso_now(self.clock))
            if job is not None:
                self.log(job_id, "info", "Queued again on request")
                self._notify_updated(job_id, job)
        return job

    def end_wait(self, job_id: str) -> Encoded[Job] | None:
        """Starts the next try of a job now.  Returns None if the job does not wait for one."""
        with self.database.write():
            job = self.store.end_wait(job_id, iso_now(self.clock))
            if job is not None:
                self.log(job_id, "info", "Next try requested")
                self._notify_updated(job_id, job)
        return job

    def limit_waits(self) -> None:
        """Shortens the waits that have become longer than their delays, since the clock was set back."""
        with self.database.write():
            for encoded in self.store.limit_waits(self.clock.now_ms()):
                job = encoded.load()
                self.log(job.job_id, "info", f"Waits until {job.run_at}: the clock was set back")
                self._notify_updated(job.job_id, encoded)

    def set_lock_key(self, job_id: str, key: str) -> None:
        with self.database.write():
            self.store.set_lock_key(job_id, key)

    def set_paused(self, *, paused: bool) -> JobQueue:
        with self.database.write():
            if paused is not (self.store.paused_at() is not None):
                self.store.set_paused_at(iso_now(self.clock) if paused else None)
                self.notify(JobQueueUpdated(queue=self.queue_state()))
        return self.queue_state()

    def queue_state(self) -> JobQueue:
        paused_at = self.store.paused_at()
        return JobQueue(paused=paused_at is not None, paused_at=paused_at, counts=self.store.counts())

    def orphans(self) -> list[Orphan]:
        return self.store.orphans(self._boot_id)

    def _notify_updated(self, job_id: str, job: Encoded[Job]) -> None:
        self.notify(JobUpdated(job=job.as_model()))
        if (run := self.ledger.of_job(job_id)) is not None:
            self.ledger.follow(job_id, self.store.state(job_id, run.answer))


def _is_of(job: Job, spec: JobSpec) -> bool:
    """Returns whether a job does what `spec` describes.  Defaults that a version has added count as sent."""
    try:
        return job.type == spec.type and type(spec).model_validate(job.payload) == spec
    except ValidationError:
        return False


def storable_text(text: str) -> str:
    """Returns text that SQLite and JSON can hold: at most MAX_MESSAGE_CHARS, without lone surrogates."""
    return well_formed(text[:MAX_MESSAGE_CHARS])


def storable_json(value: Mapping[str, object]) -> bytes:
    """Encodes a handler's data; values that cannot be encoded, or are too large, are replaced by a note."""
    try:
        encoded = to_json(value, inf_nan_mode="null", serialize_unknown=True)
    except ValueError:  # a lone surrogate, or a circular reference
        return b'{"unreadable":true}'
    return encoded if len(encoded) <= MAX_META_BYTES else b'{"truncated":true}'
