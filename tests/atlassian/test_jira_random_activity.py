"""Random activity at a site, between and during syncs: in the end the feed equals the site."""

import random
from collections import Counter

import pytest

from tests.atlassian.harness import AtlassianHarness
from tests.fakes.atlassian import Request
from tests.fakes.jira import STATUSES

STEPS = 60


class RandomActivity:
    """Random actions of Ada and Grace."""

    def __init__(self, harness: AtlassianHarness, seed: int) -> None:
        self.harness = harness
        self.jira = harness.site.jira
        self.random = random.Random(seed)
        self.users = (harness.ada, harness.ada, harness.site.user("grace"))
        self.number = 0

    def act(self) -> None:
        """Performs one action."""
        rng, jira = self.random, self.jira
        user = rng.choice(self.users)
        self.number += 1
        if not jira.issues or rng.random() < 0.2:
            jira.create(user, f"Task {self.number}")
            return
        issue = rng.choice(list(jira.issues.values()))
        match rng.randrange(8):
            case 0:
                jira.transition(issue, user, rng.choice(list(STATUSES)))
            case 1 | 2:
                jira.comment(issue, user, f"Thought {self.number}")
            case 3 if issue.comments:
                jira.edit_comment(issue, user, rng.choice(issue.comments)["id"], f"Second thought {self.number}")
            case 4 if issue.comments:
                jira.delete_comment(issue, user, rng.choice(issue.comments)["id"])
            case 5:
                jira.log_work(issue, user, 60 * rng.randint(1, 90))
            case 6:
                jira.rename(issue, user, f"Renamed {self.number}")
            case 7 if rng.random() < 0.3:
                jira.delete(issue)
            case _:
                jira.assign(issue, user, rng.choice(self.users))

    def act_on_request(self, request: Request) -> None:
        """Sometimes performs an action when a sync sends a request."""
        if request.path.endswith(("search/jql", "bulkfetch")) and self.random.random() < 0.1:
            self.harness.clock.moved_ms += 1 + self.random.randrange(1_000)
            self.act()

    def trouble(self) -> None:
        """Makes the site hide projects, leave out objects, and fail for single ones; or ends it for some."""
        rng, jira = self.random, self.jira
        if not jira.issues:
            return
        issue = rng.choice(list(jira.issues.values()))
        parts = [issue.issue_id, *(part["id"] for part in (*issue.comments, *issue.worklogs))]
        match rng.randrange(6):
            case 0:
                jira.hidden_projects = {"PROJ"} if rng.random() < 0.3 else set()
            case 1 | 2:
                jira.left_out[rng.choice(parts)] = rng.randint(1, 4)
            case 3:
                jira.bulk_errors[issue.issue_id] = rng.randint(1, 4)
            case 4:
                parts += [history["id"] for history in issue.histories]
                jira.poisoned[rng.choice(parts)] = rng.choice((400, 403, 500))
            case _:
                jira.poisoned = dict(list(jira.poisoned.items())[1:])

    def expected(self) -> Counter[tuple[str, str, str]]:
        """Returns type, title and description of Ada's actions by the site's data."""
        found: Counter[tuple[str, str, str]] = Counter()
        me = self.harness.ada.account_id
        for issue in self.jira.issues.values():
            title = f"{issue.key} {issue.fields['summary']}"
            if issue.creator.account_id == me:
                found["issue_created", title, issue.fields["description"]["content"][0]["content"][0]["text"]] += 1
            for history in issue.histories:
                field = history["items"][0]["field"]
                if history["author"]["accountId"] == me and field != "timespent":
                    kind = {"status": "issue_transitioned", "assignee": "issue_assigned"}.get(field, "issue_updated")
                    before, after = (history["items"][0][f"{side}String"] or "–" for side in ("from", "to"))
                    description = f"{before} → {after}"
                    found[kind, title, description if kind != "issue_updated" else f"{field}: {description}"] += 1
            for comment in issue.comments:
                if comment["author"]["accountId"] == me:
                    found["issue_commented", title, comment["body"]["content"][0]["content"][0]["text"]] += 1
            for worklog in issue.worklogs:
                if worklog["author"]["accountId"] == me:
                    found["issue_worklogged", title, worklog["timeSpent"]] += 1
        return found


@pytest.mark.parametrize("seed", range(8))
async def test_after_random_activity_the_feed_equals_the_site(harness: AtlassianHarness, seed: int) -> None:
    activity = RandomActivity(harness, seed)
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
    activity = RandomActivity(harness, seed)
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
