"""The HTTP server that all fakes share: on a free loopback port, a thread per connection, HTTP/1.1."""

import contextlib
import json
import socket
import sys
import threading
from collections.abc import Mapping
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

F = TypeVar("F", bound="FakeServer")


class FakeServer:
    """Serves from construction until `close` or the end of a `with` block.

    With a `url` it only answers those who ask its object, for the simulation, which has no sockets.
    """

    def __init__(self, handler: "type[FakeHandler[Any]]", port: int = 0, url: str | None = None) -> None:
        self.is_closing = threading.Event()
        if url is not None:
            self.url = url
            return
        self._server = _Server(("127.0.0.1", port), handler, self)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Stops listening and closes all connections."""
        self.is_closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._server.close_connections()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, address: tuple[str, int], handler: "type[FakeHandler[Any]]", fake: FakeServer) -> None:
        self.fake = fake
        self._open: set[socket.socket] = set()
        super().__init__(address, handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def close_connections(self) -> None:
        for connection in list(self._open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignores clients that hang up, which some tests kill; prints other errors as usual."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


class FakeHandler(BaseHTTPRequestHandler, Generic[F]):
    """Serves one connection; subclasses implement `respond`."""

    server: _Server
    protocol_version = "HTTP/1.1"
    # One send per response.  Separate sends of headers and body would wait 40 ms for the client's delayed ACK.
    wbufsize = -1
    disable_nagle_algorithm = True

    @property
    def fake(self) -> F:
        return self.server.fake  # type: ignore[return-value]

    @property
    def lower_headers(self) -> dict[str, str]:
        """The request's headers with names in lower case."""
        return {name.lower(): value for name, value in self.headers.items()}

    def log_message(self, format: str, *args: object) -> None:
        """Keeps the output of the tests clean."""

    def do_HEAD(self) -> None:
        self.respond(b"")

    def do_GET(self) -> None:
        self.respond(b"")

    def do_POST(self) -> None:
        self.respond(self.rfile.read(int(self.headers.get("Content-Length", 0))))

    def respond(self, body: bytes) -> None:
        """Answers the request."""
        raise NotImplementedError

    def date(self) -> str | None:
        """Returns the `Date` header; None leaves it out."""
        return formatdate(usegmt=True)

    def send_bytes(self, status: int, body: bytes, headers: Mapping[str, str]) -> None:
        """Sends a response."""
        self.send_response_only(status)
        if (date := self.date()) is not None:
            self.send_header("Date", date)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def send_json(self, status: int, body: Any, headers: Mapping[str, str] | None = None) -> None:
        self.send_bytes(status, json.dumps(body).encode(), {"Content-Type": "application/json", **(headers or {})})
