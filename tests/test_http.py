"""The HTTP client: retries, delays, errors, and that no secrets are logged.

The tests use a real server on the loopback interface that sends exactly the given bytes.
"""

import asyncio
import gzip
import logging
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import anyio
import anyio.lowlevel
import pytest
from sidecar_protocol.entities import WaitingFor

from sidecar.http import client as module
from sidecar.http.client import (
    MAX_BODY_BYTES,
    BadResponse,
    CertificateUntrusted,
    Http,
    HttpError,
    HttpRequest,
    RateLimited,
    ServerUnreachable,
    job_exception,
)
from sidecar.http.transport import MAX_PER_ORIGIN, HttpxTransport
from sidecar.job_handler import JobFailed, JobSnoozed
from tests.in_process_app import EIGHT_O_CLOCK, ManualClock

ROOT = Path(__file__).parents[1]
OK = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}"


def refusal(status: int, headers: str = "", body: bytes = b"") -> bytes:
    """Returns a response with this status."""
    return f"HTTP/1.1 {status} No\r\nConnection: close\r\n{headers}Content-Length: {len(body)}\r\n\r\n".encode() + body


class Server:
    """Sends the next of `responses` to each request, on a connection of its own, and records the requests."""

    def __init__(self) -> None:
        self.url = ""
        self.responses: list[bytes] = []
        self.requests: list[bytes] = []
        self.open = self.most_open = 0
        self.gate: anyio.Event | None = None

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.requests.append(await reader.readuntil(b"\r\n\r\n"))
        self.open += 1
        self.most_open = max(self.most_open, self.open)
        if self.gate is not None:
            await self.gate.wait()
        self.open -= 1
        writer.write(self.responses.pop(0) if self.responses else OK)
        await writer.drain()
        writer.close()
        await writer.wait_closed()


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    """Starts a real server on loopback."""
    server = Server()
    async with await asyncio.start_server(server.handle, "127.0.0.1", 0) as listening:
        server.url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}/secret-path?key=secret-key"
        yield server


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port that no server gets, since a socket has it that does not listen."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


class Delays:
    """Replaces `anyio.sleep`: records the delays and returns at once."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)


@pytest.fixture
def delays() -> Delays:
    return Delays()


@pytest.fixture
async def http(delays: Delays) -> AsyncIterator[Http]:
    """A client that does not wait and has average jitter."""
    client = Http(ManualClock(), random_fraction=lambda: 0.5, sleep=delays)
    yield client
    await client.close()


def request_to(server: Server, **fields: object) -> HttpRequest:
    return HttpRequest("GET", server.url, "The calendar", headers={"authorization": "Bearer secret-token"}, **fields)  # type: ignore[arg-type]


async def test_transient_failures_are_retried_with_growing_delays(server: Server, http: Http, delays: Delays) -> None:
    server.responses = [refusal(503), refusal(429), refusal(500), OK]
    assert (await http.send(request_to(server))).status == 200
    assert delays.seconds == [2.0, 4.0, 8.0]


async def test_after_the_last_try_the_last_response_is_returned(server: Server, http: Http, delays: Delays) -> None:
    server.responses = [refusal(503)] * 5
    assert (await http.send(request_to(server))).status == 503
    assert len(server.requests) == len(delays.seconds) + 1 == module.MAX_TRIES


@pytest.mark.parametrize("status", [302, 400, 401, 403, 404, 410])
async def test_other_failures_are_returned_at_once(server: Server, http: Http, status: int) -> None:
    server.responses = [refusal(status, "Location: http://127.0.0.1:1/\r\n", b"why")]
    response = await http.send(request_to(server))
    assert (response.status, response.body, len(server.requests)) == (status, b"why", 1)


async def test_a_connector_can_declare_other_failures_transient(server: Server, http: Http) -> None:
    server.responses = [refusal(403, body=b"rateLimitExceeded"), OK]
    assert (
        await http.send(request_to(server), is_transient=lambda response: b"rateLimit" in response.body)
    ).status == 200


async def test_a_request_that_is_not_repeatable_is_sent_once(server: Server, http: Http) -> None:
    server.responses = [refusal(503)]
    assert (await http.send(request_to(server, repeatable=False))).status == 503
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("value", "seconds"), [("7", 7.0), ("Mon, 23 Nov 2026 08:00:42 GMT", 42.0), ("-5", 2.0), ("soon", 2.0)]
)
async def test_retry_after_sets_the_delay(
    server: Server, http: Http, delays: Delays, value: str, seconds: float
) -> None:
    server.responses = [refusal(429, f"Retry-After: {value}\r\n"), OK]
    await http.send(request_to(server))
    assert delays.seconds == [seconds]


async def test_a_date_in_retry_after_is_one_of_the_servers_clock(server: Server, http: Http, delays: Delays) -> None:
    dates = "Date: Fri, 23 Nov 2029 08:00:00 GMT\r\nRetry-After: Fri, 23 Nov 2029 08:00:42 GMT\r\n"
    server.responses = [refusal(429, dates), OK]
    await http.send(request_to(server))
    assert delays.seconds == [42.0]


async def test_a_long_delay_snoozes_the_job(server: Server, http: Http, delays: Delays) -> None:
    server.responses = [refusal(429, "Retry-After: 3600\r\n")]
    with pytest.raises(RateLimited) as caught:
        await http.send(request_to(server))
    outcome = job_exception(caught.value)
    assert isinstance(outcome, JobSnoozed)
    assert (outcome.delay_s, outcome.waiting_for, delays.seconds) == (3600.0, WaitingFor.RATE_LIMIT, [])


@pytest.mark.parametrize(
    ("response", "kind"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{", BadResponse),
        (b"220 smtp.example.com ready\r\n", BadResponse),
        (refusal(200, "Content-Encoding: gzip\r\n", gzip.compress(b"{}" * 50)[:20]), None),
        (refusal(200, "Content-Encoding: gzip\r\n", b"not gzip"), BadResponse),
    ],
    ids=["truncated", "another protocol", "truncated gzip", "not gzip"],
)
async def test_a_broken_response_is_an_error(
    server: Server, http: Http, response: bytes, kind: type[HttpError] | None
) -> None:
    server.responses = [response] * module.MAX_TRIES
    if kind is None:  # a truncated stream is decoded as far as possible; then its JSON is malformed
        received = await http.send(request_to(server))
        with pytest.raises(BadResponse):
            received.json("The calendar")
    else:
        with pytest.raises(kind):
            await http.send(request_to(server))


async def test_html_is_not_json(server: Server, http: Http) -> None:
    server.responses = [refusal(200, "Content-Type: text/html; charset=utf-8\r\n", b"<html>Sign in</html>")]
    response = await http.send(request_to(server))
    with pytest.raises(BadResponse, match=r"The calendar: expected JSON, received text/html \(HTTP 200\)"):
        response.json("The calendar")


async def test_the_size_of_a_body_is_limited(server: Server, http: Http, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_BODY_BYTES", 1_000)
    server.responses = [refusal(200, body=b"x" * 1_001)] * module.MAX_TRIES
    with pytest.raises(BadResponse, match="larger than"):
        await http.send(request_to(server))


async def test_a_body_that_is_compressed_twice_is_refused_before_it_is_unpacked(server: Server, http: Http) -> None:
    bomb = gzip.compress(gzip.compress(bytes(64 * 2**20)))  # 64 MiB in 300 bytes; three times would be 64 GiB
    server.responses = [refusal(200, "Content-Encoding: gzip, gzip\r\n", bomb)] * module.MAX_TRIES
    with pytest.raises(BadResponse, match="compressed more than once"):
        await http.send(request_to(server))
    twice = "Content-Encoding: gzip\r\nContent-Encoding: gzip\r\n"
    server.responses = [refusal(200, twice, bomb)] * module.MAX_TRIES
    with pytest.raises(BadResponse, match="compressed more than once"):
        await http.send(request_to(server))


async def test_without_a_server_the_job_waits_for_the_network(http: Http, closed_port: int) -> None:
    with pytest.raises(ServerUnreachable) as caught:
        await http.send(HttpRequest("GET", f"http://127.0.0.1:{closed_port}/", "Jira"))
    outcome = job_exception(caught.value)
    assert isinstance(outcome, JobSnoozed)
    assert outcome.waiting_for is WaitingFor.NETWORK
    assert str(caught.value) == "Jira: the server could not be reached"


async def test_requests_to_one_origin_are_limited(server: Server, http: Http) -> None:
    server.gate = anyio.Event()
    with anyio.fail_after(60):
        async with anyio.create_task_group() as tasks:
            for _ in range(10):
                tasks.start_soon(http.send, request_to(server))
            while server.open < MAX_PER_ORIGIN:
                await anyio.lowlevel.checkpoint()
            server.gate.set()
    assert (server.most_open, len(server.requests)) == (MAX_PER_ORIGIN, 10)


async def test_the_servers_time_is_read_from_the_date_header(server: Server, http: Http) -> None:
    server.responses = [refusal(200, "Date: Mon, 23 Nov 2026 08:00:00 GMT\r\n", b"{}"), OK]
    assert (await http.send(request_to(server))).server_ms == EIGHT_O_CLOCK
    assert (await http.send(request_to(server))).server_ms is None


async def test_address_headers_and_body_are_never_logged(
    server: Server, http: Http, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        server.responses = [refusal(503, body=b"secret-body"), b"secret-nonsense\r\n\r\n", OK]
        await http.send(request_to(server))
        server.responses = [b"secret-nonsense\r\n\r\n"] * module.MAX_TRIES
        with pytest.raises(BadResponse) as caught:
            await http.send(request_to(server))
    assert "The calendar" in caplog.text
    assert "secret" not in caplog.text + str(caught.value) + str(job_exception(caught.value))


def test_an_untrusted_certificate_fails_the_job() -> None:
    outcome = job_exception(CertificateUntrusted("has a certificate that this computer does not trust", "Jira"))
    assert isinstance(outcome, JobFailed)
    assert (outcome.kind, outcome.retryable) == ("tls_untrusted", False)


@pytest.fixture
async def transport() -> AsyncIterator[HttpxTransport]:
    transport = HttpxTransport(MAX_BODY_BYTES)
    yield transport
    await transport.close()


PROXY_VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in PROXY_VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    return monkeypatch


async def test_the_proxy_of_the_environment_is_used_except_for_hosts_that_are_excluded(
    server: Server, transport: HttpxTransport, environment: pytest.MonkeyPatch, closed_port: int
) -> None:
    environment.setenv("http_proxy", server.url.partition("/secret")[0])
    environment.setenv("no_proxy", "localhost,.corp.example")
    assert (await transport.exchange(HttpRequest("GET", "http://calendar.example/x", "It"))).status == 200
    assert server.requests[0].startswith(b"GET http://calendar.example/x HTTP/1.1\r\n")
    with pytest.raises(HttpError):
        await transport.exchange(HttpRequest("GET", f"http://localhost:{closed_port}/y", "It"))
    assert len(server.requests) == 1


async def test_a_proxy_that_cannot_be_used_is_named_as_the_reason(
    transport: HttpxTransport, environment: pytest.MonkeyPatch
) -> None:
    environment.setenv("all_proxy", "socks5://user:hunter2@127.0.0.1:1")
    with pytest.raises(ServerUnreachable, match="the proxy that the environment names") as refused:
        await transport.exchange(HttpRequest("GET", "http://calendar.example/x", "It"))
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize("breaks", [False, True])
def test_the_lean_imports_change_nothing_for_others_and_a_library_that_refuses_one_is_imported_whole(
    breaks: bool,
) -> None:
    script = f"""
from sidecar.http import lean_imports
def refuse(*_, **options):
    raise TypeError(options)
if {breaks}:
    lean_imports._UnreadTypedDict.__init_subclass__ = refuse
lean_imports.import_asyncio_and_pydantic()
from pydantic import TypeAdapter
from pydantic_core.core_schema import CoreConfig
from typing_extensions import TypedDict, is_typeddict
class Point(TypedDict, total=False):
    x: int
print(TypeAdapter(Point).validate_python({{"x": "1"}}), type(CoreConfig(title="it")).__name__, is_typeddict(CoreConfig))
"""
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT, check=True)
    assert ended.stdout.split(" dict ") == ["{'x': 1}", f"{breaks}\n"]
