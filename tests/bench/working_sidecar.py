"""The sidecar with two more job types, run as `python -m tests.bench.working_sidecar`: one does nothing, one talks.

What their jobs cost is what the queue and the events cost; nothing else of the process is changed.
"""

from collections.abc import Mapping
from typing import Any, ClassVar, Final

import anyio.lowlevel
from sidecar_protocol import catalog
from sidecar_protocol.contract import JobSpec, Model

import sidecar.serve
from sidecar.job_handler import JobContext, Registration
from sidecar.jobs.worker import JobsWorker

LINES_A_TURN: Final = 50
"""A child's output comes by the buffer, too; a turn for each line would measure the disk."""


class Done(Model):
    """A small result, so that a result is stored."""

    lines: int


class Nothing(JobSpec):
    """Return at once."""

    type: ClassVar = "bench.nothing"
    result: ClassVar = Done


class Talk(JobSpec):
    """Write so many lines of so many characters to the log; each is a durable event."""

    type: ClassVar = "bench.talk"
    result: ClassVar = Done
    lines: int
    chars: int


class DoNothing:
    """What a job costs beside its work."""

    async def run(self, job: Nothing, context: JobContext) -> Done:
        return Done(lines=0)


class TalkAway:
    """As fast as a job can say something."""

    async def run(self, job: Talk, context: JobContext) -> Done:
        text = "x" * job.chars
        for line in range(1, job.lines + 1):
            context.log(text)
            if line % LINES_A_TURN == 0:
                await anyio.lowlevel.checkpoint()
        return Done(lines=job.lines)


def add_job_types() -> None:
    """Let the catalog list them and the worker run them."""
    ours = {Nothing.type: Registration(Nothing, DoNothing()), Talk.type: Registration(Talk, TalkAway())}
    catalog.JOB_TYPES += (Nothing, Talk)
    make = JobsWorker.__init__

    def make_with_ours(self: JobsWorker, journal: Any, theirs: Mapping[str, Registration], **more: Any) -> None:
        make(self, journal, {**theirs, **ours}, **more)

    JobsWorker.__init__ = make_with_ours  # type: ignore[method-assign, assignment]


if __name__ == "__main__":
    add_job_types()
    sidecar.serve.main([])
