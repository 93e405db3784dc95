"""Verifying: the client's half of a transcript is said to a real sidecar, and its half compared.

A line is sent once all that was recorded before it has come.  Answers are found by their id; notifications must come
in the recorded order, which is what the wire promises (G1), except those that the contract lets merge or drop.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

from pydantic_core import to_json

from protocol.connection import MAX_MESSAGE_BYTES
from sidecar.transcripts.compare import NOT_THERE, Comparison, Difference
from sidecar.transcripts.format import Entry, Header
from sidecar.transcripts.process import Process, Silence
from sidecar.transcripts.schemas import Contract

NOT_JSON: Final = b"?"
"""What is said where a line that is no JSON was recorded without its content."""

Start = Callable[[Header], Process]
Life = tuple[Header, list[Entry]]


@dataclass(frozen=True, slots=True)
class Finding:
    """One message that was not as recorded.  `line` is the transcript's; the two values are for a diff."""

    line: int
    what: str
    expected: Any = None
    actual: Any = None
    differences: tuple[Difference, ...] = ()


@dataclass
class Heard:
    """What the sidecar has said and nobody has looked at, and what was made of the rest."""

    answers: dict[Any, list[Any]] = field(default_factory=dict)
    told: list[Any] = field(default_factory=list)
    batches: list[Any] = field(default_factory=list)


class _Lost(Exception):
    """What comes can no longer be told which of the recorded ones it is."""


class Conversation:
    """One life of a sidecar, driven."""

    def __init__(self, process: Process, comparison: Comparison) -> None:
        self._process = process
        self._comparison = comparison
        self._contract = comparison.contract
        self._heard = Heard()
        self._methods: dict[Any, Any] = {}
        self._unsent: list[bytes] = []
        self._recorded_streams: dict[Any, Any] = {}
        self._actual_streams: dict[Any, Any] = {}
        self._lines: dict[Any, int] = {}
        self.findings: list[Finding] = []

    def run(self, entries: list[Entry]) -> None:
        """Say and compare all of it; stops where something that was waited for does not come."""
        groups = iter(_grouped(entries))
        line = 0
        try:
            for group in groups:
                line = group[0].line
                if group[0].sent:
                    self._say(group[0])
                    continue
                self._flush()
                if len(group) > 1:
                    self._any_order(group)
                else:
                    self._expect(group[0])
            self._flush()
            if entries and entries[-1].exit_code is not None:
                self._expect_no_more(entries[-1].line)
        except Silence as silence:
            self.findings.append(Finding(line, f"{self._what(entries, line)} did not come: {silence}"))
        except _Lost:
            return
        except EOFError:
            words = self._process.last_words()
            self.findings.append(
                Finding(line, f"the sidecar ended before {self._what(entries, line)} came; it said: {words}")
            )
        else:
            self._compare_streams()

    # --- saying -------------------------------------------------------------------------------------------------

    def _say(self, entry: Entry) -> None:
        if entry.is_eof:
            self._flush()
            self._process.close_stdin()
        elif entry.raw is not None:
            self._unsent.append(_raw(entry))
        else:
            for message in entry.message if type(entry.message) is list else [entry.message]:
                if type(message) is dict and "id" in message:
                    self._methods[message["id"]] = message.get("method")
            self._unsent.append(to_json(self._comparison.to_send(entry.message)))

    def _flush(self) -> None:
        """Lines that were said one after the other leave together, so that a burst stays a burst."""
        if self._unsent:
            self._process.send(b"\n".join(self._unsent))
            self._unsent = []

    # --- hearing ------------------------------------------------------------------------------------------------

    def _expect(self, entry: Entry) -> None:
        if entry.exit_code is not None:
            self._expect_exit(entry)
        elif type(entry.message) is list:
            self._expect_batch(entry)
        elif entry.is_answer:
            request_id = entry.message.get("id")
            actual = self._wait(lambda: self._heard.answers.get(request_id)).pop(0)
            self._judge(entry, self._comparison.answer(entry.message, actual, self._methods.get(request_id)))
        elif self._contract.coalescing(entry.method) is not None:
            self._merge(self._recorded_streams, entry.message, entry.line)
        else:
            self._expect_told(entry)

    def _expect_told(self, entry: Entry) -> None:
        actual = self._next_told()
        self._judge(entry, self._comparison.told(entry.message, actual))

    def _expect_batch(self, entry: Entry) -> None:
        actual = self._wait(lambda: self._heard.batches).pop(0)
        merged, differences = [], []
        by_id = {one.get("id"): one for one in actual}
        for one in entry.message:
            other = by_id.pop(one.get("id"), {})
            made, found = self._comparison.answer(one, other, self._methods.get(one.get("id")))
            merged.append(made)
            differences += found
        differences += [Difference("", NOT_THERE, other) for other in by_id.values()]
        self._judge(entry, (merged, differences))

    def _expect_exit(self, entry: Entry) -> None:
        while self._take():
            pass
        code = self._process.exit_code()
        if code != entry.exit_code:
            self.findings.append(Finding(entry.line, "another exit code", entry.exit_code, code))

    def _expect_no_more(self, line: int) -> None:
        extra = [
            *self._heard.told,
            *self._heard.batches,
            *(one for found in self._heard.answers.values() for one in found),
        ]
        for message in extra:
            what = message.get("method", "an answer") if type(message) is dict else "a batch of answers"
            self.findings.append(
                Finding(line, f"{what} came, but was not recorded", None, self._comparison.as_recorded(message))
            )

    def _any_order(self, group: list[Entry]) -> None:
        """Notifications that may come in any order: each that comes is taken for the recorded one that fits."""
        left = list(group)
        for _ in group:
            actual = self._next_told()
            trial = self._comparison.trial
            fitting = (one for one in left if not trial(partial(self._told_differs, one.message, actual)))
            entry = next(fitting, None) or next((one for one in left if one.method == actual["method"]), left[0])
            left.remove(entry)
            self._judge(entry, self._comparison.told(entry.message, actual))

    def _judge(self, entry: Entry, result: tuple[Any, list[Difference]]) -> None:
        merged, differences = result
        if differences:
            what = entry.method or _asked(entry.message, self._methods)
            self.findings.append(Finding(entry.line, what, entry.message, merged, tuple(differences)))
            if entry.is_told and merged.get("method") != entry.method:
                raise _Lost  # one too many or too few: from here on each would be compared with another

    def _next_told(self) -> Any:
        return self._wait(lambda: self._heard.told).pop(0)

    def _wait(self, ready: Callable[[], list[Any] | None], patience_s: float | None = None) -> list[Any]:
        while not (found := ready()):
            if not self._take(patience_s):
                raise EOFError
        return found

    def _take(self, patience_s: float | None = None) -> bool:
        """Hear one more message; False at the end."""
        try:
            message = self._process.receive(patience_s)
        except ValueError as error:
            raise Silence(f"a line came that is no JSON: {error}") from None
        if message is None:
            return False
        if type(message) is list:
            self._heard.batches.append(message)
        elif "method" not in message:
            self._heard.answers.setdefault(message.get("id"), []).append(message)
        elif self._contract.coalescing(message["method"]) is not None:
            self._merge(self._actual_streams, message, 0)
        else:
            self._heard.told.append(message)
        return True

    # --- what may merge -----------------------------------------------------------------------------------------

    def _merge(self, streams: dict[Any, Any], message: Any, line: int) -> None:
        """Text that is appended adds up, however it was cut."""
        rule = self._contract.coalescing(message["method"]) or {}
        params = message["params"]
        if rule["appends"]:
            key = (message["method"], *(params.get(name) for name in rule["key"]))
            before = streams.get(key)
            text = (before[0]["params"][rule["appends"]] if before else "") + params[rule["appends"]]
            first = before[0] if before else message
            streams[key] = [{**first, "params": {**first["params"], rule["appends"]: text}}]
        elif not rule["key"]:
            key = (message["method"],)
            streams.setdefault(key, []).append(message)
        else:
            return  # the newest wins, at most so many a second: which of them are sent is a matter of time
        if line:
            self._lines.setdefault(key, line)

    def _compare_streams(self) -> None:
        left = list(self._actual_streams.items())
        for key, messages in self._recorded_streams.items():
            name = messages[0]["method"]
            same = [one for one in left if one[0][0] == name]
            found = next((one for one in same if not self._stream_differs(messages, one[1])), None)
            if found is not None:
                left.remove(found)
                continue
            line = self._lines.get(key, 0)
            what = f"another {name} came" if same else f"{name} never came"
            self.findings.append(Finding(line, what, messages, self._comparison.as_recorded([one[1] for one in same])))

    def _stream_differs(self, recorded: list[Any], actual: list[Any]) -> list[Difference]:
        """The first is compared, and so all of an appended text; of what follows either side may have dropped some."""
        return self._comparison.trial(partial(self._told_differs, recorded[0], actual[0]))

    def _told_differs(self, expected: Any, actual: Any) -> list[Difference]:
        return self._comparison.told(expected, actual)[1]

    def _what(self, entries: list[Entry], line: int) -> str:
        entry = next((one for one in entries if one.line == line), None)
        if entry is None or entry.exit_code is not None:
            return "its end"
        return entry.method or _asked(entry.message, self._methods)


def _grouped(entries: list[Entry]) -> Iterator[list[Entry]]:
    """Entries one by one, but those next to each other that bear the same `group` together."""
    group: list[Entry] = []
    for entry in entries:
        name = entry.facts.get("group")
        if group and (name is None or name != group[0].facts.get("group")):
            yield group
            group = []
        if name is None:
            yield [entry]
        else:
            group.append(entry)
    if group:
        yield group


def _raw(entry: Entry) -> bytes:
    if entry.facts.get("oversize"):
        return NOT_JSON * (MAX_MESSAGE_BYTES + 1)
    return entry.raw or NOT_JSON


def _asked(message: Any, methods: dict[Any, Any]) -> str:
    ids = [one.get("id") for one in (message if type(message) is list else [message])]
    return "the answer to " + ", ".join(str(methods.get(one) or "a line without an id") for one in ids)


def verify(lives: list[Life], start: Start, contract: Contract, *, exact: bool = False) -> list[Finding]:
    """What is not as recorded, in the file's order.

    `start` starts a sidecar; a transcript over restarts starts one for each life, on the same data folder.
    """
    comparison = Comparison(contract, exact=exact)
    for header, entries in lives:
        with start(header) as process:
            conversation = Conversation(process, comparison)
            conversation.run(entries)
        if conversation.findings:
            return conversation.findings  # what follows would differ because of this
    return []
