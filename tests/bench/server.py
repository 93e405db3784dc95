"""A running server: its process and its two pipes or sockets.

Every running server is in `RUNNING`, so that a watchdog can kill them all; the driver then raises `ServerGone`.
"""

import contextlib
import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tests.bench.driver import Wire
from tests.bench.server_kinds import ROOT, Link, ServerKind

RUNNING: Final[set[subprocess.Popen[bytes]]] = set()
STOP_S: Final = 5.0
"""Timeout of an orderly end, then the server is killed; the sidecar promises 2 s."""
_REMOVED_VARIABLES: Final = (
    "BACKEND_TOKEN",
    "BACKEND_PORT",
    "PYTHONPROFILEIMPORTTIME",
    "PYTHONDEVMODE",
    "PYTHONDONTWRITEBYTECODE",
)
"""Would require a token, add output and checks, or make each start compile the sources."""


@dataclass(slots=True)
class Server:
    """One server process."""

    kind: ServerKind
    process: subprocess.Popen[bytes]
    wire: Wire
    started_at: float
    _sockets: list[socket.socket] = field(default_factory=list)

    @property
    def pid(self) -> int:
        """The process id."""
        return self.process.pid

    def stop(self) -> float:
        """Closes its stdin (over TCP: sends SIGTERM); returns the milliseconds until the process has ended."""
        start = time.perf_counter()
        if self.wire.read_fd == self.wire.write_fd:
            self.process.send_signal(signal.SIGTERM)
        else:
            self._close(self.wire.write_fd)
        with _killed_after(self.process, STOP_S):
            self.process.wait()
        taken = 1e3 * (time.perf_counter() - start)
        RUNNING.discard(self.process)
        self._close(self.wire.read_fd)
        return taken

    def kill(self) -> None:
        """Kills it; a server whose answers are not read cannot end in order."""
        self.process.kill()
        self.stop()

    def _close(self, descriptor: int) -> None:
        owner = next((each for each in self._sockets if each.fileno() == descriptor), None)
        if owner is None:
            os.close(descriptor)
        else:
            owner.close()


def launch(kind: ServerKind, link: Link, folder: Path) -> Server:
    """Starts the server on its data folder, without waiting for it."""
    folder.mkdir(parents=True, exist_ok=True)
    command = kind.command(folder)
    started_at = time.perf_counter()
    if link is Link.TCP:
        return _over_tcp(kind, command, folder, started_at)
    if link is Link.PIPE:
        process = _spawn(command, folder, subprocess.PIPE, subprocess.PIPE)
        assert process.stdin is not None
        assert process.stdout is not None
        # Duplicates, so that the buffered files of the Popen object are not involved.
        wire = Wire(process.pid, os.dup(process.stdin.fileno()), os.dup(process.stdout.fileno()), kind.framing())
        process.stdin.close()
        process.stdout.close()
        return Server(kind, process, wire, started_at)
    to_server, its_input = socket.socketpair()
    from_server, its_output = socket.socketpair()
    with its_input, its_output:
        process = _spawn(command, folder, its_input.fileno(), its_output.fileno())
    wire = Wire(process.pid, to_server.fileno(), from_server.fileno(), kind.framing())
    return Server(kind, process, wire, started_at, [to_server, from_server])


def _over_tcp(kind: ServerKind, command: list[str], folder: Path, started_at: float) -> Server:
    # The server inherits a listening socket: no port to discover, no polling until it is open.
    with socket.create_server(("127.0.0.1", 0)) as listening:
        descriptor = listening.fileno()
        process = _spawn([*command, str(descriptor)], folder, subprocess.DEVNULL, subprocess.DEVNULL, (descriptor,))
        connected = socket.create_connection(listening.getsockname())
    connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    wire = Wire(process.pid, connected.fileno(), connected.fileno(), kind.framing())
    return Server(kind, process, wire, started_at, [connected])


def _spawn(
    command: list[str], folder: Path, stdin: int, stdout: int, pass_fds: tuple[int, ...] = ()
) -> subprocess.Popen[bytes]:
    with (folder / "stderr.txt").open("ab") as stderr:
        process = subprocess.Popen(
            command, cwd=ROOT, env=environment(folder), stdin=stdin, stdout=stdout, stderr=stderr, pass_fds=pass_fds
        )
    RUNNING.add(process)
    return process


def environment(folder: Path) -> dict[str, str]:
    """Returns this process's environment with the data and log folders inside `folder`."""
    kept = {name: value for name, value in os.environ.items() if name not in _REMOVED_VARIABLES}
    return kept | {"APP_DATA_DIR": str(folder), "LOG_DIR": str(folder / "logs")}


def last_stderr_line(folder: Path) -> str:
    """Returns the last line that a server wrote to stderr."""
    try:
        lines = (folder / "stderr.txt").read_text(errors="replace").strip().splitlines()
    except OSError:
        return ""
    return lines[-1][:300] if lines else ""


def kill_all() -> None:
    """Kills every running server."""
    for process in list(RUNNING):
        process.kill()


@contextlib.contextmanager
def _killed_after(process: subprocess.Popen[bytes], seconds: float) -> Iterator[None]:
    # Popen.wait with a timeout polls every 50 ms, without one it returns at once.
    timer = threading.Timer(seconds, process.kill)
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
