"""Standard input and output: the reader and the writer of the pipe to the client.

`ThreadedWriter` exists for Windows, where the loop cannot wait for a pipe.  The tests run it on Linux; it has not been
tested on Windows.
"""

import asyncio
import os
import queue
import select
import stat
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any, Final

from sidecar_protocol.connection import Connection, Event

from sidecar import exit_codes
from sidecar.storage.unit_of_work import UnitOfWork

READ_BYTES: Final = 256 * 1024
"""Size of one read; larger than a pipe's usual 64 KiB and a socket's 208 KiB buffer on Linux."""
WRITE_BYTES: Final = 64 * 1024
"""Lines are joined into one write until it reaches this size, to save system calls; a longer line is not copied."""
MAX_LINES_PER_TICK: Final = 500
"""Lines handled in one loop iteration; the limit lets timers, child processes and signals run during a burst."""
MAX_TICK_S: Final = 0.005
"""The same limit as a time, in seconds, for lines that are slow to handle; also the pause while there is no room."""
STALLED_BYTES: Final = 64 * 1024 * 1024
"""Queued output above which the client must catch up within STALL_TIMEOUT_S."""
STALL_TIMEOUT_S: Final = 30.0
"""Seconds after which a client that reads nothing has hung, and the process ends with exit code 74."""


class Writer:
    """Queues outgoing lines and writes them without blocking; responses overtake notifications.

    `on_broken` is called with an exit code when the client has stopped reading, `on_written` after bytes were written,
    and `on_send` with whole lines before they are written, in their order on the wire.
    """

    def __init__(
        self,
        descriptor: int,
        on_broken: Callable[[int], None],
        on_written: Callable[[], None] = lambda: None,
        on_send: Callable[[bytes], None] | None = None,
    ) -> None:
        self.descriptor = descriptor
        self.chunk = memoryview(b"")
        """Bytes of the current write that the pipe has not accepted yet."""
        self.pending_bytes = 0
        self._loop = asyncio.get_running_loop()
        self._on_broken = on_broken
        self._on_written = on_written
        self._on_send = on_send
        self._responses: deque[bytes] = deque()
        self._notifications: deque[bytes] = deque()
        self._is_waiting = False
        self._is_broken = False
        self._stall_timer: asyncio.TimerHandle | None = None
        mode = os.fstat(descriptor).st_mode
        # Terminals and files share their flags with other programs, and never block for long.
        self._is_blocking = sys.platform == "win32" or not (stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode))
        if not self._is_blocking:
            os.set_blocking(descriptor, False)

    @property
    def is_stalling(self) -> bool:
        """Whether the client is behind by more than STALLED_BYTES and its time to catch up is running."""
        return self._stall_timer is not None

    def queue_response(self, line: bytes) -> None:
        if line:
            self._responses.append(line)
            self.pending_bytes += len(line)

    def queue_notification(self, line: bytes) -> None:
        self._notifications.append(line)
        self.pending_bytes += len(line)

    def flush(self) -> None:
        """Writes as much as the pipe accepts; the loop writes the rest when the client reads."""
        if self._is_waiting:
            self._start_stall_timer()
            return
        pending_bytes = self.pending_bytes
        try:
            while self.chunk or self.load_chunk():
                written = os.write(self.descriptor, self.chunk)
                self.pending_bytes -= written
                self.chunk = self.chunk[written:]
        except BlockingIOError:
            self._is_waiting = True
            self._loop.add_writer(self.descriptor, self._on_writable)
            self._start_stall_timer()
        except OSError:
            self._break()
        else:
            self._stop_stall_timer()
        if self.pending_bytes < pending_bytes:
            self._on_written()

    def load_chunk(self) -> bool:
        """Joins the next queued lines into `chunk`; returns False if nothing is queued."""
        if self._is_broken:  # perhaps in the middle of a line, which anything written now would continue
            self._clear()
        taken, size = [], 0
        for lines in (self._responses, self._notifications):
            while lines and size < WRITE_BYTES:
                taken.append(lines.popleft())
                size += len(taken[-1])
        data = b"".join(taken)
        if data and self._on_send is not None:
            self._on_send(data)
        self.chunk = memoryview(data)
        return bool(data)

    def _on_writable(self) -> None:
        self._loop.remove_writer(self.descriptor)
        self._is_waiting = False
        self.flush()
        if self.pending_bytes <= STALLED_BYTES:
            self._stop_stall_timer()

    def _start_stall_timer(self) -> None:
        if self.pending_bytes > STALLED_BYTES and self._stall_timer is None:
            self._stall_timer = self._loop.call_later(STALL_TIMEOUT_S, self._break)

    def _stop_stall_timer(self) -> None:
        if self._stall_timer is not None:
            self._stall_timer.cancel()
            self._stall_timer = None

    def _break(self) -> None:
        self._is_broken = True
        self.chunk = memoryview(b"")
        self._clear()
        self._on_broken(exit_codes.IO)

    def _clear(self) -> None:
        self._responses.clear()
        self._notifications.clear()
        self.pending_bytes = 0

    def finish(self, timeout_s: float) -> None:
        """Writes queued lines before the process exits; blocks for at most `timeout_s` seconds."""
        deadline = time.monotonic() + timeout_s
        while self.chunk or self.load_chunk():
            if not self._is_blocking:
                left = deadline - time.monotonic()
                if left <= 0 or not select.select([], [self.descriptor], [], left)[1]:
                    return
            try:
                self.chunk = self.chunk[os.write(self.descriptor, self.chunk) :]
            except BlockingIOError:
                continue
            except OSError:
                return
        if not self._is_blocking:
            os.set_blocking(self.descriptor, True)  # the client's shell may go on using the same pipe


class ThreadedWriter(Writer):
    """Writes in a thread, for platforms whose loop cannot wait for a descriptor (Windows)."""

    def __init__(self, descriptor: int, *callbacks: Any) -> None:
        super().__init__(descriptor, *callbacks)
        if not self._is_blocking:
            os.set_blocking(descriptor, True)  # a thread may block
        self._chunks: queue.SimpleQueue[memoryview] = queue.SimpleQueue()
        self._is_idle = threading.Event()
        self._is_idle.set()
        threading.Thread(target=self._write_chunks, name="stdout", daemon=True).start()

    def flush(self) -> None:
        if not self._is_waiting and self.load_chunk():
            self._is_waiting = True
            self._is_idle.clear()
            self._chunks.put(self.chunk)
        if self._is_waiting:
            self._start_stall_timer()

    def _write_chunks(self) -> None:
        while True:
            chunk = self._chunks.get()
            size, failed = len(chunk), False
            try:
                while chunk:
                    chunk = chunk[os.write(self.descriptor, chunk) :]
            except OSError:
                failed = True
            self._is_idle.set()
            try:
                self._loop.call_soon_threadsafe(self._on_chunk_written, size, failed)
            except RuntimeError:  # the loop has ended
                return

    def _on_chunk_written(self, size: int, failed: bool) -> None:  # noqa: FBT001 - a callback's argument
        self._is_waiting = False
        self.chunk = memoryview(b"")
        self.pending_bytes -= size
        if failed:
            self._break()
            return
        if self.pending_bytes <= STALLED_BYTES:
            self._stop_stall_timer()
        self.flush()
        self._on_written()

    def finish(self, timeout_s: float) -> None:
        deadline = time.monotonic() + timeout_s
        while self._is_idle.wait(max(0.0, deadline - time.monotonic())):
            if time.monotonic() >= deadline or not self.load_chunk():
                return
            self._is_idle.clear()
            self._chunks.put(self.chunk)


PlatformWriter = ThreadedWriter if sys.platform == "win32" else Writer


class Reader:
    """Reads lines and handles them on the loop, as many per iteration as the limits allow; commits after each batch.

    `handle` is called with each event, `on_eof` once stdin has ended and everything before its end was handled, and
    `on_receive` when bytes were read, before they are parsed.
    """

    def __init__(
        self,
        descriptor: int,
        connection: Connection,
        unit_of_work: UnitOfWork,
        *,
        handle: Callable[[Event], None],
        on_eof: Callable[[], None],
        on_receive: Callable[[], None] | None = None,
    ) -> None:
        self._descriptor = descriptor
        self._loop = asyncio.get_running_loop()
        self._connection = connection
        self._unit_of_work = unit_of_work
        self._handle = handle
        self._on_eof = on_eof
        self.on_hang_up: Callable[[], None] | None = None
        """Called once if stdin has ended and much is still to be handled."""
        self.has_room: Callable[[], bool] = lambda: True
        """Whether another line can be handled now; until it can, lines wait in the pipe."""
        self._on_receive = on_receive
        self._is_pollable = _is_pollable(descriptor)
        self._has_ended = False
        self._is_at_eof = False
        self._is_finished = False
        self._chunk_handled = threading.Event()

    def start(self) -> None:
        """Starts reading: on the loop if it can wait for the descriptor, otherwise in a thread."""
        if self._is_pollable:
            self._loop.add_reader(self._descriptor, self._on_readable)
        else:
            threading.Thread(target=self._read_chunks, name="stdin", daemon=True).start()

    def stop(self) -> None:
        """Stops reading; lines that were read already are still handled."""
        if self._is_pollable and not self._has_ended:
            self._loop.remove_reader(self._descriptor)
        self._has_ended = True

    def has_arrivals(self) -> bool:
        """Whether there is more to read or to handle; True where that cannot be seen without blocking."""
        return not self._is_pollable or self._connection.has_input or _has_event(self._descriptor, "POLLIN")

    def finish(self, timeout_s: float) -> None:
        """Handles what stdin has left behind, for at most `timeout_s` seconds, and ignores everything after that."""
        deadline = self._loop.time() + timeout_s
        while self._loop.time() < deadline:
            if (event := self._connection.next_event()) is not None:
                self._handle(event)
            elif not self._read_rest():
                break
        self._is_finished = True

    def _read_rest(self) -> bool:
        """Reads the rest of a closed stream, if there is more; that does not block."""
        if self._is_at_eof or not self._is_pollable or not _has_event(self._descriptor, "POLLRDHUP"):
            return False
        self._take(os.read(self._descriptor, READ_BYTES))
        return True

    def _take(self, data: bytes) -> None:
        if data:
            if self._on_receive is not None:
                self._on_receive()
            self._connection.receive(data)
        else:
            self._connection.receive_eof()
            self._is_at_eof = True

    def _on_readable(self) -> None:
        try:
            data = os.read(self._descriptor, READ_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        self._receive(data)

    def _read_chunks(self) -> None:
        data = b"."
        while data and not self._has_ended:
            try:
                data = os.read(self._descriptor, READ_BYTES)
                self._loop.call_soon_threadsafe(self._receive, data)
            except (OSError, RuntimeError):  # the descriptor is closed or the loop has ended
                return
            if data:
                self._chunk_handled.wait()
                self._chunk_handled.clear()

    def _receive(self, data: bytes) -> None:
        if self._is_finished:
            return
        self._take(data)
        if not data:
            self.stop()
        self._handle_events()

    def _handle_events(self) -> None:
        """Handles received lines within the limits of an iteration; schedules the next one for the rest."""
        connection, handle = self._connection, self._handle
        self._unit_of_work.begin()
        deadline = self._loop.time() + MAX_TICK_S
        for _ in range(MAX_LINES_PER_TICK):
            if self._loop.time() > deadline or not self.has_room() or (event := connection.next_event()) is None:
                break
            handle(event)
        self._unit_of_work.commit()
        if connection.has_input:
            if self.on_hang_up is not None and (self._has_ended or _has_event(self._descriptor, "POLLRDHUP")):
                self.on_hang_up()
                self.on_hang_up = None
            if self._is_pollable and not self._has_ended:
                self._loop.remove_reader(self._descriptor)
            self._loop.call_later(0 if self.has_room() else MAX_TICK_S, self._resume)
        elif self._has_ended:
            self._on_eof()
        elif not self._is_pollable:
            self._chunk_handled.set()

    def _resume(self) -> None:
        if self._is_finished:
            return
        if self._is_pollable and not self._has_ended:
            self._loop.add_reader(self._descriptor, self._on_readable)
        self._handle_events()


def _is_pollable(descriptor: int) -> bool:
    """Whether the loop can wait for the descriptor: pipes, sockets and terminals, except on Windows."""
    mode = os.fstat(descriptor).st_mode
    return sys.platform != "win32" and (stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) or os.isatty(descriptor))


def _has_event(descriptor: int, event: str) -> bool:
    """Whether a poll reports this event, or that the other end was closed; False where polls are unknown."""
    if not hasattr(select, "poll"):  # Windows
        return False
    poll = select.poll()
    poll.register(descriptor, getattr(select, event, 0))
    return bool(poll.poll(0))


class WireOut:
    """The outgoing side of the wire: frames notifications and flushes the writer after each commit."""

    def __init__(self, connection: Connection, writer: Writer) -> None:
        self._connection = connection
        self._writer = writer

    @property
    def pending_bytes(self) -> int:
        return self._writer.pending_bytes

    @property
    def holds_notifications(self) -> bool:
        """Whether an unanswered batch has caused notifications: they may name what the client does not know yet."""
        return self._connection.holds_back

    def notify(self, method: str, params: bytes) -> None:
        """Queues a notification; `$/progress` among the responses, so that its own response cannot overtake it."""
        queue_line = self._writer.queue_response if method == "$/progress" else self._writer.queue_notification
        queue_line(self._connection.notify(method, params))

    def on_commit(self, failure: Exception | None) -> None:
        del failure
        self._writer.flush()
