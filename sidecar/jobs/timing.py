"""When a schedule is due: on a grid of Unix time, or by a recurrence rule in a time zone.

A rule is followed in local times.  One that a change of the clocks skips becomes the time as the clocks were before the
change (02:30 becomes 03:30); of one that is repeated, the first counts.  Two that become the same moment are one.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, tzinfo
from typing import TYPE_CHECKING, Final, NamedTuple

from sidecar.clock import DAY_MS
from sidecar.days import local, zone_or_utc

if TYPE_CHECKING:
    from sidecar.recurrence import Rule

MAX_PER_DAY: Final = 96
"""Maximum number of times a day by a rule: every quarter of an hour.  A period can be shorter."""
SEARCH_DAYS: Final = (2, 400, 3_700)
"""Widths of the searches for the next time.  The 29th of February can be eight years away."""
SHIFT: Final = timedelta(days=1, hours=2)
"""The largest change of a zone's clocks, with a margin: Samoa has skipped a day."""


class RuleRefused(Exception):
    """A rule cannot be followed exactly.  The message says why."""


class Grid(NamedTuple):
    """The times `offset_ms + n * period_s`, from `start_ms` on."""

    period_s: int
    offset_ms: int
    start_ms: int = 0

    def after(self, moment_ms: int) -> int:
        """Returns the first time after a moment, in milliseconds since 1970."""
        moment_ms = max(moment_ms, self.start_ms - 1)
        period_ms = self.period_s * 1000
        return self.offset_ms + ((moment_ms - self.offset_ms) // period_ms + 1) * period_ms

    def between(self, first_ms: int, last_ms: int, limit: int) -> tuple[list[int], int]:
        """Returns the last `limit` times from `first_ms` to `last_ms`, and the number of the others."""
        period_ms = self.period_s * 1000
        first = self.after(first_ms - 1)
        count = max(0, (last_ms - first) // period_ms + 1)
        listed = min(count, limit)
        return [first + number * period_ms for number in range(count - listed, count)], count - listed


class RuleTimes(NamedTuple):
    """The times of a recurrence rule that begins at `start_ms`, in the zone of this name."""

    text: str
    start_ms: int
    zone_name: str

    def check(self, now_ms: int) -> None:
        """Raises `RuleRefused` if a part of the rule cannot be followed, or if it has no time from now on."""
        from sidecar.recurrence import RuleIgnored  # noqa: PLC0415 - see `_rule`

        try:
            rule = self._rule(self._start)
        except RuleIgnored as refused:
            raise RuleRefused(str(refused)) from None
        if wrong := rule.problems + rule.invalid:
            raise RuleRefused(wrong[0])
        if rule.frequency in ("SECONDLY", "MINUTELY") or rule.times_per_day > MAX_PER_DAY:
            raise RuleRefused(f"the rule has more than {MAX_PER_DAY} times a day; use period_s")
        if self.after(now_ms) is None:
            raise RuleRefused("the rule has no time within ten years from now, or from its start if that is later")

    def after(self, moment_ms: int) -> int | None:
        """Returns the first time after a moment, or None if there is none within ten years."""
        moment_ms = max(moment_ms, self._begin_ms - 1)
        for days in SEARCH_DAYS:
            times, _ = self.between(moment_ms + 1, moment_ms + days * DAY_MS, None)
            if times:
                return times[0]
        return None

    def between(self, first_ms: int, last_ms: int, limit: int | None) -> tuple[list[int], int]:
        """Returns the last `limit` times from `first_ms` to `last_ms`, and the number of the others."""
        from sidecar.recurrence import RuleIgnored  # noqa: PLC0415 - see `_rule`

        zone = zone_or_utc(self.zone_name)
        try:
            first, last = (local(moment, zone).replace(tzinfo=None) for moment in (first_ms, last_ms))
            found = {self._moment_ms(start, zone) for start in self._starts(first, last)}
        except (RuleIgnored, OverflowError, ValueError):  # too many steps, or beyond the year 9999
            return [], 0
        times = sorted(time for time in found if first_ms <= time <= last_ms)
        kept = times if limit is None else times[-limit:]
        return kept, len(times) - len(kept)

    @property
    def _begin_ms(self) -> int:
        """The second in which the rule begins: rules have no fractions of one."""
        return self.start_ms // 1000 * 1000

    @property
    def _start(self) -> datetime:
        return local(self._begin_ms, zone_or_utc(self.zone_name)).replace(tzinfo=None)

    def _moment_ms(self, start: datetime, zone: tzinfo) -> int:
        """Converts a local time.  Of a repeated one the first counts, but the rule can begin with the second."""
        return self._begin_ms if start == self._start else round(start.replace(tzinfo=zone).timestamp() * 1000)

    def _starts(self, first: datetime, last: datetime) -> Iterator[datetime]:
        """Yields the rule's local times around those from `first` to `last`."""
        first, last, start = first - SHIFT, last + SHIFT, self._start
        step = self._rule(start).step
        steps = 0 if step is None else (first - start) // step - 1
        if step is not None and steps > 0:  # a start nearby is the same and takes less time
            start += steps * step
        return self._rule(start).starts(first, last)

    def _rule(self, start: datetime) -> "Rule":
        from sidecar.recurrence import Rule  # noqa: PLC0415 - it brings dateutil, which the start does without

        return Rule(self.text, start, self._until)

    def _until(self, text: str) -> datetime:
        """Converts the value of UNTIL: a moment in UTC, a local time, or a whole day."""
        if len(text) == len("20261231"):
            return datetime.strptime(text, "%Y%m%d") + timedelta(days=1, seconds=-1)  # noqa: DTZ007 - local
        moment = datetime.strptime(text.removesuffix("Z"), "%Y%m%dT%H%M%S")  # noqa: DTZ007 - local
        if text.endswith("Z"):
            return moment.replace(tzinfo=UTC).astimezone(zone_or_utc(self.zone_name)).replace(tzinfo=None)
        return moment


Timing = Grid | RuleTimes
