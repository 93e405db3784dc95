"""Requests to the vendors' clouds: the only module that imports httpx.

Transient failures are retried here, within limits; the meaning of any other status is up to the connector.  URLs,
headers and bodies are never logged or put into an error, since they may hold tokens or be secret addresses.
Importing httpx takes 60 ms, so import this module late.
"""

import logging
import ssl
import sys
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Final, Protocol

import anyio
import truststore

from sidecar.clock import Clock
from sidecar.http_types import (
    BadResponse,
    CertificateUntrusted,
    HttpRequest,
    HttpResponse,
    InvalidUrl,
    RateLimited,
    ServerUnreachable,
    http_date,
)


@contextmanager
def _without_httpx_cli() -> Iterator[None]:
    """Hides pygments while httpx is imported.

    httpx imports its command line, an optional extra, if all of that extra's packages are installed, which costs 40 ms
    and 4.6 MiB.  One missing package is enough for httpx to leave it out.
    """
    if "pygments" in sys.modules:
        yield
        return
    sys.modules["pygments"] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules["pygments"]


with _without_httpx_cli():
    import httpx

log = logging.getLogger(__name__)

MAX_TRIES: Final = 4
BACKOFF_S: Final = 2.0
"""Delay before the first retry, doubled for each further one, with 30 % jitter (Atlassian's and Google's advice)."""
MAX_BACKOFF_S: Final = 30.0
MAX_RETRY_AFTER_S: Final = 60.0
"""Longest `Retry-After` that is waited for here; a job is snoozed for a longer one."""
MAX_TRY_S: Final = 120.0
"""Time limit of one try, against a body that arrives byte by byte."""
TIMEOUT: Final = httpx.Timeout(30.0, connect=10.0)
MAX_BODY_BYTES: Final = 64 * 1024 * 1024
"""Above the largest page that a vendor sends: 20 MB for 2,500 Google events with long descriptions."""
MAX_REQUESTS_PER_ORIGIN: Final = 4
"""Concurrent requests to one origin; Atlassian responds with 429 to about twenty."""
TRANSIENT_STATUSES: Final = frozenset({429, 500, 502, 503, 504})


class Upstream(Protocol):
    """A layer between the client and the network."""

    async def exchange(
        self, request: HttpRequest, send: Callable[[HttpRequest], Awaitable[HttpResponse]]
    ) -> HttpResponse:
        """Returns the response, from `send` or from elsewhere.  Raises `HttpError`, as `send` does."""


class Http:
    """The HTTP client of the process.  Proxies are taken from the environment.

    `random_fraction` gives the jitter, `upstream` records responses or replays recorded ones, and `transport` replaces
    the network in tests.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        random_fraction: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]] = anyio.sleep,
        transport: httpx.AsyncBaseTransport | None = None,
        upstream: Upstream | None = None,
    ) -> None:
        for name in ("httpx", "httpcore"):  # they log addresses at INFO and headers at DEBUG
            logging.getLogger(name).setLevel(logging.WARNING)
        self._clock = clock
        self._random_fraction = random_fraction
        self._sleep = sleep
        self._upstream = upstream
        self._client = httpx.AsyncClient(
            # The system's certificate store, which knows a company's own certificate authority.
            verify=truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT),
            timeout=TIMEOUT,
            follow_redirects=False,  # a redirect leads to a sign-in page, and would send the token there
            headers={"user-agent": "sidecar"},
            transport=transport,
        )
        self._limiters: defaultdict[str, anyio.CapacityLimiter] = defaultdict(
            lambda: anyio.CapacityLimiter(MAX_REQUESTS_PER_ORIGIN)
        )

    async def close(self) -> None:
        await self._client.aclose()

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
                if self._upstream is None:
                    response = await self._try(request)
                else:
                    response = await self._upstream.exchange(request, self._try)
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
        # Parsed by httpx, so that the origin is the one that the connection goes to.
        try:
            url = httpx.URL(request.url)
        except httpx.InvalidURL:  # its message quotes the URL, which may be secret
            raise InvalidUrl("not a valid URL", request.what) from None
        async with self._limiters[f"{url.scheme}://{url.netloc.decode()}"]:
            try:
                with anyio.fail_after(MAX_TRY_S):
                    return await self._exchange(request)
            except TimeoutError:
                raise ServerUnreachable("the response took too long", request.what) from None
            except httpx.TimeoutException:
                raise ServerUnreachable("the server did not respond in time", request.what) from None
            except httpx.DecodingError:
                raise BadResponse("the body of the response is damaged", request.what) from None
            except httpx.RemoteProtocolError:
                raise BadResponse("the response is incomplete", request.what) from None
            except httpx.TransportError as error:
                if _is_certificate_error(error):
                    raise CertificateUntrusted("the server's certificate is not trusted", request.what) from None
                raise ServerUnreachable("the server could not be reached", request.what) from None

    async def _exchange(self, request: HttpRequest) -> HttpResponse:
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
                    raise BadResponse(f"the response is larger than {MAX_BODY_BYTES // 2**20} MiB", request.what)
            log.debug("%s: HTTP %d, %d bytes", request.what, response.status_code, len(body))
            return HttpResponse(response.status_code, {k.lower(): v for k, v in response.headers.items()}, bytes(body))

    def _retry_after_s(self, response: HttpResponse) -> float | None:
        """Returns the `Retry-After` header in seconds, given as seconds or as a date (RFC 9110, 10.2.3), or None."""
        text = response.headers.get("retry-after", "").strip()
        if text.isdecimal():
            return min(float(text), 7 * 24 * 3600.0)
        moment = http_date(text)
        return None if moment is None else moment.timestamp() - self._clock.now_ms() / 1000


def _is_certificate_error(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError):
            return True
        error = error.__cause__ or error.__context__
    return False
