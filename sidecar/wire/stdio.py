"""The pipes: one reader, one writer, and the claim on descriptors 0 and 1 that keeps everything else off the wire.

`claim` runs before anything heavy is imported, so it must not import anything heavy itself.
"""

import os
import stat
import sys
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from sidecar import exit_codes

if TYPE_CHECKING:
    import asyncio

    from sidecar_protocol.connection import Connection, Event

    from sidecar.storage.unit_of_work import UnitOfWork

READ_BYTES: Final = 256 * 1024
WRITE_BYTES: Final = 1024 * 1024
LINES_PER_TURN: Final = 500
"""So that a burst of requests lets timers, children and signals have their turn."""
SECONDS_PER_TURN: Final = 0.005
STUCK_BYTES: Final = 64 * 1024 * 1024
STUCK_S: Final = 30.0
"""A host that leaves STUCK_BYTES unread for this long has hung; the process ends with exit code 74."""


def claim() -> tuple[int, int]:
    """Take the wire's two descriptors away from everybody else: (to read from, to write to).

    Afterwards 0 is the null device and 1 is stderr, so a stray print or a child can neither break nor eat a message.
    """
    wire_in, wire_out = os.dup(0), os.dup(1)  # os.dup gives descriptors that children do not inherit
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    os.dup2(2, 1)
    if sys.platform == "win32":
        import msvcrt  # noqa: PLC0415 - exists on Windows only

        msvcrt.setmode(wire_in, os.O_BINARY)
        msvcrt.setmode(wire_out, os.O_BINARY)
    return wire_in, wire_out


def _is_pollable(descriptor: int) -> bool:
    """Whether the event loop can wait for it: a pipe, socket or terminal, on anything but Windows."""
    mode = os.fstat(descriptor).st_mode
    return sys.platform != "win32" and (stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) or os.isatty(descriptor))


class Writer:
    """What goes out, in whole lines: answers first, then notifications, each in their own order."""

    def __init__(self, descriptor: int, loop: "asyncio.AbstractEventLoop", on_broken: Callable[[int], None]) -> None:
        self._descriptor = descriptor
        self._loop = loop
        self._on_broken = on_broken
        self._answers: deque[bytes] = deque()
        self._notifications: deque[bytes] = deque()
        self._current = memoryview(b"")
        self._waits = False
        self._is_broken = False
        self._stuck: asyncio.TimerHandle | None = None
        self.unread_bytes = 0
        self.on_progress: Callable[[], None] = lambda: None
        self.on_lines: Callable[[list[bytes], bytes], None] | None = None
        """Called with the lines that are about to leave, in their order on the wire: one by one, and joined."""
        mode = os.fstat(descriptor).st_mode
        # A terminal or a file shares its flags with other programs, and never blocks for long.
        self._blocking = sys.platform == "win32" or not (stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode))
        if not self._blocking:
            os.set_blocking(descriptor, False)

    def answer(self, line: bytes) -> None:
        """Queue an answer; it overtakes every notification that has not left yet."""
        if line:
            self._answers.append(line)
            self.unread_bytes += len(line)

    def notify(self, line: bytes) -> None:
        """Queue a notification."""
        self._notifications.append(line)
        self.unread_bytes += len(line)

    def flush(self) -> None:
        """Write as much as the pipe takes; the rest follows when the host reads."""
        if self._waits:
            self._watch_stuck()
            return
        try:
            while self._current or self._take():
                written = os.write(self._descriptor, self._current)
                self.unread_bytes -= written
                self._current = self._current[written:]
        except BlockingIOError:
            self._wait()
        except OSError:
            self._break()
        else:
            self._unstick()
        self.on_progress()

    def _take(self) -> bool:
        """Join the next lines into one write."""
        if self._is_broken:  # perhaps in the middle of a line: what came after it would be taken for its rest
            self._drop()
        for lane in (self._answers, self._notifications):
            if lane:
                lines, size = [], 0
                while lane and size < WRITE_BYTES:
                    lines.append(lane.popleft())
                    size += len(lines[-1])
                data = b"".join(lines) if len(lines) > 1 else lines[0]
                if self.on_lines is not None:
                    self.on_lines(lines, data)
                self._current = memoryview(data)
                return True
        return False

    def _wait(self) -> None:
        self._waits = True
        self._loop.add_writer(self._descriptor, self._ready)
        self._watch_stuck()

    def _ready(self) -> None:
        self._loop.remove_writer(self._descriptor)
        self._waits = False
        self.flush()
        if self.unread_bytes <= STUCK_BYTES:
            self._unstick()

    def _unstick(self) -> None:
        if self._stuck is not None:
            self._stuck.cancel()
            self._stuck = None

    def _break(self) -> None:
        """Nobody reads any more: drop what is queued and end the process."""
        self._is_broken = True
        self._current = memoryview(b"")
        self._drop()
        self._on_broken(exit_codes.IO)

    def _drop(self) -> None:
        self._answers.clear()
        self._notifications.clear()
        self.unread_bytes = 0

    def _watch_stuck(self) -> None:
        if self.unread_bytes > STUCK_BYTES and self._stuck is None:
            self._stuck = self._loop.call_later(STUCK_S, self._break)

    def finish(self, deadline_s: float) -> None:
        """Write the rest before the process ends, waiting for the host no longer than this."""
        import select  # noqa: PLC0415 - only at the end
        import time  # noqa: PLC0415

        until = time.monotonic() + deadline_s
        while self._current or self._take():
            if not self._blocking:
                left = until - time.monotonic()
                if left <= 0 or not select.select([], [self._descriptor], [], left)[1]:
                    return
            try:
                self._current = self._current[os.write(self._descriptor, self._current) :]
            except BlockingIOError:
                continue
            except OSError:
                return
        if not self._blocking:
            os.set_blocking(self._descriptor, True)  # the host's shell may go on using the same pipe


class ThreadedWriter(Writer):
    """The same where the loop cannot wait for a descriptor (Windows): a thread writes, so that the loop never does."""

    def __init__(self, descriptor: int, loop: "asyncio.AbstractEventLoop", on_broken: Callable[[int], None]) -> None:
        super().__init__(descriptor, loop, on_broken)
        if not self._blocking:
            os.set_blocking(descriptor, True)  # a thread may wait
        import queue  # noqa: PLC0415 - Windows only
        import threading  # noqa: PLC0415

        self._chunks: queue.SimpleQueue[memoryview] = queue.SimpleQueue()
        self._idle = threading.Event()
        self._idle.set()
        threading.Thread(target=self._write_in_thread, name="stdout", daemon=True).start()

    def flush(self) -> None:
        """Give the thread the next chunk, if it has none."""
        if not self._waits and self._take():
            self._waits = True
            self._idle.clear()
            self._chunks.put(self._current)
        if self._waits:
            self._watch_stuck()

    def _write_in_thread(self) -> None:
        while True:
            chunk = self._chunks.get()
            size, failed = len(chunk), False
            try:
                while chunk:
                    chunk = chunk[os.write(self._descriptor, chunk) :]
            except OSError:
                failed = True
            self._idle.set()
            try:
                self._loop.call_soon_threadsafe(self._written, size, failed)
            except RuntimeError:  # the loop has ended
                return

    def _written(self, size: int, failed: bool) -> None:  # noqa: FBT001 - a callback's argument
        self._waits = False
        self._current = memoryview(b"")
        self.unread_bytes -= size
        if failed:
            self._break()
            return
        if self.unread_bytes <= STUCK_BYTES:
            self._unstick()
        self.flush()
        self.on_progress()

    def finish(self, deadline_s: float) -> None:
        """Write the rest before the process ends, waiting for the host no longer than this."""
        import time  # noqa: PLC0415 - only at the end

        until = time.monotonic() + deadline_s
        while self._idle.wait(max(0.0, until - time.monotonic())) and time.monotonic() < until and self._take():
            self._idle.clear()
            self._chunks.put(self._current)


def make_writer(descriptor: int, loop: "asyncio.AbstractEventLoop", on_broken: Callable[[int], None]) -> Writer:
    """The writer that fits the platform."""
    return (ThreadedWriter if sys.platform == "win32" else Writer)(descriptor, loop, on_broken)


class Reader:
    """What comes in, handled in place: every line of a chunk in the turn that read it, up to a limit."""

    def __init__(
        self,
        descriptor: int,
        loop: "asyncio.AbstractEventLoop",
        connection: "Connection",
        handle: Callable[["Event"], None],
        turn: "UnitOfWork",
        on_eof: Callable[[], None],
    ) -> None:
        self._descriptor = descriptor
        self._loop = loop
        self._connection = connection
        self._handle = handle
        self._turn = turn
        self._on_eof = on_eof
        self._pollable = _is_pollable(descriptor)
        self._ended = False
        self._is_finished = False
        self._go_on: Callable[[], None] = lambda: None
        self.on_data: Callable[[], None] = lambda: None
        """Called before what was read is taken apart."""

    def start(self) -> None:
        """Start reading: by the loop where it can wait for the descriptor, by a thread elsewhere."""
        if self._pollable:
            self._loop.add_reader(self._descriptor, self._readable)
        else:
            import threading  # noqa: PLC0415 - a file, or Windows

            threading.Thread(target=self._read_in_thread, name="stdin", daemon=True).start()

    def stop(self) -> None:
        """Read no more."""
        if self._pollable and not self._ended:
            self._loop.remove_reader(self._descriptor)
        self._ended = True

    def finish(self, deadline_s: float) -> None:
        """Handle what was read but had no turn yet, for no longer than this; nothing after it."""
        until = self._loop.time() + deadline_s
        while self._loop.time() < until and (event := self._connection.next_event()) is not None:
            self._handle(event)
        self._is_finished = True

    def _readable(self) -> None:
        try:
            data = os.read(self._descriptor, READ_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        self._take(data)

    def _read_in_thread(self) -> None:
        import threading  # noqa: PLC0415

        handled = threading.Event()
        self._go_on = handled.set
        data = b"."
        while data and not self._ended:
            try:
                data = os.read(self._descriptor, READ_BYTES)
                self._loop.call_soon_threadsafe(self._take, data)
            except (OSError, RuntimeError):  # the descriptor or the loop is gone
                return
            if data:
                handled.wait()
                handled.clear()

    def _take(self, data: bytes) -> None:
        if self._is_finished:
            return
        if data:
            self.on_data()
            self._connection.receive(data)
        else:
            self._connection.receive_eof()
            if self._pollable:
                self._loop.remove_reader(self._descriptor)
            self._ended = True
        self._run()

    def _run(self) -> None:
        """Handle what was received; leave the rest to the next turn when this one has grown long."""
        connection, handle = self._connection, self._handle
        self._turn.hold()
        until = self._loop.time() + SECONDS_PER_TURN
        for _ in range(LINES_PER_TURN):
            event = connection.next_event()
            if event is None:
                break
            handle(event)
            if self._loop.time() > until:
                break
        self._turn.end()
        if connection.has_input:
            if self._pollable and not self._ended:
                self._loop.remove_reader(self._descriptor)
            self._loop.call_soon(self._resume)
        elif self._ended:
            self._on_eof()
        else:
            self._go_on()

    def _resume(self) -> None:
        if self._is_finished:
            return
        if self._pollable and not self._ended:
            self._loop.add_reader(self._descriptor, self._readable)
        self._run()


class Host:
    """The host at the other end: frames what is sent to it and knows how much of that it has not read."""

    def __init__(self, connection: "Connection", writer: Writer) -> None:
        self._connection = connection
        self._writer = writer

    @property
    def unread_bytes(self) -> int:
        """Bytes that wait for the host to read."""
        return self._writer.unread_bytes

    @property
    def notifications_held(self) -> bool:
        """While a batch is unanswered, an event may name what one of its requests made: it must come after."""
        return self._connection.open_batches > 0

    def notify(self, method: str, params: bytes) -> None:
        """Queue a notification; a request's progress among the answers, since its own must not overtake it."""
        queue = self._writer.answer if method == "$/progress" else self._writer.notify
        queue(self._connection.notify(method, params))

    def settle(self, failure: Exception | None) -> None:
        """The turn has ended, its answers and notifications are queued: write them."""
        del failure
        self._writer.flush()
