"""Declarations of job types."""

from enum import StrEnum
from typing import ClassVar, NamedTuple

from sidecar_protocol.contract.models import Input, Model

_ResultModel = type[Model]  # inside JobSpec the name `type` is an attribute
_ErrorKinds = type[StrEnum]


class Recovery(StrEnum):
    """How to proceed with a job that was running when the sidecar ended."""

    REQUEUE = "requeue"
    """The job runs again; running it twice does no harm."""
    INTERRUPT = "interrupt"
    """The job becomes `interrupted`: its effects cannot be undone, so the user decides whether to retry it."""
    FAIL = "fail"
    """The job becomes `failed`."""


class JobPolicy(NamedTuple):
    """How jobs of one type are run."""

    max_attempts: int = 1
    """Maximum number of attempts if a job fails for a transient reason; `jobs.create` can override it."""
    recovery: Recovery = Recovery.INTERRUPT
    timeout_s: float | None = None
    """Maximum duration of an attempt, in seconds.  None if the handler limits itself."""
    concurrency: int = 8
    """Maximum number of jobs of this type that run at the same time."""


class JobSpec(Input):
    """The payload of one type of job."""

    type: ClassVar[str]
    result: ClassVar[_ResultModel]
    policy: ClassVar[JobPolicy] = JobPolicy()
    errors: ClassVar[tuple[_ErrorKinds, ...]] = ()
    """The kinds of errors with which its jobs can fail, besides those of the queue itself."""

    answer: ClassVar[str | None] = None
    """The member of the result that is a text for the user: a job that has none fails with `no_answer`."""

    checked: ClassVar[bool] = False
    """Whether `jobs.create` also refuses a job that could not run as things are now, as a schedule of it is refused.

    If not, the job fails when it runs, with an error kind of its type.
    """

    def lock_key(self) -> str | None:
        """Returns the lock that the job needs, or None.  Two jobs with the same lock never run at the same time."""
        return None
