"""Random activity at a site, between and during syncs: in the end the feed equals the site."""

from collections import Counter

import pytest

from tests.atlassian.harness import AtlassianHarness
from tests.atlassian.random_activity import RandomActivity
from tests.fakes.atlassian import Request

STEPS = 60


class ActivityDuringSyncs(RandomActivity):
    """Random actions that also happen when a sync sends a request."""

    def __init__(self, harness: AtlassianHarness, seed: int) -> None:
        super().__init__(harness.site, seed)
        self.harness = harness

    def act_on_request(self, request: Request) -> None:
        """Sometimes performs an action when a sync sends a request."""
        if request.path.endswith(("search/jql", "bulkfetch")) and self.random.random() < 0.1:
            self.harness.clock.moved_ms += 1 + self.random.randrange(1_000)
            self.act()


@pytest.mark.parametrize("seed", range(8))
async def test_after_random_activity_the_feed_equals_the_site(harness: AtlassianHarness, seed: int) -> None:
    activity = ActivityDuringSyncs(harness, seed)
    jira = harness.site.jira
    jira.max_page_size, jira.embedded, jira.histories_per_page = 3 + seed, 2, 5
    jira.lag_ms = (0, 90_000, 400_000)[seed % 3]
    account = await harness.connect()
    await harness.sync(account)
    harness.site.on_request = activity.act_on_request
    for _ in range(STEPS):
        activity.act()
        harness.clock.advance(activity.random.choice((0.2, 30, 400)))
        if activity.random.random() < 0.4:
            await harness.sync(account)
    harness.site.on_request = lambda _: None
    harness.clock.advance(1_000)
    await harness.sync(account)
    expected = activity.expected()
    keys = {issue.key for issue in jira.issues.values()}
    found = await events_by_count(harness)
    assert {event: times for event, times in found.items() if event[1].partition(" ")[0] in keys} == expected
    for _ in range(2):  # what is gone is looked for once a day, and removed if it is gone for a day
        harness.clock.advance(25 * 3600)
        await harness.sync(account)
    assert await events_by_count(harness) == expected


@pytest.mark.parametrize("seed", [6, 16, 27, 40])
async def test_after_random_trouble_at_the_site_the_feed_equals_it(harness: AtlassianHarness, seed: int) -> None:
    activity = RandomActivity(harness.site, seed)
    jira = harness.site.jira
    jira.embedded, jira.empty_pages = 2, seed % 3
    account = await harness.connect()
    await harness.sync(account)
    for _ in range(STEPS):
        activity.act()
        activity.trouble()
        harness.clock.advance(activity.random.choice((30, 400, 36_000, 90_000)))
        if activity.random.random() < 0.5:
            await harness.sync(account)
    jira.hidden_projects, jira.left_out, jira.bulk_errors, jira.poisoned = set(), {}, {}, {}
    for _ in range(3):
        harness.clock.advance(25 * 3600)
        await harness.sync(account)
    assert await events_by_count(harness) == activity.expected()


async def events_by_count(harness: AtlassianHarness) -> Counter[tuple[str, str, str]]:
    return Counter((kind, title or "", description or "") for kind, title, description in await harness.events())
