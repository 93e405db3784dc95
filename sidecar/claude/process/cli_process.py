"""One running CLI: its command line, its pipes, and its lines.

It never shares our descriptors 0 and 1, on which the wire runs: all three of its pipes are its own.  Everything arrives
by callbacks of the event loop, so that it is read, and cannot block on a full pipe, whatever our tasks wait for; stdin
has no limit on our side for the same reason, and one prompt is all that goes there.
"""

import asyncio
import contextlib
import json
import logging
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from subprocess import PIPE
from typing import Any

import anyio

from sidecar.claude.process.environment import DATABASE_ENV
from sidecar.claude.process.windows_job import JobObject

log = logging.getLogger(__name__)

LINE_LIMIT = 64 * 1024 * 1024
"""The longest line kept: the CLI sends a whole answer, or a picture that a tool read, as one."""
STDERR_LIMIT = 8 * 1024
PR_SET_PDEATHSIG = 1  # linux/prctl.h


@dataclass(frozen=True, slots=True)
class RunOptions:
    """How to start the CLI.  `session_id` resumes that session, `fork` in a copy of it; None leaves a choice to the
    user's settings.  One that `asks` sends what it may not do as control requests, and waits for the answers.
    """

    model: str | None = None
    session_id: str | None = None
    fork: bool = False
    allowed_tools: Sequence[str] = ()
    permission_mode: str | None = None
    max_turns: int | None = None
    system_prompt: str | None = None
    can_request_permission: bool = False


def arguments(options: RunOptions) -> list[str]:
    """The arguments of a CLI.  The prompt is not among them: it goes by stdin, where no length and no `ps` matters.

    A value is tied to its flag by `=`, so that one which begins with a dash cannot become a flag.
    `--append-system-prompt` and not `--system-prompt`: without its own prompt the CLI does not know its tools' rules.
    """
    chosen = {
        "--model": options.model,
        "--resume": options.session_id,
        "--permission-mode": options.permission_mode,
        "--max-turns": options.max_turns,
        "--append-system-prompt": options.system_prompt,
    }
    return [
        "--print",
        "--input-format=stream-json",
        "--output-format=stream-json",
        "--verbose",  # stream-json output is refused without it
        "--include-partial-messages",
        *(f"{flag}={value}" for flag, value in chosen.items() if value is not None),
        *(["--fork-session"] if options.fork else []),
        *(["--permission-prompt-tool=stdio"] if options.can_request_permission else []),
        *(f"--allowedTools={rule}" for rule in options.allowed_tools),
    ]


def user_message(prompt: str) -> dict[str, Any]:
    """The line that asks for an answer to `prompt`."""
    return {"type": "user", "message": {"role": "user", "content": prompt}, "parent_tool_use_id": None}


def interrupt_request() -> dict[str, Any]:
    """The line that ends the turn: the CLI stops its tools, writes a result and lives on."""
    return {"type": "control_request", "request_id": "interrupt", "request": {"subtype": "interrupt"}}


class LineSplitter:
    """Chunks in, lines out, split at byte 0x0A alone.  A line over `limit` bytes is dropped; `dropped` counts them."""

    def __init__(self, limit: int = LINE_LIMIT) -> None:
        self.dropped = 0
        self._limit = limit
        self._parts: list[bytes] = []
        self._size = 0

    def feed(self, chunk: bytes) -> list[bytes]:
        """The lines that `chunk` completes, without their newlines."""
        *ended, rest = chunk.split(b"\n")
        lines = []
        for piece in ended:
            self._keep(piece)
            if self._size <= self._limit:
                lines.append(b"".join(self._parts))
            else:
                self.dropped += 1
            self._parts, self._size = [], 0
        self._keep(rest)
        return lines

    def _keep(self, piece: bytes) -> None:
        self._size += len(piece)
        if self._size <= self._limit:
            self._parts.append(piece)
        else:
            self._parts.clear()


class ClaudeProcess(asyncio.SubprocessProtocol):
    """A CLI process, from its start to its last byte.

    `settled` is set when its last prompt is decided, by a result or by its end; `exited` when it has ended, though a
    tool may still hold its pipes; `closed` when the pipes have ended too.
    """

    def __init__(self, on_line: Callable[[bytes], bool]) -> None:
        """`on_line` gets every line of stdout and tells whether it is the result; it must not raise."""
        self.prompt_done = anyio.Event()
        self.prompt_done.set()
        self.exited = anyio.Event()
        self.closed = anyio.Event()
        self.lines = LineSplitter()
        self.on_release: Callable[[], None] = lambda: None
        """Called once, when nothing of it is left."""
        self.database: str | None = None
        """What its environment names as the database of its owner."""
        self._on_line = on_line
        self._job_object: JobObject | None = None
        self._stderr = bytearray()
        self._transport: asyncio.SubprocessTransport

    @property
    def pid(self) -> int:
        """Its process id, and on POSIX its group's too."""
        return self._transport.get_pid()

    @property
    def exit_code(self) -> int | None:
        """Negative for a signal; None while it runs."""
        return self._transport.get_returncode()

    @property
    def stderr_tail(self) -> str:
        """The last 8 KiB of what it wrote to stderr."""
        return self._stderr.decode(errors="replace")

    def send_prompt(self, prompt: str) -> None:
        """Give it a prompt; `settled` is about this one from now on.  The one before must be settled."""
        if not self.exited.is_set():
            self.prompt_done = anyio.Event()
            self.lines.dropped = 0
            self.send(user_message(prompt))

    def send(self, message: Mapping[str, Any]) -> None:
        """Write one JSON line to its stdin; nothing happens if it does not read any more."""
        pipe = self._stdin()
        if not pipe.is_closing():
            pipe.write(json.dumps(message).encode() + b"\n")

    def close_stdin(self) -> None:
        """Tell it that nothing more will come; it finishes the turn and exits."""
        self._stdin().close()

    def terminate(self) -> None:
        """SIGTERM to its whole group.  Windows has neither: there the process is ended at once."""
        if self.exit_code is not None:
            return
        if sys.platform == "win32":
            self._transport.terminate()
        else:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGTERM)

    def release(self) -> None:
        """Close the pipes, and kill the process if it still runs.  Call it once, at the very end."""
        if self._job_object is not None:
            self._job_object.close()
        self._transport.close()
        self.on_release()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The process was started (called by the event loop, as all below)."""
        if isinstance(transport, asyncio.SubprocessTransport):
            self._transport = transport
            try:
                self._job_object = JobObject(transport.get_pid())
            except OSError:  # it lives on as it would have without
                log.exception("the CLI could not be put into a Job Object")

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        """It wrote to stdout or stderr."""
        if fd == 1:
            for line in self.lines.feed(data):
                if self._on_line(line):
                    self.prompt_done.set()
        else:
            self._stderr += data
            del self._stderr[:-STDERR_LIMIT]

    def process_exited(self) -> None:
        """It ended.  Its last output may still be in the pipes."""
        self.prompt_done.set()
        self.exited.set()

    def connection_lost(self, exc: Exception | None) -> None:
        """It ended and nothing holds its pipes any more."""
        del exc
        self.closed.set()

    def _stdin(self) -> asyncio.WriteTransport:
        pipe = self._transport.get_pipe_transport(0)
        if not isinstance(pipe, asyncio.WriteTransport):
            raise TypeError("stdin is not a pipe")
        return pipe


async def start(
    executable: Path,
    options: RunOptions,
    *,
    cwd: Path,
    environment: Mapping[str, str],
    on_line: Callable[[bytes], bool],
) -> ClaudeProcess:
    """Start the CLI in its own session and group; raises OSError if it cannot be started.

    Call it in the main thread: the kernel ties the parent-death signal to the thread that forked.
    """
    process = ClaudeProcess(on_line)
    process.database = environment.get(DATABASE_ENV)
    # Not anyio.open_process: it has no preexec_fn, and its wait() lasts until every tool has closed our pipes.
    await asyncio.get_running_loop().subprocess_exec(
        lambda: process,
        str(executable),
        *arguments(options),
        stdin=PIPE,
        stdout=PIPE,
        stderr=PIPE,
        cwd=cwd,
        env=dict(environment),
        **_isolation(),
    )
    return process


if sys.platform == "win32":
    from subprocess import CREATE_NEW_PROCESS_GROUP, CREATE_NO_WINDOW

    def _isolation() -> dict[str, Any]:
        return {"creationflags": CREATE_NO_WINDOW | CREATE_NEW_PROCESS_GROUP}

elif sys.platform == "linux":
    import ctypes

    def _isolation() -> dict[str, Any]:
        # Resolved before the fork: in the child, without the other threads, even a lookup could wait for a lock.
        prctl, getppid, leave = ctypes.CDLL(None).prctl, os.getppid, os._exit
        parent, sigterm = os.getpid(), int(signal.SIGTERM)

        def die_with_parent() -> None:
            prctl(PR_SET_PDEATHSIG, sigterm)
            if getppid() != parent:  # it died before the line above, and no signal will come
                leave(128 + sigterm)

        return {"start_new_session": True, "preexec_fn": die_with_parent}

else:

    def _isolation() -> dict[str, Any]:
        return {"start_new_session": True}
