"""Which of several recorded things each of several that came is, where their order is left open.

Two things may fit one another only as long as another pair does not: an id that stands in both binds.  So the first
that fits is not always the right one.  Each takes the first that fits; where one is left over in the end, earlier
choices are tried in other ways.  Where nothing but ids of which nobody has heard before tells two things apart, each is
taken for the first: what is said of them later is not looked at.  What is told apart most is looked for first.
"""

from collections.abc import Callable
from typing import Any, Final, Protocol

MAX_TRIALS: Final = 20_000
"""Comparisons for one matching, a second or so; of what is so much alike, each gets the first that fits."""
MAX_SEARCHED: Final = 200
"""Of more things than these each gets the first that fits; a search goes one call deeper with each."""


class Bindings(Protocol):
    """What is bound, as a place to go back to."""

    def mark(self) -> Any: ...

    def undo(self, mark: Any) -> None: ...


class Trials(Protocol):
    """Comparisons that may come to nothing."""

    @property
    def bindings(self) -> Bindings: ...

    def trial(self, compare: Callable[[], list[Any]]) -> list[Any]: ...


Differs = Callable[[int, int], list[Any]]
"""The differences of an expected thing and an actual one, by their indices."""


def matched(expected: int, actual: int, differs: Differs, trials: Trials) -> dict[int, int]:
    """The expected thing, for each actual one that has a counterpart; its bindings are bound."""
    return _Matching(expected, actual, differs, trials).made()


class _Matching:
    """One try to find them all."""

    def __init__(self, expected: int, actual: int, differs: Differs, trials: Trials) -> None:
        self._expected = range(expected)
        self._actual = range(actual)
        self._differs = differs
        self._trials = trials
        self._left = MAX_TRIALS

    def made(self) -> dict[int, int]:
        start = self._trials.bindings.mark()
        first = self._first_that_fit()
        fewer = min(len(self._expected), len(self._actual))
        if len(first) == fewer or fewer > MAX_SEARCHED:
            return first
        self._trials.bindings.undo(start)
        # What does not fit now does not fit later: what gets bound only forbids.
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
        self._trials.bindings.undo(start)
        return self._first_that_fit()

    def _first_that_fit(self) -> dict[int, int]:
        left = list(self._expected)
        found: dict[int, int] = {}
        for actual in self._actual:
            expected = next((one for one in left if self._fits(one, actual)), None)
            if expected is not None:
                left.remove(expected)
                found[actual] = expected
        return found

    def _search(self, choices: list[list[tuple[int, int]]], found: dict[int, int]) -> bool:
        """Take one pair of each choice, those with the fewest pairs first; False where that cannot be."""
        if not choices:
            return True
        for expected, actual in choices[0]:
            if actual in found or expected in found.values():
                continue
            if self._left < 0:
                return False
            before = self._trials.bindings.mark()
            if self._fits(expected, actual):
                found[actual] = expected
                if self._search(choices[1:], found):
                    return True
                del found[actual]
            self._trials.bindings.undo(before)
        return False

    def _fits(self, expected: int, actual: int) -> bool:
        self._left -= 1
        return not self._trials.trial(lambda: self._differs(expected, actual))

    def _would_fit(self, expected: int, actual: int) -> bool:
        before = self._trials.bindings.mark()
        fits = self._fits(expected, actual)
        self._trials.bindings.undo(before)
        return fits
