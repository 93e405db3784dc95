"""The recorded messages that a sidecar must send in one run, and what has come for each."""

from typing import Any

from sidecar.transcripts.file.format import Entry
from sidecar.transcripts.verify.difference import Difference
from sidecar.transcripts.verify.findings import LOST, NOT_COME, Mismatch


class Expected:
    """A recorded notification or response, and what came for it."""

    def __init__(self, entry: Entry) -> None:
        self.entry = entry
        self.is_done = False
        """Whether it need not be waited for: it came, or it can no longer come."""
        self.actual: Any = None
        self.merged: Any = None
        self.mismatch: Mismatch | None = None
        self.is_loose = False
        """Whether it need not come, since what it is about is unsettled."""
        self.tries = 0
        """How often its request has been repeated."""

    def settle(self, what: str, actual: Any, merged: Any, differences: list[Difference]) -> None:
        """Notes the message that came, also late, after it had been given up."""
        self.actual, self.merged, self.is_done = actual, merged, True
        found = Mismatch(self.entry.line, what, self.entry.message, merged, tuple(differences))
        self.mismatch = found if differences else None

    def give_up(self, what: str) -> None:
        self.is_done = True
        self.mismatch = Mismatch(self.entry.line, f"{what} was lost: {NOT_COME}", self.entry.message, kind=LOST)


class Expectations:
    """All that is expected in one run, and what differs from it so far."""

    def __init__(self, entries: list[Entry]) -> None:
        self.entries = entries
        self.is_complete = bool(entries) and entries[-1].exit_code is not None
        """Whether the recording goes up to the exit of the process."""
        self.by_line: dict[int, Expected] = {}
        self.others: list[Mismatch] = []
        """Differences that are not those of one recorded message."""

    def add(self, entry: Entry) -> Expected:
        expected = self.by_line[entry.line] = Expected(entry)
        return expected

    @property
    def has_lost(self) -> bool:
        """Whether something that was recorded has not come, and not come late either."""
        return any(one.kind == LOST for one in (*self._settled(), *self.others))

    @property
    def has_differed(self) -> bool:
        """Whether something differs that will not be looked at again."""
        return bool(self._settled())

    def _settled(self) -> list[Mismatch]:
        return [one.mismatch for one in self.by_line.values() if one.mismatch is not None and one.is_done]
