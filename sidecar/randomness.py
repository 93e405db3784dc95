"""Randomness, for constructors: the system's, or from a seed the same every time.

Each purpose has a generator of its own.  What one part draws, and how often, then changes nothing for another: with
one for all, a job's id would depend on whether the sign-in or the sync came first.
"""

import os
import random
from collections.abc import Callable


class Randomness:
    """Where random bytes and numbers come from; what is made from a seed can be foretold, and is for replaying only.

    Nothing that guards stored secrets (`sidecar.storage.secrets`) is made of it.
    """

    def __init__(self, seed: int | None, life: int = 0) -> None:
        """Without a seed, the system's.

        `life` tells the processes apart that one database has seen: none makes an earlier one's ids again.
        """
        self._seed = seed
        self._life = life

    def bytes_for(self, purpose: str) -> Callable[[int], bytes]:
        """A source of that many random bytes; `purpose` names what they are for."""
        return os.urandom if self._seed is None else self._seeded(purpose).randbytes

    def fractions_for(self, purpose: str) -> Callable[[], float]:
        """A source of numbers from 0 to 1, without the 1."""
        return random.random if self._seed is None else self._seeded(purpose).random

    def _seeded(self, purpose: str) -> random.Random:
        return random.Random(f"{self._seed} {self._life} {purpose}")  # noqa: S311 - asked for, to be the same every time
