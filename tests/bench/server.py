"""A started server: its process, its two ends of the wire, and its end.

Every live server is in `LIVE`, so that the watchdog can end a run that hangs: a killed server reads as `ServerGone`.
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

from tests.bench.contestants import ROOT, Contestant, Link
from tests.bench.driver import Wire

LIVE: Final[set[subprocess.Popen[bytes]]] = set()
STOP_S: Final = 5.0
"""The sidecar's drain is bounded at 2 s; one that needs more than this is killed."""
_QUIET: Final = (
    "BACKEND_TOKEN",
    "BACKEND_PORT",
    "PYTHONPROFILEIMPORTTIME",
    "PYTHONDEVMODE",
    "PYTHONDONTWRITEBYTECODE",
)
"""What would make the server ask for a token, write and check more than in real use, or compile itself each time."""


@dataclass(slots=True)
class Server:
    """One process that answers on `wire`."""

    contestant: Contestant
    process: subprocess.Popen[bytes]
    wire: Wire
    started_at: float
    _sockets: list[socket.socket] = field(default_factory=list)

    @property
    def pid(self) -> int:
        """The process's id."""
        return self.process.pid

    def stop(self) -> float:
        """End its input (or, over TCP, terminate it); give the milliseconds until the process was gone."""
        start = time.perf_counter()
        if self.wire.read_fd == self.wire.write_fd:
            self.process.send_signal(signal.SIGTERM)
        else:
            self._close(self.wire.write_fd)
        with _killed_after(self.process, STOP_S):
            self.process.wait()
        taken = 1e3 * (time.perf_counter() - start)
        LIVE.discard(self.process)
        self._close(self.wire.read_fd)
        return taken

    def abandon(self) -> None:
        """Kill it, as a host that hangs is killed: no orderly end can be asked of one whose answers nobody reads."""
        self.process.kill()
        self.stop()

    def _close(self, descriptor: int) -> None:
        owner = next((each for each in self._sockets if each.fileno() == descriptor), None)
        if owner is None:
            os.close(descriptor)
        else:
            owner.close()


def launch(contestant: Contestant, link: Link, folder: Path) -> Server:
    """Start the server on its data folder, without waiting for anything."""
    folder.mkdir(parents=True, exist_ok=True)
    command = contestant.command(folder)
    started_at = time.perf_counter()
    if link is Link.TCP:
        return _over_tcp(contestant, command, folder, started_at)
    if link is Link.PIPE:
        process = _spawn(command, folder, subprocess.PIPE, subprocess.PIPE)
        assert process.stdin is not None
        assert process.stdout is not None
        # Own copies, so that the Popen object's buffered files play no part.
        wire = Wire(process.pid, os.dup(process.stdin.fileno()), os.dup(process.stdout.fileno()), contestant.framing())
        process.stdin.close()
        process.stdout.close()
        return Server(contestant, process, wire, started_at)
    to_server, its_input = socket.socketpair()
    from_server, its_output = socket.socketpair()
    with its_input, its_output:
        process = _spawn(command, folder, its_input.fileno(), its_output.fileno())
    wire = Wire(process.pid, to_server.fileno(), from_server.fileno(), contestant.framing())
    return Server(contestant, process, wire, started_at, [to_server, from_server])


def _over_tcp(contestant: Contestant, command: list[str], folder: Path, started_at: float) -> Server:
    # The driver listens and the server inherits the socket: no port to find out, and no polling until it is open.
    with socket.create_server(("127.0.0.1", 0)) as listening:
        descriptor = listening.fileno()
        process = _spawn([*command, str(descriptor)], folder, subprocess.DEVNULL, subprocess.DEVNULL, (descriptor,))
        connected = socket.create_connection(listening.getsockname())
    connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    wire = Wire(process.pid, connected.fileno(), connected.fileno(), contestant.framing())
    return Server(contestant, process, wire, started_at, [connected])


def _spawn(
    command: list[str], folder: Path, stdin: int, stdout: int, pass_fds: tuple[int, ...] = ()
) -> subprocess.Popen[bytes]:
    with (folder / "stderr.txt").open("ab") as stderr:
        process = subprocess.Popen(
            command, cwd=ROOT, env=environment(folder), stdin=stdin, stdout=stdout, stderr=stderr, pass_fds=pass_fds
        )
    LIVE.add(process)
    return process


def environment(folder: Path) -> dict[str, str]:
    """Give a server this process's environment, with the data and log folders inside `folder`."""
    kept = {name: value for name, value in os.environ.items() if name not in _QUIET}
    return kept | {"APP_DATA_DIR": str(folder), "LOG_DIR": str(folder / "logs")}


def last_words(folder: Path) -> str:
    """Find the end of what a server wrote to stderr."""
    try:
        lines = (folder / "stderr.txt").read_text(errors="replace").strip().splitlines()
    except OSError:
        return ""
    return lines[-1][:300] if lines else ""


def kill_all() -> None:
    """End every live server at once."""
    for process in list(LIVE):
        process.kill()


@contextlib.contextmanager
def _killed_after(process: subprocess.Popen[bytes], seconds: float) -> Iterator[None]:
    # Popen.wait(timeout) polls every 50 ms in the end; waiting without one is exact.
    timer = threading.Timer(seconds, process.kill)
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
