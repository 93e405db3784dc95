"""One object that cannot be read is skipped with a warning that names it, and read again by the next daily sync."""

import json
from typing import Any

import pytest

from tests.atlassian.harness import AtlassianHarness
from tests.fakes.atlassian import Request, Response

DAY_S = 24 * 3600


def warnings(harness: AtlassianHarness, job: dict[str, Any]) -> list[str]:
    """Returns the warnings in a job's log."""
    sql = "SELECT message FROM job_events WHERE job_id = ? AND level = 'warning' ORDER BY rowid"
    return harness.database.values(sql, (job["job_id"],))


def nested(depth: int, text: str) -> dict[str, Any]:
    """Returns a document with a text below this number of lists."""
    node: dict[str, Any] = {"type": "paragraph", "content": [{"type": "text", "text": text}]}
    for _ in range(depth):
        node = {"type": "bulletList", "content": [{"type": "listItem", "content": [node]}]}
    return {"type": "doc", "version": 1, "content": [node]}


# --- Jira ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [400, 403, 500, 503])
@pytest.mark.parametrize("what", ["issue", "comment", "embedded comment", "worklog", "history"])
async def test_what_cannot_be_read_is_skipped_and_read_on_the_next_day(
    harness: AtlassianHarness, what: str, status: int
) -> None:
    jira, ada = harness.site.jira, harness.ada
    issues = [jira.create(ada, f"Task {number}") for number in range(12)]
    bad = issues[5]
    jira.embedded = 3 if what == "embedded comment" else 1
    for number in range(3):
        jira.comment(bad, ada, f"Thought {number}")
        jira.log_work(bad, ada, 60)
    jira.transition(bad, ada, "Doing")
    poison = {
        "issue": bad.issue_id,
        "comment": bad.comments[1]["id"],
        "embedded comment": bad.comments[0]["id"],
        "worklog": bad.worklogs[2]["id"],
        "history": bad.histories[-1]["id"],
    }[what]
    jira.poisoned = {poison: status}
    account = await harness.connect()
    job = await harness.sync(account)
    types = await harness.event_types()
    assert types.count("issue_created") >= 11
    assert harness.stored_cursor(account) is not None
    assert job["result"]["unreadable"] == 1
    (warning,) = warnings(harness, job)
    assert bad.key in warning
    if what != "issue" and status != 403:
        assert len(types) == 12 + 3 + 3 + 1 - 1  # all but one
    assert (await harness.sync(account))["result"]["unreadable"] == 0
    jira.poisoned = {}
    harness.clock.advance(30 * DAY_S)
    await harness.sync(account)
    assert len(await harness.event_types()) == 12 + 3 + 3 + 1


async def test_what_the_feed_has_of_an_unreadable_issue_stays(harness: AtlassianHarness) -> None:
    jira, ada = harness.site.jira, harness.ada
    issue = jira.create(ada, "Engine")
    for number in range(25):
        jira.comment(issue, ada, f"Thought {number}")
    jira.transition(issue, ada, "Doing")
    account = await harness.connect()
    await harness.sync(account)
    before = await harness.events()
    jira.poisoned = {one["id"]: 500 for one in (issue.comments[3], issue.comments[24], issue.histories[0])}
    jira.poisoned[f"{issue.issue_id}:description"] = 500
    harness.clock.advance(60)
    jira.comment(issue, ada, "One more")
    await harness.sync(account)
    assert await harness.events() == [*before, ("issue_commented", "PROJ-1 Engine", "One more")]


async def test_an_outage_of_one_api_ends_the_sync_without_advancing_its_cursor(harness: AtlassianHarness) -> None:
    jira = harness.site.jira
    for number in range(200):
        jira.transition(jira.create(harness.ada, f"Task {number}"), harness.ada, "Doing")
    harness.site.fail("changelog", Response(500, {}), times=1_000_000)
    account = await harness.connect()
    job = await harness.sync_until_snoozed(account, "retry")
    assert (job["error"]["kind"], harness.stored_cursor(account)) == ("site_error", None)
    harness.site.faults.clear()
    harness.clock.advance(60)
    await harness.sync(account)
    harness.clock.advance(DAY_S + 1)
    await harness.sync(account)
    assert len(await harness.event_types()) == 400


async def test_an_api_that_refuses_all_issues_ends_the_sync_soon(harness: AtlassianHarness) -> None:
    for number in range(150):
        harness.site.jira.create(harness.ada, f"Task {number}")
    account = await harness.connect()
    harness.site.fail("/issue/", Response(403, {}), times=1_000_000)
    await harness.sync(account, ends="failed")
    assert harness.stored_cursor(account) is None
    assert len(harness.site.requests) < 200


async def test_a_token_that_expires_while_an_issue_is_unreadable_skips_nothing(harness: AtlassianHarness) -> None:
    jira = harness.site.jira
    jira.embedded = 0
    jira.comment(jira.create(harness.ada, "Engine"), harness.ada, "It runs")

    def expire(request: Request) -> None:
        harness.token().expired = harness.token().expired or request.path.endswith("/comment")

    harness.site.on_request = expire
    account = await harness.connect()
    job = await harness.sync(account, ends="failed")
    assert (job["error"]["kind"], harness.stored_cursor(account)) == ("account_refused", None)


@pytest.mark.parametrize("depth", [120, 200])
async def test_half_an_emoji_and_deeply_nested_text_are_read(harness: AtlassianHarness, depth: int) -> None:
    jira = harness.site.jira
    issue = jira.create(harness.ada, "Half \ud83d", description=nested(depth, "At the bottom"))
    jira.comment(issue, harness.ada, "Thumbs \udc4d up")
    await harness.sync(await harness.connect())
    (_, title, description), (_, _, comment) = await harness.events()
    assert (title, comment) == ("PROJ-1 Half \ufffd", "Thumbs \ufffd up")
    assert "At the bottom" in (description or "")


async def test_an_issue_that_is_nested_too_deeply_is_skipped(harness: AtlassianHarness) -> None:
    jira = harness.site.jira
    jira.create(harness.ada, "Good")
    jira.create(harness.ada, "Deep")
    shown = jira.shown

    def deep(issue: Any, wanted: Any) -> Any:
        made = shown(issue, wanted)
        made["fields"] |= {"description": "DEEP"} if "description" in made["fields"] and issue.key == "PROJ-2" else {}
        return made

    jira.shown = deep  # type: ignore[method-assign]
    answer = harness.site.answer

    def with_depth(*arguments: Any) -> Response:
        response = answer(*arguments)
        body = b"[" * 5_000 + b"]" * 5_000
        if isinstance(response.body, dict) and '"DEEP"' in (text := json.dumps(response.body)):
            return Response(200, text.encode().replace(b'"DEEP"', body), response.headers)
        return response

    harness.site.answer = with_depth  # type: ignore[method-assign,assignment]
    job = await harness.sync(await harness.connect())
    assert sorted(title or "" for _, title, _ in await harness.events()) == ["PROJ-1 Good", "PROJ-2 Deep"]
    assert job["result"]["unreadable"] == 1


# --- Confluence ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [400, 403, 500, 503])
@pytest.mark.parametrize("what", ["page", "version", "comment", "blogpost"])
async def test_a_page_or_comment_that_cannot_be_read_is_skipped_and_read_on_the_next_day(
    harness: AtlassianHarness, what: str, status: int
) -> None:
    wiki, ada = harness.site.confluence, harness.ada
    pages = [wiki.create(ada, f"Page {number}") for number in range(8)]
    post = wiki.create(ada, "News", kind="blogpost")
    for number in range(4):
        wiki.edit(pages[2], ada, f"edit {number}")
    comments = [wiki.comment(pages[3], ada, f"Thought {number}") for number in range(4)]
    poison, name = {
        "page": (pages[2].content_id, "Page 2"),
        "version": (f"{pages[2].content_id}:v2", "Page 2"),
        "comment": (comments[1].content_id, "Re: Page 3"),
        "blogpost": (post.content_id, "News"),
    }[what]
    wiki.poisoned = {poison: status}
    account = await harness.connect("confluence")
    job = await harness.sync(account)
    assert len(await harness.event_types()) == 17 - {"page": 5}.get(what, 1)
    assert (job["result"]["unreadable"], harness.stored_cursor(account) is not None) == (1, True)
    (warning,) = warnings(harness, job)
    assert name in warning
    wiki.poisoned = {}
    harness.clock.advance(30 * DAY_S)
    await harness.sync(account)
    assert len(await harness.event_types()) == 17


async def test_what_the_feed_has_of_an_unreadable_page_stays(harness: AtlassianHarness) -> None:
    wiki, ada = harness.site.confluence, harness.ada
    page = wiki.create(ada, "Minutes")
    wiki.edit(page, ada, "typos")
    comment = wiki.comment(page, ada, "Thank you")
    account = await harness.connect("confluence")
    await harness.sync(account)
    wiki.poisoned = {page.content_id: 403, comment.content_id: 500}
    for _ in range(3):
        harness.clock.advance(DAY_S + 1)
        await harness.sync(account)
    assert len(await harness.event_types()) == 3


async def test_half_an_emoji_and_deeply_nested_text_in_a_comment_are_read(harness: AtlassianHarness) -> None:
    wiki = harness.site.confluence
    page = wiki.create(harness.ada, "Minutes")
    wiki.comment(page, harness.ada, "Thumbs \udc4d up")
    wiki.comment(page, harness.ada, "").document = nested(120, "At the bottom")
    await harness.sync(await harness.connect("confluence"))
    texts = [text or "" for kind, _, text in await harness.events() if kind == "page_commented"]
    assert texts[0] == "Thumbs \ufffd up"
    assert "At the bottom" in texts[1]


async def test_names_of_spaces_that_the_token_may_not_read_are_left_out(harness: AtlassianHarness) -> None:
    harness.site.confluence.create(harness.ada, "Minutes")
    harness.site.fail("/v2/spaces", Response(403, {}), times=1_000)
    await harness.sync(await harness.connect("confluence"))
    assert await harness.event_types() == ["page_created"]
