"""Checks what a sidecar sends by itself, whatever was recorded; what they find cannot be accepted by an update.

- No secret that was sent to it comes back: in errors, hints, details, logs.
- The `seq`s of durable notifications rise by one, if they did when it was recorded.
- No answer is the error `internal` unless that was recorded.
- Progress is within 0 and 1, does not fall, and ends at 1 if the job succeeds.
- Nothing was updated before it was created, or finished before it was started.
- Of two notifications about one thing, the later one has no lower version.
- Text that is sent piece by piece has no gap.
"""

from collections import defaultdict
from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import quote, urlsplit

from pydantic_core import to_json

from sidecar.json_reader import get, get_object
from sidecar.transcripts.file.format import Entry, error_kind, messages_in, seq_of
from sidecar.transcripts.file.patterns import values_in
from sidecar.transcripts.verify.compare import Comparison
from sidecar.transcripts.verify.findings import WRONG, Mismatch

MIN_SECRET_CHARS: Final = 8
"""Shorter texts also occur by chance."""
ORDERED: Final = (("created_at", "updated_at"), ("started_at", "finished_at"))
SLOWER_MS: Final = 50.0
"""Calls that are slower by less in all are not reported: the machine may have been busy."""


class Checks:
    """The checks of one run."""

    def __init__(self, comparison: Comparison, entries: list[Entry]) -> None:
        self._comparison = comparison
        self._seq: int | None = None
        seqs = (seq_of(entry.message) for entry in entries if entry.is_notification)
        self._recorded_seqs = [seq for seq in seqs if seq is not None]
        first = self._recorded_seqs[0] if self._recorded_seqs else 0
        self._is_whole = self._recorded_seqs == list(range(first, first + len(self._recorded_seqs)))
        self._progress: dict[Any, float] = {}
        self._ends: dict[Any, int] = {}
        self._answered: set[str] = set()
        self._versions: dict[Any, int] = {}
        self._told: set[Any] = set()
        self._durations: dict[str, list[float]] = defaultdict(lambda: [0.0, 0.0, 0])
        self.mismatches: list[Mismatch] = []

    def _tell(self, line: int, subject: Any, what: str) -> None:
        """Reports a thing once."""
        if subject not in self._told:
            self._told.add(subject)
            self.mismatches.append(Mismatch(line, what, kind=WRONG))

    def see(self, message: Any, data: bytes, line: int) -> None:
        """Checks a message; `line` is that of the last recorded one before it."""
        for one in messages_in(message):
            method = one.get("method")
            what = method or "a response"
            self.search(data, what, line)
            params = one.get("params")
            if method is not None and type(params) is dict:
                self._notification(one, line)
            for value in values_in(one):
                if type(value) is dict:
                    self._object(value, what, line, is_told=method is not None)

    def search(self, data: bytes, where: str, line: int) -> None:
        """Looks for secrets that were sent."""
        for secret in self._comparison.sent_secrets:
            if any(form in data for form in _forms(secret)):
                self._tell(line, (where, secret), f"{where} contains a secret that was sent to the sidecar")

    def _notification(self, message: dict[str, Any], line: int) -> None:
        method, params = message["method"], message["params"]
        if (seq := seq_of(message)) is not None:
            self._count(method, seq, line)
        elif method in ("events.lag", "events.resync"):
            self._seq = None
        rule = self._comparison.contract.coalescing(method)
        if rule is not None:
            key = method, str(self._comparison.contract.entity(message))
            progress = params.get("progress", get(params, "value", "fraction"))
            self._rises(key, method, progress, line)
            text, offset = params.get(rule["appends"] or ""), params.get("offset")
            if type(text) is str and type(offset) is int:
                if offset != self._ends.get(key, offset):
                    self._tell(line, key, f"{method} has a gap: offset {offset} follows {self._ends[key]}")
                self._ends[key] = offset + len(text.encode("utf-16-le", "surrogatepass")) // 2
        if method == "$/progress" and str(params.get("token")) in self._answered:
            self._tell(line, params.get("token"), "$/progress came after the response to its request")

    def _count(self, method: str, seq: int, line: int) -> None:
        if self._seq is None:
            self._comparison.bindings.seq_offset = seq - self._recorded_seqs[0] if self._recorded_seqs else 0
        elif seq <= self._seq or (self._is_whole and seq != self._seq + 1):
            self._tell(line, ("seq", seq), f"{method} has the seq {seq} after {self._seq}")
        self._seq = seq

    def _rises(self, key: Any, what: str, progress: Any, line: int) -> None:
        if type(progress) not in (int, float):
            return
        if not 0 <= progress <= 1:
            self._tell(line, (key, "range"), f"{what} has the progress {progress}, which is not within 0 and 1")
        if progress < self._progress.get(key, 0):
            self._tell(line, (key, "falls"), f"{what} has the progress {progress} after {self._progress[key]}")
        self._progress[key] = progress

    def _object(self, value: dict[str, Any], what: str, line: int, *, is_told: bool) -> None:
        for before, after in ORDERED:
            one, other = value.get(before), value.get(after)
            if type(one) is str and type(other) is str and one.endswith("Z") and other.endswith("Z") and one > other:
                self._tell(line, (what, before, one), f"{what} has {before} {one} after {after} {other}")
        name, own = next(iter(value.items()), ("", None))
        version = value.get("version")
        if is_told and name.endswith("_id") and type(own) is str and type(version) is int:
            if version < self._versions.get(own, 0):
                self._tell(line, own, f"{what} has version {version} of {name} {own} after {self._versions[own]}")
            self._versions[own] = version
        job_id, status = value.get("job_id"), value.get("status")
        if type(job_id) is not str or "progress" not in value or type(status) is not str:
            return
        if what == "jobs.updated" and status == "queued":  # another attempt begins at 0
            self._progress.pop(("jobs.progress", str((("job_id", job_id),))), None)
        if status == "succeeded" and value["progress"] not in (1, 1.0):
            self._tell(line, (job_id, "end"), f"{what} has a job that succeeded with the progress {value['progress']}")

    def response(self, entry: Entry, actual: Any, method: Any) -> None:
        """Checks the answer to a request."""
        if error_kind(actual.get("error")) == "internal" != error_kind(entry.message.get("error")):
            error_id = get(actual, "error", "data", "error_id")
            self._tell(entry.line, ("internal", method), f"the response to {method} is the error internal ({error_id})")

    def answered(self, request: Any, recorded_ms: float, actual_ms: float) -> None:
        """Notes how long an answer took, and that its progress has ended."""
        meta = get_object(request, "params", "_meta")
        if "progress_token" in meta:
            self._answered.add(str(meta["progress_token"]))
        durations = self._durations[str(request.get("method"))]
        for index, value in enumerate((recorded_ms, actual_ms, 1)):
            durations[index] += value

    def slower_than(self, factor: float) -> list[Mismatch]:
        """Returns the methods whose answers took longer in all than recorded, by more than a factor."""
        slow = [
            (name, recorded, actual, count)
            for name, (recorded, actual, count) in self._durations.items()
            if actual > factor * recorded and actual - recorded > SLOWER_MS
        ]
        return [
            Mismatch(1, f"{name} took {actual:.0f} ms instead of {recorded:.0f} ms ({count:.0f} calls)", kind=WRONG)
            for name, recorded, actual, count in slow
        ]


def _forms(secret: str) -> Iterator[bytes]:
    """Yields the forms in which a secret may be found in JSON or a log: whole, without its host, percent-encoded."""
    parts = urlsplit(secret) if "://" in secret else None
    path = f"{parts.path}?{parts.query}" if parts and parts.query else parts.path if parts else ""
    for text in {secret, path, quote(secret, safe="")}:
        if len(text) >= MIN_SECRET_CHARS:
            yield to_json(text)[1:-1]
