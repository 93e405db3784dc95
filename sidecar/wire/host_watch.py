"""Watches another process and tells when it ends, without waking up before.

A closed stdin is not enough to know that the host died: a sibling may hold the pipe's other end.
"""

import asyncio
import logging
import os
import select
import sys
import threading
from collections.abc import Callable
from typing import Final

log = logging.getLogger(__name__)

POLL_S: Final = 1.0


def watch_parent(parent: int, loop: asyncio.AbstractEventLoop, on_death: Callable[[], None]) -> None:
    """Call `on_death` when `parent` ends, the process that started this one; it may have ended already.

    Where the system cannot tell, the parent's id is looked at every second: it changes when the parent dies.
    """
    is_watched = parent > 1 and watch_process(parent, loop, on_death)
    if os.getppid() != parent:
        loop.call_soon(on_death)
    elif not is_watched:
        _poll(parent, loop, on_death)


def watch_process(pid: int, loop: asyncio.AbstractEventLoop, on_death: Callable[[], None]) -> bool:
    """Call `on_death` when the process `pid` ends, once; False where that cannot be watched (it may be gone)."""
    try:
        if sys.platform == "win32":
            return _watch_windows(pid, loop, on_death)
        if sys.platform == "darwin":
            return _watch_kqueue(pid, loop, on_death)
        return _watch_pidfd(pid, loop, on_death)
    except (OSError, AttributeError) as error:  # AttributeError: this kernel or Python lacks the call
        log.info("process %d cannot be watched: %s", pid, error)
        return False


if sys.platform == "win32":

    def _watch_windows(pid: int, loop: asyncio.AbstractEventLoop, on_death: Callable[[], None]) -> bool:
        import ctypes  # noqa: PLC0415 - Windows only

        synchronize = 0x0010_0000
        kernel32 = ctypes.WinDLL("kernel32", use_last_error=True)
        handle = kernel32.OpenProcess(synchronize, False, pid)  # noqa: FBT003 - bInheritHandle, positional in C
        if not handle:
            return False

        def wait() -> None:
            kernel32.WaitForSingleObject(handle, -1)
            loop.call_soon_threadsafe(on_death)

        threading.Thread(target=wait, name="parent", daemon=True).start()
        return True

elif sys.platform == "darwin":

    def _watch_kqueue(pid: int, loop: asyncio.AbstractEventLoop, on_death: Callable[[], None]) -> bool:
        queue = select.kqueue()
        event = select.kevent(pid, select.KQ_FILTER_PROC, select.KQ_EV_ADD, select.KQ_NOTE_EXIT)
        queue.control([event], 0)
        _when_readable(queue.fileno(), loop, on_death, queue.close)
        return True

else:

    def _watch_pidfd(pid: int, loop: asyncio.AbstractEventLoop, on_death: Callable[[], None]) -> bool:
        descriptor = os.pidfd_open(pid)
        _when_readable(descriptor, loop, on_death, lambda: os.close(descriptor))
        return True


def _when_readable(
    descriptor: int, loop: asyncio.AbstractEventLoop, on_death: Callable[[], None], close: Callable[[], None]
) -> None:
    def ended() -> None:
        loop.remove_reader(descriptor)
        close()
        on_death()

    loop.add_reader(descriptor, ended)


def _poll(parent: int, loop: asyncio.AbstractEventLoop, on_death: Callable[[], None]) -> None:
    def look() -> None:
        if os.getppid() != parent:
            on_death()
        else:
            loop.call_later(POLL_S, look)

    loop.call_later(POLL_S, look)
