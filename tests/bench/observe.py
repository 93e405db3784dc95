"""What the operating system says about a process: CPU time, memory, wake-ups, and the cores it may use.

Linux answers exactly; elsewhere psutil answers as well as it can, and what it cannot tell is NaN.
"""

import math
import os
import re
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

_VOLUNTARY = re.compile(r"^voluntary_ctxt_switches:\s+(\d+)$", re.MULTILINE)


def cpu_seconds(pid: int) -> float:
    """User and system time of all its threads so far."""
    if sys.platform != "linux":
        times = psutil.Process(pid).cpu_times()
        return float(times.user + times.system)
    # The kernel's per-process CPU clock (clock_getcpuclockid): nanoseconds, where /proc/<pid>/stat counts in 10 ms.
    return time.clock_gettime((~pid << 3) | 2)


def rss_mib(pid: int) -> float:
    """Resident memory."""
    return float(psutil.Process(pid).memory_info().rss) / 2**20


def wake_ups(pid: int) -> float:
    """How often any of its threads has gone to sleep so far, which is how often it has been woken."""
    if sys.platform != "linux":
        try:
            return float(psutil.Process(pid).num_ctx_switches().voluntary)
        except (AttributeError, psutil.Error):
            return math.nan
    total = 0
    for thread in _threads(pid):
        status = Path(f"/proc/{pid}/task/{thread}/status").read_text(errors="replace")
        if found := _VOLUNTARY.search(status):
            total += int(found.group(1))
    return total


@contextmanager
def on_one_core(pid: int) -> Iterator[None]:
    """Keep this process and that one on the same core, where the system can.

    One in flight takes about 10 us when both share a core and about 55 us when each wake-up crosses cores.
    """
    if sys.platform != "linux":
        yield
        return
    allowed = os.sched_getaffinity(0)
    threads = _threads(pid)
    _pin([0, *threads], {max(allowed)})
    try:
        yield
    finally:
        _pin([0, *threads], allowed)


def can_pin() -> bool:
    """Whether `on_one_core` does anything here."""
    return sys.platform == "linux"


def _threads(pid: int) -> list[int]:
    return [int(folder.name) for folder in Path(f"/proc/{pid}/task").iterdir()]


def _pin(threads: list[int], cores: set[int]) -> None:
    if sys.platform == "linux":
        for thread in threads:
            with suppress(ProcessLookupError):  # a thread may have ended meanwhile
                os.sched_setaffinity(thread, cores)
