"""What Claude's parts want of the job queue."""

from typing import Protocol

from sidecar_protocol.contract import Encoded, JobSpec
from sidecar_protocol.entities import Job, JobStatus


class Enqueue(Protocol):
    """Makes a queued job of a spec, and returns it as it stands in the queue."""

    def __call__(self, spec: JobSpec, *, priority: int) -> Encoded[Job]: ...


class CancelHolders(Protocol):
    """Cancels the jobs that have this lock, or want it, and have one of these statuses."""

    def __call__(self, lock_key: str, *statuses: JobStatus) -> None: ...
