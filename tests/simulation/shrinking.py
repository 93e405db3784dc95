"""Shrinking of a life that breaks a sentence: steps are left out as long as it still breaks the same one."""

import time
from collections.abc import Callable
from dataclasses import replace

from tests.simulation.life import Life, Result
from tests.simulation.plan import Plan, Step


def shrink(result: Result, seconds: float, say: Callable[[str], None]) -> Result:
    """Returns a life with as few steps as are found within this time.  It breaks the same sentence as `result`.

    Whole kinds of steps are left out first, which also makes the further lives shorter, then halves, smaller parts and
    single steps (Zeller's delta debugging).
    """
    assert result.broken is not None
    until, smallest = time.monotonic() + seconds, result
    for kind in sorted({step.what for step in result.plan.steps}):
        steps = tuple(step for step in smallest.plan.steps if step.what != kind)
        shorter = _live(smallest.plan, steps)
        if shorter.broken is not None and shorter.broken.sentence == result.broken.sentence:
            smallest = shorter
            say(f"it breaks without any step {kind}, too: {len(steps)} are left")
        if time.monotonic() > until:
            return smallest
    parts = 2
    while time.monotonic() < until:
        steps = smallest.plan.steps
        size = max(1, len(steps) // parts)
        for start in range(0, len(steps), size):
            shorter = _live(smallest.plan, steps[:start] + steps[start + size :])
            if shorter.broken is not None and shorter.broken.sentence == result.broken.sentence:
                smallest = shorter
                say(f"{len(smallest.plan.steps)} steps are enough")
                break
            if time.monotonic() > until:
                return smallest
        else:
            if size == 1:
                return smallest
            parts *= 2
            continue
        parts = max(2, parts - 1)
    return smallest


def _live(plan: Plan, steps: tuple[Step, ...]) -> Result:
    return Life(replace(plan, steps=steps)).run()
