"""Job types that the tests need and no user does: one for each way in which a handler can behave."""

import os
import subprocess
import sys
from typing import Any, ClassVar, Literal

import anyio
import anyio.lowlevel
from sidecar_protocol.contract import JobSpec, Model

from sidecar.job_handler import JobContext, JobFailed, Registration

NOISE = "this must not reach the wire"


class Said(Model):
    """What the test job has to say."""

    text: str


class Echo(JobSpec):
    """Succeed with the text."""

    type: ClassVar = "test.echo"
    result: ClassVar = Said
    text: str = ""


class Fail(JobSpec):
    """Fail in one of three ways."""

    type: ClassVar = "test.fail"
    result: ClassVar = Said
    how: Literal["verdict", "bug", "large"] = "verdict"


class Hang(JobSpec):
    """Wait until cancelled, having got so far; then hold on for a while all the same."""

    type: ClassVar = "test.hang"
    result: ClassVar = Said
    hold_s: float = 0.0
    progress: float | None = None


class Flood(JobSpec):
    """Say a lot: `steps` progresses, each followed by a line of the log with `size` characters in its meta."""

    type: ClassVar = "test.flood"
    result: ClassVar = Said
    steps: int
    size: int = 0
    logs: bool = False


class Noise(JobSpec):
    """Print to wherever one can print, read from stdin, and start children that do the same."""

    type: ClassVar = "test.noise"
    result: ClassVar = Said


async def echo(job: Echo, context: JobContext) -> Said:
    return Said(text=job.text)


async def fail(job: Fail, context: JobContext) -> Said:
    if job.how == "large":
        return Said(text="x" * (4 * 1024 * 1024 + 1))
    if job.how == "bug":
        raise ZeroDivisionError("hunter2")
    raise JobFailed(
        "It did not work.", kind="test_verdict", hint="Try it otherwise.", retryable=True, details={"tries": 3}
    )


async def hang(job: Hang, context: JobContext) -> Said:
    context.log("hanging")
    if job.progress is not None:
        context.progress(job.progress, "on its way")
    try:
        await anyio.sleep_forever()
    finally:
        with anyio.CancelScope(shield=True):
            await anyio.sleep(job.hold_s)
    return Said(text="never")


async def flood(job: Flood, context: JobContext) -> Said:
    for step in range(job.steps):
        context.progress((step + 1) / job.steps, f"step {step + 1}")
        if job.logs:
            context.log(f"step {step + 1}", meta={"filler": "x" * job.size})
        await anyio.lowlevel.checkpoint()
    return Said(text="flooded")


async def noise(job: Noise, context: JobContext) -> Said:
    make_noise()
    child = f"import sys; print({NOISE!r}); print(sys.stdin.read(1) == '', file=sys.stderr)"
    await anyio.run_process([sys.executable, "-c", child], stdin=None, stdout=None, stderr=subprocess.PIPE)
    held = await anyio.run_process([sys.executable, "-c", _OPEN], stdin=None, stderr=None, check=False)
    return Said(text=held.stdout.decode())


def make_noise() -> None:
    """Print to everything that may be thought to be stdout, and try to read what is not ours."""
    print(NOISE)
    sys.stdout.write(NOISE + "\n")
    sys.stdout.flush()
    os.write(1, (NOISE + "\n").encode())
    if sys.__stdout__ is not None:
        print(NOISE, file=sys.__stdout__, flush=True)
    os.system(f"echo {NOISE}")  # noqa: S605 - a child by the plainest means there are
    subprocess.run([sys.executable, "-c", f"print({NOISE!r})"], check=True)
    if sys.stdin.read() != "":
        raise AssertionError("stdin was not empty")


_OPEN = """
import os, stat
for number in range(256):
    try:
        mode = os.fstat(number).st_mode
    except OSError:
        continue
    print(number, "socket" if stat.S_ISSOCK(mode) else "pipe" if stat.S_ISFIFO(mode) else "other")
"""


def registrations() -> dict[str, Registration]:
    """The worker's table of all of these."""
    handlers: dict[type[JobSpec], Any] = {Echo: echo, Fail: fail, Hang: hang, Flood: flood, Noise: noise}
    return {spec.type: Registration(spec, _Function(run)) for spec, run in handlers.items()}


class _Function:
    """A function as a `JobHandler`."""

    def __init__(self, run: Any) -> None:
        self.run = run
