"""Outcomes of a handler's run, and the change of the job that follows from each."""

from dataclasses import dataclass
from typing import Final

from pydantic_core import from_json
from sidecar_protocol.contract import Recovery
from sidecar_protocol.entities import JobError, JobStatus, WaitingFor

from sidecar.clock import DAY_S
from sidecar.job_handler import JobFailed
from sidecar.jobs.journal import JobJournal, storable_json, storable_text
from sidecar.jobs.records import ClaimedJob, Orphan

MAX_RECOVERIES: Final = 3
"""Maximum number of times that a job is requeued after a crash; the next crash fails it."""
BACKOFF_S: Final = 2.0
"""Delay before the first retry in seconds, doubled for each further one."""
MAX_BACKOFF_S: Final = 300.0
"""Longest delay between two attempts in seconds, before jitter."""
JITTER: Final = 0.2
"""Largest random share added to a delay, so that jobs that failed together are not retried together."""
MAX_WAIT_S: Final = float(DAY_S)
"""Longest delay that a remote server can impose, in seconds."""

STATUS_AFTER_INTERRUPTION: Final = {Recovery.INTERRUPT: JobStatus.INTERRUPTED, Recovery.FAIL: JobStatus.FAILED}
"""Status of a job whose run was cut short by a shutdown or a crash, if it may not be requeued."""

SHUTDOWN: Final = JobError(
    kind="shutdown",
    message="The sidecar was shut down while the job was running.",
    hint="Run it again.",
    retryable=True,
)
CRASH: Final = JobError(
    kind="crash",
    message="The sidecar crashed while the job was running.",
    hint="Run it again if it is still needed.",
    retryable=True,
)
RECOVERY_LIMIT: Final = JobError(
    kind="recovery_limit",
    message="The sidecar crashed each time the job was running.",
    hint="The log shows what happened before the crashes.",
)


@dataclass(frozen=True, slots=True)
class Succeeded:
    """The handler returned; `result` is its result as JSON."""

    result: bytes


@dataclass(frozen=True, slots=True)
class Failed:
    """The handler raised or exceeded its time limit, or the job cannot be run at all."""

    error: JobError
    retry_after_s: float | None = None


@dataclass(frozen=True, slots=True)
class Snoozed:
    """The job cannot run now."""

    message: str
    delay_s: float
    waiting_for: WaitingFor


@dataclass(frozen=True, slots=True)
class Stopped:
    """The job was stopped: `CANCELLED` by a client, or `INTERRUPTED` by the shutdown."""

    status: JobStatus


JobOutcome = Succeeded | Failed | Snoozed | Stopped


def failed(kind: str, message: str, hint: str | None = None, *, retryable: bool = False) -> Failed:
    return Failed(JobError(kind=kind, message=message, hint=hint, retryable=retryable))


def store_outcome(
    journal: JobJournal, claimed: ClaimedJob, recovery: Recovery, outcome: JobOutcome, random_fraction: float
) -> None:
    """Stores the outcome of a run.  A requested cancellation takes precedence over every return to the queue.

    `random_fraction` is a random number from 0 to 1, for the jitter.
    """
    job_id = claimed.job_id
    requeued = True
    match outcome:
        case Succeeded(result):
            journal.finish(job_id, JobStatus.SUCCEEDED, result=result)
        case Failed(error, retry_after_s) if error.retryable and claimed.attempt < claimed.max_attempts:
            delay_s = backoff_s(claimed.attempt, retry_after_s, random_fraction)
            requeued = journal.retry_later(
                job_id, error, delay_s=delay_s, attempt=claimed.attempt, max_attempts=claimed.max_attempts
            )
        case Failed(error):
            journal.finish(job_id, JobStatus.FAILED, error=error)
        case Snoozed(message, delay_s, waiting_for):
            delay_s = min(MAX_WAIT_S, max(1.0, delay_s))
            requeued = journal.snooze(job_id, message, delay_s=delay_s, waiting_for=waiting_for)
        case Stopped(JobStatus.INTERRUPTED) if recovery is Recovery.REQUEUE:
            requeued = journal.requeue_after_shutdown(job_id)
        case Stopped(JobStatus.INTERRUPTED):
            journal.finish(job_id, STATUS_AFTER_INTERRUPTION[recovery], error=SHUTDOWN)
        case Stopped():
            journal.finish(job_id, JobStatus.CANCELLED)
    if not requeued:  # its cancellation was requested
        journal.finish(job_id, JobStatus.CANCELLED)


def store_orphan_outcome(journal: JobJournal, orphan: Orphan, recovery: Recovery) -> None:
    """Ends or requeues a job that an earlier process left running."""
    if orphan.cancel_requested:
        journal.finish(orphan.job_id, JobStatus.CANCELLED)
    elif recovery is not Recovery.REQUEUE:
        journal.finish(orphan.job_id, STATUS_AFTER_INTERRUPTION[recovery], error=CRASH)
    elif orphan.recoveries < MAX_RECOVERIES:
        journal.requeue_after_crash(orphan.job_id)
    else:
        journal.finish(orphan.job_id, JobStatus.FAILED, error=RECOVERY_LIMIT)


def backoff_s(attempt: int, retry_after_s: float | None, random_fraction: float) -> float:
    """Returns the delay after a failed attempt: 2, 4, 8 … s with jitter, or what the remote server demanded."""
    if retry_after_s is not None:
        return min(MAX_WAIT_S, max(0.0, retry_after_s))
    doubled: float = BACKOFF_S * 2 ** (attempt - 1)
    return min(MAX_BACKOFF_S, doubled) * (1 + JITTER * random_fraction)


def job_error(failure: JobFailed) -> JobError:
    return JobError(
        kind=failure.kind,
        message=storable_text(failure.message),
        hint=None if failure.hint is None else storable_text(failure.hint),
        retryable=failure.retryable,
        details=None if failure.details is None else from_json(storable_json(failure.details)),
    )
