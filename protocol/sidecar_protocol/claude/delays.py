"""What keeps a run or a turn from going on, told while it does.

Ephemeral: each is worth something only until the next word of the same job, and the job's log keeps them.
"""

from typing import ClassVar

from sidecar_protocol.contract import Ephemeral
from sidecar_protocol.scalars import Count


class ClaudeStall(Ephemeral):
    """Claude says nothing: a long tool, or a stalled connection.  Any later word of the job ends it.

    It is told after a minute and then at ever longer intervals.  Nothing is stopped: tools may take long, and the CLI
    itself gives a dead connection up after five minutes.
    """

    name: ClassVar[str] = "claude.stall"
    key: ClassVar[tuple[str, ...]] = ("job_id",)
    max_per_s: ClassVar[int] = 1
    session_id: str
    """As in `claude.delta`."""
    job_id: str
    silent_s: float
    """For how long."""
    tools: list[str]
    """The tools that run meanwhile; empty: it is Claude's answer that does not come."""


class ClaudeApiRetry(Ephemeral):
    """Claude's API refused a request or was out of reach; the CLI asks again."""

    name: ClassVar[str] = "claude.api_retry"
    key: ClassVar[tuple[str, ...]] = ("job_id",)
    max_per_s: ClassVar[int] = 5
    session_id: str
    """As in `claude.delta`."""
    job_id: str
    attempt: Count
    """Of `max_retries`."""
    max_retries: Count
    delay_ms: Count
    """Until it asks again."""
    status: int | None
    """HTTP's; null where no answer came."""
    error: str
    """The CLI's word for it: `overloaded`, `rate_limit`."""
