"""Omissions are not deletions: what an answer lacks is asked for again, and removed once it is gone for a day."""

from typing import Any

import pytest

from sidecar.feed import FeedEvent, Origin
from tests.atlassian.harness import AtlassianHarness
from tests.fakes.atlassian import Request, Response
from tests.in_process_app import EIGHT_O_CLOCK

pytestmark = pytest.mark.usefixtures("unblocked")

DAY_S = 24 * 3600


async def sync_days(harness: AtlassianHarness, account: Any, days: int) -> list[str]:
    """Syncs once a day; returns the types of the events after the last sync."""
    for _ in range(days):
        harness.clock.advance(DAY_S + 1)
        await harness.sync(account)
    return await harness.event_types()


# --- Jira ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("times", [1, 2, 1_000])
async def test_issues_that_the_site_could_not_return_at_once_are_asked_for_again(
    harness: AtlassianHarness, times: int
) -> None:
    jira = harness.site.jira
    issues = [jira.create(harness.ada, f"Task {number}") for number in range(5)]
    jira.bulk_errors = dict.fromkeys([issues[1].issue_id, issues[3].issue_id], times)
    account = await harness.connect()
    await harness.sync(account)
    assert len(await harness.event_types()) == 5
    assert len(await sync_days(harness, account, 3)) == 5


async def test_an_issue_that_bulk_answers_leave_out_is_looked_at_by_itself(harness: AtlassianHarness) -> None:
    issue = harness.site.jira.create(harness.ada, "Engine")
    harness.site.jira.left_out = {issue.issue_id: 1_000}
    account = await harness.connect()
    await harness.sync(account)
    assert await sync_days(harness, account, 3) == ["issue_created"]


async def test_a_project_that_is_hidden_for_a_night_loses_nothing(harness: AtlassianHarness) -> None:
    jira = harness.site.jira
    for number in range(3):
        jira.comment(jira.create(harness.ada, f"Task {number}"), harness.ada, "A thought")
    account = await harness.connect()
    await harness.sync(account)
    jira.hidden_projects = {"PROJ"}
    assert len(await sync_days(harness, account, 1)) == 6
    jira.hidden_projects = set()
    assert len(await sync_days(harness, account, 3)) == 6


async def test_a_project_that_is_hidden_in_the_first_night_after_a_holiday_loses_nothing(
    harness: AtlassianHarness,
) -> None:
    jira = harness.site.jira
    account = await harness.connect()
    assert await sync_days(harness, account, 3) == []
    jira.create(harness.ada, "The day before")
    harness.clock.advance(14 * DAY_S)  # the computer is off
    jira.hidden_projects = {"PROJ"}
    jira.create(harness.ada, "Elsewhere", project="OTHER")
    assert len(await sync_days(harness, account, 1)) == 1
    jira.hidden_projects = set()
    assert len(await sync_days(harness, account, 1)) == 2


async def test_a_sync_that_runs_every_day_reads_a_week_again(harness: AtlassianHarness) -> None:
    for number in range(10):
        harness.site.jira.create(harness.ada, f"Task {number}")
        harness.clock.advance(DAY_S)
    account = await harness.connect()
    await harness.sync(account)
    read = []
    for _ in range(6):
        harness.clock.advance(DAY_S)
        read.append((await harness.sync(account))["result"]["read"])
    assert read == [6, 5, 4, 3, 2, 1]


async def test_a_project_that_reappears_after_weeks_is_read_again_although_nothing_in_it_changed(
    harness: AtlassianHarness,
) -> None:
    jira = harness.site.jira
    for number in range(3):
        jira.comment(jira.create(harness.ada, f"Task {number}"), harness.ada, "A thought")
    account = await harness.connect()
    await harness.sync(account)
    before = await harness.events()
    jira.hidden_projects = {"PROJ"}
    await sync_days(harness, account, 10)
    jira.create(harness.ada, "Elsewhere", project="OTHER")
    assert await sync_days(harness, account, 10) == ["issue_created"]
    jira.hidden_projects = set()
    await sync_days(harness, account, 1)
    assert (await harness.events())[:-1] == before


async def test_a_deleted_issue_is_removed_once_it_is_gone_for_a_day(harness: AtlassianHarness) -> None:
    kept, deleted = harness.site.jira.create(harness.ada, "Kept"), harness.site.jira.create(harness.ada, "Deleted")
    harness.site.jira.comment(deleted, harness.ada, "Both of it")
    account = await harness.connect()
    await harness.sync(account)
    harness.site.jira.delete(deleted)
    assert len(await sync_days(harness, account, 1)) == 3
    await harness.sync(account, full=True)  # less than a day later
    assert len(await harness.event_types()) == 3
    harness.clock.advance(DAY_S + 1)
    job = await harness.sync(account)
    assert await harness.events() == [("issue_created", f"{kept.key} Kept", "About Kept")]
    assert job["result"]["removed"] == 2


@pytest.mark.parametrize("sends_date", [True, False])
async def test_a_deleted_issue_is_removed_although_it_was_read_while_the_clock_was_a_year_ahead(
    harness: AtlassianHarness, sends_date: bool
) -> None:
    site, year_ms = harness.site, 365 * DAY_S * 1000
    deleted = site.jira.create(harness.ada, "Deleted")
    site.sends_date = sends_date
    site_ms = harness.clock.now_ms
    site.now_ms = lambda: site_ms() - year_ms if harness.clock.wall_ms > EIGHT_O_CLOCK else site_ms()
    account = await harness.connect()
    harness.clock.wall_ms += year_ms
    await harness.sync(account)
    harness.clock.wall_ms -= year_ms
    site.jira.delete(deleted)
    assert await sync_days(harness, account, 1) == ["issue_created"]
    assert await sync_days(harness, account, 1) == []


async def test_the_site_is_not_asked_for_each_deleted_issue_every_day(harness: AtlassianHarness) -> None:
    deleted = [harness.site.jira.create(harness.ada, f"Task {number}") for number in range(20)]
    account = await harness.connect()
    await harness.sync(account)
    for issue in deleted:
        harness.site.jira.delete(issue)
    await sync_days(harness, account, 2)
    harness.site.requests.clear()
    await sync_days(harness, account, 1)
    assert len([one for one in harness.site.requests if "/issue/" in one.path]) == 1


async def test_an_unchanged_issue_follows_the_new_key_of_its_project(harness: AtlassianHarness) -> None:
    jira = harness.site.jira
    jira.transition(jira.create(harness.ada, "Engine"), harness.ada, "Doing")
    account = await harness.connect()
    await harness.sync(account)
    harness.clock.advance(30 * DAY_S)
    jira.create(harness.ada, "Elsewhere", project="OTHER")
    await harness.sync(account)
    jira.rename_project("PROJ", "STEAM")
    await sync_days(harness, account, 1)
    assert {title for _, title, _ in await harness.events(issue_key="STEAM-1")} == {"STEAM-1 Engine"}
    assert await harness.events(issue_key="PROJ-1") == await harness.events(issue_key="STEAM-1")
    events = (await harness.feed.list_events(issue_key="STEAM-1")).events
    assert [one.url for one in events] == [f"{harness.site.url}/browse/STEAM-1"] * 2


async def test_mentions_of_a_former_key_follow_the_issue(harness: AtlassianHarness) -> None:
    jira = harness.site.jira
    issue = jira.create(harness.ada, "Engine")
    account = await harness.connect()
    await harness.sync(account)
    review = FeedEvent(event_id="google:1:e", event_type="event_scheduled", at_ms=0, title="PROJ-1 review")
    with harness.database.write():
        harness.runtime.feed().write(Origin("google", "1"), [review])
    for old, new in (("PROJ", "STEAM"), ("STEAM", "LOCO")):
        jira.rename_project(old, new)
        await sync_days(harness, account, 1)
        thread = [("event_scheduled", "PROJ-1 review", None), ("issue_created", f"{new}-1 Engine", "About Engine")]
        for key in (f"{new}-1", "PROJ-1"):
            assert await harness.events(issue_key=key) == thread
        assert [one.links for one in (await harness.feed.list_events(source="google")).events] == [[f"{new}-1"]]
    issue.key = "PROJ-1"
    await sync_days(harness, account, 1)
    assert len(await harness.events(issue_key="PROJ-1")) == 2


async def test_histories_that_an_answer_leaves_out_stay(harness: AtlassianHarness) -> None:
    jira = harness.site.jira
    issue = jira.create(harness.ada, "Engine")
    jira.transition(issue, harness.ada, "Doing")
    account = await harness.connect()
    await harness.sync(account)
    jira.left_out = {issue.histories[0]["id"]: 1_000}
    harness.clock.advance(60)
    jira.comment(issue, harness.ada, "It runs")
    await harness.sync(account)
    assert await harness.event_types() == ["issue_created", "issue_transitioned", "issue_commented"]


@pytest.mark.parametrize("kind", ["comment", "worklog"])
async def test_comments_and_worklogs_that_a_list_leaves_out_stay(harness: AtlassianHarness, kind: str) -> None:
    jira = harness.site.jira
    issue = jira.create(harness.ada, "Engine")
    add = {
        "comment": lambda: jira.comment(issue, harness.ada, "Text"),
        "worklog": lambda: jira.log_work(issue, harness.ada, 60),
    }
    ids = [add[kind]() for _ in range(30)]
    account = await harness.connect()
    await harness.sync(account)
    jira.left_out = {ids[7]: 1_000, ids[29]: 1_000}
    harness.clock.advance(60)
    jira.rename(issue, harness.ada, "Steam engine")
    await harness.sync(account)
    assert (await harness.event_types()).count(f"issue_{kind}ed" if kind == "comment" else "issue_worklogged") == 30


async def test_an_issue_without_its_list_of_comments_keeps_them(harness: AtlassianHarness) -> None:
    jira = harness.site.jira
    issue = jira.create(harness.ada, "Engine")
    jira.comment(issue, harness.ada, "It runs")
    account = await harness.connect()
    await harness.sync(account)
    shown = jira.shown

    def without_comments(*arguments: Any) -> Any:
        made = shown(*arguments)
        made["fields"].pop("comment", None)
        return made

    jira.shown = without_comments  # type: ignore[method-assign,assignment]
    harness.clock.advance(60)
    jira.rename(issue, harness.ada, "Steam engine")
    await harness.sync(account)
    assert sorted(await harness.event_types()) == ["issue_commented", "issue_created", "issue_updated"]


async def test_empty_pages_of_jiras_search_are_passed_over(harness: AtlassianHarness) -> None:
    harness.site.jira.empty_pages, harness.site.jira.max_page_size = 3, 2
    for number in range(5):
        harness.site.jira.create(harness.ada, f"Task {number}")
    await harness.sync(await harness.connect())
    assert len(await harness.event_types()) == 5


# --- Confluence ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("by_header", [False, True])
async def test_pages_that_come_in_portions_are_all_read(harness: AtlassianHarness, by_header: bool) -> None:
    wiki = harness.site.confluence
    wiki.links_by_header = by_header
    for number in range(40):
        wiki.create(harness.ada, f"Page {number}")
    account = await harness.connect("confluence")
    await harness.sync(account)
    assert len(await harness.event_types()) == 40
    assert len(await sync_days(harness, account, 3)) == 40


async def test_a_page_that_a_list_leaves_out_is_looked_at_by_itself(harness: AtlassianHarness) -> None:
    pages = [harness.site.confluence.create(harness.ada, f"Page {number}") for number in range(3)]
    harness.site.confluence.left_out = {pages[1].content_id}
    account = await harness.connect("confluence")
    await harness.sync(account)
    assert len(await sync_days(harness, account, 3)) == 3


@pytest.mark.parametrize("shows_trashed", [False, True])
async def test_a_page_that_is_trashed_and_restored_comes_back_with_its_comments(
    harness: AtlassianHarness, shows_trashed: bool
) -> None:
    wiki = harness.site.confluence
    wiki.shows_trashed = shows_trashed
    page = wiki.create(harness.ada, "Minutes")
    wiki.comment(page, harness.ada, "Thank you")
    account = await harness.connect("confluence")
    await harness.sync(account)
    wiki.trash(page)
    assert len(await sync_days(harness, account, 1)) == 2
    wiki.create(harness.ada, "News", kind="blogpost")
    assert await sync_days(harness, account, 10) == ["blogpost_created"]
    page.status = "current"
    assert len(await sync_days(harness, account, 1)) == 3


@pytest.mark.parametrize("kind", ["page", "blogpost"])
async def test_a_page_that_is_trashed_for_an_hour_loses_nothing(harness: AtlassianHarness, kind: str) -> None:
    page = harness.site.confluence.create(harness.ada, "Minutes", kind=kind)
    account = await harness.connect("confluence")
    await harness.sync(account)
    harness.site.confluence.trash(page)
    await sync_days(harness, account, 1)
    page.status = "current"
    assert await sync_days(harness, account, 3) == [f"{kind}_created"]


async def test_an_archived_page_stays_with_its_comments(harness: AtlassianHarness) -> None:
    page = harness.site.confluence.create(harness.ada, "Minutes")
    harness.site.confluence.comment(page, harness.ada, "Thank you")
    account = await harness.connect("confluence")
    await harness.sync(account)
    page.status = "archived"
    assert len(await sync_days(harness, account, 4)) == 2


async def test_a_page_that_moved_to_another_address_follows_it(harness: AtlassianHarness) -> None:
    page = harness.site.confluence.create(harness.ada, "Minutes")
    account = await harness.connect("confluence")
    await harness.sync(account)
    harness.clock.advance(10 * DAY_S)
    harness.site.confluence.create(harness.ada, "News")
    await harness.sync(account)
    page.space = "OTHER"
    await sync_days(harness, account, 1)
    event = (await harness.feed.list_events()).events[1]
    assert event.url == f"{harness.site.url}/wiki/spaces/OTHER/pages/{page.content_id}"


@pytest.mark.parametrize("empty_pages", [1, 7])
async def test_empty_pages_of_the_search_are_passed_over(harness: AtlassianHarness, empty_pages: int) -> None:
    wiki = harness.site.confluence
    wiki.empty_pages, wiki.max_page_size = empty_pages, 3
    for number in range(8):
        wiki.create(harness.ada, f"Page {number}")
    await harness.sync(await harness.connect("confluence"))
    assert len(await harness.event_types()) == 8


async def test_a_search_of_empty_pages_without_end_does_not_advance_the_cursor(harness: AtlassianHarness) -> None:
    harness.site.confluence.create(harness.ada, "Minutes")
    account = await harness.connect("confluence")
    await harness.sync(account)
    before = harness.stored_cursor(account)
    harness.site.confluence.empty_pages = 10_000
    harness.clock.advance(3600)
    job = await harness.sync_until_snoozed(account, "retry")
    assert (job["error"]["kind"], harness.stored_cursor(account)) == ("paging_loop", before)
    assert len(harness.site.requests_to("/rest/api/search")) < 200


async def test_deleted_versions_do_not_make_an_edit_a_creation(harness: AtlassianHarness) -> None:
    wiki, ada, grace = harness.site.confluence, harness.ada, harness.site.user("grace")
    page = wiki.create(grace, "Minutes")
    harness.clock.advance(60)
    wiki.edit(page, ada, "typos")
    harness.clock.advance(60)
    wiki.edit(page, ada, "more typos")
    account = await harness.connect("confluence")
    await harness.sync(account)
    wiki.delete_version(page, 1)
    await harness.sync(account, full=True)
    expected = [("page_edited", "Minutes", "typos"), ("page_edited", "Minutes", "more typos")]
    assert await harness.events() == expected
    wiki.delete_version(page, 1)
    await harness.sync(account, full=True)
    assert await harness.events() == expected[1:]


async def test_versions_that_a_list_leaves_out_stay(harness: AtlassianHarness) -> None:
    wiki = harness.site.confluence
    page = wiki.create(harness.ada, "Minutes")
    for number in range(3):
        wiki.edit(page, harness.ada, f"edit {number}")
    account = await harness.connect("confluence")
    await harness.sync(account)
    answer = wiki.answer

    def cut(request: Request) -> Response | None:
        if request.path.endswith("/versions"):
            return Response(200, {"results": [], "_links": {}})
        return answer(request)

    wiki.answer = cut  # type: ignore[method-assign]
    harness.clock.advance(3600)
    wiki.edit(page, harness.ada, "edit 3")
    await harness.sync(account)
    assert sorted(await harness.event_types()) == ["page_created", *["page_edited"] * 4]
