"""Summarizes a transcript: calls with their latency, notifications, errors and gaps.

The file is read once, as a stream; names and sizes of messages are stored, not the messages.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from sidecar.transcripts.file.format import Entry, Header, error_kind, request_id

GAP_MS: Final = 1_000.0
"""Shortest gap between two messages that is reported."""
LONGEST: Final = 10
"""Maximum number of gaps that are listed."""


@dataclass(slots=True)
class Call:
    """One request and its response.  Times in milliseconds since the header, sizes in bytes of the file's line."""

    line: int
    t: float
    method: str
    sent_bytes: int
    latency_ms: float | None = None
    """None if it was never answered."""
    response_bytes: int = 0
    error: str | None = None
    notifications: int = 0
    """Number of notifications before the next request."""


@dataclass(slots=True)
class NotificationEntry:
    """One notification, from either side."""

    line: int
    t: float
    method: str
    size: int
    from_client: bool


@dataclass(slots=True)
class Gap:
    """A time without messages; `line` is the line that ends it."""

    line: int
    t: float
    ms: float


@dataclass(slots=True)
class Totals:
    """All calls of one method."""

    calls: int
    errors: int
    unanswered: int
    p50_ms: float | None
    p95_ms: float | None
    max_ms: float | None
    bytes: int


@dataclass(slots=True)
class RunSummary:
    """One run of the sidecar."""

    header: dict[str, Any]
    messages: int = 0
    bytes: int = 0
    duration_ms: float = 0.0
    exit_code: int | None = None
    calls: list[Call] = field(default_factory=list)
    notifications: list[NotificationEntry] = field(default_factory=list)
    unreadable: int = 0
    """Number of lines that were not JSON."""
    refused: int = 0
    """Number of responses without an id."""
    gaps: list[Gap] = field(default_factory=list)

    def methods(self) -> dict[str, Totals]:
        """Returns the totals by method, most called first."""
        names = Counter(call.method for call in self.calls)
        by_method: dict[str, list[Call]] = {name: [] for name, _ in names.most_common()}
        for call in self.calls:
            by_method[call.method].append(call)
        return {method: _totals(calls) for method, calls in by_method.items()}

    def notification_counts(self) -> dict[str, int]:
        """Returns how often the sidecar sent each notification, most frequent first."""
        return dict(Counter(one.method for one in self.notifications if not one.from_client).most_common())

    def longest_gaps(self) -> list[Gap]:
        """Returns the longest gaps in the order of time."""
        return sorted(sorted(self.gaps, key=lambda gap: -gap.ms)[:LONGEST], key=lambda gap: gap.t)

    def as_json(self) -> dict[str, Any]:
        methods = {name: asdict(totals) for name, totals in self.methods().items()}
        return {**asdict(self), "methods": methods, "notification_counts": self.notification_counts()}


def summarize(lines: Iterable[Header | Entry]) -> list[RunSummary]:
    """Summarizes each run of a transcript.  Raises NotATranscript if `lines` does."""
    runs: list[RunSummary] = []
    open_calls: dict[Any, Call] = {}
    for line in lines:
        if isinstance(line, Header):
            runs.append(RunSummary(line.facts))
            open_calls = {}
        else:
            _add_entry(runs[-1], line, open_calls)
    return runs


def _add_entry(run: RunSummary, entry: Entry, open_calls: dict[Any, Call]) -> None:
    if entry.t - run.duration_ms >= GAP_MS:
        run.gaps.append(Gap(entry.line, run.duration_ms, round(entry.t - run.duration_ms, 3)))
    run.duration_ms = max(run.duration_ms, entry.t)
    run.bytes += entry.size
    if entry.message is None:
        run.unreadable += entry.raw is not None
        run.exit_code = run.exit_code if entry.exit_code is None else entry.exit_code
        return
    run.messages += 1
    for message in entry.objects:
        _add_message(run, entry, message, open_calls)


def _add_message(run: RunSummary, entry: Entry, message: dict[str, Any], open_calls: dict[Any, Call]) -> None:
    own, method = request_id(message), message.get("method")
    if method is None:
        if not entry.from_client:
            _add_response(run, entry, message, open_calls.pop(own, None))
    elif entry.from_client and "id" in message:
        call = Call(entry.line, entry.t, str(method), entry.size)
        run.calls.append(call)
        if own is not None:  # else it was refused, with a null id
            open_calls[own] = call
    else:
        run.notifications.append(NotificationEntry(entry.line, entry.t, str(method), entry.size, entry.from_client))
        if not entry.from_client and run.calls:
            run.calls[-1].notifications += 1


def _add_response(run: RunSummary, entry: Entry, message: dict[str, Any], call: Call | None) -> None:
    if call is None:
        run.refused += 1
        return
    call.latency_ms = round(entry.t - call.t, 3)
    call.response_bytes = entry.size
    if (error := message.get("error")) is not None:
        call.error = error_kind(error)


def _totals(calls: list[Call]) -> Totals:
    """Returns the totals of a method's calls.  Percentiles are nearest ranks: of few calls, the 95th is the longest."""
    taken = sorted(call.latency_ms for call in calls if call.latency_ms is not None)
    last = len(taken) - 1
    return Totals(
        calls=len(calls),
        errors=sum(call.error is not None for call in calls),
        unanswered=len(calls) - len(taken),
        p50_ms=taken[last // 2] if taken else None,
        p95_ms=taken[(len(taken) * 95 - 1) // 100] if taken else None,
        max_ms=taken[-1] if taken else None,
        bytes=sum(call.response_bytes + call.sent_bytes for call in calls),
    )
