"""Reads recurrence rules (RFC 5545 §3.3.10): what can be followed is followed, and the rest is named.

Calendar files bring such rules, and schedules follow them.  `dateutil.rrule` refuses a whole rule for one invalid
part.
"""

import re
from collections.abc import Callable, Iterator
from datetime import MAXYEAR, date, datetime, timedelta
from itertools import islice
from math import prod
from typing import Any, Final

from dateutil import rrule

from sidecar.clock import DAY_S

MAX_STEPS: Final = 200_000
"""A rule that takes more steps is not followed: its event happens once.

An hourly rule over twenty years takes fewer; millions of steps would take minutes and much memory.
"""
FREQUENCIES: Final[dict[str, Any]] = {name: number for number, name in enumerate(rrule.FREQNAMES)}
STEPS: Final[dict[str, tuple[int, tuple[str, ...]]]] = {
    "SECONDLY": (1, ()),
    "MINUTELY": (60, ("bysecond",)),
    "HOURLY": (3_600, ("bysecond", "byminute")),
}
"""FREQ -> length of a step, in seconds, and the parts of a rule that multiply the occurrences within a step."""
DAILY_STEP: Final = (DAY_S, ("bysecond", "byminute", "byhour"))
"""The same for a day, the shortest step of any other FREQ."""
_NUMBERS: Final[dict[str, tuple[int, int]]] = {
    "BYSECOND": (0, 59),
    "BYMINUTE": (0, 59),
    "BYHOUR": (0, 23),
    "BYMONTHDAY": (-31, 31),
    "BYYEARDAY": (-366, 366),
    "BYWEEKNO": (-53, 53),
    "BYMONTH": (1, 12),
    "BYSETPOS": (-366, 366),
}
"""Part -> smallest and largest value.  Where it may be negative it must not be 0."""
_WEEKDAYS: Final = {name: getattr(rrule, name) for name in ("MO", "TU", "WE", "TH", "FR", "SA", "SU")}
_BYDAY: Final = re.compile(r"([+-]?\d{1,3})?(MO|TU|WE|TH|FR|SA|SU)[A-Z]*")  # some write MON or TUESDAY


class RuleIgnored(Exception):
    """No part of the rule can be followed, for the reason in the message."""


class Rule:
    """A recurrence rule of a series that starts at `start`, in local times without a zone.

    `until` converts the value of UNTIL to such a time; it raises `ValueError`.  `problems` are the parts that are not
    followed, `invalid` those that are, as other programs follow them, although they are invalid.  Raises `RuleIgnored`.
    """

    def __init__(self, text: str, start: datetime, until: Callable[[str], datetime]) -> None:
        self.problems: list[str] = []
        self.invalid: list[str] = []
        self._start = start
        parts = self._parts(text)
        self.frequency = parts.pop("FREQ", "")
        if self.frequency not in FREQUENCIES:
            raise RuleIgnored("the recurrence rule has no valid frequency")
        if (scale := parts.pop("RSCALE", "GREGORIAN")) != "GREGORIAN":
            raise RuleIgnored(f"the recurrence rule counts in the calendar {scale[:20]}")
        skip = parts.pop("SKIP", "OMIT")
        self._options: dict[str, Any] = {"interval": self._interval(parts.pop("INTERVAL", "1"))}
        if (count := parts.pop("COUNT", None)) is not None:
            self._read("count", self._positive, "COUNT", count)
        if (end := parts.pop("UNTIL", None)) is not None:
            self._read("until", until, "UNTIL", end)
        if (week_start := parts.pop("WKST", None)) is not None:
            self._read("wkst", _WEEKDAYS.__getitem__, "WKST", week_start[:2])
        if (days := parts.pop("BYDAY", None)) is not None:
            self._days(days)
        for name, value in parts.items():
            if name in _NUMBERS:
                self._list(name.lower(), name, value, _number(name))
            else:
                self.problems.append(f"the part {name[:20]} of the recurrence rule is unknown")
        self._skip(skip)
        if "byweekno" in self._options and not any(name in self._options for name in _BY_DAY):
            self._options["byweekday"] = [start.weekday()]  # dateutil would take the whole week
        if "bysetpos" in self._options and not any(name in self._options for name in _BY):
            del self._options["bysetpos"]

    def starts(self, first: datetime, last: datetime) -> Iterator[datetime]:
        """Yields the rule's starts from `first` to `last`.  Raises `RuleIgnored` if that takes too many steps."""
        if self._steps(last) > MAX_STEPS:
            raise RuleIgnored("the recurrence rule repeats too often")
        options = {name: value for name, value in self._options.items() if name not in ("count", "until")}
        begin = self._start
        if self.frequency == "WEEKLY" and "bysetpos" in options:
            # dateutil would count positions from the start, and not in its whole week.
            if not any(name in options for name in _BY_DAY):
                options["byweekday"] = [begin.weekday()]
            begin -= timedelta(days=(begin.weekday() - options.get("wkst", rrule.MO).weekday) % 7)
        if 52 in options.get("byweekno", ()):  # dateutil takes the first days of some years for week 53
            options["byweekno"] = [*options["byweekno"], 53]
        until = min(last, self.until or last)
        years = _to_last_years(begin.year, max(begin, until).year)
        begin, until = _moved(begin, years), _moved(until, years)
        rule = rrule.rrule(FREQUENCIES[self.frequency], dtstart=begin, until=until, **options)
        following = (_moved(start, -years) for start in rule)
        following = (start for start in following if start >= self._start and self._is_in_week(start))
        for start in islice(following, self._options.get("count")):
            if start >= first:
                yield start

    def _is_in_week(self, start: datetime) -> bool:
        """Whether BYWEEKNO has the ISO week of a start, or dateutil can be trusted to know."""
        weeks = self._options.get("byweekno")
        if weeks is None or "bysetpos" in self._options or self._options.get("wkst", rrule.MO) != rrule.MO:
            return True
        year, week, _ = start.isocalendar()
        return week in weeks or week - date(year, 12, 28).isocalendar().week - 1 in weeks

    @property
    def until(self) -> datetime | None:
        end: datetime | None = self._options.get("until")
        return end

    @property
    def times_per_day(self) -> int:
        """The largest number of starts that a day can have."""
        hours = len(self._options.get("byhour", range(24) if self.frequency in STEPS else (0,)))
        return hours * prod(len(self._options.get(name, (0,))) for name in ("byminute", "bysecond"))

    @property
    def step(self) -> timedelta | None:
        """The step that the start can be moved by without changing what follows; None if it cannot be moved."""
        lengths = {"HOURLY": timedelta(hours=1), "DAILY": timedelta(days=1), "WEEKLY": timedelta(weeks=1)}
        length = lengths.get(self.frequency)
        interval: int = self._options["interval"]
        return None if length is None or "count" in self._options else interval * length

    def _parts(self, text: str) -> dict[str, str]:
        """Returns name -> value in upper case without blanks; of a repeated part, the first."""
        parts: dict[str, str] = {}
        for part in "".join(text.upper().removeprefix("RRULE:").split()).split(";"):
            name, separator, value = part.partition("=")
            if separator and value and name in parts:
                self.invalid.append(f"{name[:20]} of the recurrence rule is repeated")
            elif separator and value:
                parts[name] = value
            elif part:
                self.problems.append(f"the part {part[:20]} of the recurrence rule has no value")
        return parts

    def _read(self, option: str, convert: Callable[[str], Any], name: str, value: str) -> None:
        try:
            self._options[option] = convert(value)
        except (ValueError, KeyError, OverflowError):
            self.problems.append(f"{name} of the recurrence rule is invalid")

    def _list(self, option: str, name: str, text: str, convert: Callable[[str], Any]) -> None:
        values: list[Any] = []
        for item in text.split(","):
            try:
                values.append(convert(item))
            except ValueError:
                self.problems.append(f"{name} of the recurrence rule has an invalid value")
        if values:
            self._options[option] = values

    def _days(self, text: str) -> None:
        self._list("byweekday", "BYDAY", text, _weekday)
        has_number = any(day.n for day in self._options.get("byweekday", ()))
        if has_number and self.frequency not in ("MONTHLY", "YEARLY"):  # RFC 5545 §3.3.10; dateutil takes each week's
            self.invalid.append("BYDAY of the recurrence rule has a number, which only months and years can have")

    def _interval(self, text: str) -> int:
        try:
            return self._positive(text)
        except ValueError:  # ical.js takes 0 for 1 too; dateutil would loop for ever
            self.problems.append("INTERVAL of the recurrence rule is invalid")
            return 1

    def _positive(self, text: str) -> int:
        number = int(text)
        if not 0 < number < 2**31:
            raise ValueError(text)
        return number

    def _skip(self, skip: str) -> None:
        """Applies SKIP=BACKWARD (RFC 7529 §4.1): a day that a month does not have becomes its last one."""
        if skip == "OMIT" or self.frequency not in ("MONTHLY", "YEARLY"):
            return
        if any(name in self._options for name in ("byweekday", "byyearday", "byweekno", "bysetpos")):
            days: list[int] = []
        else:
            days = self._options.get("bymonthday", [self._start.day])
        if len(days) != 1 or skip != "BACKWARD":
            self.problems.append("SKIP of the recurrence rule is not followed")
        elif days[0] > 28:
            self._options["bymonthday"] = list(range(28, days[0] + 1))
            self._options["bysetpos"] = [-1]
            if self.frequency == "YEARLY":
                self._options.setdefault("bymonth", [self._start.month])

    def _steps(self, last: datetime) -> float:
        """Estimates the steps up to `last`; 0 if they are few."""
        options = self._options
        step_s, multipliers = STEPS.get(self.frequency, DAILY_STEP)
        per_step = prod(len(options.get(name, (0,))) for name in multipliers)
        if per_step == 1 and self.frequency not in STEPS:
            return 0
        until = min(last, options.get("until", last))
        steps: float = (until - self._start) / timedelta(seconds=step_s * options["interval"]) * per_step
        if "count" in options and not any(name in options for name in _BY):
            return min(steps, float(options["count"]))
        return steps


def _to_last_years(first: int, last: int) -> int:
    """Returns by how many years `first` to `last` can be moved to the end of the calendar, as far as that is the same.

    dateutil searches up to the year 9999, which takes minutes for a rule that has no times; so it is given little to
    search.  Where no leap year is left out, the calendar repeats itself.  The year 9999 is left out: dateutil looks at
    whole weeks, the last of which goes on in the year after.
    """
    if all(year % 400 == 0 or year % 100 for year in range(first, last + 1)):
        for year in range(MAXYEAR - 1 - (last - first), 9_900, -1):
            if year % 4 == first % 4 and date(year, 1, 1).weekday() == date(first, 1, 1).weekday():
                return year - first
    return 0


def _moved(moment: datetime, years: int) -> datetime:
    """Returns the same day of another year; the last day of the calendar if that is later."""
    year = moment.year + years
    return moment.replace(year=MAXYEAR, month=12, day=31) if year > MAXYEAR else moment.replace(year=max(1, year))


_BY_DAY: Final = ("byweekday", "bymonthday", "byyearday")
_BY: Final = ("byweekday", *(name.lower() for name in _NUMBERS if name != "BYSETPOS"))


def _weekday(text: str) -> Any:
    match = _BYDAY.fullmatch(text)
    if match is None or (match[1] is not None and int(match[1]) == 0):
        raise ValueError(text)
    day = _WEEKDAYS[match[2]]
    return day if match[1] is None else day(int(match[1]))


def _number(name: str) -> Callable[[str], int]:
    smallest, largest = _NUMBERS[name]

    def convert(text: str) -> int:
        number = int(text)
        if not smallest <= number <= largest or (number == 0 and smallest != 0):
            raise ValueError(text)
        return number

    return convert
