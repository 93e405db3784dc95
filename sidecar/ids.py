"""Randomness, and the ids that are made of it: UUIDv7, which sort by creation time.

A seed makes both reproducible.  Each purpose has its own generator, so that the draws of one do not change those of
another: with a shared generator, a job's id would depend on whether a sign-in or a sync ran first.
"""

import random
from collections.abc import Callable
from os import urandom
from typing import Final

from sidecar.clock import Clock

MakeId = Callable[[], str]

POOL_BYTES: Final = 640
"""Random bytes fetched at once, enough for 64 ids: a system call for each id would be a quarter of its cost."""


class Uuid7:
    """Generates ids that increase strictly within one process, by method 2 of RFC 9562 §6.2."""

    def __init__(self, clock: Clock, randomness: Callable[[int], bytes] = urandom) -> None:
        self._clock = clock
        self._randomness = randomness
        self._pool = b""
        self._last = 0

    def __call__(self) -> str:
        # 48 bits of time, then 74 of randomness; the version and variant bits are inserted below.
        value = (self._clock.now_ms() << 74) | (int.from_bytes(self._random(10)) >> 6)
        if value <= self._last:  # the same millisecond, or the clock was set back
            value = self._last + 1 + int.from_bytes(self._random(4))
        self._last = value
        head, tail = value >> 62, value & (2**62 - 1)
        bits = (head >> 12) << 80 | (0x7000 | head & 0xFFF) << 64 | 0b10 << 62 | tail
        text = bits.to_bytes(16, "big").hex()
        return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"

    def _random(self, size: int) -> bytes:
        if len(self._pool) < size:
            self._pool = self._randomness(POOL_BYTES)
        taken, self._pool = self._pool[:size], self._pool[size:]
        return taken


class Randomness:
    """Makes random sources: the system's, or predictable ones from a seed, which are for replaying only.

    `life` distinguishes the processes that have used the same database, so that none repeats an earlier one's ids.
    Keys and nonces of stored secrets never come from here (see `sidecar.storage.secrets`).
    """

    def __init__(self, seed: int | None, life: int = 0) -> None:
        self._seed = seed
        self._life = life

    def bytes_for(self, purpose: str) -> Callable[[int], bytes]:
        return urandom if self._seed is None else self._seeded(purpose).randbytes

    def fractions_for(self, purpose: str) -> Callable[[], float]:
        """Returns a function that returns a random number from 0.0 to just below 1.0."""
        return random.random if self._seed is None else self._seeded(purpose).random

    def _seeded(self, purpose: str) -> random.Random:
        return random.Random(f"{self._seed} {self._life} {purpose}")  # noqa: S311 - predictable on purpose
