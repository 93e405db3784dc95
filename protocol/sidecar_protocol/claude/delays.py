"""Notifications that a run or a turn is delayed.

Both are ephemeral: each describes the present state of a job, until the next notification about it.  The job's log
stores them.
"""

from typing import ClassVar

from sidecar_protocol.contract import Ephemeral
from sidecar_protocol.scalars import Count


class ClaudeStall(Ephemeral):
    """Claude has not sent anything for a while: a tool takes long, or the connection has stalled.

    Sent after a minute, and then at growing intervals.  Any later notification of the job ends the stall.  The job is
    not stopped, since tools may take long, and the CLI gives up a dead connection after five minutes.
    """

    name: ClassVar[str] = "claude.stall"
    key: ClassVar[tuple[str, ...]] = ("job_id",)
    max_per_s: ClassVar[int] = 1
    session_id: str
    """The session, as in `claude.delta`."""
    job_id: str
    silent_s: float
    """Seconds since Claude's last output."""
    tools: list[str]
    """The tools that are running; empty if Claude's answer is awaited."""


class ClaudeApiRetry(Ephemeral):
    """Claude's API refused a request or could not be reached; the CLI will repeat the request."""

    name: ClassVar[str] = "claude.api_retry"
    key: ClassVar[tuple[str, ...]] = ("job_id",)
    max_per_s: ClassVar[int] = 5
    session_id: str
    """The session, as in `claude.delta`."""
    job_id: str
    attempt: Count
    """The number of the retry, from 1 to `max_retries`."""
    max_retries: Count
    delay_ms: Count
    """Milliseconds until the retry."""
    status: int | None
    """The HTTP status; null if there was no response."""
    error: str
    """The CLI's name of the error, for example `overloaded` or `rate_limit`."""
