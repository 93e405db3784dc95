"""What a run of a handler came to, and what then becomes of its job."""

from dataclasses import dataclass
from typing import Final

from pydantic_core import from_json
from sidecar_protocol.contract import JobPolicy, Recovery
from sidecar_protocol.entities import JobError, JobStatus, WaitingFor

from sidecar.clock import DAY_S
from sidecar.job_handler import JobFailed
from sidecar.jobs.journal import JobJournal, storable_json, storable_text
from sidecar.jobs.records import ClaimedJob, Orphan

MAX_RECOVERIES: Final = 3
"""A job that takes the process down with it each time must not do so for ever."""
BACKOFF_S: Final = 2.0
MAX_BACKOFF_S: Final = 300.0
JITTER: Final = 0.2
"""Of the delay: what failed together should not come back together."""
MAX_WAIT_S: Final = float(DAY_S)
"""A remote may name any time; a job looks again at least once a day."""

SHUTDOWN: Final = JobError(
    kind="shutdown", message="The sidecar was shut down while this job ran.", hint="Run it again.", retryable=True
)
CRASH: Final = JobError(
    kind="crash",
    message="The sidecar ended while this job ran.",
    hint="Run it again if its work is still wanted.",
    retryable=True,
)
TOO_OFTEN: Final = JobError(
    kind="recovery_limit",
    message="The sidecar ended each time this job ran.",
    hint="Look into the log for what happened before it ended.",
)


@dataclass(frozen=True, slots=True)
class Succeeded:
    """It returned."""

    result: bytes


@dataclass(frozen=True, slots=True)
class Failed:
    """It raised, or ran too long."""

    error: JobError
    retry_after_s: float | None = None


@dataclass(frozen=True, slots=True)
class Snoozed:
    """It cannot run now."""

    message: str
    delay_s: float
    waiting_for: WaitingFor


@dataclass(frozen=True, slots=True)
class Stopped:
    """It was cancelled, by a person or because the process ends."""

    ending: JobStatus


Verdict = Succeeded | Failed | Snoozed | Stopped


def carry_out(
    journal: JobJournal, claimed: ClaimedJob, policy: JobPolicy, verdict: Verdict, random_fraction: float
) -> None:
    """Write down what becomes of the job.  A wish to cancel outranks every return into the queue.

    `random_fraction` is a random number from 0 to 1, for the jitter.
    """
    job_id = claimed.job_id
    match verdict:
        case Succeeded(result):
            journal.finish(job_id, JobStatus.SUCCEEDED, result=result)
        case Failed(error, retry_after_s):
            if error.retryable and claimed.attempt < claimed.max_attempts:
                delay_s = backoff_s(claimed.attempt, retry_after_s, random_fraction)
                if journal.retry_later(
                    job_id, error, delay_s=delay_s, attempt=claimed.attempt, max_attempts=claimed.max_attempts
                ):
                    return
                journal.finish(job_id, JobStatus.CANCELLED)
            else:
                journal.finish(job_id, JobStatus.FAILED, error=error)
        case Snoozed(message, delay_s, waiting_for):
            delay_s = min(MAX_WAIT_S, max(1.0, delay_s))
            if not journal.snooze(job_id, message, delay_s=delay_s, waiting_for=waiting_for):
                journal.finish(job_id, JobStatus.CANCELLED)
        case Stopped(JobStatus.CANCELLED):
            journal.finish(job_id, JobStatus.CANCELLED)
        case Stopped():
            _shut_down(journal, job_id, policy.recovery)


def _shut_down(journal: JobJournal, job_id: str, recovery: Recovery) -> None:
    if recovery is Recovery.REQUEUE:
        if not journal.put_back(job_id):
            journal.finish(job_id, JobStatus.CANCELLED)
    elif recovery is Recovery.FAIL:
        journal.finish(job_id, JobStatus.FAILED, error=SHUTDOWN)
    else:
        journal.finish(job_id, JobStatus.INTERRUPTED, error=SHUTDOWN)


def settle_orphan(journal: JobJournal, orphan: Orphan, recovery: Recovery) -> None:
    """What becomes of a job that a dead process left running."""
    if orphan.cancelled:
        journal.finish(orphan.job_id, JobStatus.CANCELLED)
    elif recovery is Recovery.REQUEUE and orphan.recoveries < MAX_RECOVERIES:
        journal.recover(orphan.job_id)
    elif recovery is Recovery.REQUEUE:
        journal.finish(orphan.job_id, JobStatus.FAILED, error=TOO_OFTEN)
    elif recovery is Recovery.FAIL:
        journal.finish(orphan.job_id, JobStatus.FAILED, error=CRASH)
    else:
        journal.finish(orphan.job_id, JobStatus.INTERRUPTED, error=CRASH)


def backoff_s(attempt: int, retry_after_s: float | None, random_fraction: float) -> float:
    """How long to wait after the failed try `attempt`: 2, 4, 8 … s with jitter, or what the remote asked for."""
    if retry_after_s is not None:
        return min(MAX_WAIT_S, max(0.0, retry_after_s))
    doubled: float = BACKOFF_S * 2 ** (attempt - 1)
    return min(MAX_BACKOFF_S, doubled) * (1 + JITTER * random_fraction)


def job_error(failure: JobFailed) -> JobError:
    """A handler's verdict as it is stored."""
    return JobError(
        kind=failure.kind,
        message=storable_text(failure.message),
        hint=None if failure.hint is None else storable_text(failure.hint),
        retryable=failure.retryable,
        details=None if failure.details is None else from_json(storable_json(failure.details)),
    )
