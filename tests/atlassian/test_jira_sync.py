"""Jira syncs: the events in the feed, and how they follow changes at the site."""

import pytest

from tests.atlassian.harness import AtlassianHarness

DAY_S = 24 * 3600


async def test_the_owners_actions_appear_in_the_feed(harness: AtlassianHarness) -> None:
    jira, ada, grace = harness.site.jira, harness.ada, harness.site.user("grace")
    issue = jira.create(ada, "Engine")
    jira.transition(issue, ada, "Doing")
    jira.assign(issue, ada, grace)
    jira.change(issue, ada, labels=("", "steam"), priority=("Low", "High"))
    jira.comment(issue, ada, "It runs")
    jira.log_work(issue, ada, 1_800)
    jira.transition(issue, grace, "Fertig")
    account = await harness.connect()
    await harness.sync(account)
    assert sorted(await harness.events()) == [
        ("issue_assigned", "PROJ-1 Engine", "– → Grace"),
        ("issue_commented", "PROJ-1 Engine", "It runs"),
        ("issue_created", "PROJ-1 Engine", "About Engine"),
        ("issue_transitioned", "PROJ-1 Engine", "Backlog → Doing"),
        ("issue_updated", "PROJ-1 Engine", "labels: – → steam\npriority: Low → High"),
        ("issue_worklogged", "PROJ-1 Engine", "30m"),
    ]


async def test_an_event_has_its_id_actor_time_and_url(harness: AtlassianHarness) -> None:
    issue = harness.site.jira.create(harness.ada, "Engine")
    harness.clock.advance(60)
    harness.site.jira.transition(issue, harness.ada, "Blocked")
    account = await harness.connect()
    await harness.sync(account)
    event = (await harness.feed.list_events(event_type="issue_transitioned")).events[0]
    assert event.event_id == f"jira:{account.account_id}:issue:10000:history:10001:status"
    assert (event.source, event.account_id, event.actor) == ("jira", account.account_id, "Ada")
    assert (event.url, event.event_time) == (f"{harness.site.url}/browse/PROJ-1", "2026-11-23T08:01:00.000Z")


async def test_a_second_sync_duplicates_nothing_and_reads_nothing_again(harness: AtlassianHarness) -> None:
    for number in range(5):
        harness.site.jira.create(harness.ada, f"Task {number}")
    account = await harness.connect()
    await harness.sync(account)
    before = await harness.events()
    read = len(harness.site.requests_to("bulkfetch"))
    harness.received.clear()
    job = await harness.sync(account)
    assert (len(before), await harness.events(), job["result"]["read"]) == (5, before, 0)
    assert (len(harness.site.requests_to("bulkfetch")), harness.named("activity.changed")) == (read, [])


async def test_an_incremental_sync_reads_only_changed_issues(harness: AtlassianHarness) -> None:
    issues = [harness.site.jira.create(harness.ada, f"Task {number}") for number in range(250)]
    account = await harness.connect()
    await harness.sync(account)
    harness.clock.advance(3600)
    harness.site.jira.comment(issues[7], harness.ada, "Now")
    harness.site.requests.clear()
    job = await harness.sync(account)
    assert (job["result"]["read"], job["result"]["added"]) == (1, 1)
    assert [one.body["issueIdsOrKeys"] for one in harness.site.requests_to("issue/bulkfetch")] == [[issues[7].issue_id]]


async def test_edits_and_deletions_are_followed(harness: AtlassianHarness) -> None:
    jira, ada = harness.site.jira, harness.ada
    issue = jira.create(ada, "Engine")
    first, second = jira.comment(issue, ada, "It runs"), jira.comment(issue, ada, "Oops")
    account = await harness.connect()
    await harness.sync(account)
    harness.clock.advance(60)
    jira.edit_comment(issue, ada, first, "It runs well")
    jira.delete_comment(issue, ada, second)
    jira.rename(issue, ada, "Steam engine")
    job = await harness.sync(account)
    assert sorted(await harness.events()) == [
        ("issue_commented", "PROJ-1 Steam engine", "It runs well"),
        ("issue_created", "PROJ-1 Steam engine", "About Engine"),
        ("issue_updated", "PROJ-1 Steam engine", "summary: Engine → Steam engine"),
    ]
    assert {name: job["result"][name] for name in ("added", "updated", "removed")} == {
        "added": 1,
        "updated": 2,
        "removed": 1,
    }


async def test_a_moved_issue_keeps_its_events_under_its_new_key(harness: AtlassianHarness) -> None:
    issue = harness.site.jira.create(harness.ada, "Engine")
    account = await harness.connect()
    await harness.sync(account)
    harness.clock.advance(60)
    harness.site.jira.move(issue, harness.ada, "OTHER-7")
    await harness.sync(account)
    assert sorted(await harness.events()) == [
        ("issue_created", "OTHER-7 Engine", "About Engine"),
        ("issue_updated", "OTHER-7 Engine", "Key: PROJ-1 → OTHER-7"),
    ]


async def test_more_than_forty_histories_are_read_over_several_pages(harness: AtlassianHarness) -> None:
    harness.site.jira.histories_per_page = 7
    issue = harness.site.jira.create(harness.ada, "Busy")
    for number in range(45):
        harness.site.jira.transition(issue, harness.ada, ("Doing", "In Review")[number % 2])
    await harness.sync(await harness.connect())
    assert (await harness.event_types()).count("issue_transitioned") == 45


async def test_a_thousand_worklogs_of_the_same_time_are_read_completely(harness: AtlassianHarness) -> None:
    issue = harness.site.jira.create(harness.ada, "Imported")
    for _ in range(1_000):
        harness.site.jira.log_work(issue, harness.ada, 60)
    job = await harness.sync(await harness.connect())
    assert job["result"]["added"] == 1_001  # their entries in the history are not events


async def test_the_deletion_of_a_worklog_is_told_and_its_hours_no_longer_count(harness: AtlassianHarness) -> None:
    jira, ada = harness.site.jira, harness.ada
    issue = jira.create(ada, "Engine")
    jira.log_work(issue, ada, 3_600)
    wrong = jira.log_work(issue, ada, 1_800)
    account = await harness.connect()
    await harness.sync(account)
    harness.clock.advance(60)
    jira.delete_worklog(issue, ada, wrong)
    await harness.sync(account)
    assert sorted(await harness.events()) == [
        ("issue_created", "PROJ-1 Engine", "About Engine"),
        ("issue_worklog_deleted", "PROJ-1 Engine", "30 minutes"),
        ("issue_worklogged", "PROJ-1 Engine", "60m"),
    ]


async def test_mentions_without_a_name_get_it_from_the_people_of_the_issue(harness: AtlassianHarness) -> None:
    jira, ada, grace = harness.site.jira, harness.ada, harness.site.user("grace")
    issue = jira.create(ada, "Engine", description=None)
    jira.comment(issue, grace, "Hello")
    mentions = [{"type": "mention", "attrs": {"id": user.account_id}} for user in (ada, grace)]
    jira.comment(issue, ada, "")
    issue.comments[-1]["body"] = {"type": "doc", "content": [{"type": "paragraph", "content": mentions}]}
    await harness.sync(await harness.connect())
    assert ("issue_commented", "PROJ-1 Engine", "@Ada @Grace") in await harness.events()


async def test_long_discussions_are_read_completely(harness: AtlassianHarness) -> None:
    issue = harness.site.jira.create(harness.ada, "Discussed")
    for number in range(130):
        harness.site.jira.comment(issue, harness.ada, f"Thought {number}")
    await harness.sync(await harness.connect())
    assert (await harness.event_types()).count("issue_commented") == 130


async def test_others_actions_on_the_owners_objects_appear_in_scope_watched(harness: AtlassianHarness) -> None:
    jira, ada, grace = harness.site.jira, harness.ada, harness.site.user("grace")
    mine, theirs = jira.create(ada, "Mine"), jira.create(grace, "Theirs")
    jira.comment(mine, grace, "Good")
    jira.assign(theirs, grace, ada)
    jira.create(grace, "None of my business")
    account = await harness.connect()
    await harness.sync(account)
    assert await harness.event_types() == ["issue_created"]
    await harness.call("jira.accounts.update", {"account_id": account.account_id, "scope": "watched"})
    await harness.sync(account)
    assert sorted(await harness.events()) == [
        ("issue_assigned", "PROJ-2 Theirs", "– → Ada"),
        ("issue_commented", "PROJ-1 Mine", "Good"),
        ("issue_created", "PROJ-1 Mine", "About Mine"),
        ("issue_created", "PROJ-2 Theirs", "About Theirs"),
    ]
    assert (await harness.sync(account))["result"]["read"] == 0
    await harness.call("jira.accounts.update", {"account_id": account.account_id, "scope": "mine"})
    await harness.sync(account)
    assert await harness.events() == [("issue_created", "PROJ-1 Mine", "About Mine")]


async def test_one_year_is_read_and_older_events_are_left_out(harness: AtlassianHarness) -> None:
    now = harness.clock.now_ms()
    old = harness.site.jira.create(harness.ada, "Old", at_ms=now - 400 * DAY_S * 1000)
    harness.site.jira.comment(old, harness.ada, "Then", at_ms=now - 399 * DAY_S * 1000)
    harness.site.jira.comment(old, harness.ada, "Now", at_ms=now - 300 * DAY_S * 1000)
    await harness.sync(await harness.connect())
    assert await harness.events() == [("issue_commented", "PROJ-1 Old", "Now")]


async def test_a_full_sync_reads_everything_again(harness: AtlassianHarness) -> None:
    for number in range(3):
        harness.site.jira.create(harness.ada, f"Task {number}")
    account = await harness.connect()
    await harness.sync(account)
    job = await harness.sync(account, full=True)
    assert {name: job["result"][name] for name in ("read", "added", "full")} == {"read": 3, "added": 0, "full": True}


@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "Etc/GMT+12", "Asia/Kathmandu"])
async def test_nothing_depends_on_the_owners_time_zone(harness: AtlassianHarness, zone: str) -> None:
    harness.ada.time_zone = zone
    account = await harness.connect()
    await harness.sync(account)
    for hour in range(30):  # past a midnight in every zone
        harness.clock.advance(3600)
        harness.site.jira.create(harness.ada, f"Hour {hour}")
        await harness.sync(account)
        assert len(await harness.event_types()) == hour + 1


async def test_a_sync_runs_every_five_minutes_by_schedule(harness: AtlassianHarness) -> None:
    account = await harness.connect()
    await harness.sync(account)
    harness.site.jira.create(harness.ada, "Later")
    harness.clock.advance(310)
    harness.look_for_jobs()
    await harness.until(lambda _: harness.named("activity.changed"))
    assert await harness.event_types() == ["issue_created"]
