"""The network between the process and the clouds: latency, and what it and the clouds' front doors permit."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from email.utils import formatdate
from random import Random
from typing import Any, Final

import httpx

from sidecar.http.transport import HttpxTransport

Answer = tuple[int, bytes, Mapping[str, str]]
"""Status, body and headers."""
LOGIN: Final = "https://portal.example/login?next=https%3A%2F%2Fexample"
PAGE: Final = b"<html><body>Please sign in to this network.</body></html>"

FAULTS: Final = {
    "refused": "RFC 9293: no connection",
    "silent": "a firewall that drops packets: httpx waits for its time limit",
    "429": "RFC 6585, 4: too many requests, with Retry-After of RFC 9110, 10.2.3, in seconds",
    "429_date": "the same, as a date of the server's clock",
    "429_hour": "Atlassian's and Google's quotas: Retry-After of an hour",
    "500": "RFC 9110, 15.6.1",
    "502": "RFC 9110, 15.6.3",
    "503": "RFC 9110, 15.6.4, with Retry-After",
    "portal": "RFC 8952: a captive portal answers everything with its own page",
    "redirect": "a proxy that redirects to its sign-in page",
    "cut": "RFC 9112, 8: the connection ends within the body",
    "garbage": "a proxy that sends something that is not JSON as JSON",
    "401": "a sign-in service with an outage: tokens are refused for a while",
    "403": "an allow-list of networks that the computer has left",
}
"""The faults and where they are permitted."""


@dataclass
class Cloud:
    """A cloud: `answer(request)` is its stand-in; `fault` is what happens instead, with this chance."""

    name: str
    answer: Callable[[httpx.Request], Answer]
    fault: str | None = None
    chance: float = 1.0
    requests: int = 0
    refusals: set[str] = field(default_factory=set)
    """The faults that could make an account ask its user for help."""
    refused_ms: list[int] = field(default_factory=list)
    """When requests were refused since its account was last known to be active."""


class Network(httpx.AsyncBaseTransport):
    """All connections."""

    def __init__(self, find: Callable[[httpx.URL], Cloud], true_ms: Callable[[], int], seed: int) -> None:
        self._find = find
        self._true_ms = true_ms
        self._random = Random(f"{seed} network")

    def connect(self, max_body_bytes: int) -> HttpxTransport:
        """Returns the transport of one process."""
        return HttpxTransport(max_body_bytes, self)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        cloud = self._find(request.url)
        cloud.requests += 1
        await asyncio.sleep(self._random.choice((0.01, 0.05, 0.2, 1.5)))
        fault = cloud.fault if self._random.random() < cloud.chance else None
        if fault == "refused":
            raise httpx.ConnectError("refused", request=request)
        if fault == "silent":
            await asyncio.sleep(30)
            raise httpx.ReadTimeout("silent", request=request)
        if fault is not None and (response := self._instead(fault)) is not None:
            self._note_refusal(cloud, response.status_code)
            return response
        status, body, headers = cloud.answer(request)
        self._note_refusal(cloud, status)
        named = {"date": formatdate(self._true_ms() / 1000, usegmt=True), **headers}
        if fault == "cut" and body:
            # The server has done what was asked for.
            return httpx.Response(status, headers=named, stream=_Cut(body[: len(body) // 2]))
        return httpx.Response(status, headers=named, content=body)

    def _note_refusal(self, cloud: Cloud, status: int) -> None:
        if status in (302, 401):
            cloud.refused_ms.append(self._true_ms())

    def _instead(self, fault: str) -> httpx.Response | None:
        date = formatdate(self._true_ms() / 1000 + 40, usegmt=True)
        headers = {"429": {"retry-after": "20"}, "429_date": {"retry-after": date}, "429_hour": {"retry-after": "3600"}}
        if fault == "portal":
            return httpx.Response(200, headers={"content-type": "text/html"}, content=PAGE)
        if fault == "redirect":
            return httpx.Response(302, headers={"location": LOGIN})
        if fault == "garbage":
            return httpx.Response(200, headers={"content-type": "application/json"}, content=b'{"items": [')
        if fault[0] in "45":
            named = {"content-type": "application/json", **headers.get(fault, {})}
            return httpx.Response(int(fault[:3]), headers=named, content=json.dumps({"message": "Nein."}).encode())
        return None


class _Cut(httpx.AsyncByteStream):
    def __init__(self, data: bytes) -> None:
        self._data = data

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield self._data
        raise httpx.RemoteProtocolError("peer closed connection without sending complete message body")


def target_of(request: httpx.Request) -> str:
    """Returns path and query."""
    return request.url.raw_path.decode()


def headers_of(request: httpx.Request) -> dict[str, str]:
    """Returns the headers with names in lower case."""
    return {name.lower(): value for name, value in request.headers.items()}


__all__: list[Any] = ["FAULTS", "Answer", "Cloud", "Network", "headers_of", "target_of"]
