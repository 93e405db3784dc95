"""Verifying: the client's half of a transcript is said to a real sidecar, and its half compared.

A line is sent once all that was recorded before it has come.  Answers are found by their id; notifications must come
in the recorded order, which is what the wire promises (G1), except those of a group (see `groups`) and those that the
contract lets merge or drop.

A life that has no end was cut short, by `kill -9` or by whoever recorded it: it is compared as far as it goes, and
where another one follows, the sidecar is killed there.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

from pydantic_core import to_json
from sidecar_protocol.connection import MAX_MESSAGE_BYTES

from sidecar.transcripts.file.format import Entry, Header
from sidecar.transcripts.file.schemas import Contract
from sidecar.transcripts.verify.compare import COUNTED, NOT_THERE, Comparison, Difference
from sidecar.transcripts.verify.groups import grouped, has_a_place, numbers, paired, with_number
from sidecar.transcripts.verify.sidecar_process import Process, Silence

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

    answers: dict[bytes, list[Any]] = field(default_factory=dict)
    """By the id as JSON: 1 and "1" are two."""
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
        self._methods: dict[bytes, Any] = {}
        self._answered: set[bytes] = set()
        self._awaited: list[Entry] = []
        self._unsent: list[bytes] = []
        self._recorded_streams: dict[Any, Any] = {}
        self._actual_streams: dict[Any, Any] = {}
        self._lines: dict[Any, int] = {}
        self.findings: list[Finding] = []

    def run(self, entries: list[Entry]) -> None:
        """Say and compare all of it; stops where something that was waited for does not come."""
        try:
            for group in grouped(entries, self._contract):
                self._awaited = group
                if group[0].sent:
                    self._say(group[0])
                    continue
                self._flush()
                if len(group) > 1:
                    self._any_order(group)
                else:
                    self._expect(group[0])
            self._flush()
            self._expect_no_more(entries)
        except Silence as silence:
            self.findings += [Finding(one.line, f"{self._what(one)} did not come: {silence}") for one in self._awaited]
        except _Lost:
            return
        except EOFError:
            words = self._process.last_words()
            self.findings += [
                Finding(one.line, f"the sidecar ended before {self._what(one)} came; it said: {words}")
                for one in self._awaited
            ]
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
                    self._methods[_key(message)] = message.get("method")
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
            key = _key(entry.message)
            actual = self._wait(lambda: self._heard.answers.get(key)).pop(0)
            self._answered.add(key)
            self._judge(entry, self._comparison.answer(entry.message, actual, self._methods.get(key)))
        elif has_a_place(entry, self._contract):
            self._expect_told(entry)
        elif entry.is_told:
            self._merge(self._recorded_streams, entry.message, entry.line)

    def _expect_told(self, entry: Entry) -> None:
        actual = self._next_told()
        self._judge(entry, self._comparison.told(entry.message, actual))

    def _expect_batch(self, entry: Entry) -> None:
        wanted = {_key(one) for one in entry.message}
        actual = self._wait(lambda: [one for one in self._heard.batches if wanted & {_key(two) for two in one}])[0]
        self._heard.batches.remove(actual)
        merged, differences = [], []
        by_id: dict[bytes, list[Any]] = {}
        for other in actual:
            by_id.setdefault(_key(other), []).append(other)
        for one in entry.message:
            same = by_id.get(_key(one))
            made, found = self._comparison.answer(one, same.pop(0) if same else {}, self._methods.get(_key(one)))
            merged.append(made)
            differences += found
        differences += [Difference("", NOT_THERE, other) for others in by_id.values() for other in others]
        self._judge(entry, (merged, differences))

    def _expect_exit(self, entry: Entry) -> None:
        while self._take():
            pass
        code = self._process.exit_code()
        if code != entry.exit_code:
            self.findings.append(Finding(entry.line, "another exit code", entry.exit_code, code))

    def _expect_no_more(self, entries: list[Entry]) -> None:
        """Nothing but what was recorded; of a life without an end, at least no second answer (G5)."""
        has_ended = bool(entries) and entries[-1].exit_code is not None
        extra = [*self._heard.told, *self._heard.batches] if has_ended else []
        for key, answers in self._heard.answers.items():
            extra += answers if has_ended or key in self._answered else []
        for message in extra:
            what = _asked(message, self._methods) if _is_answer(message) else message["method"]
            came = self._comparison.as_recorded(message)
            self.findings.append(Finding(entries[-1].line, f"{what} came, but was not recorded", None, came))

    def _any_order(self, group: list[Entry]) -> None:
        """Notifications that may come in any order: each that comes is taken for the recorded one that fits."""
        came: list[Any] = []
        silence: Exception | None = None
        try:
            while len(came) < len(group):
                came.append(self._next_told())
        except (Silence, EOFError) as error:
            silence = error
        pairs = paired(group, came, self._comparison)
        seqs = numbers(group)
        for index, actual in enumerate(came):
            entry = group[pairs[index]]
            message = with_number(entry.message, seqs[index]) if len(seqs) == len(group) else entry.message
            self._judge(entry, self._comparison.told(message, actual), message)
        if silence is not None:
            self._awaited = [entry for index, entry in enumerate(group) if index not in pairs.values()]
            raise silence

    def _judge(self, entry: Entry, result: tuple[Any, list[Difference]], recorded: Any = None) -> None:
        """Take a comparison's result; `recorded` is the message where it is not quite the entry's."""
        merged, differences = result
        if differences:
            expected = entry.message if recorded is None else recorded
            self.findings.append(Finding(entry.line, self._what(entry), expected, merged, tuple(differences)))
            if entry.is_told and merged.get("method") != entry.method:
                raise _Lost  # one too many or too few: from here on each would be compared with another
            if any(one.path.endswith(COUNTED) for one in differences):
                self._comparison.bindings.further = None  # one gap is one finding, and not one in each that follows

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
            raise Silence(f"a line came that is no message: {error}") from None
        if message is None:
            return False
        if type(message) is list:
            self._heard.batches.append(message)
        elif _is_answer(message):
            self._heard.answers.setdefault(_key(message), []).append(message)
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
        taken: set[Any] = set()
        for key, messages in self._recorded_streams.items():
            found = self._stream_like(messages, taken)
            while found is None and self._hears_more():  # of a life without an end, not all has been waited for
                found = self._stream_like(messages, taken)
            if found is not None:
                taken.add(found)
                continue
            name = messages[0]["method"]
            same = [one for other, one in self._actual_streams.items() if other[0] == name and other not in taken]
            what = f"another {name} came" if same else f"{name} never came"
            came = self._comparison.as_recorded(same)
            self.findings.append(Finding(self._lines.get(key, 0), what, messages, came))

    def _stream_like(self, messages: list[Any], taken: set[Any]) -> Any:
        name = messages[0]["method"]
        left = (key for key in self._actual_streams if key[0] == name and key not in taken)
        return next((key for key in left if not self._stream_differs(messages, self._actual_streams[key])), None)

    def _hears_more(self, patience_s: float | None = None) -> bool:
        """Whether another message has come in time."""
        try:
            return self._take(patience_s)
        except Silence:
            return False

    def _stream_differs(self, recorded: list[Any], actual: list[Any]) -> list[Difference]:
        """The first is compared, and so all of an appended text; of what follows either side may have dropped some."""
        return self._comparison.trial(partial(self._told_differs, recorded[0], actual[0]))

    def _told_differs(self, expected: Any, actual: Any) -> list[Difference]:
        return self._comparison.told(expected, actual)[1]

    def _what(self, entry: Entry) -> str:
        if entry.exit_code is not None:
            return "its end"
        return entry.method or _asked(entry.message, self._methods)


def _raw(entry: Entry) -> bytes:
    if entry.facts.get("oversize"):
        return NOT_JSON * (MAX_MESSAGE_BYTES + 1)
    return entry.raw or NOT_JSON


def _asked(message: Any, methods: dict[bytes, Any]) -> str:
    answers = message if type(message) is list else [message]
    return "the answer to " + ", ".join(str(methods.get(_key(one)) or "a line without an id") for one in answers)


def _is_answer(message: Any) -> bool:
    return type(message) is list or "method" not in message


def _key(message: Any) -> bytes:
    """A message's id, as something to look up: a request may bear anything in its place."""
    return to_json(message.get("id"))


def verify(lives: list[Life], start: Start, contract: Contract, *, exact: bool = False) -> list[Finding]:
    """What is not as recorded, in the file's order.

    `start` starts a sidecar; a transcript over restarts starts one for each life, on the same data folder.
    """
    comparison = Comparison(contract, exact=exact)
    for number, (_, entries) in enumerate(lives):
        with alive(lives, number, start) as process:
            conversation = Conversation(process, comparison)
            conversation.run(entries)
        if conversation.findings:
            return conversation.findings  # what follows would differ because of this
    return []


@contextmanager
def alive(lives: list[Life], number: int, start: Start) -> Iterator[Process]:
    """A sidecar for one of the lives; one that had no end, and was followed by another, is killed as it was then."""
    header, entries = lives[number]
    with start(header) as process:
        yield process
        if number + 1 < len(lives) and all(entry.exit_code is None for entry in entries):
            process.kill()
