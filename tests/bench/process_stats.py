"""CPU time, memory and wake-ups of a process, and pinning to a core.

Exact on Linux; other systems use psutil, and unknown values are NaN.
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
    """Returns the user and system time of all threads so far."""
    if sys.platform != "linux":
        times = psutil.Process(pid).cpu_times()
        return float(times.user + times.system)
    # The kernel's per-process CPU clock (clock_getcpuclockid): nanoseconds, while /proc/<pid>/stat counts in 10 ms.
    return time.clock_gettime((~pid << 3) | 2)


def rss_mib(pid: int) -> float:
    """Returns the resident memory in MiB."""
    return float(psutil.Process(pid).memory_info().rss) / 2**20


def wake_ups(pid: int) -> float:
    """Returns how often its threads have gone to sleep so far, which is how often they were woken."""
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
    """Pins this process and the other one to the same core; does nothing on systems other than Linux.

    A round trip takes about 10 us on one core and about 55 us across cores.
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
    """Whether `on_one_core` has an effect on this system."""
    return sys.platform == "linux"


def _threads(pid: int) -> list[int]:
    return [int(folder.name) for folder in Path(f"/proc/{pid}/task").iterdir()]


def _pin(threads: list[int], cores: set[int]) -> None:
    if sys.platform == "linux":
        for thread in threads:
            with suppress(ProcessLookupError):  # the thread has ended
                os.sched_setaffinity(thread, cores)
