"""Jira Cloud's REST API v3 as a `Source`: which issues have changed, and everything that happened to them."""

from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import chain
from typing import Any, Final

from sidecar.atlassian.fields import by_id, get_string, get_time_ms
from sidecar.atlassian.jira_events import IssueEvents
from sidecar.atlassian.jira_reader import FIELDS, IssueReader, Parts, fetch_by_token
from sidecar.atlassian.source import Fetched, FetchedObject, ListedObject, Looked, SyncContext, remote_id
from sidecar.atlassian.statuses import StatusHistory, StatusKinds
from sidecar.atlassian.sync_store import SyncedObject
from sidecar.json_reader import get, get_objects

SEARCH_PAGE: Final = 1_000
"""Out of 5,000 allowed, since a page is held in memory until its issues are read."""
UPDATED_BY_MARGIN: Final = timedelta(days=2)
"""`updatedBy` takes whole days of the owner's zone: one day for the zone, and one for safety."""


class JiraSource:
    """One account's issues."""

    batch_size = 100
    """Maximum of /issue/bulkfetch."""
    max_deletion_checks = 20_000
    """200 requests a day."""

    def __init__(self, context: SyncContext, stored: Callable[[Sequence[str]], Mapping[str, SyncedObject]]) -> None:
        """`stored` returns those of the objects that have been read before."""
        self._context = context
        self._client = context.client
        self._stored = stored
        self._reader = IssueReader(context.client, context.skips)
        self._status_kinds = StatusKinds()

    async def list_changed(self, since_ms: int) -> AsyncIterator[list[ListedObject]]:
        statuses = await self._client.get("/rest/api/3/status", what="statuses")
        self._status_kinds.learn(*(statuses if isinstance(statuses, list) else ()))
        body = {"jql": _jql(self._context, since_ms), "fields": ["updated"], "maxResults": SEARCH_PAGE}
        async for page in fetch_by_token(self._client, "/rest/api/3/search/jql", body, "issues", "search"):
            if get(page, "warnings"):
                self._context.skips.warn("Jira reports that its search may be incomplete")
            yield [_listed(issue_id, issue) for issue_id, issue in by_id(get_objects(page, "issues")).items()]

    async def fetch(self, listed: Sequence[ListedObject]) -> Fetched:
        wanted = {remote_id(item.object_id): item for item in listed}
        names = {issue_id: item.name for issue_id, item in wanted.items() if item.name is not None}
        # The issues first: an event between the two requests is then read twice instead of never.
        found = await self._reader.read(list(wanted), FIELDS, names)
        issues = {issue_id: issue for issue_id, issue in found.issues.items() if issue_id in wanted}
        histories = await self._reader.histories(list(issues), names)
        stored = self._stored([item.object_id for item in listed])
        objects = [
            await self._fetched(wanted[issue_id], issue, histories[issue_id], stored, is_short=issue_id in found.short)
            for issue_id, issue in issues.items()
        ]
        return Fetched(objects, {f"issue:{issue_id}" for issue_id in found.gone})

    async def look(self, objects: Sequence[SyncedObject]) -> Looked:
        ids = [remote_id(item.object_id) for item in objects]
        names = {remote_id(item.object_id): item.shown_as for item in objects if item.shown_as is not None}
        removed = {remote_id(item.object_id) for item in objects if item.is_removed}
        found = await self._reader.read(ids, ["updated", "status"], names, removed)
        # The search finds the owner's changes only: what others did to the owner's comments is noticed here.
        there = {f"issue:{issue_id}": _listed(issue_id, issue) for issue_id, issue in found.issues.items()}
        states = {}
        for issue in found.issues.values():
            if (key := get_string(issue, "key")) is not None and get(issue, "fields", "status") is not None:
                states[key] = StatusHistory(issue, (), self._status_kinds).kind
        return Looked(there, {f"issue:{issue_id}" for issue_id in found.gone}, states)

    async def _fetched(
        self,
        listed: ListedObject,
        issue: Any,
        history: Parts,
        stored: Mapping[str, SyncedObject],
        *,
        is_short: bool,
    ) -> FetchedObject:
        issue_id, name = remote_id(listed.object_id), get_string(issue, "key") or ""
        before = stored.get(listed.object_id)
        known = _ids_by_kind(() if before is None else before.event_suffixes)
        if history.is_complete and any(one not in history.items for one in known["history"]):
            history.items |= (await self._reader.history(issue_id, name)).items
        comments = await self._reader.parts(issue, issue_id, "comment", name, known["comment"])
        worklogs = await self._reader.parts(issue, issue_id, "worklog", name, known["worklog"])
        parts = chain(history.items.values(), comments.items.values(), worklogs.items.values())
        statuses = StatusHistory(issue, history.items.values() if history.is_complete else None, self._status_kinds)
        events = IssueEvents(self._context, issue_id, issue, parts, statuses)
        if not (is_short and known["created"]):
            events.add_created()
        for entry in history.items.values():
            events.add_history(entry)
        for comment in comments.items.values():
            events.add_comment(comment)
        for worklog in worklogs.items.values():
            events.add_worklog(worklog)
        left_out = {
            "created": known["created"] if is_short else {},
            "history": history.left_out(known["history"]),
            "comment": comments.left_out(known["comment"]),
            "worklog": worklogs.left_out(known["worklog"]),
        }
        kept = [suffix for kind, ids in left_out.items() for part_id in ids for suffix in known[kind][part_id]]
        is_complete = history.is_complete and comments.is_complete and worklogs.is_complete and not is_short
        states = {name: statuses.kind} if name and not statuses.is_unknown else {}
        return FetchedObject(
            listed, events.events, shown_as=name or None, kept=kept, is_complete=is_complete, states=states
        )


def _listed(issue_id: str, issue: Any) -> ListedObject:
    path = ("fields", "updated")
    key = get_string(issue, "key")
    updated, updated_ms = get_string(issue, *path) or "", get_time_ms(issue, *path)
    return ListedObject(f"issue:{issue_id}", updated, updated_ms, name=key, shown_as=key)


def _ids_by_kind(suffixes: Sequence[str]) -> defaultdict[str, dict[str, list[str]]]:
    """Groups what follows the prefix in event ids: `history:10001:status` becomes {history: {10001: [it]}}."""
    found: defaultdict[str, dict[str, list[str]]] = defaultdict(dict)
    for suffix in suffixes:
        kind, part_id, *_ = (*suffix.split(":"), "")
        found[kind].setdefault(part_id, []).append(suffix)
    return found


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
