"""`sidecar console`: call the methods of a running sidecar, line by line, from a terminal or a script."""

import contextlib
import io
import json
import sys
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

import anyio
import anyio.lowlevel
import click
from anyio.abc import TaskGroup
from pydantic_core import to_json
from sidecar_protocol.catalog import methods
from sidecar_protocol.contract import Method, ToolUse
from sidecar_protocol.entities import JobStatus
from sidecar_protocol.tools import tools_of

from sidecar.commandline.assignments import callable_methods, find_method, params_of
from sidecar.commandline.client import Received, RemoteError, SidecarClient, SidecarEnded
from sidecar.commandline.connect import SidecarStopped, connect, handshake_params
from sidecar.commandline.console.syntax import GREETING, HELP, References, matches, parse_call, split_words
from sidecar.commandline.job_view import JobView
from sidecar.commandline.mcp_call import call_tool
from sidecar.commandline.methods import print_method
from sidecar.commandline.options import (
    DATABASE,
    EXISTING_FILE,
    NEW_FILE,
    NOW,
    SEED,
    environment_option,
    parse_pairs,
    run,
)
from sidecar.commandline.output import JsonOutput, Output, output_for
from sidecar.commandline.timeline import TimelineOutput
from sidecar.commandline.views.local_times import LocalTimes
from sidecar.commandline.views.tables import print_methods
from sidecar.paths import options_of, relative_to
from sidecar.transcripts.file.format import Header, read, write

LINE: Final = "line"
"""The name of a script that has none; its lines are named by their numbers only."""
UNTIL_TIMEOUT_S: Final = 60.0
CLOSE_TIMEOUT_S: Final = 10.0
RECORDED_VARIABLES: Final = frozenset(
    {"CLAUDE_PATH", "CLAUDE_CONCURRENCY", "RUN_ENV", "BACKEND_PORT", "GOOGLE_CLIENT_ID", "HOME", "TZ", "LANG"}
)
"""Environment variables that a transcript's header may contain; others can be secrets."""


def _parse_variables(context: click.Context, option: click.Parameter, pairs: tuple[str, ...]) -> dict[str, Any]:
    """Parses NAME=TEXT and NAME:=JSON."""
    try:
        return {
            name.removesuffix(":"): json.loads(value) if name.endswith(":") else value
            for name, value in parse_pairs(context, option, pairs).items()
        }
    except ValueError as error:
        raise click.BadParameter(f"NAME:= must be followed by JSON: {error}.", context, option) from None


@click.command(epilog=HELP)
@click.option("--script", metavar="FILE", type=EXISTING_FILE, help="Run the lines of a file.")
@click.option(
    "--set",
    "variables",
    metavar="NAME=VALUE",
    multiple=True,
    callback=_parse_variables,
    help="Set a variable of the script, $NAME; NAME:=JSON for other values than text.",
)
@click.option("--timeline", "style", flag_value="timeline", help="Print one line per message, with the time.")
@click.option("--json", "style", flag_value="json", help="Print compact JSON, one value per line.")
@DATABASE
@click.option("--record", metavar="FILE", type=NEW_FILE, help="Append the messages to a transcript.")
@click.option("--record-anew", metavar="FILE", type=NEW_FILE, help="As --record, but replace the file.")
@click.option("--redact", metavar="REGEX", multiple=True, help="Leave texts that match out of the transcript.")
@click.option(
    "--upstream-record", metavar="FILE", type=NEW_FILE, help="Record the responses of Google, Atlassian and calendars."
)
@NOW
@SEED
@environment_option("Set an environment variable of the sidecar, and note it in the recorded transcript.")
def console(*, script: Path | None, style: str | None, database: str | None, **options: Any) -> None:
    """Start a sidecar and call its methods line by line.

    Reads lines from the terminal, from standard input or from a script.  The handshake is made before the first call
    that needs it, unless the line is `initialize`.  A script ends at the first invalid line (exit code 2), or if it
    waits for a job that fails or for a notification that does not arrive (1).  It continues after an error response,
    and exits with 1 at the end.
    """
    text = None if script is None else script.read_text("utf-8")
    if options["record"] is not None and options["record"].exists():
        click.echo(f"{options['record']} exists: this run is appended to it; --record-anew starts over.", err=True)
    output = TimelineOutput() if style == "timeline" else output_for(as_json=style == "json")
    run(partial(converse, output, text, source=LINE if script is None else str(script), db=database, **options))


async def converse(
    output: Output,
    script: str | None,
    *,
    variables: Mapping[str, Any],
    env: Mapping[str, str],
    source: str = LINE,
    record: Path | None = None,
    record_anew: Path | None = None,
    redact: Sequence[str] = (),
    **options: Any,
) -> int:
    """Runs the lines of a script, or of standard input without a `script`; returns the exit code.

    `source` is the script's name for messages, and `options` are those of `sidecar serve`.
    """
    is_typed = script is None and sys.stdin.isatty()
    arguments = ["serve", *options_of(record=record, record_anew=record_anew, **options)]
    arguments += [word for pattern in redact for word in ("--redact", pattern)]
    record = record_anew or record
    # As `sidecar verify` does, which reads the environment from the transcript.
    used_env = env if record is None else {name: relative_to(record.parent, value) for name, value in env.items()}
    if options.get("now") is not None:  # the person's `today` is the sidecar's
        with contextlib.suppress(ValueError):  # the sidecar refuses it with a reason
            output.times = LocalTimes.of_this_computer(stopped_at=options["now"])
    try:
        async with connect(None, arguments=arguments, env=used_env) as client:
            hub_env = used_env if options.get("db") is None else None
            console = _Console(client, output, variables, source=None if is_typed else source, hub_env=hub_env)
            return await console.run(_lines(script, is_typed=is_typed))
    except SidecarStopped as stopped:
        output.problem(str(stopped))
        return stopped.exit_code
    finally:
        if record is not None and env:
            _record_environment(record, env)


class WrongLine(click.ClickException):
    """A line of a script that cannot be run."""

    exit_code = 2


class _Console:
    def __init__(
        self,
        client: SidecarClient,
        output: Output,
        variables: Mapping[str, Any],
        *,
        source: str | None,
        hub_env: Mapping[str, str] | None,
    ) -> None:
        """`source`: the name of the script, for messages; None if a person types.

        `hub_env`: the environment in which `sidecar mcp` finds the same database; None if it cannot.
        """
        self._hub_env = hub_env
        self._client = client
        self._output = output
        self._is_typed = source is None
        self._source = source
        self._where = ""
        self._is_initialized = False
        self._references = References(variables)
        self._received: list[Received] = []
        self._views: list[JobView] = []
        self._changed = anyio.Event()
        self._at_end = False
        self._failed = False
        self._commands = {
            ".raw": self._raw,
            ".until": self._until,
            ".wait": self._wait,
            ".show": self._show,
            ".mcp": self._mcp,
            ".methods": self._list_methods,
            ".help": self._help,
        }
        if self._is_typed:  # in a script, `exit` is the notification of the protocol
            self._commands |= {"help": self._help, "methods": self._list_methods}

    async def run(self, lines: AsyncIterator[str]) -> int:
        """Runs each line; a mistake ends a script, but not a person's console."""
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._receive)
                if self._is_typed:
                    await self._greet()
                number = 0
                async for line in lines:
                    number += 1
                    self._where = f"line {number}" if self._source == LINE else f"{self._source}:{number}"
                    if line.strip() in (".quit", *(("exit", "quit") if self._is_typed else ())):
                        break
                    try:
                        await self._run_line(line.strip(), tasks)
                    except click.ClickException as error:
                        if not self._is_typed:
                            # If an earlier response was an error, that is the likely cause of a missing value.
                            is_wrong = isinstance(error, click.UsageError) and not self._failed
                            kind = WrongLine if is_wrong else click.ClickException
                            raise kind(f"{self._where}: {line.strip()}: {error.format_message()}") from None
                        self._output.problem(error.format_message())
                code = await self._close()
                tasks.cancel_scope.cancel()
        except BaseExceptionGroup as group:
            raise group.exceptions[0] from None  # there is no other: the first one cancels the rest
        return int(not self._is_typed and (self._failed or code != 0))

    async def _run_line(self, line: str, tasks: TaskGroup) -> None:
        word, _, rest = line.partition(" ")
        if line.startswith("#") and not self._is_typed:
            self._output.heading(line.lstrip("# "))
        elif command := self._commands.get(word):
            await command(rest)
        elif word.startswith("."):
            await self._help("")
        elif line and not line.startswith("#"):
            await self._run_call(line, tasks)

    async def _greet(self) -> None:
        """Makes the handshake and prints the commands."""
        result = await self._client.call("initialize", handshake_params())
        self._is_initialized = True
        server = result["server_info"]
        self._output.heading(f"{server['name']} {server['version']}, process {server['pid']}\n{GREETING}")

    async def _help(self, text: str) -> None:
        if text.strip():
            print_method(self._output.out, find_method(text.strip()))
        else:
            click.echo(HELP.replace("\b\n", ""))

    async def _list_methods(self, text: str) -> None:
        known = [one for one in callable_methods().values() if one.name.startswith(text.strip())]
        if isinstance(self._output, JsonOutput):
            self._output.result([one.name for one in known])
        else:
            print_methods(known)

    async def _run_call(self, line: str, tasks: TaskGroup) -> None:
        variable, words, in_background = parse_call(line)
        name, *assignments = map(self._references.fill_in, words)
        notification = next((one for one in methods() if one.name == name and one.result is None), None)
        declared = notification or find_method(name)
        params = params_of(declared, assignments, self._output.times)
        if notification is not None:
            self._output.request(name, params)
            await self._client.send(to_json({"jsonrpc": "2.0", "method": name, "params": params}) + b"\n")
            return
        if name == "initialize":
            params = handshake_params() | params
            self._is_initialized = True
        elif not self._is_initialized and not declared.before_initialize:
            self._is_initialized = True
            await self._client.call("initialize", handshake_params())
        if in_background:
            tasks.start_soon(self._call_in_background, declared, params, variable)
            await anyio.lowlevel.checkpoint()
        else:
            await self._call(declared, params, variable)

    async def _call_in_background(self, method: Method, params: dict[str, Any], name: str | None) -> None:
        with contextlib.suppress(SidecarEnded):
            await self._call(method, params, name)

    async def _call(self, method: Method, params: dict[str, Any], name: str | None) -> None:
        self._output.request(method.name, params)
        begin, where = time.perf_counter(), self._where
        try:
            result = await self._client.call(method.name, params)
        except RemoteError as error:
            self._failed = True
            self._references.add({"code": error.code, "message": error.message, "data": error.data}, name)
            self._output.refusal(method.name, error, time.perf_counter() - begin)
            self._output.error(error, "" if self._is_typed else where)
        else:
            self._references.add(result, name)
            self._output.response(method.name, result, time.perf_counter() - begin, method.result)
        while self._client.notifications.statistics().current_buffer_used:  # print them before the next request
            await anyio.lowlevel.checkpoint()

    async def _raw(self, text: str) -> None:
        self._is_initialized = True  # or it is not, on purpose
        await self._client.send(text.encode() + b"\n")
        await anyio.lowlevel.checkpoint()

    async def _until(self, text: str) -> None:
        name, *conditions = map(self._references.fill_in, split_words(text) or [""])
        if not name:
            raise click.UsageError(".until needs the name of a notification.")
        with anyio.move_on_after(UNTIL_TIMEOUT_S):
            while not any(matches(received.method, received.params, name, conditions) for received in self._received):
                await self._next_change()
            self._received.clear()
            return
        raise click.ClickException(f"No {name} {' '.join(conditions)} arrived within {UNTIL_TIMEOUT_S:g} s.")

    async def _wait(self, text: str) -> None:
        words = [str(self._references.resolve(word)) for word in split_words(text)]
        if not words or not words[0]:
            raise click.UsageError(".wait needs the id of a job.")
        job_id, status = [*words, JobStatus.SUCCEEDED.value][:2]
        # The view must receive notifications before the job is requested, so that none is missed in between.
        view = JobView({"job_id": job_id, "version": 0, "status": JobStatus.QUEUED, "type": ""}, self._output.progress)
        self._views.append(view)
        try:
            with view.shown():
                view.update_job(await self._client.call("jobs.get", {"job_id": job_id}))
                while not view.has_ended:
                    await self._next_change()
        except RemoteError as error:
            raise click.ClickException(f"Job {job_id}: {error.message}") from None
        finally:
            self._views.remove(view)
        self._output.job_ended(view.job)
        if view.job["status"] != status:
            raise click.ClickException(f"The job's status is {view.job['status']} instead of {status}.")

    async def _show(self, text: str) -> None:
        path, *fields = split_words(text) or ["$"]
        value = self._references.resolve(path)
        if fields and isinstance(value, list):
            self._output.rows(value, fields)
        else:
            self._output.result(value)

    async def _mcp(self, text: str) -> None:
        name, *assignments = map(self._references.fill_in, split_words(text) or [""])
        tool = next((one for one in tools_of(methods(), ToolUse.READ) if one.name == name), None)
        if tool is None:
            raise click.UsageError(f".mcp needs the name of a tool that only reads, such as jobs_list, not {name!r}.")
        if self._hub_env is None:
            raise click.UsageError(".mcp reads the data folder's database, not one chosen with --db.")
        arguments = params_of(tool.method, assignments, self._output.times)
        self._output.request(f"mcp {name}", arguments)
        begin = time.perf_counter()
        answer = await call_tool(name, arguments, self._hub_env)
        self._references.add(answer, None)
        self._output.response(f"mcp {name}", answer, time.perf_counter() - begin)

    async def _receive(self) -> None:
        async for received in self._client.notifications:
            self._received.append(received)
            try:
                self._output.notification(received)
            except SystemExit as closed:  # rich raises it if stdout is closed; asyncio would not clean up after it
                raise click.exceptions.Exit(1) from closed
            for view in self._views:
                view.update(received)
            self._announce_change()
        self._at_end = True
        self._announce_change()

    def _announce_change(self) -> None:
        self._changed.set()
        self._changed = anyio.Event()

    async def _next_change(self) -> None:
        if self._at_end:
            raise SidecarEnded(await self._client.process.wait())
        await self._changed.wait()

    async def _close(self) -> int:
        """Closes the sidecar's stdin, prints its last messages, and returns its exit code."""
        self._output.request("(end of stdin)", {})
        begin = time.perf_counter()
        code = await self._client.close()
        took_s = time.perf_counter() - begin
        with anyio.move_on_after(CLOSE_TIMEOUT_S):
            while not self._at_end:
                await self._next_change()
        self._output.sidecar_ended(code, took_s)
        return code


async def _lines(script: str | None, *, is_typed: bool) -> AsyncIterator[str]:
    if is_typed:
        from sidecar.commandline.console.prompt import prompt  # noqa: PLC0415 - scripts need no prompt_toolkit, which is slow to import

        async for line in prompt():
            yield line
    else:
        async for line in anyio.wrap_file(sys.stdin if script is None else io.StringIO(script)):
            yield line


def _record_environment(record: Path, env: Mapping[str, str]) -> None:
    """Adds the environment to the transcript's header, so that it can be verified on any computer."""
    lines = list(read(record))
    header = [line for line in lines if isinstance(line, Header)][-1]  # earlier ones had their own
    header.facts = {**header.facts, "env": {name: env[name] for name in env if name in RECORDED_VARIABLES}}
    write(record, lines)
