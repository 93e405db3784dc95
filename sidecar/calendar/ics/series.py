"""Computes the occurrences of the events that have one UID: series, changed occurrences, and separate events."""

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime, time, timedelta
from typing import Final, NamedTuple

from sidecar.calendar.ics.events import FileEvent, Length
from sidecar.calendar.ics.properties import text
from sidecar.calendar.ics.times import DAY, ZULU, parse_time
from sidecar.recurrence import Rule, RuleIgnored

MAX_STARTS: Final = 30_000
"""A rule with more starts in the window is not followed: otherwise one event would use up the limit of the file."""
MAX_MOVE: Final = timedelta(days=3_660)
"""A changed occurrence that was originally further away from the window is an event of its own."""


FIRST_DAY: Final = datetime(2, 1, 1)  # noqa: DTZ001 - a local time, from which a day can be subtracted


class Occurrence(NamedTuple):
    """An event, or one occurrence of a series."""

    event: FileEvent
    start: date
    """A date or a time with a zone."""
    end: date
    original_start: date | None
    """Start by the series' rule; None if the event does not recur."""
    id_start: date | None
    """The start that distinguishes it from others with its UID; None if there are no others."""


class Window(NamedTuple):
    """A range of time, in UTC with a zone."""

    first: datetime
    last: datetime


def occurrences(events: Sequence[FileEvent], window: Window) -> Iterator[Occurrence]:
    """Yields the occurrences that overlap the window, and perhaps some that do not.

    Adds to the `problems` of the events.
    """
    masters, changes = _masters_and_changes(events)
    series = [_Series(master) for master in masters]
    for master, one in zip(masters, series, strict=True):
        one.compute(window, changes if master.is_series else ())
    for change in _latest(changes):
        if any(one.accept(change) for one in series):
            continue
        original = change.recurrence_id
        if not change.is_series:
            yield Occurrence(change, *_span(change, change.start, change.length), original, original)
        elif all(change.sequence >= master.sequence for master in masters):  # the rest of a series that was divided
            rest = _Series(change)
            rest.compute(window, ())
            yield from rest.all()
    for one in series:
        yield from (it if it.id_start or len(series) == 1 else it._replace(id_start=it.event.start) for it in one.all())


def _masters_and_changes(events: Sequence[FileEvent]) -> tuple[list[FileEvent], list[FileEvent]]:
    masters = _current(event for event in events if event.recurrence_id is None)
    changes = [event for event in events if event.recurrence_id is not None]
    # Outlook sets RECURRENCE-ID in the copy of a series, with the same SEQUENCE.
    sequences = {event.sequence for event in masters}
    copies = [event for event in changes if event.is_series and (not masters or event.sequence in sequences)]
    return masters + _current(copies), [event for event in changes if event not in copies]


def _current(masters: Iterable[FileEvent]) -> list[FileEvent]:
    """Returns the events of one UID without duplicates and superseded revisions.

    A revision has its own SEQUENCE.  If different events have the same one, their program reuses the UID, and SEQUENCE
    means nothing.
    """
    distinct = {_identity(event): event for event in sorted(masters, key=lambda event: event.sequence)}
    events = list(distinct.values())
    if not events:
        return []
    per_sequence = Counter(event.sequence for event in events)
    if max(per_sequence.values()) > 1:
        return events
    return events[-1:]


def _identity(event: FileEvent) -> tuple[object, ...]:
    texts = (text(event.details, name) for name in ("SUMMARY", "LOCATION"))
    return (event.start, event.length, *event.rules, *event.added, *texts)


def _latest(changes: Iterable[FileEvent]) -> list[FileEvent]:
    """Returns changes in the order of their sequence; where two are of one occurrence the last one counts."""
    return sorted(changes, key=lambda event: event.sequence)


def _span(event: FileEvent, start: date, length: Length) -> tuple[date, date]:
    start = event.localize(start)
    try:
        return start, length.end(start)
    except OverflowError:  # after the year 9999
        event.problems.append("its end cannot be computed")
        return start, start


class _Series:
    """The occurrences of one event, which may be a single one, by start; local times without a zone."""

    def __init__(self, master: FileEvent) -> None:
        self._master = master
        self._kind = master.kind
        self._start = self._kind.local(master.start)
        self._is_recurring = bool(master.added)
        self._lengths: dict[datetime, Length] = {}
        self._excluded: set[datetime] = set()
        self._changes: dict[datetime, FileEvent] = {}
        self._following: dict[datetime, FileEvent] = {}
        self._first = self._last = self._start
        self._by_day: dict[date, list[datetime]] = defaultdict(list)

    def compute(self, window: Window, changes: Iterable[FileEvent]) -> None:
        """Computes the starts within the window, and those that changes refer to."""
        master = self._master
        moves = [(self._kind.local(one.recurrence_id), one) for one in changes if one.recurrence_id is not None]
        longest = max([master.length, *(one.length for _, one in moves)], key=lambda it: (it.days, it.seconds))
        shifts = [abs(self._kind.local(one.start) - key) for key, one in moves if one.is_for_following]
        reach = max(shifts, default=timedelta(0)) + DAY
        self._last = self._kind.local(window.last) + reach
        reach += timedelta(days=longest.days, seconds=longest.seconds)
        self._first = self._kind.local(window.first)
        self._first -= min(reach, self._first - FIRST_DAY)
        # An occurrence outside the window may have been moved into it.
        keys = [key for key, _ in moves if abs(key - self._last) < MAX_MOVE]
        first, last = min([self._first, *keys]) - DAY, max([self._last, *keys]) + DAY
        starts = dict.fromkeys(self._rule_starts(master.rules, first, last), master.length)
        if len(starts) > MAX_STARTS:
            master.problems.append("the recurrence rule repeats too often")
            starts = {self._start: master.length}
            self._is_recurring = bool(master.added)
        for moment, length in master.added.items():
            starts[self._added_start(moment)] = length
        self._lengths = dict(sorted(starts.items()))
        for start in self._lengths:
            self._by_day[start.date()].append(start)
        self._excluded.update(self._rule_starts(master.excluded_rules, first, last, is_excluded=True))
        for moment in master.excluded:
            self._excluded.update((self._kind.local(moment), *self._matches(moment)))

    def accept(self, change: FileEvent) -> bool:
        """Applies the change of an occurrence.  Returns whether the series has that occurrence."""
        assert change.recurrence_id is not None
        matches = self._matches(change.recurrence_id)
        if not matches:
            return self._kind.local(change.recurrence_id) in self._excluded
        # On a day with several occurrences, the one that was not moved, else the first.
        same_time = [start for start in matches if start == self._kind.local(change.start)]
        start = (same_time or matches)[0]
        (self._following if change.is_for_following else self._changes)[start] = change
        return True

    def all(self) -> Iterator[Occurrence]:
        following = sorted(self._following)
        for start, length in self._lengths.items():
            if start in self._excluded:
                continue
            change = self._changes.get(start)
            if change is not None:
                yield self._occurrence(start, change, change.start, change.length)
                continue
            index = bisect_right(following, start)
            if index:
                yield from self._shifted(start, following[index - 1])
            elif self._first <= start <= self._last:
                yield self._occurrence(start, self._master, self._kind.moment(start), length)

    def _shifted(self, start: datetime, changed: datetime) -> Iterator[Occurrence]:
        """Yields an occurrence that is moved by as much as the changed one before it."""
        change = self._following[changed]
        local = change.kind.local(change.start)
        moved = change.kind.moment(start + (local - changed))
        yield self._occurrence(start, change, moved, change.length)

    def _occurrence(self, original: datetime, event: FileEvent, start: date, length: Length) -> Occurrence:
        is_recurring = self._is_recurring or event is not self._master
        original_start = self._kind.moment(original) if is_recurring else None
        return Occurrence(event, *_span(event, start, length), original_start, original_start)

    def _rule_starts(
        self, rules: Sequence[str], first: datetime, last: datetime, *, is_excluded: bool = False
    ) -> Iterator[datetime]:
        """Yields the starts of rules, and that of the event, which counts even if no rule has it."""
        is_ended = bool(rules)
        for text_of_rule in rules:
            try:
                rule = Rule(text_of_rule, self._start, self._until)
                self._master.problems += rule.problems
                is_ended = is_ended and rule.until is not None and rule.until.date() < self._start.date()
                yield from rule.starts(first, last)
                self._is_recurring = self._is_recurring or not is_excluded
            except RuleIgnored as reason:
                self._master.problems.append(str(reason))
                is_ended = False
        if is_excluded:
            return
        if not is_ended:
            yield self._start
        elif first <= self._start <= last:  # as in Google's and Apple's calendars
            self._master.problems.append("its recurrence rule ends before it starts, so it has no occurrence")

    def _until(self, value: str) -> datetime:
        moment = parse_time(value, None)
        if self._kind.is_date:
            return self._kind.local(moment)
        if not isinstance(moment, datetime):
            return datetime.combine(moment, time.max)  # the day of the end is included
        if self._kind.zone is None and moment.time() == self._start.time():
            return moment.replace(tzinfo=None)  # a floating time to which a program has added Z
        return self._kind.local(moment)

    def _added_start(self, moment: date) -> datetime:
        if isinstance(moment, datetime) or self._kind.is_date:
            return self._kind.local(moment)
        return datetime.combine(moment, self._start.time())

    def _matches(self, moment: date) -> list[datetime]:
        """Returns the starts that an EXDATE or a RECURRENCE-ID refers to.

        That is the same time, or that time read in the zone of the series; or, for a date and a local midnight at which
        nothing starts, the starts of that day.
        """
        local = self._kind.local(moment)
        if local in self._lengths:
            return [local]
        if isinstance(moment, datetime) and not self._kind.is_date:
            written = moment.replace(tzinfo=None)
            if written in self._lengths:
                return [written]
            # One that the clocks skip takes place at another time than the rule says.
            same = [start for start in self._by_day.get(local.date(), ()) if self._kind.moment(start) == moment]
            if same:
                return same
            if local.time() != time():
                # Midnight in UTC is an evening in America, and the series may have been moved since.
                if moment.tzinfo is ZULU or written.time() != time():
                    return []
                local = written
        return self._by_day.get(local.date(), [])
