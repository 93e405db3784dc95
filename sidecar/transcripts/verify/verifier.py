"""Verifies a transcript: sends the client's lines to a real sidecar and compares what it sends.

A line is sent once everything recorded before it has come.  Answers are found by their id; notifications are compared
entity by entity (see `entities`), and their `seq`s are counted over all.  Those that the contract allows to be merged
or dropped are compared as far as they are text that is appended.
"""

import math
import time
from collections import defaultdict, deque
from collections.abc import Sequence
from contextlib import suppress
from itertools import takewhile
from typing import Any, Final

from pydantic_core import to_json
from sidecar_protocol.connection import MAX_MESSAGE_BYTES

from sidecar.transcripts.file.format import Entry, Run, messages_in
from sidecar.transcripts.file.patterns import names_any, secret_numbers
from sidecar.transcripts.sidecar_process import SidecarProcess, SidecarTimeout
from sidecar.transcripts.verify.checks import Checks
from sidecar.transcripts.verify.compare import Comparison
from sidecar.transcripts.verify.entities import TOTAL, Entities, Expected
from sidecar.transcripts.verify.findings import ADDITIONAL, DOUBLED, LOST, SWAPPED, WRONG, Mismatch, with_followers
from sidecar.transcripts.verify.methods import is_read
from sidecar.transcripts.verify.reads import Reads
from sidecar.transcripts.verify.responses import Responses, id_of
from sidecar.transcripts.verify.streams import Streams
from sidecar.transcripts.verify.work.races import Exchange

NOT_JSON: Final = b"?"
"""Sent in place of a line that was not JSON and was recorded without its content."""
AFTER_DIFFERENCE_S: Final = 10.0
"""Time limit once something differed: what depends on it cannot come."""
AFTER_LOSS_S: Final = 0.5
"""Time limit once something has not come."""
AGAIN_S: Final = (0.01, 0.02, 0.05, 0.1, 0.2, 0.4, 0.8, 1.6)
"""Pauses before a read whose answer is behind the recorded one is asked again."""
MAX_IN_VAIN: Final = 3
"""Reads that are asked again although they differ in the end, as each takes the sum of these pauses."""
AGAIN: Final = "again-"


class RunVerifier:
    """Drives one run of a sidecar and compares its messages."""

    def __init__(self, process: SidecarProcess, comparison: Comparison, run: Run) -> None:
        self.header, self.entries = run
        self.process = process
        self._comparison = comparison
        self.contract = comparison.contract
        self._line = self.header.line
        self._requests: dict[bytes, tuple[Entry, dict[str, Any], float]] = {}
        """Maps an id to the line, the request, and when it was sent."""
        self._again: dict[bytes, tuple[Expected, bytes, int]] = {}
        """Maps the id of a repeated read to the answer that it is for, its id there, and the tries so far."""
        self._in_vain: set[Any] = set()
        """The causes of the differences that remained when a read was asked again."""
        self._answers: dict[bytes, deque[Expected]] = defaultdict(deque)
        self._batches: list[Expected] = []
        self._unsettled = comparison.unsettled
        self._races = comparison.races
        self._other: list[Mismatch] = []
        self._early: defaultdict[int, list[Any]] = defaultdict(list)
        """Notifications that the answer of a line may have to precede, if it creates their subject."""
        comparison.begin_run(run)
        reads = Reads(self.entries, self.contract, self._unsettled)
        self._responses = Responses(reads, comparison)
        self.entities = Entities(self.entries, comparison, reads, is_total=self.header.facts.get("order") == TOTAL)
        self.entities.loosen()
        self.streams = Streams(comparison)
        self.checks = Checks(comparison, self.entries)
        self.expected: dict[int, Expected] = dict(self.entities.expected)
        """Maps a line to what has been recorded and what has come for it."""
        self._responses_not_recorded: list[Mismatch] = []
        self.ended_early: Mismatch | None = None
        self._unsent: list[bytes] = []
        for entry in self.entries:
            if entry.is_response:
                expected = self.expected[entry.line] = Expected(entry)
                if type(entry.message) is list:
                    self._batches.append(expected)
                else:
                    self._answers[id_of(entry.message)].append(expected)
        self._answered: set[bytes] = set()
        self._open = deque(sorted(self.expected.values(), key=lambda one: one.entry.line))

    @property
    def has_ended(self) -> bool:
        """Whether the recording is complete up to the exit of the process."""
        return bool(self.entries) and self.entries[-1].exit_code is not None

    @property
    def additional(self) -> list[Mismatch]:
        """Messages that were not recorded, each with the line after which it came."""
        return [*self.entities.additional, *self._responses_not_recorded]

    @property
    def mismatches(self) -> list[Mismatch]:
        additional = self.additional if self.has_ended else self.entities.surely_additional(self.additional)
        expected = (one.mismatch for one in self.expected.values() if one.mismatch is not None)
        found = [*self._other, *self.checks.mismatches, *self.entities.misshapen, *additional, *expected]
        return with_followers(sorted(found, key=lambda one: one.line), self.entries)

    @property
    def _has_lost(self) -> bool:
        """Whether something that was recorded has not come, and not come late either."""
        return LOST in self._settled_kinds() or any(one.kind == LOST for one in self._other)

    def _settled_kinds(self) -> list[str]:
        """Returns the kinds of the differences in what will not be looked at again."""
        return [one.mismatch.kind for one in self.expected.values() if one.mismatch is not None and one.is_done]

    @property
    def _patience(self) -> float:
        """The time limit of a wait: what depends on something that differs cannot come."""
        if self._has_lost and not self._again:
            return min(AFTER_LOSS_S, self.process.timeout_s)
        if self._again or self._settled_kinds():
            return min(AFTER_DIFFERENCE_S, self.process.timeout_s)
        return self.process.timeout_s

    def run(self, entries: list[Entry] | None = None) -> None:
        """Sends and compares everything, or these first entries; stops if the sidecar ends early."""
        due = 0
        try:
            for entry in self.entries if entries is None else entries:
                if not entry.from_client and entry.exit_code is None:
                    due = entry.line if entry.line in self.expected else due
                    continue
                live = self._comparison.recorded_work.live_for(entry)
                self._wait(due, live, self._races.told_before(entry))
                self._line = max(self._line, entry.line)
                if entry.exit_code is not None:
                    self._expect_exit(entry)
                elif entry.is_eof:
                    self._flush()
                    self._wait_for_ends(entry.line)
                    self.process.close_stdin()
                    self._unsettled.end_run()
                else:
                    self._unsent.append(self._to_send(entry))
            self._wait(due)
            self._flush()
            if not self.has_ended:
                self._wait_for_ends(due + 1)
        except EOFError:
            self._ended_early()
            return
        self.entities.settle_rest()
        self.entities.give_up(due, is_end=True)
        if self.has_ended:
            self.checks.search(self.process.stderr_text(), "stderr", self._line)
        self._compare_streams(is_partial=entries is not None)

    def _to_send(self, entry: Entry) -> bytes:
        if entry.raw is not None:
            return NOT_JSON * (MAX_MESSAGE_BYTES + 1) if entry.facts.get("oversize") else entry.raw or NOT_JSON
        self._races.send(entry)
        for message in entry.objects:
            if message.get("id") is not None:  # null is that of lines that cannot be read
                key = id_of(message)
                self._requests[key] = entry, message, time.monotonic()
                if self._answers.get(key):
                    self._comparison.expect_redirect(self._answers[key][0].entry.message.get("result"))
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
        for state in self._unsettled.ended_before(line):
            with suppress(SidecarTimeout):
                while not self._comparison.received_work.has_ended(state.id):
                    if not self._receive():
                        raise EOFError
            if (wrong := self._unsettled.wrong_end(state, line)) is not None:
                self._other.append(wrong)

    def _give_up(self, due: int) -> None:
        self.entities.give_up(due, is_end=False)
        for one in self.expected.values():
            if one.actual is not None:
                one.is_done = True  # its read was repeated in vain
            elif one.entry.is_response and one.entry.line <= due and not one.is_done:
                one.give_up(self._response_to(one.entry.message))

    def _ended_early(self) -> None:
        missing = next((one for one in self._open if not one.is_done), None)
        if missing is None:
            return
        name = missing.entry.method or self._response_to(missing.entry.message)
        what = f"the sidecar ended before {name} arrived; stderr: {self.process.stderr_tail()}"
        self.ended_early = Mismatch(missing.entry.line, what, kind=LOST)
        self._other.append(self.ended_early)

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
            self._other.append(Mismatch(entry.line, "the exit code differs", entry.exit_code, code))

    def _receive(self) -> bool:
        """Receives one more message; returns False at the end.  Raises SidecarTimeout."""
        try:
            message = self.process.receive(self._patience)
        except ValueError as error:
            self._other.append(Mismatch(self._line, f"a line is not a message: {error}", kind=WRONG))
            return True
        if message is None:
            return False
        self.checks.see(message, self.process.last_line, self._line)
        message = self._comparison.files.named(message)
        if type(message) is list:
            self._take_batch(message)
        elif "method" not in message:
            self._take_response(message)
        elif self.contract.coalescing(message["method"]) is not None:
            self.streams.take(message)
        else:
            self._take_notification(message)
        return True

    def see_rest(self) -> None:
        """Notes the messages before the process was killed: later runs have none about work that had ended by then."""
        with suppress(SidecarTimeout, ValueError):  # its last line may be cut off
            while (message := self.process.receive()) is not None:
                for one in messages_in(message):
                    self._see(one)

    def _see(self, message: Any) -> None:
        """Notes the states in a received message, and the answers that they refute."""
        self._other += self._races.see(message, self.method_of(message))

    def _take_notification(self, message: Any) -> None:
        self._see(message)
        made_by = self.entities.made_by(message, (one for one in self.expected.values() if self._creates(one)))
        if made_by is not None:
            self._early[made_by.entry.line].append(message)
        found = self.entities.take(message, self._line)
        if found is not None:
            self._line = max(self._line, found.entry.line)

    def _take_response(self, actual: Any) -> None:
        key = id_of(actual)
        tries = 0
        if key in self._again:
            expected, key, tries = self._again.pop(key)
            actual = {**actual, "id": expected.entry.message.get("id")}
        elif self._answers[key]:
            expected = self._answers[key].popleft()
        else:
            if self.has_ended or key in self._answered:
                self._add(actual)
            return
        self._comparison.times.at(expected.entry.t)
        self._comparison.note_sign_in(expected.entry.message.get("result"), actual.get("result"))
        sent, request, at = self._requests.get(key, (expected.entry, {}, 0.0))
        self._meet([(key, expected.entry.message, actual)], expected.entry)
        merged, differences = self._responses.compare(expected.entry, expected.entry.message, actual, request)
        self._see(actual)
        if not tries:
            self.checks.answered(request, expected.entry.t - sent.t, (time.monotonic() - at) * 1000)
        self._answered.add(key)
        what = self._response_to(expected.entry.message)
        if "error" in actual and "result" in expected.entry.message and (numbers := secret_numbers(request)):
            options = " ".join(f"--secret {number}=…" for number in numbers)
            what += f" is an error; if it needs a real secret, hand it in with {options}: it"
        expected.settle(what, actual, merged, differences)
        expected.is_done = expected.mismatch is None or not self._ask_again(expected, request, key, tries)
        self._line = max(self._line, expected.entry.line)
        self.checks.response(expected.entry, actual, request.get("method"))
        self._find_early(expected, actual)

    def _find_early(self, expected: Expected, actual: Any) -> None:
        """Reports notifications before the answer that creates their subject; others are about an earlier run."""
        for message in self._early.pop(expected.entry.line, ()):
            ids = [to_json(value) for _, value in self.contract.entity(message) if value is not None]
            if any(one in to_json(actual) for one in ids):
                what = f"{message['method']} came before {self._response_to(expected.entry.message)}"
                self._other.append(Mismatch(expected.entry.line, f"{what}, which creates its subject", kind=SWAPPED))

    def _creates(self, expected: Expected) -> bool:
        """Returns whether a message is the answer to a request that can create something."""
        method = self.method_of(expected.entry.message) if type(expected.entry.message) is dict else None
        return expected.entry.is_response and method is not None and not is_read(method)

    def _ask_again(self, expected: Expected, request: Any, key: bytes, tries: int) -> bool:
        """Repeats a read whose answer is behind the recorded one; returns False if that is in vain."""
        assert expected.mismatch is not None
        cause = expected.mismatch.cause
        is_in_vain = self._has_lost or len(self._in_vain) >= MAX_IN_VAIN or cause in self._in_vain
        if is_in_vain or self._comparison.is_exact or expected.entry.message.get("error"):
            return False
        if not is_read(request.get("method")):
            return False
        if tries >= len(AGAIN_S):
            self._in_vain.add(cause)
            return False
        time.sleep(AGAIN_S[tries])
        again = f"{AGAIN}{expected.entry.line}-{tries}"
        self._again[to_json(again)] = expected, key, tries + 1
        self.process.send(to_json({**self._comparison.to_actual(request), "id": again}))
        return True

    def _take_batch(self, actual: list[Any]) -> None:
        ids = {id_of(one) for one in actual}
        expected = next((one for one in self._batches if ids & {id_of(other) for other in one.entry.message}), None)
        if expected is None:
            self._add(actual)
            return
        self._batches.remove(expected)
        self._comparison.times.at(expected.entry.t)
        by_id = {id_of(one): one for one in actual}
        self._meet([(id_of(one), one, by_id.get(id_of(one), {})) for one in expected.entry.message], expected.entry)
        requests = {key: self._requests[key][1] for key in ids & self._requests.keys()}
        merged, differences = self._responses.compare_batch(expected.entry, actual, requests)
        for one in actual:
            self._see(one)
        expected.settle(self._response_to(expected.entry.message), actual, merged, differences)
        self._find_early(expected, actual)

    def _meet(self, answers: list[tuple[bytes, Any, Any]], entry: Entry) -> None:
        """Leaves out what the requests to these (id, recorded, received) answers have met in another state."""
        sent = [self._requests[key][0].line for key, _, _ in answers if key in self._requests]
        asked = [Exchange(self._requests[key][1], one, other) for key, one, other in answers if key in self._requests]
        if sent and not self._comparison.is_exact and self._races.compare(asked, sent[0], entry.line):
            self.entities.loosen()

    def _add(self, actual: Any) -> None:
        recorded = self._comparison.to_recorded(actual)
        is_second = type(actual) is dict and id_of(actual) in self._answered
        kind, text = (DOUBLED, "came twice") if is_second else (ADDITIONAL, "was received but not recorded")
        what = f"{self._response_to(actual)} {text}"
        self._responses_not_recorded.append(Mismatch(self._line, what, None, recorded, kind=kind))

    def _compare_streams(self, *, is_partial: bool) -> None:
        recorded = [entry for entry in self.entries if entry.line <= self._line or not is_partial]
        while self.streams.unmatched(recorded)[0] and not self.has_ended:
            try:  # a run without an exit code may still send some
                if not self._receive():
                    break
            except SidecarTimeout:
                break
        self._other += self.streams.compare(recorded)

    def handshake(self) -> dict[str, Any]:
        """Returns the members of the header that the response to `initialize` also has."""
        for one in self.expected.values():
            result = one.actual.get("result") if type(one.actual) is dict else None
            if type(result) is dict and "server_info" in result:
                names = ("protocol_version", "schema_hash")
                return {name: result[name] for name in names if name in result}
        return {}

    def _response_to(self, message: Any) -> str:
        names = (str(self.method_of(one) or _unknown(one.get("id"))) for one in messages_in(message))
        return f"the response to {', '.join(names)}"

    def method_of(self, response: Any) -> Any:
        """Returns the method of the request that a response answers."""
        sent = self._requests.get(id_of(response))
        return None if sent is None else sent[1].get("method")


def _unknown(request_id: Any) -> str:
    return "a line without an id" if request_id is None else f"the id {request_id} (no request has it)"
