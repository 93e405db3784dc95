"""Logging: one JSON object per line, to stderr and to a rotating file, written by a thread.

The event loop never waits for it: the queue is bounded, and records that do not fit are dropped and counted.
"""

import contextlib
import logging
import queue
import re
import sys
import threading
from collections import deque
from itertools import pairwise
from pathlib import Path
from typing import Final, TextIO

from pydantic_core import to_json

from sidecar.clock import iso
from sidecar.paths import make_private_dir, open_private

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
            self._file = open(self._path, "a", encoding="utf-8", opener=open_private)  # noqa: SIM115 - kept open
        self._file.write(line)
        self._file.flush()


class Logs(logging.Handler):
    """The logging of this process, from `start` to `stop`: passes records to a thread, or drops and counts them."""

    def __init__(self, directory: Path, level: int) -> None:
        super().__init__()
        make_private_dir(directory)
        self.dropped = 0
        """Records that were dropped because the queue was full."""
        self._records: queue.Queue[logging.LogRecord | None] = queue.Queue(QUEUE_RECORDS)
        self._tail: deque[str] = deque(maxlen=TAIL_LINES)
        self._file = LogFile(directory / "sidecar.log")
        self._thread = threading.Thread(target=self._write, name="logs", daemon=True)
        logging.root.handlers = [self]
        logging.root.setLevel(level)
        for verbose in ("asyncio", "httpx", "httpcore"):
            logging.getLogger(verbose).setLevel(max(level, logging.INFO))

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self._records.put_nowait(record)
        except queue.Full:
            self.dropped += 1

    def start(self) -> None:
        self._thread.start()

    def stop(self, timeout_s: float = 0.3) -> None:
        """Writes queued records; waits at most `timeout_s` seconds, since the host may not read stderr."""
        with contextlib.suppress(queue.Full):
            self._records.put_nowait(None)
            self._thread.join(timeout_s)

    def tail(self) -> list[str]:
        return list(self._tail)

    def _write(self) -> None:
        formatter = JsonFormatter()
        while (record := self._records.get()) is not None:
            with contextlib.suppress(Exception):  # a record that cannot be formatted must not end the logging
                line = formatter.format(record) + "\n"
                self._tail.append(line.rstrip("\n"))
                with contextlib.suppress(OSError):  # a full disk
                    self._file.write(line)
                sys.stderr.write(line)
                sys.stderr.flush()
