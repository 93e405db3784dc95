"""Jobs that maintain the database."""

from typing import Annotated, ClassVar

from pydantic import Field

from sidecar_protocol.contract import JobPolicy, JobSpec, Model, Recovery
from sidecar_protocol.job_errors import BackupErrorKind
from sidecar_protocol.scalars import MEASURED, WHOLE, Count


class BackupResult(Model):
    """The result of a backup."""

    path: str
    size_bytes: Annotated[Count, MEASURED]
    duration_ms: Annotated[Count, MEASURED]


class BackUpDatabase(JobSpec):
    """Writes a compact copy of the database without interrupting other work."""

    type: ClassVar = "maintenance.backup"
    result: ClassVar = BackupResult
    policy: ClassVar = JobPolicy(max_attempts=3, recovery=Recovery.REQUEUE, timeout_s=3_600, concurrency=1)
    errors: ClassVar = (BackupErrorKind,)

    keep: Annotated[int, Field(strict=True, ge=1, le=100), WHOLE] = 3
    """Number of copies to keep; older ones are deleted."""


class PruneResult(Model):
    """The result of pruning."""

    jobs: Count
    """Number of deleted jobs."""
    events: Count
    """Number of entries deleted from the event log."""


class PruneHistory(JobSpec):
    """Deletes finished jobs with their logs, and entries of the event log, by age and by size."""

    type: ClassVar = "maintenance.prune"
    result: ClassVar = PruneResult
    policy: ClassVar = JobPolicy(max_attempts=3, recovery=Recovery.REQUEUE, timeout_s=3_600, concurrency=1)

    keep_days: Annotated[int, Field(strict=True, ge=1, le=3_650), WHOLE] = 30
    """Age in days after which a finished job is deleted."""
    max_bytes: Annotated[int, Field(strict=True, ge=1_000_000), WHOLE] = 256 * 1024 * 1024
    """Maximum size of finished jobs and their logs; the oldest are deleted first."""


class VacuumResult(Model):
    """The result of a vacuum."""

    freed_bytes: Annotated[Count, MEASURED]


class VacuumDatabase(JobSpec):
    """Returns the space of deleted rows to the file system."""

    type: ClassVar = "maintenance.vacuum"
    result: ClassVar = VacuumResult
    policy: ClassVar = JobPolicy(max_attempts=3, recovery=Recovery.REQUEUE, timeout_s=3_600, concurrency=1)
