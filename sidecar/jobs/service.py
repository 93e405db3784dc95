"""Implements the `jobs.*` methods, except those of schedules."""

from collections.abc import Callable, Collection, Mapping
from typing import Any, Final, Protocol

from sidecar_protocol.contract import Encoded, JobSpec, as_models, encode
from sidecar_protocol.entities import Job, JobStatus
from sidecar_protocol.errors import QueueFull
from sidecar_protocol.jobs import (
    JobCreated,
    JobLogPage,
    JobNotFinished,
    JobNotFound,
    JobPage,
    JobQueue,
    Jobs,
)
from sidecar_protocol.scalars import DEFAULT_LIMIT, DEFAULT_LINES_LIMIT

from sidecar.jobs.intake import Intake
from sidecar.jobs.journal import JobJournal

UNFINISHED: Final = (JobStatus.QUEUED, JobStatus.RUNNING)
MAX_UNFINISHED_JOBS: Final = 100_000
"""Unfinished jobs that a client may create or retry; more are a loop in it, which would fill the disk."""


class Wake(Protocol):
    """Makes the worker look for due jobs, at once or once a job is due."""

    def __call__(self, due_at: str | None = None, /) -> None: ...


class JobsService(Jobs):
    """The queue, for clients and for other features."""

    def __init__(self, journal: JobJournal, intake: Intake, *, wake: Wake, on_cancel: Callable[[str], None]) -> None:
        self._store = journal.store
        self._journal = journal
        self._intake = intake
        self._wake = wake
        self._on_cancel = on_cancel
        self._room = 0
        """Jobs that may be created before they are counted again."""

    async def create(
        self,
        *,
        type: str,
        payload: dict[str, Any] | None = None,
        priority: int = 0,
        run_at: str | None = None,
        idempotency_key: str | None = None,
        max_attempts: int | None = None,
    ) -> JobCreated:
        wanted = self._intake.read(type, payload or {})
        if idempotency_key is None or self._store.by_idempotency_key(idempotency_key) is None:
            if wanted.checked:
                await self._intake.admit(wanted)
            self.require_room()
        job, deduplicated = self._journal.enqueue(
            wanted, priority=priority, run_at=run_at, idempotency_key=idempotency_key, max_attempts=max_attempts
        )
        self._wake(run_at)
        return encode(JobCreated, job=job.as_model(), deduplicated=deduplicated).as_model()

    def create_waits(self, params: Mapping[str, Any]) -> bool:
        """Whether `create` waits with these params, which are not validated yet."""
        job_type = params.get("type")
        spec = self._intake.specs.get(job_type) if isinstance(job_type, str) else None
        return spec is not None and spec.checked

    def require_room(self) -> None:
        if self._room <= 0:  # the unfinished jobs are counted only once as many were created as had room
            counts = self._store.counts()
            self._room = MAX_UNFINISHED_JOBS - counts.get("queued", 0) - counts.get("running", 0)
        if self._room <= 0:
            raise QueueFull(hint="Wait until jobs have ended, or cancel some of those that jobs.list returns.")
        self._room -= 1

    def enqueue(self, spec: JobSpec, *, priority: int = 0) -> Encoded[Job]:
        job, _ = self._journal.enqueue(spec, priority=priority)
        self._wake()
        return job

    async def list(
        self,
        *,
        status: JobStatus | None = None,
        type: str | None = None,
        limit: int = DEFAULT_LIMIT,
        cursor: str | None = None,
    ) -> JobPage:
        jobs, next_cursor = self._store.page(status, type, limit, cursor)
        return encode(JobPage, jobs=as_models(jobs), next_cursor=next_cursor).as_model()

    async def get(self, *, job_id: str) -> Job:
        job = self._store.get(job_id)
        if job is None:
            raise JobNotFound
        return job.as_model()

    async def cancel(self, *, job_id: str) -> Job:
        job = self._journal.request_cancel(job_id)
        if job is None:
            return await self.get(job_id=job_id)
        self._on_cancel(job_id)
        return job.as_model()

    def count_queued(self, lock_key: str) -> int:
        return len(self._store.with_lock_key(lock_key, (JobStatus.QUEUED,)))

    def existing(self, job_ids: Collection[str]) -> set[str]:
        return self._store.existing(job_ids)

    def is_lock_kept(self, lock_key: str) -> bool:
        return self._store.is_kept(lock_key)

    def cancel_by_lock_key(self, lock_key: str, *statuses: JobStatus) -> None:
        with self._journal.database.write():  # none of them is stopped if that fails
            job_ids = self._store.with_lock_key(lock_key, statuses)
            cancelled = [one for one in job_ids if self._journal.request_cancel(one) is not None]
        for job_id in cancelled:
            self._on_cancel(job_id)

    async def list_log(self, *, job_id: str, limit: int = DEFAULT_LINES_LIMIT, cursor: str | None = None) -> JobLogPage:
        lines, next_cursor = self._store.log_page(job_id, limit, cursor)
        if not lines and self._store.get(job_id) is None:
            raise JobNotFound
        return encode(JobLogPage, lines=as_models(lines), next_cursor=next_cursor).as_model()

    async def retry(self, *, job_id: str) -> Job:
        job = self._journal.end_wait(job_id)
        if job is None:
            known = self._store.get(job_id)
            if known is None:
                raise JobNotFound
            if known.load().status in UNFINISHED:
                raise JobNotFinished
            self.require_room()
            job = self._journal.rerun(job_id)
            assert job is not None  # it is finished
        self._wake()
        return job.as_model()

    async def get_queue(self) -> JobQueue:
        return self._journal.queue_state()

    async def pause(self) -> JobQueue:
        return self._journal.set_paused(paused=True)

    async def resume(self) -> JobQueue:
        state = self._journal.set_paused(paused=False)
        self._wake()
        return state

    async def wake(self) -> JobQueue:
        self._wake()
        return self._journal.queue_state()
