"""The structures that Windows is handed; what it does with them can only be tried there."""

import ctypes
import struct
import sys

import pytest

from sidecar.claude.process.windows_job import BasicLimits, ExtendedLimits, JobObject


@pytest.mark.skipif(struct.calcsize("P") != 8, reason="these are the sizes of 64-bit Windows")
def test_the_limits_are_laid_out_as_windows_has_them() -> None:
    assert (ctypes.sizeof(BasicLimits), ctypes.sizeof(ExtendedLimits)) == (64, 144)
    assert BasicLimits.LimitFlags.offset == 16
    assert ExtendedLimits.IoInfo.offset == 64


@pytest.mark.skipif(sys.platform == "win32", reason="there it holds a process")
def test_elsewhere_there_is_nothing_to_hold() -> None:
    JobObject(1).close()
