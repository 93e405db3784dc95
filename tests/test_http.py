"""Requests to the clouds: what is tried again, for how long, and that nothing secret is told.

Against a real server on loopback that says, byte for byte, what each test lets it say.
"""

import asyncio
import gzip
import logging
import socket
from collections.abc import AsyncIterator

import anyio
import anyio.lowlevel
import pytest
from sidecar_protocol.entities import WaitingFor

from sidecar.http import client as module
from sidecar.http.client import (
    BadResponse,
    CertificateUntrusted,
    Http,
    HttpError,
    HttpRequest,
    RateLimited,
    ServerUnreachable,
    job_error,
)
from sidecar.http.transport import MAX_PER_ORIGIN
from sidecar.job_handler import JobFailed, JobSnoozed
from tests.in_process_app import EIGHT_O_CLOCK, ManualClock

OK = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}"


def refusal(status: int, headers: str = "", body: bytes = b"") -> bytes:
    """An answer with this status."""
    return f"HTTP/1.1 {status} No\r\nConnection: close\r\n{headers}Content-Length: {len(body)}\r\n\r\n".encode() + body


class Server:
    """Says the next of `answers` to each request, on a connection of its own; `heard` are the requests."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}/secret-path?key=secret-key"
        self.answers: list[bytes] = []
        self.heard: list[bytes] = []
        self.open = self.most_open = 0
        self.gate: anyio.Event | None = None

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One request."""
        self.heard.append(await reader.readuntil(b"\r\n\r\n"))
        self.open += 1
        self.most_open = max(self.most_open, self.open)
        if self.gate is not None:
            await self.gate.wait()
        self.open -= 1
        writer.write(self.answers.pop(0) if self.answers else OK)
        await writer.drain()
        writer.close()
        await writer.wait_closed()


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    """A server that is told what to say."""
    made = Server(port := closed_port())
    async with await asyncio.start_server(made.handle, "127.0.0.1", port):
        yield made


def closed_port() -> int:
    """A port on which nobody listens now."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
        return port


class Waits:
    """Stands in for sleeping: the waits are noted, and over at once."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)


@pytest.fixture
def waits() -> Waits:
    return Waits()


@pytest.fixture
async def http(waits: Waits) -> AsyncIterator[Http]:
    """A client whose waits take no time, and whose chance is in the middle."""
    made = Http(ManualClock(), random_fraction=lambda: 0.5, sleep=waits)
    yield made
    await made.close()


def asking(server: Server, **more: object) -> HttpRequest:
    """A request for the server."""
    return HttpRequest("GET", server.url, "The calendar", headers={"authorization": "Bearer secret-token"}, **more)  # type: ignore[arg-type]


async def test_what_may_pass_is_tried_again_with_growing_waits(server: Server, http: Http, waits: Waits) -> None:
    server.answers = [refusal(503), refusal(429), refusal(500), OK]
    assert (await http.send(asking(server))).status == 200
    assert waits.seconds == [2.0, 4.0, 8.0]


async def test_after_the_last_try_the_last_answer_is_returned(server: Server, http: Http, waits: Waits) -> None:
    server.answers = [refusal(503)] * 5
    assert (await http.send(asking(server))).status == 503
    assert len(server.heard) == len(waits.seconds) + 1 == module.MAX_TRIES


@pytest.mark.parametrize("status", [302, 400, 401, 403, 404, 410])
async def test_what_will_not_pass_is_returned_at_once(server: Server, http: Http, status: int) -> None:
    server.answers = [refusal(status, "Location: http://127.0.0.1:1/\r\n", b"why")]
    answer = await http.send(asking(server))
    assert (answer.status, answer.body, len(server.heard)) == (status, b"why", 1)


async def test_a_connector_may_know_more_that_passes(server: Server, http: Http) -> None:
    server.answers = [refusal(403, body=b"rateLimitExceeded"), OK]
    assert (await http.send(asking(server), is_transient=lambda answer: b"rateLimit" in answer.body)).status == 200


async def test_what_must_not_be_asked_twice_is_asked_once(server: Server, http: Http) -> None:
    server.answers = [refusal(503)]
    assert (await http.send(asking(server, repeatable=False))).status == 503
    assert len(server.heard) == 1


@pytest.mark.parametrize(
    ("value", "seconds"), [("7", 7.0), ("Mon, 23 Nov 2026 08:00:42 GMT", 42.0), ("-5", 2.0), ("soon", 2.0)]
)
async def test_a_server_says_how_long_to_wait(
    server: Server, http: Http, waits: Waits, value: str, seconds: float
) -> None:
    server.answers = [refusal(429, f"Retry-After: {value}\r\n"), OK]
    await http.send(asking(server))
    assert waits.seconds == [seconds]


async def test_a_long_pause_is_left_to_the_job_which_frees_its_worker(server: Server, http: Http, waits: Waits) -> None:
    server.answers = [refusal(429, "Retry-After: 3600\r\n")]
    with pytest.raises(RateLimited) as caught:
        await http.send(asking(server))
    outcome = job_error(caught.value)
    assert isinstance(outcome, JobSnoozed)
    assert (outcome.delay_s, outcome.waiting_for, waits.seconds) == (3600.0, WaitingFor.RATE_LIMIT, [])


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{", BadResponse),
        (b"220 smtp.example.com ready\r\n", BadResponse),
        (
            refusal(200, "Content-Encoding: gzip\r\n", gzip.compress(b"{}" * 50)[:20]).replace(
                b"Content-Length: 20", b"Content-Length: 20"
            ),
            None,
        ),
        (refusal(200, "Content-Encoding: gzip\r\n", b"no gzip at all"), BadResponse),
    ],
    ids=["cut", "another protocol", "cut gzip", "no gzip"],
)
async def test_a_broken_answer_is_trouble_and_not_an_empty_one(
    server: Server, http: Http, answer: bytes, kind: type[HttpError] | None
) -> None:
    server.answers = [answer] * module.MAX_TRIES
    if kind is None:  # a stream that ends early decodes as far as it goes; then the JSON is what is broken
        response = await http.send(asking(server))
        with pytest.raises(BadResponse):
            response.json()
    else:
        with pytest.raises(kind):
            await http.send(asking(server))


async def test_html_is_no_json(server: Server, http: Http) -> None:
    server.answers = [refusal(200, "Content-Type: text/html; charset=utf-8\r\n", b"<html>Sign in</html>")]
    answer = await http.send(asking(server))
    with pytest.raises(BadResponse, match=r"expected JSON, received text/html \(HTTP 200\)"):
        answer.json()


async def test_a_body_has_a_limit(server: Server, http: Http, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_BODY_BYTES", 1_000)
    server.answers = [refusal(200, body=b"x" * 1_001)] * module.MAX_TRIES
    with pytest.raises(BadResponse, match="larger than"):
        await http.send(asking(server))


async def test_no_server_means_offline_and_the_job_waits_for_the_network(http: Http) -> None:
    port = closed_port()
    with pytest.raises(ServerUnreachable) as caught:
        await http.send(HttpRequest("GET", f"http://127.0.0.1:{port}/", "Jira"))
    outcome = job_error(caught.value)
    assert isinstance(outcome, JobSnoozed)
    assert outcome.waiting_for is WaitingFor.NETWORK
    assert str(caught.value) == "Jira: the server could not be reached"


async def test_one_site_gets_at_most_four_requests_at_a_time(server: Server, http: Http) -> None:
    server.gate = anyio.Event()
    with anyio.fail_after(60):
        async with anyio.create_task_group() as tasks:
            for _ in range(10):
                tasks.start_soon(http.send, asking(server))
            while server.open < MAX_PER_ORIGIN:
                await anyio.lowlevel.checkpoint()
            server.gate.set()
    assert (server.most_open, len(server.heard)) == (MAX_PER_ORIGIN, 10)


async def test_the_servers_own_time_is_known(server: Server, http: Http) -> None:
    server.answers = [refusal(200, "Date: Mon, 23 Nov 2026 08:00:00 GMT\r\n", b"{}"), OK]
    assert (await http.send(asking(server))).server_ms == EIGHT_O_CLOCK
    assert (await http.send(asking(server))).server_ms is None


async def test_nothing_of_address_headers_or_body_is_told(
    server: Server, http: Http, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        server.answers = [refusal(503, body=b"secret-body"), b"secret-nonsense\r\n\r\n", OK]
        await http.send(asking(server))
        server.answers = [b"secret-nonsense\r\n\r\n"] * module.MAX_TRIES
        with pytest.raises(BadResponse) as caught:
            await http.send(asking(server))
    assert "The calendar" in caplog.text
    assert "secret" not in caplog.text + str(caught.value) + str(job_error(caught.value))


def test_a_certificate_that_nobody_trusts_fails_the_job_with_a_hint() -> None:
    outcome = job_error(CertificateUntrusted("has a certificate that this computer does not trust", "Jira"))
    assert isinstance(outcome, JobFailed)
    assert (outcome.kind, outcome.retryable) == ("tls_untrusted", False)
