"""Logging: one JSON object per line, to stderr and to a rotating file, written by a thread.

The event loop never waits for it: the queue is bounded, and records that do not fit are dropped and counted.
"""

import logging
import os
import queue
import re
import sys
import threading
from collections import deque
from io import TextIOWrapper
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Final

from pydantic_core import to_json

from sidecar.clock import iso
from sidecar.paths import make_private_dir

QUEUE_RECORDS: Final = 2_000
"""Records queued while stderr blocks; further ones are dropped."""
FILE_BYTES: Final = 5_000_000
"""Size at which the log file is rotated; with OLD_FILES, logs take at most 20 MB."""
OLD_FILES: Final = 3
TAIL_LINES: Final = 300
"""Log lines in a bug report."""
MAX_MESSAGE_CHARS: Final = 8_000
"""Longest message, and longest traceback, of a record."""
REDACTED: Final = "[redacted]"

_SECRET = re.compile(
    r"""(?ix)
    (\b(?:authorization|api[_-]?key|token|secret|password|credentials?|code_verifier|refresh_token|access_token)\b
       ["']?\s*[:=]\s*(?:bearer\s+|basic\s+)?["']?) [^\s"',}]+
    | \b(?:sk-ant-|ya29\.|1//0|ATATT3)[\w\-./=]+
    """
)


def redact(text: str) -> str:
    """Replaces text that looks like a credential.  A second safeguard: no code should log one at all."""
    return _SECRET.sub(lambda match: (match.group(1) or "") + REDACTED, text)


class JsonFormatter(logging.Formatter):
    """Formats a record as {ts, level, logger, msg, request_id?, job_id?, error_id?, traceback?}."""

    def format(self, record: logging.LogRecord) -> str:
        entry: dict[str, object] = {
            "ts": iso(int(record.created * 1000)),
            "level": record.levelname.lower(),
            "logger": record.name,
            "msg": redact(record.getMessage()[:MAX_MESSAGE_CHARS]),
        }
        for name in ("request_id", "job_id", "error_id", "traceparent"):
            if (value := getattr(record, name, None)) is not None:
                entry[name] = value
        if record.exc_info:
            entry["traceback"] = redact(self.formatException(record.exc_info)[-MAX_MESSAGE_CHARS:])
        return to_json(entry).decode()


class BoundedQueueHandler(logging.Handler):
    """Passes records to the writing thread; drops and counts them if the queue is full."""

    def __init__(self, records: "queue.Queue[logging.LogRecord | None]") -> None:
        super().__init__()
        self._records = records
        self.dropped = 0

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self._records.put_nowait(record)
        except queue.Full:
            self.dropped += 1


class PrivateFileHandler(RotatingFileHandler):
    """A rotating file that only its owner can read."""

    def _open(self) -> TextIOWrapper:
        private = os.open(self.baseFilename, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        return TextIOWrapper(os.fdopen(private, "ab"), encoding=self.encoding)


class TailHandler(logging.Handler):
    """Keeps the last lines in memory, for a bug report."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: deque[str] = deque(maxlen=TAIL_LINES)

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self.lines.append(self.format(record))
        except Exception:  # noqa: BLE001 - as the handlers of the standard library do
            self.handleError(record)


class Logs:
    """The logging of this process, from `start` to `stop`."""

    def __init__(self, directory: Path, level: int) -> None:
        make_private_dir(directory)
        self._records: queue.Queue[logging.LogRecord | None] = queue.Queue(QUEUE_RECORDS)
        self._tail = TailHandler()
        file = PrivateFileHandler(
            directory / "sidecar.log", maxBytes=FILE_BYTES, backupCount=OLD_FILES, encoding="utf-8", delay=True
        )
        self._outputs: list[logging.Handler] = [self._tail, file, logging.StreamHandler(sys.stderr)]
        for output in self._outputs:
            output.setFormatter(JsonFormatter())
        self._input = BoundedQueueHandler(self._records)
        self._thread = threading.Thread(target=self._write, name="logs", daemon=True)
        logging.raiseExceptions = False  # a full disk must not fill stderr with tracebacks of the logging module
        logging.root.handlers = [self._input]
        logging.root.setLevel(level)
        for verbose in ("asyncio", "httpx", "httpcore"):
            logging.getLogger(verbose).setLevel(max(level, logging.INFO))

    def start(self) -> None:
        self._thread.start()

    def stop(self, timeout_s: float = 0.3) -> None:
        """Writes queued records; waits at most `timeout_s` seconds, since the host may not read stderr."""
        try:
            self._records.put_nowait(None)
        except queue.Full:
            return
        self._thread.join(timeout_s)

    @property
    def dropped(self) -> int:
        """Records that were dropped because the queue was full."""
        return self._input.dropped

    def tail(self) -> list[str]:
        """Returns the last lines, oldest first."""
        return list(self._tail.lines)

    def _write(self) -> None:
        while (record := self._records.get()) is not None:
            for output in self._outputs:
                output.handle(record)
