"""Jira syncs: what comes into the feed, and how it follows what happens at the site."""

import pytest

from tests.atlassian.harness import Desk

DAY_S = 24 * 3600


async def test_what_i_did_comes_into_the_feed(desk: Desk) -> None:
    jira, ada, grace = desk.site.jira, desk.ada, desk.site.user("grace")
    issue = jira.create(ada, "Engine")
    jira.transition(issue, ada, "Doing")
    jira.assign(issue, ada, grace)
    jira.change(issue, ada, labels=("", "steam"), priority=("Low", "High"))
    jira.comment(issue, ada, "It runs")
    jira.log_work(issue, ada, 1_800)
    jira.transition(issue, grace, "Fertig")
    account = await desk.connect()
    await desk.sync(account)
    assert sorted(await desk.events()) == [
        ("issue_assigned", "PROJ-1 Engine", "– → Grace"),
        ("issue_commented", "PROJ-1 Engine", "It runs"),
        ("issue_created", "PROJ-1 Engine", "About Engine"),
        ("issue_transitioned", "PROJ-1 Engine", "Backlog → Doing"),
        ("issue_updated", "PROJ-1 Engine", "labels: – → steam\npriority: Low → High"),
        ("issue_worklogged", "PROJ-1 Engine", "30m"),
    ]


async def test_an_event_says_who_when_where_and_what_it_means(desk: Desk) -> None:
    issue = desk.site.jira.create(desk.ada, "Engine")
    desk.clock.advance(60)
    desk.site.jira.transition(issue, desk.ada, "Blocked")
    account = await desk.connect()
    await desk.sync(account)
    event = (await desk.feed.list_events(event_type="issue_transitioned")).events[0]
    assert event.event_id == f"jira:{account.account_id}:issue:10000:history:10001:status"
    assert (event.source, event.account_id, event.actor) == ("jira", account.account_id, "Ada")
    assert (event.url, event.event_time) == (f"{desk.site.url}/browse/PROJ-1", "2026-11-23T08:01:00.000Z")


async def test_syncing_again_doubles_nothing_and_reads_nothing_again(desk: Desk) -> None:
    for number in range(5):
        desk.site.jira.create(desk.ada, f"Task {number}")
    account = await desk.connect()
    await desk.sync(account)
    before = await desk.events()
    read = len(desk.site.requests_to("bulkfetch"))
    desk.received.clear()
    job = await desk.sync(account)
    assert (len(before), await desk.events(), job["result"]["read"]) == (5, before, 0)
    assert (len(desk.site.requests_to("bulkfetch")), desk.named("activity.changed")) == (read, [])


async def test_an_incremental_sync_costs_what_has_changed(desk: Desk) -> None:
    issues = [desk.site.jira.create(desk.ada, f"Task {number}") for number in range(250)]
    account = await desk.connect()
    await desk.sync(account)
    desk.clock.advance(3600)
    desk.site.jira.comment(issues[7], desk.ada, "Now")
    desk.site.requests.clear()
    job = await desk.sync(account)
    assert (job["result"]["read"], job["result"]["added"]) == (1, 1)
    assert [one.body["issueIdsOrKeys"] for one in desk.site.requests_to("issue/bulkfetch")] == [[issues[7].issue_id]]


async def test_edits_and_deletions_are_followed(desk: Desk) -> None:
    jira, ada = desk.site.jira, desk.ada
    issue = jira.create(ada, "Engine")
    first, second = jira.comment(issue, ada, "It runs"), jira.comment(issue, ada, "Oops")
    account = await desk.connect()
    await desk.sync(account)
    desk.clock.advance(60)
    jira.edit_comment(issue, ada, first, "It runs well")
    jira.delete_comment(issue, ada, second)
    jira.rename(issue, ada, "Steam engine")
    job = await desk.sync(account)
    assert sorted(await desk.events()) == [
        ("issue_commented", "PROJ-1 Steam engine", "It runs well"),
        ("issue_created", "PROJ-1 Steam engine", "About Engine"),
        ("issue_updated", "PROJ-1 Steam engine", "summary: Engine → Steam engine"),
    ]
    assert {name: job["result"][name] for name in ("added", "updated", "removed")} == {
        "added": 1,
        "updated": 2,
        "removed": 1,
    }


async def test_a_deleted_issue_goes_within_a_day_although_nothing_tells_of_it(desk: Desk) -> None:
    kept, deleted = desk.site.jira.create(desk.ada, "Kept"), desk.site.jira.create(desk.ada, "Deleted")
    desk.site.jira.comment(deleted, desk.ada, "Both of it")
    account = await desk.connect()
    await desk.sync(account)
    desk.site.jira.delete(deleted)
    await desk.sync(account)
    assert len(await desk.types()) == 3
    desk.clock.advance(DAY_S + 1)
    job = await desk.sync(account)
    assert await desk.events() == [("issue_created", f"{kept.key} Kept", "About Kept")]
    assert job["result"]["removed"] == 2


async def test_a_moved_issue_keeps_its_events_under_its_new_key(desk: Desk) -> None:
    issue = desk.site.jira.create(desk.ada, "Engine")
    account = await desk.connect()
    await desk.sync(account)
    desk.clock.advance(60)
    desk.site.jira.move(issue, desk.ada, "OTHER-7")
    await desk.sync(account)
    assert sorted(await desk.events()) == [
        ("issue_created", "OTHER-7 Engine", "About Engine"),
        ("issue_updated", "OTHER-7 Engine", "Key: PROJ-1 → OTHER-7"),
    ]


async def test_more_than_forty_histories_come_whole_and_over_several_pages(desk: Desk) -> None:
    desk.site.jira.histories_per_page = 7
    issue = desk.site.jira.create(desk.ada, "Busy")
    for number in range(45):
        desk.site.jira.transition(issue, desk.ada, ("Doing", "In Review")[number % 2])
    await desk.sync(await desk.connect())
    assert (await desk.types()).count("issue_transitioned") == 45


async def test_a_thousand_worklogs_of_one_moment_come_whole(desk: Desk) -> None:
    issue = desk.site.jira.create(desk.ada, "Imported")
    for _ in range(1_000):
        desk.site.jira.log_work(issue, desk.ada, 60)
    job = await desk.sync(await desk.connect())
    assert job["result"]["added"] == 1_001  # their bookkeeping in the history is no event of its own


async def test_long_discussions_are_read_to_their_end(desk: Desk) -> None:
    issue = desk.site.jira.create(desk.ada, "Discussed")
    for number in range(130):
        desk.site.jira.comment(issue, desk.ada, f"Thought {number}")
    await desk.sync(await desk.connect())
    assert (await desk.types()).count("issue_commented") == 130


async def test_what_others_did_on_what_is_mine_comes_if_i_want_that(desk: Desk) -> None:
    jira, ada, grace = desk.site.jira, desk.ada, desk.site.user("grace")
    mine, theirs = jira.create(ada, "Mine"), jira.create(grace, "Theirs")
    jira.comment(mine, grace, "Good")
    jira.assign(theirs, grace, ada)
    jira.create(grace, "None of my business")
    account = await desk.connect()
    await desk.sync(account)
    assert await desk.types() == ["issue_created"]
    await desk.call("jira.accounts.update", {"account_id": account.account_id, "scope": "watched"})
    await desk.sync(account)
    assert sorted(await desk.events()) == [
        ("issue_assigned", "PROJ-2 Theirs", "– → Ada"),
        ("issue_commented", "PROJ-1 Mine", "Good"),
        ("issue_created", "PROJ-1 Mine", "About Mine"),
        ("issue_created", "PROJ-2 Theirs", "About Theirs"),
    ]
    assert (await desk.sync(account))["result"]["read"] == 0
    await desk.call("jira.accounts.update", {"account_id": account.account_id, "scope": "mine"})
    await desk.sync(account)
    assert await desk.events() == [("issue_created", "PROJ-1 Mine", "About Mine")]


async def test_a_year_is_read_and_what_is_older_is_not(desk: Desk) -> None:
    now = desk.clock.now_ms()
    old = desk.site.jira.create(desk.ada, "Old", at_ms=now - 400 * DAY_S * 1000)
    desk.site.jira.comment(old, desk.ada, "Then", at_ms=now - 399 * DAY_S * 1000)
    desk.site.jira.comment(old, desk.ada, "Now", at_ms=now - 300 * DAY_S * 1000)
    await desk.sync(await desk.connect())
    assert await desk.events() == [("issue_commented", "PROJ-1 Old", "Now")]


async def test_a_full_sync_reads_everything_again(desk: Desk) -> None:
    for number in range(3):
        desk.site.jira.create(desk.ada, f"Task {number}")
    account = await desk.connect()
    await desk.sync(account)
    job = await desk.sync(account, full=True)
    assert {name: job["result"][name] for name in ("read", "added", "full")} == {"read": 3, "added": 0, "full": True}


@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "Etc/GMT+12", "Asia/Kathmandu"])
async def test_nothing_depends_on_the_owners_time_zone(desk: Desk, zone: str) -> None:
    desk.ada.time_zone = zone
    account = await desk.connect()
    await desk.sync(account)
    for hour in range(30):  # over a midnight in every zone
        desk.clock.advance(3600)
        desk.site.jira.create(desk.ada, f"Hour {hour}")
        await desk.sync(account)
        assert len(await desk.types()) == hour + 1


async def test_a_sync_is_made_every_five_minutes_without_anybody_asking(desk: Desk) -> None:
    account = await desk.connect()
    await desk.sync(account)
    desk.site.jira.create(desk.ada, "Later")
    desk.clock.advance(310)
    desk.look_for_jobs()
    await desk.until(lambda _: desk.named("activity.changed"))
    assert await desk.types() == ["issue_created"]
