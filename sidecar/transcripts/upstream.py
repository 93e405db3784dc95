"""Recording the responses of the vendors' servers, and playing them back instead of sending requests.

One JSON object per line: {"what", "method", "key", "status", "headers", "json", "text" or "base64"}, or "error" and
"reason" if the request failed.  `key` is a digest of the request without its secrets, so neither a secret address nor
a token can be read from the file.  In responses, OAuth tokens (RFC 6749 §5.1) and the targets of redirects from secret
addresses (see `addresses.py`) are replaced.
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

from sidecar.http import client as http
from sidecar.http.client import HttpError, HttpRequest, HttpResponse, NotRecorded
from sidecar.transcripts.file.addresses import INVALID_URL, address_digest, placeholder_url

TOKENS: Final = frozenset({"access_token", "refresh_token", "id_token"})
"""Secret members of an OAuth token response."""
CREDENTIALS: Final = frozenset({"client_id", "client_secret", "code", "code_verifier", "refresh_token", "token"})
"""Form fields and params that are secret or differ each time."""
KEPT: Final = frozenset({"content-type", "date", "etag", "retry-after", "last-modified", "x-seraph-loginreason"})
"""Response headers that connectors read; others, such as cookies, are not recorded."""
CONDITIONS: Final = ("if-modified-since", "if-none-match")
"""Request headers that are part of the key: 304 must not answer a request without a condition."""

Send = Callable[[HttpRequest], Awaitable[HttpResponse]]


class UpstreamRecorder:
    """Sends requests and appends their responses to a file."""

    def __init__(self, path: Path) -> None:
        """Raises OSError if the file cannot be written."""
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0), 0o600)

    async def exchange(self, request: HttpRequest, send: Send) -> HttpResponse:
        """Returns the real response; raises and records the HttpError if there is none."""
        facts = {"what": request.what, "method": request.method, "key": digest(request)}
        try:
            response = await send(request)
        except HttpError as error:
            self._write({**facts, "error": type(error).__name__, "reason": error.reason})
            raise
        self._write(
            {**facts, "status": response.status, "headers": _headers(request, response), **_body(response.body)}
        )
        return response

    def _write(self, facts: dict[str, Any]) -> None:
        os.write(self._file, to_json(facts) + b"\n")


class UpstreamPlayer:
    """Answers from a recording; no request leaves the machine.

    Repeated requests get the recorded responses in order; the last one is repeated.
    """

    def __init__(self, path: Path) -> None:
        """Raises OSError, or ValueError if the file is not a recording."""
        self._responses: dict[str, deque[dict[str, Any]]] = {}
        for number, line in enumerate(path.read_bytes().splitlines(), 1):
            try:
                facts = from_json(line)
                self._responses.setdefault(facts["key"], deque()).append(facts)
            except (ValueError, KeyError, TypeError):
                raise ValueError(f"{path}:{number}: not a recorded response") from None

    async def exchange(self, request: HttpRequest, send: Send) -> HttpResponse:
        """Returns the recorded response.  Raises NotRecorded, or the recorded HttpError."""
        del send
        recorded = self._responses.get(digest(request))
        if not recorded:
            raise NotRecorded(f"this {request.method} request was not recorded", request.what)
        facts = recorded.popleft() if len(recorded) > 1 else recorded[0]
        if "error" in facts:
            error: HttpError = getattr(http, facts["error"])(facts["reason"], request.what)
            raise error
        return HttpResponse(facts["status"], facts["headers"], _bytes(facts))


def digest(request: HttpRequest) -> str:
    """Returns the key of a request: a digest of everything except its secrets."""
    form = {name: value for name, value in (request.form or {}).items() if name not in CREDENTIALS}
    params = sorted((name, value) for name, value in request.params if name not in CREDENTIALS)
    headers = {name.lower(): value for name, value in request.headers.items()}
    conditions = [(name, headers[name]) for name in CONDITIONS if name in headers]
    parts = [request.method, address_digest(request.url), params, request.json, sorted(form.items()), conditions]
    return sha256(to_json(parts)).hexdigest()[:32]


def _headers(request: HttpRequest, response: HttpResponse) -> dict[str, str]:
    headers = {name: value for name, value in response.headers.items() if name in KEPT}
    if "location" in response.headers:
        headers["location"] = _location(request, response.headers["location"])
    return headers


def _location(request: HttpRequest, location: str) -> str:
    """Returns the absolute target of a redirect, without the parts that may be secret."""
    try:
        target = urljoin(request.url, location)
        parts = urlsplit(target)
    except ValueError:
        return INVALID_URL
    if request.has_secret_address:
        return placeholder_url(target)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def _body(body: bytes) -> dict[str, Any]:
    try:
        value = from_json(body)
    except ValueError:
        try:
            return {"text": body.decode()}  # so that a person can read a calendar's file
        except UnicodeDecodeError:
            return {"base64": b64encode(body).decode()}
    if type(value) is dict:
        value = {name: _token_placeholder(name, inner) if name in TOKENS else inner for name, inner in value.items()}
    return {"json": value}


def _token_placeholder(name: str, token: Any) -> str:
    """Replaces a token.  An ID token (RFC 7519) keeps its claims, which name the user, and loses its signature."""
    placeholder = f"recorded-{name}"
    is_signed = name == "id_token" and isinstance(token, str) and token.count(".") == 2
    return f"{token.rpartition('.')[0]}.{placeholder}" if is_signed else placeholder


def _bytes(facts: dict[str, Any]) -> bytes:
    if "text" in facts:
        return str(facts["text"]).encode()
    return b64decode(facts["base64"]) if "base64" in facts else to_json(facts["json"])
