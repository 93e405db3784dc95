"""Requests to the vendors' clouds: requests, responses, errors, and retries.  `transport` sends them.

Transient failures are retried here, within limits; the meaning of any other status is up to the connector.  URLs,
headers and bodies are never logged or put into an error, since they may hold tokens or be secret addresses.
"""

import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from email.utils import parsedate_to_datetime
from importlib import import_module
from typing import Any, Final, Protocol

import anyio
from anyio.to_thread import run_sync
from sidecar_protocol.entities import WaitingFor

from sidecar.clock import DAY_S, Clock
from sidecar.job_handler import JobFailed, JobSnoozed
from sidecar.json_reader import parse_json

log = logging.getLogger(__name__)

MAX_TRIES: Final = 4
BACKOFF_S: Final = 2.0
"""Delay before the first retry, doubled for each further one, with 30 % jitter (Atlassian's and Google's advice)."""
MAX_BACKOFF_S: Final = 30.0
MAX_RETRY_AFTER_S: Final = 60.0
"""Longest `Retry-After` that is waited for here; a job is snoozed for a longer one."""
MAX_DEMAND_S: Final = 7.0 * DAY_S
"""Longest `Retry-After` that is believed."""
MAX_BODY_BYTES: Final = 64 * 1024 * 1024
"""Above the largest page that a vendor sends: 20 MB for 2,500 Google events with long descriptions."""
TRANSIENT_STATUSES: Final = frozenset({429, 500, 502, 503, 504})
OFFLINE_RETRY_S: Final = 60.0
"""Delay before a job that found no network is retried."""


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """A request.

    `what` names what is requested, for error messages and the log: "Google Calendar's events".  `repeatable` says
    whether sending it twice does no harm.
    """

    method: str
    url: str
    what: str
    params: Sequence[tuple[str, str]] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    json: Any = None
    form: Mapping[str, str] | None = None
    auth: tuple[str, str] | None = None
    """User name and password for HTTP Basic authentication."""
    repeatable: bool = True
    has_secret_address: bool = False
    """Whether knowing the URL grants access; then the target of a redirect is a secret, too."""
    internet_only: bool = False
    """Whether the host must be one of the internet: a server there chose it, not the user."""


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """A response: status, headers with lower-case names, complete body."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    is_from_internet: bool = False
    """Whether it is known that the server is one of the internet; it is not if a proxy was used."""

    def json(self, what: str) -> Any:
        """Returns the parsed body of what was requested.  Raises `BadResponse` if it is not JSON, as a proxy's page."""
        try:
            return parse_json(self.body)
        except ValueError:
            kind = self.headers.get("content-type", "an unnamed type").partition(";")[0]
            raise BadResponse(f"expected JSON, received {kind[:80]} (HTTP {self.status})", what) from None

    @property
    def server_ms(self) -> int | None:
        """The server's time by its `Date` header, in milliseconds since 1970, or None."""
        moment = _http_date(self.headers.get("date", ""))
        return None if moment is None else round(moment.timestamp() * 1000)


class HttpError(Exception):
    """A request without a usable response.

    `what` names what was requested ("Google Calendar's events"), `reason` says what happened; both are for people.
    """

    def __init__(self, reason: str, what: str = "The server") -> None:
        super().__init__(f"{what}: {reason}")
        self.reason = reason


class ServerUnreachable(HttpError):
    """There is no connection to the server, or it did not respond in time."""


class CertificateUntrusted(HttpError):
    """The server's certificate is not trusted by this computer."""


class BadResponse(HttpError):
    """The response breaks the server's protocol: HTML instead of JSON, a truncated or oversized body."""


class NotRecorded(HttpError):
    """The recording that replaces the servers (`--upstream`) does not have this request."""


class InvalidUrl(HttpError):
    """The URL is malformed, or its host has an address that it may not have."""


class RateLimited(HttpError):
    """The server demands a longer pause than a request may wait: `retry_after_s`, in seconds."""

    def __init__(self, what: str, retry_after_s: float) -> None:
        super().__init__(f"rate limited; retry in {retry_after_s:.0f} s", what)
        self.retry_after_s = retry_after_s


def job_exception(error: HttpError) -> JobSnoozed | JobFailed:
    """Returns what a job raises for this: a snooze until the network or the rate limit allows it, or a failure."""
    message = f"{error}."
    match error:
        case ServerUnreachable():
            return JobSnoozed(message, delay_s=OFFLINE_RETRY_S, waiting_for=WaitingFor.NETWORK)
        case RateLimited():
            return JobSnoozed(message, delay_s=error.retry_after_s, waiting_for=WaitingFor.RATE_LIMIT)
        case CertificateUntrusted():
            hint = "If a proxy or a virus scanner inspects connections, add its certificate to the system's store."
            return JobFailed(message, kind="tls_untrusted", hint=hint)
        case InvalidUrl():
            return JobFailed(message, kind="bad_address")
        case NotRecorded():
            return JobFailed(message, kind="not_recorded", hint="Record it with --upstream-record FILE.")
        case _:
            return JobFailed(message, kind="bad_response", retryable=True)


class Upstream(Protocol):
    """A layer between the client and the network."""

    async def exchange(
        self, request: HttpRequest, send: Callable[[HttpRequest], Awaitable[HttpResponse]]
    ) -> HttpResponse:
        """Returns the response, from `send` or from elsewhere.  Raises `HttpError`, as `send` does."""


class Transport(Protocol):
    """Sends single requests."""

    async def exchange(self, request: HttpRequest) -> HttpResponse:
        """Returns the server's response, whatever its status.  Raises `HttpError`."""

    async def close(self) -> None: ...


def _connect(max_body_bytes: int) -> Transport:
    # Importing httpx takes 80 ms, which a process without accounts need not spend.
    from sidecar.http.transport import HttpxTransport  # noqa: PLC0415

    return HttpxTransport(max_body_bytes)


class Http:
    """The HTTP client of the process.  Proxies are taken from the environment.

    `random_fraction` gives the jitter; `upstream` records responses, or replays recorded ones.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        random_fraction: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]] = anyio.sleep,
        upstream: Upstream | None = None,
        connect: Callable[[int], Transport] | None = None,
    ) -> None:
        """`connect` replaces httpx: it receives the maximum size of a body, in bytes."""
        self._clock = clock
        self._random_fraction = random_fraction
        self._sleep = sleep
        self._upstream = upstream
        self._connect = connect
        self._client: Transport | None = None

    async def close(self) -> None:
        if self._client is not None:
            await self._client.close()

    async def send(
        self, request: HttpRequest, *, is_transient: Callable[[HttpResponse], bool] = lambda _: False
    ) -> HttpResponse:
        """Sends a request, retries transient failures, and returns the last response, whatever its status.

        `is_transient` marks responses to retry beyond `TRANSIENT_STATUSES`.  Raises `HttpError`, in particular
        `RateLimited` for a `Retry-After` above `MAX_RETRY_AFTER_S`.
        """
        for tries_left in range(MAX_TRIES - 1 if request.repeatable else 0, -1, -1):
            backoff_s = min(BACKOFF_S * 2 ** (MAX_TRIES - 1 - tries_left), MAX_BACKOFF_S)
            wait_s = backoff_s * (0.7 + 0.6 * self._random_fraction())
            try:
                send = self._try(request) if self._upstream is None else self._upstream.exchange(request, self._try)
                response = await send
            except (ServerUnreachable, BadResponse) as error:
                if not tries_left:
                    raise
                log.info("%s; retrying in %.1f s", error, wait_s)
            else:
                if response.status not in TRANSIENT_STATUSES and not is_transient(response):
                    return response
                retry_after_s = self._retry_after_s(response)
                if retry_after_s is not None and retry_after_s > MAX_RETRY_AFTER_S:
                    raise RateLimited(request.what, retry_after_s)
                if not tries_left:
                    return response
                wait_s = wait_s if retry_after_s is None else max(retry_after_s, 0.0)
                log.info("%s: HTTP %d; retrying in %.1f s", request.what, response.status, wait_s)
            await self._sleep(wait_s)
        raise AssertionError("the last try returns or raises")

    async def _try(self, request: HttpRequest) -> HttpResponse:
        if self._client is None and self._connect is None:
            await run_sync(import_module, "sidecar.http.transport")  # a thread: requests are served meanwhile
        if self._client is None:
            self._client = (self._connect or _connect)(MAX_BODY_BYTES)
        return await self._client.exchange(request)

    def _retry_after_s(self, response: HttpResponse) -> float | None:
        """Returns the `Retry-After` header in seconds, given as seconds or as a date (RFC 9110, 10.2.3), or None."""
        text = response.headers.get("retry-after", "").strip()
        if text.isdecimal():
            return min(float(text), MAX_DEMAND_S)
        moment = _http_date(text)
        if moment is None:
            return None
        now_ms = response.server_ms or self._clock.now_ms()  # the date is one of the server's clock
        return min(moment.timestamp() - now_ms / 1000, MAX_DEMAND_S)


def _http_date(text: str) -> datetime | None:
    try:
        return parsedate_to_datetime(text)
    except ValueError:
        return None
