"""Confluence syncs: the versions of pages and blog posts, comments, and the traps of CQL and its paging."""

import pytest

from tests.atlassian.harness import AtlassianHarness
from tests.fakes.atlassian import Request, Response, html

DAY_S = 24 * 3600


async def test_the_owners_actions_appear_in_the_feed(harness: AtlassianHarness) -> None:
    wiki, ada, grace = harness.site.confluence, harness.ada, harness.site.user("grace")
    page = wiki.create(ada, "Minutes")
    wiki.edit(page, ada, "typos")
    wiki.edit(page, grace, "hers")
    post = wiki.create(ada, "News", kind="blogpost")
    wiki.comment(page, ada, "Thank you")
    wiki.comment(post, ada, "Inline thought", inline=True)
    wiki.comment(page, grace, "You're welcome")
    await harness.sync(await harness.connect("confluence"))
    assert sorted(await harness.events(), key=str) == [
        ("blogpost_commented", "News", "Inline thought"),
        ("blogpost_created", "News", None),
        ("page_commented", "Minutes", "Thank you"),
        ("page_created", "Minutes", None),
        ("page_edited", "Minutes", "typos"),
    ]


async def test_an_event_has_its_actor_time_and_url(harness: AtlassianHarness) -> None:
    page = harness.site.confluence.create(harness.ada, "Minutes")
    account = await harness.connect("confluence")
    await harness.sync(account)
    event = (await harness.feed.list_events()).events[0]
    assert event.event_id == f"confluence:{account.account_id}:page:{page.content_id}:v1"
    assert (event.source, event.actor, event.event_time) == ("confluence", "Ada", "2026-11-23T08:00:00.000Z")
    assert event.url == f"{harness.site.url}/wiki/spaces/TEAM/pages/{page.content_id}"


async def test_a_second_sync_duplicates_nothing_and_reads_only_changed_pages(harness: AtlassianHarness) -> None:
    pages = [harness.site.confluence.create(harness.ada, f"Page {number}") for number in range(8)]
    account = await harness.connect("confluence")
    await harness.sync(account)
    harness.clock.advance(120)
    harness.site.confluence.edit(pages[3], harness.ada)
    harness.site.requests.clear()
    job = await harness.sync(account)
    assert {name: job["result"][name] for name in ("read", "added", "updated", "removed")} == {
        "read": 1,
        "added": 1,
        "updated": 0,
        "removed": 0,
    }
    assert [one.get("id") for one in harness.site.requests_to("/v2/pages") if one.get("id")] == [pages[3].content_id]
    assert len(await harness.event_types()) == 9


async def test_the_owners_old_versions_keep_their_time_when_another_user_edits_the_page(
    harness: AtlassianHarness,
) -> None:
    wiki, ada, grace = harness.site.confluence, harness.ada, harness.site.user("grace")
    now = harness.clock.now_ms()
    page = wiki.create(ada, "Ancient", at_ms=now - 500 * DAY_S * 1000)
    wiki.edit(page, ada, "older than the window", at_ms=now - 400 * DAY_S * 1000)
    wiki.edit(page, ada, "in the window", at_ms=now - 100 * DAY_S * 1000)
    wiki.edit(page, grace, "today")
    account = await harness.connect("confluence")
    await harness.sync(account)
    assert await harness.events() == [("page_edited", "Ancient", "in the window")]
    harness.clock.advance(3600)
    wiki.edit(page, grace, "again")
    job = await harness.sync(account)
    assert (job["result"]["added"], job["result"]["updated"]) == (0, 0)


async def test_an_edited_comment_is_one_event_with_its_latest_text(harness: AtlassianHarness) -> None:
    wiki = harness.site.confluence
    comment = wiki.comment(wiki.create(harness.site.user("grace"), "Minutes"), harness.ada, "Thnak you")
    account = await harness.connect("confluence")
    await harness.sync(account)
    harness.clock.advance(600)
    wiki.edit_comment(comment, harness.ada, "Thank you")
    await harness.sync(account)
    event = (await harness.feed.list_events()).events[0]
    assert await harness.events() == [("page_commented", "Minutes", "Thank you")]
    assert event.event_time == "2026-11-23T08:00:00.000Z"


@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "Etc/GMT+12", "America/St_Johns"])
async def test_nothing_depends_on_the_owners_time_zone(harness: AtlassianHarness, zone: str) -> None:
    harness.ada.time_zone = zone
    account = await harness.connect("confluence")
    await harness.sync(account)
    for hour in range(30):
        harness.clock.advance(3600)
        harness.site.confluence.create(harness.ada, f"Hour {hour}")
        await harness.sync(account)
        assert len(await harness.event_types()) == hour + 1


async def test_changes_within_the_minute_of_the_last_sync_are_not_lost(harness: AtlassianHarness) -> None:
    account = await harness.connect("confluence")
    for second in range(8):
        harness.clock.advance(11)
        harness.site.confluence.create(harness.ada, f"Second {second}")
        await harness.sync(account)
        assert len(await harness.event_types()) == second + 1


async def test_a_lagging_index_with_wrong_times_loses_nothing(harness: AtlassianHarness) -> None:
    harness.site.confluence.lag_ms, harness.site.confluence.skew_ms = 4 * 60_000, -1_700
    account = await harness.connect("confluence")
    for number in range(12):
        harness.site.confluence.create(harness.ada, f"Page {number}")
        harness.clock.advance(60)
        await harness.sync(account)
    harness.clock.advance(300)
    await harness.sync(account)
    assert len(await harness.event_types()) == 12


async def test_pages_that_change_during_the_paging_are_not_lost(harness: AtlassianHarness) -> None:
    wiki = harness.site.confluence
    pages = [wiki.create(harness.ada, f"Page {number}") for number in range(12)]
    wiki.max_page_size = 3

    def change(request: Request) -> None:
        if request.path.endswith("/rest/api/search"):
            harness.clock.advance(1)
            wiki.edit(pages[len(harness.site.requests_to("/rest/api/search")) % 3], harness.ada)

    harness.site.on_request = change
    account = await harness.connect("confluence")
    await harness.sync(account)
    harness.site.on_request = lambda _: None
    await harness.sync(account)
    types = await harness.event_types()
    assert types.count("page_created") == 12
    assert types.count("page_edited") == sum(len(page.versions) - 1 for page in pages)


async def test_a_link_to_an_empty_page_ends_the_list(harness: AtlassianHarness) -> None:
    harness.site.confluence.ends_with_empty_page = True
    harness.site.confluence.max_page_size = 2
    for number in range(4):
        harness.site.confluence.create(harness.ada, f"Page {number}")
    await harness.sync(await harness.connect("confluence"))
    assert len(await harness.event_types()) == 4


async def test_a_repeated_page_cursor_ends_the_sync_and_does_not_advance_its_cursor(harness: AtlassianHarness) -> None:
    harness.site.confluence.repeats_cursors = True
    harness.site.confluence.max_page_size = 2
    for number in range(9):
        harness.site.confluence.create(harness.ada, f"Page {number}")
    account = await harness.connect("confluence")
    assert (await harness.sync_until_snoozed(account, "retry"))["error"]["kind"] == "paging_loop"
    assert harness.stored_cursor(account) is None


async def test_a_refused_page_cursor_starts_the_list_over(harness: AtlassianHarness) -> None:
    harness.site.confluence.max_page_size = 2
    for number in range(7):
        harness.site.confluence.create(harness.ada, f"Page {number}")
    message = "Could not parse cursor: XP-Search Aggregator"
    harness.site.fail("/rest/api/search", Response(400, {"statusCode": 400, "message": message}), skip=2)
    await harness.sync(await harness.connect("confluence"))
    assert len(await harness.event_types()) == 7


async def test_hundreds_of_versions_are_read_completely(harness: AtlassianHarness) -> None:
    harness.site.confluence.versions_per_page = 40
    page = harness.site.confluence.create(harness.ada, "Busy")
    for number in range(130):
        harness.site.confluence.edit(page, harness.ada, f"edit {number}")
    await harness.sync(await harness.connect("confluence"))
    assert len(await harness.event_types()) == 131


async def test_a_trashed_page_is_removed_with_its_comments_after_a_day(harness: AtlassianHarness) -> None:
    wiki = harness.site.confluence
    kept, trashed = wiki.create(harness.ada, "Kept"), wiki.create(harness.ada, "Trashed")
    wiki.comment(trashed, harness.ada, "Goes with it")
    deleted = wiki.comment(kept, harness.ada, "Deleted")
    account = await harness.connect("confluence")
    await harness.sync(account)
    assert len(await harness.event_types()) == 4
    wiki.trash(trashed)
    del wiki.contents[deleted.content_id]
    harness.clock.advance(DAY_S + 1)
    await harness.sync(account)
    assert len(await harness.event_types()) == 4
    harness.clock.advance(DAY_S + 1)
    job = await harness.sync(account)
    assert await harness.events() == [("page_created", "Kept", None)]
    assert job["result"]["removed"] == 3


@pytest.mark.parametrize("redirects", [True, False])
async def test_an_empty_result_for_an_expired_token_is_not_trusted(harness: AtlassianHarness, redirects: bool) -> None:
    harness.site.confluence.anonymous_redirects = redirects
    harness.site.confluence.create(harness.ada, "Minutes")
    account = await harness.connect("confluence")
    await harness.sync(account)
    before = harness.stored_cursor(account)
    harness.token().expired = True
    harness.site.confluence.create(harness.ada, "Meanwhile")
    harness.clock.advance(DAY_S + 1)
    assert (await harness.sync(account, ends="failed"))["error"]["kind"] == "account_refused"
    assert (harness.stored_cursor(account), await harness.event_types()) == (before, ["page_created"])
    assert harness.status_updates()[-1] == ("confluence", "retrying", "token_rejected")
    harness.token().expired = False
    await harness.sync(account)
    assert await harness.event_types() == ["page_created", "page_created"]


async def test_a_token_that_expires_between_search_and_pages_loses_and_deletes_nothing(
    harness: AtlassianHarness,
) -> None:
    page = harness.site.confluence.create(harness.ada, "Minutes")
    account = await harness.connect("confluence")
    await harness.sync(account)
    harness.clock.advance(60)
    harness.site.confluence.edit(page, harness.ada)

    def expire(request: Request) -> None:
        harness.token().expired = harness.token().expired or "/api/v2/pages" in request.path

    harness.site.on_request = expire
    await harness.sync(account, ends="failed")
    assert await harness.event_types() == ["page_created"]


async def test_others_actions_on_the_owners_objects_appear_in_scope_watched(harness: AtlassianHarness) -> None:
    wiki, ada, grace = harness.site.confluence, harness.ada, harness.site.user("grace")
    mine, theirs = wiki.create(ada, "Mine"), wiki.create(grace, "Theirs")
    wiki.edit(mine, grace, "better")
    wiki.comment(mine, grace, "Nice")
    wiki.comment(theirs, grace, "None of my business")
    wiki.comment(theirs, grace, "What does Ada say?", mentions=(ada,))
    await harness.sync(await harness.connect("confluence", scope="watched"))
    assert sorted(await harness.events(), key=str) == [
        ("page_commented", "Mine", "Nice"),
        ("page_commented", "Theirs", "What does Ada say?"),
        ("page_created", "Mine", None),
        ("page_edited", "Mine", "better"),
    ]
    actors = {(one.event_type, one.actor) for one in (await harness.feed.list_events()).events}
    assert ("page_edited", "Grace") in actors


@pytest.mark.parametrize("response", [html(200), Response(200, {"results": None}), Response(500, {})])
async def test_a_bad_response_does_not_advance_the_cursor(harness: AtlassianHarness, response: Response) -> None:
    harness.site.confluence.create(harness.ada, "Minutes")
    harness.site.fail("/rest/api/search", response, times=4)
    account = await harness.connect("confluence")
    await harness.sync_until_snoozed(account, "retry")
    assert (harness.stored_cursor(account), await harness.event_types()) == (None, [])


async def test_a_rate_limit_of_an_hour_snoozes_the_job(harness: AtlassianHarness) -> None:
    harness.site.fail("/rest/api/search", Response(429, {}, {"Retry-After": "3600"}))
    account = await harness.connect("confluence")
    assert (await harness.sync_until_snoozed(account, "rate_limit"))["run_at"] == "2026-11-23T09:00:00.000Z"
