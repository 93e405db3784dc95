"""Requests that were not recorded, answered by a real sidecar: `sidecar replay FILE --live`.

It starts with the first such request, and is greeted with the client's own handshake.  The files that it is to write
are written to a temporary folder.
"""

import asyncio
import contextlib
import sys
import tempfile
from collections.abc import Sequence
from itertools import count
from pathlib import Path
from typing import Any, Final

from pydantic_core import from_json, to_json
from sidecar_protocol.connection import Request
from sidecar_protocol.contract import RpcError
from sidecar_protocol.meta import PROTOCOL_VERSION

from sidecar.paths import command
from sidecar.transcripts.file.facts import ContractFacts
from sidecar.transcripts.file.written_files import WrittenFiles
from sidecar.transcripts.replay.append import Appender
from sidecar.transcripts.replay.player import ReplayOutput
from sidecar.transcripts.sidecar_process import SidecarProcess

END_S: Final = 30.0
"""A sidecar ends within 2 s of the end of its stdin, once it has started; after this time it is killed."""
HANDSHAKE: Final = {"protocol_version": PROTOCOL_VERSION, "client_info": {"name": "sidecar replay", "version": "1"}}
"""The handshake for a client that has not sent one."""
OWN_STATE: Final = "system.state"
"""The notification that the stand-in sends as it was recorded."""
ENDED: Final = "The real sidecar has ended without a response; its messages are on stderr."


class LiveSidecar:
    """Forwards requests to one sidecar, and adds what it answers to the transcript if that is wanted."""

    def __init__(
        self, arguments: Sequence[str], contract: ContractFacts, appender: Appender | None, output: ReplayOutput
    ) -> None:
        """`arguments` are those of `sidecar serve`."""
        self._contract = contract
        self._folder = tempfile.TemporaryDirectory(prefix="sidecar-live-", ignore_cleanup_errors=True)
        self._files = WrittenFiles(Path(self._folder.name))
        self._arguments = arguments
        self._appender = appender
        self._output = output
        self._open: dict[int, tuple[Request, RpcError]] = {}
        """Unanswered requests by our id, each with the error for the case that the sidecar ends before."""
        self._numbers = count()
        self._process: SidecarProcess | None = None
        self._ended = asyncio.Event()
        self.handshake: dict[str, Any] = HANDSHAKE
        """The params of `initialize`."""

    def ask(self, request: Request, refusal: RpcError) -> None:
        """Answers a request later; with `refusal` if the sidecar ends before it answers."""
        if self._process is None:
            self._process = self._start()
            if request.method != "initialize":
                self._send("initialize", self.handshake)
        params = self._files.moved(request.params, self._contract.params(request.method))
        self._open[self._send(request.method, params)] = request, refusal
        if self._ended.is_set():
            self._refuse_all()
        elif self._appender is not None:
            message = {"jsonrpc": "2.0", "id": request.id, "method": request.method, "params": request.params}
            self._appender.add_request(request.id, message)

    async def finish(self) -> None:
        """Closes the sidecar's stdin, after which it answers what it was asked, and waits for its end."""
        if self._process is not None:
            self._process.close_stdin()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._ended.wait(), END_S)
            if not self._ended.is_set():
                self._process.kill()
        if self._appender is not None:
            self._appender.close()
        self._folder.cleanup()

    def _start(self) -> SidecarProcess:
        def take(line: bytes | None) -> None:
            loop.call_soon_threadsafe(self._take, line)

        loop = asyncio.get_running_loop()
        return SidecarProcess(command("serve", *self._arguments), None, take=take, stderr=sys.stderr.buffer)

    def _send(self, method: str, params: dict[str, Any]) -> int:
        assert self._process is not None
        number = next(self._numbers)
        self._process.send(to_json({"jsonrpc": "2.0", "id": number, "method": method, "params": params}))
        return number

    def _refuse_all(self) -> None:
        for request, refusal in self._open.values():
            refusal.data["hint"] = ENDED
            self._output.refuse(request, refusal)
        self._open.clear()

    def _take(self, line: bytes | None) -> None:
        """Passes on a message of the sidecar, None for the end of all."""
        if line is None:
            self._ended.set()
            self._refuse_all()
            return
        message = self._files.named(from_json(line))
        if message.get("id") in self._open:  # the handshake is not there
            request, _ = self._open.pop(message["id"])
            if self._appender is not None:
                self._appender.add_response(request.id, {**message, "id": request.id})
            part = "error" if "error" in message else "result"
            self._output.respond(request, to_json(message[part]), is_error=part == "error")
        elif message.get("method") not in (None, OWN_STATE):
            if self._appender is not None:
                self._appender.add_notification(message)
            self._output.notify(message["method"], to_json(message))
