"""`sidecar console`: a conversation with a live sidecar, line by line, typed by a person or read from a script.

jobs.create type=maintenance.backup        a call, as for `sidecar call`; $.path stands for the last answer's value,
jobs.get job_id=$.job.job_id               $2.path for the second one's
system.diagnostics &                       the next line does not wait for this one's answer
.until jobs.updated job.status=succeeded   wait for a notification
.raw {"jsonrpc":                           a line as it is
"""

import json
import re
import sys
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import anyio
import anyio.lowlevel
import click
from pydantic_core import to_json
from sidecar_protocol.catalog import methods

from sidecar.commandline.assignments import find_method, params_of
from sidecar.commandline.client import Received, RemoteError, SidecarClient
from sidecar.commandline.output import Output
from sidecar.commandline.session import SidecarStopped, greeting, session
from sidecar.transcripts.file.format import Header, read, write

_WORD: Final = re.compile(r" *(?=[^ ])(?P<head>[A-Za-z_][\w.]*:?=)?")
UNTIL_S: Final = 60.0
"""A notification that has not come by then will not come."""
NOTED: Final = frozenset(
    {"CLAUDE_PATH", "CLAUDE_CONCURRENCY", "RUN_ENV", "BACKEND_PORT", "GOOGLE_CLIENT_ID", "HOME", "TZ", "LANG"}
)
"""Variables that a header may show; any other may be somebody's key."""
HELP: Final = """\
METHOD key=value …            call it; $.path is a value of the last answer, $2.path one of the second
METHOD … &                    call it and do not wait
.until NAME path=value …      wait for a notification
.raw TEXT                     send a line as it is
.methods  .help  .quit        end of input quits, too"""


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the command line asks for."""

    database: str | None = None
    record: Path | None = None
    upstream_record: Path | None = None
    now: str | None = None
    seed: int | None = None
    env: Mapping[str, str] = field(default_factory=dict)

    def arguments(self) -> list[str]:
        """Of `serve`."""
        options = {
            "--db": self.database,
            "--record": self.record,
            "--upstream-record": self.upstream_record,
            "--now": self.now,
            "--seed": self.seed,
        }
        return [str(part) for name, value in options.items() if value is not None for part in (name, value)]


async def converse(wishes: Wishes, output: Output) -> int:
    """Talk until the input ends; the exit code."""
    is_typed = sys.stdin.isatty()
    env = {name: _seen_from(wishes.record, value) for name, value in wishes.env.items()}
    try:
        async with session(None, arguments=["serve", *wishes.arguments()], env=env) as client:
            await _Console(client, output).run(_typed() if is_typed else _read(), is_typed=is_typed)
    except SidecarStopped as stopped:
        output.problem(str(stopped))
        return stopped.exit_code
    finally:
        if wishes.record is not None and wishes.env:
            _note_environment(wishes.record, wishes.env)
    return 0


class _Console:
    def __init__(self, client: SidecarClient, output: Output) -> None:
        self._client = client
        self._output = output
        self._answers: list[Any] = []
        self._told: list[Received] = []
        self._came = anyio.Event()

    async def run(self, lines: AsyncIterator[str], *, is_typed: bool) -> None:
        """Do what each line says; a mistake in a script ends it, a person tries again."""
        mistake: click.ClickException | None = None
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._hear)
            async for line in lines:
                try:
                    if not await self._do(line.strip(), tasks):
                        break
                except click.ClickException as error:
                    if not is_typed:
                        mistake = error  # raised below, outside the task group, which would wrap it
                        break
                    self._output.problem(error.format_message())
            with anyio.move_on_after(UNTIL_S):
                await self._client.close()
            tasks.cancel_scope.cancel()
        if mistake is not None:
            raise mistake

    async def _hear(self) -> None:
        async for received in self._client.notifications:
            self._told.append(received)
            self._output.notification(received)
            self._came.set()
            self._came = anyio.Event()

    async def _do(self, line: str, tasks: Any) -> bool:
        if not line or line.startswith("#"):
            return True
        word, _, rest = line.partition(" ")
        if word == ".quit":
            return False
        if word == ".raw":
            await self._client.send(rest.encode() + b"\n")
            await anyio.lowlevel.checkpoint()
        elif word == ".until":
            await self._until(*words_of(rest))
        elif word == ".methods":
            self._output.result(None, [declared.name for declared in methods()])
        elif word.startswith("."):
            click.echo(HELP)
        elif line.endswith("&"):
            tasks.start_soon(self._call, words_of(line[:-1]))
            await anyio.lowlevel.checkpoint()
        else:
            await self._call(words_of(line))
        return True

    async def _call(self, words: list[str]) -> None:
        name, assignments = words[0], [self._filled_in(word) for word in words[1:]]
        told = next((one for one in methods() if one.name == name and one.result is None), None)
        declared = told or find_method(name)
        params = params_of(declared, assignments)
        if told is not None:
            message = {"jsonrpc": "2.0", "method": name, "params": params}
            await self._client.send(to_json(message) + b"\n")
            return
        if name == "initialize":
            params = greeting() | params
        try:
            answer = await self._client.call(name, params)
        except RemoteError as error:
            self._answers.append({"code": error.code, "message": error.message, "data": error.data})
            self._output.error(error)
        else:
            self._answers.append(answer)
            self._output.result(declared.result, answer)

    def _filled_in(self, word: str) -> str:
        """`job_id=$.job.job_id` with the value that it names."""
        name, equals, value = word.partition("=")
        if not equals or not value.startswith("$"):
            return word
        which, _, path = value[1:].partition(".")
        try:
            found = self._answers[int(which) - 1 if which else -1]
            for step in path.split(".") if path else ():
                found = found[int(step)] if isinstance(found, list) else found[step]
        except (ValueError, LookupError, TypeError):
            raise click.UsageError(f"{value} is nothing that an answer has.") from None
        return f"{name}:={json.dumps(found)}"

    async def _until(self, name: str = "", *wanted: str) -> None:
        pairs = [one.partition("=") for one in map(self._filled_in, wanted)]
        with anyio.move_on_after(UNTIL_S):
            while not any(_is_wanted(received, name, pairs) for received in self._told):
                came = self._came
                await came.wait()
            self._told.clear()
            return
        raise click.ClickException(f"{name} {' '.join(wanted)} did not come within {UNTIL_S:g} s.")


def words_of(line: str) -> list[str]:
    """The words of a line; a value may be JSON with spaces: title="A walk" payload={"keep": 2}."""
    words = []
    at = 0
    while match := _WORD.match(line, at):
        at = match.end()
        head = match["head"] or ""
        if line[at : at + 1] in ('"', "{", "["):
            try:
                value, at = json.JSONDecoder().raw_decode(line, at)
            except ValueError as error:
                raise click.UsageError(f"{head}{line[at:]} is no JSON: {error}.") from None
            is_text = isinstance(value, str) and not head.endswith(":=")
            words.append(f"{head}{value}" if is_text else f"{head.rstrip(':=')}:={json.dumps(value)}")
        else:
            end = line.find(" ", at)
            at, start = (len(line) if end < 0 else end), at
            words.append(head + line[start:at])
    return words


def _is_wanted(received: Received, name: str, pairs: list[tuple[str, str, str]]) -> bool:
    if received.method != name:
        return False
    for path, _, value in pairs:
        found: Any = received.params
        for step in path.removesuffix(":").split("."):
            found = found.get(step) if isinstance(found, dict) else None
        if value not in (found, json.dumps(found)):
            return False
    return True


async def _read() -> AsyncIterator[str]:
    async for line in anyio.wrap_file(sys.stdin):
        yield line


async def _typed() -> AsyncIterator[str]:
    from sidecar.commandline.console_prompt import prompt  # noqa: PLC0415 - prompt_toolkit takes its time

    async for line in prompt():
        yield line


def _seen_from(record: Path | None, value: str) -> str:
    if record is not None and value.startswith(("./", "../")):
        return str((record.parent / value).resolve())
    return value


def _note_environment(record: Path, env: Mapping[str, str]) -> None:
    """Write into the header what the conversation needs, so that it can be verified anywhere."""
    lines = list(read(record))
    for line in lines:
        if isinstance(line, Header):
            line.facts = {**line.facts, "env": {name: value for name, value in env.items() if name in NOTED}}
    write(record, lines)
