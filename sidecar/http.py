"""Requests to the vendors' servers: what is asked, what comes back, and when a request is retried.

Transient failures are retried here, within limits; what any other status means is the connector's decision.  No part of
a URL, a header or a body is ever logged or put into an error: they hold tokens and secret addresses.
`httpx_client` sends the requests.
"""

import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Final, Protocol

import anyio
from pydantic_core import from_json
from sidecar_protocol.entities import WaitingFor

from sidecar.clock import Clock
from sidecar.job_handler import JobFailed, JobSnoozed

if TYPE_CHECKING:
    from sidecar.httpx_client import HttpxClient

log = logging.getLogger(__name__)

TRIES: Final = 4
BACKOFF_S: Final = 2.0
"""Doubled with each try, give or take 30 %: Atlassian's recommendation, and Google's is no other."""
BACKOFF_CAP_S: Final = 30.0
PATIENCE_S: Final = 60.0
"""A wait that a server asks for is sat out up to this; a longer one is a job's to sleep over."""
MAX_BODY_BYTES: Final = 64 * 1024 * 1024
"""Above the largest page that a vendor sends (2,500 events of Google's with long descriptions: 20 MB)."""
PASSING: Final = frozenset({429, 500, 502, 503, 504})
"""Statuses that may pass by themselves."""
OFFLINE_S: Final = 60.0
"""A job that found no network tries again after this."""


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked of a server.

    `what` names it for people and for the log: "Google Calendar's events".  `repeatable`: asking twice does no harm.
    """

    method: str
    url: str
    what: str
    params: Sequence[tuple[str, str]] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    json: Any = None
    form: Mapping[str, str] | None = None
    auth: tuple[str, str] | None = None
    """User and password of HTTP's Basic scheme."""
    repeatable: bool = True
    has_secret_address: bool = False
    """Whoever knows the URL is let in: so it is with where a redirect leads."""


@dataclass(frozen=True, slots=True)
class Response:
    """What a server answered: the status, the headers in lower case, and the whole body."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """The body as JSON; raises `BadAnswer` where it is none, such as a front door's HTML."""
        try:
            return from_json(self.body)
        except ValueError:
            kind = self.headers.get("content-type", "an unnamed type").partition(";")[0]
            raise BadAnswer(f"answered {self.status} with {kind[:80]} where JSON was expected") from None

    @property
    def server_ms(self) -> int | None:
        """The server's own time by its `Date` header, in milliseconds since 1970."""
        moment = _http_date(self.headers.get("date", ""))
        return None if moment is None else round(moment.timestamp() * 1000)


class HttpTrouble(Exception):
    """There was no answer that one could work with.  `what` is the request's, `reason` words for a person."""

    def __init__(self, reason: str, what: str = "The server") -> None:
        super().__init__(f"{what} {reason}")
        self.reason = reason


class Unreachable(HttpTrouble):
    """The server could not be reached: offline, or it did not answer in time."""


class Untrusted(HttpTrouble):
    """The server's certificate is not trusted by this computer."""


class BadAnswer(HttpTrouble):
    """The server answered something that is none of its protocol: HTML, a cut body, too much."""


class BadAddress(HttpTrouble):
    """What was to be asked is no address."""


class TooMany(HttpTrouble):
    """The server wants to be left alone for longer than a request may wait.  `retry_after_s` in seconds."""

    def __init__(self, what: str, retry_after_s: float) -> None:
        super().__init__(f"asks for a pause of {retry_after_s:.0f} s", what)
        self.retry_after_s = retry_after_s


def as_job_outcome(trouble: HttpTrouble) -> JobSnoozed | JobFailed:
    """What a job raises for this: it waits for the network or the rate limit, or it has failed."""
    match trouble:
        case Unreachable():
            return JobSnoozed(f"{trouble}.", delay_s=OFFLINE_S, waiting_for=WaitingFor.NETWORK)
        case TooMany():
            return JobSnoozed(f"{trouble}.", delay_s=trouble.retry_after_s, waiting_for=WaitingFor.RATE_LIMIT)
        case Untrusted():
            hint = "A proxy or a virus scanner may stand between; its certificate belongs into the system's store."
            return JobFailed(f"{trouble}.", kind="tls_untrusted", hint=hint)
        case BadAddress():
            return JobFailed(f"{trouble}.", kind="bad_address")
        case _:
            return JobFailed(f"{trouble}.", kind="bad_response", retryable=True)


class Upstream(Protocol):
    """Something that stands between the client and the network."""

    async def exchange(self, request: Request, ask: Callable[[Request], Awaitable[Response]]) -> Response:
        """The answer, by `ask` or from elsewhere.  Raises `HttpTrouble`, as `ask` does."""


class Http:
    """The process's one HTTP client.  Proxies are taken from the environment.

    `upstream` stands between each attempt and the network: it records the responses, or replaces the network.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        random_fraction: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]] = anyio.sleep,
        upstream: Upstream | None = None,
    ) -> None:
        self._clock = clock
        self._random_fraction = random_fraction
        self._sleep = sleep
        self._upstream = upstream
        self._client: HttpxClient | None = None

    async def close(self) -> None:
        """Close the connections."""
        if self._client is not None:
            await self._client.close()

    async def send(self, request: Request, *, may_pass: Callable[[Response], bool] | None = None) -> Response:
        """The server's answer, whatever its status.

        What may pass is tried again, `may_pass` saying so of statuses beyond PASSING.  Raises `HttpTrouble`; the last
        answer is returned where the tries are used up, but for a pause that is too long, which raises `TooMany`.
        """
        for tries_left in range(TRIES - 1 if request.repeatable else 0, -1, -1):
            wait_s = min(BACKOFF_S * 2 ** (TRIES - 1 - tries_left), BACKOFF_CAP_S) * (
                0.7 + 0.6 * self._random_fraction()
            )
            try:
                if self._upstream is None:
                    response = await self._try(request)
                else:
                    response = await self._upstream.exchange(request, self._try)
            except (Unreachable, BadAnswer) as trouble:
                if not tries_left:
                    raise
                log.info("%s; another try in %.1f s", trouble, wait_s)
            else:
                if response.status not in PASSING and not (may_pass is not None and may_pass(response)):
                    return response
                asked_s = self._retry_after_s(response)
                if asked_s is not None and asked_s > PATIENCE_S:
                    raise TooMany(request.what, asked_s)
                if not tries_left:
                    return response
                wait_s = wait_s if asked_s is None else max(asked_s, 0.0)
                log.info("%s answered %d; another try in %.1f s", request.what, response.status, wait_s)
            await self._sleep(wait_s)
        raise AssertionError("the last try returns or raises")

    async def _try(self, request: Request) -> Response:
        if self._client is None:
            # httpx takes 80 ms to import, and a life without accounts sends no request.
            from sidecar.httpx_client import HttpxClient  # noqa: PLC0415

            self._client = HttpxClient(MAX_BODY_BYTES)
        return await self._client.exchange(request)

    def _retry_after_s(self, response: Response) -> float | None:
        """What `Retry-After` asks for, in seconds or as a date (RFC 9110 §10.2.3); None: nothing."""
        text = response.headers.get("retry-after", "").strip()
        if text.isdecimal():
            return min(float(text), 7 * 24 * 3600.0)
        moment = _http_date(text)
        return None if moment is None else moment.timestamp() - self._clock.now_ms() / 1000


def _http_date(text: str) -> datetime | None:
    try:
        return parsedate_to_datetime(text)
    except ValueError:
        return None
