"""What happened in a transcript: calls with their latency, notifications, errors and silences.

The file is read once, as a stream; of a message only its name and size are kept.
"""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from sidecar.transcripts.file.format import Entry, Header

GAP_MS: Final = 1_000.0
"""A silence from this length on is worth a line."""
LONGEST: Final = 10
"""So many of the gaps and of the slowest calls are named."""


@dataclass(slots=True)
class Call:
    """One request and its answer.  Times in milliseconds since the life's beginning, sizes in bytes of the file."""

    line: int
    t: float
    method: str
    sent_bytes: int
    latency_ms: float | None = None
    """None: it was never answered."""
    answer_bytes: int = 0
    error: str | None = None
    """The error's kind."""
    told: int = 0
    """Notifications from here to the next request."""


@dataclass(slots=True)
class Told:
    """One notification, of either side."""

    line: int
    t: float
    method: str
    size: int
    sent: bool


@dataclass(slots=True)
class Gap:
    """A silence of both sides."""

    line: int
    """Where it ends."""
    t: float
    ms: float


@dataclass(slots=True)
class Totals:
    """All calls of one method."""

    calls: int = 0
    errors: int = 0
    unanswered: int = 0
    p50_ms: float | None = None
    p95_ms: float | None = None
    max_ms: float | None = None
    bytes: int = 0


@dataclass(slots=True)
class Life:
    """One life of the sidecar."""

    header: dict[str, Any]
    messages: int = 0
    bytes: int = 0
    duration_ms: float = 0.0
    exit_code: int | None = None
    calls: list[Call] = field(default_factory=list)
    told: list[Told] = field(default_factory=list)
    unreadable: int = 0
    """Lines that were no JSON."""
    refused: int = 0
    """Answers without an id."""
    gaps: list[Gap] = field(default_factory=list)

    def methods(self) -> dict[str, Totals]:
        """By method, the most called first."""
        by_method: dict[str, list[Call]] = {}
        for call in self.calls:
            by_method.setdefault(call.method, []).append(call)
        made = {method: _totals(calls) for method, calls in by_method.items()}
        return dict(sorted(made.items(), key=lambda one: -one[1].calls))

    def notifications(self) -> dict[str, int]:
        """How often each came, the most frequent first."""
        counts: dict[str, int] = {}
        for one in self.told:
            if not one.sent:
                counts[one.method] = counts.get(one.method, 0) + 1
        return dict(sorted(counts.items(), key=lambda one: -one[1]))

    def slowest(self) -> list[Call]:
        """The calls that took longest."""
        answered = [call for call in self.calls if call.latency_ms is not None]
        return sorted(answered, key=lambda call: -(call.latency_ms or 0.0))[:LONGEST]

    def longest_gaps(self) -> list[Gap]:
        """The longest silences, in their order."""
        return sorted(sorted(self.gaps, key=lambda gap: -gap.ms)[:LONGEST], key=lambda gap: gap.t)

    def as_json(self) -> dict[str, Any]:
        """All of it, with the sums."""
        sums = {"methods": {name: asdict(one) for name, one in self.methods().items()}}
        return {**asdict(self), **sums, "notifications": self.notifications()}


def survey(lines: Iterable[Header | Entry]) -> list[Life]:
    """Each life of a transcript.  Raises NotATranscript where the lines do."""
    lives: list[Life] = []
    open_calls: dict[Any, Call] = {}
    for line in lines:
        if type(line) is Header:
            lives.append(Life(line.facts))
            open_calls = {}
        elif type(line) is Entry:
            _take(lives[-1], line, open_calls)
    return lives


def _take(life: Life, entry: Entry, open_calls: dict[Any, Call]) -> None:
    if entry.t - life.duration_ms >= GAP_MS:
        life.gaps.append(Gap(entry.line, life.duration_ms, round(entry.t - life.duration_ms, 3)))
    life.duration_ms = max(life.duration_ms, entry.t)
    life.bytes += entry.size
    if entry.word:
        life.messages += 1
        _take_message(life, entry, entry.method, (entry.has_id, entry.id), open_calls)
        return
    life.unreadable += entry.raw is not None
    life.exit_code = entry.exit_code if entry.exit_code is not None else life.exit_code
    if type(entry.message) is list:
        life.messages += 1
        for one in entry.message:
            if type(one) is dict:
                _take_message(life, entry, one.get("method"), ("id" in one, one.get("id")), open_calls)


def _take_message(
    life: Life, entry: Entry, method: Any, request: tuple[bool, Any], open_calls: dict[Any, Call]
) -> None:
    has_id, request_id = request
    if method is not None:
        if entry.sent and has_id:
            call = Call(entry.line, entry.t, str(method), entry.size)
            life.calls.append(call)
            if type(request_id) in (int, str):  # else it was refused, under no id
                open_calls[request_id] = call
            return
        life.told.append(Told(entry.line, entry.t, str(method), entry.size, entry.sent))
        if not entry.sent and life.calls:
            life.calls[-1].told += 1
        return
    answered = open_calls.pop(request_id, None) if type(request_id) in (int, str) else None
    if answered is None:
        life.refused += 1
        return
    answered.latency_ms = round(entry.t - answered.t, 3)
    answered.answer_bytes = entry.size
    if entry.word != "result":
        answered.error = _error_kind(entry, request_id)


def _error_kind(entry: Entry, request_id: Any) -> str | None:
    messages = entry.message if type(entry.message) is list else [entry.message]
    error = next((one.get("error") for one in messages if one.get("id") == request_id), None)
    return None if error is None else str((error.get("data") or {}).get("kind") or error.get("code"))


def _totals(calls: list[Call]) -> Totals:
    taken = sorted(call.latency_ms for call in calls if call.latency_ms is not None)
    totals = Totals(
        calls=len(calls),
        errors=sum(call.error is not None for call in calls),
        unanswered=len(calls) - len(taken),
        bytes=sum(call.answer_bytes + call.sent_bytes for call in calls),
    )
    if taken:
        last = len(taken) - 1
        totals.p50_ms, totals.p95_ms, totals.max_ms = taken[last // 2], taken[last * 95 // 100], taken[-1]
    return totals
