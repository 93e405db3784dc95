"""Windows: runs a CLI and everything that it starts in a Job Object, which kills them when its last handle is closed.

We hold the only handle, and Windows closes it however our process ends.  Breaking away from the job is not allowed.
Not tested on Windows.  learn.microsoft.com/windows/win32/procthread/job-objects
"""

import ctypes
import sys
from ctypes import wintypes
from typing import Final

KILL_ON_JOB_CLOSE: Final = 0x2000
EXTENDED_LIMITS: Final = 9  # JobObjectExtendedLimitInformation
PROCESS_TERMINATE: Final = 0x0001
PROCESS_SET_QUOTA: Final = 0x0100


class ExtendedLimits(ctypes.Structure):
    """JOBOBJECT_EXTENDED_LIMIT_INFORMATION; IO_COUNTERS is six 64-bit counters."""

    _fields_ = (
        # JOBOBJECT_BASIC_LIMIT_INFORMATION, which ends at a multiple of eight bytes
        ("PerProcessUserTimeLimit", wintypes.LARGE_INTEGER),
        ("PerJobUserTimeLimit", wintypes.LARGE_INTEGER),
        ("LimitFlags", ctypes.c_uint32),
        ("MinimumWorkingSetSize", ctypes.c_size_t),
        ("MaximumWorkingSetSize", ctypes.c_size_t),
        ("ActiveProcessLimit", ctypes.c_uint32),
        ("Affinity", ctypes.c_size_t),
        ("PriorityClass", ctypes.c_uint32),
        ("SchedulingClass", ctypes.c_uint32),
        ("IoInfo", ctypes.c_uint64 * 6),
        ("ProcessMemoryLimit", ctypes.c_size_t),
        ("JobMemoryLimit", ctypes.c_size_t),
        ("PeakProcessMemoryUsed", ctypes.c_size_t),
        ("PeakJobMemoryUsed", ctypes.c_size_t),
    )


if sys.platform == "win32":

    class JobObject:
        """A Job Object with one process and everything that it starts."""

        def __init__(self, pid: int) -> None:
            """Raises OSError if Windows refuses, as older releases do for a process that is already in a job."""
            self._kernel = ctypes.WinDLL("kernel32", use_last_error=True)
            for name in ("CreateJobObjectW", "OpenProcess"):
                getattr(self._kernel, name).restype = wintypes.HANDLE
            self._handle = wintypes.HANDLE(self._checked(self._kernel.CreateJobObjectW(None, None)))
            try:
                limits = ExtendedLimits()
                limits.LimitFlags = KILL_ON_JOB_CLOSE
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
            """Kills the processes in it."""
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
        """A stand-in: other systems have no Job Objects."""

        def __init__(self, pid: int) -> None:
            del pid

        def close(self) -> None:
            """Does nothing."""
