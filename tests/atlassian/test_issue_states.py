"""The states of Jira issues in the feed and in reports, after changes of others and under names of any language."""

from typing import Any

import pytest

from tests.atlassian.harness import AtlassianHarness

DAY_S = 24 * 3600


async def events(harness: AtlassianHarness) -> list[tuple[str, str | None, str | None]]:
    """Returns type, status and kind of status of each event, the oldest first."""
    page = await harness.feed.list_events(limit=500)
    return [(one.event_type.removeprefix("issue_"), one.status, one.status_kind) for one in page.events[::-1]]


async def stand_up(harness: AtlassianHarness) -> tuple[list[str], list[str], int]:
    """Returns the keys of the next and of the blocked issues, and the number of issues that the owner has done."""
    span = {"start": "2026-11-20T00:00:00Z", "end": "2026-11-24T00:00:00Z", "time_zone": "UTC"}
    found: dict[str, Any] = await harness.call("activity.summary", span)
    listed = [[one["issue_key"] for one in found[name]] for name in ("next_issues", "blocked_issues")]
    return listed[0], listed[1], found["totals"]["issues_done"]


@pytest.mark.parametrize("scope", ["mine", "watched"])
async def test_what_a_colleague_has_finished_is_not_next(harness: AtlassianHarness, scope: str) -> None:
    jira, ada, grace = harness.site.jira, harness.ada, harness.site.user("grace")
    issues = [jira.create(ada, f"Task {number}") for number in range(3)]
    for issue, status in zip(issues, ("Doing", "Blocked", "In Review"), strict=True):
        jira.transition(issue, ada, status)
    account = await harness.connect(scope=scope)
    await harness.sync(account)
    assert await stand_up(harness) == (["PROJ-1", "PROJ-3"], ["PROJ-2"], 0)
    harness.clock.advance(3600)
    jira.transition(issues[0], grace, "Fertig")
    jira.transition(issues[1], grace, "Doing")
    jira.transition(issues[2], grace, "Blocked")
    await harness.sync(account)
    assert await stand_up(harness) == (["PROJ-2"], ["PROJ-3"], 0)


async def test_the_daily_sync_learns_what_a_colleague_did_to_an_issue_of_long_ago(harness: AtlassianHarness) -> None:
    jira, ada = harness.site.jira, harness.ada
    issue = jira.create(ada, "Engine")
    jira.transition(issue, ada, "Doing")
    account = await harness.connect()
    await harness.sync(account)
    harness.clock.advance(20 * DAY_S)
    jira.transition(issue, harness.site.user("grace"), "Fertig")
    await harness.sync(account)
    harness.clock.advance(1.5 * DAY_S)
    await harness.sync(account)
    assert await stand_up(harness) == ([], [], 0)
    assert (await events(harness))[-1] == ("transitioned", "Doing", "doing")


async def test_each_event_has_the_status_that_the_issue_had(harness: AtlassianHarness) -> None:
    jira, ada, grace = harness.site.jira, harness.ada, harness.site.user("grace")
    issue = jira.create(ada, "Engine")
    for act in (
        lambda: jira.comment(issue, ada, "Shall we?"),
        lambda: jira.transition(issue, ada, "Doing"),
        lambda: jira.comment(issue, ada, "It runs"),
        lambda: jira.transition(issue, grace, "Fertig"),
        lambda: jira.comment(issue, ada, "Thank you"),
    ):
        harness.clock.advance(60)
        act()
    untouched = jira.create(ada, "Tender")
    account = await harness.connect()
    await harness.sync(account)
    assert await events(harness) == [
        ("created", "Backlog", "todo"),
        ("commented", "Backlog", "todo"),
        ("transitioned", "Doing", "doing"),
        ("commented", "Doing", "doing"),
        ("commented", "Fertig", "done"),
        ("created", "Backlog", "todo"),
    ]
    assert await stand_up(harness) == ([], [], 0)
    harness.clock.advance(60)
    jira.transition(untouched, ada, "Fertig")
    await harness.sync(account)
    assert (await stand_up(harness))[2] == 1


async def test_the_categories_of_the_site_decide_and_names_only_where_it_has_none(harness: AtlassianHarness) -> None:
    jira, ada = harness.site.jira, harness.ada
    names = {
        "Unblocked": ("20", "indeterminate", "doing"),
        "Not blocked": ("21", "indeterminate", "doing"),
        "Blockchain": ("22", "new", "todo"),
        "차단됨": ("23", "indeterminate", "blocked"),
        "차단 해제": ("24", "indeterminate", "doing"),
        "ブロック中": ("25", "new", "blocked"),
        "阻塞": ("26", "indeterminate", "blocked"),
        "Nicht blockiert": ("27", "indeterminate", "doing"),
        "Bloqué": ("28", "indeterminate", "blocked"),
        "Done (in progress)": ("29", "indeterminate", "doing"),
        "In Progress": ("30", "done", "done"),
        "Erledigt": ("31", "undefined", "done"),
        "Xyzzy": ("32", "undefined", None),
        "Fermé": ("33", "new", "done"),
        "In Arbeit": ("34", "done", "doing"),
    }
    jira.statuses |= {name: (status_id, category) for name, (status_id, category, _) in names.items()}
    jira.unlisted_statuses = {"Fermé", "In Arbeit"}
    issue = jira.create(ada, "Engine")
    for name in names:
        harness.clock.advance(60)
        jira.transition(issue, ada, name)
    harness.clock.advance(60)
    jira.transition(issue, ada, "Doing")
    await harness.sync(await harness.connect())
    found = [(status, kind) for event_type, status, kind in await events(harness) if event_type == "transitioned"]
    assert found == [*((name, kind) for name, (_, _, kind) in names.items()), ("Doing", "doing")]


async def test_a_status_that_the_site_does_not_list_has_the_category_that_the_issue_tells(
    harness: AtlassianHarness,
) -> None:
    harness.site.jira.statuses["Xyzzy"] = ("20", "done")
    harness.site.jira.unlisted_statuses = {"Xyzzy"}
    issue = harness.site.jira.create(harness.ada, "Engine")
    harness.clock.advance(60)
    harness.site.jira.transition(issue, harness.ada, "Xyzzy")
    await harness.sync(await harness.connect())
    assert (await events(harness))[-1] == ("transitioned", "Xyzzy", "done")
    assert await stand_up(harness) == ([], [], 1)
