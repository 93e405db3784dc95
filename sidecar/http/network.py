"""Connects to servers: looks up each name once, checks its addresses, and connects to the checked ones only.

A name whose answers change between a check and the connection (DNS rebinding) therefore leads nowhere else.
"""

import socket
import ssl
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Final

import anyio
import httpcore

from sidecar.http.hosts import is_internet, may_have

Resolve = Callable[[str, int], Awaitable[list[str]]]
"""Returns the addresses of a host for connections to a port, the preferred ones first.  Raises OSError."""
MAX_ADDRESSES: Final = 16
"""Addresses of a name that are tried; large services have up to eight."""
NEXT_ADDRESS_S: Final = 0.25
"""Time until the next address is tried as well (RFC 8305, 5)."""
ADDRESS: Final = "checked_address"
"""Name of the information about a direct connection that says which address it was made to."""


class HostRefused(Exception):
    """A host has only addresses that it may not have."""


async def look_up(host: str, port: int) -> list[str]:
    found = await anyio.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(one[4][0]) for one in found))


class CheckedNetwork(httpcore.AsyncNetworkBackend):
    """Connects to hosts; with `internet_only`, not to this computer or the local network."""

    def __init__(
        self, network: httpcore.AsyncNetworkBackend, *, resolve: Resolve = look_up, internet_only: bool = False
    ) -> None:
        self._network = network
        self._resolve = resolve
        self._internet_only = internet_only

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - as httpcore calls it
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        async def connect(address: str) -> httpcore.AsyncNetworkStream:
            stream = await self._network.connect_tcp(address, port, timeout, local_address, socket_options)
            return _CheckedStream(stream, address)

        try:
            with anyio.fail_after(timeout):
                return await _first(await self._addresses(host, port), connect)
        except TimeoutError:
            raise httpcore.ConnectTimeout from None

    async def _addresses(self, host: str, port: int) -> list[str]:
        try:
            found = (await self._resolve(host, port))[:MAX_ADDRESSES]
        except OSError as error:
            raise httpcore.ConnectError(str(error)) from error
        allowed = [one for one in found if may_have(host, one) and (is_internet(one) or not self._internet_only)]
        if not allowed:
            raise HostRefused
        return allowed

    async def sleep(self, seconds: float) -> None:
        await self._network.sleep(seconds)


async def _first(
    addresses: list[str], connect: Callable[[str], Awaitable[httpcore.AsyncNetworkStream]]
) -> httpcore.AsyncNetworkStream:
    """Returns the first connection that is made, of attempts that begin one after another.

    Raises the first attempt's error if all fail.
    """
    made: list[httpcore.AsyncNetworkStream] = []
    errors: list[httpcore.ConnectError | httpcore.ConnectTimeout] = []

    async def attempt(address: str, ended: anyio.Event) -> None:
        try:
            stream = await connect(address)
        except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
            errors.append(error)
        else:
            if made:
                await stream.aclose()
            else:
                made.append(stream)
                tasks.cancel_scope.cancel()
        ended.set()

    try:
        async with anyio.create_task_group() as tasks:
            for address in addresses:
                tasks.start_soon(attempt, address, ended := anyio.Event())
                with anyio.move_on_after(NEXT_ADDRESS_S):
                    await ended.wait()
    except BaseException:
        with anyio.CancelScope(shield=True):
            for stream in made:
                await stream.aclose()
        raise
    if not made:
        raise errors[0]
    return made[0]


class _CheckedStream(httpcore.AsyncNetworkStream):
    """A connection that knows the address to which it was made."""

    def __init__(self, stream: httpcore.AsyncNetworkStream, address: str) -> None:
        self._stream = stream
        self._address = address

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109 - see above
        return await self._stream.read(max_bytes, timeout)

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ASYNC109 - see above
        await self._stream.write(buffer, timeout)

    async def aclose(self) -> None:
        await self._stream.aclose()

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 - see above
    ) -> httpcore.AsyncNetworkStream:
        return _CheckedStream(await self._stream.start_tls(ssl_context, server_hostname, timeout), self._address)

    def get_extra_info(self, info: str) -> Any:
        return self._address if info == ADDRESS else self._stream.get_extra_info(info)
