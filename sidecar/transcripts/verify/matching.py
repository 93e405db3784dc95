"""Matches recorded items to received items when their order does not matter.

A match can rule out another one, because it binds recorded ids to received ids; so the first item that fits is not
always the right one.  Each received item gets the first recorded item that fits; if some are left over, a backtracking
search tries other choices, items with the fewest candidates first.  Items that differ only in ids that have not
appeared before are matched in order, without regard to later messages.
"""

from collections.abc import Callable
from typing import Any, Final, Protocol

MAX_TRIALS: Final = 20_000
"""Limit of comparisons for one search, about a second; beyond it each item gets the first that fits."""
MAX_SEARCHED: Final = 200
"""Limit of items for the search, which recurses once per item; beyond it each gets the first that fits."""


class Bindings(Protocol):
    """Bound ids, with savepoints."""

    def savepoint(self) -> Any: ...

    def roll_back(self, savepoint: Any) -> None: ...


class Trials(Protocol):
    """Comparisons that bind nothing if they find a difference."""

    @property
    def bindings(self) -> Bindings: ...

    def trial(self, compare: Callable[[], list[Any]]) -> list[Any]: ...


Differs = Callable[[int, int], list[Any]]
"""Returns the differences between an expected item and an actual one, given their indices."""


def match_unordered(expected: int, actual: int, differs: Differs, trials: Trials) -> dict[int, int]:
    """Returns the index of the expected item for each actual item that has one, and keeps the matches' bindings."""
    return _Matching(expected, actual, differs, trials).run()


class _Matching:
    """One search."""

    def __init__(self, expected: int, actual: int, differs: Differs, trials: Trials) -> None:
        self._expected = range(expected)
        self._actual = range(actual)
        self._differs = differs
        self._trials = trials
        self._left = MAX_TRIALS

    def run(self) -> dict[int, int]:
        start = self._trials.bindings.savepoint()
        greedy = self._greedy()
        fewer = min(len(self._expected), len(self._actual))
        if len(greedy) == fewer or fewer > MAX_SEARCHED:
            return greedy
        self._trials.bindings.roll_back(start)
        # A pair that does not fit now will not fit later: bindings only rule pairs out.
        fit = [(one, other) for one in self._expected for other in self._actual if self._would_fit(one, other)]
        by_expected: dict[int, list[tuple[int, int]]] = {}
        by_actual: dict[int, list[tuple[int, int]]] = {}
        for pair in fit:
            by_expected.setdefault(pair[0], []).append(pair)
            by_actual.setdefault(pair[1], []).append(pair)
        fewest = min(by_expected, by_actual, key=len)
        found: dict[int, int] = {}
        self._left = MAX_TRIALS
        if self._search(sorted(fewest.values(), key=len), found):
            return found
        self._trials.bindings.roll_back(start)
        return self._greedy()

    def _greedy(self) -> dict[int, int]:
        left = list(self._expected)
        found: dict[int, int] = {}
        for actual in self._actual:
            expected = next((one for one in left if self._fits(one, actual)), None)
            if expected is not None:
                left.remove(expected)
                found[actual] = expected
        return found

    def _search(self, choices: list[list[tuple[int, int]]], found: dict[int, int]) -> bool:
        """Takes one pair from each choice, in order; returns False if that is impossible."""
        if not choices:
            return True
        for expected, actual in choices[0]:
            if actual in found or expected in found.values():
                continue
            if self._left < 0:
                return False
            before = self._trials.bindings.savepoint()
            if self._fits(expected, actual):
                found[actual] = expected
                if self._search(choices[1:], found):
                    return True
                del found[actual]
            self._trials.bindings.roll_back(before)
        return False

    def _fits(self, expected: int, actual: int) -> bool:
        self._left -= 1
        return not self._trials.trial(lambda: self._differs(expected, actual))

    def _would_fit(self, expected: int, actual: int) -> bool:
        before = self._trials.bindings.savepoint()
        fits = self._fits(expected, actual)
        self._trials.bindings.roll_back(before)
        return fits
