"""Jira syncs when the search lags, issues change during the paging, or responses are bad: no event is lost."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.atlassian.harness import AtlassianHarness
from tests.fakes.atlassian import LOGIN, Request, Response, html

PROBLEM = {"Content-Type": "application/problem+json"}


async def test_issues_that_change_during_the_paging_are_not_lost(harness: AtlassianHarness) -> None:
    jira, now = harness.site.jira, harness.clock.now_ms()
    # An hour apart, so that the next sync's overlap does not make up for a missed one.
    issues = [jira.create(harness.ada, f"Task {n}", at_ms=now - (41 - n) * 3_600_000) for n in range(40)]
    jira.max_page_size = 10

    def change(request: Request) -> None:
        if request.path.endswith("search/jql"):
            harness.clock.advance(1)
            pages = len(harness.site.requests_to("search/jql"))
            jira.comment(issues[pages % 10], harness.ada, f"While page {pages} was read")

    harness.site.on_request = change
    account = await harness.connect()
    await harness.sync(account)
    harness.site.on_request = lambda _: None
    await harness.sync(account)
    types = await harness.event_types()
    assert (types.count("issue_created"), types.count("issue_commented")) == (40, sum(len(i.comments) for i in issues))


async def test_an_issue_that_changes_all_the_time_is_read(harness: AtlassianHarness) -> None:
    issue = harness.site.jira.create(harness.ada, "Busy")
    account = await harness.connect()
    for number in range(6):
        harness.clock.advance(16 * 60)
        harness.site.jira.comment(issue, harness.ada, f"Round {number}")
        await harness.sync(account)
        assert (await harness.event_types()).count("issue_commented") == number + 1


async def test_changes_that_the_search_finds_late_are_not_lost(harness: AtlassianHarness) -> None:
    harness.site.jira.lag_ms = 5 * 60_000
    account = await harness.connect()
    await harness.sync(account)
    for number in range(20):
        harness.site.jira.create(harness.ada, f"Minute {number}")
        harness.clock.advance(60)
        await harness.sync(account)
    harness.clock.advance(300)
    await harness.sync(account)
    assert len(await harness.event_types()) == 20


async def test_an_issue_that_the_search_finds_after_a_newer_one_is_not_lost(harness: AtlassianHarness) -> None:
    account = await harness.connect()
    await harness.sync(account)
    slow = harness.site.jira.create(harness.ada, "Slow")
    harness.site.jira.lag_ms, harness.site.jira.lagging = 5 * 60_000, {slow.issue_id}
    harness.clock.advance(60)
    harness.site.jira.create(harness.ada, "Quick")
    harness.clock.advance(150)
    await harness.sync(account)
    assert len(await harness.event_types()) == 1
    harness.clock.advance(120)
    await harness.sync(account)
    assert len(await harness.event_types()) == 2


async def test_one_anonymous_response_ends_the_sync_although_the_token_works_before_and_after(
    harness: AtlassianHarness,
) -> None:
    harness.site.jira.create(harness.ada, "Engine")
    headers = {"X-Seraph-LoginReason": "AUTHENTICATED_FAILED"}
    harness.site.fail("search/jql", Response(200, {"issues": [], "isLast": True}, headers))
    account = await harness.connect()
    await harness.until(lambda _: [one for one in harness.status_updates() if one[1] == "retrying"])
    assert harness.stored_cursor(account) is None


async def test_a_repeated_page_token_ends_the_sync_and_does_not_advance_the_cursor(harness: AtlassianHarness) -> None:
    harness.site.jira.max_page_size = 2
    harness.site.jira.repeats_tokens = True
    for number in range(9):
        harness.site.jira.create(harness.ada, f"Task {number}")
    account = await harness.connect()
    snoozed = await harness.sync_until_snoozed(account, "retry")
    assert (snoozed["error"]["kind"], harness.stored_cursor(account)) == ("paging_loop", None)
    harness.site.jira.repeats_tokens = False
    harness.clock.advance(60)
    await harness.sync(account)
    assert len(await harness.event_types()) == 9


async def test_an_expired_page_token_starts_the_list_over(harness: AtlassianHarness) -> None:
    harness.site.jira.max_page_size = 2
    for number in range(9):
        harness.site.jira.create(harness.ada, f"Task {number}")
    harness.site.fail("search/jql", Response(400, {"errorMessages": ["Das Token ist abgelaufen."]}), skip=2)
    await harness.sync(await harness.connect())
    assert len(await harness.event_types()) == 9


async def test_page_tokens_that_are_always_refused_end_the_sync(harness: AtlassianHarness) -> None:
    harness.site.jira.max_page_size = 2
    harness.site.jira.refuses_tokens = True
    for number in range(9):
        harness.site.jira.create(harness.ada, f"Task {number}")
    account = await harness.connect()
    assert (await harness.sync_until_snoozed(account, "retry"))["error"]["kind"] == "request_refused"
    assert harness.stored_cursor(account) is None


@pytest.mark.parametrize("sends_login_reason", [True, False])
async def test_a_token_that_expires_during_the_paging_loses_nothing(
    harness: AtlassianHarness, sends_login_reason: bool
) -> None:
    harness.site.sends_login_reason = sends_login_reason
    harness.site.jira.max_page_size = 3
    for number in range(9):
        harness.site.jira.create(harness.ada, f"Task {number}")

    def expire(request: Request) -> None:
        harness.token().expired = len(harness.site.requests_to("search/jql")) >= 2

    harness.site.on_request = expire
    account = await harness.connect()
    await harness.sync(account, ends="failed")
    assert harness.stored_cursor(account) is None
    assert harness.status_updates()[-1] == ("jira", "retrying", "token_rejected")
    harness.site.on_request = lambda _: None
    harness.token().expired = False
    await harness.sync(account)
    assert len(await harness.event_types()) == 9
    assert harness.status_updates()[-1] == ("jira", "active", None)


@pytest.mark.parametrize("sends_login_reason", [True, False])
async def test_an_empty_result_for_an_expired_token_changes_nothing(
    harness: AtlassianHarness, sends_login_reason: bool
) -> None:
    harness.site.sends_login_reason = sends_login_reason
    issue = harness.site.jira.create(harness.ada, "Engine")
    account = await harness.connect()
    await harness.sync(account)
    before = harness.stored_cursor(account)
    harness.received.clear()
    harness.token().expired = True
    harness.site.jira.comment(issue, harness.ada, "Meanwhile")
    harness.clock.advance(25 * 3600)  # the daily search for deleted issues is due
    for kind in ("account_refused", "account_refused", "needs_reauth"):
        harness.clock.advance(3_600 if kind == "needs_reauth" else 60)
        job = await harness.sync(account, ends="failed")
        assert (job["error"]["kind"], job["error"]["retryable"]) == (kind, False)
    assert "id.atlassian.com" in job["error"]["hint"]
    (listed,) = (await harness.call("jira.accounts.list"))["accounts"]
    assert (listed["reason"], job["error"]["hint"] in listed["hint"]) == ("token_rejected", True)
    assert harness.stored_cursor(account) == before
    assert harness.status_updates() == [("jira", status, "token_rejected") for status in ("retrying", "needs_reauth")]
    assert await harness.event_types() == ["issue_created"]
    token = harness.site.token(harness.ada, "a-new-token")
    await harness.call("jira.accounts.update", {"account_id": account.account_id, "api_token": token})
    await harness.sync(account)
    assert sorted(await harness.event_types()) == ["issue_commented", "issue_created"]
    assert harness.status_updates()[2:] == [("jira", "active", None)]
    assert len((await harness.call("jobs.schedules.list"))["schedules"]) == 1


@pytest.mark.parametrize("sends_login_reason", [True, False])
async def test_an_anonymous_response_deletes_nothing(harness: AtlassianHarness, sends_login_reason: bool) -> None:
    harness.site.sends_login_reason = sends_login_reason
    issue = harness.site.jira.create(harness.ada, "Engine")
    account = await harness.connect()
    await harness.sync(account)
    harness.clock.advance(60)
    harness.site.jira.comment(issue, harness.ada, "More")

    def expire(request: Request) -> None:
        harness.token().expired = request.path.endswith("issue/bulkfetch") or harness.token().expired

    harness.site.on_request = expire
    await harness.sync(account, ends="failed")
    assert await harness.event_types() == ["issue_created"]


async def test_a_rate_limit_of_an_hour_snoozes_the_job_and_frees_the_worker(harness: AtlassianHarness) -> None:
    harness.site.jira.create(harness.ada, "Engine")
    headers = {"Retry-After": "3600", "RateLimit-Reason": "jira-quota-tenant-based"}
    harness.site.fail("search/jql", Response(429, {"errorMessages": ["Zu viele Anfragen"]}, headers))
    account = await harness.connect()
    job = await harness.sync_until_snoozed(account, "rate_limit")
    assert (job["status"], job["run_at"], harness.pauses) == ("queued", "2026-11-23T09:00:00.000Z", [])
    other = await harness.call("jobs.create", {"type": "test.echo", "payload": {"text": "free"}})
    await harness.until_job(other["job"]["job_id"], "succeeded")
    harness.clock.advance(3601)
    harness.look_for_jobs()
    await harness.until_job(job["job_id"], "succeeded")
    assert await harness.event_types() == ["issue_created"]


async def test_a_short_pause_is_waited_for(harness: AtlassianHarness) -> None:
    harness.site.jira.create(harness.ada, "Engine")
    harness.site.fail("search/jql", Response(429, {}, {"Retry-After": "7"}))
    harness.site.fail("changelog", Response(503, {}, {"Retry-After": "3"}))
    await harness.sync(await harness.connect())
    assert (await harness.event_types(), harness.pauses) == (["issue_created"], [7.0, 3.0])


@pytest.mark.parametrize(
    ("response", "kind"),
    [
        (html(200, "We are down for maintenance"), "bad_response"),
        (Response(200, {}), "bad_response"),
        (Response(200, b'{"issues": [', {}), "bad_response"),
        (Response(500, {"type": "about:blank", "title": "Interner Fehler", "status": 500}, PROBLEM), "site_error"),
        (Response(400, {"errorMessages": ["Das Feld »updated« gibt es nicht."], "errors": {}}), "request_refused"),
    ],
    ids=["html", "no list", "cut json", "problem+json", "localized"],
)
async def test_a_bad_response_is_retried_later_and_does_not_advance_the_cursor(
    harness: AtlassianHarness, response: Response, kind: str
) -> None:
    harness.site.jira.create(harness.ada, "Engine")
    harness.site.fail("search/jql", response, times=4)
    account = await harness.connect()
    job = await harness.sync_until_snoozed(account, "retry")
    assert (job["error"]["kind"], harness.stored_cursor(account), await harness.event_types()) == (kind, None, [])
    harness.site.faults.clear()
    harness.clock.advance(60)
    await harness.sync(account)
    assert await harness.event_types() == ["issue_created"]


@pytest.mark.parametrize(
    ("location", "reason"),
    [(LOGIN, "token_rejected"), ("https://renamed.atlassian.net/rest", "site_moved"), ("http://[", "site_moved")],
)
async def test_a_redirect_is_never_followed(harness: AtlassianHarness, location: str, reason: str) -> None:
    account = await harness.connect()
    await harness.sync(account)
    harness.site.fail("search/jql", Response(302, b"", {"Location": location}))
    assert (await harness.sync(account, ends="failed"))["error"]["details"] == {"reason": reason}


async def test_a_missing_permission_does_not_count_as_a_rejected_token(harness: AtlassianHarness) -> None:
    account = await harness.connect()
    await harness.sync(account)
    harness.site.fail("search/jql", Response(403, {"errorMessages": ["Keine Berechtigung"]}))
    assert (await harness.sync(account, ends="failed"))["error"]["kind"] == "account_refused"
    assert harness.status_updates()[-1] == ("jira", "retrying", "access_denied")


async def test_issues_in_a_truncated_response_are_requested_in_halves(harness: AtlassianHarness) -> None:
    for number in range(16):
        harness.site.jira.create(harness.ada, f"Task {number}")
    answer = harness.site.jira.answer

    def cut(request: Request) -> Response | None:
        ids = request.body["issueIdsOrKeys"] if request.path.endswith("issue/bulkfetch") else []
        return Response(200, b'{"issues": [{') if len(ids) > 3 else answer(request)

    harness.site.jira.answer = cut  # type: ignore[method-assign]
    await harness.sync(await harness.connect())
    assert len(await harness.event_types()) == 16


ADA = {"author": {"accountId": "557058:ada-0000"}}
FUTURE = "9999-12-31T23:59:59.999-1400"
MALFORMED: list[Callable[[Any], Any]] = [
    lambda issue: issue.histories.append({"id": "1", "author": None, "created": None, "items": None}),
    lambda issue: issue.histories.append({"author": {}, "created": "yesterday", "items": [{"field": "status"}]}),
    lambda issue: issue.comments.append({"id": "2", "body": None, "created": "2026-11-23T07:00:00.000+0000"}),
    lambda issue: issue.comments.append({"id": None, "author": "ada", "body": 7}),
    lambda issue: issue.worklogs.append({"id": "3", "started": "2026-13-40", "timeSpentSeconds": None}),
    lambda issue: issue.worklogs.append({"id": "4", **ADA, "started": FUTURE, "timeSpentSeconds": 10**15}),
    lambda issue: issue.worklogs.append(
        {"id": "5", **ADA, "started": "2026-11-23T07:00:00.000Z", "timeSpentSeconds": 10**15}
    ),
    lambda issue: issue.comments.append({"id": "6", **ADA, "created": FUTURE, "body": {"type": "doc", "content": {}}}),
    lambda issue: issue.fields.update(summary=None, project=None, description="A text", parent=None),
]


@pytest.mark.parametrize("malform", MALFORMED)
async def test_malformed_parts_are_left_out_and_the_rest_is_read(
    harness: AtlassianHarness, malform: Callable[[Any], Any]
) -> None:
    malform(harness.site.jira.create(harness.ada, "Strange"))
    harness.site.jira.create(harness.ada, "Good")
    await harness.sync(await harness.connect())
    assert (await harness.event_types()).count("issue_created") == 2


async def test_the_values_of_a_field_are_shown_whatever_they_are(harness: AtlassianHarness) -> None:
    issue = harness.site.jira.create(harness.ada, "Strange")
    values = {"Points": (3, 5.5), "Team": (None, {"name": "Blue"}), "Tags": (["a"], []), "Done": (False, True)}
    items = [{"field": name, "fromString": old, "toString": new} for name, (old, new) in values.items()]
    at = harness.clock.now_ms()
    issue.histories.append({"id": "9", "author": harness.ada.shown(), "created": at, "items": items})
    await harness.sync(await harness.connect())
    text = 'Points: 3 → 5.5\nTeam: – → {"name":"Blue"}\nTags: ["a"] → []\nDone: false → true'
    assert ("issue_updated", "PROJ-1 Strange", text) in await harness.events()


async def test_a_site_without_a_date_header_is_synced_by_the_local_clock(harness: AtlassianHarness) -> None:
    harness.site.sends_date = False
    harness.site.jira.create(harness.ada, "Engine")
    await harness.sync(await harness.connect())
    assert await harness.event_types() == ["issue_created"]
