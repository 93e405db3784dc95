"""Random actions of two users at a Jira site, and what the feed of one of them should have in the end."""

import random
from collections import Counter

from tests.fakes.atlassian import FakeSite
from tests.fakes.jira import STATUSES


class RandomActivity:
    """Random actions of Ada and Grace."""

    def __init__(self, site: FakeSite, seed: int) -> None:
        self.jira = site.jira
        self.random = random.Random(seed)
        self.ada = site.user("ada")
        self.users = (self.ada, self.ada, site.user("grace"))
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
        me = self.ada.account_id
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
