"""Logging: one JSON object per line, to stderr and to a rotating file.

Nothing waits for a log: one thread formats the records, and one each writes to the file and to stderr.  Their queues
are bounded, and what does not fit is dropped and counted.
"""

import contextlib
import logging
import os
import queue
import select
import threading
import time
from collections import deque
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Final, TextIO

from pydantic_core import to_json

from sidecar.clock import iso
from sidecar.paths import make_private, make_private_dir, open_private
from sidecar.secret_texts import redact
from sidecar.text import CONTROLS, well_formed

QUEUE_RECORDS: Final = 2_000
"""Records that wait to be formatted, and lines that wait for the file or for stderr; further ones are dropped."""
STDERR: Final = 2
FILE_BYTES: Final = 5_000_000
"""Size at which the log file is rotated; with OLD_FILES, logs take at most 20 MB."""
OLD_FILES: Final = 3
TAIL_LINES: Final = 300
"""Log lines in a bug report."""
MAX_MESSAGE_CHARS: Final = 8_000
"""Longest message, and longest traceback, of a record."""


class JsonFormatter(logging.Formatter):
    """Formats a record as {ts, level, logger, msg, request_id?, job_id?, error_id?, traceback?}."""

    def format(self, record: logging.LogRecord) -> str:
        entry: dict[str, object] = {
            "ts": iso(int(record.created * 1000)),
            "level": record.levelname.lower(),
            "logger": record.name,
            "msg": redact(_message(record)[:MAX_MESSAGE_CHARS]),
        }
        for name in ("request_id", "job_id", "error_id", "traceparent"):
            if (value := getattr(record, name, None)) is not None:
                entry[name] = value
        if record.exc_info:
            entry["traceback"] = redact(self.formatException(record.exc_info)[-MAX_MESSAGE_CHARS:])
        # A path that is not UTF-8 contains lone surrogates.
        legible = {name: well_formed(value) if isinstance(value, str) else value for name, value in entry.items()}
        line = to_json(legible, serialize_unknown=True).decode()
        # JSON escapes only the older control characters; a terminal that shows the log would obey the others.
        return CONTROLS.sub(lambda sign: f"\\u{ord(sign[0]):04x}", line)


def _message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except Exception as error:  # noqa: BLE001 - a mistake of the caller, whose text is worth keeping
        return f"{record.msg} ({type(error).__name__}: its arguments do not fit)"


class LogFile:
    """A file that only its owner can read; when it is too large, it is renamed to `<name>.1`, and that to `<name>.2`.

    `logging.handlers`, which has such a file, takes 1.5 ms to import.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: TextIO | None = None

    def write(self, line: str) -> None:
        if self._file is not None and self._file.tell() > FILE_BYTES:
            self._file.close()
            self._file = None
            paths = [self._path, *(self._path.with_name(f"{self._path.name}.{n}") for n in range(1, OLD_FILES + 1))]
            for newer, older in reversed(list(pairwise(paths))):
                with contextlib.suppress(FileNotFoundError):
                    newer.replace(older)
        if self._file is None:
            make_private(self._path)
            self._file = open(self._path, "a", encoding="utf-8", opener=open_private)  # noqa: SIM115 - kept open
        self._file.write(line)
        self._file.flush()


class _Sink:
    """A thread that writes lines to one place; if that blocks, only its own lines are lost."""

    def __init__(self, name: str, write: Callable[[str], None]) -> None:
        self.dropped = 0
        self._write = write
        self._lines: queue.Queue[str | None] = queue.Queue(QUEUE_RECORDS)
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def put(self, line: str) -> None:
        try:
            self._lines.put_nowait(line)
        except queue.Full:
            self.dropped += 1

    def stop(self, until: float) -> None:
        """Writes the queued lines, and waits for that until this time of the monotonic clock at most."""
        with contextlib.suppress(queue.Full):
            self._lines.put_nowait(None)
            self._thread.join(max(0.0, until - time.monotonic()))

    def _run(self) -> None:
        while (line := self._lines.get()) is not None:
            with contextlib.suppress(Exception):  # a full disk, a closed pipe: the next line may be written again
                self._write(line)


class Logs(logging.Handler):
    """The logging of this process, from `start` to `stop`."""

    def __init__(self, directory: Path, level: int) -> None:
        super().__init__()
        make_private_dir(directory)
        self._dropped = 0
        self._records: queue.Queue[logging.LogRecord | None] = queue.Queue(QUEUE_RECORDS)
        self._tail: deque[str] = deque(maxlen=TAIL_LINES)
        self._file = _Sink("log file", LogFile(directory / "sidecar.log").write)
        self._stderr = _Sink("log to stderr", _write_stderr)
        self._thread = threading.Thread(target=self._format, name="logs", daemon=True)
        logging.root.handlers = [self]
        logging.root.setLevel(level)
        for verbose in ("asyncio", "httpx", "httpcore"):
            logging.getLogger(verbose).setLevel(max(level, logging.INFO))

    @property
    def dropped(self) -> int:
        """Records that are not in the file because a queue was full."""
        return self._dropped + self._file.dropped

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self._records.put_nowait(record)
        except queue.Full:
            self._dropped += 1

    def start(self) -> None:
        for thread in (self._thread, self._file, self._stderr):
            thread.start()

    def stop(self, timeout_s: float = 0.3) -> None:
        """Writes queued records; waits at most `timeout_s` seconds, since the host may not read stderr."""
        until = time.monotonic() + timeout_s
        with contextlib.suppress(queue.Full):
            self._records.put_nowait(None)
            self._thread.join(timeout_s)
        self._file.stop(until)
        self._stderr.stop(until)

    def tail(self) -> list[str]:
        return list(self._tail)

    def _format(self) -> None:
        formatter = JsonFormatter()
        while (record := self._records.get()) is not None:
            with contextlib.suppress(Exception):  # a record that cannot be formatted must not end the logging
                line = formatter.format(record)
                self._tail.append(line)
                self._file.put(line + "\n")
                self._stderr.put(line + "\n")


def _write_stderr(line: str) -> None:
    """Writes to the descriptor, since `sys.stderr` has a lock, for which the end of the process would wait."""
    data = line.encode()
    while data:
        try:
            data = data[os.write(STDERR, data) :]
        except BlockingIOError:  # the host has made its pipe non-blocking
            select.select([], [STDERR], [])
