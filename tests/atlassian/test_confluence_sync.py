"""Confluence syncs: pages, blog posts and comments, by their versions, and the traps of CQL and its pages."""

import pytest

from tests.atlassian.harness import Desk
from tests.fakes.atlassian import Request, Response, html

DAY_S = 24 * 3600


async def test_what_i_did_comes_into_the_feed(desk: Desk) -> None:
    wiki, ada, grace = desk.site.confluence, desk.ada, desk.site.user("grace")
    page = wiki.create(ada, "Minutes")
    wiki.edit(page, ada, "typos")
    wiki.edit(page, grace, "hers")
    post = wiki.create(ada, "News", kind="blogpost")
    wiki.comment(page, ada, "Thank you")
    wiki.comment(post, ada, "Inline thought", inline=True)
    wiki.comment(page, grace, "You're welcome")
    await desk.sync(await desk.connect("confluence"))
    assert sorted(await desk.events(), key=str) == [
        ("blogpost_commented", "News", "Inline thought"),
        ("blogpost_created", "News", None),
        ("page_commented", "Minutes", "Thank you"),
        ("page_created", "Minutes", None),
        ("page_edited", "Minutes", "typos"),
    ]


async def test_an_event_says_who_when_and_where(desk: Desk) -> None:
    page = desk.site.confluence.create(desk.ada, "Minutes")
    account = await desk.connect("confluence")
    await desk.sync(account)
    event = (await desk.feed.list_events()).events[0]
    assert event.event_id == f"confluence:{account.account_id}:page:{page.content_id}:v1"
    assert (event.source, event.actor, event.event_time) == ("confluence", "Ada", "2026-11-23T08:00:00.000Z")
    assert event.url == f"{desk.site.url}/wiki/spaces/TEAM/pages/{page.content_id}"


async def test_syncing_again_doubles_nothing_and_reads_only_what_has_changed(desk: Desk) -> None:
    pages = [desk.site.confluence.create(desk.ada, f"Page {number}") for number in range(8)]
    account = await desk.connect("confluence")
    await desk.sync(account)
    desk.clock.advance(120)
    desk.site.confluence.edit(pages[3], desk.ada)
    desk.site.requests.clear()
    job = await desk.sync(account)
    assert {name: job["result"][name] for name in ("read", "added", "updated", "removed")} == {
        "read": 1,
        "added": 1,
        "updated": 0,
        "removed": 0,
    }
    assert [one.get("id") for one in desk.site.requests_to("/v2/pages") if one.get("id")] == [pages[3].content_id]
    assert len(await desk.types()) == 9


async def test_old_versions_of_mine_under_somebody_elses_edit_keep_their_own_time(desk: Desk) -> None:
    wiki, ada, grace = desk.site.confluence, desk.ada, desk.site.user("grace")
    now = desk.clock.now_ms()
    page = wiki.create(ada, "Ancient", at_ms=now - 500 * DAY_S * 1000)
    wiki.edit(page, ada, "older than the window", at_ms=now - 400 * DAY_S * 1000)
    wiki.edit(page, ada, "in the window", at_ms=now - 100 * DAY_S * 1000)
    wiki.edit(page, grace, "today")
    account = await desk.connect("confluence")
    await desk.sync(account)
    assert await desk.events() == [("page_edited", "Ancient", "in the window")]
    desk.clock.advance(3600)
    wiki.edit(page, grace, "again")
    job = await desk.sync(account)
    assert (job["result"]["added"], job["result"]["updated"]) == (0, 0)


async def test_a_comment_that_was_edited_is_one_event_with_its_newest_words(desk: Desk) -> None:
    wiki = desk.site.confluence
    comment = wiki.comment(wiki.create(desk.site.user("grace"), "Minutes"), desk.ada, "Thnak you")
    account = await desk.connect("confluence")
    await desk.sync(account)
    desk.clock.advance(600)
    wiki.edit_comment(comment, desk.ada, "Thank you")
    await desk.sync(account)
    event = (await desk.feed.list_events()).events[0]
    assert await desk.events() == [("page_commented", "Minutes", "Thank you")]
    assert event.event_time == "2026-11-23T08:00:00.000Z"


@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "Etc/GMT+12", "America/St_Johns"])
async def test_nothing_depends_on_the_owners_time_zone(desk: Desk, zone: str) -> None:
    desk.ada.time_zone = zone
    account = await desk.connect("confluence")
    await desk.sync(account)
    for hour in range(30):
        desk.clock.advance(3600)
        desk.site.confluence.create(desk.ada, f"Hour {hour}")
        await desk.sync(account)
        assert len(await desk.types()) == hour + 1


async def test_what_happened_within_the_minute_of_the_last_sync_is_not_lost(desk: Desk) -> None:
    account = await desk.connect("confluence")
    for second in range(8):
        desk.clock.advance(11)
        desk.site.confluence.create(desk.ada, f"Second {second}")
        await desk.sync(account)
        assert len(await desk.types()) == second + 1


async def test_an_index_that_lags_and_is_off_loses_nothing(desk: Desk) -> None:
    desk.site.confluence.lag_ms, desk.site.confluence.skew_ms = 4 * 60_000, -1_700
    account = await desk.connect("confluence")
    for number in range(12):
        desk.site.confluence.create(desk.ada, f"Page {number}")
        desk.clock.advance(60)
        await desk.sync(account)
    desk.clock.advance(300)
    await desk.sync(account)
    assert len(await desk.types()) == 12


async def test_pages_that_change_while_results_are_turned_are_not_lost(desk: Desk) -> None:
    wiki = desk.site.confluence
    pages = [wiki.create(desk.ada, f"Page {number}") for number in range(12)]
    wiki.max_page_size = 3

    def change(request: Request) -> None:
        if request.path.endswith("/rest/api/search"):
            desk.clock.advance(1)
            wiki.edit(pages[len(desk.site.requests_to("/rest/api/search")) % 3], desk.ada)

    desk.site.on_request = change
    account = await desk.connect("confluence")
    await desk.sync(account)
    desk.site.on_request = lambda _: None
    await desk.sync(account)
    types = await desk.types()
    assert types.count("page_created") == 12
    assert types.count("page_edited") == sum(len(page.versions) - 1 for page in pages)


async def test_a_next_link_to_an_empty_page_is_the_end(desk: Desk) -> None:
    desk.site.confluence.ends_with_empty_page = True
    desk.site.confluence.max_page_size = 2
    for number in range(4):
        desk.site.confluence.create(desk.ada, f"Page {number}")
    await desk.sync(await desk.connect("confluence"))
    assert len(await desk.types()) == 4


async def test_a_cursor_that_comes_again_ends_the_sync_and_moves_nothing(desk: Desk) -> None:
    desk.site.confluence.repeats_cursors = True
    desk.site.confluence.max_page_size = 2
    for number in range(9):
        desk.site.confluence.create(desk.ada, f"Page {number}")
    account = await desk.connect("confluence")
    assert (await desk.put_off(account, "retry"))["error"]["kind"] == "paging_loop"
    assert desk.position(account) is None


async def test_a_cursor_that_is_refused_begins_the_list_anew(desk: Desk) -> None:
    desk.site.confluence.max_page_size = 2
    for number in range(7):
        desk.site.confluence.create(desk.ada, f"Page {number}")
    message = "Could not parse cursor: XP-Search Aggregator"
    desk.site.fail("/rest/api/search", Response(400, {"statusCode": 400, "message": message}), skip=2)
    await desk.sync(await desk.connect("confluence"))
    assert len(await desk.types()) == 7


async def test_hundreds_of_versions_come_whole(desk: Desk) -> None:
    desk.site.confluence.versions_per_page = 40
    page = desk.site.confluence.create(desk.ada, "Busy")
    for number in range(130):
        desk.site.confluence.edit(page, desk.ada, f"edit {number}")
    await desk.sync(await desk.connect("confluence"))
    assert len(await desk.types()) == 131


async def test_a_trashed_page_takes_its_comments_along_within_a_day(desk: Desk) -> None:
    wiki = desk.site.confluence
    kept, trashed = wiki.create(desk.ada, "Kept"), wiki.create(desk.ada, "Trashed")
    wiki.comment(trashed, desk.ada, "Goes with it")
    gone = wiki.comment(kept, desk.ada, "Deleted by itself")
    account = await desk.connect("confluence")
    await desk.sync(account)
    assert len(await desk.types()) == 4
    wiki.trash(trashed)
    del wiki.contents[gone.content_id]
    desk.clock.advance(DAY_S + 1)
    job = await desk.sync(account)
    assert await desk.events() == [("page_created", "Kept", None)]
    assert job["result"]["removed"] == 3


@pytest.mark.parametrize("redirects", [True, False])
async def test_an_expired_token_is_not_believed(desk: Desk, redirects: bool) -> None:
    desk.site.confluence.anonymous_redirects = redirects
    desk.site.confluence.create(desk.ada, "Minutes")
    account = await desk.connect("confluence")
    await desk.sync(account)
    before = desk.position(account)
    desk.token().expired = True
    desk.site.confluence.create(desk.ada, "Meanwhile")
    desk.clock.advance(DAY_S + 1)
    assert (await desk.sync(account, ends="failed"))["error"]["kind"] == "needs_reauth"
    assert (desk.position(account), await desk.types()) == (before, ["page_created"])
    assert desk.status()[-1] == ("confluence", "needs_reauth", "token_rejected")
    desk.token().expired = False
    await desk.sync(account)
    assert await desk.types() == ["page_created", "page_created"]


async def test_a_token_that_expires_between_search_and_pages_loses_and_deletes_nothing(desk: Desk) -> None:
    page = desk.site.confluence.create(desk.ada, "Minutes")
    account = await desk.connect("confluence")
    await desk.sync(account)
    desk.clock.advance(60)
    desk.site.confluence.edit(page, desk.ada)

    def expire(request: Request) -> None:
        desk.token().expired = desk.token().expired or "/api/v2/pages" in request.path

    desk.site.on_request = expire
    await desk.sync(account, ends="failed")
    assert await desk.types() == ["page_created"]


async def test_what_others_did_on_what_is_mine_comes_if_i_want_that(desk: Desk) -> None:
    wiki, ada, grace = desk.site.confluence, desk.ada, desk.site.user("grace")
    mine, theirs = wiki.create(ada, "Mine"), wiki.create(grace, "Theirs")
    wiki.edit(mine, grace, "better")
    wiki.comment(mine, grace, "Nice")
    wiki.comment(theirs, grace, "None of my business")
    wiki.comment(theirs, grace, "What does Ada say?", mentions=(ada,))
    await desk.sync(await desk.connect("confluence", scope="watched"))
    assert sorted(await desk.events(), key=str) == [
        ("page_commented", "Mine", "Nice"),
        ("page_commented", "Theirs", "What does Ada say?"),
        ("page_created", "Mine", None),
        ("page_edited", "Mine", "better"),
    ]
    actors = {(one.event_type, one.actor) for one in (await desk.feed.list_events()).events}
    assert ("page_edited", "Grace") in actors


@pytest.mark.parametrize("answer", [html(200), Response(200, {"results": None}), Response(500, {})])
async def test_a_bad_answer_moves_nothing(desk: Desk, answer: Response) -> None:
    desk.site.confluence.create(desk.ada, "Minutes")
    desk.site.fail("/rest/api/search", answer, times=4)
    account = await desk.connect("confluence")
    await desk.put_off(account, "retry")
    assert (desk.position(account), await desk.types()) == (None, [])


async def test_an_hour_of_rate_limit_puts_the_job_off(desk: Desk) -> None:
    desk.site.fail("/rest/api/search", Response(429, {}, {"Retry-After": "3600"}))
    account = await desk.connect("confluence")
    assert (await desk.put_off(account, "rate_limit"))["run_at"] == "2026-11-23T09:00:00.000Z"
