"""The other programs of the simulated computer: their ids, signals and pipes.

They outlive the process that has started them, if they ignore the signal of its death.  What they do is in `cli`; here
is how the process meets them: `asyncio`'s transport of a subprocess, `psutil`, and `os.killpg`.
"""

import asyncio
import signal
from collections.abc import Callable, Mapping
from typing import Any, Final

PIPE_S: Final = 0.0005
"""How long something takes through a pipe, in seconds."""
TOOL_S: Final = 900.0
Later = Callable[[float, Callable[[], None]], None]


class Program:
    """A running program, with what `psutil.Process` says of it."""

    def __init__(self, programs: "Programs", environment: Mapping[str, str], group: int | None = None) -> None:
        self.programs = programs
        self.pid = programs.new_pid()
        self.group = self.pid if group is None else group
        self._environment = dict(environment)
        self._created_s = programs.now_ms() / 1_000
        self.is_alive = True
        programs.running[self.pid] = self

    def __hash__(self) -> int:
        return self.pid  # so that sets of programs have the same order in each run

    def __eq__(self, other: object) -> bool:
        return self is other

    def environ(self) -> dict[str, str]:
        return self._environment

    def create_time(self) -> float:
        return self._created_s

    def children(self, *, recursive: bool) -> list["Program"]:
        assert recursive
        return [one for one in self.programs.running.values() if one is not self and one.group == self.group]

    def parents(self) -> list["Program"]:
        return []

    def ppid(self) -> int:
        return 1

    def is_running(self) -> bool:
        return self.is_alive

    def status(self) -> str:
        return "running"

    def kill(self) -> None:
        self.end(-signal.SIGKILL)

    def signal(self, number: int) -> None:
        """Receives a signal, whose default ends it."""
        self.end(-number)

    def end(self, code: int) -> None:
        """Ends it, once."""
        self.is_alive = False
        self.programs.running.pop(self.pid, None)


class ThisProgram:
    """The sidecar's own process, as `psutil` describes it."""

    pid: Final = 100

    @staticmethod
    def parents() -> list[Program]:
        return []


class Programs:
    """All programs but the process itself.  Replaces `psutil` and `os` in the modules that look for the CLI's."""

    Error = ProcessLookupError
    STATUS_ZOMBIE: Final = "zombie"

    def __init__(self) -> None:
        self.begin(lambda: 0, lambda *_: None)

    def begin(self, now_ms: Callable[[], int], later: Later) -> None:
        """Begins a life, in which no other program runs."""
        self.now_ms, self.later = now_ms, later
        self.running: dict[int, Program] = {}
        self._last_pid = 5_000

    def new_pid(self) -> int:
        self._last_pid += 1
        return self._last_pid

    def pids(self) -> list[int]:
        return list(self.running)

    def Process(self, pid: int | None = None) -> Any:  # noqa: N802 - psutil's name
        if pid is None:
            return ThisProgram()
        if pid not in self.running:
            raise self.Error(pid)
        return self.running[pid]

    def killpg(self, group: int, number: int) -> None:
        """Sends a signal to all programs of a group, as `os` does."""
        found = [one for one in self.running.values() if one.group == group]
        if not found:
            raise ProcessLookupError(group)
        for one in found:
            one.signal(number)


PROGRAMS: Final = Programs()


class Stdin(asyncio.WriteTransport):
    """The end of a program's standard input that the process writes to."""

    def __init__(self, receive: Callable[[bytes | None], None], later: Later) -> None:
        super().__init__()
        self._receive, self._later = receive, later
        self._is_closed = False

    def is_closing(self) -> bool:
        return self._is_closed

    def write(self, data: Any) -> None:
        if not self._is_closed:
            written = bytes(data)
            self._later(PIPE_S, lambda: self._receive(written))

    def close(self) -> None:
        if not self._is_closed:
            self._is_closed = True
            self._later(PIPE_S, lambda: self._receive(None))


class Transport(asyncio.SubprocessTransport):
    """The process's side of a program that it has started."""

    def __init__(self, program: Program, stdin: Stdin, protocol: Any, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self._program, self._stdin, self._protocol, self._loop = program, stdin, protocol, loop
        self._code: int | None = None
        self._is_lost = self._is_closed = False

    def get_pid(self) -> int:
        return self._program.pid

    def get_returncode(self) -> int | None:
        return self._code

    def get_pipe_transport(self, fd: int) -> Any:
        return self._stdin if fd == 0 else None

    def close(self) -> None:
        self._is_closed = True
        self._stdin.close()
        if self._code is None:
            self._program.kill()

    @property
    def is_broken(self) -> bool:
        """Whether what the program writes arrives nowhere."""
        return self._is_closed or self._loop.is_closed()

    def receive(self, descriptor: int, data: bytes) -> None:
        """Hands over what the program has written."""
        if not self.is_broken and not self._is_lost:
            self._loop.call_soon(self._protocol.pipe_data_received, descriptor, data)

    def exited(self, code: int) -> None:
        """Reports the end of the program."""
        if not self._loop.is_closed():
            self._code = code
            self._loop.call_soon(self._protocol.process_exited)

    def lost(self) -> None:
        """Reports that its pipes are closed, too, after `exited`."""
        if not self._loop.is_closed():
            self._is_lost = True
            self._loop.call_soon(self._protocol.connection_lost, None)
