"""`sidecar replay`: a stand-in for the sidecar that answers from transcripts; without a database, without accounts.

The wire is the sidecar's own: the same framing, limits, batches and errors, by the same code.
"""

import argparse
import asyncio
import contextlib
import gc
import os
import signal
import sys
from collections.abc import Callable, Iterator
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final, NoReturn

from sidecar_protocol.connection import Connection, Event, Notified, Refused, Request

from sidecar import exit_codes
from sidecar.paths import schema_dir
from sidecar.storage.unit_of_work import UnitOfWork
from sidecar.transcripts.file.format import Entry, Header, NotATranscript, read
from sidecar.transcripts.file.schemas import Contract
from sidecar.transcripts.replay.faults import HELP, Fault, FaultKind, Faults
from sidecar.transcripts.replay.player import SHUTDOWN, Player, not_recorded
from sidecar.transcripts.replay.tape import Tape
from sidecar.wire.descriptors import claim_stdio
from sidecar.wire.host_watch import watch_parent
from sidecar.wire.stdio import PlatformWriter, Reader, WireOut

LAST_WRITE_S: Final = 2.0
"""As long as the sidecar takes for its end."""
WAIT_FOR: Final = (
    "tell nothing unasked before this is asked for, such as the first thing that a window asks: what was told earlier "
    "is told only with an answer that followed it"
)
GARBAGE: Final = b"Fatal: this line is no JSON {\n"


def arguments(argv: list[str]) -> argparse.Namespace:
    """The options; `--help` and mistakes end the process here."""
    parser = argparse.ArgumentParser(
        prog="sidecar replay",
        description="Stand in for the sidecar on stdin and stdout, with the answers and notifications of transcripts.",
    )
    parser.add_argument(
        "files",
        metavar="FILE",
        nargs="+",
        type=Path,
        help="a transcript; of several, the first that has the request answers",
    )
    parser.add_argument(
        "--pace", choices=("fast", "recorded"), default="fast", help="at once (default), or in the recorded time"
    )
    parser.add_argument("--life", type=int, default=1, metavar="N", help="play what was said after the Nth start")
    parser.add_argument("--wait-for", metavar="METHOD", help=WAIT_FOR)
    parser.add_argument("--fault", action="append", default=[], type=_fault, metavar="FAULT", help=HELP)
    for option in (
        "--db",
        "--now",
        "--seed",
        "--upstream",
    ):  # a host may always pass them; there is nothing that they could change
        parser.add_argument(option, help=argparse.SUPPRESS)
    return parser.parse_args(argv)


def _fault(text: str) -> Fault:
    try:
        return Fault(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def main(argv: list[str]) -> NoReturn:
    """Stand in until stdin ends, then end the process at once."""
    parent = os.getppid()
    gc.disable()  # what is read of a transcript stays, and holds no cycles: to look for some costs a third of the speed
    options = arguments(argv)
    wire = claim_stdio()
    try:
        contract = Contract((schema_dir() / "openrpc.json").read_bytes())
        _check_method(options.wait_for, contract)
        tapes = [Tape(path.name, life(path, options.life), contract) for path in options.files]
    except (OSError, NotATranscript, LookupError) as error:
        print(f"sidecar: {error}", file=sys.stderr)  # noqa: T201 - stderr, as `serve` does
        os._exit(exit_codes.USAGE)
    runner = asyncio.Runner()
    try:
        code = runner.run(_run(tapes, options, wire, parent))
    except NotATranscript as error:
        print(f"sidecar: {error}", file=sys.stderr)  # noqa: T201 - see above
        code = exit_codes.USAGE
    sys.stderr.flush()
    os._exit(code)


async def _run(tapes: list[Tape], options: argparse.Namespace, wire: tuple[int, int], parent: int) -> int:
    standin = StandIn(tapes, Faults(options.fault), wire, parent, pace=options.pace, waits_for=options.wait_for)
    return await standin.run()


def _check_method(name: str | None, contract: Contract) -> None:
    """Raises LookupError where a method to wait for is none."""
    if name is not None and name not in contract.methods:
        like = " or ".join(get_close_matches(name, contract.methods, n=2))
        raise LookupError(f"--wait-for {name}: there is no such method{f'; {like}?' if like else ''}")


def life(path: Path, number: int) -> Iterator[Header | Entry]:
    """The lines of a file from one life's header on.  Raises OSError, NotATranscript."""
    lines = read(path)
    seen = 0
    for line in lines:
        seen += isinstance(line, Header)
        if seen == number:
            return lines
    raise NotATranscript(f"{path}: there is no life {number}; the file has {seen}")


class StandIn:
    """The running stand-in."""

    def __init__(
        self,
        tapes: list[Tape],
        faults: Faults,
        wire: tuple[int, int],
        parent: int,
        *,
        pace: str,
        waits_for: str | None,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._ended: asyncio.Future[int] = self._loop.create_future()
        self._failure: Exception | None = None
        self._faults = faults
        self._parent = parent
        self._out = wire[1]
        self._is_silent = False
        self._unit_of_work = UnitOfWork(self._loop.call_soon)
        self._connection = Connection()
        self._writer = PlatformWriter(wire[1], self._end)
        self._unit_of_work.connect(None, WireOut(self._connection, self._writer))
        self._tapes = tapes
        self._waits_for = waits_for
        self._players = [
            Player(tape, self, self._loop, at_recorded_pace=pace == "recorded", is_held=waits_for is not None)
            for tape in tapes
        ]
        self._reader = Reader(wire[0], self._connection, self._unit_of_work, handle=self._handle, on_eof=self._on_eof)

    async def run(self) -> int:
        """Stand in until the end; the exit code."""
        self._loop.set_exception_handler(self._crash)
        for name in ("SIGTERM", "SIGINT", "SIGHUP"):
            with contextlib.suppress(NotImplementedError, AttributeError):  # Windows has no such handlers
                self._loop.add_signal_handler(getattr(signal, name), self._end, exit_codes.OK)
        watch_parent(self._parent, self._loop, lambda: self._end(exit_codes.HOST_DIED))
        self._reader.start()
        code = await self._ended
        self._writer.finish(LAST_WRITE_S)
        if self._failure is not None:
            raise self._failure
        return code

    def _crash(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """A mistake of ours must not look like a sidecar that thinks."""
        loop.default_exception_handler(context)
        self._end(exit_codes.CRASHED)

    def _end(self, code: int) -> None:
        if not self._ended.done():
            self._ended.set_result(code)

    def _on_eof(self) -> None:
        try:
            for player in self._players:
                player.finish()
        except NotATranscript as error:
            self._failure = error
        self._end(self._tapes[0].exit_code)

    # --- in -----------------------------------------------------------------------------------------------------

    def _handle(self, event: Event) -> None:
        if type(event) is Request:
            try:
                self._serve(event)
                if event.method == self._waits_for:
                    for player in self._players:
                        player.release()
            except NotATranscript as error:
                self._failure = error
                self._end(exit_codes.USAGE)
        elif type(event) is Refused and event.reply:
            self._writer.queue_response(event.reply)
        elif type(event) is Notified and event.method == "exit":
            self._on_eof()

    def _serve(self, request: Request) -> None:
        for player in self._players:
            asked = player.tape.match(request.method, request.params)
            if asked is not None:
                player.take(request, asked)
                return
        if request.method == "shutdown":
            self.answer(request, SHUTDOWN, is_error=False)
            return
        error = not_recorded(self._tapes, request.method, request.params)
        self._writer.queue_response(self._connection.reply_error(request, error.json_bytes()))
        self._unit_of_work.request_commit()

    # --- out ----------------------------------------------------------------------------------------------------

    def answer(self, request: Request, answer: bytes, *, is_error: bool) -> None:
        """Answer a request under its own id."""
        reply = self._connection.reply_error if is_error else self._connection.reply
        if self._faults:
            self._say(request.method, lambda: self._writer.queue_response(reply(request, answer)))
        else:
            self._writer.queue_response(reply(request, answer))
            self._unit_of_work.request_commit()

    def tell(self, method: str, message: bytes) -> None:
        """Tell something unasked, in its place among the answers."""
        self._say(method, lambda: self._writer.queue_response(message + b"\n"))

    def _say(self, name: str, send: Callable[[], None]) -> None:
        if not self._faults:
            send()
            self._unit_of_work.request_commit()
            return
        for fault in self._faults.at(name):
            if fault.kind is FaultKind.GARBAGE:
                self._writer.queue_response(GARBAGE)
            elif fault.kind is FaultKind.DELAY:
                self._loop.call_later(fault.delay_s, lambda: self._send(send))
                return
            else:
                self._fail(fault.kind)
                return
        self._send(send)

    def _send(self, send: Callable[[], None]) -> None:
        if not self._is_silent:
            send()
            self._unit_of_work.request_commit()

    def _fail(self, kind: FaultKind) -> None:
        if kind is FaultKind.DROP:
            return
        if not self._is_silent:
            self._writer.flush()  # what was said before it has been said
        self._is_silent = True
        if kind is FaultKind.KILL:
            os.kill(os.getpid(), getattr(signal, "SIGKILL", signal.SIGTERM))
        elif kind is FaultKind.CLOSE:
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, self._out)
            os.close(null)
