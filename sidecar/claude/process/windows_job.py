"""Windows: what a CLI starts lives in a Job Object with it, and ends when the last handle of that is closed.

The handle is ours, and Windows closes it whatever ends us, so that this does what a process group, the parent-death
signal and the search for leftovers do elsewhere.  A tool cannot leave it: breaking away is not allowed.
learn.microsoft.com/windows/win32/procthread/job-objects
"""

import ctypes
import sys
from ctypes import wintypes
from typing import Final

KILL_ON_JOB_CLOSE: Final = 0x2000
EXTENDED_LIMITS: Final = 9  # JobObjectExtendedLimitInformation
PROCESS_TERMINATE: Final = 0x0001
PROCESS_SET_QUOTA: Final = 0x0100


class BasicLimits(ctypes.Structure):
    """JOBOBJECT_BASIC_LIMIT_INFORMATION."""

    _fields_ = (
        ("PerProcessUserTimeLimit", wintypes.LARGE_INTEGER),
        ("PerJobUserTimeLimit", wintypes.LARGE_INTEGER),
        ("LimitFlags", ctypes.c_uint32),
        ("MinimumWorkingSetSize", ctypes.c_size_t),
        ("MaximumWorkingSetSize", ctypes.c_size_t),
        ("ActiveProcessLimit", ctypes.c_uint32),
        ("Affinity", ctypes.c_size_t),
        ("PriorityClass", ctypes.c_uint32),
        ("SchedulingClass", ctypes.c_uint32),
    )


class ExtendedLimits(ctypes.Structure):
    """JOBOBJECT_EXTENDED_LIMIT_INFORMATION; IO_COUNTERS is six 64-bit counters."""

    _fields_ = (
        ("BasicLimitInformation", BasicLimits),
        ("IoInfo", ctypes.c_uint64 * 6),
        ("ProcessMemoryLimit", ctypes.c_size_t),
        ("JobMemoryLimit", ctypes.c_size_t),
        ("PeakProcessMemoryUsed", ctypes.c_size_t),
        ("PeakJobMemoryUsed", ctypes.c_size_t),
    )


if sys.platform == "win32":

    class JobObject:
        """A Job Object with one process and all that it will start; `close` kills them."""

        def __init__(self, pid: int) -> None:
            """Raises OSError where Windows refuses, as older ones do for a process in another job."""
            self._kernel = ctypes.WinDLL("kernel32", use_last_error=True)
            for name in ("CreateJobObjectW", "OpenProcess"):
                getattr(self._kernel, name).restype = wintypes.HANDLE
            self._handle = wintypes.HANDLE(self._checked(self._kernel.CreateJobObjectW(None, None)))
            try:
                limits = ExtendedLimits()
                limits.BasicLimitInformation.LimitFlags = KILL_ON_JOB_CLOSE
                size = ctypes.sizeof(limits)
                self._checked(
                    self._kernel.SetInformationJobObject(
                        self._handle, EXTENDED_LIMITS, ctypes.byref(limits), wintypes.DWORD(size)
                    )
                )
                self._assign(pid)
            except OSError:
                self.close()
                raise

        def close(self) -> None:
            """Kill what is left in it."""
            if self._handle:
                self._kernel.CloseHandle(self._handle)
                self._handle = wintypes.HANDLE()

        def _assign(self, pid: int) -> None:
            rights = wintypes.DWORD(PROCESS_SET_QUOTA | PROCESS_TERMINATE)
            process = wintypes.HANDLE(
                self._checked(self._kernel.OpenProcess(rights, wintypes.BOOL(0), wintypes.DWORD(pid)))
            )
            try:
                self._checked(self._kernel.AssignProcessToJobObject(self._handle, process))
            finally:
                self._kernel.CloseHandle(process)

        def _checked(self, result: int | None) -> int:
            if not result:
                raise ctypes.WinError(ctypes.get_last_error())
            return result

else:

    class JobObject:
        """There are none here."""

        def __init__(self, pid: int) -> None:
            del pid

        def close(self) -> None:
            """Nothing to do: groups, the parent-death signal and `leftovers` see to it."""
