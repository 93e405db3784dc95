"""Reports events that a provider left out, or stored although it could not follow a part of them."""

from collections import Counter
from collections.abc import Iterable
from typing import Final

from sidecar.calendar.calendars_store import CalendarState
from sidecar.calendar.event_writer import SyncedAccount
from sidecar.calendar.provider import EventProblem
from sidecar.job_handler import JobContext

NAMED_EVENTS: Final = 10
"""Events that a line of the log names; the rest is a number."""
NAMED_CHARS: Final = 80


class Problems:
    """The problems of one read of a calendar."""

    def __init__(self) -> None:
        self._counts: Counter[bool] = Counter()
        self._named: dict[bool, list[str]] = {True: [], False: []}

    def add(self, problems: Iterable[EventProblem]) -> None:
        for problem in problems:
            self._counts[problem.is_skipped] += 1
            named = self._named[problem.is_skipped]
            if len(named) < NAMED_EVENTS:
                title = "without a title" if problem.title is None else f'"{problem.title[:NAMED_CHARS]}"'
                named.append(f"{title} ({problem.reason})")

    def log(self, context: JobContext, calendar: CalendarState) -> None:
        """Appends a warning for the events that were left out, and one for those that were adjusted."""
        for is_skipped, what in ((True, "left out"), (False, "stored, but may differ from the original")):
            if count := self._counts[is_skipped]:
                named = self._named[is_skipped]
                rest = f"; and {count - len(named)} more" if count > len(named) else ""
                events = "1 event was" if count == 1 else f"{count} events were"
                context.log(f"{calendar.name}: {events} {what}: {'; '.join(named)}{rest}", level="warning")

    def store(self, account: SyncedAccount, calendar: CalendarState) -> None:
        """Stores the numbers at the calendar; after a read of all its events."""
        with account.transaction() as now:
            counts = self._counts[True], self._counts[False]
            if account.stores.calendars.set_problem_counts(calendar.key, *counts, now):
                account.notify(calendar.calendar_id)
