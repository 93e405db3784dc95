"""Events that the process does not control: kills, wrong clocks, an older database."""

from random import Random
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from tests.simulation.life import Life


class SimulatedClock:
    """The computer's wall clock, which may be wrong, and its monotonic one."""

    def __init__(self, life: "Life", start_ms: int) -> None:
        self._life = life
        self._start_ms = start_ms
        self.slept_ms = 0
        self.error_ms = 0
        self.drift_ppm = 0
        """How fast the error grows, from the beginning of the life on."""

    def true_ms(self) -> int:
        """The time of the clouds."""
        return self._start_ms + self.slept_ms + round(self._life.now * 1_000)

    def now_ms(self) -> int:
        true_ms = self.true_ms()
        if self.drift_ppm:
            true_ms += self.drift_ppm * (true_ms - self._start_ms) // 1_000_000
        return true_ms + self.error_ms

    def monotonic(self) -> float:
        return self._life.now


class Fate:
    """The steps that come over the process."""

    WEIGHTS: Final = {"kill": 2, "kill_soon": 3, "clock": 2, "drift": 1, "older": 1, "standby": 0}

    def __init__(self, life: "Life") -> None:
        self._life = life

    def kill(self, rng: Random) -> str:
        self._life.dies = True
        return "the process"

    def kill_soon(self, rng: Random) -> str:
        self._life.steps_left = rng.randint(1, 400)
        return f"after {self._life.steps_left} callbacks"

    def clock(self, rng: Random) -> str:
        self.set_clock(
            rng.choice((0, 0, 400, -400, 5_000, 3_600_000, -3_600_000, -90_000_000, 432_000_000, 432_000_000))
        )
        return f"is wrong by {self._life.clock.error_ms / 1000} s"

    def set_clock(self, error_ms: int) -> None:
        """Sets the computer's clock so that it is wrong by this much."""
        self._life.clouds.clock_was_wrong = True
        self._set(error_ms, self._life.clock.drift_ppm)

    def _set(self, error_ms: int, drift_ppm: int) -> None:
        clock = self._life.clock
        if (clock.error_ms, clock.drift_ppm) != (error_ms, drift_ppm):
            self._life.timetables.clock_jumps()
            clock.error_ms, clock.drift_ppm = error_ms, drift_ppm
            self._life.timetables.clock_jumps()

    def drift(self, rng: Random) -> str:
        self._set(self._life.clock.error_ms, rng.choice((0, 50, -50, 3_000, -3_000)))
        return f"of the clock is {self._life.clock.drift_ppm} ppm"

    def older(self, rng: Random) -> str:
        """Puts an older copy of the database in its place, as people do with a backup of their computer."""
        if not self._life.take_older():
            return ""
        self._life.dies = True
        return "database in the place of the present one"

    def be_kind(self) -> None:
        self._set(0, 0)
        self._life.steps_left = 0
