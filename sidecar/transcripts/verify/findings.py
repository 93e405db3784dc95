"""Findings of a verification as text: one cause is one finding, with the number of places."""

import difflib
import json
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from sidecar.transcripts.file.format import Entry
from sidecar.transcripts.file.patterns import ids_in
from sidecar.transcripts.verify.difference import NOT_THERE, Difference

CONTEXT_LINES: Final = 3
MAX_DIFF_LINES: Final = 80
"""Maximum length of the diff for one mismatch."""
MAX_PLACES: Final = 10
"""How many lines or members are named."""

DIFFERS: Final = "differs"
LOST: Final = "lost"
NOT_COME: Final = "it did not arrive"
GONE: Final = "not in this sidecar's contract any more; --update leaves it out"
DOUBLED: Final = "doubled"
SWAPPED: Final = "swapped"
ADDITIONAL: Final = "not recorded"
UNSTOPPED: Final = "not stopped"
"""Work that a request should have stopped.  It may have ended in that instant: see `check`."""
NEW: Final = "new"
"""A member that the contract has and the recording lacks."""
WRONG: Final = "wrong"
"""Wrong whatever was recorded: a secret that came back, progress that falls.  An update does not accept it."""


@dataclass(frozen=True, slots=True)
class Mismatch:
    """One message that is not as recorded; `line` is its line in the transcript."""

    line: int
    what: str
    expected: Any = None
    actual: Any = None
    differences: tuple[Difference, ...] = ()
    kind: str = DIFFERS
    follows: int | None = None
    """The line of the request's failure that explains this one."""

    @property
    def is_failure(self) -> bool:
        """Whether a request failed that had a result when it was recorded."""
        sides = self.expected, self.actual
        return all(type(one) is dict for one in sides) and "result" in self.expected and "error" in self.actual

    @property
    def cause(self) -> Any:
        """Equal for mismatches that have the same cause as far as one can see."""
        if self.differences:
            return frozenset(
                (one.place.rpartition(".")[2], _brief(one.expected), _brief(one.actual)) for one in self.differences
            )
        return self.kind, self.what


@dataclass
class Report:
    """The mismatches, and notes that are no differences."""

    mismatches: list[Mismatch] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def accepted(mismatches: Iterable[Mismatch]) -> str:
    """Returns what an update accepted, by kind: `2 lost (jobs.updated), 1 differs (the response to jobs.list)`."""
    names: dict[str, Counter[str]] = {}
    for one in mismatches:
        if one.kind != WRONG:
            names.setdefault(one.kind, Counter())[re.split(" of |:| is new", one.what)[0]] += 1
    return "; ".join(
        f"{counts.total()} {kind} ({', '.join(f'{count}× {name}' for name, count in counts.most_common())})"
        for kind, counts in names.items()
    )


def with_followers(mismatches: list[Mismatch], entries: Iterable[Entry]) -> list[Mismatch]:
    """Returns the mismatches; those about something that a failed request would have created follow from it."""
    failures = {one.line for one in mismatches if one.is_failure}
    known: set[str] = set()
    made: dict[str, int] = {}
    for entry in entries if failures else ():
        ids = set(ids_in(entry.message))
        if entry.line in failures:  # which may follow from another
            made |= dict.fromkeys(ids - known, min((made[one] for one in ids & made.keys()), default=entry.line))
        known |= ids
    causes = [min((made[one] for one in ids_in(found.expected) if one in made), default=None) for found in mismatches]
    return [
        replace(found, follows=cause) if cause != found.line else found
        for found, cause in zip(mismatches, causes, strict=True)
    ]


def explain_all(path: Path, report: Report) -> str:
    """Returns the whole report; an empty text if nothing differs."""
    if not report.mismatches:
        return ""
    causes: dict[Any, list[Mismatch]] = {}
    followers: dict[int, list[Mismatch]] = {}
    for one in report.mismatches:
        if one.follows is None:
            causes.setdefault(one.cause, []).append(one)
        else:
            followers.setdefault(one.follows, []).append(one)
    notes = [f"{path}: {note}" for note in report.notes]
    return "\n".join([*notes, *(_explain(path, same, followers) for same in causes.values())])


def _explain(path: Path, same: list[Mismatch], followers: dict[int, list[Mismatch]]) -> str:
    first, *more = same
    lines = [f"{path}:{first.line}: {first.what}"]
    if first.differences:
        lines[0] += " differs" if first.kind == DIFFERS else ""
        places = [one.path for one in first.differences if one.path]
        lines += [f"  at {_some(places)}"] if places else []
    if first.expected is not None or first.actual is not None:
        lines += _diff(first.expected, first.actual)
    if more:
        where = _some([str(one.line) for one in more])
        lines.append(f"  and the same in {len(more)} more place{'s' if len(more) > 1 else ''}, line {where}")
    if following := [str(other.line) for one in same for other in followers.get(one.line, [])]:
        lines.append(f"  and {len(following)} more that name what would have been created, line {_some(following)}")
    return "\n".join(lines)


def _some(places: list[str]) -> str:
    return ", ".join(places[:MAX_PLACES]) + (", …" if len(places) > MAX_PLACES else "")


def _brief(value: Any) -> str:
    if value == NOT_THERE:
        return NOT_THERE
    return json.dumps(value, sort_keys=True, default=str)[:200] if not isinstance(value, dict | list) else "…"


def _diff(expected: Any, actual: Any) -> list[str]:
    one, other = (json.dumps(value, indent=2, ensure_ascii=False).splitlines() for value in (expected, actual))
    diff = list(difflib.unified_diff(one, other, "recorded", "received", lineterm="", n=CONTEXT_LINES))
    shown = [f"  {line}" for line in diff[:MAX_DIFF_LINES]]
    return [*shown, f"  … {len(diff) - MAX_DIFF_LINES} more lines"] if len(diff) > MAX_DIFF_LINES else shown
