"""The fake Jira's requests for given issues: in bulk, one, and the lists of its comments, worklogs and history."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from tests.fakes.atlassian import Request, Response, stamp
from tests.fakes.issues import Issue

if TYPE_CHECKING:
    from tests.fakes.jira import FakeJira

LISTS = {"comment": "comments", "worklog": "worklogs", "changelog": "values"}
NOT_FOUND = Response(404, {"errorMessages": ["Vorgang existiert nicht."], "errors": {}})


class IssueRequests:
    """Answers these requests from the state of the fake Jira."""

    def __init__(self, jira: "FakeJira") -> None:
        self._jira = jira

    def bulk_issues(self, request: Request) -> Response:
        ids, fields = request.body["issueIdsOrKeys"], request.body["fields"]
        if len(ids) > 100:
            return Response(400, {"errorMessages": ["Zu viele Vorgänge."], "errors": {}})
        there = [issue for one in ids if (issue := self._visible(one, request)) is not None]
        if (refusal := self._refusal(id_ for issue in there for id_ in self._contents(issue, fields))) is not None:
            return refusal
        errors = [issue for issue in there if _takes_turn(self._jira.bulk_errors, issue.issue_id)]
        shown = [issue for issue in there if issue not in errors and not self._is_left_out(issue.issue_id)]
        listed = [{"id": issue.issue_id, "errorMessage": "Bitte erneut versuchen."} for issue in errors]
        return Response(200, {"issues": [self._jira.shown(one, fields) for one in shown], "issueErrors": listed})

    def bulk_histories(self, request: Request) -> Response:
        token = request.body.get("nextPageToken")
        start = 0 if token is None else int(token)
        size = min(request.body.get("maxResults", 1_000), self._jira.histories_per_page)
        there = [issue for one in request.body["issueIdsOrKeys"] if (issue := self._visible(one, request)) is not None]
        if (
            refusal := self._refusal(item["id"] for issue in there for item in issue.histories if "id" in item)
        ) is not None:
            return refusal
        every = [
            (issue.issue_id, history)
            for issue in there
            for history in issue.histories
            if not self._is_left_out(history.get("id"))
        ]
        logs: dict[str, list[Any]] = {}
        for issue_id, history in every[start : start + size]:
            logs.setdefault(issue_id, []).append(history)  # `created` in milliseconds, as on live sites
        answer: dict[str, Any] = {
            "issueChangeLogs": [{"issueId": one, "changeHistories": listed} for one, listed in logs.items()]
        }
        if start + size < len(every):
            answer["nextPageToken"] = str(start + size)
        return Response(200, answer)

    def answer(self, request: Request, path: list[str]) -> Response | None:
        """Answers `issue/ID`, `issue/ID/PART` and `issue/ID/PART/PART_ID`; returns None for other paths."""
        _, issue_id, part, part_id = (*path, "", "")[:4]
        issue = self._visible(issue_id, request)
        if issue is None:
            return NOT_FOUND
        if not part:
            fields = request.get("fields").split(",")
            refusal = self._refusal(self._contents(issue, fields))
            return Response(200, self._jira.shown(issue, fields)) if refusal is None else refusal
        if part not in LISTS:
            return None
        items = {"comment": issue.comments, "worklog": issue.worklogs, "changelog": issue.histories}[part]
        return self._list(request, part, items) if not part_id else self._item(part_id, items)

    def _list(self, request: Request, part: str, items: list[dict[str, Any]]) -> Response:
        there = [item for item in items if not self._is_left_out(item.get("id"))]
        start, size = int(request.get("startAt", "0")), min(int(request.get("maxResults", "50")), 100)
        page = there[start : start + size]
        if part == "changelog":  # text here, unlike in bulk
            page = [{**item, "created": stamp(item["created"])} for item in page]
        refusal = self._refusal(item["id"] for item in page if "id" in item)
        shown = {"startAt": start, "maxResults": size, "total": len(items), LISTS[part]: page}
        return Response(200, shown) if refusal is None else refusal

    def _item(self, part_id: str, items: list[dict[str, Any]]) -> Response:
        found = next((item for item in items if item.get("id") == part_id), None)
        return NOT_FOUND if found is None else self._refusal([part_id]) or Response(200, found)

    def _visible(self, issue_id: str, request: Request) -> Issue | None:
        issue = self._jira.issues.get(issue_id)
        return issue if issue is not None and request.user is not None and self._jira.is_visible(issue) else None

    def _contents(self, issue: Issue, fields: Iterable[str]) -> list[str]:
        """Returns the ids of what these fields of the issue contain."""
        ids = [issue.issue_id]
        for name, parts in (("comment", issue.comments), ("worklog", issue.worklogs)):
            if name in fields:
                ids += [part["id"] for part in parts[: self._jira.embedded] if "id" in part]
        return [*ids, f"{issue.issue_id}:description"] if "description" in fields else ids

    def _refusal(self, ids: Iterable[str]) -> Response | None:
        status = next((self._jira.poisoned[one] for one in ids if one in self._jira.poisoned), None)
        return None if status is None else Response(status, {"errorMessages": ["Interner Fehler."], "errors": {}})

    def _is_left_out(self, object_id: str | None) -> bool:
        return _takes_turn(self._jira.left_out, object_id)


def _takes_turn(turns: dict[str, int], object_id: str | None) -> bool:
    """Returns whether the object has a turn left, and takes it."""
    if object_id is None or not turns.get(object_id):
        return False
    turns[object_id] -= 1
    return True
