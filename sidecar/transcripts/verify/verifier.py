"""Verifies a transcript: sends the client's lines to a real sidecar and compares what it sends.

A line is sent once everything recorded before it has come.  Answers are found by their id (see `answers`);
notifications are compared entity by entity (see `entities`), and their `seq`s are counted over all.  Those that the
contract allows to be merged or dropped are compared as far as they are text that is appended (see `streams`).
"""

import math
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from itertools import takewhile
from typing import Any, Final

from pydantic_core import to_json
from sidecar_protocol.connection import MAX_MESSAGE_BYTES

from sidecar.json_reader import get_object
from sidecar.transcripts.file.format import Entry, Run, messages_in
from sidecar.transcripts.file.patterns import names_any
from sidecar.transcripts.sidecar_process import SidecarProcess, SidecarTimeout
from sidecar.transcripts.verify.answers import Answers
from sidecar.transcripts.verify.checks import Checks
from sidecar.transcripts.verify.compare import Comparison
from sidecar.transcripts.verify.entities import TOTAL, Entities
from sidecar.transcripts.verify.expected import Expectations, Expected
from sidecar.transcripts.verify.findings import LOST, WRONG, Mismatch, with_followers
from sidecar.transcripts.verify.reads import Reads
from sidecar.transcripts.verify.responses import Responses
from sidecar.transcripts.verify.retries import Retries
from sidecar.transcripts.verify.streams import Streams

NOT_JSON: Final = b"?"
"""Sent in place of a line that was not JSON and was recorded without its content."""
AFTER_DIFFERENCE_S: Final = 10.0
"""Time limit once something differed: what depends on it cannot come."""
AFTER_LOSS_S: Final = 0.5
"""Time limit once something has not come."""


class RunVerifier:
    """Drives one run of a sidecar and compares its messages."""

    def __init__(self, process: SidecarProcess, comparison: Comparison, run: Run) -> None:
        self.header, self.entries = run
        self.process = process
        self.contract = comparison.contract
        self._comparison = comparison
        comparison.begin_run(run)
        self.expected = Expectations(self.entries)
        reads = Reads(self.entries, self.contract, comparison.unsettled)
        is_total = self.header.facts.get("order") == TOTAL
        self.entities = Entities(self.expected, comparison, reads, is_total=is_total)
        self.entities.loosen()
        self.streams = Streams(comparison)
        self.checks = Checks(comparison, self.entries)
        self._retries = Retries(comparison, self.expected, process.send)
        responses = Responses(reads, comparison)
        self.answers = Answers(self.expected, self.entities, comparison, responses, self._retries, self.checks)
        self.ended_early: Mismatch | None = None
        self._line = self.header.line  # the last one that was sent or received
        self._unsent: list[bytes] = []
        self._open = deque(sorted(self.expected.by_line.values(), key=lambda one: one.entry.line))

    @property
    def additional(self) -> list[Mismatch]:
        """Messages that were not recorded, each with the line after which it came."""
        return [*self.entities.additional, *self.answers.additional]

    @property
    def mismatches(self) -> list[Mismatch]:
        additional = self.additional if self.expected.is_complete else self.entities.surely_additional(self.additional)
        expected = (one.mismatch for one in self.expected.by_line.values() if one.mismatch is not None)
        found = [*self.expected.others, *self.checks.mismatches, *self.entities.misshapen, *additional, *expected]
        return with_followers(sorted(found, key=lambda one: one.line), self.entries)

    @property
    def _patience(self) -> float:
        """The time limit of a wait: what depends on something that differs cannot come."""
        if self.expected.has_lost and not self._retries.is_any:
            return min(AFTER_LOSS_S, self.process.timeout_s)
        if self._retries.is_any or self.expected.has_differed:
            return min(AFTER_DIFFERENCE_S, self.process.timeout_s)
        return self.process.timeout_s

    def run(self, entries: list[Entry] | None = None) -> None:
        """Sends and compares everything, or these first entries; stops if the sidecar ends early."""
        due = 0
        try:
            for entry in self.entries if entries is None else entries:
                if not entry.from_client and entry.exit_code is None:
                    due = entry.line if entry.line in self.expected.by_line else due
                    continue
                live = self._comparison.recorded_work.live_for(entry)
                self._wait(due, live, self._comparison.races.told_before(entry))
                self._line = max(self._line, entry.line)
                if entry.exit_code is not None:
                    self._expect_exit(entry)
                elif entry.is_eof:
                    self._flush()
                    self._wait_for_ends(entry.line)
                    self.process.close_stdin()
                    self._comparison.unsettled.end_run()
                else:
                    self._unsent.append(self._to_send(entry))
            self._wait(due)
            self._flush()
            if not self.expected.is_complete:
                self._wait_for_ends(due + 1)
        except EOFError:
            self._ended_early()
            return
        self.entities.settle_rest()
        self.entities.give_up(due, is_end=True)
        if self.expected.is_complete:
            self.checks.search(self.process.stderr_text(), "stderr", self._line)
        self._compare_streams(is_partial=entries is not None)

    def _to_send(self, entry: Entry) -> bytes:
        if entry.raw is not None:
            return NOT_JSON * (MAX_MESSAGE_BYTES + 1) if entry.facts.get("oversize") else entry.raw or NOT_JSON
        self._comparison.races.send(entry)
        self.answers.send(entry)
        return to_json(self._comparison.to_actual(entry.message))

    def _flush(self) -> None:
        """Sends consecutive lines in one write, so that a burst stays a burst."""
        if self._unsent:
            self.process.send(b"\n".join(self._unsent))
            self._unsent = []

    def _wait(self, due: int, ids: Sequence[str] = (), last: float = math.inf) -> None:
        """Receives until everything up to a line has come or cannot come.

        With `ids`, it does not wait for notifications without any of them, nor for those after the line `last`.
        """
        while True:
            while self._open and self._open[0].is_done:
                self._open.popleft()
            until = takewhile(lambda one: one.entry.line <= due, self._open)
            if all(one.is_done or self._need_not_come(one, ids, last) for one in until):
                return
            self._flush()
            try:
                if not self._receive():
                    raise EOFError
            except SidecarTimeout:
                self._give_up(due)

    def _need_not_come(self, one: Expected, ids: Sequence[str], last: float) -> bool:
        is_named = one.entry.line <= last and names_any(one.entry.message, ids)
        return bool(ids) and not one.entry.is_response and not is_named

    def _wait_for_ends(self, line: int) -> None:
        """Receives until the unsettled work has ended that had ended at this line when it was recorded."""
        for state in self._comparison.unsettled.ended_before(line):
            with suppress(SidecarTimeout):
                while not self._comparison.received_work.has_ended(state.id):
                    if not self._receive():
                        raise EOFError
            if (wrong := self._comparison.unsettled.wrong_end(state, line)) is not None:
                self.expected.others.append(wrong)

    def _give_up(self, due: int) -> None:
        self.entities.give_up(due, is_end=False)
        for one in self.expected.by_line.values():
            if one.actual is not None:
                one.is_done = True  # its read was repeated in vain
            elif one.entry.is_response and one.entry.line <= due and not one.is_done:
                one.give_up(self.answers.name(one.entry.message))

    def _ended_early(self) -> None:
        missing = next((one for one in self._open if not one.is_done), None)
        if missing is None:
            return
        name = missing.entry.method or self.answers.name(missing.entry.message)
        what = f"the sidecar ended before {name} arrived; stderr: {self.process.stderr_tail()}"
        self.ended_early = Mismatch(missing.entry.line, what, kind=LOST)
        self.expected.others.append(self.ended_early)

    def _expect_exit(self, entry: Entry) -> None:
        self._flush()
        with suppress(SidecarTimeout):  # after a loss the patience is shorter than an exit takes
            while self._receive():
                pass
        try:
            code: Any = self.process.exit_code()
        except SidecarTimeout as timeout:
            code = str(timeout)
        if code != entry.exit_code:
            self.expected.others.append(Mismatch(entry.line, "the exit code differs", entry.exit_code, code))

    def _receive(self) -> bool:
        """Receives one more message; returns False at the end.  Raises SidecarTimeout."""
        try:
            message = self.process.receive(self._patience)
        except ValueError as error:
            self.expected.others.append(Mismatch(self._line, f"a line is not a message: {error}", kind=WRONG))
            return True
        if message is None:
            return False
        self.checks.see(message, self.process.last_line, self._line)
        message = self._comparison.files.named(message)
        if type(message) is list:
            self.answers.take_batch(message, self._line)
        elif "method" not in message:
            self._advance(self.answers.take(message, self._line))
        elif self.contract.coalescing(message["method"]) is not None:
            self.streams.take(message)
        else:
            self.answers.see(message)
            self.answers.hold(message)
            self._advance(self.entities.take(message, self._line))
        return True

    def _advance(self, found: Expected | None) -> None:
        """Notes the recorded message to which a received one has been assigned."""
        if found is not None:
            self._line = max(self._line, found.entry.line)

    def see_rest(self) -> None:
        """Notes the messages before the process was killed: later runs have none about work that had ended by then."""
        with suppress(SidecarTimeout, ValueError):  # its last line may be cut off
            while (message := self.process.receive()) is not None:
                for one in messages_in(message):
                    self.answers.see(one)

    def _compare_streams(self, *, is_partial: bool) -> None:
        recorded = [entry for entry in self.entries if entry.line <= self._line or not is_partial]
        while self.streams.unmatched(recorded)[0] and not self.expected.is_complete:
            try:  # a run without an exit code may still send some
                if not self._receive():
                    break
            except SidecarTimeout:
                break
        self.expected.others += self.streams.compare(recorded)

    def handshake(self) -> dict[str, Any]:
        """Returns the members of the header that the response to `initialize` also has."""
        for one in self.expected.by_line.values():
            result = get_object(one.actual, "result")
            if "server_info" in result:
                names = ("protocol_version", "schema_hash")
                return {name: result[name] for name in names if name in result}
        return {}
