"""Notifications of an earlier run that a client gets again, since it resumes after a `seq`.

Which ones follow that `seq` depends on how independent work interleaved then.
"""

from typing import Any

from sidecar.json_reader import get_object
from sidecar.transcripts.file.format import Run, seq_of


class Resumption:
    """The last `seq`s of the recorded and the received runs, and up to which ones the present run repeats them."""

    def __init__(self, *, is_exact: bool) -> None:
        self._is_exact = is_exact
        self._last_recorded = self._last_received = 0
        self._recorded_before = self._received_before = 0
        """The last `seq`s before the present run if its client resumes, else 0."""
        self._started_at = ""

    @property
    def seq_offset(self) -> int:
        """Difference between the last received `seq` and the last recorded one."""
        return 0 if self._is_exact else self._last_received - self._last_recorded

    def begin_run(self, run: Run) -> None:
        """Takes the next run of the file."""
        header, entries = run
        self._started_at = str(header.facts.get("started_at") or "")
        greetings = (one.message for one in entries if one.from_client and one.method == "initialize")
        is_resumed = not self._is_exact and any("resume" in get_object(one, "params") for one in greetings)
        self._recorded_before = self._last_recorded if is_resumed else 0
        self._received_before = self._last_received if is_resumed else 0
        seqs = (seq_of(one.message) or 0 for one in entries if one.is_notification)
        self._last_recorded = max(self._last_recorded, *seqs, 0)

    def receive(self, message: Any) -> None:
        """Notes the `seq` of a received message, if it has one."""
        self._last_received = max(self._last_received, seq_of(message) or 0)

    def is_recorded_again(self, message: Any) -> bool:
        """Returns whether a recorded notification is of an earlier run.

        It can have another `seq` than there in a recording that was updated, but no later time.
        """
        seq, before = seq_of(message) or 0, self._recorded_before
        return bool(seq and before) and (0 < seq <= before or str(message["params"].get("at")) < self._started_at)

    def is_received_again(self, message: Any) -> bool:
        """Returns whether a received notification is of an earlier run."""
        return 0 < (seq_of(message) or 0) <= self._received_before
