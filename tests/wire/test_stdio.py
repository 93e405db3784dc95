"""The writer on a real socket: the order of lines when the client reads late, and what happens if it never reads."""

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


class PipeHarness:
    """A writer and the end of the socket that the test reads from."""

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
        """Reads up to and including `until`."""
        data = b""
        with anyio.fail_after(120):
            while not data.endswith(until):
                data += await asyncio.get_running_loop().sock_recv(self.reads, 1024 * 1024)
        return data

    def fill(self) -> None:
        """Fills the socket's buffer, so that further lines are queued."""
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
async def pipe(request: pytest.FixtureRequest) -> AsyncIterator[PipeHarness]:
    """Both writers; the one for Windows works on every platform."""
    made = PipeHarness(request.param)
    yield made
    made.close()


async def test_responses_overtake_notifications_but_not_the_progress_of_a_request(pipe: PipeHarness) -> None:
    pipe.fill()
    pipe.out.notify("jobs.updated", b'{"seq":1}')
    pipe.out.notify("$/progress", b'{"token":1}')
    pipe.writer.queue_response(b'{"id":1}\n')
    pipe.out.notify("jobs.updated", b'{"seq":2}')
    pipe.writer.flush()
    data = await pipe.read(b'{"seq":2}}\n')
    assert data.removeprefix(FILLER).splitlines() == [
        b'{"jsonrpc":"2.0","method":"$/progress","params":{"token":1}}',
        b'{"id":1}',
        b'{"jsonrpc":"2.0","method":"jobs.updated","params":{"seq":1}}',
        b'{"jsonrpc":"2.0","method":"jobs.updated","params":{"seq":2}}',
    ]
    with anyio.fail_after(120):
        while pipe.writer.pending_bytes:  # written by the thread, which notifies the loop next
            await anyio.lowlevel.checkpoint()


async def test_lines_queued_at_the_end_are_written_to_a_client_that_reads(pipe: PipeHarness) -> None:
    pipe.fill()
    for _ in range(20):
        pipe.writer.queue_response(FILLER)
    pipe.reads.setblocking(True)
    with ThreadPoolExecutor(1) as threads, pipe.reads.makefile("rb") as lines:
        reading = threads.submit(lambda: [lines.readline() for _ in range(21)])
        pipe.writer.finish(60)
        assert reading.result(60) == [FILLER] * 21


async def test_a_client_that_never_reads_delays_the_end_only_for_the_timeout(pipe: PipeHarness) -> None:
    pipe.fill()
    started = time.monotonic()
    pipe.writer.finish(0.1)
    assert time.monotonic() - started >= 0.1
    assert pipe.writer.pending_bytes > 0


async def test_a_closed_pipe_ends_the_process(pipe: PipeHarness) -> None:
    pipe.reads.close()
    pipe.writer.queue_response(b"{}\n")
    pipe.writer.flush()
    with anyio.fail_after(120):
        await pipe.has_broken.wait()
    assert (pipe.broken, pipe.writer.pending_bytes) == ([74], 0)


async def test_a_client_that_does_not_catch_up_in_time_ends_the_process(
    pipe: PipeHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stdio, "STALLED_BYTES", 512 * 1024)
    monkeypatch.setattr(stdio, "STALL_TIMEOUT_S", 0.05)
    pipe.fill()
    with anyio.fail_after(120):
        await pipe.has_broken.wait()
    assert pipe.broken == [74]
    pipe.writer.queue_response(b"{}\n")  # another response while the process ends, and the client reads again
    pipe.reads.setblocking(True)
    with ThreadPoolExecutor(1) as threads, pipe.reads.makefile("rb") as lines:
        reading = threads.submit(lines.read)
        pipe.writer.finish(1.0)
        with socket.socket(fileno=os.dup(pipe.descriptor)) as other:
            other.shutdown(socket.SHUT_WR)
        received = reading.result(60)
    assert FILLER.startswith(received)  # the line was cut, and nothing was written after it


async def test_a_client_that_catches_up_in_time_does_not_end_the_process(
    pipe: PipeHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stdio, "STALLED_BYTES", 512 * 1024)
    pipe.fill()
    stalling = [pipe.writer.is_stalling]
    pipe.has_written = anyio.Event()
    await pipe.read(FILLER)
    with anyio.fail_after(120):
        await pipe.has_written.wait()
    assert [*stalling, pipe.writer.is_stalling] == [True, False]
    assert pipe.broken == []
