"""The vendors' clouds on tape: what a server answered, and playing that instead of asking it.

One JSON object a line: {"what", "method", "key", "status", "headers", "json", "text" or "base64"}, or "trouble" and
"reason" where no answer came.  `key` is a digest of the request without its secrets, so that neither an address that
is secret nor a token can be read from the file; of the answer, OAuth's tokens are replaced (RFC 6749 §5.1), and to
where a secret address leads (see `addresses.py`).
"""

import os
from base64 import b64decode, b64encode
from collections import deque
from collections.abc import Awaitable, Callable
from hashlib import sha256
from pathlib import Path
from typing import Any, Final
from urllib.parse import urljoin, urlsplit, urlunsplit

from pydantic_core import from_json, to_json

from sidecar import http
from sidecar.http import HttpError, HttpRequest, HttpResponse
from sidecar.transcripts.file.addresses import UNREADABLE, digest_of, stand_in

TOKENS: Final = frozenset({"access_token", "refresh_token", "id_token"})
"""Members of a token answer that are secret."""
CREDENTIALS: Final = frozenset({"client_id", "client_secret", "code", "code_verifier", "refresh_token", "token"})
"""Fields of a form that are secret, or are made anew each time."""
KEPT: Final = frozenset({"content-type", "date", "etag", "retry-after", "last-modified", "x-seraph-loginreason"})
"""Headers of an answer that mean something to a connector; cookies and the like are left out."""
CONDITIONS: Final = ("if-modified-since", "if-none-match")
"""Headers that make a request another one: "not modified" answers nobody who has nothing."""

Ask = Callable[[HttpRequest], Awaitable[HttpResponse]]


class NotOnTape(Exception):
    """The recording has no such request; the message names it without its address."""


class UpstreamRecorder:
    """Asks, and appends what came back."""

    def __init__(self, path: Path) -> None:
        """Raises OSError where the file cannot be written."""
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0), 0o600)

    async def exchange(self, request: HttpRequest, ask: Ask) -> HttpResponse:
        """The real answer; that there was none is recorded, too."""
        facts = {"what": request.what, "method": request.method, "key": digest(request)}
        try:
            answer = await ask(request)
        except HttpError as trouble:
            self._write({**facts, "trouble": type(trouble).__name__, "reason": trouble.reason})
            raise
        self._write({**facts, "status": answer.status, "headers": _headers(request, answer), **_body(answer.body)})
        return answer

    def _write(self, facts: dict[str, Any]) -> None:
        os.write(self._file, to_json(facts) + b"\n")


class UpstreamPlayer:
    """Answers from a recording; nothing leaves the machine.

    The same request gets its answers in their order, and the last one for ever.
    """

    def __init__(self, path: Path) -> None:
        """Raises OSError, and ValueError where it is no recording."""
        self._answers: dict[str, deque[dict[str, Any]]] = {}
        for number, line in enumerate(path.read_bytes().splitlines(), 1):
            try:
                facts = from_json(line)
                self._answers.setdefault(facts["key"], deque()).append(facts)
            except (ValueError, KeyError, TypeError):
                raise ValueError(f"{path}:{number}: no recorded answer") from None

    async def exchange(self, request: HttpRequest, ask: Ask) -> HttpResponse:
        """The recorded answer.  Raises NotOnTape, and the HttpError that was recorded."""
        del ask
        recorded = self._answers.get(digest(request))
        if not recorded:
            raise NotOnTape(f"{request.what}: {request.method} was not recorded like this")
        facts = recorded.popleft() if len(recorded) > 1 else recorded[0]
        if "trouble" in facts:
            error: HttpError = getattr(http, facts["trouble"])(facts["reason"], request.what)
            raise error
        return HttpResponse(facts["status"], facts["headers"], _bytes(facts))


def digest(request: HttpRequest) -> str:
    """What a request is, beside its secrets."""
    form = {name: value for name, value in (request.form or {}).items() if name not in CREDENTIALS}
    params = sorted((name, value) for name, value in request.params if name not in CREDENTIALS)
    headers = {name.lower(): value for name, value in request.headers.items()}
    conditions = [(name, headers[name]) for name in CONDITIONS if name in headers]
    parts = [request.method, digest_of(request.url), params, request.json, sorted(form.items()), conditions]
    return sha256(to_json(parts)).hexdigest()[:32]


def _headers(request: HttpRequest, answer: HttpResponse) -> dict[str, str]:
    headers = {name: value for name, value in answer.headers.items() if name in KEPT}
    if "location" in answer.headers:
        headers["location"] = _location(request, answer.headers["location"])
    return headers


def _location(request: HttpRequest, location: str) -> str:
    """To where an answer leads, whole; without what may be a secret."""
    try:
        target = urljoin(request.url, location)
        parts = urlsplit(target)
    except ValueError:
        return UNREADABLE
    if request.has_secret_address:
        return stand_in(target)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def _body(body: bytes) -> dict[str, Any]:
    try:
        value = from_json(body)
    except ValueError:
        return _no_json(body)
    if type(value) is dict and not TOKENS.isdisjoint(value):
        value = {name: _harmless(name, inner) if name in TOKENS else inner for name, inner in value.items()}
    return {"json": value}


def _no_json(body: bytes) -> dict[str, str]:
    try:
        return {"text": body.decode()}  # so that a person can read a calendar's file
    except UnicodeDecodeError:
        return {"base64": b64encode(body).decode()}


def _harmless(name: str, token: Any) -> str:
    """What stands for a token.  An ID token (RFC 7519) keeps its claims, who signed in, and loses its signature."""
    stand_in = f"recorded-{name}"
    is_signed = name == "id_token" and isinstance(token, str) and token.count(".") == 2
    return f"{token.rpartition('.')[0]}.{stand_in}" if is_signed else stand_in


def _bytes(facts: dict[str, Any]) -> bytes:
    if "text" in facts:
        return str(facts["text"]).encode()
    return b64decode(facts["base64"]) if "base64" in facts else to_json(facts["json"])
