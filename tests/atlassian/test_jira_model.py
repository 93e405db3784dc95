"""A site at which anything happens, between syncs and in the midst of them: in the end the feed is what the site is."""

import random
from collections import Counter

import pytest

from tests.atlassian.harness import Desk
from tests.fakes.atlassian import Request
from tests.fakes.jira import STATUSES

STEPS = 60


class Life:
    """What Ada and Grace do, as chance has it."""

    def __init__(self, desk: Desk, seed: int) -> None:
        self.desk = desk
        self.jira = desk.site.jira
        self.chance = random.Random(seed)  # a failure names its seed: it is the test's parameter
        self.people = (desk.ada, desk.ada, desk.site.user("grace"))
        self.number = 0

    def act(self) -> None:
        """One thing."""
        chance, jira = self.chance, self.jira
        who = chance.choice(self.people)
        self.number += 1
        if not jira.issues or chance.random() < 0.2:
            jira.create(who, f"Task {self.number}")
            return
        issue = chance.choice(list(jira.issues.values()))
        match chance.randrange(8):
            case 0:
                jira.transition(issue, who, chance.choice(list(STATUSES)))
            case 1 | 2:
                jira.comment(issue, who, f"Thought {self.number}")
            case 3 if issue.comments:
                jira.edit_comment(issue, who, chance.choice(issue.comments)["id"], f"Second thought {self.number}")
            case 4 if issue.comments:
                jira.delete_comment(issue, who, chance.choice(issue.comments)["id"])
            case 5:
                jira.log_work(issue, who, 60 * chance.randint(1, 90))
            case 6:
                jira.rename(issue, who, f"Renamed {self.number}")
            case 7 if chance.random() < 0.3:
                jira.delete(issue)
            case _:
                jira.assign(issue, who, chance.choice(self.people))

    def meanwhile(self, request: Request) -> None:
        """The same while a sync asks."""
        if request.path.endswith(("search/jql", "bulkfetch")) and self.chance.random() < 0.1:
            self.desk.clock.moved_ms += 1 + self.chance.randrange(1_000)
            self.act()

    def expected(self) -> Counter[tuple[str, str, str]]:
        """Type, title and description of what Ada did, as the site has it."""
        found: Counter[tuple[str, str, str]] = Counter()
        me = self.desk.ada.account_id
        for issue in self.jira.issues.values():
            title = f"{issue.key} {issue.fields['summary']}"
            if issue.creator.account_id == me:
                found["issue_created", title, issue.fields["description"]["content"][0]["content"][0]["text"]] += 1
            for history in issue.histories:
                field = history["items"][0]["field"]
                if history["author"]["accountId"] == me and field != "timespent":
                    kind = {"status": "issue_transitioned", "assignee": "issue_assigned"}.get(field, "issue_updated")
                    before, after = (history["items"][0][f"{side}String"] or "–" for side in ("from", "to"))
                    words = f"{before} → {after}"
                    found[kind, title, words if kind != "issue_updated" else f"{field}: {words}"] += 1
            for comment in issue.comments:
                if comment["author"]["accountId"] == me:
                    found["issue_commented", title, comment["body"]["content"][0]["content"][0]["text"]] += 1
            for worklog in issue.worklogs:
                if worklog["author"]["accountId"] == me:
                    found["issue_worklogged", title, worklog["timeSpent"]] += 1
        return found


@pytest.mark.parametrize("seed", range(8))
async def test_whatever_happens_in_the_end_the_feed_is_what_the_site_is(desk: Desk, seed: int) -> None:
    life = Life(desk, seed)
    jira = desk.site.jira
    jira.max_page_size, jira.embedded, jira.histories_per_page = 3 + seed, 2, 5
    jira.lag_ms = (0, 90_000, 400_000)[seed % 3]
    account = await desk.connect()
    await desk.sync(account)
    desk.site.on_request = life.meanwhile
    for _ in range(STEPS):
        life.act()
        desk.clock.advance(life.chance.choice((0.2, 30, 400)))
        if life.chance.random() < 0.4:
            await desk.sync(account)
    desk.site.on_request = lambda _: None
    desk.clock.advance(1_000)
    await desk.sync(account)
    expected = life.expected()
    keys = {issue.key for issue in jira.issues.values()}
    found = await in_the_feed(desk)
    assert {event: times for event, times in found.items() if event[1].partition(" ")[0] in keys} == expected
    desk.clock.advance(25 * 3600)  # deletions tell nobody: they are found once a day
    await desk.sync(account)
    assert await in_the_feed(desk) == expected


async def in_the_feed(desk: Desk) -> Counter[tuple[str, str, str]]:
    return Counter((kind, title or "", words or "") for kind, title, words in await desk.events())
