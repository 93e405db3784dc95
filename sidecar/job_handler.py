"""What the code behind a job type is given, and what it gives back.

Features implement `JobHandler` and register it with the worker in features.py; they never import the jobs feature.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from sidecar_protocol.contract import JobPolicy, JobSpec, Model
from sidecar_protocol.entities import WaitingFor

SpecT = TypeVar("SpecT", bound=JobSpec, contravariant=True)
ResultT = TypeVar("ResultT", bound=Model, covariant=True)


class JobFailed(Exception):
    """A handler's verdict that its job failed, in words for the person who started it.

    `kind` is a stable word for programs (`executable_missing`), `hint` tells what to do next, and `details` is JSON
    that helps a bug report.  None of them may hold a secret.  A `retryable` one is tried again as far as the job's
    tries go, not before `retry_after_s` where the remote named a time.
    """

    def __init__(
        self,
        message: str,
        *,
        kind: str,
        hint: str | None = None,
        retryable: bool = False,
        retry_after_s: float | None = None,
        details: Mapping[str, object] | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.kind = kind
        self.hint = hint
        self.retryable = retryable
        self.retry_after_s = retry_after_s
        self.details = details


class JobSnoozed(Exception):
    """The job cannot run now, and that is nobody's fault: offline, rate limited.

    It is queued again, and no try is spent.

    `delay_s` is in seconds; `message` says what is waited for, in words for a person.
    """

    def __init__(self, message: str, *, delay_s: float, waiting_for: WaitingFor) -> None:
        super().__init__(message)
        self.message = message
        self.delay_s = delay_s
        self.waiting_for = waiting_for


class JobContext(Protocol):
    """A running job as its handler sees it.  Its methods return at once and never fail."""

    @property
    def job_id(self) -> str: ...

    @property
    def snoozed_for_s(self) -> float:
        """For how long it has been snoozed by now, in seconds since the first time; 0 where it was not."""

    def progress(self, fraction: float | None, message: str | None = None) -> None:
        """Say how far the job is: 0.0 to 1.0, or None where that cannot be known.  Throttled on its way out."""

    def log(self, message: str, *, level: str = "info", meta: Mapping[str, object] | None = None) -> None:
        """Append a line to the job's stored log (`job_events`); `level` is debug, info, warning or error."""

    def wait_for(self, what: WaitingFor | None) -> None:
        """Say that the job, though it runs, waits for this; None: no more."""

    def lock(self, key: str) -> None:
        """From now until its end the job has this key: jobs that want the same one wait for it."""


class JobHandler(Protocol[SpecT, ResultT]):
    """The code behind one job type.

    Cancellation arrives as anyio's cancellation at the next `await`: clean up in a shielded scope of bounded length
    and let it pass on.  A failure that a person should understand is a `JobFailed`; any other exception is a bug.
    """

    async def run(self, job: SpecT, context: JobContext) -> ResultT: ...


class OnDemand:
    """A handler that is made when the first of its jobs runs: what it imports, many lives of the process never need."""

    def __init__(self, make: Callable[[], JobHandler[Any, Any]]) -> None:
        self._make = make
        self._made: JobHandler[Any, Any] | None = None

    async def run(self, job: Any, context: JobContext) -> Any:
        if self._made is None:
            self._made = self._make()
        return await self._made.run(job, context)


@dataclass(frozen=True, slots=True)
class Registration:
    """A job type and the code behind it.

    `concurrency` is for a setting that outranks the type's own; types with one `pool` share it.
    """

    spec: type[JobSpec]
    handler: JobHandler[Any, Any]
    concurrency: int | None = None
    pool: str | None = None

    @property
    def policy(self) -> JobPolicy:
        """How its jobs are run."""
        return self.spec.policy

    @property
    def limit(self) -> int:
        """How many of its jobs run at a time, together with those of its pool."""
        return self.concurrency or self.policy.concurrency
