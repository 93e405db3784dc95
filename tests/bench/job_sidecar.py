"""The sidecar with two benchmark job types: `python -m tests.bench.job_sidecar`.

One does nothing, the other writes log lines, so that only the cost of the queue and of the events is measured.
"""

from collections.abc import Mapping
from typing import Any, ClassVar, Final

import anyio.lowlevel
from sidecar_protocol import catalog
from sidecar_protocol.contract import JobSpec, Model

import sidecar.serve
from sidecar.job_handler import JobContext, Registration
from sidecar.jobs.worker import JobsWorker

LINES_PER_COMMIT: Final = 50
"""A commit per line would measure the disk; the output of a real child process arrives in buffers too."""


class Done(Model):
    """A small result."""

    lines: int


class Empty(JobSpec):
    """Returns at once."""

    type: ClassVar = "bench.empty"
    result: ClassVar = Done


class LogLines(JobSpec):
    """Writes log lines of a given length; each is a durable event."""

    type: ClassVar = "bench.log_lines"
    result: ClassVar = Done
    lines: int
    chars: int


class EmptyHandler:
    """Handles `bench.empty`."""

    async def run(self, job: Empty, context: JobContext) -> Done:
        return Done(lines=0)


class LogLinesHandler:
    """Handles `bench.log_lines` as fast as possible."""

    async def run(self, job: LogLines, context: JobContext) -> Done:
        text = "x" * job.chars
        for line in range(1, job.lines + 1):
            context.log(text)
            if line % LINES_PER_COMMIT == 0:
                await anyio.lowlevel.checkpoint()
        return Done(lines=job.lines)


def add_job_types() -> None:
    """Adds the job types to the catalog and their handlers to the worker."""
    added = {Empty.type: Registration(Empty, EmptyHandler()), LogLines.type: Registration(LogLines, LogLinesHandler())}
    catalog.JOB_TYPES += (Empty, LogLines)
    init = JobsWorker.__init__

    def init_with_test_types(
        self: JobsWorker, journal: Any, registered: Mapping[str, Registration], **more: Any
    ) -> None:
        init(self, journal, {**registered, **added}, **more)

    JobsWorker.__init__ = init_with_test_types  # type: ignore[method-assign, assignment]


if __name__ == "__main__":
    add_job_types()
    sidecar.serve.main([])
