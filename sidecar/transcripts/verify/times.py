"""Checks that a time that the recorded sidecar took from its clock comes from this sidecar's clock, too."""

from datetime import UTC, datetime, timedelta
from typing import Any, Final

SLACK: Final = timedelta(seconds=2)
"""Rounding, the order of writes, and small steps of the clock."""


class Times:
    """Two intervals that grow with the conversation: that of the recorded runs, and that of these."""

    def __init__(self) -> None:
        self._recorded_start: datetime | None = None
        self._actual_start: datetime | None = None
        self._header: datetime | None = None
        self._recorded_end: datetime | None = None
        self._fixed: datetime | None = None
        self._behind = timedelta()
        """Time by which this sidecar's clock is behind."""

    def start(self, started_at: Any, fixed: Any) -> str | None:
        """Begins a run with the time of its header, and the fixed time of this sidecar's clock or None.

        Returns the time at which its clock is to start if it is not fixed: that of the header, so that what was due
        when it was recorded is due now, or that at which the run before has ended, since no clock goes back.
        """
        ended = self._now() if self._actual_start else None  # by the clock of the run before
        self._header = self._recorded_end = _time(started_at)
        self._recorded_start = self._recorded_start or self._header
        self._fixed = _time(fixed)
        start = max(self._header, ended) if self._header and ended else self._header
        self._behind = datetime.now(UTC) - start if start else timedelta()
        self._actual_start = self._actual_start or self._now()
        return None if start is None or self._fixed else start.isoformat()

    def _now(self) -> datetime:
        return self._fixed or datetime.now(UTC) - self._behind

    def at(self, t: float) -> None:
        """Notes how many milliseconds after the header the message was recorded that is compared next."""
        if self._header is not None:
            self._recorded_end = self._header + timedelta(milliseconds=t)

    def are_both_of_their_run(self, recorded: str, actual: str) -> bool:
        """Returns False if the recorded time was made during its run, but the actual one was not.

        Equal times are accepted: they come from a vendor's server, or from a request.
        """
        if recorded == actual or self._recorded_start is None or self._recorded_end is None:
            return True
        one, other = _time(recorded), _time(actual)
        if one is None or other is None or not self._recorded_start - SLACK <= one <= self._recorded_end + SLACK:
            return True
        assert self._actual_start is not None
        return self._actual_start - SLACK <= other <= self._now() + SLACK


def _time(text: Any) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return None
    return moment if moment.tzinfo else None
