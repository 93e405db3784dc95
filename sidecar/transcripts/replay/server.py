"""`sidecar replay`: a stand-in for the sidecar that answers from transcripts, without a database or accounts.

Framing, limits, batches and errors are the sidecar's, by the same code.
"""

import argparse
import asyncio
import contextlib
import gc
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final, NoReturn

from pydantic_core import from_json, to_json
from sidecar_protocol.connection import Connection, Event, Notified, Refused, Request
from sidecar_protocol.contract import RpcError

from sidecar import exit_codes
from sidecar.paths import options_of
from sidecar.storage.unit_of_work import UnitOfWork
from sidecar.text import printable
from sidecar.transcripts.file.facts import ContractFacts, contract_facts
from sidecar.transcripts.file.format import NotATranscript, seq_of
from sidecar.transcripts.replay.append import Appender
from sidecar.transcripts.replay.faults import HELP, Fault, parse_fault
from sidecar.transcripts.replay.live import LiveSidecar
from sidecar.transcripts.replay.misses import Misses
from sidecar.transcripts.replay.run import ReplayedRun, ReplayRules
from sidecar.wire.descriptors import StdoutClosed, claim_stdio
from sidecar.wire.host_watch import watch_parent
from sidecar.wire.stdio import PlatformWriter, Reader, WireOut

LAST_WRITE_S: Final = 2.0
"""Time to write the last lines; the sidecar has the same."""
FILES: Final = "a transcript; if there are several, the first that has the request answers"
PACE: Final = (
    "fast (default) sends what was recorded up to the client's next request at once, recorded has the recorded delays"
)
WAIT_FOR: Final = (
    "send no notifications on its own before the client has called METHOD, such as the first call of a window; "
    "until then they are sent only along with responses recorded after them"
)
IGNORE: Final = "a param that may differ from the recorded one; can be repeated: --ignore jobs.create.priority"
STRICT: Final = "exit with 1 if a request was not recorded, or a recorded one was never made"
SHIFT_DATES: Final = (
    "move all times by the whole days since the recording, so that an app that shows today shows something"
)
NOW: Final = "with --shift-dates, the moment that is today (default: now)"
LIVE: Final = (
    "ask a real sidecar for what was not recorded; it starts with the first such request, with the data folder of the "
    "environment and the options --db, --now, --seed and --upstream"
)
APPEND: Final = "with --live: add what the real sidecar answered to the (first) FILE"
GARBAGE: Final = b"Fatal: this line is not JSON {\n"
MAX_REPORTED: Final = 20
"""Lines on stderr about differences from the recording."""
NOT_AS_RECORDED: Final = 1
SHUTDOWN: Final = b'{"drained":true,"cancelled_requests":0,"interrupted_jobs":0}'
"""The response to `shutdown` if none was recorded: any client may send it."""


class NoSuchMethod(Exception):
    """The method of `--wait-for` or `--ignore` is not in the contract."""


def parser() -> argparse.ArgumentParser:
    """Returns the parser of the options of `replay`."""
    parser = argparse.ArgumentParser(
        prog="sidecar replay",
        description="Stand in for the sidecar on stdin and stdout, with responses and notifications from transcripts.",
    )
    parser.add_argument("files", metavar="FILE", nargs="+", type=Path, help=FILES)
    parser.add_argument("--pace", choices=("fast", "recorded"), default="fast", help=PACE)
    parser.add_argument("--run", type=int, default=1, metavar="N", help="replay the Nth run in the file (default: 1)")
    parser.add_argument("--wait-for", metavar="METHOD", help=WAIT_FOR)
    parser.add_argument("--ignore", action="append", default=[], metavar="METHOD.PARAM", help=IGNORE)
    parser.add_argument("--shift-dates", action="store_true", help=SHIFT_DATES)
    parser.add_argument("--now", type=_moment, metavar="TIME", help=NOW)
    parser.add_argument("--strict", action="store_true", help=STRICT)
    parser.add_argument("--fault", action="append", default=[], type=parse_fault, metavar="FAULT", help=HELP)
    parser.add_argument("--live", action="store_true", help=LIVE)
    parser.add_argument("--append", action="store_true", help=APPEND)
    # Accepted and ignored without --live: clients may always pass them.
    for option in ("--db", "--seed", "--upstream", "--clock-start"):
        parser.add_argument(option, help=argparse.SUPPRESS)
    return parser


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise argparse.ArgumentTypeError(f"{text!r} has no offset, such as Z or +09:00")
    return moment


def main(argv: list[str]) -> NoReturn:
    """Serves until stdin ends, then exits without cleaning up."""
    parent = os.getppid()
    gc.disable()  # recordings contain no cycles, and looking for some costs a third of the speed
    options = parser().parse_args(argv)
    if options.append and not options.live:
        parser().error("--append needs --live: only a real sidecar can answer what was not recorded")
    try:
        code = asyncio.Runner().run(_serve(options, claim_stdio(), parent))
    except (OSError, StdoutClosed, NotATranscript, NoSuchMethod) as error:
        print(printable(f"sidecar: {error}"), file=sys.stderr)  # noqa: T201 - stderr, as `serve` does
        code = exit_codes.USAGE
    os._exit(code)


async def _serve(options: argparse.Namespace, wire: tuple[int, int], parent: int) -> int:
    contract = contract_facts()
    if options.wait_for is not None:
        _check_method("--wait-for", options.wait_for, options.wait_for, contract)
    for param in options.ignore:
        names = [name for name in contract.methods if param.startswith(f"{name}.")]
        _check_method("--ignore", param, names[-1] if names else param.rpartition(".")[0], contract)
    for fault in options.fault:
        if fault.name not in contract.notifications:
            _check_method("--fault", fault.name, fault.name, contract)
    return await ReplayServer(contract, options, wire, parent).run()


def _check_method(option: str, value: str, method: str, contract: ContractFacts) -> None:
    if method not in contract.methods:
        similar = " or ".join(get_close_matches(method, contract.methods, n=2))
        raise NoSuchMethod(f"{option} {value}: there is no such method{f'; {similar}?' if similar else ''}")


def _live_sidecar(contract: ContractFacts, options: argparse.Namespace, output: "ReplayServer") -> LiveSidecar:
    now = None if options.now is None else options.now.isoformat()
    arguments = options_of(db=options.db, now=now, seed=options.seed, upstream=options.upstream)
    appender = Appender(options.files[0], options.run, contract, time.monotonic) if options.append else None
    return LiveSidecar(arguments, contract, appender, output)


class ReplayServer:
    """Serves one client on stdin and stdout."""

    def __init__(
        self, contract: ContractFacts, options: argparse.Namespace, wire: tuple[int, int], parent: int
    ) -> None:
        """Raises OSError or NotATranscript if a file cannot be read."""
        self._loop = asyncio.get_running_loop()
        self._ended: asyncio.Future[int] = self._loop.create_future()
        self._faults: list[Fault] = options.fault
        self._due: Counter[str] = Counter()  # how often each message name was due
        self._parent = parent
        self._out = wire[1]
        self._is_silent = False
        self._unit_of_work = UnitOfWork(self._loop.call_soon)
        self._connection = Connection()
        self._writer = PlatformWriter(wire[1], self._end)
        self._unit_of_work.connect(None, WireOut(self._connection, self._writer))
        self._waits_for: str | None = options.wait_for
        self._is_strict: bool = options.strict
        rules = ReplayRules(
            run=options.run,
            ignored=frozenset(options.ignore),
            is_fast=options.pace == "fast",
            is_held=self._waits_for is not None,
            today=(options.now or datetime.now(UTC)) if options.shift_dates else None,
        )
        self._runs = [ReplayedRun(path, contract, rules, self) for path in options.files]
        self._misses = Misses(self._runs)
        self._live = _live_sidecar(contract, options, self) if options.live else None
        self._finishing: asyncio.Task[None] | None = None
        self._last_seq = 0
        self._reader = Reader(wire[0], self._connection, self._unit_of_work, handle=self._handle, on_eof=self._on_eof)

    async def run(self) -> int:
        self._loop.set_exception_handler(self._crash)
        for name in ("SIGTERM", "SIGINT", "SIGHUP"):
            with contextlib.suppress(NotImplementedError, AttributeError):  # Windows has no such handlers
                self._loop.add_signal_handler(getattr(signal, name), self._end, exit_codes.OK)
        watch_parent(self._parent, self._loop, lambda: self._end(exit_codes.HOST_DIED))
        self._reader.start()
        try:
            code = await self._ended
        finally:
            self._writer.finish(LAST_WRITE_S)
        return code if (found := self._report()) is None else found

    def _crash(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Ends the process: a client must not wait for a response that an error of ours prevented."""
        loop.default_exception_handler(context)
        self._end(exit_codes.CRASHED)

    def _end(self, code: int) -> None:
        if not self._ended.done():
            self._ended.set_result(code)

    def _on_eof(self) -> None:
        for run in self._runs:
            run.player.finish()
        code = self._runs[0].recording.exit_code
        if self._live is None:
            self._end(code)
        elif self._finishing is None:
            self._finishing = self._loop.create_task(self._live.finish())
            self._finishing.add_done_callback(lambda _: self._end(code))

    def _report(self) -> int | None:
        """Prints the differences from the recording; returns the exit code for it if there is one."""
        lines = list(self._misses.report())
        more = [f"and {len(lines) - MAX_REPORTED} more"] if len(lines) > MAX_REPORTED else []
        for line in (*lines[:MAX_REPORTED], *more, *self._misses.unsent()):
            print(printable(f"sidecar replay: {line}"), file=sys.stderr)  # noqa: T201 - stderr, as `serve` does
        return NOT_AS_RECORDED if lines and self._is_strict else None

    def _handle(self, event: Event) -> None:
        if type(event) is Request:
            self._serve(event)
            if event.method == self._waits_for:
                for run in self._runs:
                    run.player.release()
        elif type(event) is Refused and event.reply:
            self._writer.queue_response(event.reply)
        elif type(event) is Notified and event.method == "exit":
            self._on_eof()

    def _serve(self, request: Request) -> None:
        if self._live is not None and request.method == "initialize":
            self._live.handshake = request.params
        if any(run.serve(request) for run in self._runs):
            return
        if request.method == "shutdown":
            self.respond(request, SHUTDOWN, is_error=False)
            return
        error = self._misses.add(request)
        if self._live is not None:
            self._live.ask(request, error)
        else:
            self.refuse(request, error)

    def refuse(self, request: Request, error: RpcError) -> None:
        self._writer.queue_response(self._connection.reply_error(request, error.json_bytes()))
        self._unit_of_work.request_commit()

    def respond(self, request: Request, response: bytes, *, is_error: bool) -> None:
        reply = self._connection.reply_error if is_error else self._connection.reply
        self._send_or_fail(request.method, lambda: reply(request, response))

    def notify(self, method: str, message: bytes) -> None:
        line = message if self._live is None else self._stamped(message)
        self._send_or_fail(method, lambda: line + b"\n")

    def _stamped(self, message: bytes) -> bytes:
        """Returns a notification whose `seq` rises, whether it was recorded or is from the real sidecar."""
        notification = from_json(message)
        if (seq := seq_of(notification)) is None:
            return message
        self._last_seq = max(self._last_seq + 1, seq)
        return to_json({**notification, "params": {**notification["params"], "seq": self._last_seq}})

    def _send_or_fail(self, name: str, line: Callable[[], bytes]) -> None:
        """Sends a line, unless a fault prevents that; responses are not put into their batch before they are sent."""
        self._due[name] += 1
        for fault in self._faults:
            if fault.name != name or fault.nth not in (None, self._due[name]):
                continue
            match fault.kind:
                case "garbage":
                    self._writer.queue_response(GARBAGE)
                case "delay":
                    self._loop.call_later(fault.delay_s, lambda: self._send(line))
                    return
                case "drop":
                    return
                case kind:
                    self._fall_silent(kind)
                    return
        self._send(line)

    def _send(self, line: Callable[[], bytes]) -> None:
        if not self._is_silent:
            self._writer.queue_response(line())
            self._unit_of_work.request_commit()

    def _fall_silent(self, kind: str) -> None:
        if not self._is_silent:
            self._writer.flush()  # messages before the fault are sent
        self._is_silent = True
        if kind == "kill":
            os.kill(os.getpid(), getattr(signal, "SIGKILL", signal.SIGTERM))
        elif kind == "close":
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, self._out)
            os.close(null)
