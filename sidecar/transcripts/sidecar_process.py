"""A child sidecar that is driven line by line and without an event loop.

A thread reads stdout, so that neither side ever blocks on the other's writing.
"""

import contextlib
import queue
import subprocess
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import IO, Any, Final, Self

from pydantic_core import from_json, to_json

TIMEOUT_S: Final = 30.0
"""Default limit for one response or notification; on an idle machine none takes a tenth of it."""
STDERR_BYTES: Final = 2_000
"""How much of stderr an error message quotes."""


class SidecarTimeout(Exception):
    """An expected message did not arrive in time."""


class SidecarProcess:
    """One running sidecar; it is ended at the end of the `with` block."""

    def __init__(
        self,
        command: Sequence[str],
        env: Mapping[str, str] | None,
        timeout_s: float = TIMEOUT_S,
        *,
        take: Callable[[bytes | None], object] | None = None,
        stderr: IO[bytes] | None = None,
    ) -> None:
        """`take` is called by another thread with each line, and None at the end; without it `receive` returns them.

        `env` None is this process's.  `stderr` is that of the process, or None for one that `stderr_text` reads.
        """
        self.timeout_s = timeout_s
        self.last_line = b""
        """The line of the message that was received last."""
        self._stderr = stderr or tempfile.TemporaryFile()  # noqa: SIM115 - closed in __exit__
        self._lines: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._take = take or self._lines.put
        self._has_ended = False
        self._calls = 0
        self.notifications: list[Any] = []
        """Notifications received while `call` waited for its response."""
        self._process = subprocess.Popen(  # noqa: S603 - the command is the caller's
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._stderr,
            env=None if env is None else dict(env),
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._stdin, self._stdout = self._process.stdin, self._process.stdout
        self._reader = threading.Thread(target=self._read, name="stdout", daemon=True)
        self._reader.start()

    def _read(self) -> None:
        for line in self._stdout:
            self._take(line)
        self._take(None)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close_stdin()
        try:
            self._process.wait(self.timeout_s)
        except subprocess.TimeoutExpired:
            self.kill()
        self._reader.join(self.timeout_s)
        self._stdout.close()
        self._stderr.close()

    def send(self, line: bytes) -> None:
        """Writes a line and its newline; does nothing if the sidecar has ended."""
        with contextlib.suppress(OSError, ValueError):
            self._stdin.write(line + b"\n")
            self._stdin.flush()

    def close_stdin(self) -> None:
        with contextlib.suppress(OSError):
            self._stdin.close()

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def receive(self, timeout_s: float | None = None) -> Any:
        """Returns the next message or batch, or None at the end.

        Raises SidecarTimeout, or ValueError if a line is not a message.
        """
        if self._has_ended:
            return None
        timeout_s = self.timeout_s if timeout_s is None else timeout_s
        try:
            line = self._lines.get(timeout=timeout_s)
        except queue.Empty:
            raise SidecarTimeout(f"no message within {timeout_s:g} s") from None
        if line is None:
            self._has_ended = True
            return None
        self.last_line = line
        message = from_json(line)
        if type(message) is not dict and not (type(message) is list and all(type(one) is dict for one in message)):
            text = line[:STDERR_BYTES].decode("utf-8", "replace").strip()
            raise ValueError(f"{text} is neither an object nor a batch")
        return message

    def call(self, method: str, **params: Any) -> Any:
        """Sends a request, returns the whole response, collects `notifications`.  Raises EOFError, SidecarTimeout."""
        self._calls += 1
        request_id = f"call-{self._calls}"
        self.send(to_json({"jsonrpc": "2.0", "id": request_id, "method": method, "params": params}))
        while (message := self.receive()) is not None:
            if type(message) is dict and message.get("id") == request_id:
                return message
            self.notifications.append(message)
        raise EOFError(f"the sidecar ended; stderr: {self.stderr_tail()}")

    def exit_code(self) -> int:
        """Waits for the exit code.  Raises SidecarTimeout."""
        try:
            return self._process.wait(self.timeout_s)
        except subprocess.TimeoutExpired:
            raise SidecarTimeout(f"the process did not exit within {self.timeout_s:g} s") from None

    def stderr_text(self) -> bytes:
        """Returns everything that it wrote to stderr."""
        self._stderr.seek(0)
        return self._stderr.read()

    def stderr_tail(self) -> str:
        return self.stderr_text()[-STDERR_BYTES:].decode("utf-8", "replace").strip()
