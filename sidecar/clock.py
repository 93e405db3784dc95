"""Clocks.  Code that needs the time receives a `Clock` as an argument, so recorded runs can be reproduced."""

import time
from functools import lru_cache
from typing import Final, Protocol

DAY_S: Final = 24 * 3600
DAY_MS: Final = DAY_S * 1000
LATEST_MS: Final = 253_402_300_799_999
"""The end of the year 9999, the latest time that can be stored and sent."""


class Clock(Protocol):
    """A wall clock and a monotonic clock."""

    def now_ms(self) -> int:
        """Returns milliseconds since 1970, UTC; jumps when the user or NTP sets the time."""

    def monotonic(self) -> float:
        """Returns seconds since an arbitrary start; only differences are meaningful."""


class SystemClock:
    """The machine's own clocks."""

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000

    def monotonic(self) -> float:
        return time.monotonic()


class FixedClock(SystemClock):
    """A wall clock that never advances, for reproducible runs.

    Work scheduled for later never becomes due; timeouts and rate limits use `monotonic` and work as usual.
    """

    def __init__(self, now_ms: int) -> None:
        self._now_ms = now_ms

    def now_ms(self) -> int:
        return self._now_ms


class StartedClock(SystemClock):
    """A wall clock that starts at a given time and goes on from there, to repeat a recorded run on another day."""

    def __init__(self, start_ms: int) -> None:
        self._behind_ms = super().now_ms() - start_ms

    def now_ms(self) -> int:
        return super().now_ms() - self._behind_ms


@lru_cache(maxsize=16)
def iso(ms: int) -> str:
    """Formats milliseconds since 1970 as stored and sent: `2026-11-23T08:00:00.000Z`."""
    seconds, rest = divmod(ms, 1000)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(seconds))}.{rest:03d}Z"


def iso_now(clock: Clock) -> str:
    return iso(clock.now_ms())
