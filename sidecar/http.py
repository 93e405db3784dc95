"""Requests to the vendors' clouds: the only module that knows httpx.

What may pass is tried again here, within limits; what a status means beyond that is the connector's to say.  Nothing
of a URL, a header or a body is ever logged or put into an error: they hold tokens, and addresses that are secret.
httpx takes 110 ms to import, so import this module late.
"""

import logging
import ssl
import sys
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final, Protocol

import anyio
import truststore
from pydantic_core import from_json
from sidecar_protocol.entities import WaitingFor

from sidecar.clock import Clock
from sidecar.job_handler import JobFailed, JobSnoozed

# httpx brings its own command line, with rich and pygments, wherever those can be imported: 4.6 MiB for nothing.  It
# expects that they may be missing; None says so.
sys.modules.setdefault("httpx._main", None)  # type: ignore[arg-type]
import httpx  # noqa: E402

log = logging.getLogger(__name__)

TRIES: Final = 4
BACKOFF_S: Final = 2.0
"""Doubled with each try, give or take 30 %: Atlassian's recommendation, and Google's is no other."""
BACKOFF_CAP_S: Final = 30.0
PATIENCE_S: Final = 60.0
"""A wait that a server asks for is sat out up to this; a longer one is a job's to sleep over."""
TRY_S: Final = 120.0
"""All of one try; without it a body that drips would hold a worker for good."""
TIMEOUT: Final = httpx.Timeout(30.0, connect=10.0)
MAX_BODY_BYTES: Final = 64 * 1024 * 1024
"""Above the largest page that a vendor sends (2,500 events of Google's with long descriptions: 20 MB)."""
PER_ORIGIN: Final = 4
"""Requests to one site at a time: about twenty in parallel bring Atlassian's 429."""
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
    """The process's one client.  `transport` replaces the network; proxies are taken from the environment.

    `upstream` stands between each try and the network: it records what came, or answers in its place.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        chance: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]] = anyio.sleep,
        transport: httpx.AsyncBaseTransport | None = None,
        upstream: Upstream | None = None,
    ) -> None:
        for name in ("httpx", "httpcore"):  # they log addresses at INFO and headers at DEBUG
            logging.getLogger(name).setLevel(logging.WARNING)
        self._clock = clock
        self._chance = chance
        self._sleep = sleep
        self._upstream = upstream
        self._client = httpx.AsyncClient(
            # The system's store, so that a company's own authority counts.
            verify=truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT),
            timeout=TIMEOUT,
            follow_redirects=False,  # a redirect leads to a sign-in page, and would take the token along
            headers={"user-agent": "sidecar"},
            transport=transport,
        )
        self._gates: defaultdict[str, anyio.CapacityLimiter] = defaultdict(lambda: anyio.CapacityLimiter(PER_ORIGIN))

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def send(self, request: Request, *, may_pass: Callable[[Response], bool] | None = None) -> Response:
        """The server's answer, whatever its status.

        What may pass is tried again, `may_pass` saying so of statuses beyond PASSING.  Raises `HttpTrouble`; the last
        answer is returned where the tries are used up, but for a pause that is too long, which raises `TooMany`.
        """
        for tries_left in range(TRIES - 1 if request.repeatable else 0, -1, -1):
            wait_s = min(BACKOFF_S * 2 ** (TRIES - 1 - tries_left), BACKOFF_CAP_S) * (0.7 + 0.6 * self._chance())
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
        # The scheme, host and port; parsed by httpx, so that it is what the connection goes to.
        try:
            origin = httpx.URL(request.url)
        except httpx.InvalidURL:  # its message quotes from what may be secret
            raise BadAddress("is no web address", request.what) from None
        async with self._gates[f"{origin.scheme}://{origin.netloc.decode()}"]:
            try:
                with anyio.fail_after(TRY_S):
                    return await self._exchange(request)
            except TimeoutError:
                raise Unreachable("took too long to answer", request.what) from None
            except httpx.TimeoutException:
                raise Unreachable("did not answer in time", request.what) from None
            except httpx.DecodingError:
                raise BadAnswer("sent a damaged body", request.what) from None
            except httpx.RemoteProtocolError:
                raise BadAnswer("broke off its answer", request.what) from None
            except httpx.TransportError as error:
                if _is_certificate_error(error):
                    raise Untrusted("has a certificate that this computer does not trust", request.what) from None
                raise Unreachable("cannot be reached", request.what) from None

    async def _exchange(self, request: Request) -> Response:
        async with self._client.stream(
            request.method,
            request.url,
            params=list(request.params) or None,
            headers=dict(request.headers),
            json=request.json,
            data=request.form,
            auth=request.auth,
        ) as response:
            body = bytearray()
            async for chunk in response.aiter_bytes():
                body += chunk
                if len(body) > MAX_BODY_BYTES:
                    raise BadAnswer(f"answered with more than {MAX_BODY_BYTES // 2**20} MiB", request.what)
            log.debug("%s: %d, %d bytes", request.what, response.status_code, len(body))
            return Response(response.status_code, {k.lower(): v for k, v in response.headers.items()}, bytes(body))

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


def _is_certificate_error(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError):
            return True
        error = error.__cause__ or error.__context__
    return False
