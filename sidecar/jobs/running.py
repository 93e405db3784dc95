"""A running job: the `JobContext` of its handler, and how to stop it."""

import logging
import math
import sqlite3
from collections.abc import Callable, Mapping
from typing import Final

import anyio
from sidecar_protocol.entities import JobStatus, WaitingFor

from sidecar.jobs.journal import JobJournal, storable_json, storable_text
from sidecar.jobs.outcomes import JobOutcome
from sidecar.jobs.store import ClaimedJob, LogSize

log = logging.getLogger(__name__)

PROGRESS_STORE_INTERVAL_MS: Final = 1_000
"""Shortest interval at which progress is stored; it is sent more often."""
MAX_LOG_LINES: Final = 5_000
MAX_LOG_BYTES: Final = 1024 * 1024
"""Maximum size of a job's log, in lines and in bytes of messages and `meta`; a bug could log without end."""
LOG_FULL: Final = "The log is full; further lines are dropped"


class RunningJob:
    """The context of one run of a handler."""

    def __init__(self, claimed: ClaimedJob, journal: JobJournal, on_wait: Callable[[], None]) -> None:
        """`on_wait` is called when the job begins or ends to wait for the user."""
        self.claimed = claimed
        self.job_id = claimed.job_id
        self._journal = journal
        self._clock = journal.clock
        self._stored_ms: int | None = None
        self._log: LogSize | None = None
        self._on_wait = on_wait
        self.waits_for_user = False
        self.scope = anyio.CancelScope()
        self.ending: JobStatus | None = None
        """The status that the job is to end with, once it was asked to stop."""
        self.outcome: JobOutcome | None = None
        """The outcome of the run while it is being stored."""
        self.last_writes: list[Callable[[], object]] = []
        """Calls that write the end of the handler, together with its outcome."""

    @property
    def attempt(self) -> int:
        return self.claimed.attempt

    @property
    def snoozed_for_s(self) -> float:
        return self.claimed.snoozed_ms / 1000

    def stop(self, ending: JobStatus) -> None:
        """Cancels the handler.  The first reason decides the final status, except that a user's cancel overrides it."""
        if self.ending is None or ending is JobStatus.CANCELLED:
            self.ending = ending
            self.scope.cancel()

    def progress(self, fraction: float | None, message: str | None = None) -> None:
        if fraction is not None:
            fraction = min(1.0, max(0.0, fraction)) if math.isfinite(fraction) else None
        # By the wall clock, which `--now` stops, since a recorded run must reproduce the stored progress.
        now_ms = self._clock.now_ms()
        store = self._stored_ms is None or not 0 <= now_ms - self._stored_ms < PROGRESS_STORE_INTERVAL_MS
        if store:
            self._stored_ms = now_ms
        self._safely(lambda: self._journal.progress(self.job_id, fraction, message, store=store))

    def log(self, message: str, *, level: str = "info", meta: Mapping[str, object] | None = None) -> None:
        self._safely(lambda: self._append_log_line(storable_text(message), level, meta))

    def wait_for(self, what: WaitingFor | None) -> None:
        self._safely(lambda: self._journal.wait_for(self.job_id, what))
        self.waits_for_user = what is WaitingFor.APPROVAL
        self._on_wait()

    def lock(self, key: str) -> None:
        self._safely(lambda: self._journal.set_lock_key(self.job_id, key))

    def at_end(self, write: Callable[[], object]) -> None:
        self.last_writes.append(write)

    def _append_log_line(self, message: str, level: str, meta: Mapping[str, object] | None) -> None:
        if self._log is None:
            self._log = self._journal.store.log_size(self.job_id, LOG_FULL)  # earlier attempts count
        if self._log.full:
            return
        lines = self._log.lines + 1
        size = self._log.bytes + len(message) + (0 if meta is None else len(storable_json(meta)))
        self._log = LogSize(lines, size, full=lines > MAX_LOG_LINES or size > MAX_LOG_BYTES)
        if self._log.full:
            message, level, meta = LOG_FULL, "warning", {"truncated": True}
        self._journal.log(self.job_id, level, message, meta)

    def _safely(self, write: Callable[[], None]) -> None:
        try:
            write()
        except sqlite3.Error:  # an unstored log line must not end the job
            log.exception("a job's log or progress could not be stored", extra={"job_id": self.job_id})
