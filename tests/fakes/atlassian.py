"""An Atlassian site on loopback: sign-in, the gateway, rate limits and faults, with Jira and Confluence.

Written from what live sites were seen to answer.  A token that is not good makes its request anonymous, as it does
there: Jira's searches then answer 200 with nothing.  `python -m tests.fakes.jira` serves one by itself.
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
    """Somebody with an account at Atlassian."""

    account_id: str
    email: str
    name: str
    time_zone: str = "UTC"

    def shown(self) -> dict[str, Any]:
        """As others see them."""
        return {"accountId": self.account_id, "accountType": "atlassian", "displayName": self.name, "active": True}


@dataclass
class Token:
    """An API token: without scopes it is good at the site, with scopes at the gateway."""

    user: User
    scoped: bool = False
    expired: bool = False


@dataclass(frozen=True)
class Asked:
    """A request as it came; `user` is None for nobody."""

    method: str
    path: str
    query: tuple[tuple[str, str], ...]
    body: Any
    headers: Mapping[str, str]
    user: User | None
    by_gateway: bool

    def get(self, name: str, otherwise: str = "") -> str:
        """A parameter of the query."""
        return dict(self.query).get(name, otherwise)


@dataclass(frozen=True)
class Answer:
    """What the site says: JSON, or bytes as they are."""

    status: int = 200
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass
class Fault:
    """What the site says instead, to requests whose path has `part` in it, `times` times after `skip` good ones."""

    part: str
    answer: Answer
    times: int = 1
    skip: int = 0


class Product(Protocol):
    """Jira or Confluence."""

    def answer(self, asked: Asked) -> Answer | None:
        """The answer; None: no such path."""


def html(status: int, text: str = "Client must be authenticated to access this resource.") -> Answer:
    """A front door's page."""
    return Answer(status, f"<html><body>{text}</body></html>".encode(), {"Content-Type": "text/html;charset=UTF-8"})


class FakeSite(FakeServer):
    """The server: `with FakeSite() as site: ada = site.user("ada"); token = site.token(ada); site.url`."""

    def __init__(self, now_ms: Callable[[], int] | None = None, port: int = 0) -> None:
        from tests.fakes.confluence import FakeConfluence  # the products know the site
        from tests.fakes.jira import FakeJira

        self.now_ms = now_ms or (lambda: time.time_ns() // 1_000_000)
        self.cloud_id = "11111111-2222-3333-4444-555555555555"
        self.users: dict[str, User] = {}
        self.tokens: dict[str, Token] = {}
        self.faults: list[Fault] = []
        self.requests: list[Asked] = []
        self.before: Callable[[str], None] = lambda _: None
        """Called with a request's path before it is looked at; it may wait, for other requests too."""
        self.on_request: Callable[[Asked], None] = lambda _: None
        """Called with a request before it is answered, while no other is."""
        self.check: Callable[[Asked], list[str]] = lambda _: []
        self.problems: list[str] = []
        """In what way requests departed from the vendor's description."""
        self.says_why = True
        """Whether an anonymous answer names the reason in `X-Seraph-LoginReason`."""
        self.sends_date = True
        self.lock = threading.RLock()
        self.jira = FakeJira(self)
        self.confluence = FakeConfluence(self)
        super().__init__(_Handler, port)

    def user(self, name: str, time_zone: str = "UTC") -> User:
        """A user who is made when first named."""
        made = User(f"557058:{name}-0000", f"{name}@example.com", name.capitalize(), time_zone)
        return self.users.setdefault(name, made)

    def token(self, user: User, text: str | None = None, *, scoped: bool = False) -> str:
        """A token of theirs."""
        text = text or f"ATATT3x-{user.name}-{len(self.tokens)}-hunter2"
        self.tokens[text] = Token(user, scoped)
        return text

    def fail(self, part: str, answer: Answer, *, times: int = 1, skip: int = 0) -> None:
        """Have requests for such a path fail."""
        self.faults.append(Fault(part, answer, times, skip))

    def asked(self, part: str) -> list[Asked]:
        """The requests so far whose path has this in it."""
        return [one for one in self.requests if part in one.path]

    def answer(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """Serve one request."""
        parts = urlsplit(target)
        self.before(parts.path)
        with self.lock:
            path, by_gateway = self._inside(parts.path)
            user, is_bad = self._who(headers.get("authorization", ""), by_gateway=by_gateway)
            parsed = json.loads(body) if body else None
            asked = Asked(method, path, tuple(parse_qsl(parts.query, True)), parsed, headers, user, by_gateway)
            self.requests.append(asked)
            self.on_request(asked)
            if asked.user is not None and self._who(headers.get("authorization", ""), by_gateway=by_gateway)[1]:
                user, is_bad = None, True  # the token has ended in this moment
                asked = Asked(method, path, asked.query, parsed, headers, None, by_gateway)
            if (fault := self._fault(path)) is not None:
                return fault
            if path == "/_edge/tenant_info":
                return Answer(200, {"cloudId": self.cloud_id})
            if by_gateway and user is None:
                return Answer(401, {"code": 401, "message": "Unauthorized; scope does not match"})
            self.problems += [f"{method} {path}: {problem}" for problem in self.check(asked)]
            answer = self.jira.answer(asked) or self.confluence.answer(asked) or html(404, "Not found")
        if is_bad and self.says_why and path.startswith("/rest/"):
            return Answer(
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
        """Whose request it is, and whether it came with something that is not good."""
        if not header.startswith("Basic "):
            return None, False
        email, _, text = b64decode(header.removeprefix("Basic ")).decode().partition(":")
        token = self.tokens.get(text)
        if token is None or token.expired or token.user.email != email or token.scoped is not by_gateway:
            return None, True
        return token.user, False

    def _fault(self, path: str) -> Answer | None:
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
    """A time as Jira writes it: no colon in the offset."""
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{ms % 1000:03d}+0000"


def iso_stamp(ms: int) -> str:
    """A time as Confluence writes it."""
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{ms % 1000:03d}Z"


class _Handler(FakeHandler["FakeSite"]):
    def date(self) -> str | None:
        return formatdate(self.fake.now_ms() / 1000, usegmt=True) if self.fake.sends_date else None

    def respond(self, body: bytes) -> None:
        answer = self.fake.answer(self.command, self.path, self.lower_headers, body)
        payload = answer.body if isinstance(answer.body, bytes) else json.dumps(answer.body).encode()
        headers = {"Content-Type": "application/json;charset=UTF-8", **answer.headers}
        self.send_bytes(answer.status, payload, headers)
