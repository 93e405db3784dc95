"""A sidecar of one's own, spoken to line by line and without an event loop: for verifying, and for tests.

A thread reads, so that neither side ever waits for the other's writing.
"""

import contextlib
import os
import queue
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any, Final, Self

from pydantic_core import from_json, to_json

PATIENCE_S: Final = 30.0
"""How long an answer or notification may take; nothing takes a tenth of it on an idle machine."""
LAST_WORDS: Final = 2_000
OURS: Final = ("BACKEND_", "APP_DATA_DIR", "LOG_DIR", "RUN_ENV", "GOOGLE_CLIENT_", "CLAUDE", "SIDECAR_")
"""Variables that would make a verified sidecar another one on another machine."""


class Silence(Exception):
    """What was waited for did not come in time."""


class Process:
    """One running sidecar; at the end of the block it is gone."""

    def __init__(self, command: Sequence[str], env: Mapping[str, str], patience_s: float = PATIENCE_S) -> None:
        self._patience_s = patience_s
        self._stderr: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed in __exit__
        self._lines: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._has_ended = False
        self._calls = 0
        self.told: list[Any] = []
        self._process = subprocess.Popen(  # noqa: S603 - the command is the caller's
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._stderr, env=dict(env)
        )
        self._reader = threading.Thread(target=self._read, name="stdout", daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._lines.put(line)
        self._lines.put(None)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close_stdin()
        try:
            self._process.wait(self._patience_s)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._reader.join(self._patience_s)
        assert self._process.stdout is not None
        self._process.stdout.close()
        self._stderr.close()

    def send(self, line: bytes) -> None:
        """Write a line; its newline is added.  A sidecar that has ended reads nothing, which is no error here."""
        assert self._process.stdin is not None
        with contextlib.suppress(OSError, ValueError):
            self._process.stdin.write(line + b"\n")
            self._process.stdin.flush()

    def close_stdin(self) -> None:
        """What a host does that quits."""
        assert self._process.stdin is not None
        with contextlib.suppress(OSError):
            self._process.stdin.close()

    def kill(self) -> None:
        """End it at once, as by `kill -9`."""
        self._process.kill()
        self._process.wait()

    def receive(self, patience_s: float | None = None) -> Any:
        """The next message, or list of a batch; None at the end.  Raises Silence, and ValueError for another line."""
        if self._has_ended:
            return None
        patience_s = self._patience_s if patience_s is None else patience_s
        try:
            line = self._lines.get(timeout=patience_s)
        except queue.Empty:
            raise Silence(f"nothing came within {patience_s:g} s") from None
        if line is None:
            self._has_ended = True
            return None
        message = from_json(line)
        if type(message) is not dict and not (type(message) is list and all(type(one) is dict for one in message)):
            raise ValueError(f"{line[:LAST_WORDS].decode('utf-8', 'replace').strip()} is neither an object nor a batch")
        return message

    def call(self, method: str, **params: Any) -> Any:
        """Ask and wait for the whole answer; notifications that come meanwhile are kept in `told`.  Raises EOFError."""
        self._calls += 1
        request_id = f"call-{self._calls}"
        self.send(to_json({"jsonrpc": "2.0", "id": request_id, "method": method, "params": params}))
        while (message := self.receive()) is not None:
            if type(message) is dict and message.get("id") == request_id:
                return message
            self.told.append(message)
        raise EOFError(f"the process has ended; it said: {self.last_words()}")

    def exit_code(self) -> int:
        """How it ended.  Raises Silence where it does not."""
        try:
            return self._process.wait(self._patience_s)
        except subprocess.TimeoutExpired:
            raise Silence(f"the process did not end within {self._patience_s:g} s") from None

    def last_words(self) -> str:
        """The end of its stderr."""
        size = self._stderr.seek(0, os.SEEK_END)
        self._stderr.seek(max(0, size - LAST_WORDS))
        return self._stderr.read().decode("utf-8", "replace").strip()


def serve_command(*arguments: str) -> list[str]:
    """How this installation's sidecar is started."""
    return [*_program(), "serve", *arguments]


def _program() -> list[str]:
    return [sys.executable] if getattr(sys, "frozen", False) else [sys.executable, "-m", "sidecar"]


def replay_command(*arguments: str) -> list[str]:
    """How this installation's stand-in is started."""
    return [*_program(), "replay", *arguments]


def environment(data_dir: Path, more: Mapping[str, str]) -> dict[str, str]:
    """An environment in which nothing of this machine's user matters, but for `more`."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
    return {**kept, "APP_DATA_DIR": str(data_dir), "CLAUDE_PATH": str(data_dir / "no-claude-here"), **more}
