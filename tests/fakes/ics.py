"""A server that hands out one calendar file at a secret address, as calendar services do: a stateful stand-in.

It keeps the rules of RFC 9110 about what has not changed, and does on request what servers do on bad days.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from email.utils import formatdate
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Final, Self

PRIVATE: Final = "private-0123456789abcdef"
"""What of the address must never be seen anywhere."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A request that came in: its path, its headers in lower case, and the status it was answered by."""

    path: str
    headers: dict[str, str]
    status: int


@dataclass(slots=True)
class FakeIcs:
    """The server: `with FakeIcs() as server: server.body = … ; server.address`.

    `etags` and `dates` say which marks it gives; `status` outranks everything; a path in `moved` leads to another.
    """

    body: bytes = b""
    etags: bool = True
    dates: bool = False
    status: int = 200
    content_type: str = "text/calendar; charset=utf-8"
    cut: bool = False
    """Whether the connection breaks off in the middle of the body."""
    moved: dict[str, str] = field(default_factory=dict)
    changed_s: float = 1_795_000_000.0
    """When the file was last changed, seconds since 1970."""
    port: int = 0
    now: Callable[[], float] = time.time
    asked: list[Asked] = field(default_factory=list)
    _arrived: threading.Condition = field(default_factory=threading.Condition)
    _gate: threading.Event | None = None
    _server: "_Server" = field(init=False)

    def __post_init__(self) -> None:
        self._server = _Server(("127.0.0.1", self.port), _Handler)
        self._server.fake = self

    @property
    def origin(self) -> str:
        """Scheme, host and port."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def address(self) -> str:
        """The secret address."""
        return f"{self.origin}/ical/ada%40example.com/{PRIVATE}/basic.ics"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._gate is not None:
            self._gate.set()
        self._server.shutdown()
        self._server.server_close()

    def put(self, body: bytes) -> None:
        """Another version of the file."""
        self.body = body
        self.changed_s += 60

    def hold(self) -> Callable[[], None]:
        """Answer nothing until the result is called."""
        self._gate = threading.Event()
        return self._gate.set

    def wait_for(self, count: int, timeout_s: float = 30.0) -> None:
        """Block (call it in a thread) until so many requests have come in all."""
        with self._arrived:
            if not self._arrived.wait_for(lambda: len(self.asked) >= count, timeout_s):
                raise TimeoutError(f"no {count} requests within {timeout_s} s")

    def statuses(self) -> list[int]:
        """How the requests so far were answered."""
        return [one.status for one in self.asked]

    def answer(self, path: str, headers: dict[str, str]) -> tuple[int, dict[str, str]]:
        """The status of an answer, and its headers; noted."""
        etag, modified = f'"{sha256(self.body).hexdigest()[:16]}"', formatdate(self.changed_s, usegmt=True)
        marks = ({"ETag": etag} if self.etags else {}) | ({"Last-Modified": modified} if self.dates else {})
        if path in self.moved:
            status, marks = 302, {"Location": self.moved[path]}
        elif self.status != 200:
            status = self.status
        elif "if-none-match" in headers and self.etags:
            status = 304 if headers["if-none-match"] == etag else 200
        elif self.dates and headers.get("if-modified-since") == modified:
            status = 304
        else:
            status = 200
        with self._arrived:
            self.asked.append(Asked(path, headers, status))
            self._arrived.notify_all()
        if self._gate is not None:
            self._gate.wait()
        return status, marks | {"Content-Type": self.content_type}


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    fake: FakeIcs

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that goes away is what some tests are about."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"

    def date_time_string(self, timestamp: float | None = None) -> str:
        """The `Date` of an answer, by the fake's own clock."""
        del timestamp
        return formatdate(self.server.fake.now(), usegmt=True)

    def log_message(self, format: str, *args: object) -> None:
        """Keep the test output clean."""

    def do_GET(self) -> None:
        fake = self.server.fake
        status, headers = fake.answer(self.path, {name.lower(): value for name, value in self.headers.items()})
        body = b"" if status in (302, 304) else fake.body
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if status != 304:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if fake.cut and body:
            self.wfile.write(body[: len(body) // 2])
            self.close_connection = True
        else:
            self.wfile.write(body)
