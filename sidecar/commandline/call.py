"""`sidecar call` and `sidecar methods`: send one request to a sidecar that is started for it, and list the methods."""

import contextlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import anyio
import click
from click.shell_completion import CompletionItem
from sidecar_protocol.contract import Method
from sidecar_protocol.entities import Job, JobStatus

from sidecar.commandline.assignments import META, callable_methods, choices, find_method, param_schemas, params_of
from sidecar.commandline.client import RemoteError, SidecarClient, SidecarEnded
from sidecar.commandline.commands import INTERRUPTED
from sidecar.commandline.connect import SidecarStopped, connect, handshake_params
from sidecar.commandline.job_view import JobView, has_job, job_in
from sidecar.commandline.options import DATABASE, JSON, output_for, run
from sidecar.commandline.output import Output
from sidecar.commandline.tables import print_methods


@dataclass(frozen=True, slots=True)
class Request:
    """A method call, and the database of the sidecar that answers it."""

    method: Method
    params: Mapping[str, Any]
    database: str | None


def _complete_method(context: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    del context, param
    known = callable_methods().values()
    return [
        CompletionItem(one.name, help=one.doc.partition("\n")[0]) for one in known if one.name.startswith(incomplete)
    ]


def _complete_param(context: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    del param
    declared = callable_methods().get(context.params.get("method", ""))
    if declared is None:
        return []
    schemas = param_schemas(declared)
    name, equals, start = incomplete.partition("=")
    if equals:
        words = choices(schemas.get(name, {}))
        return [CompletionItem(f"{name}={word}") for word in words if word.startswith(start)]
    return [CompletionItem(f"{one}=") for one in schemas if one.startswith(incomplete) and one != META]


@click.command()
@click.argument("method", shell_complete=_complete_method)
@click.argument("params", nargs=-1, metavar="[key=value]...", shell_complete=_complete_param)
@DATABASE
@JSON
@click.option("--follow", "mode", flag_value="follow", help="Print notifications after the result, until Ctrl-C.")
@click.option("--wait", "mode", flag_value="wait", help="Wait until the job in the result ends; Ctrl-C cancels it.")
def call(method: str, params: tuple[str, ...], *, database: str | None, as_json: bool, mode: str | None) -> None:
    """Start a sidecar, call METHOD and print the result.

    \b
    key=value    a value of the declared type: limit=5, prompt="say hi", payload='{"keep": 2}'
    key:=JSON    exactly this JSON value: request_id:=7
    key=@FILE    the text of a file, or of standard input (@-): prompt=@question.txt

    Repeat the key for a list of strings: allowed_tools=Read allowed_tools=Grep

    `sidecar methods` lists the methods.  Exits with 1 if the sidecar answers with an error or the job that --wait waits
    for does not succeed, with 2 if the method or a parameter is wrong, and with the sidecar's own exit code if it does
    not start.
    """  # noqa: D301 - \b is click's mark for a paragraph that must not be wrapped
    declared = find_method(method)
    if mode == "wait" and not has_job(declared.result):
        raise click.UsageError(f"--wait needs a method whose result is a job, and {method} is not one.")
    request = Request(declared, params_of(declared, params), database)
    run(_call, request, output_for(as_json=as_json), _MODES[mode])


@click.command()
@JSON
def methods(*, as_json: bool) -> None:
    """List the methods that `sidecar call` accepts."""
    known = callable_methods().values()
    if not as_json:
        print_methods(known)
        return
    listed = [
        {"name": one.name, "doc": one.doc, "params": [name for name in param_schemas(one) if name != META]}
        for one in known
    ]
    output_for(as_json=True).result(None, listed)


async def _call(request: Request, output: Output, finish: "Finish") -> int:
    try:
        async with connect(request.database) as client:
            if not request.method.before_initialize or finish is not _show:
                await client.call("initialize", handshake_params())
            result = await client.call(request.method.name, request.params)
            return await finish(client, request, result, output)
    except RemoteError as error:
        output.error(error)
        return 1
    except SidecarStopped as stopped:
        output.problem(str(stopped))
        return stopped.exit_code


async def _show(client: SidecarClient, request: Request, result: Any, output: Output) -> int:
    del client
    output.result(request.method.result, result)
    return 0


async def _follow(client: SidecarClient, request: Request, result: Any, output: Output) -> int:
    """Prints notifications until Ctrl-C, which is the normal end."""
    output.result(request.method.result, result)
    try:
        async for received in client.notifications:
            output.notification(received)
    except anyio.get_cancelled_exc_class():
        return 0
    raise SidecarEnded(await client.process.wait())


async def _wait(client: SidecarClient, request: Request, result: Any, output: Output) -> int:
    """Waits until the job ends and prints it.  After Ctrl-C it cancels the job and waits for that."""
    view = JobView(job_in(request.method.result, result) or {})
    interrupted = False
    with output.watching(view):
        try:
            await _until_ended(client, view)
        except anyio.get_cancelled_exc_class():
            interrupted = True
            view.show_message("Cancelling")
            with contextlib.suppress(RemoteError):  # the job has ended and been deleted meanwhile
                await client.call("jobs.cancel", {"job_id": view.job["job_id"]})
            await _until_ended(client, view)
    output.result(Job, view.job)
    if view.job.get("error"):
        output.problem(_failure(view.job))
    if interrupted:
        return INTERRUPTED
    return 0 if view.job["status"] == JobStatus.SUCCEEDED else 1


def _failure(job: Mapping[str, Any]) -> str:
    error = job["error"]
    return " ".join(filter(None, [f"{job['status']} ({error['kind']}):", error["message"], error.get("hint")]))


async def _until_ended(client: SidecarClient, view: JobView) -> None:
    while not view.has_ended:
        try:
            view.update(await client.notifications.receive())
        except anyio.EndOfStream:
            raise SidecarEnded(await client.process.wait()) from None


Finish = Callable[[SidecarClient, Request, Any, Output], Awaitable[int]]
"""Handles the result of a call; returns the exit code."""
_MODES: Final[Mapping[str | None, Finish]] = {None: _show, "follow": _follow, "wait": _wait}
