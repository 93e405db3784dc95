"""Requests that were not recorded, answered by a real sidecar: `sidecar replay FILE --live`.

It starts with the first such request, and is greeted with the client's own handshake.  The files that it is to write
are written to a temporary folder.
"""

import asyncio
import contextlib
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, Protocol

from pydantic_core import to_json
from sidecar_protocol.connection import Answered, Connection, Notified, Request
from sidecar_protocol.contract import RpcError
from sidecar_protocol.meta import PROTOCOL_VERSION

from sidecar.paths import command
from sidecar.transcripts.file.facts import ContractFacts
from sidecar.transcripts.file.written_files import WrittenFiles
from sidecar.transcripts.replay.append import Appender
from sidecar.transcripts.replay.player import ReplayOutput

READ_BYTES: Final = 65_536
END_S: Final = 30.0
"""A sidecar ends within 2 s of the end of its stdin, once it has started; after this time it is killed."""
HANDSHAKE: Final = {"protocol_version": PROTOCOL_VERSION, "client_info": {"name": "sidecar replay", "version": "1"}}
"""The handshake for a client that has not sent one."""
OWN_STATE: Final = "system.state"
"""The notification that the stand-in sends as it was recorded."""
ENDED: Final = "The real sidecar has ended without a response; its messages are on stderr."


class LiveOutput(ReplayOutput, Protocol):
    """Sends what the real sidecar sends."""

    def refuse(self, request: Request, error: RpcError) -> None: ...


class LiveSidecar:
    """Forwards requests to one sidecar, and adds what it answers to the transcript if that is wanted."""

    def __init__(
        self, arguments: Sequence[str], contract: ContractFacts, appender: Appender | None, output: LiveOutput
    ) -> None:
        """`arguments` are those of `sidecar serve`."""
        self._contract = contract
        self._folder = tempfile.TemporaryDirectory(prefix="sidecar-live-", ignore_cleanup_errors=True)
        self._files = WrittenFiles(Path(self._folder.name))
        self._arguments = arguments
        self._appender = appender
        self._output = output
        self._connection = Connection()
        self._open: dict[int | str, tuple[Request, RpcError]] = {}
        """Unanswered requests by our id, each with the error for the case that the sidecar ends before."""
        self._process: asyncio.subprocess.Process | None = None
        self._unsent = bytearray()
        """Lines for a process that is still being started."""
        self._running: asyncio.Task[None] | None = None
        self._closing = False
        self.handshake: dict[str, Any] = HANDSHAKE
        """The params of `initialize`."""

    def ask(self, request: Request, refusal: RpcError) -> None:
        """Answers a request later; with `refusal` if the sidecar ends before it answers."""
        if self._running is None:
            self._running = asyncio.get_running_loop().create_task(self._run())
            if request.method != "initialize":
                self._write(self._connection.call("initialize", to_json(self.handshake))[1])
        params = self._files.moved(request.params, self._contract.params(request.method))
        request_id, line = self._connection.call(request.method, to_json(params))
        self._open[request_id] = request, refusal
        if self._running.done():
            self._refuse_all()
            return
        if self._appender is not None:
            message = {"jsonrpc": "2.0", "id": request.id, "method": request.method, "params": request.params}
            self._appender.add_request(request.id, message)
        self._write(line)

    async def finish(self) -> None:
        """Closes the sidecar's stdin, after which it answers what it was asked, and waits for its end."""
        self._closing = True
        if self._running is not None:
            if self._process is not None and self._process.stdin is not None:
                self._process.stdin.close()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(asyncio.shield(self._running), END_S)
            if self._process is not None and self._process.returncode is None:
                self._process.kill()
        if self._appender is not None:
            self._appender.close()
        self._folder.cleanup()

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
        self._refuse_all()

    def _refuse_all(self) -> None:
        for request, refusal in self._open.values():
            refusal.data["hint"] = ENDED
            self._output.refuse(request, refusal)
        self._open.clear()

    def _handle(self, event: object) -> None:
        if type(event) is Answered and event.id in self._open:  # the handshake is not there
            request, _ = self._open.pop(event.id)
            part, value = ("result", event.result) if event.error is None else ("error", event.error)
            value = self._files.named(value)
            if self._appender is not None:
                self._appender.add_response(request.id, {"jsonrpc": "2.0", "id": request.id, part: value})
            self._output.respond(request, to_json(value), is_error=part == "error")
        elif type(event) is Notified and event.method != OWN_STATE:
            message = {"jsonrpc": "2.0", "method": event.method, "params": self._files.named(event.params)}
            if self._appender is not None:
                self._appender.add_notification(message)
            self._output.notify(event.method, to_json(message))
