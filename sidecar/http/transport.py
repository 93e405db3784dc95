"""Sends one request with httpx; the only module that imports it.

httpx takes 80 ms to import, so `client` imports this module with the first request.
"""

import logging
import ssl
import sys
from collections import defaultdict
from typing import Final

import anyio
import truststore

from sidecar.http.client import (
    BadResponse,
    CertificateUntrusted,
    HttpRequest,
    HttpResponse,
    InvalidUrl,
    ServerUnreachable,
)

# httpx imports its command line, an optional extra, if all of that extra's packages are installed, which costs 40 ms
# and 4.6 MiB.  One missing package is enough for httpx to leave it out, so pygments is hidden meanwhile.
_pygments = sys.modules.get("pygments")
sys.modules["pygments"] = None  # type: ignore[assignment]
try:
    import httpx
finally:
    del sys.modules["pygments"]
    if _pygments is not None:
        sys.modules["pygments"] = _pygments

log = logging.getLogger(__name__)

TIMEOUT: Final = httpx.Timeout(30.0, connect=10.0)
TRY_TIMEOUT_S: Final = 120.0
"""Limit of a whole attempt: a server that sends a byte now and then would otherwise occupy a worker forever."""
MAX_PER_ORIGIN: Final = 4
"""Concurrent requests to one site: Atlassian responds with 429 to about twenty."""


class HttpxTransport:
    """One connection pool.  `max_body_bytes` limits each response's body; `network` replaces the connections."""

    def __init__(self, max_body_bytes: int, network: httpx.AsyncBaseTransport | None = None) -> None:
        for name in ("httpx", "httpcore"):  # they log URLs at INFO and headers at DEBUG
            logging.getLogger(name).setLevel(logging.WARNING)
        self._max_body_bytes = max_body_bytes
        self._client = httpx.AsyncClient(
            transport=network,
            # The system's store has a company's own authority.
            verify=network is None and truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT),
            timeout=TIMEOUT,
            follow_redirects=False,  # a redirect may lead to a sign-in page, and would carry the token to it
            headers={"user-agent": "sidecar"},
        )
        self._limits: defaultdict[str, anyio.CapacityLimiter] = defaultdict(
            lambda: anyio.CapacityLimiter(MAX_PER_ORIGIN)
        )

    async def close(self) -> None:
        await self._client.aclose()

    async def exchange(self, request: HttpRequest) -> HttpResponse:
        """Returns the server's response, whatever its status.  Raises `HttpError`."""
        # Scheme, host and port as httpx parses them, since that is where the connection goes.
        try:
            origin = httpx.URL(request.url)
        except httpx.InvalidURL:  # its message quotes the URL, which may be secret
            raise InvalidUrl("not a valid URL", request.what) from None
        async with self._limits[f"{origin.scheme}://{origin.netloc.decode()}"]:
            try:
                with anyio.fail_after(TRY_TIMEOUT_S):
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
            if "," in response.headers.get("content-encoding", ""):
                # httpx would undo each, so that a few kilobytes could fill the memory before their size is known.
                raise BadResponse("the response is compressed more than once", request.what)
            body = bytearray()
            async for chunk in response.aiter_bytes():
                body += chunk
                if len(body) > self._max_body_bytes:
                    raise BadResponse(f"the response is larger than {self._max_body_bytes // 2**20} MiB", request.what)
            log.debug("%s: HTTP %d, %d bytes", request.what, response.status_code, len(body))
            return HttpResponse(response.status_code, {k.lower(): v for k, v in response.headers.items()}, bytes(body))


def _is_certificate_error(error: BaseException | None) -> bool:
    while error is not None and not isinstance(error, ssl.SSLCertVerificationError):
        error = error.__cause__ or error.__context__
    return error is not None
