"""Filters of the feed: the events that a client requested, as a range of feed keys and the values of columns."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

KEYS_PER_MS: Final = 1024
"""Feed keys of one millisecond; if they are all taken, an event gets a key of a later millisecond."""
MAX_FEED_KEY: Final = 2**63 - 1
"""Larger than every feed key, whose negative value is smaller than each."""

Kind = tuple[str, str, str]
"""Source, account id and event type."""


def first_key(ms: int) -> int:
    """Returns the first feed key of a time in milliseconds since 1970."""
    return ms * KEYS_PER_MS


def parse_ms(time: str) -> int:
    """Converts a `When` to milliseconds since 1970."""
    return round(datetime.fromisoformat(time).timestamp() * 1000)


@dataclass(frozen=True, slots=True)
class ActivityFilter:
    """The conditions that an event must meet."""

    start: int = -MAX_FEED_KEY
    before: int = MAX_FEED_KEY
    columns: Mapping[str, str] = field(default_factory=dict)
    """The required values of `source`, `account_id` and `event_type`."""
    issue_key: str | None = None
    """Accepts events that are about this issue or linked with it."""
    includes_mentions: bool = False
    """Whether a text with the issue's key is a link even if the feed has no event about an issue of its project."""
    terms: tuple[str, ...] | None = None
    """Folded texts that must all occur in the title or the description.  None accepts every event; an empty tuple, the
    terms of a query without words, accepts none."""

    @classmethod
    def of(
        cls,
        start: str | None,
        end: str | None,
        *,
        issue_key: str | None = None,
        terms: Collection[str] | None = None,
        **columns: str | None,
    ) -> "ActivityFilter":
        """Returns the filter of a request, in which None accepts every value."""
        return cls(
            -MAX_FEED_KEY if start is None else first_key(parse_ms(start)),
            MAX_FEED_KEY if end is None else first_key(parse_ms(end)),
            {name: value for name, value in columns.items() if value is not None},
            issue_key,
            terms=None if terms is None else tuple(terms),
        )

    def matching(self, kinds: Collection[Kind]) -> list[Kind]:
        """Returns the kinds that meet the conditions, sorted."""
        wanted = [self.columns.get(name) for name in ("source", "account_id", "event_type")]
        return sorted(
            kind for kind in kinds if all(one in (None, value) for one, value in zip(wanted, kind, strict=True))
        )

    def split_terms(self) -> tuple[list[str], list[str]]:
        """Returns the words to find with the full-text index, and the phrases to check in the rows that it finds.

        The index would read all of the feed for a phrase of common words that are rarely next to each other.
        """
        terms = self.terms or ()
        words = [word for term in terms for word in term.split()]
        return words, [term for term in terms if term not in words]


@dataclass(frozen=True, slots=True)
class Selection:
    """The SQL of a filter: candidates, and the conditions that they must still meet."""

    candidates: str
    """Selects feed keys, newest first."""
    parameters: dict[str, Any]
    conditions: list[str]
    """Conditions on a candidate's row; empty if every candidate matches."""
    values: list[str]
    """The parameters of `conditions`."""
    from_clause: str | None = None
    """Reads the candidates' rows directly, if they are a range of one index."""
