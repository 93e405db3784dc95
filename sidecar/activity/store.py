"""The tables `activity_events` and `activity_links`, and the full-text index of the feed.

Rows leave as JSON that SQLite made, which `ActivityEvent` describes.  A row's place in the feed is its `feed_key`, the
table's key: whatever a page is selected by, it is read off the end of a sorted list, at the same cost in a feed of any
length.  Where no index can tell, a page looks at LOOK rows and no more; it may then be short.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from pydantic_core import to_json
from sidecar_protocol.activity.feed import ActivityEvent
from sidecar_protocol.contract import Encoded

from sidecar.activity.filters import PLACES, ActivityFilter, Kind, Selection, position_of
from sidecar.activity.rows import Found, NewRow, Stored, ToldRow
from sidecar.feed import Origin
from sidecar.storage.database import Database, Row
from sidecar.storage.fulltext import FullTextIndex, SearchPlan, like_conditions
from sidecar.storage.paging import decode_cursor, encode_cursor

LOOK: Final = 1_000
"""Rows that a page looks at in search of its own: some ten milliseconds."""
LOOK_STEP: Final = 250
ARMS: Final = 200
"""Kinds of events whose lists are merged; SQLite takes 500."""

# A link is what the source told, or what looks like a key of a project that the feed knows from an issue of it.
_KNOWN: Final = """EXISTS (
    SELECT 1 FROM activity_events AS issue
    WHERE issue.issue_key >= substr({key}, 1, instr({key}, '-'))
        AND issue.issue_key < substr({key}, 1, instr({key}, '-') - 1) || '.')"""

_LINKS: Final = f"""iif(links_json IS NULL, '[]', (
    SELECT json_group_array(link.issue_key) FROM activity_links AS link
    WHERE link.feed_key = activity_events.feed_key AND (link.is_explicit OR {_KNOWN.format(key="link.issue_key")})))"""

EVENT_JSON: Final = f"""json_object(
    'event_id', event_id, 'source', source, 'account_id', account_id, 'event_type', event_type,
    'title', title, 'description', description, 'url', url, 'actor', actor,
    'event_time', event_time, 'event_ts', event_ts, 'ended_at', ended_at,
    'local_date', local_date, 'local_end_date', local_end_date, 'by_me', json(iif(by_me, 'true', 'false')),
    'container_id', container_id, 'container', container, 'object_id', object_id, 'issue_key', issue_key,
    'status', status, 'previous_status', previous_status, 'status_kind', status_kind,
    'links', json({_LINKS}),
    'version', version, 'created_at', created_at, 'updated_at', updated_at, 'raw', json(raw_json))"""


_COLUMNS: Final = ("feed_key", *NewRow._fields)
_TOLD: Final = tuple(name for name in _COLUMNS if name != "event_id")

# What says the same as before is not written, and so returns nothing.
_UPSERT: Final = f"""
    INSERT INTO activity_events ({", ".join(_COLUMNS)}, created_at, updated_at)
    VALUES ({", ".join("?" * len(_COLUMNS))}, ?, ?)
    ON CONFLICT (event_id) DO UPDATE SET
        {", ".join(f"{name} = excluded.{name}" for name in _TOLD)},
        updated_at = excluded.updated_at, version = version + 1
    WHERE ({", ".join(_TOLD)}) IS NOT ({", ".join(f"excluded.{name}" for name in _TOLD)})
    RETURNING version"""


_TOLD_COLUMNS: Final = f"""feed_key, event_type, title, url, by_me, event_ts, ended_ts, local_date, local_end_date,
    container, object_id, issue_key, status, previous_status, status_kind,
    iif(source = 'claude', json_extract(raw_json, '$.total_cost_usd'), NULL),
    iif(source = 'claude', json_extract(raw_json, '$.duration_ms'), NULL),
    iif(source = 'claude', json_extract(raw_json, '$.cwd'), NULL), {_LINKS}"""


_FOUND: Final = f"{EVENT_JSON}, feed_key, title, description"


class ActivityStore:
    """Every statement about the feed."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.index = FullTextIndex(
            database,
            name="activity_search",
            table="activity_events",
            key="feed_key",
            columns=("title", "description"),
        )
        self._kinds: set[Kind] | None = None

    # --- writing -------------------------------------------------------------------------------------------------

    def put(self, row: NewRow, at_ms: int, now: str) -> Stored | None:
        """Write an event, or what has become of it; None: it is there already and says the same."""
        known = self._database.row(
            "SELECT feed_key, event_time, links_json FROM activity_events WHERE event_id = ?", (row.event_id,)
        )
        feed_key = self._free(at_ms) if known is None or known[1] != row.event_time else known[0]
        written = self._database.row(_UPSERT, (feed_key, *row, now, now))
        if written is None:
            return None
        if row.links_json != (known and known[2]):
            self._database.execute("DELETE FROM activity_links WHERE feed_key = ?", (feed_key,))
            self._database.execute(
                "INSERT INTO activity_links (issue_key, feed_key, is_explicit) SELECT key, ?, value FROM json_each(?)",
                (feed_key, row.links_json or "{}"),
            )
        if self._kinds is not None:
            self._kinds.add((row.source, row.account_id, row.event_type))
        return Stored(feed_key, written[0] == 1)

    def _free(self, at_ms: int) -> int:
        """The next free place of a moment."""
        first = position_of(at_ms)
        while True:
            row = self._database.row(
                "SELECT max(feed_key) FROM activity_events WHERE feed_key >= ? AND feed_key < ?",
                (first, first + PLACES),
            )
            if row is None or row[0] is None:
                return first
            if row[0] + 1 < first + PLACES:
                return int(row[0]) + 1
            first += PLACES

    def remove(self, origin: Origin, event_ids: Iterable[str]) -> list[str]:
        """Delete those of these events that the origin has; their ids."""
        rows = self._database.rows(
            """
            DELETE FROM activity_events WHERE event_id IN (SELECT value FROM json_each(?))
                AND source = ? AND account_id = ?
            RETURNING event_id
            """,
            (to_json(list(event_ids)).decode(), origin.source, origin.account_id),
        )
        return sorted(event_id for (event_id,) in rows)

    def below(self, prefix: str) -> list[str]:
        """The ids that begin so."""
        rows = self._database.rows(
            "SELECT event_id FROM activity_events WHERE event_id >= ? AND event_id < ?", (prefix, prefix + "\U0010ffff")
        )
        return [event_id for (event_id,) in rows]

    def account_events(
        self, account_id: str, start: int, end: int, limit: int
    ) -> list[tuple[int, str, str, str | None]]:
        """Up to `limit` of an account's events between two positions: feed_key, id, source, container; oldest first."""
        return self._database.rows(
            """
            SELECT feed_key, event_id, source, container_id FROM activity_events INDEXED BY idx_activity_account
            WHERE account_id = ? AND feed_key >= ? AND feed_key < ? ORDER BY feed_key LIMIT ?
            """,
            (account_id, start, end, limit),
        )

    # --- reading -------------------------------------------------------------------------------------------------

    def at(self, positions: Sequence[int]) -> list[Encoded[ActivityEvent]]:
        """The events at these places, newest first."""
        rows, _ = self._events_at(positions, len(positions))
        return [Encoded(ActivityEvent, row[0].encode()) for row in rows]

    def page(self, wanted: ActivityFilter, limit: int, cursor: str | None) -> tuple[list[Found], str | None]:
        """Events, newest first, and the cursor of the next page.

        A page that has a cursor may be short, or empty: the rest lies beyond the rows that one page looks at.
        """
        if cursor is not None:
            wanted = wanted.up_to(self.place_of(cursor))
        words, phrases = wanted.searched()
        return self.index.search(
            words, lambda plan: self._page(wanted, SearchPlan(plan.match, (*plan.like, *phrases)), limit)
        )

    def place_of(self, cursor: str) -> int:
        """Where in the feed a page ended.  Raises InvalidCursor."""
        return int(decode_cursor(cursor, int)[0])

    def bounds(self, wanted: ActivityFilter) -> tuple[int, int]:
        """The places of the first and the last event between two places, whatever else is wanted; (0, 0) for none."""
        row = self._database.row(
            """
            SELECT (SELECT min(feed_key) FROM activity_events WHERE feed_key >= :start AND feed_key < :before),
                (SELECT max(feed_key) FROM activity_events WHERE feed_key >= :start AND feed_key < :before)
            """,
            {"start": wanted.start, "before": wanted.before},
        )
        return (0, 0) if row is None or row[0] is None else row

    def _page(self, wanted: ActivityFilter, plan: SearchPlan, limit: int) -> tuple[list[Found], str | None]:
        selection = self._select(wanted, plan)
        looked_to: int | None = None
        if selection.conditions:
            positions, looked_to = self._sift(selection, limit + 1)
            rows, more = self._events_at(positions, limit)
        else:
            listed = f"FROM activity_events WHERE feed_key IN ({selection.candidates}) ORDER BY feed_key DESC"
            sql = f"SELECT {_FOUND} {selection.direct or listed}"
            rows, more = self._database.page(sql, {**selection.parameters, "limit": limit + 1}, limit)
        last = rows[-1][1] if more else looked_to
        found = [Found(Encoded(ActivityEvent, one.encode()), title or "", text or "") for one, _, title, text in rows]
        return found, None if last is None else encode_cursor(last)

    def _sift(self, selection: Selection, limit: int) -> tuple[list[int], int | None]:
        """The first places that are wanted, and where the looking ended if that was before the end."""
        found: list[int] = []
        parameters = dict(selection.parameters)
        for _ in range(LOOK // LOOK_STEP):
            candidates = self._database.rows(selection.candidates, {**parameters, "limit": LOOK_STEP})
            rows = self._database.rows(
                f"""
                SELECT feed_key FROM activity_events
                WHERE feed_key IN (SELECT value FROM json_each(?)) AND {" AND ".join(selection.conditions)}
                ORDER BY feed_key DESC LIMIT ?
                """,
                (_json(candidates), *selection.values, limit - len(found)),
            )
            found += [feed_key for (feed_key,) in rows]
            if len(found) == limit or len(candidates) < LOOK_STEP:
                return found, None
            parameters["before"] = candidates[-1][0]
        return found, parameters["before"]

    def _select(self, wanted: ActivityFilter, plan: SearchPlan) -> Selection:
        equal = wanted.equal()
        parameters = {"start": wanted.start, "before": wanted.before, "match": plan.match, "key": wanted.issue_key}
        conditions, values = like_conditions(("title", "description"), plan.like)
        columns = [f"{name} = ?" for name in equal]
        if wanted.issue_key is not None:
            # A thread is short: whatever else is wanted is looked up in its rows.
            if plan.match is not None:
                conditions, values = like_conditions(("title", "description"), wanted.terms)
            sql = _thread(is_known=wanted.is_loose or self.knows_project_of(wanted.issue_key))
            return Selection(sql, parameters, conditions + columns, [*values, *equal.values()])
        if plan.match is not None:
            return Selection(_MATCHES, parameters, conditions + columns, [*values, *equal.values()])
        kinds = wanted.among(self.kinds()) if len(equal) > 1 or wanted.event_type is not None else None
        if kinds is None:
            listed = _listed(equal)
            return Selection(f"SELECT feed_key {listed}", parameters | equal, conditions, values, listed)
        if len(kinds) > ARMS:
            sql = f"SELECT feed_key {_listed({})}"
            return Selection(sql, parameters, conditions + columns, [*values, *equal.values()])
        names = {f"{name}{at}": value for at, kind in enumerate(kinds) for name, value in zip("sat", kind, strict=True)}
        return Selection(_merged(len(kinds)), parameters | names, conditions, values)

    def _events_at(self, positions: Sequence[int], limit: int) -> tuple[list[Row], bool]:
        return self._database.page(
            f"""
            SELECT {_FOUND} FROM activity_events
            WHERE feed_key IN (SELECT value FROM json_each(?)) ORDER BY feed_key DESC
            """,
            (to_json(positions).decode(),),
            limit,
        )

    def told(self, start: int, end: int, limit: int) -> list[ToldRow]:
        """Up to `limit` events between two places as reports want them, the oldest first; all-day ones are left out."""
        rows = self._database.rows(
            f"""
            SELECT {_TOLD_COLUMNS} FROM activity_events
            WHERE feed_key >= ? AND feed_key < ? AND local_date IS NULL ORDER BY feed_key LIMIT ?
            """,
            (start, end, limit),
        )
        return [ToldRow._make(row) for row in rows]

    def told_all_day(self, first: str, last: str, limit: int) -> list[ToldRow]:
        """Up to `limit` all-day events that begin on one of these days, in their order."""
        found: list[ToldRow] = []
        for source in self.sources():
            rows = self._database.rows(
                f"""
                SELECT {_TOLD_COLUMNS} FROM activity_events INDEXED BY idx_activity_all_day
                WHERE source = ? AND local_date >= ? AND local_date <= ? ORDER BY local_date, feed_key LIMIT ?
                """,
                (source, first, last, limit),
            )
            found += [ToldRow._make(row) for row in rows]
        return sorted(found, key=lambda row: (row.local_date, row.feed_key))[:limit]

    def counts(self, source: str, bounds: Sequence[int]) -> list[int]:
        """How many events a source has between each two of these places."""
        rows = self._database.rows(
            """
            SELECT (SELECT count(*) FROM activity_events INDEXED BY idx_activity_source
                    WHERE source = :source AND feed_key >= bound.value
                        AND feed_key < json_extract(:bounds, '$[' || (bound.key + 1) || ']'))
            FROM json_each(:bounds) AS bound WHERE bound.key < :parts ORDER BY bound.key
            """,
            {"source": source, "bounds": to_json(bounds).decode(), "parts": len(bounds) - 1},
        )
        return [count for (count,) in rows]

    def all_day_places(self, source: str, first: str, last: str) -> list[tuple[int, str]]:
        """Where a source's all-day events of these days stand in the feed, and their first days."""
        return self._database.rows(
            """
            SELECT feed_key, local_date FROM activity_events INDEXED BY idx_activity_all_day
            WHERE source = ? AND local_date >= ? AND local_date <= ?
            """,
            (source, first, last),
        )

    def sources(self) -> list[str]:
        """Where events come from."""
        return sorted({source for source, _, _ in self.kinds()})

    def kinds(self) -> set[Kind]:
        """Which kinds of events there are, or were: found by leaps over the index, and remembered."""
        if self._kinds is None:
            self._kinds = set(self._leap())
        return self._kinds

    def _leap(self) -> Iterator[Kind]:
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

    def has_named(self, issue_key: str) -> bool:
        """Whether any event is about this issue, or has its key in a text."""
        row = self._database.row(
            """
            SELECT EXISTS (SELECT 1 FROM activity_events WHERE issue_key = :key)
                OR EXISTS (SELECT 1 FROM activity_links WHERE issue_key = :key)
            """,
            {"key": issue_key},
        )
        return row is not None and bool(row[0])

    def knows_project_of(self, issue_key: str) -> bool:
        """Whether some event is about an issue of its project."""
        row = self._database.row(f"SELECT {_KNOWN.format(key=':key')}", {"key": issue_key})
        return row is not None and bool(row[0])


_RANGE: Final = "feed_key < :before AND feed_key >= :start"
_NEWEST: Final = "ORDER BY feed_key DESC LIMIT :limit"

_MATCHES: Final = """
    SELECT rowid FROM activity_search
    WHERE activity_search MATCH :match AND rowid < :before AND rowid >= :start ORDER BY rowid DESC LIMIT :limit"""


def _listed(equal: Mapping[str, str]) -> str:
    """All events, or those of one source or account.  INDEXED BY: which index is right does not depend on counts."""
    index = {"source": "INDEXED BY idx_activity_source", "account_id": "INDEXED BY idx_activity_account"}
    hint = "".join(index[name] for name in equal)
    conditions = " AND ".join([_RANGE, *(f"{name} = :{name}" for name in equal)])
    return f"FROM activity_events {hint} WHERE {conditions} {_NEWEST}"


def _merged(kinds: int) -> str:
    """Events of so many kinds: the newest of each, and of those the newest."""
    arms = " UNION ALL ".join(
        f"""
        SELECT * FROM (
            SELECT feed_key FROM activity_events INDEXED BY idx_activity_kind
            WHERE source = :s{at} AND account_id = :a{at} AND event_type = :t{at} AND {_RANGE} {_NEWEST})"""
        for at in range(kinds)
    )
    return f"{arms} {_NEWEST}" if kinds else "SELECT 0 WHERE 0"


def _thread(*, is_known: bool) -> str:
    """Events about an issue, and those that name it; `is_known`: what looks like its key is its key."""
    return f"""
        SELECT * FROM (
            SELECT feed_key FROM activity_events INDEXED BY idx_activity_issue
            WHERE issue_key = :key AND {_RANGE} {_NEWEST})
        UNION ALL
        SELECT * FROM (
            SELECT feed_key FROM activity_links
            WHERE issue_key = :key AND {"" if is_known else "is_explicit AND "}{_RANGE} {_NEWEST})
        {_NEWEST}"""


def _json(rows: Sequence[Row]) -> str:
    return to_json([value for (value,) in rows]).decode()
