"""Job types for tests, one for each way in which a handler can behave."""

import os
import subprocess
import sys
from typing import Any, ClassVar, Literal

import anyio
import anyio.lowlevel
from sidecar_protocol.contract import JobSpec, Model

from sidecar.job_handler import JobContext, JobFailed, Registration

NOISE = "this must not reach the wire"


class Text(Model):
    """The result of every test job."""

    text: str


class Echo(JobSpec):
    """Returns the text."""

    type: ClassVar = "test.echo"
    result: ClassVar = Text
    text: str = ""


class Fail(JobSpec):
    """Raises `JobFailed` or an unexpected exception, or returns a result that is too large."""

    type: ClassVar = "test.fail"
    result: ClassVar = Text
    how: Literal["job_failed", "bug", "large"] = "job_failed"
    retry_after_s: float | None = None


class Hang(JobSpec):
    """Reports `progress`, runs until it is cancelled, and then takes `hold_s` seconds to end."""

    type: ClassVar = "test.hang"
    result: ClassVar = Text
    hold_s: float = 0.0
    progress: float | None = None


class Flood(JobSpec):
    """Reports progress `steps` times, with `logs` also a log line with `size` characters in its meta."""

    type: ClassVar = "test.flood"
    result: ClassVar = Text
    steps: int
    size: int = 0
    logs: bool = False


class Noise(JobSpec):
    """Prints to every output, reads from stdin, and starts children that do the same."""

    type: ClassVar = "test.noise"
    result: ClassVar = Text


async def echo(job: Echo, context: JobContext) -> Text:
    return Text(text=job.text)


async def fail(job: Fail, context: JobContext) -> Text:
    if job.how == "large":
        return Text(text="x" * (4 * 1024 * 1024 + 1))
    if job.how == "bug":
        raise ZeroDivisionError("hunter2")
    raise JobFailed(
        "It did not work.",
        kind="test_failure",
        hint="Try something else.",
        retryable=True,
        retry_after_s=job.retry_after_s,
        details={"tries": 3},
    )


async def hang(job: Hang, context: JobContext) -> Text:
    context.log("hanging")
    if job.progress is not None:
        context.progress(job.progress, "on its way")
    try:
        await anyio.sleep_forever()
    finally:
        with anyio.CancelScope(shield=True):
            await anyio.sleep(job.hold_s)
    return Text(text="never")


async def flood(job: Flood, context: JobContext) -> Text:
    for step in range(job.steps):
        context.progress((step + 1) / job.steps, f"step {step + 1}")
        if job.logs:
            context.log(f"step {step + 1}", meta={"filler": "x" * job.size})
        await anyio.lowlevel.checkpoint()
    return Text(text="flooded")


async def noise(job: Noise, context: JobContext) -> Text:
    make_noise()
    child = f"import sys; print({NOISE!r}); print(sys.stdin.read(1) == '', file=sys.stderr)"
    await anyio.run_process([sys.executable, "-c", child], stdin=None, stdout=None, stderr=subprocess.PIPE)
    inherited = await anyio.run_process([sys.executable, "-c", _LIST_DESCRIPTORS], stdin=None, stderr=None, check=False)
    return Text(text=inherited.stdout.decode())


def make_noise() -> None:
    """Prints to stdout in every way, and tries to read the protocol's stdin."""
    print(NOISE)
    sys.stdout.write(NOISE + "\n")
    sys.stdout.flush()
    os.write(1, (NOISE + "\n").encode())
    if sys.__stdout__ is not None:
        print(NOISE, file=sys.__stdout__, flush=True)
    os.system(f"echo {NOISE}")  # noqa: S605 - a child process that inherits everything
    subprocess.run([sys.executable, "-c", f"print({NOISE!r})"], check=True)
    if sys.stdin.read() != "":
        raise AssertionError("stdin was not empty")


_LIST_DESCRIPTORS = """
import os, stat
for number in range(256):
    try:
        mode = os.fstat(number).st_mode
    except OSError:
        continue
    print(number, "socket" if stat.S_ISSOCK(mode) else "pipe" if stat.S_ISFIFO(mode) else "other")
"""


def registrations() -> dict[str, Registration]:
    """Returns the registrations of all test job types, by name."""
    handlers: dict[type[JobSpec], Any] = {Echo: echo, Fail: fail, Hang: hang, Flood: flood, Noise: noise}
    return {spec.type: Registration(spec, _Function(run)) for spec, run in handlers.items()}


class _Function:
    """Adapts a function to `JobHandler`."""

    def __init__(self, run: Any) -> None:
        self.run = run
