"""Random bytes and numbers, injected so that a seed makes them reproducible.

Each purpose has its own generator, so that the draws of one do not change those of another: with a shared generator, a
job's id would depend on whether a sign-in or a sync ran first.
"""

import os
import random
from collections.abc import Callable


class Randomness:
    """Makes random sources: the system's, or predictable ones from a seed, which are for replaying only.

    `life` distinguishes the processes that have used the same database, so that none repeats an earlier one's ids.
    Keys and nonces of stored secrets never come from here (see `sidecar.storage.secrets`).
    """

    def __init__(self, seed: int | None, life: int = 0) -> None:
        self._seed = seed
        self._life = life

    def bytes_for(self, purpose: str) -> Callable[[int], bytes]:
        return os.urandom if self._seed is None else self._seeded(purpose).randbytes

    def fractions_for(self, purpose: str) -> Callable[[], float]:
        """Returns a function that returns a random number from 0.0 to just below 1.0."""
        return random.random if self._seed is None else self._seeded(purpose).random

    def _seeded(self, purpose: str) -> random.Random:
        return random.Random(f"{self._seed} {self._life} {purpose}")  # noqa: S311 - predictable on purpose
