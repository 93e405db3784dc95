"""Jira Cloud's REST API v3 as a `Source`: which issues have changed, and everything that happened to them."""

from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from sidecar.atlassian.adf import adf_text
from sidecar.atlassian.client import RequestRefused
from sidecar.atlassian.fields import by_id, get_string, get_time_ms
from sidecar.atlassian.source import DESCRIPTION_CHARS, FetchedObject, ListedObject, SyncContext, fetch_pages, remote_id
from sidecar.feed import FeedEvent
from sidecar.http.client import BadResponse
from sidecar.json_reader import get, get_count, get_object, get_objects

SEARCH_PAGE: Final = 1_000
"""Out of 5,000 allowed, since a page is held in memory until its issues are read."""
HISTORIES_PAGE: Final = 1_000
PART_PAGE: Final = 100
"""Comments or worklogs per page."""
FIELDS: Final = ["summary", "project", "created", "creator", "description", "parent", "comment", "worklog"]
UPDATED_BY_MARGIN: Final = timedelta(days=2)
"""`updatedBy` takes whole days of the owner's zone: one day for the zone, and one for safety."""
VALUE_CHARS: Final = 120
"""Maximum length of a field's old and new value; for a description they would be the whole text twice."""
WORKLOG_FIELDS: Final = frozenset(
    {"timespent", "timeestimate", "timeoriginalestimate", "worklogid", "aggregatetimespent"}
)
"""Fields that change when work is logged: the worklog is an event of its own."""
STATUS_KINDS: Final = {"new": "todo", "indeterminate": "doing", "done": "done"}
"""Jira's status categories, by the key that is not localized."""


class JiraSource:
    """One account's issues."""

    batch_size = 100
    """Maximum of /issue/bulkfetch."""
    max_deletion_checks = 20_000
    """200 requests a day."""

    def __init__(self, context: SyncContext) -> None:
        self._context = context
        self._client = context.client
        self._status_kinds: dict[str, str] = {}

    async def list_changed(self, since_ms: int) -> AsyncIterator[list[ListedObject]]:
        self._status_kinds = _status_kinds_by_id(await self._client.get("/rest/api/3/status", what="statuses"))
        body = {"jql": _jql(self._context, since_ms), "fields": ["updated"], "maxResults": SEARCH_PAGE}
        async for page in self._pages("/rest/api/3/search/jql", body, "issues", "search"):
            if get(page, "warnings"):
                self._context.warn("Jira reports that its search may be incomplete")
            path = ("fields", "updated")
            yield [
                ListedObject(f"issue:{issue_id}", get_string(issue, *path) or "", get_time_ms(issue, *path))
                for issue_id, issue in by_id(get_objects(page, "issues")).items()
            ]

    async def fetch(self, listed: Sequence[ListedObject]) -> list[FetchedObject]:
        wanted = {remote_id(item.object_id): item for item in listed}
        # The issues first: an event between the two requests is then read twice instead of never.
        issues = await self._issues(list(wanted), FIELDS)
        histories = await self._histories([issue_id for issue_id in wanted if issue_id in issues])
        fetched = []
        for issue_id in filter(wanted.get, issues):
            issue = issues[issue_id]
            events = _IssueEvents(self._context, issue_id, issue)
            events.add_created()
            for history in histories.get(issue_id, {}).values():
                events.add_history(history, self._status_kinds)
            for comment in await self._parts(issue, issue_id, "comment", "comments"):
                events.add_comment(comment)
            for worklog in await self._parts(issue, issue_id, "worklog", "worklogs"):
                events.add_worklog(worklog)
            fetched.append(FetchedObject(wanted[issue_id], events.events))
        return fetched

    async def find_missing(self, object_ids: Sequence[str]) -> set[str]:
        issues = await self._issues([remote_id(object_id) for object_id in object_ids], ["updated"])
        return {object_id for object_id in object_ids if remote_id(object_id) not in issues}

    async def _issues(self, ids: Sequence[str], fields: Sequence[str]) -> dict[str, Any]:
        """Returns issues by id.  If the response is unusable, such as too large, requests each half."""
        body = {"issueIdsOrKeys": list(ids), "fields": list(fields)}
        try:
            response = await self._client.post("/rest/api/3/issue/bulkfetch", body, what="issues", list_name="issues")
        except BadResponse:
            if len(ids) < 2:
                raise
            middle = len(ids) // 2
            return await self._issues(ids[:middle], fields) | await self._issues(ids[middle:], fields)
        return by_id(get_objects(response, "issues"))

    async def _histories(self, ids: Sequence[str]) -> dict[str, dict[str, Any]]:
        """Returns history entries by id, by issue; an issue's entries may be spread over several pages."""
        histories: defaultdict[str, dict[str, Any]] = defaultdict(dict)
        if ids:
            body = {"issueIdsOrKeys": list(ids), "maxResults": HISTORIES_PAGE}
            async for page in self._pages("/rest/api/3/changelog/bulkfetch", body, "issueChangeLogs", "histories"):
                for log in get_objects(page, "issueChangeLogs"):
                    for history in get_objects(log, "changeHistories"):
                        histories[get_string(log, "issueId") or ""][get_string(history, "id") or ""] = history
        return histories

    async def _pages(self, path: str, body: dict[str, Any], name: str, what: str) -> AsyncIterator[Any]:
        async def fetch(token: str | None) -> Any:
            token_field = {} if token is None else {"nextPageToken": token}
            return await self._client.post(path, {**body, **token_field}, what=what, list_name=name)

        async for page in fetch_pages(f"Jira's {what}", fetch, lambda page: get_string(page, "nextPageToken")):
            yield page

    async def _parts(self, issue: Any, issue_id: str, field: str, name: str) -> list[dict[str, Any]]:
        """Returns an issue's comments or worklogs.

        An issue embeds only the first of them, up to an undocumented limit, so their number is compared with the total.
        """
        embedded = get_objects(issue, "fields", field, name)
        if len(embedded) >= (get_count(issue, "fields", field, "total") or 0):
            return embedded
        parts: dict[str, dict[str, Any]] = {}
        start, total = 0, 1
        while start < total:
            params = [("startAt", str(start)), ("maxResults", str(PART_PAGE))]
            try:
                path = f"/rest/api/3/issue/{issue_id}/{field}"
                response = await self._client.get(path, params, what=name, list_name=name)
            except RequestRefused as refusal:
                if refusal.status == 404:  # deleted since it was listed
                    break
                raise
            page = get_objects(response, name)
            parts |= by_id(page)
            start += len(page)
            total = (get_count(response, "total") or 0) if page else 0
        return list(parts.values())


def _jql(context: SyncContext, since_ms: int) -> str:
    """Returns the query for the issues changed since then in which the owner takes part.

    `updatedBy` and the lower bound on `updated` fit together: whatever the owner did changed `updated` as well.
    """
    day = datetime.fromtimestamp(since_ms / 1000, UTC) - UPDATED_BY_MARGIN
    owner_id = context.owner.atlassian_account_id
    conditions = [f'issue in updatedBy("{owner_id}", "{day:%Y/%m/%d}")', "worklogAuthor = currentUser()"]
    if context.is_watched:
        conditions += [f"{role} = currentUser()" for role in ("assignee", "reporter", "watcher")]
    return f"({' OR '.join(conditions)}) AND updated >= {since_ms} ORDER BY id ASC"


class _IssueEvents:
    """Collects the events of one issue."""

    def __init__(self, context: SyncContext, issue_id: str, issue: Any) -> None:
        self.events: list[FeedEvent] = []
        self._context = context
        self._object_id = f"issue:{issue_id}"
        self._fields = get_object(issue, "fields")
        key = get_string(issue, "key") or issue_id
        self._base: dict[str, Any] = {
            "title": f"{key} {get_string(self._fields, 'summary') or ''}".strip(),
            "url": f"{context.base_url}/browse/{key}",
            "container_id": get_string(self._fields, "project", "key"),
            "container": get_string(self._fields, "project", "name"),
            "object_id": issue_id,
            "issue_key": key,
        }

    def _add(self, suffix: str, event_type: str, at_ms: int | None, author: object, **fields: Any) -> None:
        author_id, actor = get_string(author, "accountId"), get_string(author, "displayName")
        fields = {**self._base, "actor": actor, **fields}
        self.events += self._context.events(self._object_id, suffix, event_type, at_ms, author_id, **fields)

    def add_created(self) -> None:
        at_ms, author = get_time_ms(self._fields, "created"), get(self._fields, "creator")
        text, parent = _text(get(self._fields, "description")), get_string(self._fields, "parent", "key")
        links = () if parent is None else (parent,)
        self._add("created", "issue_created", at_ms, author, description=text, links=links)

    def add_history(self, history: Mapping[str, Any], kinds: Mapping[str, str]) -> None:
        """Adds one change of several fields: a transition, an assignment, and one event for all other fields."""
        history_id = get_string(history, "id")
        if history_id is None:
            return
        at_ms, author = get_time_ms(history, "created"), get(history, "author")
        prefix = f"history:{history_id}"
        others = []
        for item in get_objects(history, "items"):
            name = (get_string(item, "fieldId") or get_string(item, "field") or "").casefold()
            if name == "status":
                details = {
                    "description": _change(item),
                    "status": get_string(item, "toString"),
                    "previous_status": get_string(item, "fromString"),
                    "status_kind": kinds.get(get_string(item, "to") or ""),
                }
                self._add(f"{prefix}:status", "issue_transitioned", at_ms, author, **details)
            elif name == "assignee":
                self._add(f"{prefix}:assignee", "issue_assigned", at_ms, author, description=_change(item))
            elif name not in WORKLOG_FIELDS:
                others.append(item)
        if others:
            text = "\n".join(f"{get_string(item, 'field') or '?'}: {_change(item)}" for item in others)
            links = tuple(_linked_keys(others))
            self._add(f"{prefix}:fields", "issue_updated", at_ms, author, description=text, links=links)

    def add_comment(self, comment: Mapping[str, Any]) -> None:
        comment_id = get_string(comment, "id")
        if comment_id is not None:
            at_ms, author, text = get_time_ms(comment, "created"), get(comment, "author"), _text(get(comment, "body"))
            url = f"{self._base['url']}?focusedCommentId={comment_id}"
            self._add(f"comment:{comment_id}", "issue_commented", at_ms, author, description=text, url=url)

    def add_worklog(self, worklog: Mapping[str, Any]) -> None:
        worklog_id, started_ms = get_string(worklog, "id"), get_time_ms(worklog, "started")
        if worklog_id is None or started_ms is None:
            return
        spent_s = get_count(worklog, "timeSpentSeconds") or 0
        comment = _text(get(worklog, "comment"))
        self._add(
            f"worklog:{worklog_id}",
            "issue_worklogged",
            started_ms,
            get(worklog, "author"),
            end_ms=started_ms + spent_s * 1000,
            description="\n".join(filter(None, (get_string(worklog, "timeSpent"), comment))) or None,
            raw={"seconds": spent_s},
        )


def _status_kinds_by_id(statuses: object) -> dict[str, str]:
    """Maps status ids to `todo`, `doing`, `done` or `blocked`, by the response of `/status`."""
    kinds = {}
    for status in get_objects({"statuses": statuses}, "statuses"):
        kind = STATUS_KINDS.get(get_string(status, "statusCategory", "key") or "")
        if kind == "doing" and "block" in (get_string(status, "name") or "").casefold():
            kind = "blocked"  # Jira has no such category; users name a status so
        if (status_id := get_string(status, "id")) is not None and kind is not None:
            kinds[status_id] = kind
    return kinds


def _text(document: object) -> str | None:
    return adf_text(document, DESCRIPTION_CHARS) or None


def _change(item: Mapping[str, Any]) -> str:
    """Returns `Doing → In Review`; a null on either side is shown as a dash."""
    values = [get_string(item, f"{side}String") or get_string(item, side) or "–" for side in ("from", "to")]
    return " → ".join(_shorten(value) for value in values)


def _shorten(value: str) -> str:
    value = " ".join(value.split())
    return value if len(value) <= VALUE_CHARS else value[: VALUE_CHARS - 1] + "…"


def _linked_keys(items: Iterable[Mapping[str, Any]]) -> Iterable[str]:
    """Yields the issue keys that a change names: a linked issue, and the previous key of a moved one."""
    for item in items:
        name = (get_string(item, "field") or "").casefold()
        if name == "link":
            yield from filter(None, (get_string(item, "to"), get_string(item, "from")))
        elif name == "key":
            yield from filter(None, (get_string(item, "fromString"),))
