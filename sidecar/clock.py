"""The time, as a constructor argument: whatever needs it is given a `Clock`, so that recorded work can be replayed."""

import time
from functools import lru_cache
from typing import Protocol


class Clock(Protocol):
    """Two clocks: one that people read, and one that never jumps."""

    def now_ms(self) -> int:
        """Milliseconds since 1970, UTC; may jump when the user or NTP sets the time."""

    def monotonic(self) -> float:
        """Seconds from an arbitrary start; only differences mean something."""


class SystemClock:
    """The machine's own clocks."""

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000

    def monotonic(self) -> float:
        return time.monotonic()


class FixedClock(SystemClock):
    """A wall clock that stands still, for conversations that are to be the same every time.

    What is due later never comes; timeouts and rates, which go by `monotonic`, work as ever.
    """

    def __init__(self, now_ms: int) -> None:
        self._now_ms = now_ms

    def now_ms(self) -> int:
        return self._now_ms


@lru_cache(maxsize=16)
def iso(ms: int) -> str:
    """Milliseconds since 1970 in the form that is stored and sent: `2026-11-23T08:00:00.000Z`."""
    seconds, rest = divmod(ms, 1000)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(seconds))}.{rest:03d}Z"
