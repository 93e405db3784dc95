"""A fake Jira Cloud with its difficulties: a search index that lags, offsets into changing lists, truncated histories.

Page tokens are the worst case that a server may have: offsets into the current list.
`python -m tests.fakes.jira --port 0` prints a site's URL and a token, and serves until standard input ends.
"""

import argparse
import json
import sys
from base64 import b64decode, b64encode
from bisect import bisect_left
from collections.abc import Callable, Iterable
from functools import partial
from itertools import count, islice
from typing import TYPE_CHECKING, Any

from tests.fakes.atlassian import FakeSite, Request, Response, User, html, stamp
from tests.fakes.issue_requests import IssueRequests
from tests.fakes.issues import Issue, last_change, lower_bound, matches
from tests.fakes.queries import BadQuery, parse

if TYPE_CHECKING:
    from collections.abc import Mapping

STATUSES = {
    "Backlog": ("10000", "new"),
    "Doing": ("10001", "indeterminate"),
    "Blocked": ("10002", "indeterminate"),
    "In Review": ("10003", "indeterminate"),
    "Fertig": ("10004", "done"),
}
YEAR_MS = 364 * 24 * 3600 * 1000
SEARCH_KEYS = {
    "jql",
    "fields",
    "maxResults",
    "nextPageToken",
    "expand",
    "properties",
    "fieldsByKeys",
    "reconcileIssues",
}


def document(text: str) -> dict[str, Any]:
    """Returns a text as ADF."""
    return {
        "type": "doc",
        "version": 1,
        "content": [{"type": "paragraph", "content": [{"type": "text", "text": text}]}],
    }


class FakeJira:
    """The Jira of one site."""

    def __init__(self, site: FakeSite) -> None:
        self._site = site
        self.issues: dict[str, Issue] = {}
        self.lag_ms = 0
        """Delay until the search finds a change."""
        self.lagging: set[str] = set()
        """If not empty, only these issues are delayed."""
        self.embedded = 20
        """Maximum number of comments and worklogs embedded in an issue."""
        self.max_page_size = 5_000
        self.histories_per_page = 1_000
        self.empty_pages = 0
        """Number of empty pages before each page of the search, as sites send them after filtering by permission."""
        self.repeats_tokens = False
        self.refuses_tokens = False
        self.hidden_projects: set[str] = set()
        """Keys of projects that no user may see for the time being."""
        self.bulk_errors: dict[str, int] = {}
        """How many more times /issue/bulkfetch reports an issue in `issueErrors`, by id."""
        self.left_out: dict[str, int] = {}
        """How many more times a list leaves out an issue, comment, worklog or history without a word, by id."""
        self.poisoned: dict[str, int] = {}
        """The status of every response that would contain an object, by the id of the issue, comment or history."""
        self.statuses = dict(STATUSES)
        """The id and the category's key of each status, by name."""
        self.unlisted_statuses: set[str] = set()
        """Statuses that the list of statuses leaves out: of deleted workflows, or of other teams' projects."""
        self._ids = count(10_000)
        self._epoch = 0
        self._found: tuple[Any, list[Issue]] = ((), [])
        self._sorted: tuple[int, list[Issue]] = (-1, [])
        self._of_issues = IssueRequests(self)

    # --- changes by users ---------------------------------------------------------------------------------------

    def create(self, by: User, summary: str, project: str = "PROJ", at_ms: int | None = None, **more: Any) -> Issue:
        """Adds an issue."""
        number = next(self._ids)
        at = self._site.now_ms() if at_ms is None else at_ms
        fields = {
            "summary": summary,
            "project": {"id": "1", "key": project, "name": f"{project.capitalize()} name"},
            "description": document(f"About {summary}"),
            "status": "Backlog",
            **more,
        }
        issue = Issue(str(number), f"{project}-{number - 9_999}", fields, by, at, at)
        self.issues[issue.issue_id] = issue
        self._touch(issue, by, at)
        return issue

    def change(self, issue: Issue, by: User, at_ms: int | None = None, **fields: tuple[Any, Any]) -> None:
        """Adds a history: field to (old, new), each a text, None, or a pair of id and text."""
        items = []
        for name, (old, new) in fields.items():
            (before, before_text), (after, after_text) = (_pair(old), _pair(new))
            item = {"field": name, "fieldtype": "jira", "fieldId": name, "from": before, "fromString": before_text}
            items.append({**item, "to": after, "toString": after_text})
        at = self._touch(issue, by, at_ms)
        issue.histories.append({"id": str(next(self._ids)), "author": by.shown(), "created": at, "items": items})

    def transition(self, issue: Issue, by: User, status: str, at_ms: int | None = None) -> None:
        """Changes the status."""
        old = issue.fields["status"]
        issue.fields["status"] = status
        self.change(issue, by, at_ms, status=((self.statuses[old][0], old), (self.statuses[status][0], status)))

    def assign(self, issue: Issue, by: User, to: User | None) -> None:
        """Changes the assignee."""
        old, issue.assignee = issue.assignee, to
        self.change(issue, by, assignee=(_person(old), _person(to)))

    def rename(self, issue: Issue, by: User, summary: str) -> None:
        """Changes the summary."""
        old, issue.fields["summary"] = issue.fields["summary"], summary
        self.change(issue, by, summary=(old, summary))

    def move(self, issue: Issue, by: User, key: str) -> None:
        """Moves it to another project; the key changes, the id does not."""
        old, issue.key = issue.key, key
        issue.fields["project"] = {"id": "2", "key": key.partition("-")[0], "name": "Another"}
        self.change(issue, by, Key=(old, key))

    def comment(self, issue: Issue, by: User, text: str, at_ms: int | None = None) -> str:
        """Adds a comment; returns its id."""
        at = self._touch(issue, by, at_ms)
        made = {"id": str(next(self._ids)), "author": by.shown(), "updateAuthor": by.shown(), "body": document(text)}
        issue.comments.append({**made, "created": stamp(at), "updated": stamp(at)})
        return str(made["id"])

    def edit_comment(self, issue: Issue, by: User, comment_id: str, text: str) -> None:
        """Changes a comment."""
        at = self._touch(issue, by)
        for one in issue.comments:
            if one["id"] == comment_id:
                one |= {"body": document(text), "updated": stamp(at), "updateAuthor": by.shown()}

    def delete_comment(self, issue: Issue, by: User, comment_id: str) -> None:
        """Deletes a comment."""
        self._touch(issue, by)
        issue.comments = [one for one in issue.comments if one["id"] != comment_id]

    def log_work(self, issue: Issue, by: User, seconds: int, started_ms: int | None = None) -> str:
        """Logs work, which also adds a history; returns the worklog's id."""
        worklog_id = str(next(self._ids))
        self.change(issue, by, timespent=("0", str(seconds)), WorklogId=(None, worklog_id))
        started = self._site.now_ms() if started_ms is None else started_ms
        made = {"id": worklog_id, "issueId": issue.issue_id, "author": by.shown(), "started": stamp(started)}
        worklog = {**made, "timeSpentSeconds": seconds, "timeSpent": f"{seconds // 60}m", "comment": None}
        issue.worklogs.append({**worklog, "created": stamp(issue.updated), "updated": stamp(issue.updated)})
        return worklog_id

    def delete_worklog(self, issue: Issue, by: User, worklog_id: str) -> None:
        """Deletes a worklog; unlike its creation, the history names its time."""
        gone = next(one for one in issue.worklogs if one["id"] == worklog_id)
        issue.worklogs.remove(gone)
        spent = str(gone["timeSpentSeconds"])
        text = (spent, f"{int(spent) // 60} minutes")
        self.change(
            issue, by, timespent=(spent, "0"), WorklogTimeSpent=(text, None), WorklogId=((worklog_id,) * 2, None)
        )

    def rename_project(self, old: str, new: str) -> None:
        """Changes the keys of a project and its issues; this is no change of any issue."""
        for issue in self.issues.values():
            project, _, number = issue.key.partition("-")
            if project == old:
                issue.key = f"{new}-{number}"
                issue.fields["project"] = {**issue.fields["project"], "key": new}
        self._epoch += 1

    def delete(self, issue: Issue) -> None:
        """Deletes it; no request reports a deletion."""
        del self.issues[issue.issue_id]
        self._epoch += 1

    def _touch(self, issue: Issue, by: User, at_ms: int | None = None) -> int:
        at = self._site.now_ms() if at_ms is None else at_ms
        issue.updated = max(issue.updated, at)
        issue.touches.append((at, by.account_id))
        self._epoch += 1
        return at

    # --- requests -----------------------------------------------------------------------------------------------

    def answer(self, request: Request) -> Response | None:
        """Returns the response, or None if the path is unknown."""
        prefix = "/rest/api/3/"
        if not request.path.startswith(prefix):
            return None
        path = request.path.removeprefix(prefix)
        if path == "myself":
            return self._myself(request)
        if path == "search":
            return Response(410, {"errorMessages": ["Die angeforderte API wurde entfernt."], "errors": {}})
        route: Mapping[str, Callable[[Request], Response]] = {
            "search/jql": self._search,
            "issue/bulkfetch": self._of_issues.bulk_issues,
            "changelog/bulkfetch": self._of_issues.bulk_histories,
            "status": self._statuses,
        }
        if path in route:
            return route[path](request)
        return self._of_issues.answer(request, path.split("/")) if path.startswith("issue/") else None

    def _myself(self, request: Request) -> Response:
        if request.user is None:
            if request.headers.get("accept") != "application/json":
                return html(401)
            return Response(401, {"errorMessages": ["Der Client muss authentifiziert sein."], "errors": {}})
        return Response(
            200, {**request.user.shown(), "emailAddress": request.user.email, "timeZone": request.user.time_zone}
        )

    def _statuses(self, request: Request) -> Response:
        listed = [self._status(name) for name in self.statuses if name not in self.unlisted_statuses]
        return Response(200, listed if request.user is not None else [])

    def _status(self, name: str) -> dict[str, Any]:
        status_id, category = self.statuses[name]
        return {"id": status_id, "name": name, "statusCategory": {"key": category}}

    def _search(self, request: Request) -> Response:
        body = request.body
        if set(body) - SEARCH_KEYS:
            return Response(400, {"errorMessages": ["Ungültige Anfrage."], "errors": {}})
        size, token, start, empties = body.get("maxResults", 50), body.get("nextPageToken"), 0, 0
        if not 1 <= size <= 5_000:
            return Response(400, {"errorMessages": ["maxResults"], "errors": {}})
        if token is not None:
            if self.refuses_tokens:
                return Response(400, {"errorMessages": ["Das Token ist abgelaufen."], "errors": {}})
            start, empties = json.loads(b64decode(token))
        try:
            found = self._matching(body["jql"], request.user)
        except BadQuery as error:
            return Response(400, {"errorMessages": [f"Fehler in der JQL-Abfrage: {error}"], "errors": {}})
        is_empty = empties < self.empty_pages
        page = [] if is_empty else found[start : start + min(size, self.max_page_size)]
        end = start + len(page)
        answer: dict[str, Any] = {"issues": [self.shown(one, body.get("fields", ["id"])) for one in page]}
        answer["isLast"] = end >= len(found) and not is_empty
        if not answer["isLast"]:
            wanted = (start if self.repeats_tokens and start else end, empties + 1 if is_empty else 0)
            answer["nextPageToken"] = b64encode(json.dumps(wanted).encode()).decode()
        return Response(200, answer)

    def _matching(self, jql: str, user: User | None) -> list[Issue]:
        key = (jql, user and user.account_id, self._epoch, self.lag_ms and self._site.now_ms(), *self.hidden_projects)
        if self._found[0] != key:
            query = parse(jql)
            found = [
                issue
                for issue in self._changed_since(lower_bound(query))
                if user is not None
                and self.is_visible(issue)
                and last_change(issue, self._horizon(issue)) is not None
                and query.matches(partial(matches, issue, user, self._horizon(issue)))
            ]
            orders = {
                "id": lambda one: int(one.issue_id),
                "updated": lambda one: last_change(one, self._horizon(one)) or 0,
            }
            for name in reversed(query.order):
                found.sort(key=orders[name])
            self._found = (key, found)
        return self._found[1]

    def is_visible(self, issue: Issue) -> bool:
        return issue.key.partition("-")[0] not in self.hidden_projects

    def _horizon(self, issue: Issue) -> int | None:
        """Returns the time up to which the index knows this issue, or None if it is current."""
        lags = self.lag_ms and (not self.lagging or issue.issue_id in self.lagging)
        return self._site.now_ms() - self.lag_ms if lags else None

    def _changed_since(self, lower_ms: int) -> Iterable[Issue]:
        """Returns candidates from an index by time of change, so that a search does not scan a million issues."""
        if self.lag_ms:
            return self.issues.values()
        if self._sorted[0] != self._epoch:
            self._sorted = (self._epoch, sorted(self.issues.values(), key=lambda one: one.updated))
        listed = self._sorted[1]
        return listed[bisect_left(listed, lower_ms, key=lambda one: one.updated) :]

    def shown(self, issue: Issue, wanted: Iterable[str]) -> dict[str, Any]:
        horizon = self._horizon(issue)
        fields: dict[str, Any] = {}
        for name in wanted:
            if name == "updated":
                fields[name] = stamp(last_change(issue, horizon) or issue.updated)
            elif name == "created":
                fields[name] = stamp(issue.created)
            elif name == "creator":
                fields[name] = issue.creator.shown()
            elif name in ("comment", "worklog"):
                parts = issue.comments if name == "comment" else issue.worklogs
                embedded = {f"{name}s": parts[: self.embedded], "maxResults": self.embedded, "startAt": 0}
                fields[name] = {**embedded, "total": len(parts)}
            elif name == "status":
                fields[name] = self._status(issue.fields[name])
            elif name in issue.fields:
                fields[name] = issue.fields[name]
        return {"id": issue.issue_id, "key": issue.key, "self": "", "fields": fields}


def _pair(value: Any) -> tuple[str | None, str | None]:
    return value if isinstance(value, tuple) else (None, value)


def _person(user: User | None) -> tuple[str, str] | None:
    return None if user is None else (user.account_id, user.name)


def main() -> None:
    """Serves until standard input ends.  A line `comment N` adds a comment to the first N issues."""
    parser = argparse.ArgumentParser(description="A fake Atlassian site on loopback, with Jira and Confluence.")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--issues", type=int, default=3, help="number of issues")
    arguments = parser.parse_args()
    with FakeSite(port=arguments.port) as site:
        ada = site.user("ada")
        now, apart = site.now_ms(), YEAR_MS // (arguments.issues + 1)
        for number in range(arguments.issues):
            at = now - (arguments.issues - number) * apart
            issue = site.jira.create(ada, f"Task {number}", at_ms=at, description=None)
            site.jira.transition(issue, ada, "Doing", at_ms=at + 500)
        page = site.confluence.create(ada, "Minutes")
        site.confluence.comment(page, ada, "Thank you")
        about = {"url": site.url, "email": ada.email, "api_token": site.token(ada), "cloud_id": site.cloud_id}
        print(json.dumps(about | {"scoped_token": site.token(ada, scoped=True)}), flush=True)
        for line in sys.stdin:
            with site.lock:
                for issue in islice(site.jira.issues.values(), int(line.removeprefix("comment "))):
                    site.jira.comment(issue, ada, "A thought")
            print("done", flush=True)


if __name__ == "__main__":
    main()
