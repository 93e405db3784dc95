"""The cost of a page does not depend on the length of the feed.  It is counted in SQLite instructions, not in time."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import pytest

from sidecar.feed import Origin
from tests.activity.test_threads import event
from tests.in_process_app import EIGHT_O_CLOCK, InProcessApp

FEW: Final = 300
MANY: Final = 15_000
NOW: Final = "2026-11-23T07:59:30Z"
LONG_AGO: Final = "2026-11-23T07:56:00Z"
GROWTH: Final = 1.2
SEARCH_GROWTH: Final = 2.0
"""The full-text index of fifty times as many rows has a few more segments to search; their cost may double."""
FILTERS: Final[list[dict[str, Any]]] = [
    {},
    {"start": LONG_AGO, "end": NOW},
    {"source": "jira"},
    {"source": "jira", "end": NOW},
    {"account_id": "b"},
    {"account_id": "b", "start": LONG_AGO, "end": NOW},
    {"event_type": "issue_created"},
    {"source": "jira", "account_id": "b"},
    {"source": "jira", "account_id": "b", "event_type": "issue_created"},
    {"source": "confluence", "event_type": "page_edited", "end": NOW},
    {"account_id": "a", "event_type": "page_edited"},
    # Combinations that no event has: this must be found without reading the events that match one half.
    {"source": "confluence", "event_type": "issue_created"},
    {"source": "confluence", "account_id": "local"},
    {"source": "none"},
    {"issue_key": "PROJ-1"},
    {"issue_key": "PROJ-1", "source": "jira"},
    {"query": "apple"},
    {"query": "app"},
    {"query": "사과 apple"},
    {"query": "an"},  # no trigram
]


def fill(app: InProcessApp, count: int) -> None:
    """Writes `count` events of fixed kinds; the newest events are the same for every count."""
    kinds = [
        (Origin(source, account_id), event_type)
        for source, event_type in (("jira", "issue_created"), ("jira", "issue_updated"), ("confluence", "page_edited"))
        for account_id in ("a", "b")
    ]
    kinds.append((Origin("claude"), "run_completed"))
    for at, (origin, event_type) in enumerate(kinds):
        numbers = range(at, count, len(kinds))
        app.activity.write(
            origin,
            [
                event(
                    f"{event_type}:{origin.account_id}:{number}",
                    event_type=event_type,
                    title=f"사과 apple and {number % 50}",
                    at_ms=EIGHT_O_CLOCK - number * 1_000,
                    issue_key=f"PROJ-{number}" if number > 60 or origin.source != "jira" else "PROJ-1",
                )
                for number in numbers
            ],
        )


@contextmanager
def count_instructions(app: InProcessApp) -> Iterator[list[int]]:
    """Yields a list whose item is the number of SQLite instructions run in the block."""
    steps = [0]

    def step() -> int:
        steps[0] += 1
        return 0

    app.connection.set_progress_handler(step, 1)
    try:
        yield steps
    finally:
        app.connection.set_progress_handler(None, 0)


async def steps_of(app: InProcessApp, method: str, params: dict[str, Any]) -> int:
    await app.call(method, params)  # the kinds of events are read once
    app.activity.store.cache.clear()  # otherwise its rows would not be encoded again
    with count_instructions(app) as steps:
        await app.call(method, params)
    return steps[0]


async def costs(app: InProcessApp, count: int, method: str, filters: list[dict[str, Any]]) -> list[int]:
    fill(app, count)
    return [await steps_of(app, method, {"limit": 20, **params}) for params in filters]


@pytest.mark.parametrize("method", ["activity.events.list", "activity.search"])
async def test_a_page_costs_the_same_in_a_feed_of_any_length(app: InProcessApp, method: str) -> None:
    if method == "activity.search":
        filters = [{"query": "apple", **params} for params in FILTERS if not params.keys() & {"query", "issue_key"}]
        filters = [params for params in filters if params.keys() <= {"query", "start", "end", "account_id"}]
        filters += [{"query": "PROJ-1"}, {"query": "사과"}, {"query": '"apple and"'}]
    else:
        filters = FILTERS
    few = await costs(app, FEW, method, filters)
    many = await costs(app, MANY, method, filters)
    for params, before, after in zip(filters, few, many, strict=True):
        growth = SEARCH_GROWTH if "query" in params else GROWTH
        assert after <= before * growth + 100, params


async def test_a_deep_page_costs_the_same_as_the_first_one(app: InProcessApp) -> None:
    fill(app, MANY)
    for params in FILTERS[:9]:
        first = await steps_of(app, "activity.events.list", {"limit": 20, **params})
        cursor = None
        for _ in range(12):
            page = await app.call("activity.events.list", {"limit": 50, **params, "cursor": cursor})
            cursor = page["next_cursor"]
            if cursor is None:
                break
        else:
            deep = await steps_of(app, "activity.events.list", {"limit": 20, **params, "cursor": cursor})
            assert deep <= first * (SEARCH_GROWTH if "query" in params else GROWTH) + 100, params


async def test_a_write_costs_the_same_in_a_feed_of_any_length(app: InProcessApp) -> None:
    def step(name: str) -> int:
        with count_instructions(app) as steps:
            app.activity.write(Origin("jira", "a"), [event(f"{name}:{number}") for number in range(50)])
        return steps[0]

    fill(app, FEW)
    before = step("few")
    fill(app, MANY)
    app.unit_of_work.commit()
    assert step("many") <= before * 1.5


async def test_a_page_examines_a_limited_number_of_rows(app: InProcessApp) -> None:
    """With a search and filters that no index combines, a page ends early, however many rows do not match."""
    fill(app, MANY)
    params = {"query": "apple", "source": "confluence", "event_type": "issue_created"}
    with count_instructions(app) as steps:
        page = await app.call("activity.search", params)
    assert page["hits"] == []
    assert page["next_cursor"] is not None
    assert steps[0] < 500_000
    assert steps[0] < await steps_of(app, "activity.search", {**params, "source": "jira", "limit": 500}) * 10


async def test_no_statement_reads_the_whole_feed(app: InProcessApp) -> None:
    """SQLite's query plans: rows are found by an index or by their feed key."""
    fill(app, FEW)
    executed: list[str] = []
    app.connection.set_trace_callback(executed.append)
    for params in FILTERS:
        await app.call("activity.events.list", params)
        if "issue_key" not in params:
            await app.call("activity.search", {"query": "apple", **params})
    span = {"start": "2026-11-20T00:00:00Z", "end": "2026-11-24T00:00:00Z", "time_zone": "Asia/Seoul"}
    await app.call("activity.heatmap", span)
    await app.call("activity.summary", span)
    app.activity.remove_prefix(Origin("jira", "a"), "issue_created:a:1")
    await app.activity.sweep(Origin("jira", "b"), set(), start_ms=EIGHT_O_CLOCK - 9_000)
    app.connection.set_trace_callback(None)
    statements = {sql for sql in executed if "activity_" in sql and not sql.startswith("--")}
    assert len(statements) > 20
    for statement in statements:
        if statement.lstrip().startswith(("SELECT", "INSERT", "UPDATE", "DELETE", "WITH")):
            for *_, detail in app.connection.execute(f"EXPLAIN QUERY PLAN {statement}"):
                scanned = detail.startswith("SCAN") and "VIRTUAL TABLE" not in detail and "(subquery" not in detail
                assert not scanned or "json_each" in detail or "CONSTANT" in detail, (detail, statement)
