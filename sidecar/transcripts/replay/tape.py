"""A recorded conversation as something to answer from: which request is meant, and what was told after which.

Pure: no clock, no pipe.  The file is read only as far as it is needed, so that a long one costs no start.
"""

from collections import deque
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Any, Final

from pydantic_core import to_json

from sidecar.transcripts.file.format import Entry, Header
from sidecar.transcripts.file.patterns import example
from sidecar.transcripts.file.schemas import SECRET, Contract, Schema

VOLATILE: Final = frozenset({"date-time", "measured"})
"""Formats of what a client sends anew each time: a day to show, its process's id."""
ANY_PARAMS: Final = frozenset({"initialize"})
"""The handshake names the client's own version and process; whichever it is, it is answered."""
MAX_DETAILS: Final = 10
SOME_LINES: Final = 500
"""They take about a millisecond."""

Key = tuple[str, bytes]


class Answer:
    """A recorded answer, ready to be sent under another id."""

    __slots__ = ("_entry", "_message", "is_error", "t")

    def __init__(self, entry: Entry, message: Mapping[str, Any] | None) -> None:
        """`message` is the one that is meant in a batch; None: the entry is a single answer."""
        self.t = entry.t
        self.is_error = (entry.word if message is None else "error" if "error" in message else "result") == "error"
        self._entry = entry
        self._message = message

    @property
    def body(self) -> bytes:
        """The result or the error, as JSON."""
        if self._message is None and (body := self._entry.body) is not None:
            return body
        message = self._entry.message if self._message is None else self._message
        return to_json(example(message.get("error" if self.is_error else "result")))


class Told:
    """A recorded notification."""

    __slots__ = ("entry", "method", "t")

    def __init__(self, entry: Entry, method: str) -> None:
        self.t = entry.t
        self.method = method
        self.entry = entry


class Asked:
    """A recorded request, in its segment; the answer came in `answered_in`, after `told_before` of what that told."""

    __slots__ = ("answer", "answered_in", "is_used", "line", "method", "params", "segment", "t", "told_before")

    def __init__(self, entry: Entry, message: Mapping[str, Any], segment: int) -> None:
        self.t = entry.t
        self.line = entry.line
        self.method: str = message["method"]
        self.params: dict[str, Any] = message.get("params") or {}
        self.segment = segment
        self.answer: Answer | None = None
        self.answered_in = segment
        self.told_before = 0
        self.is_used = False


class Tape:
    """One life of a sidecar, as recorded.

    A segment is what the client said in one line, and what was told until it said the next; segment 0 has what was told
    before the client said anything.
    """

    def __init__(self, name: str, lines: Iterator[Header | Entry], contract: Contract) -> None:
        """`lines` begin after a life's header, and may go on with the next life."""
        self.name = name
        self._lines = lines
        self._contract = contract
        self._waiting: dict[int | str, Asked] = {}
        self._exact: dict[str, dict[bytes, deque[Asked]]] = {}
        self._loose: dict[Key, deque[Asked]] = {}
        self._not_loose: list[Asked] = []
        self._last = 0
        self.told: dict[int, list[Told]] = {}
        """What was told in each segment, where that is something."""
        self.exit_code = 0
        self._end: int | None = None
        self._not_asking: set[int] = set()

    # --- reading ------------------------------------------------------------------------------------------------

    def read_on(self) -> bool:
        """Take in one more line; False at the end."""
        entry = next(self._lines, None)
        if type(entry) is not Entry:
            self._lines = iter(())  # the next life is none of ours
            return False
        if entry.sent:
            self._last += 1
        if not entry.word:
            self._take_other(entry)
        elif entry.method is None:
            self._take_answer(entry, entry.id, None)
        elif not entry.sent:
            self.told.setdefault(self._last, []).append(Told(entry, entry.method))
        elif not entry.has_id or not self._take_request(entry, entry.message):
            self._not_asking.add(self._last)
        return True

    def _take_other(self, entry: Entry) -> None:
        if entry.exit_code is not None:
            self.exit_code = entry.exit_code
        if entry.is_eof:
            self._end = self._last
        asks = False
        for message in entry.message if type(entry.message) is list else ():
            if type(message) is dict and "id" in message:
                if entry.sent and type(message.get("method")) is str:
                    asks = self._take_request(entry, message) or asks
                elif not entry.sent:
                    self._take_answer(entry, message["id"], message)
        if entry.sent and not asks:
            self._not_asking.add(self._last)

    def _take_request(self, entry: Entry, message: dict[str, Any]) -> bool:
        params = message.get("params")
        if (
            type(message["id"]) not in (int, str)
            or type(message["method"]) is not str
            or (type(params) is not dict and params is not None)
        ):
            return False  # it was refused, and is refused again
        asked = Asked(entry, message, self._last)
        self._waiting[message["id"]] = asked
        same_method = self._exact.get(asked.method)
        if same_method is None:
            same_method = self._exact[asked.method] = {}
        key = exact(asked.params)
        if key in same_method:
            same_method[key].append(asked)
        else:
            same_method[key] = deque((asked,))
        self._not_loose.append(asked)
        return True

    def _take_answer(self, entry: Entry, request_id: Any, message: dict[str, Any] | None) -> None:
        answered = self._waiting.pop(request_id, None)
        if answered is not None:
            answered.answer = Answer(entry, message)
            answered.answered_in = self._last
            answered.told_before = len(self.told.get(self._last, ()))

    def read_some(self) -> bool:
        """Take in a little more, so that nobody waits long for it; False where there is no more."""
        if not self.read_on():
            return False
        for _ in range(SOME_LINES):
            self.read_on()
        return True

    def read_segment(self, segment: int) -> bool:
        """Take in the whole of a segment; False where there is none."""
        while self._last <= segment and self.read_on():
            pass
        return segment <= self._last

    def asks_in(self, segment: int) -> bool:
        """Whether a segment began with a request that can be asked again; otherwise nobody is waited for there."""
        return not self.read_segment(segment) or segment not in self._not_asking

    def has_ended_by(self, segment: int) -> bool:
        """Whether stdin ended at the beginning of this segment, or before."""
        return self.read_segment(segment) and self._end is not None and self._end <= segment

    # --- matching -----------------------------------------------------------------------------------------------

    def match(self, method: str, params: dict[str, Any]) -> Asked | None:
        """The recorded request that is meant: the first that was not asked yet, else the last one again.

        It has the same method and params, but for times, secrets and what depends on the machine.
        """
        exactly = exact(params)
        loosely: Key | None = None
        while True:
            same_method = self._exact.get(method)
            found = None if same_method is None else _unused(same_method.get(exactly))
            if found is None and same_method is not None:
                loosely = loosely or self.loose(method, params)
                found = _unused(self._alike(loosely))
            if found is not None or not self.read_on():
                break
        if found is None:
            again = self._exact.get(method, {}).get(exactly) or self._alike(loosely or self.loose(method, params))
            found = again[-1] if again else None
        if found is not None:
            found.is_used = True
            while found.answer is None and self.read_on():
                pass
        return found

    def _alike(self, key: Key) -> deque[Asked] | None:
        """The requests that are the same but for what is volatile; sorted only once somebody asks for them."""
        for asked in self._not_loose:
            self._loose.setdefault(self.loose(asked.method, asked.params), deque()).append(asked)
        self._not_loose.clear()
        return self._loose.get(key)

    def loose(self, method: str, params: dict[str, Any]) -> Key:
        """What a request is beside times, secrets and what depends on the machine, in one order."""
        if method in ANY_PARAMS:
            return method, b""
        schema = self._contract.params(method)
        return method, to_json(self._lasting(params, schema))

    def _lasting(self, value: Any, schema: Schema) -> Any:
        if type(value) is dict:
            kept = []
            for name in sorted(value):
                member = self._contract.member(schema, value, name)
                if name != "_meta" and value[name] is not None and not self._is_volatile(member):
                    kept.append([name, self._lasting(value[name], member)])
            return kept
        if type(value) is list:
            item = self._contract.item(schema)
            return [self._lasting(one, item) for one in value]
        return value

    def _is_volatile(self, schema: Schema) -> bool:
        return bool(schema.get(SECRET)) or self._contract.format(schema) in VOLATILE

    # --- explaining ---------------------------------------------------------------------------------------------

    def nearest(self, method: str, params: dict[str, Any]) -> tuple[Asked, list[str]] | None:
        """The recorded request of this method with the fewest other params, and the paths of those."""
        recorded = (same[0] for same in self._exact.get(method, {}).values())
        candidates = [(asked, differing(asked.params, params)) for asked in recorded]
        return min(candidates, key=lambda one: len(one[1]), default=None)

    def methods_like(self, method: str) -> list[str]:
        """Recorded methods with a similar name."""
        return get_close_matches(method, list(self._exact), n=3, cutoff=0.5)


def exact(params: dict[str, Any]) -> bytes:
    """A request's params as they came."""
    if "_meta" in params:
        params = {name: value for name, value in params.items() if name != "_meta"}
    return to_json(params) if params else b"{}"


def _unused(asked: deque[Asked] | None) -> Asked | None:
    while asked:
        if not asked[0].is_used:
            return asked[0]
        if len(asked) == 1:  # the last one stays, to be answered with again
            return None
        asked.popleft().answer = None  # of a long file not all is kept
    return None


def differing(recorded: Any, asked: Any, path: str = "params") -> list[str]:
    """The paths at which two values differ."""
    if type(recorded) is dict and type(asked) is dict:
        names = [name for name in {**recorded, **asked} if name != "_meta"]
        return [one for name in names for one in differing(recorded.get(name), asked.get(name), f"{path}.{name}")]
    return [] if recorded == asked else [path]
