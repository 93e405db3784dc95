"""`sidecar call`: sends one request to a sidecar that is started for it."""

import contextlib
from collections.abc import Mapping
from typing import Any

import anyio
import click
from click.shell_completion import CompletionItem
from sidecar_protocol.contract import Method
from sidecar_protocol.entities import JobStatus

from sidecar.commandline.assignments import callable_methods, completions, find_method, params_of
from sidecar.commandline.client import RemoteError, SidecarClient
from sidecar.commandline.commands import INTERRUPTED
from sidecar.commandline.connect import SidecarStopped, connect, handshake_params
from sidecar.commandline.job_view import JobView, job_field
from sidecar.commandline.options import DATABASE, JSON, run
from sidecar.commandline.output import JsonOutput, Output


def _complete_method(context: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    del context, param
    known = callable_methods().values()
    return [
        CompletionItem(one.name, help=one.doc.partition("\n")[0]) for one in known if one.name.startswith(incomplete)
    ]


def _complete_param(context: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    del param
    declared = callable_methods().get(context.params.get("method", ""))
    return [CompletionItem(word) for word, _ in completions(declared, incomplete)] if declared else []


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
    start=-7d    a time in your time zone: now, today, yesterday, "tomorrow 9:00", -36h, 2026-11-23; or with an offset

    Repeat the key for a list of strings: allowed_tools=Read allowed_tools=Grep

    `sidecar methods` lists the methods.  Exits with 1 if the sidecar answers with an error or the job that --wait waits
    for does not succeed, with 2 if the method or a parameter is wrong, and with the sidecar's own exit code if it does
    not start.
    """  # noqa: D301 - \b is click's mark for a paragraph that must not be wrapped
    declared = find_method(method)
    if mode == "wait" and job_field(declared.result) is None:
        raise click.UsageError(f"--wait needs a method whose result is a job, and {method} is not one.")
    run(_call, declared, params_of(declared, params), database, mode, JsonOutput() if as_json else Output())


async def _call(
    method: Method, params: Mapping[str, Any], database: str | None, mode: str | None, output: Output
) -> int:
    try:
        async with connect(database) as client:
            if mode is not None or not method.before_initialize:
                await client.call("initialize", handshake_params())
            result = await client.call(method.name, params)
            if mode == "wait":
                name = job_field(method.result)
                return await _wait(client, result[name] if name else result, output)
            output.result(result)
            with contextlib.suppress(anyio.get_cancelled_exc_class()):  # Ctrl-C is the normal end
                while mode == "follow":
                    output.notification(await client.receive())
            return 0
    except RemoteError as error:
        output.error(error)
        return 1
    except SidecarStopped as stopped:
        output.problem(str(stopped))
        return stopped.exit_code


async def _wait(client: SidecarClient, job: dict[str, Any], output: Output) -> int:
    """Waits until the job ends and prints it.  After Ctrl-C it cancels the job and waits for that."""
    view = JobView(job, output.progress)
    interrupted = False
    with view.shown():
        try:
            await _until_ended(client, view)
        except anyio.get_cancelled_exc_class():
            interrupted = True
            view.show_message("Cancelling")
            with contextlib.suppress(RemoteError):  # the job has ended and been deleted meanwhile
                await client.call("jobs.cancel", {"job_id": view.job["job_id"]})
            await _until_ended(client, view)
    output.result(view.job)
    if error := view.job.get("error"):
        parts = [f"{view.job['status']} ({error['kind']}):", error["message"], error.get("hint")]
        output.problem(" ".join(filter(None, parts)))
    if interrupted:
        return INTERRUPTED
    return 0 if view.job["status"] == JobStatus.SUCCEEDED else 1


async def _until_ended(client: SidecarClient, view: JobView) -> None:
    while not view.has_ended:
        view.update(await client.receive())
