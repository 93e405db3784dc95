"""The host's side of a measurement: raw bytes in and out of one server, with as little Python as possible.

The driver shares the machine with what it measures, so requests are prepared beforehand, answers are counted and not
parsed, and reads and writes are plain system calls.  A server that dies or is killed shows up as `ServerGone`.
"""

import os
import select
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from tests.bench.observe import cpu_seconds

READ_BYTES: Final = 256 * 1024
"""More than a socket holds by default (208 KiB on Linux), so that one read empties it."""
NOTIFICATION: Final = b'"method":'
"""What makes a line a notification, where it stands in the line's head; a result may name methods too."""
HEAD_BYTES: Final = 40
"""`{"jsonrpc": "2.0", "method": ` and no further, so that nothing inside a result is looked at."""


class ServerGone(Exception):
    """The server closed its end before it had answered everything."""


class Framing(Protocol):
    """Finds the ends of answers in what was read."""

    notifications: int
    """How many notifications have come."""
    block: bytes
    """The last bytes that completed at least one message."""

    def feed(self, chunk: bytes) -> int:
        """Take what was read; give how many answers it completed."""
        ...


class LineFraming:
    """Newline-delimited JSON-RPC."""

    def __init__(self) -> None:
        self.notifications = 0
        self.block = b""
        self._parts: list[bytes] = []

    def feed(self, chunk: bytes) -> int:
        """Count the lines; those that carry a method are notifications."""
        end = chunk.rfind(b"\n") + 1
        if not end:
            self._parts.append(chunk)
            return 0
        block = chunk[:end]
        if self._parts:
            block = b"".join(self._parts) + block
            self._parts.clear()
        if end < len(chunk):
            self._parts.append(chunk[end:])
        self.block = block
        if NOTIFICATION not in block:  # one fast search, where looking at each line would cost more than reading it
            return block.count(b"\n")
        lines = block.split(b"\n")
        told = sum(NOTIFICATION in line[:HEAD_BYTES] for line in lines)
        self.notifications += told
        return len(lines) - 1 - told


class MarkedLines(LineFraming):
    """Newline-delimited JSON-RPC in which one kind of line is counted."""

    def __init__(self, mark: bytes) -> None:
        super().__init__()
        self._mark = mark
        self.marked = 0
        """How many lines with the mark have come."""

    def feed(self, chunk: bytes) -> int:
        """Count the answers, and the marks beside them."""
        answers = super().feed(chunk)
        if b"\n" in chunk:  # only then is the block a new one
            self.marked += self.block.count(self._mark)
        return answers


class HttpFraming:
    """HTTP/1.1 responses that follow each other on one connection, each with a Content-Length."""

    def __init__(self) -> None:
        self.notifications = 0
        self.block = b""
        self._rest = b""

    def feed(self, chunk: bytes) -> int:
        """Count the responses, by their Content-Length."""
        data = self._rest + chunk
        answers = start = 0
        while (head_end := data.find(b"\r\n\r\n", start)) >= 0:
            length_at = data.find(b"content-length: ", start, head_end) + len(b"content-length: ")
            end = head_end + 4 + int(data[length_at : data.find(b"\r\n", length_at)])
            if end > len(data):
                break
            start, answers = end, answers + 1
        self.block = data[:start] if answers else self.block
        self._rest = data[start:]
        return answers


@dataclass(frozen=True, slots=True)
class Wire:
    """One connection to one server process."""

    pid: int
    write_fd: int
    read_fd: int
    framing: Framing


@dataclass(frozen=True, slots=True)
class Exchange:
    """What a burst of pipelined requests came to."""

    answers: int
    elapsed_s: float
    cpu_s: float

    @property
    def per_s(self) -> float:
        """Answers per second."""
        return self.answers / self.elapsed_s

    @property
    def cpu_us(self) -> float:
        """The server's CPU time per answer, in microseconds."""
        return 1e6 * self.cpu_s / self.answers


def write_all(descriptor: int, data: bytes) -> None:
    """Write everything, however often the system takes only a part."""
    sent = os.write(descriptor, data)
    while sent < len(data):
        sent += os.write(descriptor, data[sent:])


def ask(wire: Wire, request: bytes) -> bytes:
    """Send one request and give the bytes that completed its answer (notifications may stand beside it)."""
    write_all(wire.write_fd, request)
    while not wire.framing.feed(_read(wire.read_fd)):
        pass
    return wire.framing.block


def exchange(wire: Wire, requests: Sequence[bytes], window: int, seconds: float) -> Exchange:
    """Keep `window` requests in flight for so long, then collect what is still out."""
    ring = [*requests, *requests[:window]]
    size, write_fd, read_fd, feed = len(requests), wire.write_fd, wire.read_fd, wire.framing.feed
    cpu = cpu_seconds(wire.pid)
    start = time.perf_counter()
    end = start + seconds
    write_all(write_fd, b"".join(ring[:window]))
    sent, answered = window, 0
    while time.perf_counter() < end:
        if got := feed(_read(read_fd)):
            answered += got
            at = sent % size
            write_all(write_fd, b"".join(ring[at : at + got]))
            sent += got
    while answered < sent:
        answered += feed(_read(read_fd))
    elapsed = time.perf_counter() - start
    return Exchange(answered, elapsed, cpu_seconds(wire.pid) - cpu)


def deliver(wire: Wire, requests: Sequence[bytes], window: int) -> None:
    """Send each request once, at most `window` in flight, and collect the answers."""
    sent = min(window, len(requests))
    write_all(wire.write_fd, b"".join(requests[:sent]))
    answered = 0
    while answered < len(requests):
        got = wire.framing.feed(_read(wire.read_fd))
        answered += got
        if more := requests[sent : sent + got]:
            write_all(wire.write_fd, b"".join(more))
            sent += len(more)


def round_trips(wire: Wire, requests: Sequence[bytes], seconds: float) -> list[int]:
    """One request in flight at a time for so long: each one's nanoseconds, sorted."""
    taken: list[int] = []
    clock, feed, read_fd, write_fd = time.perf_counter_ns, wire.framing.feed, wire.read_fd, wire.write_fd
    end = clock() + int(seconds * 1e9)
    while (start := clock()) < end:
        os.write(write_fd, requests[len(taken) % len(requests)])
        while not feed(_read(read_fd)):
            pass
        taken.append(clock() - start)
    taken.sort()
    return taken


def round_trip(wire: Wire, request: bytes) -> int:
    """The nanoseconds that one request takes while nothing else of ours is in flight."""
    start = time.perf_counter_ns()
    ask(wire, request)
    return time.perf_counter_ns() - start


def hear(wire: Wire, seconds: float) -> int:
    """Read once what comes unasked; give how many answers it completed.  TimeoutError after so long a silence."""
    if not select.select([wire.read_fd], [], [], seconds)[0]:
        raise TimeoutError(f"the server was silent for {seconds:g} s")
    return wire.framing.feed(_read(wire.read_fd))


def drain(wire: Wire, quiet_s: float) -> None:
    """Read what still comes unasked until nothing has come for so long."""
    while select.select([wire.read_fd], [], [], quiet_s)[0]:
        wire.framing.feed(_read(wire.read_fd))


def stuff(wire: Wire, data: bytes, seconds: float) -> int:
    """Write without ever reading, until a stall of so long; give how many bytes the server took."""
    os.set_blocking(wire.write_fd, False)
    sent = 0
    while sent < len(data) and select.select([], [wire.write_fd], [], seconds)[1]:
        sent += os.write(wire.write_fd, data[sent : sent + READ_BYTES])
    return sent


def _read(descriptor: int) -> bytes:
    chunk = os.read(descriptor, READ_BYTES)
    if not chunk:
        raise ServerGone("the server closed its output")
    return chunk
