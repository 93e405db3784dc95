"""An asynchronous client: starts a sidecar as a child process and calls it over pipes.

The command line and the tests use it.
"""

import os
import subprocess
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import anyio
from anyio.abc import Process
from pydantic_core import to_json
from sidecar_protocol import contract
from sidecar_protocol.connection import Answered, Connection, Notified
from sidecar_protocol.meta import PROTOCOL_VERSION

from sidecar import __version__
from sidecar.paths import command

T = TypeVar("T")

STOP_S: Final = 5.0
"""A sidecar needs at most 2 s to exit; after this time it is killed."""
MAX_BUFFERED: Final = 10_000
"""Notifications that wait to be received; the oldest is dropped when another arrives."""


class RemoteError(Exception):
    """The error response of a request: `code`, `message`, and `data` with its `kind`."""

    def __init__(self, error: Mapping[str, Any]) -> None:
        self.code: int = error.get("code", 0)
        self.message: str = error.get("message", "")
        self.data: dict[str, Any] = error.get("data") or {}
        self.kind = str(self.data.get("kind", "unknown"))
        """The error's stable name, for example `job_not_found`."""
        super().__init__(f"{self.kind}: {self.message}")


class SidecarEnded(Exception):
    """The sidecar exited before it responded; `code` is its exit code."""

    def __init__(self, code: int | None) -> None:
        self.code = code
        super().__init__(f"the sidecar exited with code {code}")


@dataclass(frozen=True, slots=True)
class Received:
    """A notification from the sidecar."""

    method: str
    params: dict[str, Any]


class SidecarClient:
    """A connection to one sidecar process."""

    def __init__(self, process: Process) -> None:
        self.process = process
        self._connection = Connection()
        self._sending = anyio.Lock()
        self._ended = False
        self._waiting: dict[int | str, anyio.Event] = {}
        self._responses: dict[int | str, Answered] = {}
        self._send, self.notifications = anyio.create_memory_object_stream[Received](MAX_BUFFERED)

    async def call(self, method: str, params: Mapping[str, Any] | None = None) -> Any:
        """Sends a request and returns its result.  Raises RemoteError or SidecarEnded."""
        request_id, line = self._connection.call(method, to_json(dict(params or {})))
        answered = self._waiting[request_id] = anyio.Event()
        await self.send(line)
        if not self._ended:
            await answered.wait()
        del self._waiting[request_id]
        response = self._responses.pop(request_id, None)
        if response is None:
            raise SidecarEnded(await self.process.wait())
        if response.error is not None:
            raise RemoteError(response.error)
        return response.result

    def remote(self, interface: type[T]) -> T:
        """Returns a typed proxy for the methods of an interface."""
        return contract.remote(interface, self.call)

    async def initialize(self, name: str, **params: Any) -> Any:
        """Performs the handshake as the client `name`."""
        return await self.call("initialize", hello(name, **params))

    async def send(self, line: bytes) -> None:
        """Sends a line unchanged.  Raises SidecarEnded."""
        assert self.process.stdin is not None
        async with self._sending:
            try:
                await self.process.stdin.send(line)
            except (anyio.BrokenResourceError, anyio.ClosedResourceError):
                raise SidecarEnded(await self.process.wait()) from None

    async def receive(self) -> Received:
        """Returns the next notification.  Raises SidecarEnded."""
        try:
            return await self.notifications.receive()
        except anyio.EndOfStream:
            raise SidecarEnded(await self.process.wait()) from None

    async def until(self, method: str, **where: Any) -> dict[str, Any]:
        """Returns the params of the next notification with this name and these members.  Raises SidecarEnded."""
        while True:
            received = await self.receive()
            if received.method == method and received.params | where == received.params:
                return received.params

    async def close(self) -> int:
        """Closes the sidecar's stdin, waits until it exits, and returns its exit code."""
        assert self.process.stdin is not None
        await self.process.stdin.aclose()
        with anyio.move_on_after(STOP_S):
            return await self.process.wait()
        self.process.kill()
        return await self.process.wait()

    async def read(self) -> None:
        """Reads messages until the sidecar exits; runs concurrently with the calls."""
        assert self.process.stdout is not None
        async for chunk in self.process.stdout:
            self._connection.receive(chunk)
            while (event := self._connection.next_event()) is not None:
                if isinstance(event, Answered) and event.id in self._waiting:
                    self._responses[event.id] = event
                    self._waiting[event.id].set()
                elif isinstance(event, Notified):
                    self._take_notification(Received(event.method, event.params))
        self._ended = True
        self._send.close()
        for answered in self._waiting.values():
            answered.set()

    def _take_notification(self, received: Received) -> None:
        try:
            self._send.send_nowait(received)
        except anyio.WouldBlock:
            self.notifications.receive_nowait()
            self._send.send_nowait(received)


def hello(name: str, **params: Any) -> dict[str, Any]:
    """Returns the params of `initialize` for the client `name`."""
    info = {"name": name, "version": __version__}
    return {"protocol_version": PROTOCOL_VERSION, "client_info": info, **params}


@asynccontextmanager
async def spawn(
    arguments: Sequence[str] = (),
    *,
    env: Mapping[str, str] | None = None,
    stderr: int | None = subprocess.DEVNULL,
    cwd: str | os.PathLike[str] | None = None,
) -> AsyncIterator[SidecarClient]:
    """Starts a sidecar and closes it at the end of the block.  `env` is added to this process's environment.

    The sidecar gets its own session, so that Ctrl-C in a terminal only reaches the client, which then closes it.
    """
    failure: Exception | SystemExit | None = None
    async with await anyio.open_process(
        command(*arguments),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=stderr,
        cwd=cwd,
        env={**os.environ, **(env or {})},
        start_new_session=True,
    ) as process:
        client = SidecarClient(process)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(client.read)
            try:
                yield client
            except (Exception, SystemExit) as error:  # noqa: BLE001 - raised below, outside the task group, which would wrap it
                failure = error
            finally:
                with anyio.CancelScope(shield=True):
                    await client.close()
                tasks.cancel_scope.cancel()
    client.notifications.close()
    if failure is not None:
        raise failure
