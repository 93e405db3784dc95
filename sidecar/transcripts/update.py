"""Recording a transcript anew from its client's half, and keeping every recorded value that still fits.

So what changes in the file is what changed in the sidecar, and not each id and time.
"""

from functools import partial
from pathlib import Path
from typing import Any, Final

from sidecar.transcripts.compare import Comparison
from sidecar.transcripts.format import Entry, Header, read_lives
from sidecar.transcripts.process import Silence
from sidecar.transcripts.schemas import Contract
from sidecar.transcripts.verify import Conversation, Life, Start

QUIET_S: Final = 5.0
"""When nothing has come for so long, what was recorded next will not come any more."""
LOOK_AHEAD: Final = 8
"""So many recorded notifications may have gone missing at one place before all that follow count as new."""


class Retaking(Conversation):
    """The client's half, said again; what comes instead of what was recorded is not judged."""

    def _wait(self, ready: Any, patience_s: float | None = None) -> list[Any]:
        return super()._wait(ready, QUIET_S if patience_s is None else patience_s)

    def _expect(self, entry: Entry) -> None:
        try:
            super()._expect(entry)
        except Silence:
            return

    def _any_order(self, group: list[Entry]) -> None:
        for entry in group:
            self._expect(entry)

    def _expect_told(self, entry: Entry) -> None:
        """Only its own kind is compared: with another, nothing would be bound to what it stands for."""
        heard = self._heard.told
        self._wait(lambda: [one for one in heard if one["method"] == entry.method])
        while (actual := heard.pop(0))["method"] != entry.method:
            pass
        self._comparison.trial(partial(self._told_differs, entry.message, actual))


def retake(lives: list[Life], start: Start, record: Path, contract: Contract) -> list[Header | Entry]:
    """The transcript as the sidecar is now.  `start` must have it record into `record`, which does not exist yet."""
    comparison = Comparison(contract)
    for header, entries in lives:
        with start(header) as process:
            Retaking(process, comparison).run(entries)
    made: list[Header | Entry] = []
    for (header, entries), (new_header, new_entries) in zip(lives, read_lives(record), strict=True):
        kept = ("transcript", "started_at", *(name for name in header.facts if name not in new_header.facts))
        header.facts = {**new_header.facts, **{name: header.facts[name] for name in kept if name in header.facts}}
        made += [header, *_Merge(entries, comparison).merged(new_entries)]
    return made


class _Merge:
    """Puts a new recording of one life into the words of the old one."""

    def __init__(self, old: list[Entry], comparison: Comparison) -> None:
        self._comparison = comparison
        self._old = old
        self._sent = [entry for entry in old if entry.sent]
        self._answers = {_ids(entry.message): entry for entry in old if entry.is_answer}
        self._told = [entry for entry in old if entry.is_told and not self._may_be_dropped(entry)]
        self._ephemeral = [entry for entry in old if entry.is_told and self._may_be_dropped(entry)]
        self._is_paired = False
        self._ends = [entry for entry in old if entry.exit_code is not None]
        self._methods = {
            one["id"]: one.get("method")
            for entry in self._sent
            for one in (entry.message if type(entry.message) is list else [entry.message])
            if type(one) is dict and "id" in one
        }

    def merged(self, new: list[Entry]) -> list[Entry]:
        """The new entries: what the client said as it stood, the rest with recorded values wherever they fit.

        Where each has its counterpart, they stay where they were: who overtook whom is a matter of time.
        """
        told = [entry for entry in new if entry.is_told and not self._may_be_dropped(entry)]
        self._is_paired = [one.method for one in told] == [one.method for one in self._told]
        pairs = [(self._pair(entry), entry.line) for entry in new]
        by_line = {old.line: Entry(old.line, facts) for (old, facts), _ in pairs if old is not None}
        is_whole = all(one.line in by_line or self._may_be_dropped(one) for one in self._old)
        if is_whole and all(old is not None or self._says_nothing_new(facts) for (old, facts), _ in pairs):
            return [by_line[one.line] for one in self._old if one.line in by_line]
        made, t = [], 0.0
        for (old, facts), line in pairs:
            t = max(t, old.t) if old is not None else t
            made.append(Entry(line, {**facts, "t": t}))
        return made

    def _pair(self, entry: Entry) -> tuple[Entry | None, dict[str, Any]]:
        """(the old entry, if there was one, and the new facts)."""
        if entry.sent:
            old: Entry | None = self._sent.pop(0) if self._sent else None
            return old, entry.facts if old is None else old.facts
        if entry.exit_code is not None:
            old = self._ends.pop(0) if self._ends else None
            return old, entry.facts if old is None else {**entry.facts, "t": old.t}
        old, message = self._counterpart(entry)
        return old, {**(old.facts if old else entry.facts), "msg": message}

    def _says_nothing_new(self, facts: dict[str, Any]) -> bool:
        """Whether it is a notification of which only the newest counts, and which might as well not have been sent."""
        message = facts.get("msg")
        rule = self._comparison.contract.coalescing(message.get("method")) if type(message) is dict else None
        return rule is not None and rule["appends"] is None

    def _may_be_dropped(self, entry: Entry) -> bool:
        return self._comparison.contract.coalescing(entry.method) is not None

    def _counterpart(self, entry: Entry) -> tuple[Entry | None, Any]:
        if entry.is_answer:
            old = self._answers.pop(_ids(entry.message), None)
            if old is None or type(old.message) is list:
                return old, self._comparison.as_recorded(entry.message)
            method = self._methods.get(entry.message.get("id"))
            return old, self._comparison.answer(old.message, entry.message, method)[0]
        told = self._ephemeral if self._may_be_dropped(entry) else self._told
        old = self._same_told(entry, told)
        if old is None:
            return None, self._comparison.as_recorded(entry.message)
        del told[: told.index(old) + 1]
        return old, self._comparison.told(old.message, entry.message)[0]

    def _same_told(self, entry: Entry, told: list[Entry]) -> Entry | None:
        """The recorded notification that this one is: by its place where none came or went, else by what it says."""
        if self._is_paired and told is self._told:
            return told[0]
        near = (one for one in told[:LOOK_AHEAD] if one.method == entry.method)
        return next((one for one in near if not self._distance(one, entry)), None)

    def _distance(self, old: Entry, entry: Entry) -> int:
        return len(self._comparison.trial(lambda: self._comparison.told(old.message, entry.message)[1]))


def _ids(message: Any) -> tuple[Any, ...]:
    return tuple(one.get("id") for one in (message if type(message) is list else [message]))
