"""A hostile server costs bounded memory and time, whatever it sends."""

import asyncio
import gzip
import resource
import zlib
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Any, Final

import anyio
import anyio.lowlevel
import pytest

from sidecar.atlassian.source import MAX_EMPTY_PAGES, MAX_PAGES, fetch_pages
from sidecar.http import client as module
from sidecar.http import transport
from sidecar.http.client import Http, HttpError, HttpRequest
from sidecar.job_handler import JobFailed
from tests.in_process_app import ManualClock

MIB: Final = 1024 * 1024
OK: Final = b"HTTP/1.1 200 OK\r\nConnection: close\r\n"
Serve = Callable[[asyncio.StreamWriter], Coroutine[Any, Any, None]]


@asynccontextmanager
async def hostile(serve: Serve) -> AsyncIterator[HttpRequest]:
    """Serves each connection with a function, until the client has left."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"\r\n\r\n")
            with suppress(ConnectionError):
                await serve(writer)
                writer.close()
                await writer.wait_closed()
        finally:
            writer.transport.abort()

    async with await asyncio.start_server(handle, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        yield HttpRequest("GET", url, "The calendar", repeatable=False)


async def outcome(request: HttpRequest) -> str:
    http = Http(ManualClock(), random_fraction=lambda: 0.5)
    try:
        with anyio.fail_after(60):
            return str((await http.send(request)).status)
    except HttpError as error:
        return f"{type(error).__name__}: {error.reason}"
    finally:
        await http.close()


def bomb(wbits: int) -> bytes:
    """Returns 128 MiB of zeros, packed a thousand times."""
    packer = zlib.compressobj(wbits=wbits)
    return packer.compress(bytes(128 * MIB)) + packer.flush()


@pytest.mark.parametrize(("encoding", "wbits"), [("gzip", 31), ("deflate", 15), ("br", 31)])
async def test_a_bomb_is_cut_at_the_size_of_a_body(encoding: str, wbits: int) -> None:
    packed = bomb(wbits)

    async def serve(writer: asyncio.StreamWriter) -> None:
        head = f"Content-Encoding: {encoding}\r\nContent-Length: {len(packed)}\r\n\r\n"
        writer.write(OK + head.encode() + packed)
        await writer.drain()

    async with hostile(serve) as request:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        found = await outcome(request)
        grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
    if encoding in ("gzip", "deflate"):
        assert found == "BadResponse: the response is larger than 64 MiB"
    else:
        assert found == "200", "not unpacked"
    assert grown < 4 * module.MAX_BODY_BYTES


async def endless_body(writer: asyncio.StreamWriter) -> None:
    writer.write(OK + b"\r\n")
    while True:
        writer.write(bytes(MIB))
        await writer.drain()


async def endless_chunks(writer: asyncio.StreamWriter) -> None:
    writer.write(OK + b"Transfer-Encoding: chunked\r\n\r\n")
    while True:
        writer.write(b"1\r\na\r\n" * 1_000)
        await writer.drain()


async def endless_packed_nothing(writer: asyncio.StreamWriter) -> None:
    """Members of gzip that unpack to nothing, one after another."""
    writer.write(OK + b"Content-Encoding: gzip\r\n\r\n")
    nothing = gzip.compress(b"") * 1_000
    while True:
        writer.write(nothing)
        await writer.drain()


async def huge_header(writer: asyncio.StreamWriter) -> None:
    writer.write(OK + b"X: " + b"a" * 10 * MIB + b"\r\n\r\n")
    await writer.drain()


async def endless_headers(writer: asyncio.StreamWriter) -> None:
    writer.write(OK)
    while True:
        writer.write(b"X: a\r\n" * 1_000)
        await writer.drain()


async def endless_status(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 ")
    while True:
        writer.write(b"a" * MIB)
        await writer.drain()


async def endless_hints(writer: asyncio.StreamWriter) -> None:
    while True:
        writer.write(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" * 100)
        await writer.drain()


async def silence(writer: asyncio.StreamWriter) -> None:
    await anyio.sleep_forever()


async def dripping(writer: asyncio.StreamWriter) -> None:
    """Sends a byte in each turn of the loop, which is the client's, too: it never waits long, nor gets much."""
    writer.write(OK + b"Content-Length: 1000000\r\n\r\n")
    while True:
        writer.write(b"a")
        await writer.drain()
        await anyio.lowlevel.checkpoint()


LARGE: Final = "BadResponse: the response is larger than 1 MiB"
BROKEN: Final = "BadResponse: the response is incomplete"
SLOW: Final = "ServerUnreachable: the response took too long"


@pytest.mark.parametrize(
    ("serve", "found"),
    [
        (endless_body, (LARGE,)),
        (endless_chunks, (LARGE, SLOW)),
        (endless_packed_nothing, (SLOW,)),
        (huge_header, (BROKEN,)),
        (endless_headers, (BROKEN,)),
        (endless_status, (BROKEN,)),
        (endless_hints, (SLOW,)),
        (silence, (SLOW,)),
        (dripping, (SLOW,)),
    ],
)
async def test_what_never_ends_is_cut(monkeypatch: pytest.MonkeyPatch, serve: Serve, found: tuple[str, ...]) -> None:
    """With limits of 1 MiB, and of two seconds if only time ends it, in place of 64 MiB and two minutes."""
    monkeypatch.setattr(module, "MAX_BODY_BYTES", MIB)
    if SLOW in found:
        monkeypatch.setattr(transport, "TRY_TIMEOUT_S", 2.0)
    async with hostile(serve) as request:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        assert await outcome(request) in found
        assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024 < 64 * MIB


@pytest.mark.parametrize(("items", "pages"), [([], MAX_EMPTY_PAGES), ([{}], MAX_PAGES + 1)])
async def test_pages_without_end_are_left(items: list[Any], pages: int) -> None:
    """Each names a next one that was not there before."""
    read = 0

    async def fetch(token: str | None) -> tuple[Any, str | None]:
        return {"issues": items}, str(int(token or 0) + 1)

    with suppress(JobFailed):
        async for _ in fetch_pages("Jira's issues", "issues", fetch):
            read += 1
    assert read == pages
