"""The tables `activity_events` and `activity_links`, and the full-text index of the feed.

Rows are read as JSON that SQLite encodes, which `ActivityEvent` describes.  Events are sorted by the table's key,
`feed_key`, which is also the last column of each index: a page is the end of a sorted list, and reading it costs the
same in a feed of any length.  For conditions without an index a page examines at most MAX_SCANNED_ROWS rows, and may
therefore be short.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from pydantic_core import to_json
from sidecar_protocol.activity.feed import ActivityEvent
from sidecar_protocol.contract import Encoded

from sidecar.activity.filters import KEYS_PER_MS, ActivityFilter, Kind, Selection, first_key
from sidecar.activity.rows import COLUMNS, EventPage, Issue, ReportRow, WrittenRow
from sidecar.feed import Origin
from sidecar.storage.database import Database
from sidecar.storage.fulltext import FullTextIndex, SearchPlan, term_conditions
from sidecar.storage.paging import decode_cursor, encode_cursor, row_json
from sidecar.storage.row_cache import EncodedRow, RowCache

MAX_SCANNED_ROWS: Final = 1_000
"""Rows that one page examines, which takes about 10 ms."""
SCAN_ROWS: Final = 250
"""Rows per statement of such a scan."""
MAX_FORMER_KEYS: Final = 20
"""Former keys of an issue whose mentions its thread includes: more moves than an issue sees."""
MAX_MERGED_KINDS: Final = 200
"""Kinds of events whose lists are merged; SQLite's limit is 500 parts of a compound SELECT."""

# A key in a text is a link if the feed has an event about an issue of the same project.
_IS_OF_KNOWN_PROJECT: Final = """EXISTS (
    SELECT 1 FROM activity_events AS issue
    WHERE issue.issue_key >= substr({key}, 1, instr({key}, '-'))
        AND issue.issue_key < substr({key}, 1, instr({key}, '-') - 1) || '.')"""

# A key may have been given to a new issue since.
_FORMER_KEYS: Final = """FROM activity_former_keys AS former
    WHERE NOT EXISTS (SELECT 1 FROM activity_events WHERE issue_key = former.former_key)"""

_LINKS: Final = f"""iif(links_json IS NULL, json('[]'), json((
    SELECT json_group_array(DISTINCT coalesce(
        (SELECT former.issue_key {_FORMER_KEYS} AND former.former_key = link.issue_key), link.issue_key))
    FROM activity_links AS link
    WHERE link.feed_key = activity_events.feed_key
        AND (link.is_explicit OR {_IS_OF_KNOWN_PROJECT.format(key="link.issue_key")}
            OR EXISTS (SELECT 1 {_FORMER_KEYS} AND former.former_key = link.issue_key)))))"""

EVENT_JSON: Final = row_json(ActivityEvent, links=_LINKS, raw="json(raw_json)")

_COLUMNS: Final = ("feed_key", *COLUMNS)
_UPDATED: Final = tuple(name for name in _COLUMNS if name != "event_id")

# An unchanged event is not written and returns no row.
_UPSERT: Final = f"""
    INSERT INTO activity_events ({", ".join(_COLUMNS)}, created_at, updated_at)
    VALUES (:{", :".join(_COLUMNS)}, :now, :now)
    ON CONFLICT (event_id) DO UPDATE SET
        {", ".join(f"{name} = excluded.{name}" for name in _UPDATED)},
        updated_at = excluded.updated_at, version = version + 1
    WHERE ({", ".join(_UPDATED)}) IS NOT ({", ".join(f"excluded.{name}" for name in _UPDATED)})
    RETURNING version"""

_REPORTED: Final = {
    "cost_usd": "iif(source = 'claude', json_extract(raw_json, '$.total_cost_usd'), NULL)",
    "duration_ms": "iif(source = 'claude', json_extract(raw_json, '$.duration_ms'), NULL)",
    "cwd": "iif(source = 'claude', json_extract(raw_json, '$.cwd'), NULL)",
    "links": _LINKS,
}
_REPORT_COLUMNS: Final = ", ".join(_REPORTED.get(name, name) for name in ReportRow._fields)


class ActivityStore:
    """Every statement about the feed."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.index = FullTextIndex(
            database, name="activity_search", table="activity_events", key="feed_key", columns=("title", "description")
        )
        # The links of an event depend on other events.
        version = "iif(links_json IS NULL, version, NULL)"
        self.cache = RowCache(database, "activity_events", "feed_key", EVENT_JSON, version)
        self._kinds: set[Kind] | None = None

    def upsert(self, row: dict[str, Any], at_ms: int, now: str) -> WrittenRow | None:
        """Inserts or updates an event; returns None if nothing changed."""
        known = self._database.row(
            "SELECT feed_key, event_time, links_json, issue_key FROM activity_events WHERE event_id = ?",
            (row["event_id"],),
        )
        feed_key = self._free_key(at_ms) if known is None or known[1] != row["event_time"] else known[0]
        version = self._database.value(_UPSERT, {**row, "feed_key": feed_key, "now": now})
        if version is None:
            return None
        if known is not None and known[0] != feed_key:
            self.cache.clear()  # another event can get its former key
        if known is not None and None not in (known[3], row["issue_key"]) and known[3] != row["issue_key"]:
            self._rename_issue(known[3], row["issue_key"])
        if row["links_json"] != (known and known[2]):
            self._database.execute("DELETE FROM activity_links WHERE feed_key = ?", (feed_key,))
            self._database.execute(
                "INSERT INTO activity_links (issue_key, feed_key, is_explicit) SELECT key, ?, value FROM json_each(?)",
                (feed_key, row["links_json"] or "{}"),
            )
        if self._kinds is not None:
            self._kinds.add((row["source"], row["account_id"], row["event_type"]))
        return WrittenRow(feed_key, version == 1)

    def _rename_issue(self, former_key: str, issue_key: str) -> None:
        """Records that an issue has got another key."""
        keys = {"former": former_key, "key": issue_key}
        self._database.execute("DELETE FROM activity_former_keys WHERE former_key = :key", keys)
        self._database.execute("UPDATE activity_former_keys SET issue_key = :key WHERE issue_key = :former", keys)
        self._database.execute("INSERT OR REPLACE INTO activity_former_keys VALUES (:former, :key)", keys)

    def _free_key(self, at_ms: int) -> int:
        """Returns the next free feed key of a time."""
        first = first_key(at_ms)
        while True:
            last: int | None = self._database.value(
                "SELECT max(feed_key) FROM activity_events WHERE feed_key >= ? AND feed_key < ?",
                (first, first + KEYS_PER_MS),
            )
            if last is None:
                return first
            if last + 1 < first + KEYS_PER_MS:
                return last + 1
            first += KEYS_PER_MS

    def remove(self, origin: Origin, event_ids: Iterable[str]) -> list[str]:
        """Deletes those of the events that belong to the origin; returns their ids, sorted."""
        self.cache.clear()
        removed = self._database.values(
            """
            DELETE FROM activity_events WHERE event_id IN (SELECT value FROM json_each(?))
                AND source = ? AND account_id = ?
            RETURNING event_id
            """,
            (to_json(list(event_ids)).decode(), origin.source, origin.account_id),
        )
        return sorted(removed)

    def ids_with_prefix(self, prefix: str) -> list[str]:
        sql = "SELECT event_id FROM activity_events WHERE event_id >= ? AND event_id < ?"
        return self._database.values(sql, (prefix, prefix + "\U0010ffff"))

    def account_events(
        self, account_id: str, start: int, end: int, limit: int
    ) -> list[tuple[int, str, str, str | None]]:
        """Returns an account's events as (feed_key, event_id, source, container_id), oldest first."""
        return self._database.rows(
            """
            SELECT feed_key, event_id, source, container_id FROM activity_events INDEXED BY idx_activity_account
            WHERE account_id = ? AND feed_key >= ? AND feed_key < ? ORDER BY feed_key LIMIT ?
            """,
            (account_id, start, end, limit),
        )

    def events_at(self, feed_keys: Sequence[int]) -> list[Encoded[ActivityEvent]]:
        """Returns the events with these keys, newest first."""
        return _events(self.cache.at(feed_keys, len(feed_keys))[0])

    def page(self, wanted: ActivityFilter, limit: int, cursor: str | None) -> EventPage:
        """Returns events, newest first, and the cursor of the next page.

        A page with a cursor may be short or even empty: the remaining rows were not examined.  Raises `InvalidCursor`.
        """
        if cursor is not None:
            wanted = replace(wanted, before=min(wanted.before, self.key_in(cursor)))
        keep = cursor is None  # windows read first pages again
        if wanted.terms is None:  # the index is not looked at
            return self._page(wanted, SearchPlan(None, ()), limit, keep=keep)
        if not wanted.terms:
            return [], None
        words, phrases = wanted.split_terms()
        return self.index.search(
            words,
            lambda plan: self._page(wanted, SearchPlan(plan.match, (*plan.unindexed, *phrases)), limit, keep=keep),
        )

    def key_in(self, cursor: str) -> int:
        """Returns the feed key at which a page ended.  Raises `InvalidCursor`."""
        return int(decode_cursor(cursor, int)[0])

    def bounds(self, wanted: ActivityFilter) -> tuple[int, int]:
        """Returns the first and last feed key in the filter's range; (0, 0) if it is empty.  Ignores all else."""
        row = self._database.row(
            """
            SELECT (SELECT min(feed_key) FROM activity_events WHERE feed_key >= :start AND feed_key < :before),
                (SELECT max(feed_key) FROM activity_events WHERE feed_key >= :start AND feed_key < :before)
            """,
            {"start": wanted.start, "before": wanted.before},
        )
        return (0, 0) if row is None or row[0] is None else row

    def _page(self, wanted: ActivityFilter, plan: SearchPlan, limit: int, *, keep: bool) -> EventPage:
        selection = self._select(wanted, plan)
        scanned_to: int | None = None
        if selection.conditions:
            feed_keys, scanned_to = self._scan(selection, limit + 1)
            rows, more = self.cache.at(feed_keys, limit)
        else:
            listed = f"FROM activity_events WHERE feed_key IN ({selection.candidates}) ORDER BY feed_key DESC"
            parameters = {**selection.parameters, "limit": limit + 1}
            rows, more = self.cache.page(selection.from_clause or listed, parameters, limit, keep=keep)
        last = rows[-1][1] if more else scanned_to
        return _events(rows), None if last is None else encode_cursor(last)

    def _scan(self, selection: Selection, limit: int) -> tuple[list[int], int | None]:
        """Returns the first matching keys, and the key up to which rows were examined; None if all were."""
        found: list[int] = []
        parameters = dict(selection.parameters)
        for _ in range(MAX_SCANNED_ROWS // SCAN_ROWS):
            candidates = self._database.values(selection.candidates, {**parameters, "limit": SCAN_ROWS})
            found += self._database.values(
                f"""
                SELECT feed_key FROM activity_events
                WHERE feed_key IN (SELECT value FROM json_each(?)) AND {" AND ".join(selection.conditions)}
                ORDER BY feed_key DESC LIMIT ?
                """,
                (to_json(candidates).decode(), *selection.values, limit - len(found)),
            )
            if len(found) == limit or len(candidates) < SCAN_ROWS:
                return found, None
            parameters["before"] = candidates[-1]
        return found, parameters["before"]

    def _select(self, wanted: ActivityFilter, plan: SearchPlan) -> Selection:
        columns = wanted.columns
        parameters = {"start": wanted.start, "before": wanted.before, "match": plan.match}
        conditions, values = term_conditions(("title", "description"), plan.unindexed)
        equal = [f"{name} = ?" for name in columns]
        if wanted.issue_key is not None:
            # A thread is short: all other conditions are checked in its rows.
            if plan.match is not None:
                conditions, values = term_conditions(("title", "description"), wanted.terms or ())
            keys = self._keys_of_issue(wanted.issue_key)
            includes_mentions = wanted.includes_mentions or self.has_project_of(keys[0])
            sql = _thread_sql(len(keys), includes_mentions=includes_mentions)
            parameters |= {f"key{at}": key for at, key in enumerate(keys)}
            return Selection(sql, parameters, conditions + equal, [*values, *columns.values()])
        if plan.match is not None:
            return Selection(_MATCHES, parameters, conditions + equal, [*values, *columns.values()])
        kinds = wanted.matching(self.kinds()) if len(columns) > 1 or "event_type" in columns else None
        if kinds is None:
            listed = _range_sql(columns)
            return Selection(f"SELECT feed_key {listed}", {**parameters, **columns}, conditions, values, listed)
        if len(kinds) > MAX_MERGED_KINDS:
            sql = f"SELECT feed_key {_range_sql({})}"
            return Selection(sql, parameters, conditions + equal, [*values, *columns.values()])
        names = {f"{name}{at}": value for at, kind in enumerate(kinds) for name, value in zip("sat", kind, strict=True)}
        return Selection(_merged_sql(len(kinds)), parameters | names, conditions, values)

    def timed_rows(self, start: int, end: int, limit: int) -> list[ReportRow]:
        """Returns events in a range of feed keys, oldest first, without all-day events."""
        rows = self._database.rows(
            f"""
            SELECT {_REPORT_COLUMNS} FROM activity_events
            WHERE feed_key >= ? AND feed_key < ? AND local_date IS NULL ORDER BY feed_key LIMIT ?
            """,
            (start, end, limit),
        )
        return [ReportRow._make(row) for row in rows]

    def states_at(self, issues: Sequence[Issue], before: int) -> dict[Issue, str | None]:
        """Returns the state of each issue according to its last event before a feed key, also of others."""
        states = self._database.values(
            """
            SELECT (SELECT status_kind FROM activity_events INDEXED BY idx_activity_issue
                    WHERE issue_key = json_extract(issue.value, '$[1]') AND feed_key < ?
                        AND account_id = json_extract(issue.value, '$[0]') AND status_kind IS NOT NULL
                    ORDER BY feed_key DESC LIMIT 1)
            FROM json_each(?) AS issue ORDER BY issue.key
            """,
            (before, to_json(issues).decode()),
        )
        return dict(zip(issues, states, strict=True))

    def all_day_rows(self, first: str, last: str, limit: int) -> list[ReportRow]:
        """Returns all-day events that begin on one of these dates, sorted by date."""
        found: list[ReportRow] = []
        for source in self.sources():
            rows = self._database.rows(
                f"""
                SELECT {_REPORT_COLUMNS} FROM activity_events INDEXED BY idx_activity_all_day
                WHERE source = ? AND local_date >= ? AND local_date <= ? ORDER BY local_date, feed_key LIMIT ?
                """,
                (source, first, last, limit),
            )
            found += [ReportRow._make(row) for row in rows]
        return sorted(found, key=lambda row: (row.local_date, row.feed_key))[:limit]

    def counts(self, source: str, bounds: Sequence[int]) -> list[int]:
        """Returns a source's number of events between each two consecutive feed keys of `bounds`."""
        return self._database.values(
            """
            SELECT (SELECT count(*) FROM activity_events INDEXED BY idx_activity_source
                    WHERE source = :source AND feed_key >= bound.value
                        AND feed_key < json_extract(:bounds, '$[' || (bound.key + 1) || ']'))
            FROM json_each(:bounds) AS bound WHERE bound.key < :parts ORDER BY bound.key
            """,
            {"source": source, "bounds": to_json(bounds).decode(), "parts": len(bounds) - 1},
        )

    def all_day_dates(self, source: str, first: str, last: str) -> list[tuple[int, str]]:
        """Returns (feed_key, local_date) of a source's all-day events that begin on one of these dates."""
        return self._database.rows(
            """
            SELECT feed_key, local_date FROM activity_events INDEXED BY idx_activity_all_day
            WHERE source = ? AND local_date >= ? AND local_date <= ?
            """,
            (source, first, last),
        )

    def sources(self) -> list[str]:
        return sorted({source for source, _, _ in self.kinds()})

    def kinds(self) -> set[Kind]:
        """Returns the kinds of all events; may include kinds whose events have all been deleted since the start."""
        if self._kinds is None:
            self._kinds = set(self._read_kinds())
        return self._kinds

    def _read_kinds(self) -> Iterator[Kind]:
        """Yields the distinct entries of the index, one look-up each; SELECT DISTINCT would read all of it."""
        last: Kind = ("", "", "")
        while row := self._database.row(
            """
            SELECT source, account_id, event_type FROM activity_events INDEXED BY idx_activity_kind
            WHERE (source, account_id, event_type) > (?, ?, ?) ORDER BY source, account_id, event_type LIMIT 1
            """,
            last,
        ):
            last = row
            yield last

    def has_issue(self, issue_key: str) -> bool:
        """Returns whether any event is about this issue or mentions its key."""
        sql = """
            SELECT EXISTS (SELECT 1 FROM activity_events WHERE issue_key = :key)
                OR EXISTS (SELECT 1 FROM activity_links WHERE issue_key = :key)
                OR EXISTS (SELECT 1 FROM activity_former_keys WHERE former_key = :key)"""
        return bool(self._database.value(sql, {"key": issue_key}))

    def _keys_of_issue(self, issue_key: str) -> list[str]:
        """Returns the present key of the issue that has or had this one, and its former keys."""
        sql = f"SELECT former.issue_key {_FORMER_KEYS} AND former.former_key = ?"
        key: str = self._database.value(sql, (issue_key,)) or issue_key
        sql = f"SELECT former.former_key {_FORMER_KEYS} AND former.issue_key = ? LIMIT ?"
        return [key, *self._database.values(sql, (key, MAX_FORMER_KEYS))]

    def has_project_of(self, issue_key: str) -> bool:
        return bool(self._database.value(f"SELECT {_IS_OF_KNOWN_PROJECT.format(key=':key')}", {"key": issue_key}))


def _events(rows: Sequence[EncodedRow]) -> list[Encoded[ActivityEvent]]:
    return [Encoded(ActivityEvent, json) for json, _ in rows]


_RANGE: Final = "feed_key < :before AND feed_key >= :start"
_NEWEST: Final = "ORDER BY feed_key DESC LIMIT :limit"

_MATCHES: Final = """
    SELECT rowid FROM activity_search
    WHERE activity_search MATCH :match AND rowid < :before AND rowid >= :start ORDER BY rowid DESC LIMIT :limit"""


def _range_sql(columns: Mapping[str, str]) -> str:
    """Reads all events, or those of one source or account, with a named index: SQLite's choice could change."""
    index = {"source": "INDEXED BY idx_activity_source", "account_id": "INDEXED BY idx_activity_account"}
    hint = "".join(index[name] for name in columns)
    conditions = " AND ".join([_RANGE, *(f"{name} = :{name}" for name in columns)])
    return f"FROM activity_events {hint} WHERE {conditions} {_NEWEST}"


def _merged_sql(kinds: int) -> str:
    """Merges the newest events of each of several kinds."""
    arms = " UNION ALL ".join(
        f"""
        SELECT * FROM (
            SELECT feed_key FROM activity_events INDEXED BY idx_activity_kind
            WHERE source = :s{at} AND account_id = :a{at} AND event_type = :t{at} AND {_RANGE} {_NEWEST})"""
        for at in range(kinds)
    )
    return f"{arms} {_NEWEST}" if kinds else "SELECT 0 WHERE 0"


def _thread_sql(keys: int, *, includes_mentions: bool) -> str:
    """Merges the events about an issue with those linked with any of its keys; without mentions by explicit links."""
    explicit = "" if includes_mentions else "is_explicit AND "
    about = f"SELECT feed_key FROM activity_events INDEXED BY idx_activity_issue WHERE issue_key = :key0 AND {_RANGE}"
    linked = f"SELECT feed_key FROM activity_links WHERE {explicit}{_RANGE} AND issue_key = :key"
    arms = [about, *(f"{linked}{at}" for at in range(keys))]
    return " UNION ".join(f"SELECT * FROM ({arm} {_NEWEST})" for arm in arms) + f" {_NEWEST}"
