"""The interface between the job worker and the handlers of job types.

A feature implements `JobHandler` and lists it in its `Feature.registrations`; it never imports the jobs feature.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import KW_ONLY, dataclass
from typing import Any, NamedTuple, Protocol, TypeVar

from sidecar_protocol.contract import JobPolicy, JobSpec, Model
from sidecar_protocol.entities import WaitingFor

Admit = Callable[[Any], Awaitable[None]]
"""Raises `InvalidParams` for a payload, with paths in it, if its job could not run as things are now."""
SpecT = TypeVar("SpecT", bound=JobSpec, contravariant=True)
ResultT = TypeVar("ResultT", bound=Model, covariant=True)


@dataclass(eq=False, repr=False)
class JobFailed(Exception):
    """Raised by a handler whose job failed; `message` is written for the user who started it.

    `kind` is a stable identifier for programs (`executable_missing`), `hint` names the next step for the user, and
    `details` is JSON for bug reports.  None of them may contain a secret.  A `retryable` failure is retried while the
    job has attempts left, but not before `retry_after_s` if the remote server asked for a delay.  The job of an
    `interrupted` one ends as `interrupted`: its work was begun and cannot be continued.
    """

    message: str
    _: KW_ONLY
    kind: str
    hint: str | None = None
    retryable: bool = False
    retry_after_s: float | None = None
    interrupted: bool = False
    details: Mapping[str, object] | None = None


@dataclass(eq=False, repr=False)
class JobSnoozed(Exception):
    """Raised by a handler whose job cannot run now, without a fault of its own: offline, rate limited.

    The job is queued again after `delay_s` seconds and uses up no attempt.  `message` explains the wait to the user.
    With `keeps_lock`, jobs with the same lock that come later wait for it.
    """

    message: str
    _: KW_ONLY
    delay_s: float
    waiting_for: WaitingFor
    keeps_lock: bool = False


class JobContext(Protocol):
    """The running job, for its handler.  Its methods return at once and never raise."""

    @property
    def job_id(self) -> str: ...

    @property
    def attempt(self) -> int:
        """The number of this attempt, from 1.  A snooze does not use up an attempt."""

    @property
    def snoozed_for_s(self) -> float:
        """Seconds that the job was snoozed for, in total; 0 if it was not."""

    def progress(self, fraction: float | None, message: str | None = None) -> None:
        """Reports the progress: 0.0 to 1.0, or None if it is unknown.  Notifications of it are rate-limited."""

    def log(self, message: str, *, level: str = "info", meta: Mapping[str, object] | None = None) -> None:
        """Appends a line to the job's stored log; `level` is debug, info, warning or error."""

    def wait_for(self, what: WaitingFor | None) -> None:
        """Reports what the running job is waiting for; None once it continues.

        While it waits for the user, its place is free for another job of its type.
        """

    def lock(self, key: str) -> None:
        """Acquires a lock for the rest of the run: jobs with the same lock key wait until then."""

    def at_end(self, write: Callable[[], object]) -> None:
        """Calls `write` in the transaction that stores the job's outcome, in the order of these calls.

        That transaction is repeated until it is committed; what a handler writes by itself at its end may be lost.
        `write` raises `sqlite3.Error` to have it repeated.
        """


class JobHandler(Protocol[SpecT, ResultT]):
    """The code behind one job type.

    Cancellation arrives as anyio's cancellation at the next `await`: clean up in a shielded scope with a time limit,
    then re-raise it.  Raise `JobFailed` for a failure that the user can understand; any other exception is a bug.
    """

    async def run(self, job: SpecT, context: JobContext) -> ResultT: ...


class Registration(NamedTuple):
    """A job type and its handler.

    `concurrency` overrides that of the type's policy; types with the same `pool` share the limit.
    """

    spec: type[JobSpec]
    handler: JobHandler[Any, Any]
    concurrency: int | None = None
    pool: str | None = None
    withdrawn: Callable[[Any], None] | None = None
    """Called when a job of this type was cancelled while it was queued, in the same unit of work."""
    admit: Admit | None = None
    """Checks a payload for later jobs, which would fail for a reason that is known now."""

    @property
    def policy(self) -> JobPolicy:
        return self.spec.policy

    @property
    def limit(self) -> int:
        """Maximum number of its jobs, and of its pool's, that run at the same time."""
        return self.concurrency or self.policy.concurrency
