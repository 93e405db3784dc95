"""Shrinking of a life that breaks a sentence: steps are left out as long as it still breaks the same one."""

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace

from tests.simulation.life import ACTORS, Life, Result
from tests.simulation.plan import Plan, Step


def shrink(result: Result, seconds: float, say: Callable[[str], None]) -> Result:
    """Returns a life with as few steps as are found within this time.  It breaks the same sentence as `result`."""
    shrinking = Shrinking(result, seconds, say)
    shrinking.leave_out_kinds()
    shrinking.leave_out_parts()
    return shrinking.finish()


class Shrinking:
    """The search for a shorter life.

    The steps that the life has not reached go first, then those of each actor and of each kind, which also makes
    the further lives shorter, then halves, smaller parts and single steps (Zeller's delta debugging).
    """

    def __init__(self, result: Result, seconds: float, say: Callable[[str], None]) -> None:
        assert result.broken is not None
        self._sentence, self._say = result.broken.sentence, say
        self._until = time.monotonic() + seconds
        self._begins_with = len(result.plan.steps)
        self._lives = 0
        reached = tuple(step for step in result.plan.steps if step.at <= result.ended_at)
        self.smallest = replace(result, plan=replace(result.plan, steps=reached))

    def leave_out_kinds(self) -> None:
        for actor in ACTORS:
            self._leave_out(set(actor.WEIGHTS), f"all steps of {actor.__name__}")
        often = Counter(step.what for step in self.smallest.plan.steps)
        for kind, _ in often.most_common():
            self._leave_out({kind}, f"each step {kind}")

    def _leave_out(self, kinds: set[str], what: str) -> None:
        steps = self.smallest.plan.steps
        kept = tuple(step for step in steps if step.what not in kinds)
        if len(kept) < len(steps) and self._breaks(kept):
            self._say(f"{what} can be left out: {len(self.smallest.plan.steps)} are left")

    def leave_out_parts(self) -> None:
        parts = 2
        while self._has_time and self.smallest.plan.steps:
            steps = self.smallest.plan.steps
            size = max(1, len(steps) // parts)
            shorter = (steps[:start] + steps[start + size :] for start in range(0, len(steps), size))
            if any(self._breaks(one) for one in shorter):
                self._say(f"{len(self.smallest.plan.steps)} steps are enough")
                parts = max(2, parts - 1)
            elif size == 1:
                return
            else:
                parts *= 2

    def finish(self) -> Result:
        """Lives the shortest life once more, whose story has none of the others."""
        last = _live(self.smallest.plan, self.smallest.plan.steps)
        self._say(f"{self._begins_with} steps became {len(last.plan.steps)}, with {self._lives} lives")
        return last

    @property
    def _has_time(self) -> bool:
        return time.monotonic() < self._until

    def _breaks(self, steps: tuple[Step, ...]) -> bool:
        """Lives with these steps.  Returns whether the sentence is broken; the life is then the smallest."""
        if not self._has_time:
            return False
        self._lives += 1
        life = _live(self.smallest.plan, steps)
        if life.broken is None or life.broken.sentence != self._sentence:
            return False
        reached = tuple(step for step in steps if step.at <= life.ended_at)
        self.smallest = replace(life, plan=replace(life.plan, steps=reached))
        return True


def _live(plan: Plan, steps: tuple[Step, ...]) -> Result:
    return Life(replace(plan, steps=steps)).run()
