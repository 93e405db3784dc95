"""The check of requests against the vendor's API descriptions, which the fixture `site` makes in every test."""

import pytest

from tests.atlassian.harness import CHECKER, AtlassianHarness, Checker
from tests.fakes.atlassian import Request


def post(path: str, body: dict[str, object]) -> Request:
    return Request("POST", path, (), body, {}, None, by_gateway=False)


@pytest.mark.skipif(not CHECKER.is_file(), reason="the vendor's API descriptions are not available")
async def test_every_kind_of_request_conforms_and_deviations_are_detected(harness: AtlassianHarness) -> None:
    wiki, ada, grace = harness.site.confluence, harness.ada, harness.site.user("grace")
    issue = harness.site.jira.create(ada, "Engine")
    for number in range(25):
        harness.site.jira.comment(issue, ada, f"Thought {number}")
        harness.site.jira.log_work(issue, ada, 60)
    page, her_post = wiki.create(ada, "Minutes"), wiki.create(grace, "News", kind="blogpost")
    wiki.edit(page, grace)
    wiki.comment(page, ada, "Thank you")
    wiki.edit_comment(wiki.comment(her_post, ada, "Inline", inline=True), ada, "Better")
    for service in ("jira", "confluence"):
        account = await harness.connect(service, scope="watched")
        await harness.sync(account)
        harness.clock.advance(25 * 3600)
        await harness.sync(account)
    kinds = {(one.method, one.path.rstrip("0123456789")) for one in harness.site.requests}
    assert kinds >= {
        ("GET", "/rest/api/3/myself"),
        ("GET", "/rest/api/3/status"),
        ("POST", "/rest/api/3/search/jql"),
        ("POST", "/rest/api/3/issue/bulkfetch"),
        ("POST", "/rest/api/3/changelog/bulkfetch"),
        ("GET", f"/rest/api/3/issue/{issue.issue_id}/comment"),
        ("GET", f"/rest/api/3/issue/{issue.issue_id}/worklog"),
        ("GET", "/wiki/rest/api/user/current"),
        ("GET", "/wiki/rest/api/search"),
        ("GET", "/wiki/api/v2/pages"),
        ("GET", "/wiki/api/v2/blogposts"),
        ("GET", "/wiki/api/v2/spaces"),
        ("GET", "/wiki/api/v2/footer-comments/"),
        ("GET", "/wiki/api/v2/inline-comments/"),
        ("POST", "/wiki/api/v2/users-bulk"),
    }
    assert harness.site.violations == []
    checker = Checker()
    assert checker(post("/rest/api/3/search/jql", {"jql": "updated >= 1", "startAt": 0})) != []
    assert checker(post("/rest/api/3/search", {"jql": "updated >= 1"})) != []
    assert checker(Request("GET", "/wiki/api/v2/pages", (("author", "me"),), None, {}, None, by_gateway=False)) != []
