"""A server of one calendar file at a secret URL, as calendar services have it.

It implements conditional requests by RFC 9110, and misbehaves on request.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import formatdate
from hashlib import sha256
from typing import Final

from tests.fakes.server import FakeHandler, FakeServer

PRIVATE: Final = "private-0123456789abcdef"
"""The part of the URL that must never appear anywhere else."""


@dataclass(frozen=True, slots=True)
class Request:
    """A received request and the status of its response."""

    path: str
    headers: dict[str, str]
    """With names in lower case."""
    status: int


class FakeIcs(FakeServer):
    """The server: `with FakeIcs() as server: server.body = ...; server.address`."""

    def __init__(
        self, body: bytes = b"", *, port: int = 0, now: Callable[[], float] = time.time, url: str | None = None
    ) -> None:
        self.body = body
        self.etags = True
        """Whether it sends `ETag`."""
        self.etag: str | None = None
        """The `ETag` that it sends; by default one of the content."""
        self.dates = False
        """Whether it sends `Last-Modified`."""
        self.status = 200
        """The status of every response to a path that is not redirected."""
        self.content_type = "text/calendar; charset=utf-8"
        self.cut = False
        """Whether the connection ends in the middle of the body."""
        self.redirects: dict[str, str] = {}
        """Path -> Location."""
        self.changed_s = 1_795_000_000.0
        """Time of the last change, seconds since 1970."""
        self.now = now
        self.requests: list[Request] = []
        self._arrived = threading.Condition()
        self._gate: threading.Event | None = None
        super().__init__(_Handler, port, url)

    @property
    def address(self) -> str:
        """The secret URL."""
        return f"{self.url}/ical/ada%40example.com/{PRIVATE}/basic.ics"

    def close(self) -> None:
        """Releases held requests, then stops."""
        if self._gate is not None:
            self._gate.set()
        super().close()

    def put(self, body: bytes) -> None:
        """Replaces the file."""
        self.body = body
        self.changed_s += 60

    def hold(self) -> Callable[[], None]:
        """Answers no request until the returned function is called."""
        self._gate = threading.Event()
        return self._gate.set

    def wait_for(self, count: int, timeout_s: float = 60.0) -> None:
        """Blocks until this number of requests has arrived; call it in a thread."""
        with self._arrived:
            if not self._arrived.wait_for(lambda: len(self.requests) >= count, timeout_s):
                raise TimeoutError(f"{len(self.requests)} of {count} requests arrived within {timeout_s} s")

    def statuses(self) -> list[int]:
        """Returns the statuses of all responses so far."""
        return [request.status for request in self.requests]

    def answer(self, path: str, headers: dict[str, str]) -> tuple[int, dict[str, str]]:
        """Records a request; returns status and headers of the response."""
        etag = self.etag or f'"{sha256(self.body).hexdigest()[:16]}"'
        modified = formatdate(self.changed_s, usegmt=True)
        validators = ({"ETag": etag} if self.etags else {}) | ({"Last-Modified": modified} if self.dates else {})
        if path in self.redirects:
            status, validators = 302, {"Location": self.redirects[path]}
        elif self.status != 200:
            status = self.status
        elif "if-none-match" in headers and self.etags:
            status = 304 if headers["if-none-match"] == etag else 200
        elif self.dates and headers.get("if-modified-since") == modified:
            status = 304
        else:
            status = 200
        with self._arrived:
            self.requests.append(Request(path, headers, status))
            self._arrived.notify_all()
        if self._gate is not None:
            self._gate.wait()
        return status, validators | {"Content-Type": self.content_type}


class _Handler(FakeHandler[FakeIcs]):
    def date(self) -> str:
        return formatdate(self.fake.now(), usegmt=True)

    def respond(self, body: bytes) -> None:
        status, headers = self.fake.answer(self.path, self.lower_headers)
        body = b"" if status in (302, 304) else self.fake.body
        self.send_response_only(status)
        for name, value in {"Date": self.date(), **headers}.items():
            self.send_header(name, value)
        if status != 304:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        is_cut = self.fake.cut and body
        self.wfile.write(body[: len(body) // 2] if is_cut else body)
        self.close_connection = self.close_connection or bool(is_cut)
