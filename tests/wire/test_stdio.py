"""The writer on a real socket: who goes first when the host reads late, and what happens when it never does."""

import asyncio
import os
import socket
import time
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor

import anyio
import pytest
from sidecar_protocol.connection import Connection

from sidecar.wire import stdio
from sidecar.wire.stdio import ThreadedWriter, WireOut, Writer

FILLER = b"f" * 1024 * 1024 + b"\n"


class Wire:
    """A writer, its host, and the end that a test reads at."""

    def __init__(self, kind: type[Writer] = Writer) -> None:
        ours, theirs = socket.socketpair()
        self.reads = theirs
        self.reads.setblocking(False)
        self.descriptor = ours.detach()
        self.broken: list[int] = []
        self.has_broken = anyio.Event()
        self.has_written = anyio.Event()
        self.writer = kind(self.descriptor, self._on_broken, self._on_written)
        self.out = WireOut(Connection(), self.writer)

    async def read(self, until: bytes) -> bytes:
        """Everything up to and with this."""
        data = b""
        with anyio.fail_after(120):
            while not data.endswith(until):
                data += await asyncio.get_running_loop().sock_recv(self.reads, 1024 * 1024)
        return data

    def stuff(self) -> None:
        """Fill the pipe, so that what comes next is queued."""
        self.writer.queue_response(FILLER)
        self.writer.flush()
        assert self.writer.pending_bytes > 0

    def _on_written(self) -> None:
        self.has_written.set()

    def _on_broken(self, code: int) -> None:
        self.broken.append(code)
        self.has_broken.set()

    def close(self) -> None:
        self.reads.close()
        os.close(self.descriptor)


@pytest.fixture(params=[Writer, ThreadedWriter])
async def wire(request: pytest.FixtureRequest) -> AsyncIterator[Wire]:
    """A writer and the host at its other end; the one that Windows needs works everywhere."""
    made = Wire(request.param)
    yield made
    made.close()


async def test_answers_overtake_notifications_but_not_the_progress_of_a_request(wire: Wire) -> None:
    wire.stuff()
    wire.out.notify("jobs.updated", b'{"seq":1}')
    wire.out.notify("$/progress", b'{"token":1}')
    wire.writer.queue_response(b'{"id":1}\n')
    wire.out.notify("jobs.updated", b'{"seq":2}')
    wire.writer.flush()
    data = await wire.read(b'{"seq":2}}\n')
    assert data.removeprefix(FILLER).splitlines() == [
        b'{"jsonrpc":"2.0","method":"$/progress","params":{"token":1}}',
        b'{"id":1}',
        b'{"jsonrpc":"2.0","method":"jobs.updated","params":{"seq":1}}',
        b'{"jsonrpc":"2.0","method":"jobs.updated","params":{"seq":2}}',
    ]
    with anyio.fail_after(120):
        while wire.writer.pending_bytes:  # the thread has written it, and the loop is about to hear of that
            await anyio.lowlevel.checkpoint()


async def test_what_is_queued_when_the_process_ends_is_written_to_a_host_that_reads(wire: Wire) -> None:
    wire.stuff()
    for _ in range(20):
        wire.writer.queue_response(FILLER)
    wire.reads.setblocking(True)
    with ThreadPoolExecutor(1) as threads, wire.reads.makefile("rb") as lines:
        reading = threads.submit(lambda: [lines.readline() for _ in range(21)])
        wire.writer.finish(60)
        assert reading.result(60) == [FILLER] * 21


async def test_a_host_that_never_reads_holds_up_the_end_no_longer_than_allowed(wire: Wire) -> None:
    wire.stuff()
    started = time.monotonic()
    wire.writer.finish(0.1)
    assert time.monotonic() - started >= 0.1
    assert wire.writer.pending_bytes > 0


async def test_a_host_that_is_gone_ends_the_process(wire: Wire) -> None:
    wire.reads.close()
    wire.writer.queue_response(b"{}\n")
    wire.writer.flush()
    with anyio.fail_after(120):
        await wire.has_broken.wait()
    assert (wire.broken, wire.writer.pending_bytes) == ([74], 0)


async def test_a_host_that_reads_too_little_for_too_long_has_hung(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stdio, "STALLED_BYTES", 512 * 1024)
    monkeypatch.setattr(stdio, "STALL_TIMEOUT_S", 0.05)
    wire.stuff()
    with anyio.fail_after(120):
        await wire.has_broken.wait()
    assert wire.broken == [74]
    wire.writer.queue_response(b"{}\n")  # the process says something more while it ends, and the host reads again
    wire.reads.setblocking(True)
    with ThreadPoolExecutor(1) as threads, wire.reads.makefile("rb") as lines:
        reading = threads.submit(lines.read)
        wire.writer.finish(1.0)
        with socket.socket(fileno=os.dup(wire.descriptor)) as other:
            other.shutdown(socket.SHUT_WR)
        said = reading.result(60)
    assert FILLER.startswith(said)  # the line was cut, and nothing was put behind the cut


async def test_a_host_that_catches_up_in_time_has_not_hung(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stdio, "STALLED_BYTES", 512 * 1024)
    wire.stuff()
    stalling = [wire.writer.is_stalling]
    wire.has_written = anyio.Event()
    await wire.read(FILLER)
    with anyio.fail_after(120):
        await wire.has_written.wait()
    assert [*stalling, wire.writer.is_stalling] == [True, False]
    assert wire.broken == []
