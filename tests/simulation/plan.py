"""The plan of a life: what happens when, drawn from its seed.

A step draws what it needs from its own number, so that leaving out one, as shrinking does, changes no other.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from random import Random
from typing import Final

DAY_S: Final = 86_400
HOLIDAY_S: Final = 6 * DAY_S
LAST_STANDBYS_S: Final = (3_600, 8 * DAY_S)
"""Before the world becomes kind; the longer one makes what it hides older than the syncs look back."""
STARTS: Final = ("2026-01-10", "2026-03-22", "2026-06-20", "2026-10-18", "2026-12-24", "2027-12-10")
"""First days; two lead across the clock changes of Europe and America, two into another year."""
USEFUL: Final = ("act", "create")
"""Steps without which there would be nothing to compare."""
ZONES: Final = ("UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Pacific/Apia", "Australia/Lord_Howe")
"""Zones of the computer; the last one's clocks change by half an hour."""
LEFT_OUT: Final = (0.0, 0.25, 0.6)
"""The part of a kind of things that a life does without."""


@dataclass(frozen=True)
class Step:
    """Something that happens `at` this second of the loop's clock."""

    at: float
    what: str
    number: int


@dataclass(frozen=True)
class Rhythm:
    """The days of a life: how many, how long, and how busy they are."""

    days: tuple[int, int]
    """The least and the greatest number of times that the computer wakes up."""
    awake_s: tuple[int, ...]
    """How long it is awake each time; it sleeps for the rest of the day, in which timers stand still."""
    asleep_s: tuple[int | None, ...]
    """How long it sleeps then; None for the rest of the day."""
    busy: tuple[int, ...]
    """More than the steps of a day, drawn for each."""
    pause_s: int
    """How long it takes at most until an ended process is started again."""


WEEKS: Final = Rhythm((4, 18), (600, 1_800, 3_600), (None, None, 3_600, 12 * 3_600, HOLIDAY_S), (30,), 1_800)
MONTHS: Final = Rhythm((20, 60), (60, 120, 300), (None, None, None, None, 12 * 3_600, HOLIDAY_S), (1, 1, 8, 30), 60)
"""Half of the days are quiet: only the process does something, which finds out what it has slept through."""
YEARS: Final = Rhythm((90, 250), (60,), (None,), (1, 1, 1, 8), 60)
"""Most of the days are quiet: what is kept for a time, counted or due once a month has its turn."""


@dataclass(frozen=True)
class Plan:
    """A life."""

    seed: int
    start_ms: int
    steps: tuple[Step, ...]
    awake_s: float
    """How long the computer is awake altogether."""
    pause_s: int = WEEKS.pause_s
    zone: str = "UTC"


def some(rng: Random, weights: Mapping[str, int]) -> dict[str, int]:
    """Draws which of some things a life has, and how often each happens; at least one.

    What a life does without cannot hide or prevent what the others do (swarm testing, Groce and others 2012).
    """
    left_out = rng.choice(LEFT_OUT)
    drawn = {name: weight * rng.choice((1, 1, 4)) for name, weight in weights.items() if rng.random() >= left_out}
    return drawn or dict(weights)


def draw(seed: int, weights: dict[str, int]) -> Plan:
    """Draws a life: `weights` says how often each kind of step happens."""
    rng = Random(f"{seed} plan")
    rhythm = rng.choice((WEEKS, WEEKS, MONTHS, YEARS))
    begin = datetime.fromisoformat(rng.choice(STARTS)).replace(tzinfo=UTC)
    drawn = {name: weight * rng.choice((1, 1, 3)) for name, weight in weights.items() if name in USEFUL}
    drawn |= some(rng, {name: weight for name, weight in weights.items() if name not in USEFUL})
    names, chances, steps, at = list(drawn), list(drawn.values()), [], 0.0
    for _ in range(rng.randint(*rhythm.days)):
        awake_s = rng.choice(rhythm.awake_s)
        for _ in range(rng.randrange(rng.choice(rhythm.busy))):
            offset = rng.uniform(1, awake_s)
            steps.append(Step(at + offset, rng.choices(names, chances)[0], rng.getrandbits(32)))
        at += awake_s
        steps.append(Step(at, "standby", rng.choice(rhythm.asleep_s) or DAY_S - awake_s))
    steps[-1] = replace(steps[-1], number=rng.choice(LAST_STANDBYS_S))
    steps.sort(key=lambda one: one.at)
    start_ms = round(begin.timestamp() * 1000) + rng.randrange(DAY_S) * 1000
    return Plan(seed, start_ms, tuple(steps), at, rhythm.pause_s, rng.choice(ZONES))
