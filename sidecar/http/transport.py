"""Sends one request with httpx; the only module that imports it, and `network` below it httpcore.

httpx takes 80 ms to import, so `client` imports this module with the first request.
"""

import logging
import ssl
from collections import defaultdict
from collections.abc import AsyncIterator
from typing import Final
from urllib.request import getproxies, proxy_bypass

import anyio
import httpcore
import truststore

from sidecar.http.client import (
    BadResponse,
    CertificateUntrusted,
    HttpRequest,
    HttpResponse,
    InvalidUrl,
    ServerUnreachable,
)
from sidecar.http.hosts import is_internet
from sidecar.http.lean_imports import replaced_modules
from sidecar.http.network import ADDRESS, CheckedNetwork, HostRefused, Resolve, look_up

# httpx imports its command line, an optional extra, if all of that extra's packages are installed, which costs 40 ms
# and 4.6 MiB.  One missing package is enough for httpx to leave it out.
with replaced_modules({"pygments": None}):
    import httpx

log = logging.getLogger(__name__)

TIMEOUT: Final = httpx.Timeout(30.0, connect=10.0)
TRY_TIMEOUT_S: Final = 120.0
"""Limit of a whole attempt: a server that sends a byte now and then would otherwise occupy a worker forever."""
REFUSED: Final = "the name of its server leads to this computer, or from the internet into the local network"
PROXY_UNUSABLE: Final = "the proxy that the environment names is not an http:// or https:// address"
MAX_PER_ORIGIN: Final = 4
"""Concurrent requests to one site: Atlassian responds with 429 to about twenty."""


class ProxyUnusable(Exception):
    """The environment names a proxy that cannot be used."""


class HttpxTransport:
    """Connection pools: for each proxy, for hosts that the user chose, and for those of the internet only.

    `max_body_bytes` limits each response's body; `network` replaces the connections, `dialer` and `resolve` a part.
    """

    def __init__(
        self,
        max_body_bytes: int,
        network: httpx.AsyncBaseTransport | None = None,
        *,
        dialer: httpcore.AsyncNetworkBackend | None = None,
        resolve: Resolve = look_up,
    ) -> None:
        for name in ("httpx", "httpcore"):  # they log URLs at INFO and headers at DEBUG
            logging.getLogger(name).setLevel(logging.WARNING)
        self._max_body_bytes = max_body_bytes
        self._network = network
        self._dialer = dialer or httpcore.AnyIOBackend()
        self._resolve = resolve
        self._tls: ssl.SSLContext | None = None
        self._clients: dict[tuple[str | None, bool], httpx.AsyncClient] = {}
        self._limits: defaultdict[str, anyio.CapacityLimiter] = defaultdict(
            lambda: anyio.CapacityLimiter(MAX_PER_ORIGIN)
        )

    def _client(self, url: httpx.URL, *, internet_only: bool) -> httpx.AsyncClient:
        proxy = None if self._network is not None else _proxy(url)
        key = proxy, internet_only
        if key not in self._clients:
            self._clients[key] = httpx.AsyncClient(
                transport=self._transport(proxy, internet_only=internet_only),
                timeout=TIMEOUT,
                follow_redirects=False,  # a redirect may lead to a sign-in page, and would carry the token to it
                headers={"user-agent": "sidecar"},
            )
        return self._clients[key]

    def _transport(self, proxy: str | None, *, internet_only: bool) -> httpx.AsyncBaseTransport:
        if self._network is not None:
            return self._network
        if self._tls is None:
            self._tls = truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # the store has a company's own authority
        if proxy is not None:  # it looks up the names
            try:
                return httpx.AsyncHTTPTransport(verify=self._tls, proxy=proxy)
            except (ImportError, ValueError, httpx.InvalidURL):  # SOCKS needs another package; the URL may be secret
                raise ProxyUnusable from None
        network = CheckedNetwork(self._dialer, resolve=self._resolve, internet_only=internet_only)
        return DirectTransport(self._tls, network)

    async def close(self) -> None:
        for client in [*self._clients.values()]:  # a request can add one meanwhile
            await client.aclose()

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
                    client = self._client(origin, internet_only=request.internet_only)
                    return await self._exchange(client, request)
            except TimeoutError:
                raise ServerUnreachable("the response took too long", request.what) from None
            except ProxyUnusable:
                raise ServerUnreachable(PROXY_UNUSABLE, request.what) from None
            except HostRefused:
                raise InvalidUrl(REFUSED, request.what) from None
            except (httpx.TimeoutException, httpcore.TimeoutException):
                raise ServerUnreachable("the server did not respond in time", request.what) from None
            except httpx.DecodingError:
                raise BadResponse("the body of the response is damaged", request.what) from None
            except (httpx.RemoteProtocolError, httpcore.RemoteProtocolError):
                raise BadResponse("the response is incomplete", request.what) from None
            except (httpx.TransportError, httpcore.NetworkError, httpcore.ProtocolError) as error:
                if (refused := _certificate_error(error)) is not None:
                    reason = f"the certificate of {origin.host} is not trusted ({refused.verify_message.rstrip('.')})"
                    raise CertificateUntrusted(reason, request.what) from None
                raise ServerUnreachable("the server could not be reached", request.what) from None

    async def _exchange(self, client: httpx.AsyncClient, request: HttpRequest) -> HttpResponse:
        async with client.stream(
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
            headers = {name.lower(): value for name, value in response.headers.items()}
            return HttpResponse(response.status_code, headers, bytes(body), _is_from_internet(response))


class DirectTransport(httpx.AsyncBaseTransport):
    """Sends requests without a proxy; httpx's own transport takes no network below it."""

    def __init__(self, tls: ssl.SSLContext, network: CheckedNetwork) -> None:
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=tls, max_connections=100, max_keepalive_connections=20, network_backend=network
        )

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        assert isinstance(request.stream, httpx.AsyncByteStream)
        url = request.url
        response = await self._pool.handle_async_request(
            httpcore.Request(
                request.method,
                httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path),
                headers=request.headers.raw,
                content=request.stream,
                extensions=request.extensions,
            )
        )
        return httpx.Response(
            response.status, headers=response.headers, stream=_Body(response), extensions=response.extensions
        )

    async def aclose(self) -> None:
        await self._pool.aclose()


class _Body(httpx.AsyncByteStream):
    def __init__(self, response: httpcore.Response) -> None:
        self._response = response

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for part in self._response.aiter_stream():
            yield part

    async def aclose(self) -> None:
        await self._response.aclose()


def _proxy(url: httpx.URL) -> str | None:
    """Returns the proxy of the environment for a URL, or None."""
    proxies = getproxies()
    proxy = proxies.get(url.scheme) or proxies.get("all")
    if not proxy or proxy_bypass(url.host if url.port is None else f"{url.host}:{url.port}"):
        return None
    return proxy if "://" in proxy else f"http://{proxy}"


def _is_from_internet(response: httpx.Response) -> bool:
    stream = response.extensions.get("network_stream")
    address = None if stream is None else stream.get_extra_info(ADDRESS)
    return address is not None and is_internet(address)


def _certificate_error(error: BaseException | None) -> ssl.SSLCertVerificationError | None:
    while error is not None and not isinstance(error, ssl.SSLCertVerificationError):
        error = error.__cause__ or error.__context__
    return error
