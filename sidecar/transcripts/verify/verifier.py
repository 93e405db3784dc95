"""Verifies a transcript: sends the client's lines to a real sidecar and compares what it sends.

A line is sent once everything recorded before it has arrived.  Responses are found by their id; notifications must
arrive in the recorded order, which the protocol guarantees (G1), except those of a group (see `groups`) and those that
the contract allows to be merged or dropped.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from pydantic_core import to_json
from sidecar_protocol.connection import MAX_MESSAGE_BYTES

from sidecar.transcripts.file.format import Entry, Header, Run
from sidecar.transcripts.file.schemas import ContractSchemas
from sidecar.transcripts.verify.compare import COUNTED, NOT_THERE, Comparison, Difference
from sidecar.transcripts.verify.groups import in_groups, is_ordered, pair_group, seqs_of, with_seq
from sidecar.transcripts.verify.sidecar_process import SidecarProcess, SidecarTimeout

NOT_JSON: Final = b"?"
"""Sent in place of a line that was not JSON and was recorded without its content."""

Start = Callable[[Header], SidecarProcess]


@dataclass(frozen=True, slots=True)
class Mismatch:
    """One message that is not as recorded; `line` is its line in the transcript."""

    line: int
    what: str
    expected: Any = None
    actual: Any = None
    differences: tuple[Difference, ...] = ()


class _OutOfStep(Exception):
    """A notification is missing or additional, so the following ones cannot be assigned to recorded ones."""


class RunVerifier:
    """Drives one run of a sidecar and compares its messages."""

    def __init__(self, process: SidecarProcess, comparison: Comparison) -> None:
        self._process = process
        self._comparison = comparison
        self._schemas = comparison.schemas
        self._responses: dict[bytes, list[Any]] = {}
        """Responses not yet compared, by the id as JSON: 1 and "1" differ."""
        self._notifications: list[Any] = []
        self._batches: list[Any] = []
        self._methods: dict[bytes, Any] = {}
        self._answered: set[bytes] = set()
        self._awaited: list[Entry] = []
        self._unsent: list[bytes] = []
        self._recorded_streams: dict[Any, tuple[Any, int]] = {}
        self._actual_streams: dict[Any, tuple[Any, int]] = {}
        self.mismatches: list[Mismatch] = []

    def run(self, entries: list[Entry]) -> None:
        """Sends and compares everything; stops if an expected message does not arrive."""
        try:
            for group in in_groups(entries, self._schemas):
                self._awaited = group
                if group[0].from_client:
                    self._send(group[0])
                    continue
                self._flush()
                if len(group) > 1 or is_ordered(group[0], self._schemas):
                    self._expect_group(group)
                else:
                    self._expect(group[0])
            self._flush()
            self._expect_no_more(entries)
        except SidecarTimeout as timeout:
            reason = f"did not arrive: {timeout}"
            self.mismatches += [Mismatch(one.line, f"{self._what(one)} {reason}") for one in self._awaited]
        except _OutOfStep:
            return
        except EOFError:
            reason = f"arrived; stderr: {self._process.stderr_tail()}"
            for one in self._awaited:
                self.mismatches.append(Mismatch(one.line, f"the sidecar ended before {self._what(one)} {reason}"))
        else:
            self._compare_streams()

    def _send(self, entry: Entry) -> None:
        if entry.is_eof:
            self._flush()
            self._process.close_stdin()
        elif entry.raw is not None:
            self._unsent.append(_raw(entry))
        else:
            for message in entry.messages:
                if type(message) is dict and "id" in message:
                    self._methods[_key(message)] = message.get("method")
            self._unsent.append(to_json(self._comparison.to_actual(entry.message)))

    def _flush(self) -> None:
        """Sends consecutive lines in one write, so that a burst stays a burst."""
        if self._unsent:
            self._process.send(b"\n".join(self._unsent))
            self._unsent = []

    def _expect(self, entry: Entry) -> None:
        if entry.exit_code is not None:
            while self._receive():
                pass
            code = self._process.exit_code()
            if code != entry.exit_code:
                self.mismatches.append(Mismatch(entry.line, "the exit code differs", entry.exit_code, code))
        elif type(entry.message) is list:
            self._expect_batch(entry)
        elif entry.is_response:
            key = _key(entry.message)
            actual = self._wait(lambda: self._responses.get(key)).pop(0)
            self._answered.add(key)
            self._judge(entry, self._comparison.response(entry.message, actual, self._methods.get(key)))
        elif entry.is_notification:
            self._add_to_stream(self._recorded_streams, entry.message, entry.line)

    def _expect_batch(self, entry: Entry) -> None:
        wanted = {_key(one) for one in entry.message}
        actual = self._wait(lambda: [one for one in self._batches if wanted & {_key(two) for two in one}])[0]
        self._batches.remove(actual)
        merged, differences = [], []
        by_id: dict[bytes, list[Any]] = {}
        for other in actual:
            by_id.setdefault(_key(other), []).append(other)
        for one in entry.message:
            same = by_id.get(_key(one))
            made, found = self._comparison.response(one, same.pop(0) if same else {}, self._methods.get(_key(one)))
            merged.append(made)
            differences += found
        differences += [Difference("", NOT_THERE, other) for others in by_id.values() for other in others]
        self._judge(entry, (merged, differences))

    def _expect_no_more(self, entries: list[Entry]) -> None:
        """Reports messages that were not recorded; in a run without an exit code only second responses (G5)."""
        has_ended = bool(entries) and entries[-1].exit_code is not None
        extra = [*self._notifications, *self._batches] if has_ended else []
        for key, responses in self._responses.items():
            extra += responses if has_ended or key in self._answered else []
        for message in extra:
            is_notification = type(message) is dict and "method" in message
            what = message["method"] if is_notification else _response_to(message, self._methods)
            actual = self._comparison.to_recorded(message)
            self.mismatches.append(Mismatch(entries[-1].line, f"{what} was received but not recorded", None, actual))

    def _expect_group(self, group: list[Entry]) -> None:
        """Receives as many notifications as the group has and pairs each with the recorded one that fits."""
        received: list[Any] = []
        failure: Exception | None = None
        try:
            while len(received) < len(group):
                received.append(self._wait(lambda: self._notifications).pop(0))
        except (SidecarTimeout, EOFError) as error:
            failure = error
        pairs = pair_group(group, received, self._comparison)
        seqs = seqs_of(group)
        for index, actual in enumerate(received):
            entry = group[pairs[index]]
            message = with_seq(entry.message, seqs[index]) if len(seqs) == len(group) else entry.message
            self._judge(entry, self._comparison.notification(message, actual), message)
        if failure is not None:
            self._awaited = [entry for index, entry in enumerate(group) if index not in pairs.values()]
            raise failure

    def _judge(self, entry: Entry, result: tuple[Any, list[Difference]], recorded: Any = None) -> None:
        """Records a mismatch if there are differences; `recorded` replaces the entry's message."""
        merged, differences = result
        if differences:
            expected = entry.message if recorded is None else recorded
            self.mismatches.append(Mismatch(entry.line, self._what(entry), expected, merged, tuple(differences)))
            if entry.is_notification and merged.get("method") != entry.method:
                raise _OutOfStep
            if any(one.path.endswith(COUNTED) for one in differences):
                # Report one gap once, not in each notification that follows.
                self._comparison.bindings.seq_offset = None

    def _wait(self, ready: Callable[[], list[Any] | None]) -> list[Any]:
        while not (found := ready()):
            if not self._receive():
                raise EOFError
        return found

    def _receive(self, timeout_s: float | None = None) -> bool:
        """Receives one more message; returns False at the end."""
        try:
            message = self._process.receive(timeout_s)
        except ValueError as error:
            raise SidecarTimeout(f"a line is not a message: {error}") from None
        if message is None:
            return False
        if type(message) is list:
            self._batches.append(message)
        elif "method" not in message:
            self._responses.setdefault(_key(message), []).append(message)
        elif self._schemas.coalescing(message["method"]) is not None:
            self._add_to_stream(self._actual_streams, message, 0)
        else:
            self._notifications.append(message)
        return True

    def _add_to_stream(self, streams: dict[Any, tuple[Any, int]], message: Any, line: int) -> None:
        """Collects the first of some notifications that may be merged or dropped, with its line.

        Joins appended text, however it was cut.
        """
        rule = self._schemas.coalescing(message["method"]) or {}
        appends, names = rule["appends"], self._schemas.key(message["method"])
        if names and not appends:
            return  # only the newest matters, and which ones are sent depends on time
        key = (message["method"], *(message["params"].get(name) for name in names))
        first, first_line = streams.setdefault(key, (message, line))
        if appends and first is not message:
            text = first["params"][appends] + message["params"][appends]
            streams[key] = {**first, "params": {**first["params"], appends: text}}, first_line

    def _compare_streams(self) -> None:
        for message, line in self._recorded_streams.values():
            found = self._stream_like(message)
            while found is None and self._receives_more():  # a run without an exit code may still send some
                found = self._stream_like(message)
            if found is not None:
                del self._actual_streams[found]
                continue
            name = message["method"]
            same = [one for key, (one, _) in self._actual_streams.items() if key[0] == name]
            what = f"{name} differs" if same else f"{name} did not arrive"
            self.mismatches.append(Mismatch(line, what, [message], self._comparison.to_recorded(same)))

    def _stream_like(self, message: Any) -> Any:
        for key, (actual, _) in self._actual_streams.items():
            if key[0] == message["method"] and not self._differs(message, actual):
                return key
        return None

    def _differs(self, recorded: Any, actual: Any) -> list[Difference]:
        return self._comparison.trial(lambda: self._comparison.notification(recorded, actual)[1])

    def _receives_more(self, timeout_s: float | None = None) -> bool:
        try:
            return self._receive(timeout_s)
        except SidecarTimeout:
            return False

    def _what(self, entry: Entry) -> str:
        if entry.exit_code is not None:
            return "its exit"
        return entry.method or _response_to(entry.message, self._methods)


def _raw(entry: Entry) -> bytes:
    if entry.facts.get("oversize"):
        return NOT_JSON * (MAX_MESSAGE_BYTES + 1)
    return entry.raw or NOT_JSON


def _response_to(message: Any, methods: dict[bytes, Any]) -> str:
    responses = message if type(message) is list else [message]
    return "the response to " + ", ".join(str(methods.get(_key(one)) or "a line without an id") for one in responses)


def _key(message: Any) -> bytes:
    """Returns a message's id as JSON: an invalid request may have any value there."""
    return to_json(message.get("id"))


def verify(runs: list[Run], start: Start, schemas: ContractSchemas, *, exact: bool = False) -> list[Mismatch]:
    """Returns the mismatches of the first run that has any, in the order of the file.

    `start` starts a sidecar; it is called once per run and must use the same data folder each time.
    """
    comparison = Comparison(schemas, exact=exact)
    for number, (_, entries) in enumerate(runs):
        with running(runs, number, start) as process:
            verifier = RunVerifier(process, comparison)
            verifier.run(entries)
        if verifier.mismatches:
            return verifier.mismatches  # later runs would differ because of these
    return []


@contextmanager
def running(runs: list[Run], number: int, start: Start) -> Iterator[SidecarProcess]:
    """Starts the sidecar of one run; kills it at the end of the block if the recorded one was killed."""
    header, entries = runs[number]
    with start(header) as process:
        yield process
        if number + 1 < len(runs) and all(entry.exit_code is None for entry in entries):
            process.kill()
