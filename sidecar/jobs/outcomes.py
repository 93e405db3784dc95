"""Outcomes of a handler's run, and the change of the job that follows from each."""

from typing import Final

from pydantic_core import from_json
from sidecar_protocol.contract import Recovery
from sidecar_protocol.entities import JobError, JobStatus

from sidecar.clock import DAY_S
from sidecar.job_handler import JobFailed, JobSnoozed
from sidecar.jobs.journal import JobJournal, storable_json, storable_text
from sidecar.jobs.store import ClaimedJob, Orphan

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


JobOutcome = bytes | JobFailed | JobSnoozed | JobStatus
"""The result as JSON, an exception for the handler's failure or snooze, or the status `CANCELLED` of a job that a
client stopped or `INTERRUPTED` of one that the shutdown stopped."""


def store_outcome(
    journal: JobJournal, claimed: ClaimedJob, recovery: Recovery, outcome: JobOutcome, random_fraction: float
) -> None:
    """Stores the outcome of a run.  A requested cancellation takes precedence over every return to the queue.

    `random_fraction` is a random number from 0 to 1, for the jitter.
    """
    job_id = claimed.job_id
    match outcome:
        case bytes():
            journal.finish(job_id, JobStatus.SUCCEEDED, result=outcome)
        case JobFailed(retryable=True) if claimed.attempt < claimed.max_attempts:
            delay_s = backoff_s(claimed.attempt, outcome.retry_after_s, random_fraction)
            journal.retry_later(claimed, job_error(outcome), delay_s)
        case JobFailed():
            status = JobStatus.INTERRUPTED if outcome.interrupted else JobStatus.FAILED
            journal.finish(job_id, status, error=job_error(outcome))
        case JobSnoozed():
            delay_s = min(MAX_WAIT_S, max(1.0, outcome.delay_s))
            journal.snooze(job_id, outcome.message, delay_s, outcome.waiting_for, keeps_lock=outcome.keeps_lock)
        case JobStatus.INTERRUPTED if recovery is Recovery.REQUEUE:
            journal.requeue_after_shutdown(job_id)
        case JobStatus.INTERRUPTED:
            journal.finish(job_id, STATUS_AFTER_INTERRUPTION[recovery], error=SHUTDOWN)
        case _:
            journal.finish(job_id, JobStatus.CANCELLED)


def store_orphan_outcome(journal: JobJournal, orphan: Orphan, recovery: Recovery) -> None:
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
