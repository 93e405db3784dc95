"""A fake Atlassian site on loopback: authentication, the API gateway and faults, with Jira and Confluence.

The behaviour is that observed on live sites.  A request with an invalid token is anonymous: Jira's searches then answer
200 with an empty result.  `python -m tests.fakes.jira` runs it as a program.
"""

import json
import threading
import time
from base64 import b64decode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import formatdate
from typing import Any, Protocol
from urllib.parse import parse_qsl, urlsplit

from tests.fakes.server import FakeHandler, FakeServer

LOGIN = "https://id.atlassian.com/login?continue=https%3A%2F%2Fexample.atlassian.net"


@dataclass
class User:
    """A user with an Atlassian account."""

    account_id: str
    email: str
    name: str
    time_zone: str = "UTC"

    def shown(self) -> dict[str, Any]:
        """Returns the user as others see it."""
        return {"accountId": self.account_id, "accountType": "atlassian", "displayName": self.name, "active": True}


@dataclass
class Token:
    """An API token: without scopes it is valid at the site, with scopes at the gateway."""

    user: User
    scoped: bool = False
    expired: bool = False


@dataclass(frozen=True)
class Request:
    """A received request; an anonymous one has no `user`."""

    method: str
    path: str
    query: tuple[tuple[str, str], ...]
    body: Any
    headers: Mapping[str, str]
    user: User | None
    by_gateway: bool

    def get(self, name: str, default: str = "") -> str:
        """Returns a parameter of the query."""
        return dict(self.query).get(name, default)


@dataclass(frozen=True)
class Response:
    """A response with a body of JSON or bytes."""

    status: int = 200
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass
class Fault:
    """A response to the next `times` requests whose path contains `part`, after `skip` regular ones."""

    part: str
    answer: Response
    times: int = 1
    skip: int = 0


class Product(Protocol):
    """Jira or Confluence."""

    def answer(self, request: Request) -> Response | None:
        """Returns the response, or None if the path is unknown."""


def html(status: int, text: str = "Client must be authenticated to access this resource.") -> Response:
    """Returns an HTML page, as the site's proxy sends it."""
    return Response(status, f"<html><body>{text}</body></html>".encode(), {"Content-Type": "text/html;charset=UTF-8"})


class FakeSite(FakeServer):
    """The server: `with FakeSite() as site: ada = site.user("ada"); token = site.token(ada); site.url`."""

    def __init__(self, now_ms: Callable[[], int] | None = None, port: int = 0, url: str | None = None) -> None:
        from tests.fakes.confluence import FakeConfluence  # they import this module
        from tests.fakes.jira import FakeJira

        self.now_ms = now_ms or (lambda: time.time_ns() // 1_000_000)
        self.cloud_id = "11111111-2222-3333-4444-555555555555"
        self.users: dict[str, User] = {}
        self.tokens: dict[str, Token] = {}
        self.faults: list[Fault] = []
        self.requests: list[Request] = []
        self.before_request: Callable[[str], None] = lambda _: None
        """Called with the path of each request before it is handled; may block."""
        self.on_request: Callable[[Request], None] = lambda _: None
        """Called with each request before it is answered, under the lock."""
        self.check: Callable[[Request], list[str]] = lambda _: []
        self.violations: list[str] = []
        """Deviations of the requests from the vendor's API description."""
        self.sends_login_reason = True
        """Whether anonymous responses carry `X-Seraph-LoginReason`."""
        self.sends_date = True
        self.former_host = ""
        """A host and port that the site no longer has: its pages redirect to `other_url`."""
        self.refusal: Response | None = None
        """The response to every request of a user, as during an outage, or if an allow-list excludes the network."""
        self.lock = threading.RLock()
        self.jira = FakeJira(self)
        self.confluence = FakeConfluence(self)
        super().__init__(_Handler, port, url)

    @property
    def other_url(self) -> str:
        """Another address of the same site."""
        return self.url.replace("127.0.0.1", "localhost")

    def move(self) -> None:
        """Renames the site: its former address redirects to `other_url`."""
        self.former_host = self.url.removeprefix("http://")

    def user(self, name: str, time_zone: str = "UTC") -> User:
        """Returns the user of this name; adds it if necessary."""
        user = User(f"557058:{name}-0000", f"{name}@example.com", name.capitalize(), time_zone)
        return self.users.setdefault(name, user)

    def token(self, user: User, text: str | None = None, *, scoped: bool = False) -> str:
        """Adds a token of a user."""
        text = text or f"ATATT3x-{user.name}-{len(self.tokens)}-hunter2"
        self.tokens[text] = Token(user, scoped)
        return text

    def fail(self, part: str, answer: Response, *, times: int = 1, skip: int = 0) -> None:
        """Answers the next requests whose path contains `part` with this response."""
        self.faults.append(Fault(part, answer, times, skip))

    def requests_to(self, part: str) -> list[Request]:
        """Returns the requests so far whose path contains `part`."""
        return [one for one in self.requests if part in one.path]

    def answer(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> Response:
        """Returns the response to one request."""
        parts = urlsplit(target)
        self.before_request(parts.path)
        with self.lock:
            path, by_gateway = self._inside(parts.path)
            user, is_bad = self._who(headers.get("authorization", ""), by_gateway=by_gateway)
            parsed = json.loads(body) if body else None
            request = Request(method, path, tuple(parse_qsl(parts.query, True)), parsed, headers, user, by_gateway)
            self.requests.append(request)
            self.on_request(request)
            if request.user is not None and self._who(headers.get("authorization", ""), by_gateway=by_gateway)[1]:
                user, is_bad = None, True  # the token has just expired
                request = Request(method, path, request.query, parsed, headers, None, by_gateway)
            if (fault := self._fault(path)) is not None:
                return fault
            if headers.get("host") == self.former_host and not by_gateway:
                return Response(301, b"", {"Location": self.other_url + target})
            if self.refusal is not None and "authorization" in headers:
                return self.refusal
            if path == "/_edge/tenant_info":
                return Response(200, {"cloudId": self.cloud_id})
            if by_gateway and user is None:
                return Response(401, {"code": 401, "message": "Unauthorized; scope does not match"})
            self.violations += [f"{method} {path}: {problem}" for problem in self.check(request)]
            answer = self.jira.answer(request) or self.confluence.answer(request) or html(404, "Not found")
        if is_bad and self.sends_login_reason and path.startswith("/rest/"):
            return Response(
                answer.status, answer.body, {**answer.headers, "X-Seraph-LoginReason": "AUTHENTICATED_FAILED"}
            )
        return answer

    def _inside(self, path: str) -> tuple[str, bool]:
        for product in ("jira", "confluence"):
            prefix = f"/ex/{product}/{self.cloud_id}"
            if path.startswith(prefix + "/"):
                return path.removeprefix(prefix), True
        return path, False

    def _who(self, header: str, *, by_gateway: bool) -> tuple[User | None, bool]:
        """Returns the user of a request, and whether its credentials are invalid."""
        if not header.startswith("Basic "):
            return None, False
        email, _, text = b64decode(header.removeprefix("Basic ")).decode().partition(":")
        token = self.tokens.get(text)
        if token is None or token.expired or token.user.email != email or token.scoped is not by_gateway:
            return None, True
        return token.user, False

    def _fault(self, path: str) -> Response | None:
        for fault in self.faults:
            if fault.part in path:
                if fault.skip:
                    fault.skip -= 1
                    return None
                fault.times -= 1
                if not fault.times:
                    self.faults.remove(fault)
                return fault.answer
        return None


def stamp(ms: int) -> str:
    """Returns a time in Jira's format, without a colon in the offset."""
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{ms % 1000:03d}+0000"


def iso_stamp(ms: int) -> str:
    """Returns a time in Confluence's format."""
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{ms % 1000:03d}Z"


class _Handler(FakeHandler["FakeSite"]):
    def date(self) -> str | None:
        return formatdate(self.fake.now_ms() / 1000, usegmt=True) if self.fake.sends_date else None

    def respond(self, body: bytes) -> None:
        answer = self.fake.answer(self.command, self.path, self.lower_headers, body)
        payload = answer.body if isinstance(answer.body, bytes) else json.dumps(answer.body).encode()
        headers = {"Content-Type": "application/json;charset=UTF-8", **answer.headers}
        self.send_bytes(answer.status, payload, headers)
