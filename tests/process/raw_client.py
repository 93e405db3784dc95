"""A client that spawns the sidecar and exchanges raw lines with it, as Electron's main process does.

Every wait has a timeout, every line is parsed strictly, and unexpected messages raise an error.
"""

import contextlib
import json
import os
import select
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Self

import psutil

from sidecar.paths import isolated_environment
from tests.strict_json import parse

ROOT: Final = Path(__file__).parents[2]
PATIENCE_S: Final = 60.0
"""Limit of every wait, in seconds; on an idle machine nothing takes a hundredth of it."""
MODIFIED_SIDECAR: Final = (sys.executable, str(Path(__file__).with_name("modified_sidecar.py")))
"""The sidecar with the tests' own job types; its arguments name modifications."""
CLIENT: Final = {"protocol_version": 1, "client_info": {"name": "tests", "version": "1"}}

Message = Any
"""A parsed line: an object, or the array of responses to a batch."""


def line(method: str, request_id: int | str | None = None, /, **params: Any) -> bytes:
    """Returns a request, or a notification if there is no id, as a line."""
    members = {"jsonrpc": "2.0", "method": method, "params": params}
    return json.dumps(members if request_id is None else {**members, "id": request_id}).encode() + b"\n"


def wait_until(condition: Callable[[], object]) -> None:
    """Polls a condition that another process brings about without an event."""
    until = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < until, "the condition did not hold in time"
        time.sleep(0.01)


def wait_for_file(path: Path) -> str:
    """Polls until another process has created the file and returns its text."""
    wait_until(path.exists)
    return path.read_text("utf-8")


def is_running(pid: int) -> bool:
    """Returns False for zombies as well: only their parent can remove them."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


class RawClient:
    """A sidecar process and our ends of its stdin and stdout: socket pairs, as Node creates them, or pipes.

    `notifications` are those received while waiting for something else, `all_notifications` all that were received.
    """

    def __init__(
        self,
        data_dir: Path,
        *arguments: str,
        command: Sequence[str] = (sys.executable, "-m", "sidecar"),
        pipes: bool = False,
        stdin: int | None = None,
        stderr: int | None = None,
        **more: str,
    ) -> None:
        data_dir.parent.mkdir(parents=True, exist_ok=True)
        self.data_dir = data_dir
        self.errors = data_dir.parent / f"{data_dir.name} stderr {time.monotonic_ns()}"
        self.notifications: list[Message] = []
        self.all_notifications: list[Message] = []
        self._early: dict[int | str, Message] = {}
        self._unparsed = bytearray()
        self._number = 0
        their_in, self._in = _pair(pipes=pipes, theirs_reads=True)
        their_out, self._out = _pair(pipes=pipes, theirs_reads=False)
        with self.errors.open("wb") as errors:
            self.process = subprocess.Popen(
                [*command, *arguments],
                stdin=their_in if stdin is None else stdin,
                stdout=their_out,
                stderr=errors if stderr is None else stderr,
                cwd=ROOT,
                env=isolated_environment(data_dir, more),
            )
        os.close(their_in)
        os.close(their_out)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(PATIENCE_S)
        self.close_stdin()
        self.close_stdout()

    # --- requests -----------------------------------------------------------------------------------------

    def send(self, data: bytes) -> None:
        """Writes all of it without reading in between, which the sidecar must not depend on."""
        rest, until = memoryview(data), time.monotonic() + PATIENCE_S
        while rest:
            _, writable, _ = select.select([], [self._in], [], max(0.0, until - time.monotonic()))
            assert writable, f"the sidecar has not read {len(rest)} bytes"
            with contextlib.suppress(BlockingIOError):
                rest = rest[os.write(self._in, rest) :]

    def close_stdin(self) -> None:
        """Closes stdin, as a host does when it quits."""
        if self._in >= 0:
            os.close(self._in)
            self._in = -1

    def close_stdout(self) -> None:
        """Closes stdout, as happens when the host dies."""
        if self._out >= 0:
            os.close(self._out)
            self._out = -1

    # --- messages ---------------------------------------------------------------------------------------

    def receive(self, patience_s: float = PATIENCE_S) -> Message | None:
        """Returns the next message, or None at the end of stdout."""
        until = time.monotonic() + patience_s
        while (end := self._unparsed.find(b"\n")) < 0:
            if not self.fill(until - time.monotonic()):
                assert not self._unparsed, f"stdout ended in the middle of a line: {bytes(self._unparsed[:200])!r}"
                return None
        found = parse(bytes(self._unparsed[:end]))
        del self._unparsed[: end + 1]
        if isinstance(found, dict) and "method" in found:
            self.all_notifications.append(found)
        return found

    def fill(self, patience_s: float = PATIENCE_S) -> int:
        """Reads at least one byte; returns how many, 0 at the end of stdout."""
        readable, _, _ = select.select([self._out], [], [], max(0.0, patience_s))
        assert readable, f"nothing was received in time; stderr: {self.errors.read_text('utf-8')[-2_000:]}"
        data = os.read(self._out, 1024 * 1024)
        self._unparsed += data
        return len(data)

    def discard(self) -> int:
        """Reads some output without keeping it; returns its size in bytes, 0 at the end of stdout."""
        size = self.fill()
        self._unparsed.clear()
        return size

    def next_answer(self) -> Message:
        """Returns the next response."""
        while (message := self.receive()) is not None:
            if isinstance(message, dict) and "method" in message:
                self.notifications.append(message)
            else:
                return message
        raise EOFError(f"the sidecar has ended; stderr: {self.errors.read_text('utf-8')[-2_000:]}")

    def answer(self, request_id: int | str) -> Message:
        """Returns the response with this id; earlier responses are kept for later calls."""
        while request_id not in self._early:
            message = self.next_answer()
            assert isinstance(message, dict), f"a batch was answered meanwhile: {message}"
            self._early[message["id"]] = message
        return self._early.pop(request_id)

    def call(self, method: str, /, **params: Any) -> Message:
        """Sends a request and returns its result, or the whole response if it is an error."""
        self._number += 1
        self.send(line(method, f"call-{self._number}", **params))
        answer = self.answer(f"call-{self._number}")
        return answer.get("result", answer)

    def initialize(self, **params: Any) -> Message:
        """Calls `initialize`."""
        return self.call("initialize", **{**CLIENT, **params})

    def until(self, method: str, patience_s: float = PATIENCE_S, **where: Any) -> Message:
        """Returns and removes the params of the first notification with this name and these members."""
        seen = 0
        while True:
            for index, message in enumerate(self.notifications[seen:], seen):
                if message["method"] == method and _holds(message["params"], where):
                    return self.notifications.pop(index)["params"]
            seen = len(self.notifications)
            message = self.receive(patience_s)
            assert message is not None, f"the sidecar ended before {method}"
            assert "method" in message, f"unexpected response: {message}"
            self.notifications.append(message)

    def until_job(self, job_id: str, *statuses: str, patience_s: float = PATIENCE_S) -> Message:
        """Returns the job once `jobs.updated` reports one of these statuses."""
        while True:
            job = self.until("jobs.updated", patience_s)["job"]
            if job["job_id"] == job_id and job["status"] in statuses:
                return job

    # --- exit ------------------------------------------------------------------------------------------------

    def remaining(self) -> list[Message]:
        """Returns all messages up to the end of stdout."""
        found = []
        while (message := self.receive()) is not None:
            found.append(message)
        return found

    def remaining_bytes(self) -> bytes:
        """Returns the unparsed bytes up to the end of stdout, which may be cut in the middle of a line."""
        while self.fill():
            pass
        return bytes(self._unparsed)

    def exit_code(self, within_s: float = PATIENCE_S) -> int:
        """Waits for the process to end and returns its exit code."""
        return self.process.wait(within_s)

    def log(self) -> list[dict[str, Any]]:
        """Returns the lines of stderr, which must all be JSON."""
        return [parse(text) for text in self.errors.read_bytes().split(b"\n")[:-1]]


def _pair(*, pipes: bool, theirs_reads: bool) -> tuple[int, int]:
    """Returns the child's end and ours, which does not block."""
    if pipes:
        reads, writes = os.pipe()
        theirs, ours = (reads, writes) if theirs_reads else (writes, reads)
    else:
        first, second = socket.socketpair()
        theirs, ours = first.detach(), second.detach()
    os.set_blocking(ours, False)
    return theirs, ours


def _holds(params: Mapping[str, Any], where: Mapping[str, Any]) -> bool:
    return all(params.get(name) == value for name, value in where.items())
