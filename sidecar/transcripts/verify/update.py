"""Recording a transcript anew from its client's half, and keeping every recorded value that still fits.

So what changes in the file is what changed in the sidecar, and not each id and time.  Groups stay groups: their entries
keep their lines, in whichever order they came this time, and what is new among them belongs to them.
"""

from collections import Counter
from pathlib import Path
from typing import Any, Final

from pydantic_core import to_json

from sidecar.transcripts.file.format import Entry, Header, read_lives
from sidecar.transcripts.file.schemas import Contract
from sidecar.transcripts.verify.compare import Comparison
from sidecar.transcripts.verify.groups import (
    GROUP,
    differences,
    fitting,
    grouped,
    has_a_place,
    number,
    numbers,
    paired,
    with_number,
)
from sidecar.transcripts.verify.sidecar_process import Silence
from sidecar.transcripts.verify.verify import Conversation, Life, Start, alive

QUIET_S: Final = 5.0
"""When nothing has come for so long, the notification that was recorded next will not come any more."""
SETTLE_S: Final = 0.5
"""For so long the recorded notification may still come, when one has come that could be a changed form of it."""
LOOK_AHEAD: Final = 8
"""So many recorded notifications may have gone missing at one place before all that follow count as new."""


class CutShort(Exception):
    """The sidecar ended before all was said to it; the message says where, and its last words."""


class Retaking(Conversation):
    """The client's half, said again; what comes instead of what was recorded binds, but is no finding."""

    def run(self, entries: list[Entry]) -> None:
        """Say all of it, as far as the sidecar lives."""
        self._later = [entry for entry in entries if has_a_place(entry, self._contract)]
        super().run(entries)

    def _expect(self, entry: Entry) -> None:
        try:
            super()._expect(entry)
        except Silence:
            return

    def _judge(self, entry: Entry, result: Any, recorded: Any = None) -> None:
        """What differs is what the update is for."""

    def _expect_told(self, entry: Entry) -> None:
        self._any_order([entry])

    def _any_order(self, group: list[Entry]) -> None:
        """Wait for these notifications; what has come beside them stays, since it may be one that follows."""
        del self._later[: len(group)]
        told = self._heard.told
        while True:
            before = self._comparison.bindings.mark()
            pairs = fitting(group, told, self._comparison)
            left = [entry for index, entry in enumerate(group) if index not in pairs.values()]
            rest = [one for index, one in enumerate(told) if index not in pairs]
            changed = self._changed(left, rest)
            if not left or not self._hears_more(SETTLE_S if len(changed) == len(left) else QUIET_S):
                break
            self._comparison.bindings.undo(before)
        self._heard.told = [one for one in rest if not any(one is other for _, other in changed)]
        self._count([group[index] for index in pairs.values()], [told[index] for index in pairs])
        for entry, actual in changed:
            self._comparison.told(_numbered(entry.message, actual, self._comparison), actual)

    def _changed(self, left: list[Entry], rest: list[Any]) -> list[tuple[Entry, Any]]:
        """What could be another form of the entries that have not come: of their method, and none that follows."""
        new = [one for one in rest if not any(self._is(entry, one) for entry in self._later[:LOOK_AHEAD])]
        changed: list[tuple[Entry, Any]] = []
        for entry in left:
            found = next((one for one in new if one["method"] == entry.method), None)
            if found is not None:
                new.remove(found)
                changed.append((entry, found))
        return changed

    def _is(self, entry: Entry, actual: Any) -> bool:
        recorded = _numbered(entry.message, actual, self._comparison)
        return entry.method == actual["method"] and not differences(recorded, actual, self._comparison)

    def _count(self, entries: list[Entry], actual: list[Any]) -> None:
        recorded, came = numbers(entries), sorted(seq for one in actual if type(seq := number(one)) is int)
        if self._comparison.bindings.further is None and recorded and came:
            self._comparison.bindings.count(recorded[0], came[0])


def retake(lives: list[Life], start: Start, record: Path, contract: Contract) -> list[Header | Entry]:
    """The transcript as the sidecar is now.  `start` must have it record into `record`, which does not exist yet.

    Raises CutShort.
    """
    comparison = Comparison(contract)
    last_words = []
    for place, (_, entries) in enumerate(lives):
        with alive(lives, place, start) as process:
            Retaking(process, comparison).run(entries)
            last_words.append(process.last_words())
    new_lives = read_lives(record) if record.exists() else []
    made: list[Header | Entry] = []
    for place, (header, entries) in enumerate(lives):
        new_header, new_entries = new_lives[place] if place < len(new_lives) else (header, [])
        said, said_now = _said(entries), _said(new_entries)
        if len(said_now) < len(said):
            line = said[len(said_now)].line
            raise CutShort(f"the sidecar ended before line {line} could be said to it; it said: {last_words[place]}")
        kept = ("transcript", "started_at", *(name for name in header.facts if name not in new_header.facts))
        header.facts = {**new_header.facts, **{name: header.facts[name] for name in kept if name in header.facts}}
        made += [header, *_Merge(entries, comparison).merged(new_entries)]
    return made


def _said(entries: list[Entry]) -> list[Entry]:
    return [entry for entry in entries if entry.sent and not entry.is_eof]


class _Merge:
    """Puts a new recording of one life into the words of the old one."""

    def __init__(self, old: list[Entry], comparison: Comparison) -> None:
        self._comparison = comparison
        self._contract = comparison.contract
        self._old = old
        self._sent = [entry for entry in old if entry.sent]
        self._answers = {_ids(entry.message): entry for entry in old if entry.is_answer}
        self._groups = [group for group in grouped(old, self._contract) if has_a_place(group[0], self._contract)]
        self._ephemeral = [entry for entry in old if self._may_be_dropped(entry)]
        self._told: dict[int, Entry] = {}
        self._ends = [entry for entry in old if entry.exit_code is not None]
        self._methods = {
            to_json(one["id"]): one.get("method")
            for entry in self._sent
            for one in (entry.message if type(entry.message) is list else [entry.message])
            if type(one) is dict and "id" in one
        }

    def merged(self, new: list[Entry]) -> list[Entry]:
        """The new entries: what the client said as it stood, the rest with recorded values wherever they fit.

        Where each has its counterpart, they stay where they were: who overtook whom is a matter of time.
        """
        self._told = self._counterparts([entry for entry in new if has_a_place(entry, self._contract)])
        pairs = [(self._pair(entry), entry.line) for entry in new]
        by_line = {old.line: Entry(old.line, facts) for (old, facts), _ in pairs if old is not None}
        is_whole = all(one.line in by_line or self._may_be_dropped(one) for one in self._old)
        if is_whole and all(old is not None or self._says_nothing_new(facts) for (old, facts), _ in pairs):
            made = [by_line[one.line] for one in self._old if one.line in by_line]
            self._count_anew(made)
            return made
        made, t = [], 0.0
        for (old, facts), line in pairs:
            t = max(t, old.t) if old is not None else t
            made.append(Entry(line, {**facts, "t": t}))
        self._join_groups(made, {line for (old, _), line in pairs if old is None})
        return made

    def _count_anew(self, made: list[Entry]) -> None:
        """Those of a group have their old lines, so the numbers are in another order than they came in."""
        for group in grouped(made, self._contract):
            seqs = numbers(group)
            if len(seqs) == len(group) > 1:
                for entry, seq in zip(group, seqs, strict=True):
                    entry.facts["msg"] = with_number(entry.message, seq)

    def _join_groups(self, made: list[Entry], new: set[int]) -> None:
        """What is new in the midst of a group belongs to it."""
        midst: list[Entry] = []
        group: Any = None
        for entry in made:
            if entry.sent:
                midst, group = [], None
            elif not has_a_place(entry, self._contract):
                continue
            elif entry.line in new:
                midst.append(entry)
            else:
                if group is not None and entry.facts.get(GROUP) == group:
                    for one in midst:
                        message = one.facts.pop("msg")
                        one.facts.update({GROUP: group, "msg": message})
                midst, group = [], entry.facts.get(GROUP)

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
        rule = self._contract.coalescing(message.get("method")) if type(message) is dict else None
        return rule is not None and rule["appends"] is None

    def _may_be_dropped(self, entry: Entry) -> bool:
        return entry.is_told and not has_a_place(entry, self._contract)

    def _counterpart(self, entry: Entry) -> tuple[Entry | None, Any]:
        if entry.is_answer:
            old = self._answers.pop(_ids(entry.message), None)
            if old is None or type(old.message) is list:
                return old, self._comparison.as_recorded(entry.message)
            method = self._methods.get(to_json(entry.message.get("id")))
            return old, self._comparison.answer(old.message, entry.message, method)[0]
        old = self._same_ephemeral(entry) if self._may_be_dropped(entry) else self._told.get(entry.line)
        if old is None:
            message = self._comparison.as_recorded(entry.message)
            return None, _numbered(message, entry.message, self._comparison)
        recorded = _numbered(old.message, entry.message, self._comparison)
        return old, self._comparison.told(recorded, entry.message)[0]

    def _same_ephemeral(self, entry: Entry) -> Entry | None:
        near = (one for one in self._ephemeral[:LOOK_AHEAD] if one.method == entry.method)
        old = next((one for one in near if _fits(one, entry.message, self._comparison)), None)
        if old is not None:
            del self._ephemeral[: self._ephemeral.index(old) + 1]
        return old

    def _counterparts(self, new: list[Entry]) -> dict[int, Entry]:
        """The recorded notification that each new one is, by the new one's line.

        By its place where none came or went, else by what it says.
        """
        place = 0
        pairs: dict[int, Entry] = {}
        for group in self._groups:
            came = new[place : place + len(group)]
            place += len(group)
            if Counter(one.method for one in came) != Counter(one.method for one in group):
                return self._by_what_they_say(new)
            found = paired(group, [one.message for one in came], self._comparison)
            pairs |= {came[one].line: group[other] for one, other in found.items()}
        return pairs if place == len(new) else self._by_what_they_say(new)

    def _by_what_they_say(self, new: list[Entry]) -> dict[int, Entry]:
        left = [list(group) for group in self._groups]
        pairs: dict[int, Entry] = {}
        for entry in new:
            near = [(place, one) for place, group in enumerate(left[:LOOK_AHEAD]) for one in group]
            alike = (one for one in near if one[1].method == entry.method)
            found = next((one for one in alike if _fits(one[1], entry.message, self._comparison)), None)
            if found is not None:
                place, old = found
                pairs[entry.line] = old
                left[place].remove(old)
                del left[:place]
        return pairs


def _fits(old: Entry, message: Any, comparison: Comparison) -> bool:
    return not comparison.trial(lambda: comparison.told(_numbered(old.message, message, comparison), message)[1])


def _numbered(recorded: Any, actual: Any, comparison: Comparison) -> Any:
    """The recorded notification with the number of the actual one, as it is counted in the transcript."""
    seq = number(actual)
    if type(seq) is not int or type(number(recorded)) is not int:
        return recorded
    return with_number(recorded, seq - (comparison.bindings.further or 0))


def _ids(message: Any) -> bytes:
    return to_json([one.get("id") for one in (message if type(message) is list else [message])])
