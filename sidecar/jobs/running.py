"""A job while its handler runs: the handler's `JobContext`, and the means to stop it."""

import logging
import math
import sqlite3
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final

import anyio
from sidecar_protocol.entities import JobStatus, WaitingFor

from sidecar.clock import Clock
from sidecar.jobs.journal import JobJournal, storable_json, storable_text
from sidecar.jobs.records import ClaimedJob, LogSize
from sidecar.jobs.verdicts import Verdict

log = logging.getLogger(__name__)

SAVE_PROGRESS_MS: Final = 1_000
MAX_LOG_LINES: Final = 5_000
MAX_LOG_BYTES: Final = 1024 * 1024
"""A handler that logs without end must not fill the disk; other tools' databases grew to gigabytes that way."""
LOG_FULL: Final = "The log is full; what follows is left out"


class RunningJob:
    """What the handler is given."""

    def __init__(self, claimed: ClaimedJob, journal: JobJournal, clock: Clock) -> None:
        self._job_id = claimed.job_id
        self._first_snoozed_at = claimed.first_snoozed_at
        self._journal = journal
        self._clock = clock
        self._saved_ms: int | None = None
        self._log: LogSize | None = None
        self.scope = anyio.CancelScope()
        self.ending: JobStatus | None = None
        self.verdict: Verdict | None = None
        """What it came to, once that is known and while it is being stored."""

    @property
    def job_id(self) -> str:
        """The job's id."""
        return self._job_id

    @property
    def snoozed_for_s(self) -> float:
        """See `JobContext`."""
        if self._first_snoozed_at is None:
            return 0.0
        since_ms = datetime.fromisoformat(self._first_snoozed_at).timestamp() * 1000
        return max(0.0, (self._clock.now_ms() - since_ms) / 1000)

    def stop(self, ending: JobStatus) -> None:
        """Cancel the handler.  The first reason names the end, but for a person's wish, which outranks a shutdown."""
        if self.ending is None or ending is JobStatus.CANCELLED:
            self.ending = ending
            self.scope.cancel()

    def progress(self, fraction: float | None, message: str | None = None) -> None:
        """See `JobContext`."""
        if fraction is not None:
            fraction = min(1.0, max(0.0, fraction)) if math.isfinite(fraction) else None
        self._journal.tell_progress(self._job_id, fraction, message)
        # By the clock that people read, and that stands still in a conversation that is to be the same every time: how
        # far a job was shows in what is told of it for good.
        now_ms = self._clock.now_ms()
        if self._saved_ms is None or not 0 <= now_ms - self._saved_ms < SAVE_PROGRESS_MS:
            self._saved_ms = now_ms
            self._safely(lambda: self._journal.save_progress(self._job_id, fraction, message))

    def log(self, message: str, *, level: str = "info", meta: Mapping[str, object] | None = None) -> None:
        """See `JobContext`."""
        self._safely(lambda: self._append(storable_text(message), level, meta))

    def wait_for(self, what: WaitingFor | None) -> None:
        """See `JobContext`."""
        self._safely(lambda: self._journal.wait_for(self._job_id, what))

    def lock(self, key: str) -> None:
        """See `JobContext`."""
        self._safely(lambda: self._journal.lock(self._job_id, key))

    def _append(self, message: str, level: str, meta: Mapping[str, object] | None) -> None:
        if self._log is None:
            self._log = self._journal.log_size(self._job_id, LOG_FULL)  # earlier tries have logged, too
        size = self._log
        if size.full:
            return
        size.lines += 1
        size.bytes += len(message) + (0 if meta is None else len(storable_json(meta)))
        if size.lines > MAX_LOG_LINES or size.bytes > MAX_LOG_BYTES:
            size.full = True
            message, level, meta = LOG_FULL, "warning", {"truncated": True}
        self._journal.log(self._job_id, level, message, meta)

    def _safely(self, write: Callable[[], None]) -> None:
        try:
            write()
        except sqlite3.Error:  # a line that cannot be stored must not end the work that it describes
            log.exception("a job's log could not be written", extra={"job_id": self._job_id})
