"""kill -9 from outside, at any moment under load: after a number of lines that chance chooses, not after a time."""

import random
from typing import Final

import pytest

from tests.crashes.acknowledged import FAR, Witness
from tests.crashes.invariants import recover

KILLS: Final = 10
"""A database lives through so many, then is looked at."""
MAX_LINES: Final = 250
KINDS: Final = ("crash.once", "crash.again", "crash.again", "crash.flaky", "crash.flaky", "crash.waiting")


def act(witness: Witness, chance: random.Random) -> None:
    """Do one of the things that a host does."""
    key = chance.choice(list(witness.wanted))
    match chance.randrange(6):
        case 0:
            witness.create(*chance.choices(KINDS, k=chance.randint(1, 6)), priority=chance.randint(-5, 5))
        case 1:
            witness.create("crash.once", run_at=FAR)
        case 2:
            witness.ask_again(key)  # a key that is in use makes no second job
        case 3 | 4 if key in witness.acknowledged:
            witness.cancel(key)
        case _:
            witness.ask("jobs.list", limit=chance.randint(1, 200))


@pytest.mark.parametrize("seed", range(5))
def test_kills_at_random_under_load_lose_repeat_and_invent_nothing(witness: Witness, seed: int) -> None:
    chance = random.Random(seed)  # a failure names its seed: it is the test's parameter
    for _ in range(KILLS):
        last_line = chance.randint(1, MAX_LINES)
        with witness.life() as wire:
            witness.create(*chance.choices(KINDS, k=chance.randint(1, 8)))
            witness.ask_again()
            for _ in range(last_line):
                if chance.random() < 0.3 or not witness.expects_more:
                    act(witness, chance)
                assert witness.step() is not None
            wire.process.kill()
            witness.until_killed()
    recover(witness)
