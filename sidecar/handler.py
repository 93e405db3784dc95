"""What the code behind a job type is given, and what it gives back.

Features implement `JobHandler` and are handed to the worker in app.py; they never import the jobs feature.
"""

from collections.abc import Mapping
from typing import Protocol, TypeVar

from protocol.contract import JobSpec, Model

SpecT = TypeVar("SpecT", bound=JobSpec, contravariant=True)
ResultT = TypeVar("ResultT", bound=Model, covariant=True)


class JobFailed(Exception):
    """A handler's verdict that its job failed, in words for the person who started it.

    `kind` is a stable word for programs (`executable_missing`), `hint` tells what to do next, and `details` is JSON
    that helps a bug report.  None of them may hold a secret.
    """

    def __init__(
        self,
        message: str,
        *,
        kind: str,
        hint: str | None = None,
        retryable: bool = False,
        details: Mapping[str, object] | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.kind = kind
        self.hint = hint
        self.retryable = retryable
        self.details = details


class JobContext(Protocol):
    """A running job as its handler sees it.  Its methods return at once and never fail."""

    @property
    def job_id(self) -> str: ...

    def progress(self, fraction: float | None, message: str | None = None) -> None:
        """Say how far the job is: 0.0 to 1.0, or None where that cannot be known.  Throttled on its way out."""

    def log(self, message: str, *, level: str = "info", meta: Mapping[str, object] | None = None) -> None:
        """Append a line to the job's stored log (`job_events`); `level` is debug, info, warning or error."""


class JobHandler(Protocol[SpecT, ResultT]):
    """The code behind one job type.

    Cancellation arrives as anyio's cancellation at the next `await`: clean up in a shielded scope of bounded length
    and let it pass on.  A failure that a person should understand is a `JobFailed`; any other exception is a bug.
    """

    async def run(self, job: SpecT, context: JobContext) -> ResultT: ...
