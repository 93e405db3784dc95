"""Notifications that may be merged or dropped: text that is appended is compared as a whole, however it was cut."""

from collections.abc import Iterable
from typing import Any

from sidecar.transcripts.file.format import Entry
from sidecar.transcripts.verify.compare import Comparison
from sidecar.transcripts.verify.findings import Mismatch

Pieces = dict[Any, tuple[Any, list[int]]]
"""Maps an entity to the first notification, with the text of all, and the lines of all."""


class Streams:
    """The received ones of one run.  Of the others only the first of its kind matters, such as `system.state`."""

    def __init__(self, comparison: Comparison) -> None:
        self._comparison = comparison
        self._contract = comparison.contract
        self._received: Pieces = {}

    def take(self, message: Any) -> None:
        self._add(self._received, message, 0)

    def unmatched(self, entries: Iterable[Entry]) -> tuple[list[tuple[Any, list[int]]], list[Any]]:
        """Returns (the recorded ones, joined, that have not come in whole; what came instead)."""
        received = [message for message, _ in self._received.values()]
        missing = []
        for message, lines in self._recorded(entries).values():
            found = next((one for one in received if self._comparison.fits(message, one)), None)
            if found is None:
                missing.append((message, lines))
            else:
                received.remove(found)
        return missing, received

    def compare(self, entries: Iterable[Entry]) -> list[Mismatch]:
        mismatches = []
        missing, received = self.unmatched(entries)
        unsettled = self._comparison.unsettled
        for message, lines in missing:
            if unsettled.is_about(message):  # whose text is of another length
                continue
            name = message["method"]
            same = [one for one in received if one["method"] == name]
            what = f"{name} differs" if same else f"{name} did not arrive"
            mismatches.append(Mismatch(lines[0], what, [message], self._comparison.to_recorded(same)))
        return mismatches

    def changed(self, entries: Iterable[Entry]) -> tuple[set[int], list[tuple[int, Any]]]:
        """Returns (lines that an update drops, what it adds after a line)."""
        missing, received = self.unmatched(entries)
        dropped = {line for _, lines in missing for line in lines}
        last = max(dropped, default=0)
        return dropped, [(last, self._comparison.to_recorded(one)) for one in received if last]

    def _recorded(self, entries: Iterable[Entry]) -> Pieces:
        recorded: Pieces = {}
        for entry in entries:
            if entry.is_notification and self._contract.coalescing(entry.method) is not None:
                self._add(recorded, entry.message, entry.line)
        return recorded

    def _add(self, pieces: Pieces, message: Any, line: int) -> None:
        method, params = message["method"], message.get("params") or {}
        appends = (self._contract.coalescing(method) or {}).get("appends")
        if self._contract.key(method) and type(params.get(appends)) is not str:
            return  # only the newest matters, and which ones are sent depends on time
        key = method, str(self._contract.entity(message))
        first, lines = pieces.setdefault(key, (message, []))
        lines.append(line)
        if appends and first is not message:
            text = first["params"][appends] + params[appends]
            pieces[key] = {**first, "params": {**first["params"], appends: text}}, lines
