"""Requests that were not recorded, answered by a real sidecar: `sidecar replay FILE --live`."""

from collections.abc import Sequence
from typing import Any, Protocol

from pydantic_core import from_json, to_json
from sidecar_protocol.connection import Request
from sidecar_protocol.contract import RpcError

from sidecar.transcripts.replay.append import Appender
from sidecar.transcripts.replay.live import LiveSidecar
from sidecar.transcripts.replay.player import ReplayOutput


class PassThroughOutput(ReplayOutput, Protocol):
    """Sends what the real sidecar sends."""

    def refuse(self, request: Request, error: RpcError) -> None: ...


class PassThrough:
    """Asks a real sidecar, and adds what it answers to the transcript if that is wanted."""

    def __init__(self, arguments: Sequence[str], appender: Appender | None, output: PassThroughOutput) -> None:
        """`arguments` are those of `sidecar serve`."""
        self._live = LiveSidecar(arguments, self)
        self._appender = appender
        self._output = output
        self._refusals: dict[int | str, RpcError] = {}
        """Errors for requests that the real sidecar does not answer, by the client's ids."""

    def on_handshake(self, params: dict[str, Any]) -> None:
        self._live.handshake = params

    def ask(self, request: Request, refusal: RpcError) -> None:
        """Answers the request later; with `refusal` if the real sidecar ends before it answers."""
        self._refusals[request.id] = refusal
        if self._appender is not None:
            message = {"jsonrpc": "2.0", "id": request.id, "method": request.method, "params": request.params}
            self._appender.add_request(request.id, message)
        self._live.ask(request)

    async def finish(self) -> None:
        """Waits until the real sidecar has answered and ended."""
        await self._live.finish()
        if self._appender is not None:
            self._appender.close()

    def respond_live(self, request: Request, response: bytes, *, is_error: bool) -> None:
        del self._refusals[request.id]
        if self._appender is not None:
            part = "error" if is_error else "result"
            self._appender.add_response(request.id, {"jsonrpc": "2.0", "id": request.id, part: from_json(response)})
        self._output.respond(request, response, is_error=is_error)

    def notify_live(self, method: str, params: dict[str, Any]) -> None:
        message = {"jsonrpc": "2.0", "method": method, "params": params}
        if self._appender is not None:
            self._appender.add_notification(message)
        self._output.notify(method, to_json(message))

    def live_ended(self, requests: Sequence[Request]) -> None:
        for request in requests:
            refusal = self._refusals.pop(request.id)
            refusal.data["hint"] = "The real sidecar has ended without a response; its messages are on stderr."
            self._output.refuse(request, refusal)
