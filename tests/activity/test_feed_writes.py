"""Writes to the feed: batches that count only changes, and deletions."""

import dataclasses
import sqlite3
from typing import Any

import pytest

from sidecar.feed import FeedChange, FeedEvent, Origin
from tests.in_process_app import EIGHT_O_CLOCK, InProcessApp

JIRA = Origin("jira", "acc")
OTHER = Origin("jira", "other")
HOUR_MS = 3_600_000


def event(event_id: str, hours: float = 0, **fields: Any) -> FeedEvent:
    at_ms = EIGHT_O_CLOCK + round(hours * HOUR_MS)
    return FeedEvent(event_id=event_id, **{"event_type": "issue_updated", "title": event_id, "at_ms": at_ms, **fields})


async def ids(app: InProcessApp, **params: Any) -> list[str]:
    page = await app.call("activity.events.list", {"limit": 500, **params})
    return [one["event_id"] for one in page["events"]]


async def changes(app: InProcessApp) -> list[dict[str, Any]]:
    """Returns the counts and ids of each `activity.changed` since the last call."""
    await app.run_pending()
    notifications = app.named("activity.changed")
    app.received.clear()
    return [
        {name: one[name] for name in ("added", "updated", "removed")}
        | {"events": [event["event_id"] for event in one["events"]], "removed_ids": one["removed_ids"]}
        for one in notifications
    ]


async def test_a_batch_sends_one_notification_with_its_counts_and_its_newest_rows(app: InProcessApp) -> None:
    assert app.activity.write(JIRA, [event(f"e-{number:02d}", number) for number in range(60)]) == FeedChange(60)
    assert await changes(app) == [
        {
            "added": 60,
            "updated": 0,
            "removed": 0,
            "events": [f"e-{number:02d}" for number in range(59, 9, -1)],
            "removed_ids": [],
        }
    ]


async def test_unchanged_events_are_neither_counted_nor_written(app: InProcessApp) -> None:
    feed = app.activity
    full = event(
        "full",
        end_ms=EIGHT_O_CLOCK + HOUR_MS,
        local_date="2026-11-23",
        local_end_date="2026-11-25",
        description="d",
        url="https://example.com",
        actor="Ada",
        by_me=False,
        container_id="10",
        container="Tea",
        object_id="7",
        issue_key="TEA-1",
        links=("TEA-2",),
        status="Done",
        previous_status="Doing",
        status_kind="done",
        raw={"a": [1, None]},
    )
    feed.write(JIRA, [event("bare"), full])
    before = await app.call("activity.events.list")
    await changes(app)
    app.clock.advance(60)
    assert feed.write(JIRA, [full, event("bare")]) == FeedChange()
    assert await app.call("activity.events.list") == before
    assert await changes(app) == []
    for field in dataclasses.fields(full):
        changed: dict[str, Any] = {
            "raw": {"a": 2},
            "by_me": True,
            "at_ms": full.at_ms + 1000,
            "end_ms": full.at_ms,
            "links": ("TEA-3",),
            "full_text": "see TEA-9",
        }
        if field.name != "event_id":
            other = dataclasses.replace(full, **{field.name: changed.get(field.name, "other")})
            assert feed.write(JIRA, [other]) == FeedChange(updated=1), field.name
            assert feed.write(JIRA, [full]) == FeedChange(updated=1), field.name
            assert feed.write(JIRA, [full]) == FeedChange(), field.name


async def test_each_change_increments_the_version(app: InProcessApp) -> None:
    for title in ("a", "a", "b", "c"):
        app.activity.write(JIRA, [event("e-1", title=title)])
    page = await app.call("activity.events.list")
    assert [(one["version"], one["title"]) for one in page["events"]] == [(3, "c")]


async def test_the_last_event_of_an_id_wins(app: InProcessApp) -> None:
    change = app.activity.write(JIRA, [event("e-1", title="old"), event("e-1", title="new")], remove=["e-1"])
    assert change == FeedChange(1)
    assert [one["title"] for one in (await app.call("activity.events.list"))["events"]] == ["new"]


async def test_deletions_are_reported_with_the_other_changes(app: InProcessApp) -> None:
    feed = app.activity
    feed.write(JIRA, [event("e-1"), event("e-2")])
    await changes(app)
    change = feed.write(JIRA, [event("e-2", title="new"), event("e-3")], remove=["e-1", "e-never"])
    assert change == FeedChange(1, 1, 1)
    assert await changes(app) == [
        {"added": 1, "updated": 1, "removed": 1, "events": ["e-3", "e-2"], "removed_ids": ["e-1"]}
    ]
    assert feed.write(JIRA, remove=["e-1"]) == FeedChange()
    assert await changes(app) == []


async def test_an_account_cannot_delete_another_ones_events(app: InProcessApp) -> None:
    feed = app.activity
    feed.write(OTHER, [event("e-1")])
    feed.write(Origin("confluence", "acc"), [event("e-2")])
    assert feed.write(JIRA, remove=["e-1", "e-2"]) == FeedChange()
    assert feed.remove_prefix(JIRA, "e-") == FeedChange()
    assert await ids(app) == ["e-2", "e-1"]


async def test_events_are_deleted_by_the_prefix_of_their_ids(app: InProcessApp) -> None:
    feed = app.activity
    names = ["p:1:", "p:1:a", "p:1:\U0010fffe", "p:1:世界", "p:1", "p:10:a", "p:2:a", "P:1:a", "p%1:a", "p:1;"]
    feed.write(JIRA, [event(name) for name in names])
    assert feed.remove_prefix(JIRA, "p:1:") == FeedChange(removed=4)
    assert sorted(await ids(app)) == sorted(names[4:])


async def test_a_sweep_deletes_events_in_its_window_that_a_full_sync_has_not_seen(app: InProcessApp) -> None:
    feed = app.activity
    feed.write(JIRA, [event(f"e-{hours}", hours, container_id="a" if hours % 2 else "b") for hours in range(10)])
    feed.write(OTHER, [event("other", 5)])
    feed.write(Origin("confluence", "acc"), [event("page", 5)])
    await changes(app)
    window: dict[str, Any] = {"start_ms": EIGHT_O_CLOCK + 2 * HOUR_MS, "end_ms": EIGHT_O_CLOCK + 8 * HOUR_MS}
    assert await feed.sweep(JIRA, {"e-3", "e-6"}, **window, container_id="a") == 2
    assert sorted(await ids(app)) == ["e-0", "e-1", "e-2", "e-3", "e-4", "e-6", "e-8", "e-9", "other", "page"]
    assert [(one["removed"], one["removed_ids"]) for one in await changes(app)] == [(2, ["e-5", "e-7"])]
    assert await feed.sweep(JIRA, {"e-3"}, **window) == 3
    assert sorted(await ids(app)) == ["e-0", "e-1", "e-3", "e-8", "e-9", "other", "page"]
    assert await feed.sweep(JIRA, {"e-0", "e-1", "e-3"}) == 2
    assert await feed.sweep(JIRA, {"e-0", "e-1", "e-3"}) == 0
    assert sorted(await ids(app)) == ["e-0", "e-1", "e-3", "other", "page"]


async def test_an_accounts_events_are_deleted_in_committed_steps(app: InProcessApp) -> None:
    feed = app.activity
    feed.write(JIRA, [event(f"e-{number}", number / 100, container_id=str(number % 2)) for number in range(1_200)])
    feed.write(OTHER, [event("other")])
    await changes(app)
    assert await feed.remove_all(JIRA, container_id="1") == 600
    assert [one["removed"] for one in await changes(app)] == [250, 250, 100]
    assert await feed.remove_all(JIRA) == 600
    assert not app.database.in_transaction
    assert await ids(app) == ["other"]


async def test_texts_that_sqlite_cannot_store_do_not_stop_a_sync(app: InProcessApp) -> None:
    feed = app.activity
    malformed = event("e-1", title="half \ud83d", description="x\0y" + "z" * 10_000, actor="世" * 5_000)
    assert feed.write(JIRA, [malformed, event("e-2")]) == FeedChange(2)
    assert feed.write(JIRA, [malformed]) == FeedChange()
    stored = (await app.call("activity.events.list"))["events"][1]
    assert stored["title"] == "half \ufffd"
    assert stored["description"] == ("x\ufffdy" + "z" * 10_000)[:4_000]
    assert stored["actor"] == "世" * 1_000


async def test_a_batch_that_fails_leaves_nothing_behind(app: InProcessApp) -> None:
    feed = app.activity
    with pytest.raises(sqlite3.Error):
        feed.write(JIRA, [event("e-1"), event("e-2", issue_key=object())])
    assert await ids(app) == []
    assert await changes(app) == []


async def test_a_page_that_was_read_shows_what_was_written_removed_or_moved_since(app: InProcessApp) -> None:
    async def titles() -> list[str]:
        return [one["title"] for one in (await app.call("activity.events.list", {"limit": 500}))["events"]]

    feed = app.activity
    feed.write(JIRA, [event("a", 1, title="a 1"), event("b", 2, title="b 1")])
    assert await titles() == ["b 1", "a 1"]
    feed.write(JIRA, [event("a", 1, title="a 2")])
    assert await titles() == ["b 1", "a 2"]
    feed.write(JIRA, [], remove=["a"])
    assert await titles() == ["b 1"]
    feed.write(JIRA, [event("a", 1, title="a again")])  # with the key and the version that it had at first
    assert await titles() == ["b 1", "a again"]
    feed.write(JIRA, [event("b", 3, title="b 1"), event("c", 2, title="c where b was")])
    assert await titles() == ["b 1", "c where b was", "a again"]


async def test_a_page_that_was_read_shows_links_with_issues_that_have_become_known_since(app: InProcessApp) -> None:
    async def links() -> list[str]:
        page = await app.call("activity.events.list", {"limit": 500})
        return next(one["links"] for one in page["events"] if one["event_id"] == "a")

    app.activity.write(JIRA, [event("a", title="see TEA-2")])
    assert await links() == []
    app.activity.write(JIRA, [event("b", 1, issue_key="TEA-1")])
    assert await links() == ["TEA-2"]
