"""Watches for the end of the host process.

End of stdin is not enough, since another process may hold the pipe's writing end open.  The code for macOS and Windows
has not been tested there.
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
"""Interval in seconds at which the parent's id is checked if the system offers no notification."""


def watch_parent(parent: int, loop: asyncio.AbstractEventLoop, on_exit: Callable[[], None]) -> None:
    """Calls `on_exit` when the process that started this one ends; it may have ended already.

    If the system cannot notify us, polls the parent's id, which changes when the parent ends.
    """
    is_watched = parent > 1 and watch_process(parent, loop, on_exit)
    if os.getppid() != parent:
        loop.call_soon(on_exit)
    elif not is_watched:
        _poll(parent, loop, on_exit)


def watch_process(pid: int, loop: asyncio.AbstractEventLoop, on_exit: Callable[[], None]) -> bool:
    """Calls `on_exit` once when the process `pid` ends; returns False if it cannot be watched or has ended."""
    try:
        if sys.platform == "win32":
            import ctypes  # noqa: PLC0415 - Windows only

            synchronize = 0x0010_0000
            kernel32 = ctypes.WinDLL("kernel32", use_last_error=True)
            handle = kernel32.OpenProcess(synchronize, False, pid)  # noqa: FBT003 - bInheritHandle, positional in C
            if not handle:
                return False

            def wait() -> None:
                kernel32.WaitForSingleObject(handle, -1)
                loop.call_soon_threadsafe(on_exit)

            threading.Thread(target=wait, name="host_watch", daemon=True).start()
        elif sys.platform == "darwin":
            queue = select.kqueue()
            event = select.kevent(pid, select.KQ_FILTER_PROC, select.KQ_EV_ADD, select.KQ_NOTE_EXIT)
            queue.control([event], 0)
            _when_readable(queue.fileno(), loop, on_exit, queue.close)
        else:
            descriptor = os.pidfd_open(pid)
            _when_readable(descriptor, loop, on_exit, lambda: os.close(descriptor))
    except (OSError, OverflowError, AttributeError) as error:  # AttributeError: this kernel or Python lacks the call
        log.info("cannot watch process %d: %s", pid, error)
        return False
    return True


def _when_readable(
    descriptor: int, loop: asyncio.AbstractEventLoop, on_exit: Callable[[], None], close: Callable[[], None]
) -> None:
    def on_readable() -> None:
        loop.remove_reader(descriptor)
        close()
        on_exit()

    loop.add_reader(descriptor, on_readable)


def _poll(parent: int, loop: asyncio.AbstractEventLoop, on_exit: Callable[[], None]) -> None:
    def check() -> None:
        if os.getppid() != parent:
            on_exit()
        else:
            loop.call_later(POLL_S, check)

    loop.call_later(POLL_S, check)
