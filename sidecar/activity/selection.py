"""The SQL that selects events of the feed: lists of feed keys, each read from an index, newest first."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

_RANGE: Final = "feed_key < :before AND feed_key >= :start"
_NEWEST: Final = "ORDER BY feed_key DESC LIMIT :limit"

NEWEST_FIRST: Final = "ORDER BY feed_key DESC"
AT_KEYS: Final = f"FROM activity_events WHERE feed_key IN (SELECT value FROM json_each(:keys)) {NEWEST_FIRST}"

MATCHES: Final = """
    SELECT rowid FROM activity_search
    WHERE activity_search MATCH :match AND rowid < :before AND rowid >= :start ORDER BY rowid DESC LIMIT :limit"""


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


def range_sql(columns: Mapping[str, str]) -> str:
    """Reads all events, or those of one source or account, with a named index: SQLite's choice could change."""
    index = {"source": "INDEXED BY idx_activity_source", "account_id": "INDEXED BY idx_activity_account"}
    hint = "".join(index[name] for name in columns)
    conditions = " AND ".join([_RANGE, *(f"{name} = :{name}" for name in columns)])
    return f"FROM activity_events {hint} WHERE {conditions} {_NEWEST}"


def merged_sql(kinds: int) -> str:
    """Merges the newest events of each of several kinds."""
    arms = " UNION ALL ".join(
        f"""
        SELECT * FROM (
            SELECT feed_key FROM activity_events INDEXED BY idx_activity_kind
            WHERE source = :s{at} AND account_id = :a{at} AND event_type = :t{at} AND {_RANGE} {_NEWEST})"""
        for at in range(kinds)
    )
    return f"{arms} {_NEWEST}" if kinds else "SELECT 0 WHERE 0"


def thread_sql(keys: int, *, includes_mentions: bool) -> str:
    """Merges the events about an issue with those linked with any of its keys; without mentions by explicit links."""
    explicit = "" if includes_mentions else "is_explicit AND "
    about = f"SELECT feed_key FROM activity_events INDEXED BY idx_activity_issue WHERE issue_key = :key0 AND {_RANGE}"
    linked = f"SELECT feed_key FROM activity_links WHERE {explicit}{_RANGE} AND issue_key = :key"
    arms = [about, *(f"{linked}{at}" for at in range(keys))]
    return " UNION ".join(f"SELECT * FROM ({arm} {_NEWEST})" for arm in arms) + f" {_NEWEST}"
