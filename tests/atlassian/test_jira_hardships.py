"""Jira syncs when the site lags, changes under the reader, or answers badly: nothing is lost, nothing is believed."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.atlassian.harness import Desk
from tests.fakes.atlassian import LOGIN, Request, Response, html

PROBLEM = {"Content-Type": "application/problem+json"}


async def test_issues_that_change_while_pages_are_turned_are_not_lost(desk: Desk) -> None:
    jira, now = desk.site.jira, desk.clock.now_ms()
    # An hour apart: what is missed once lies before the overlap of the next sync.
    issues = [jira.create(desk.ada, f"Task {n}", at_ms=now - (41 - n) * 3_600_000) for n in range(40)]
    jira.max_page_size = 10

    def change(request: Request) -> None:
        if request.path.endswith("search/jql"):
            desk.clock.advance(1)
            pages = len(desk.site.requests_to("search/jql"))
            jira.comment(issues[pages % 10], desk.ada, f"While page {pages} was read")

    desk.site.on_request = change
    account = await desk.connect()
    await desk.sync(account)
    desk.site.on_request = lambda _: None
    await desk.sync(account)
    types = await desk.types()
    assert (types.count("issue_created"), types.count("issue_commented")) == (40, sum(len(i.comments) for i in issues))


async def test_an_issue_that_changes_all_the_time_is_collected(desk: Desk) -> None:
    issue = desk.site.jira.create(desk.ada, "Busy")
    account = await desk.connect()
    for number in range(6):
        desk.clock.advance(16 * 60)
        desk.site.jira.comment(issue, desk.ada, f"Round {number}")
        await desk.sync(account)
        assert (await desk.types()).count("issue_commented") == number + 1


async def test_what_the_search_learns_late_is_not_lost(desk: Desk) -> None:
    desk.site.jira.lag_ms = 5 * 60_000
    account = await desk.connect()
    await desk.sync(account)
    for number in range(20):
        desk.site.jira.create(desk.ada, f"Minute {number}")
        desk.clock.advance(60)
        await desk.sync(account)
    desk.clock.advance(300)
    await desk.sync(account)
    assert len(await desk.types()) == 20


async def test_an_issue_that_the_search_learns_of_after_a_later_one_is_not_lost(desk: Desk) -> None:
    account = await desk.connect()
    await desk.sync(account)
    slow = desk.site.jira.create(desk.ada, "Slow")
    desk.site.jira.lag_ms, desk.site.jira.lagging = 5 * 60_000, {slow.issue_id}
    desk.clock.advance(60)
    desk.site.jira.create(desk.ada, "Quick")
    desk.clock.advance(150)
    await desk.sync(account)
    assert len(await desk.types()) == 1
    desk.clock.advance(120)
    await desk.sync(account)
    assert len(await desk.types()) == 2


async def test_one_answer_to_nobody_is_enough_although_the_token_is_good_before_and_after(desk: Desk) -> None:
    desk.site.jira.create(desk.ada, "Engine")
    headers = {"X-Seraph-LoginReason": "AUTHENTICATED_FAILED"}
    desk.site.fail("search/jql", Response(200, {"issues": [], "isLast": True}, headers))
    account = await desk.connect()
    await desk.until(lambda _: [one for one in desk.status() if one[1] == "needs_reauth"])
    assert desk.position(account) is None


async def test_a_page_token_that_comes_again_ends_the_sync_and_moves_nothing(desk: Desk) -> None:
    desk.site.jira.max_page_size = 2
    desk.site.jira.repeats_tokens = True
    for number in range(9):
        desk.site.jira.create(desk.ada, f"Task {number}")
    account = await desk.connect()
    put_off = await desk.put_off(account, "retry")
    assert (put_off["error"]["kind"], desk.position(account)) == ("paging_loop", None)
    desk.site.jira.repeats_tokens = False
    desk.clock.advance(60)
    await desk.sync(account)
    assert len(await desk.types()) == 9


async def test_an_expired_page_token_begins_the_list_anew(desk: Desk) -> None:
    desk.site.jira.max_page_size = 2
    for number in range(9):
        desk.site.jira.create(desk.ada, f"Task {number}")
    desk.site.fail("search/jql", Response(400, {"errorMessages": ["Das Token ist abgelaufen."]}), skip=2)
    await desk.sync(await desk.connect())
    assert len(await desk.types()) == 9


async def test_page_tokens_that_are_never_taken_end_the_sync(desk: Desk) -> None:
    desk.site.jira.max_page_size = 2
    desk.site.jira.refuses_tokens = True
    for number in range(9):
        desk.site.jira.create(desk.ada, f"Task {number}")
    account = await desk.connect()
    assert (await desk.put_off(account, "retry"))["error"]["kind"] == "request_refused"
    assert desk.position(account) is None


@pytest.mark.parametrize("sends_login_reason", [True, False])
async def test_a_token_that_expires_while_pages_are_turned_loses_nothing(desk: Desk, sends_login_reason: bool) -> None:
    desk.site.sends_login_reason = sends_login_reason
    desk.site.jira.max_page_size = 3
    for number in range(9):
        desk.site.jira.create(desk.ada, f"Task {number}")

    def expire(request: Request) -> None:
        desk.token().expired = len(desk.site.requests_to("search/jql")) >= 2

    desk.site.on_request = expire
    account = await desk.connect()
    await desk.sync(account, ends="failed")
    assert desk.position(account) is None
    assert desk.status()[-1] == ("jira", "needs_reauth", "token_rejected")
    desk.site.on_request = lambda _: None
    desk.token().expired = False
    await desk.sync(account)
    assert len(await desk.types()) == 9
    assert desk.status()[-1] == ("jira", "active", None)


@pytest.mark.parametrize("sends_login_reason", [True, False])
async def test_an_expired_token_answers_with_nothing_and_is_not_believed(desk: Desk, sends_login_reason: bool) -> None:
    desk.site.sends_login_reason = sends_login_reason
    issue = desk.site.jira.create(desk.ada, "Engine")
    account = await desk.connect()
    await desk.sync(account)
    before = desk.position(account)
    desk.received.clear()
    desk.token().expired = True
    desk.site.jira.comment(issue, desk.ada, "Meanwhile")
    desk.clock.advance(25 * 3600)  # the daily search for deleted issues would be due
    for _ in range(3):
        job = await desk.sync(account, ends="failed")
        assert (job["error"]["kind"], job["error"]["retryable"]) == ("needs_reauth", False)
    assert "id.atlassian.com" in job["error"]["hint"]
    (listed,) = (await desk.call("jira.accounts.list"))["accounts"]
    assert (listed["reason"], listed["hint"]) == ("token_rejected", job["error"]["hint"])
    assert desk.position(account) == before
    assert desk.status() == [("jira", "needs_reauth", "token_rejected")]
    assert [one["schedule_id"] for one in (await desk.call("jobs.schedules.list"))["schedules"]] == []
    assert await desk.types() == ["issue_created"]
    token = desk.site.token(desk.ada, "a-new-token")
    await desk.call("jira.accounts.update", {"account_id": account.account_id, "api_token": token})
    await desk.sync(account)
    assert sorted(await desk.types()) == ["issue_commented", "issue_created"]
    assert desk.status()[1:] == [("jira", "active", None)]
    assert len((await desk.call("jobs.schedules.list"))["schedules"]) == 1


@pytest.mark.parametrize("sends_login_reason", [True, False])
async def test_nothing_is_deleted_on_the_word_of_an_answer_to_nobody(desk: Desk, sends_login_reason: bool) -> None:
    desk.site.sends_login_reason = sends_login_reason
    issue = desk.site.jira.create(desk.ada, "Engine")
    account = await desk.connect()
    await desk.sync(account)
    desk.clock.advance(60)
    desk.site.jira.comment(issue, desk.ada, "More")

    def expire(request: Request) -> None:
        desk.token().expired = request.path.endswith("issue/bulkfetch") or desk.token().expired

    desk.site.on_request = expire
    await desk.sync(account, ends="failed")
    assert await desk.types() == ["issue_created"]


async def test_an_hour_of_rate_limit_puts_the_job_off_and_frees_the_worker(desk: Desk) -> None:
    desk.site.jira.create(desk.ada, "Engine")
    headers = {"Retry-After": "3600", "RateLimit-Reason": "jira-quota-tenant-based"}
    desk.site.fail("search/jql", Response(429, {"errorMessages": ["Zu viele Anfragen"]}, headers))
    account = await desk.connect()
    job = await desk.put_off(account, "rate_limit")
    assert (job["status"], job["run_at"], desk.pauses) == ("queued", "2026-11-23T09:00:00.000Z", [])
    backup = await desk.call("jobs.create", {"type": "test.echo", "payload": {"text": "free"}})
    await desk.until_job(backup["job"]["job_id"], "succeeded")
    desk.clock.advance(3601)
    desk.look_for_jobs()
    await desk.until_job(job["job_id"], "succeeded")
    assert await desk.types() == ["issue_created"]


async def test_a_short_pause_is_sat_out(desk: Desk) -> None:
    desk.site.jira.create(desk.ada, "Engine")
    desk.site.fail("search/jql", Response(429, {}, {"Retry-After": "7"}))
    desk.site.fail("changelog", Response(503, {}, {"Retry-After": "3"}))
    await desk.sync(await desk.connect())
    assert (await desk.types(), desk.pauses) == (["issue_created"], [7.0, 3.0])


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (html(200, "We are down for maintenance"), "bad_response"),
        (Response(200, {}), "bad_response"),
        (Response(200, b'{"issues": [', {}), "bad_response"),
        (Response(500, {"type": "about:blank", "title": "Interner Fehler", "status": 500}, PROBLEM), "site_error"),
        (Response(400, {"errorMessages": ["Das Feld »updated« gibt es nicht."], "errors": {}}), "request_refused"),
    ],
    ids=["html", "no list", "cut json", "problem+json", "localized"],
)
async def test_a_bad_answer_is_tried_again_later_and_moves_nothing(desk: Desk, answer: Response, kind: str) -> None:
    desk.site.jira.create(desk.ada, "Engine")
    desk.site.fail("search/jql", answer, times=4)
    account = await desk.connect()
    job = await desk.put_off(account, "retry")
    assert (job["error"]["kind"], desk.position(account), await desk.types()) == (kind, None, [])
    desk.site.faults.clear()
    desk.clock.advance(60)
    await desk.sync(account)
    assert await desk.types() == ["issue_created"]


@pytest.mark.parametrize(
    ("location", "kind"),
    [(LOGIN, "needs_reauth"), ("https://renamed.atlassian.net/rest", "site_moved"), ("http://[", "site_moved")],
)
async def test_a_redirect_is_never_followed(desk: Desk, location: str, kind: str) -> None:
    account = await desk.connect()
    await desk.sync(account)
    desk.site.fail("search/jql", Response(302, b"", {"Location": location}))
    assert (await desk.sync(account, ends="failed"))["error"]["kind"] == kind


async def test_a_lost_permission_is_not_a_lost_token(desk: Desk) -> None:
    account = await desk.connect()
    await desk.sync(account)
    desk.site.fail("search/jql", Response(403, {"errorMessages": ["Keine Berechtigung"]}))
    assert (await desk.sync(account, ends="failed"))["error"]["kind"] == "permission_denied"
    assert desk.status()[-1] == ("jira", "active", None)


async def test_issues_whose_answer_does_not_arrive_whole_are_asked_for_in_halves(desk: Desk) -> None:
    for number in range(16):
        desk.site.jira.create(desk.ada, f"Task {number}")
    answer = desk.site.jira.answer

    def cut(request: Request) -> Response | None:
        ids = request.body["issueIdsOrKeys"] if request.path.endswith("issue/bulkfetch") else []
        return Response(200, b'{"issues": [{') if len(ids) > 3 else answer(request)

    desk.site.jira.answer = cut  # type: ignore[method-assign]
    await desk.sync(await desk.connect())
    assert len(await desk.types()) == 16


STRANGE: list[Callable[[Any], Any]] = [
    lambda issue: issue.histories.append({"id": "1", "author": None, "created": None, "items": None}),
    lambda issue: issue.histories.append({"author": {}, "created": "yesterday", "items": [{"field": "status"}]}),
    lambda issue: issue.comments.append({"id": "2", "body": None, "created": "2026-11-23T07:00:00.000+0000"}),
    lambda issue: issue.comments.append({"id": None, "author": "ada", "body": 7}),
    lambda issue: issue.worklogs.append({"id": "3", "started": "2026-13-40", "timeSpentSeconds": None}),
    lambda issue: issue.fields.update(summary=None, project=None, description="A text", parent=None),
]


@pytest.mark.parametrize("spoil", STRANGE)
async def test_what_is_strange_is_left_out_and_the_rest_comes(desk: Desk, spoil: Callable[[Any], Any]) -> None:
    spoil(desk.site.jira.create(desk.ada, "Strange"))
    desk.site.jira.create(desk.ada, "Good")
    await desk.sync(await desk.connect())
    assert (await desk.types()).count("issue_created") == 2


async def test_a_site_that_sends_no_date_is_synced_by_our_own_clock(desk: Desk) -> None:
    desk.site.sends_date = False
    desk.site.jira.create(desk.ada, "Engine")
    await desk.sync(await desk.connect())
    assert await desk.types() == ["issue_created"]
