"""`sidecar call`: one request, and what is wished after its answer: nothing, the notifications, or a job's end."""

import contextlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import anyio
from sidecar_protocol.contract import Method
from sidecar_protocol.entities import Job, JobStatus

from sidecar.commandline.client import RemoteError, SidecarClient, SidecarEnded
from sidecar.commandline.jobview import JobView, job_in
from sidecar.commandline.output import Output
from sidecar.commandline.session import SidecarStopped, greeting, session

INTERRUPTED: Final = 130
"""What shells expect of a program that Ctrl-C ended."""


@dataclass(frozen=True, slots=True)
class Question:
    """What is to be called, and where."""

    method: Method
    params: Mapping[str, Any]
    database: str | None


After = Callable[[SidecarClient, Question, Any, Output], Awaitable[int]]
"""What happens with the answer; the exit code."""


async def ask(question: Question, output: Output, after: After) -> int:
    """Call, then do what is wished with the answer; the exit code."""
    try:
        async with session(question.database) as client:
            if not question.method.before_initialize or after is not show:
                await client.call("initialize", greeting())
            answer = await client.call(question.method.name, question.params)
            return await after(client, question, answer, output)
    except RemoteError as error:
        output.error(error)
        return 1
    except SidecarStopped as stopped:
        output.problem(str(stopped))
        return stopped.exit_code


async def show(client: SidecarClient, question: Question, answer: Any, output: Output) -> int:
    """Print the answer."""
    del client
    output.result(question.method.result, answer)
    return 0


async def follow(client: SidecarClient, question: Question, answer: Any, output: Output) -> int:
    """Print the answer, then every notification until Ctrl-C, which is how this is meant to end."""
    output.result(question.method.result, answer)
    try:
        async for received in client.notifications:
            output.notification(received)
    except anyio.get_cancelled_exc_class():
        return 0
    raise SidecarEnded(await client.process.wait())


async def wait(client: SidecarClient, question: Question, answer: Any, output: Output) -> int:
    """Wait until the answer's job ends, and print it.  Ctrl-C cancels the job and waits on."""
    view = JobView(job_in(question.method.result, answer) or {})
    interrupted = False
    with output.watching(view):
        try:
            await _until_ended(client, view)
        except anyio.get_cancelled_exc_class():
            interrupted = True
            view.say("Cancelling")
            with contextlib.suppress(RemoteError):  # it was faster, and has been pruned
                await client.call("jobs.cancel", {"job_id": view.job["job_id"]})
            await _until_ended(client, view)
    output.result(Job, view.job)
    if view.job.get("error"):
        output.problem(failure(view.job))
    if interrupted:
        return INTERRUPTED
    return 0 if view.job["status"] == JobStatus.SUCCEEDED else 1


def failure(job: Mapping[str, Any]) -> str:
    """Why a job failed and what to do, in one line."""
    error = job["error"]
    return " ".join(filter(None, [f"{job['status']} ({error['kind']}):", error["message"], error.get("hint")]))


async def _until_ended(client: SidecarClient, view: JobView) -> None:
    while not view.has_ended:
        try:
            view.take(await client.notifications.receive())
        except anyio.EndOfStream:
            raise SidecarEnded(await client.process.wait()) from None
