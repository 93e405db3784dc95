"""Logs: one JSON object a line, to stderr and to a rotating file, written by a thread of its own.

The loop never waits for a log: the queue is bounded, and what does not fit is counted instead of kept.
"""

import logging
import os
import queue
import re
import sys
from collections import deque
from io import TextIOWrapper
from logging.handlers import QueueHandler, QueueListener, RotatingFileHandler
from pathlib import Path
from typing import Final

from pydantic_core import to_json

from sidecar.clock import iso
from sidecar.settings import make_private_dir

QUEUE_RECORDS: Final = 2_000
FILE_BYTES: Final = 5_000_000
FILES_KEPT: Final = 3
TAIL_LINES: Final = 300
"""How much of the log a bug report gets."""
MAX_MESSAGE_CHARS: Final = 8_000
REDACTED: Final = "[redacted]"

_SECRET = re.compile(
    r"""(?ix)
    (\b(?:authorization|api[_-]?key|token|secret|password|credentials?|code_verifier|refresh_token|access_token)\b
       ["']?\s*[:=]\s*(?:bearer\s+|basic\s+)?["']?) [^\s"',}]+
    | \b(?:sk-ant-|ya29\.|1//0|ATATT3)[\w\-./=]+
    """
)


def redact(text: str) -> str:
    """The text without what looks like a credential: a second net, below never logging one."""
    return _SECRET.sub(lambda match: (match.group(1) or "") + REDACTED, text)


class JsonFormatter(logging.Formatter):
    """{ts, level, logger, msg, request_id?, job_id?, error_id?, traceback?}."""

    def format(self, record: logging.LogRecord) -> str:
        """One line of JSON, redacted and of bounded length."""
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


class BoundedQueueHandler(QueueHandler):
    """Hands records to the writing thread; a full queue costs the record, not the time."""

    def __init__(self, records: "queue.Queue[logging.LogRecord]") -> None:
        super().__init__(records)
        self.dropped = 0

    def prepare(self, record: logging.LogRecord) -> logging.LogRecord:
        """As it is: the thread formats it, tracebacks included."""
        return record

    def enqueue(self, record: logging.LogRecord) -> None:
        """Without waiting."""
        try:
            self.queue.put_nowait(record)
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
        """Remember the line."""
        self.lines.append(self.format(record))


class Logs:
    """The process's logging, from `start` to `stop`."""

    def __init__(self, directory: Path, level: int) -> None:
        make_private_dir(directory)
        records: queue.Queue[logging.LogRecord] = queue.Queue(QUEUE_RECORDS)
        self._tail = TailHandler()
        file = PrivateFileHandler(
            directory / "sidecar.log", maxBytes=FILE_BYTES, backupCount=FILES_KEPT, encoding="utf-8", delay=True
        )
        outputs: list[logging.Handler] = [self._tail, file, logging.StreamHandler(sys.stderr)]
        for output in outputs:
            output.setFormatter(JsonFormatter())
        self._input = BoundedQueueHandler(records)
        self._listener = QueueListener(records, *outputs)
        logging.raiseExceptions = False  # a full disk must not fill stderr with logging's own tracebacks
        logging.root.handlers = [self._input]
        logging.root.setLevel(level)
        for noisy in ("asyncio", "httpx", "httpcore"):
            logging.getLogger(noisy).setLevel(max(level, logging.INFO))

    def start(self) -> None:
        """Start the writing thread."""
        self._listener.start()

    def stop(self, timeout_s: float = 0.3) -> None:
        """Write what is queued, but wait no longer than this: stderr may belong to a host that does not read."""
        thread = self._listener._thread  # noqa: SLF001 - QueueListener.stop() joins without a limit
        if thread is not None:
            try:
                self._listener.enqueue_sentinel()
            except queue.Full:
                return
            thread.join(timeout_s)

    @property
    def dropped(self) -> int:
        """Records that found the queue full."""
        return self._input.dropped

    def tail(self) -> list[str]:
        """The last lines, oldest first."""
        return list(self._tail.lines)
