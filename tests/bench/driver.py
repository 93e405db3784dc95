"""The client side of a measurement: raw bytes to and from one server, with as little Python as possible.

The driver shares the machine with the server.  Requests are prepared beforehand, answers are counted and not parsed,
and reads and writes are plain system calls.  The end of a server raises `ServerGone`.
"""

import os
import select
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from tests.bench.process_stats import cpu_seconds

READ_BYTES: Final = 256 * 1024
"""Larger than the default buffer of a socket (208 KiB on Linux), so that one read empties it."""
NOTIFICATION: Final = b'"method":'
"""Marks a notification if it occurs in the first bytes of a line; a result may contain it too."""
HEAD_BYTES: Final = 40
"""Length of `{"jsonrpc": "2.0", "method": `, rounded up; excludes the content of results."""


class ServerGone(Exception):
    """The server closed its output before it had answered everything."""


class Framing(Protocol):
    """Counts the answers in the bytes read."""

    notifications: int
    """Number of notifications read."""
    block: bytes
    """The last bytes that completed at least one message."""

    def feed(self, chunk: bytes) -> int:
        """Takes the bytes of one read; returns the number of answers that they complete."""
        ...


class LineFraming:
    """Newline-delimited JSON-RPC."""

    def __init__(self) -> None:
        self.notifications = 0
        self.block = b""
        self._parts: list[bytes] = []

    def feed(self, chunk: bytes) -> int:
        """Counts the lines with and without a method."""
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
        if NOTIFICATION not in block:  # one search is cheaper than a look at each line
            return block.count(b"\n")
        lines = block.split(b"\n")
        notifications = sum(NOTIFICATION in line[:HEAD_BYTES] for line in lines)
        self.notifications += notifications
        return len(lines) - 1 - notifications


class MarkedLines(LineFraming):
    """Newline-delimited JSON-RPC that also counts the lines with a marker."""

    def __init__(self, marker: bytes) -> None:
        super().__init__()
        self._marker = marker
        self.marked = 0
        """Number of lines with the marker."""

    def feed(self, chunk: bytes) -> int:
        """Counts the answers and the markers."""
        answers = super().feed(chunk)
        if b"\n" in chunk:  # only then is the block a new one
            self.marked += self.block.count(self._marker)
        return answers


class HttpFraming:
    """HTTP/1.1 responses with Content-Length on one connection."""

    def __init__(self) -> None:
        self.notifications = 0
        self.block = b""
        self._rest = b""

    def feed(self, chunk: bytes) -> int:
        """Counts the responses."""
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
    """The result of a burst of pipelined requests."""

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
    """Writes all of the data."""
    sent = os.write(descriptor, data)
    while sent < len(data):
        sent += os.write(descriptor, data[sent:])


def send_request(wire: Wire, request: bytes) -> bytes:
    """Sends one request; returns the bytes that completed its answer, which may contain notifications too."""
    write_all(wire.write_fd, request)
    while not wire.framing.feed(_read(wire.read_fd)):
        pass
    return wire.framing.block


def exchange(wire: Wire, requests: Sequence[bytes], window: int, seconds: float) -> Exchange:
    """Keeps `window` requests in flight for this time, then reads the open answers."""
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


def send_all(wire: Wire, requests: Sequence[bytes], window: int) -> None:
    """Sends each request once, at most `window` in flight, and reads the answers."""
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
    """Sends one request at a time for this time; returns the sorted durations in nanoseconds."""
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
    """Returns the duration of one request in nanoseconds."""
    start = time.perf_counter_ns()
    send_request(wire, request)
    return time.perf_counter_ns() - start


def read_once(wire: Wire, seconds: float) -> int:
    """Reads once; returns the number of completed answers.  Raises `TimeoutError` after this silence."""
    if not select.select([wire.read_fd], [], [], seconds)[0]:
        raise TimeoutError(f"the server was silent for {seconds:g} s")
    return wire.framing.feed(_read(wire.read_fd))


def drain(wire: Wire, quiet_s: float) -> None:
    """Reads until nothing has arrived for this time."""
    while select.select([wire.read_fd], [], [], quiet_s)[0]:
        wire.framing.feed(_read(wire.read_fd))


def write_until_stalled(wire: Wire, data: bytes, seconds: float) -> int:
    """Writes without reading until the server has taken nothing for this time; returns the number of bytes taken."""
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
