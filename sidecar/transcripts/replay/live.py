"""A real sidecar behind the stand-in, which is asked for what was not recorded.

It starts with the first such request, and is greeted with the client's own handshake.
"""

import asyncio
import contextlib
from collections.abc import Sequence
from typing import Any, Final, Protocol

from pydantic_core import to_json
from sidecar_protocol.connection import Answered, Connection, Notified, Request
from sidecar_protocol.meta import PROTOCOL_VERSION

from sidecar.paths import command

READ_BYTES: Final = 65_536
END_S: Final = 30.0
"""A sidecar ends within 2 s of the end of its stdin, once it has started; after this time it is killed."""
HANDSHAKE: Final = {"protocol_version": PROTOCOL_VERSION, "client_info": {"name": "sidecar replay", "version": "1"}}
"""The handshake for a client that has not sent one."""
OWN_STATE: Final = "system.state"
"""The notification that the stand-in sends as it was recorded."""


class LiveOutput(Protocol):
    """Receives what the real sidecar sends."""

    def respond_live(self, request: Request, response: bytes, *, is_error: bool) -> None: ...

    def notify_live(self, method: str, params: dict[str, Any]) -> None: ...

    def live_ended(self, requests: Sequence[Request]) -> None:
        """The process has ended, or could not start, without a response to these requests."""


class LiveSidecar:
    """Starts one sidecar and forwards requests to it."""

    def __init__(self, arguments: Sequence[str], output: LiveOutput) -> None:
        self._arguments = arguments
        self._output = output
        self._connection = Connection()
        self._open: dict[int | str, Request] = {}
        self._process: asyncio.subprocess.Process | None = None
        self._unsent = bytearray()
        """Lines for a process that is still being started."""
        self._running: asyncio.Task[None] | None = None
        self._closing = False
        self.handshake: dict[str, Any] = HANDSHAKE
        """The params of `initialize`."""

    def ask(self, request: Request) -> None:
        """Forwards a request; its response comes through the output."""
        if self._running is None:
            self._running = asyncio.get_running_loop().create_task(self._run())
            if request.method != "initialize":
                self._write(self._connection.call("initialize", to_json(self.handshake))[1])
        if self._running.done():
            self._output.live_ended([request])
            return
        request_id, line = self._connection.call(request.method, to_json(request.params))
        self._open[request_id] = request
        self._write(line)

    async def finish(self) -> None:
        """Closes the sidecar's stdin, after which it answers what it was asked, and waits for its end."""
        self._closing = True
        if self._running is None:
            return
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(asyncio.shield(self._running), END_S)
        if self._process is not None and self._process.returncode is None:
            self._process.kill()

    def _write(self, line: bytes) -> None:
        if self._process is None or self._process.stdin is None:
            self._unsent += line
        elif not self._process.stdin.is_closing():
            self._process.stdin.write(line)

    async def _run(self) -> None:
        try:
            pipe = asyncio.subprocess.PIPE
            self._process = await asyncio.create_subprocess_exec(
                *command("serve", *self._arguments), stdin=pipe, stdout=pipe
            )
            self._write(bytes(self._unsent))
            if self._closing and self._process.stdin is not None:
                self._process.stdin.close()
            while self._process.stdout is not None and (data := await self._process.stdout.read(READ_BYTES)):
                self._connection.receive(data)
                while (event := self._connection.next_event()) is not None:
                    self._handle(event)
            await self._process.wait()
        except OSError:
            pass  # reported for each request
        requests = list(self._open.values())
        self._open.clear()
        self._output.live_ended(requests)

    def _handle(self, event: object) -> None:
        if type(event) is Answered and event.id is not None:
            request = self._open.pop(event.id, None)
            if request is not None:  # the handshake has none
                is_error = event.error is not None
                response = to_json(event.error if is_error else event.result)
                self._output.respond_live(request, response, is_error=is_error)
        elif type(event) is Notified and event.method != OWN_STATE:
            self._output.notify_live(event.method, event.params)
