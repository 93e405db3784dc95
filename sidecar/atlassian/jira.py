"""Jira Cloud's REST API v3 as a `Source`: which issues have changed, and all that happened to them.

The list is asked for by epoch milliseconds, because dates in JQL mean the owner's zone and whole minutes; without an
upper bound, because an issue that changes all the time would never be below it; and in the order of ids, because in
the order of changes an issue that changes while pages are turned would push another past the page's edge.
"""

from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from sidecar_protocol.atlassian import AtlassianScope

from sidecar.atlassian.client import Refused, SiteClient
from sidecar.atlassian.jira_events import Issue, issue_events, status_kinds
from sidecar.atlassian.shapes import dig, items, moment, number, text
from sidecar.atlassian.source import Asking, Found, Listed, Reading, pages
from sidecar.http.client import BadResponse

LIST_PAGE: Final = 1_000
"""Of 5,000 allowed: what is listed is in memory until it is read."""
READ_ISSUES: Final = 100
"""As many as /issue/bulkfetch takes."""
HISTORIES: Final = 1_000
PART_PAGE: Final = 100
"""Comments or worklogs a page."""
PROBES: Final = 20_000
"""200 requests a night."""
FIELDS: Final = ["summary", "project", "created", "creator", "description", "parent", "comment", "worklog"]
TOUCHED_MARGIN: Final = timedelta(days=2)
"""`updatedBy` knows whole days of the owner's zone: a day for the zone, and one for the doubt."""


class JiraSource:
    """One account's issues."""

    read_at_once = READ_ISSUES
    probes = PROBES

    def __init__(self, client: SiteClient, asking: Asking) -> None:
        self._client = client
        self._asking = asking
        self._kinds: dict[str, str] = {}
        self._warn: Callable[[str], None] = lambda _: None

    async def begin(self, warn: Callable[[str], None]) -> None:
        """See `Source`."""
        self._warn = warn
        self._kinds = status_kinds(await self._client.get("/rest/api/3/status", what="statuses"))

    async def changed(self, lower_ms: int) -> AsyncIterator[list[Listed]]:
        """See `Source`."""
        jql = _jql(self._asking, lower_ms)

        async def ask(token: str | None) -> Any:
            body = {"jql": jql, "fields": ["updated"], "maxResults": LIST_PAGE}
            more = {"nextPageToken": token} if token is not None else {}
            answer = await self._client.post("/rest/api/3/search/jql", {**body, **more}, what="search")
            return _with_list(answer, "issues", "search")

        async for answer in pages("Jira's search", ask, lambda answer: text(answer, "nextPageToken")):
            if dig(answer, "warnings"):
                self._warn("Jira says that its search may be incomplete")
            yield [
                Listed(f"issue:{issue_id}", text(issue, "fields", "updated") or "", moment(issue, "fields", "updated"))
                for issue in items(answer, "issues")
                if (issue_id := text(issue, "id")) is not None
            ]

    async def read(self, listed: Sequence[Listed]) -> Reading:
        """See `Source`."""
        wanted = {one.remote_id: one for one in listed}
        # The issues first: what happens between the two requests is then read twice instead of never.
        issues = await self._issues(list(wanted), FIELDS)
        histories = await self._histories([issue_id for issue_id in wanted if issue_id in issues])
        found = []
        for issue_id, issue in issues.items():
            if issue_id in wanted:
                whole = Issue(
                    dig(issue, "fields") or {},
                    issue_id,
                    text(issue, "key") or issue_id,
                    histories.get(issue_id, {}).values(),
                    await self._parts(issue, issue_id, "comment", "comments"),
                    await self._parts(issue, issue_id, "worklog", "worklogs"),
                )
                found.append(Found(wanted[issue_id], issue_events(whole, self._asking, self._kinds)))
        return Reading(found, [one.object_id for issue_id, one in wanted.items() if issue_id not in issues])

    async def gone(self, object_ids: Sequence[str]) -> set[str]:
        """See `Source`."""
        by_id = {object_id.rpartition(":")[2]: object_id for object_id in object_ids}
        issues = await self._issues(list(by_id), ["updated"])
        return {object_id for issue_id, object_id in by_id.items() if issue_id not in issues}

    async def _issues(self, ids: Sequence[str], fields: Sequence[str]) -> dict[str, Any]:
        """Issues by id.  An answer that does not arrive whole is asked for in halves."""
        body = {"issueIdsOrKeys": list(ids), "fields": list(fields)}
        try:
            answer = await self._client.post("/rest/api/3/issue/bulkfetch", body, what="issues")
            listed = items(_with_list(answer, "issues", "issues"), "issues")
        except BadResponse:
            if len(ids) < 2:
                raise
            middle = len(ids) // 2
            return await self._issues(ids[:middle], fields) | await self._issues(ids[middle:], fields)
        return {issue_id: issue for issue in listed if (issue_id := text(issue, "id")) is not None}

    async def _histories(self, ids: Sequence[str]) -> dict[str, dict[str, Any]]:
        """Histories by id, by issue; one issue's may be spread over pages.

        By the search's `expand=changelog` only the last 40 would come, without a word (JRACLOUD-96459).
        """
        found: defaultdict[str, dict[str, Any]] = defaultdict(dict)
        if not ids:
            return found

        async def ask(token: str | None) -> Any:
            body = {"issueIdsOrKeys": list(ids), "maxResults": HISTORIES}
            more = {"nextPageToken": token} if token is not None else {}
            answer = await self._client.post("/rest/api/3/changelog/bulkfetch", {**body, **more}, what="histories")
            return _with_list(answer, "issueChangeLogs", "histories")

        async for answer in pages("Jira's histories", ask, lambda answer: text(answer, "nextPageToken")):
            for log in items(answer, "issueChangeLogs"):
                for history in items(log, "changeHistories"):
                    found[text(log, "issueId") or ""][text(history, "id") or ""] = history
        return found

    async def _parts(self, issue: Any, issue_id: str, field: str, name: str) -> list[dict[str, Any]]:
        """An issue's comments or worklogs.

        Of the embedded ones there is a limit that no description names, so their number is held against the total.
        """
        embedded = items(issue, "fields", field, name)
        if len(embedded) >= number(issue, "fields", field, "total"):
            return embedded
        found: dict[str, dict[str, Any]] = {}
        start = 0
        while True:
            params = [("startAt", str(start)), ("maxResults", str(PART_PAGE))]
            try:
                answer = await self._client.get(f"/rest/api/3/issue/{issue_id}/{field}", params, what=name)
            except Refused as refusal:
                if refusal.status == 404:  # deleted since it was listed; what is known of it goes with the issue
                    return list(found.values())
                raise
            came = items(_with_list(answer, name, name), name)
            found |= {part_id: part for part in came if (part_id := text(part, "id")) is not None}
            start += len(came)
            if not came or start >= number(answer, "total"):
                return list(found.values())


def _with_list(answer: Any, name: str, what: str) -> Any:
    """The answer, if it has the list that it is about: what has none is no empty list."""
    if not isinstance(dig(answer, name), list):
        raise BadResponse("a field of the response is missing", f"Jira's {what}")
    return answer


def _jql(asking: Asking, lower_ms: int) -> str:
    """Issues that have changed since then, and that the owner has had a hand in.

    The lower bound is safe beside `updatedBy`: whatever the owner did since then has changed `updated` as well.
    """
    day = datetime.fromtimestamp(lower_ms / 1000, UTC) - TOUCHED_MARGIN
    mine = [f'issue in updatedBy("{asking.me}", "{day:%Y/%m/%d}")', "worklogAuthor = currentUser()"]
    if asking.scope is AtlassianScope.WATCHED:
        mine += [f"{role} = currentUser()" for role in ("assignee", "reporter", "watcher")]
    return f"({' OR '.join(mine)}) AND updated >= {lower_ms} ORDER BY id ASC"
