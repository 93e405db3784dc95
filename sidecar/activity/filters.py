"""Which events are wanted: what a client asked for, in terms of the feed, and how they are found."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final, Self

PLACES: Final = 1024
"""Events of one millisecond that have places of their own; more take those of the next ones."""
EVER: Final = 2**63 - 1
"""Beyond every place."""

Kind = tuple[str, str, str]
"""Source, account and type."""


def position_of(ms: int) -> int:
    """The first place of a moment, milliseconds since 1970."""
    return ms * PLACES


def ms_of(moment: str) -> int:
    """Milliseconds since 1970 of a `When`, which has no finer part."""
    return round(datetime.fromisoformat(moment).timestamp() * 1000)


def span(start: str | None, end: str | None) -> tuple[int, int]:
    """The places from one moment up to another; None: from the first, to the last."""
    return -EVER if start is None else position_of(ms_of(start)), EVER if end is None else position_of(ms_of(end))


@dataclass(frozen=True, slots=True)
class ActivityFilter:
    """Events from one place to before another; None: of any source, and so on."""

    start: int = -EVER
    before: int = EVER
    source: str | None = None
    account_id: str | None = None
    event_type: str | None = None
    issue_key: str | None = None
    """Of this issue's thread: about it, or linked with it."""
    is_loose: bool = False
    """Whether what only looks like this issue's key counts, too."""
    terms: tuple[str, ...] = ()
    """Each is in the title or the description."""

    def up_to(self, feed_key: int) -> Self:
        """The same, but only what comes after this place in a list of the newest first."""
        return replace(self, before=min(self.before, feed_key))

    def equal(self) -> dict[str, str]:
        """The columns that must have one value."""
        wanted = {"source": self.source, "account_id": self.account_id, "event_type": self.event_type}
        return {name: value for name, value in wanted.items() if value is not None}

    def among(self, kinds: Collection[Kind]) -> list[Kind]:
        """Those of these kinds that are wanted."""
        wanted = (self.source, self.account_id, self.event_type)
        return sorted(
            kind for kind in kinds if all(one in (None, value) for one, value in zip(wanted, kind, strict=True))
        )

    def searched(self) -> tuple[list[str], list[str]]:
        """The words that the index is to find, and the phrases that are looked up in what has all of their words.

        The index would go through all of the feed for words that are common and hardly ever stand side by side.
        """
        words = [word for term in self.terms for word in (term.split() or [term])]
        return words, [term for term in self.terms if term not in words]


@dataclass(frozen=True, slots=True)
class Selection:
    """How wanted events are found: places that may be wanted, newest first, and what must hold at them."""

    candidates: str
    parameters: dict[str, Any]
    conditions: list[str]
    """Empty: every candidate is wanted."""
    values: list[str]
    direct: str | None = None
    """Where the candidates are rows of one index: how they are read without asking for their places first."""
