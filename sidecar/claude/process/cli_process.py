"""Starts one Claude CLI and exchanges lines with it.

The CLI gets three pipes of its own, never our descriptors 0 and 1, which carry the JSON-RPC connection.  Its output
arrives in callbacks of the event loop and is therefore read, whatever our tasks wait for, so that the CLI cannot block
on a full pipe.  Writes to its stdin are buffered without a limit for the same reason; only prompts go there.
"""

import asyncio
import contextlib
import ctypes
import json
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast

import anyio
from sidecar_protocol.claude.runs import ClaudeSettings, HubAccess

from sidecar.claude.process.environment import DATABASE_ENV
from sidecar.claude.process.windows_job import JobObject
from sidecar.claude.process.work import Work, WorkState
from sidecar.json_reader import parse_object, without_halves

log = logging.getLogger(__name__)

OnLine = Callable[[bytes, Mapping[str, Any] | None], None]
"""Receives each line of stdout, and the JSON object that it is, or None.  Must not raise."""

LINE_LIMIT: Final = 64 * 1024 * 1024
"""Maximum length of a line in bytes: the CLI writes a whole answer, or an image that a tool read, as one line."""
STDERR_LIMIT: Final = 8 * 1024
PR_SET_PDEATHSIG: Final = 1  # linux/prctl.h
HUB_SERVER: Final = '{"mcpServers":{"hub":{"type":"sdk","name":"hub"}}}'
"""The configuration of an MCP server whose messages go through our pipes, as control requests."""
FOLLOW_UP_S: Final = 3.0
"""Seconds from the end of a background task to the turn that may follow, which needs 10 to 100 ms (measured)."""


@dataclass(frozen=True, slots=True)
class RunOptions:
    """The options of a CLI; None leaves the choice to the user's own settings.

    `session_id` is the session to resume, and `fork` resumes a copy of it, up to the record `resume_at` if it is given.
    `new_session_id` is the id, a UUID, of a session that it begins, or of the copy.
    `worktree` names a git worktree that the CLI creates and works in.  With `can_request_permission` the CLI sends
    control requests for tools that need permission, and waits for the responses.  A probe gets no prompt
    and runs no hooks.
    """

    model: str | None = None
    effort: str | None = None
    session_id: str | None = None
    fork: bool = False
    resume_at: str | None = None
    new_session_id: str | None = None
    worktree: str | None = None
    allowed_tools: Sequence[str] = ()
    permission_mode: str | None = None
    max_turns: int | None = None
    max_budget_usd: float | None = None
    system_prompt: str | None = None
    can_request_permission: bool = False
    settings: ClaudeSettings = ClaudeSettings.ALL
    is_probe: bool = False
    hub: HubAccess = HubAccess.OFF


def cli_arguments(options: RunOptions) -> list[str]:
    """Returns the CLI's arguments.  The prompt goes to stdin instead: no limit of length, and invisible to `ps`.

    Each value is joined to its flag by `=`, so that a value that begins with a dash is not read as a flag.
    `--append-system-prompt` rather than `--system-prompt`, because the CLI's own prompt explains its tools.
    """
    values = {
        "--model": options.model,
        "--effort": options.effort,
        "--resume": options.session_id,
        "--resume-session-at": options.resume_at,
        "--session-id": options.new_session_id,
        "--worktree": options.worktree,
        "--permission-mode": options.permission_mode,
        "--max-turns": options.max_turns,
        "--max-budget-usd": options.max_budget_usd,
        "--append-system-prompt": options.system_prompt,
    }
    return [
        "--print",
        "--input-format=stream-json",
        "--output-format=stream-json",
        "--verbose",  # required for stream-json output
        "--include-partial-messages",
        "--replay-user-messages",  # repeats a prompt that was sent during a turn when it is read
        *(f"{flag}={value}" for flag, value in values.items() if value is not None),
        # Without `project` and `local`, nothing of the folder runs or is read: hooks, MCP servers, skills, CLAUDE.md.
        *(["--setting-sources=user"] if options.settings is ClaudeSettings.USER else []),
        *(["--fork-session"] if options.fork else []),
        *(['--settings={"disableAllHooks":true}'] if options.is_probe else []),
        *([f"--mcp-config={HUB_SERVER}"] if options.hub is not HubAccess.OFF else []),
        *(["--permission-prompt-tool=stdio"] if options.can_request_permission else []),
        *(f"--allowedTools={rule}" for rule in options.allowed_tools),
    ]


class LineSplitter:
    """Splits chunks into lines at byte 0x0A only.  Lines over `limit` bytes are dropped and counted in `dropped`."""

    def __init__(self, limit: int = LINE_LIMIT) -> None:
        self.dropped = 0
        self._limit = limit
        self._parts: list[bytes] = []
        self._size = 0

    def feed(self, chunk: bytes) -> list[bytes]:
        """Returns the lines that `chunk` completes, without their newlines."""
        *ended, rest = chunk.split(b"\n")
        lines = []
        for piece in ended:
            self._append(piece)
            if self._size <= self._limit:
                lines.append(b"".join(self._parts))
            else:
                self.dropped += 1
            self._parts, self._size = [], 0
        self._append(rest)
        return lines

    def _append(self, piece: bytes) -> None:
        self._size += len(piece)
        if self._size <= self._limit:
            self._parts.append(piece)
        else:
            self._parts.clear()


class ClaudeProcess(asyncio.SubprocessProtocol):
    """A CLI process.

    `prompt_done` is set while no prompt is unfinished: after the end of its `work`, or after the exit.  `exited` is
    set when the process has exited; a tool may then still hold its pipes.  `closed` is set when the pipes are closed
    as well.
    `observe` receives every parsed line, also while no prompt is answered; `on_exit` is called at the exit.  `on_done`
    is called after the last line of the work of a prompt: the next one can begin a turn of the CLI's own.
    `database` is the database that its environment names as its owner's.  `begun` is the id of the new conversation
    with which it was started; None if it was started with another, or has left it.
    """

    def __init__(self, on_line: OnLine, database: str | None, on_release: Callable[[int], None]) -> None:
        """`on_release` gets the process id when the process and all of its tools have ended."""
        self.on_line = on_line
        self.database = database
        self.begun: str | None = None
        self.prompt_done = anyio.Event()
        self.prompt_done.set()
        self.exited = anyio.Event()
        self.closed = anyio.Event()
        self.observe: Callable[[Mapping[str, Any]], None] = lambda _: None
        self.on_exit: Callable[[], None] = lambda: None
        self.on_done: Callable[[], None] = lambda: None
        self.lines = LineSplitter()
        self.work = Work()
        self._follow_up: asyncio.TimerHandle | None = None
        self._on_release = on_release
        self._job_object: JobObject | None = None
        self._stderr = bytearray()

    @property
    def pid(self) -> int:
        """The process id, on POSIX also that of its process group."""
        return self._transport.get_pid()

    @property
    def exit_code(self) -> int | None:
        """Negative for a signal; None while the process runs."""
        return self._transport.get_returncode()

    @property
    def stderr_tail(self) -> str:
        return self._stderr.decode(errors="replace")

    def send_prompt(
        self, prompt: str, *, uuid: str | None = None, content: Sequence[Mapping[str, Any]] | None = None
    ) -> None:
        """Sends a prompt and clears `prompt_done`, which must be set.  Does nothing if the process has exited.

        The CLI records the prompt under `uuid`, and ignores one that it has recorded already.  `content` are the blocks
        of the prompt, if it has more than its text.
        """
        if not self.exited.is_set():
            self.prompt_done = anyio.Event()
            self.work.begin(is_command=prompt.lstrip().startswith("/"))
            self.lines.dropped = 0
            self.send(user_line(prompt if content is None else content, uuid))

    def begin_own_turn(self) -> None:
        """Clears `prompt_done` for a turn that the CLI has begun by itself, unless that has ended already."""
        self.work.begin_own_turn()
        if self.work.state is not WorkState.OVER:
            self.prompt_done = anyio.Event()

    def send(self, message: Mapping[str, Any]) -> None:
        """Writes a JSON line to stdin.  Does nothing if stdin is closed."""
        if not self._stdin.is_closing():
            self._stdin.write(json.dumps(message).encode() + b"\n")

    def close_stdin(self) -> None:
        """Closes stdin.  The CLI finishes its turn and exits."""
        self._stdin.close()

    def terminate(self) -> None:
        """Sends SIGTERM to the process group, unless the process has exited."""
        self._signal("SIGTERM")

    def kill(self) -> None:
        """Sends SIGKILL to the process group, unless the process has exited."""
        self._signal("SIGKILL")

    def _signal(self, name: str) -> None:
        if self.exit_code is not None:
            return
        if sys.platform == "win32":  # it has neither signals nor groups
            self._transport.kill()
        else:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, signal.Signals[name])

    def release(self) -> None:
        """Closes the pipes, and kills the process if it still runs.  Call it once, at the end."""
        if self._job_object is not None:
            self._job_object.close()
        self._transport.close()
        self._on_release(self.pid)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.SubprocessTransport", transport)
        self._stdin = cast("asyncio.WriteTransport", self._transport.get_pipe_transport(0))
        try:
            self._job_object = JobObject(self.pid)
        except OSError:  # not fatal: orphans are then killed by the next start
            log.exception("the CLI could not be assigned to a Job Object")

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        if fd == 1:
            for line in filter(bytes.strip, self.lines.feed(data)):
                self._read(line)
        else:
            self._stderr += data
            del self._stderr[:-STDERR_LIMIT]

    def _read(self, line: bytes) -> None:
        parsed = parse_object(line)
        # JavaScript cuts texts between the halves of an emoji, which nothing can store.  Of a streamed text, the next
        # line has the other half; a request is repeated in the response to it, and must not be changed.
        if parsed is not None and parsed.get("type") not in ("stream_event", "control_request"):
            whole = without_halves(line)
            parsed = parsed if whole == line else parse_object(whole)
        if parsed is not None:
            self.work.read(parsed)
            self.observe(parsed)
        self.on_line(line, parsed)
        state = self.work.state
        if state is WorkState.OVER and not self.prompt_done.is_set():
            self.prompt_done.set()
            self.on_done()
        if state is not WorkState.MAY_CONTINUE and self._follow_up is not None:
            self._follow_up.cancel()
            self._follow_up = None
        elif state is WorkState.MAY_CONTINUE and self._follow_up is None:
            self._follow_up = asyncio.get_running_loop().call_later(FOLLOW_UP_S, self.prompt_done.set)

    def process_exited(self) -> None:
        # The last output may still be in the pipes.
        self.prompt_done.set()
        self.exited.set()
        self.on_exit()

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self.closed.set()


def user_line(content: str | Sequence[Mapping[str, Any]], uuid: str | None) -> Mapping[str, Any]:
    """Returns the line of a prompt."""
    own_id = {} if uuid is None else {"uuid": uuid}
    return {"type": "user", "message": {"role": "user", "content": content}, "parent_tool_use_id": None, **own_id}


async def start(
    executable: Path,
    options: RunOptions,
    *,
    cwd: Path,
    environment: Mapping[str, str],
    on_line: OnLine,
    on_release: Callable[[int], None] = lambda _: None,
) -> ClaudeProcess:
    """Starts a CLI in a process group of its own.  Raises OSError if it cannot be started.

    Call it in the main thread: Linux sends the parent-death signal when the thread that forked ends.
    """
    process = ClaudeProcess(on_line, environment.get(DATABASE_ENV), on_release)
    process.begun = options.new_session_id
    # Not anyio.open_process: it has no preexec_fn, and its wait() lasts until every tool has closed our pipes.
    await asyncio.get_running_loop().subprocess_exec(
        lambda: process,
        str(executable),
        *cli_arguments(options),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=cwd,
        env=dict(environment),
        **_isolation(),
    )
    return process


def _isolation() -> dict[str, Any]:
    options: dict[str, Any] = {"start_new_session": True}
    if sys.platform == "win32":
        options = {"creationflags": subprocess.CREATE_NO_WINDOW | subprocess.CREATE_NEW_PROCESS_GROUP}
    if sys.platform == "linux":
        # Resolved before the fork: the child has one thread, and a lookup could wait for a lock that another held.
        prctl, getppid, leave = ctypes.CDLL(None).prctl, os.getppid, os._exit
        parent, sigterm = os.getpid(), int(signal.SIGTERM)

        def die_with_parent() -> None:
            prctl(PR_SET_PDEATHSIG, sigterm)
            if getppid() != parent:  # the parent died before the line above, so no signal will come
                leave(128 + sigterm)

        options["preexec_fn"] = die_with_parent
    return options
