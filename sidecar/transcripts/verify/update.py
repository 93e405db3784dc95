"""Re-records a transcript by sending the client's lines again, and retains every recorded value that still fits.

So the file changes where the sidecar changed, and not in each id and time.  Entries of a group keep their lines
whatever the order of arrival, and new entries among them join the group.
"""

from collections import Counter
from pathlib import Path
from typing import Any, Final

from pydantic_core import to_json

from sidecar.transcripts.file.format import Entry, Header, Run, read_runs
from sidecar.transcripts.file.schemas import ContractSchemas
from sidecar.transcripts.verify.compare import Comparison
from sidecar.transcripts.verify.groups import (
    GROUP,
    differences,
    in_groups,
    is_ordered,
    match_group,
    pair_group,
    seq_of,
    seqs_of,
    with_seq,
)
from sidecar.transcripts.verify.sidecar_process import SidecarTimeout
from sidecar.transcripts.verify.verifier import RunVerifier, Start, running

QUIET_S: Final = 5.0
"""After this time without a message the next recorded notification counts as missing."""
GRACE_S: Final = 0.5
"""Grace period for the recorded notification once a similar one has arrived."""
LOOK_AHEAD: Final = 8
"""How many recorded notifications may be missing at one place before all that follow count as new."""


class EndedEarly(Exception):
    """The sidecar ended before everything was sent; the message has the line and the end of its stderr."""


class _Rerecording(RunVerifier):
    """Sends the client's lines again; what arrives in place of recorded messages binds ids but is no mismatch."""

    def run(self, entries: list[Entry]) -> None:
        """Sends everything, or as much as the sidecar reads before it ends."""
        self._later = [entry for entry in entries if is_ordered(entry, self._schemas)]
        super().run(entries)

    def _expect(self, entry: Entry) -> None:
        try:
            super()._expect(entry)
        except SidecarTimeout:
            return

    def _judge(self, entry: Entry, result: Any, recorded: Any = None) -> None:
        """Ignores differences: they are the reason for the update."""

    def _expect_group(self, group: list[Entry]) -> None:
        """Waits for these notifications; leaves others that arrived, since they may belong to later entries."""
        del self._later[: len(group)]
        received = self._notifications
        while True:
            savepoint = self._comparison.bindings.savepoint()
            pairs = match_group(group, received, self._comparison)
            left = [entry for index, entry in enumerate(group) if index not in pairs.values()]
            rest = [one for index, one in enumerate(received) if index not in pairs]
            changed = self._changed(left, rest)
            if not left or not self._receives_more(GRACE_S if len(changed) == len(left) else QUIET_S):
                break
            self._comparison.bindings.roll_back(savepoint)
        self._notifications = [one for one in rest if not any(one is other for _, other in changed)]
        self._bind_seq([group[index] for index in pairs.values()], [received[index] for index in pairs])
        for entry, actual in changed:
            self._comparison.notification(_with_seq_of(entry.message, actual, self._comparison), actual)

    def _changed(self, left: list[Entry], rest: list[Any]) -> list[tuple[Entry, Any]]:
        """Pairs missing entries with notifications of the same method that match none of the next entries."""
        new = [one for one in rest if not any(self._is(entry, one) for entry in self._later[:LOOK_AHEAD])]
        changed: list[tuple[Entry, Any]] = []
        for entry in left:
            found = next((one for one in new if one["method"] == entry.method), None)
            if found is not None:
                new.remove(found)
                changed.append((entry, found))
        return changed

    def _is(self, entry: Entry, actual: Any) -> bool:
        recorded = _with_seq_of(entry.message, actual, self._comparison)
        return entry.method == actual["method"] and not differences(recorded, actual, self._comparison)

    def _bind_seq(self, entries: list[Entry], actual: list[Any]) -> None:
        recorded, received = seqs_of(entries), sorted(seq for one in actual if type(seq := seq_of(one)) is int)
        if self._comparison.bindings.seq_offset is None and recorded and received:
            self._comparison.bindings.bind_seq(recorded[0], received[0])


def rerecorded(runs: list[Run], start: Start, record: Path, schemas: ContractSchemas) -> list[Header | Entry]:
    """Returns the transcript's new lines.  The sidecars of `start` must record into `record`, which does not exist yet.

    Raises EndedEarly.
    """
    comparison = Comparison(schemas)
    stderr = []
    for place, (_, entries) in enumerate(runs):
        with running(runs, place, start) as process:
            _Rerecording(process, comparison).run(entries)
            stderr.append(process.stderr_tail())
    new_runs = read_runs(record) if record.exists() else []
    made: list[Header | Entry] = []
    for place, (header, entries) in enumerate(runs):
        new_header, new_entries = new_runs[place] if place < len(new_runs) else (header, [])
        sent, sent_now = _sent(entries), _sent(new_entries)
        if len(sent_now) < len(sent):
            line = sent[len(sent_now)].line
            raise EndedEarly(f"the sidecar ended before line {line} could be sent; stderr: {stderr[place]}")
        kept = ("transcript", "started_at", *(name for name in header.facts if name not in new_header.facts))
        header.facts = {**new_header.facts, **{name: header.facts[name] for name in kept if name in header.facts}}
        made += [header, *_Merge(entries, comparison).merged(new_entries)]
    return made


def _sent(entries: list[Entry]) -> list[Entry]:
    return [entry for entry in entries if entry.from_client and not entry.is_eof]


class _Merge:
    """Merges a new recording of one run into the old one."""

    def __init__(self, old: list[Entry], comparison: Comparison) -> None:
        self._comparison = comparison
        self._schemas = comparison.schemas
        self._old = old
        self._sent = [entry for entry in old if entry.from_client]
        self._responses = {_ids(entry.message): entry for entry in old if entry.is_response}
        self._groups = [group for group in in_groups(old, self._schemas) if is_ordered(group[0], self._schemas)]
        self._ephemeral = [entry for entry in old if self._may_be_dropped(entry)]
        self._counterpart_by_line: dict[int, Entry] = {}
        self._ends = [entry for entry in old if entry.exit_code is not None]
        self._methods = {
            to_json(one["id"]): one.get("method")
            for entry in self._sent
            for one in entry.messages
            if type(one) is dict and "id" in one
        }

    def merged(self, new: list[Entry]) -> list[Entry]:
        """Returns the new entries: the client's unchanged, the others with recorded values wherever they fit.

        If each entry has a counterpart, the old order is retained, since small differences in it depend on time.
        """
        self._counterpart_by_line = self._counterparts([entry for entry in new if is_ordered(entry, self._schemas)])
        pairs = [(self._pair(entry), entry.line) for entry in new]
        by_line = {old.line: Entry(old.line, facts) for (old, facts), _ in pairs if old is not None}
        is_whole = all(one.line in by_line or self._may_be_dropped(one) for one in self._old)
        if is_whole and all(old is not None or self._is_transient(facts) for (old, facts), _ in pairs):
            made = [by_line[one.line] for one in self._old if one.line in by_line]
            self._renumber_groups(made)
            return made
        made, t = [], 0.0
        for (old, facts), line in pairs:
            t = max(t, old.t) if old is not None else t
            made.append(Entry(line, {**facts, "t": t}))
        self._join_groups(made, {line for (old, _), line in pairs if old is None})
        return made

    def _renumber_groups(self, made: list[Entry]) -> None:
        """Sorts the `seq`s within each group: its entries keep their lines, not the order of arrival."""
        for group in in_groups(made, self._schemas):
            seqs = seqs_of(group)
            if len(seqs) == len(group) > 1:
                for entry, seq in zip(group, seqs, strict=True):
                    entry.facts["msg"] = with_seq(entry.message, seq)

    def _join_groups(self, made: list[Entry], new: set[int]) -> None:
        """Adds new entries between entries of a group to the group."""
        between: list[Entry] = []
        group: Any = None
        for entry in made:
            if entry.from_client:
                between, group = [], None
            elif not is_ordered(entry, self._schemas):
                continue
            elif entry.line in new:
                between.append(entry)
            else:
                if group is not None and entry.facts.get(GROUP) == group:
                    for one in between:
                        message = one.facts.pop("msg")
                        one.facts.update({GROUP: group, "msg": message})
                between, group = [], entry.facts.get(GROUP)

    def _pair(self, entry: Entry) -> tuple[Entry | None, dict[str, Any]]:
        """Returns (the old entry or None, the new facts)."""
        if entry.from_client:
            old: Entry | None = self._sent.pop(0) if self._sent else None
            return old, entry.facts if old is None else old.facts
        if entry.exit_code is not None:
            old = self._ends.pop(0) if self._ends else None
            return old, entry.facts if old is None else {**entry.facts, "t": old.t}
        old, message = self._counterpart(entry)
        return old, {**(old.facts if old else entry.facts), "msg": message}

    def _is_transient(self, facts: dict[str, Any]) -> bool:
        """Returns whether it is a notification of which only the newest matters, so that it could have been dropped."""
        message = facts.get("msg")
        rule = self._schemas.coalescing(message.get("method")) if type(message) is dict else None
        return rule is not None and rule["appends"] is None

    def _may_be_dropped(self, entry: Entry) -> bool:
        return entry.is_notification and not is_ordered(entry, self._schemas)

    def _counterpart(self, entry: Entry) -> tuple[Entry | None, Any]:
        if entry.is_response:
            old = self._responses.pop(_ids(entry.message), None)
            if old is None or type(old.message) is list:
                return old, self._comparison.to_recorded(entry.message)
            method = self._methods.get(to_json(entry.message.get("id")))
            return old, self._comparison.response(old.message, entry.message, method)[0]
        old = self._same_ephemeral(entry) if self._may_be_dropped(entry) else self._counterpart_by_line.get(entry.line)
        if old is None:
            message = self._comparison.to_recorded(entry.message)
            return None, _with_seq_of(message, entry.message, self._comparison)
        recorded = _with_seq_of(old.message, entry.message, self._comparison)
        return old, self._comparison.notification(recorded, entry.message)[0]

    def _same_ephemeral(self, entry: Entry) -> Entry | None:
        near = (one for one in self._ephemeral[:LOOK_AHEAD] if one.method == entry.method)
        old = next((one for one in near if _fits(one, entry.message, self._comparison)), None)
        if old is not None:
            del self._ephemeral[: self._ephemeral.index(old) + 1]
        return old

    def _counterparts(self, new: list[Entry]) -> dict[int, Entry]:
        """Returns the recorded notification for each new one, by the new one's line.

        They are paired by position if none was added or removed, otherwise by content.
        """
        place = 0
        pairs: dict[int, Entry] = {}
        for group in self._groups:
            arrived = new[place : place + len(group)]
            place += len(group)
            if Counter(one.method for one in arrived) != Counter(one.method for one in group):
                return self._by_content(new)
            found = pair_group(group, [one.message for one in arrived], self._comparison)
            pairs |= {arrived[one].line: group[other] for one, other in found.items()}
        return pairs if place == len(new) else self._by_content(new)

    def _by_content(self, new: list[Entry]) -> dict[int, Entry]:
        left = [list(group) for group in self._groups]
        pairs: dict[int, Entry] = {}
        for entry in new:
            near = [(place, one) for place, group in enumerate(left[:LOOK_AHEAD]) for one in group]
            same_method = (one for one in near if one[1].method == entry.method)
            found = next((one for one in same_method if _fits(one[1], entry.message, self._comparison)), None)
            if found is not None:
                place, old = found
                pairs[entry.line] = old
                left[place].remove(old)
                del left[:place]
        return pairs


def _fits(old: Entry, message: Any, comparison: Comparison) -> bool:
    return not comparison.trial(
        lambda: comparison.notification(_with_seq_of(old.message, message, comparison), message)[1]
    )


def _with_seq_of(recorded: Any, actual: Any, comparison: Comparison) -> Any:
    """Returns the recorded notification with the `seq` of the actual one, minus the offset."""
    seq = seq_of(actual)
    if type(seq) is not int or type(seq_of(recorded)) is not int:
        return recorded
    return with_seq(recorded, seq - (comparison.bindings.seq_offset or 0))


def _ids(message: Any) -> bytes:
    return to_json([one.get("id") for one in (message if type(message) is list else [message])])
