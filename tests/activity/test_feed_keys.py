"""Feed keys: unique and ordered by millisecond, also for rows of the old backend."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from sidecar.feed import FeedEvent, Origin
from tests.in_process_app import EIGHT_O_CLOCK, InProcessApp
from tests.old_backend import old_database

JIRA = Origin("jira", "j")


def event(event_id: str, at_ms: int, **fields: Any) -> FeedEvent:
    return FeedEvent(event_id=event_id, **{"event_type": "issue_updated", "at_ms": at_ms, **fields})


async def listed(app: InProcessApp, **params: Any) -> list[str]:
    ids: list[str] = []
    while True:
        page = await app.call("activity.events.list", {"limit": 500, **params})
        ids += [one["event_id"] for one in page["events"]]
        if page["next_cursor"] is None:
            return ids
        params["cursor"] = page["next_cursor"]


async def test_events_are_ordered_by_millisecond_and_then_by_the_order_of_writing(app: InProcessApp) -> None:
    moments = {"b": 5, "a": 7, "c": 5, "d": 0, "e": 999, "f": 1000, "g": -1}
    app.activity.write(JIRA, [event(name, EIGHT_O_CLOCK + moment) for name, moment in moments.items()])
    assert await listed(app) == ["f", "e", "a", "c", "b", "d", "g"]
    assert await listed(app, start="2026-11-23T08:00:00.005Z", end="2026-11-23T08:00:00.999Z") == ["a", "c", "b"]


async def test_an_event_whose_time_changes_is_moved(app: InProcessApp) -> None:
    feed = app.activity
    feed.write(JIRA, [event(name, EIGHT_O_CLOCK + at) for at, name in enumerate("abc")])
    feed.write(JIRA, [event("b", EIGHT_O_CLOCK + 9), event("c", EIGHT_O_CLOCK - 9)])
    assert await listed(app) == ["b", "a", "c"]
    feed.write(JIRA, [event("b", EIGHT_O_CLOCK + 9, title="not moved")])
    assert await listed(app) == ["b", "a", "c"]


async def test_there_is_room_for_more_than_a_thousand_events_in_one_millisecond(app: InProcessApp) -> None:
    """All-day events all begin at midnight."""
    names = [f"e-{number:04d}" for number in range(2_500)]
    app.activity.write(JIRA, [event(name, EIGHT_O_CLOCK) for name in names])
    app.activity.write(JIRA, [event("before", EIGHT_O_CLOCK - 1), event("after", EIGHT_O_CLOCK + 1_000)])
    assert await listed(app) == ["after", *reversed(names), "before"]


async def test_times_before_1970_and_in_the_far_future_have_keys(app: InProcessApp) -> None:
    for name, year in (("first", 1), ("old", 1965), ("last", 9999)):
        seconds = (year - 1970) * 31_556_952
        app.activity.write(JIRA, [event(name, max(seconds, -62_135_596_800) * 1000 + 1)])
    assert await listed(app) == ["last", "old", "first"]


async def test_old_rows_keep_their_order_however_many_share_a_second(tmp_path: Path) -> None:
    with old_database(tmp_path) as connection:
        connection.executemany(
            "INSERT INTO activity_events (event_id, source, account_id, event_type, title, event_ts, created_at,"
            " updated_at) VALUES (?, 'jira', 'j', 'issue.updated', ?, ?, '2025-03-01', '2025-03-01')",
            [(f"e-{number:04d}", f"tea {number}", 0 if number < 3_000 else number // 2) for number in range(3_100)],
        )
    app = InProcessApp(tmp_path / "sidecar.db")
    await app.initialize()
    assert await listed(app) == [f"e-{number:04d}" for number in reversed(range(3_100))]
    page = await app.call("activity.search", {"query": "3099"})
    assert [hit["event_id"] for hit in page["hits"]] == ["e-3099"]
    app.activity.write(JIRA, [event("new", 1_550_000), event("e-3099", 5, title="tea 3099")])
    assert (await listed(app))[:2] == ["new", "e-3098"]
    app.close()


async def test_a_row_that_another_program_inserted_is_served_and_searched(data_dir: Path) -> None:
    """A row without a feed key gets one at the end; the old columns are sufficient."""
    first = InProcessApp(data_dir / "sidecar.db")
    first.activity.write(JIRA, [event("first", 1_000, title="first")])  # the feed and its index exist
    first.unit_of_work.commit()
    first.close()
    with closing(sqlite3.connect(data_dir / "sidecar.db")) as connection, connection:
        connection.execute(
            "INSERT INTO activity_events (event_id, source, account_id, event_type, title, event_ts, created_at,"
            " updated_at) VALUES ('x', 'jira', 'j', 't', 'strange', 7, '2025-03-01', '2025-03-01')"
        )
    app = InProcessApp(data_dir / "sidecar.db")
    await app.initialize()
    assert await listed(app) == ["x", "first"]
    assert [hit["snippet"] for hit in (await app.call("activity.search", {"query": "strange"}))["hits"]] == ["strange"]
    app.close()
