"""Converts an issue's history to events of the feed.  Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from sidecar.atlassian.adf import adf_text
from sidecar.atlassian.fields import get_string, get_time_ms
from sidecar.atlassian.source import SyncContext
from sidecar.feed import FeedEvent
from sidecar.json_reader import get, get_count, get_objects

DESCRIPTION_CHARS: Final = 4_000
VALUE_CHARS: Final = 120
"""Maximum length of a field's old and new value; for a description they would be the whole text twice."""
WORKLOG_FIELDS: Final = frozenset(
    {"timespent", "timeestimate", "timeoriginalestimate", "worklogid", "aggregatetimespent"}
)
"""Fields that change when work is logged: the worklog is an event of its own."""
STATUS_KINDS: Final = {"new": "todo", "indeterminate": "doing", "done": "done"}
"""Jira's status categories, by the key that is not localized."""


def status_kinds(statuses: object) -> dict[str, str]:
    """Maps status ids to `todo`, `doing`, `done` or `blocked`, by the response of `/status`."""
    kinds = {}
    for status in get_objects({"statuses": statuses}, "statuses"):
        kind = STATUS_KINDS.get(get_string(status, "statusCategory", "key") or "")
        if kind == "doing" and "block" in (get_string(status, "name") or "").casefold():
            kind = "blocked"  # Jira has no such category; users name a status so
        if (status_id := get_string(status, "id")) is not None and kind is not None:
            kinds[status_id] = kind
    return kinds


@dataclass(frozen=True, slots=True)
class Issue:
    """One issue with everything that happened to it."""

    fields: Mapping[str, Any]
    issue_id: str
    key: str
    histories: Iterable[Mapping[str, Any]]
    comments: Iterable[Mapping[str, Any]]
    worklogs: Iterable[Mapping[str, Any]]


def issue_events(issue: Issue, context: SyncContext, kinds: Mapping[str, str]) -> list[FeedEvent]:
    builder = _EventBuilder(issue, context)
    builder.add_created()
    for history in issue.histories:
        builder.add_history(history, kinds)
    for comment in issue.comments:
        builder.add_comment(comment)
    for worklog in issue.worklogs:
        builder.add_worklog(worklog)
    return builder.events


class _EventBuilder:
    def __init__(self, issue: Issue, context: SyncContext) -> None:
        self.events: list[FeedEvent] = []
        self._issue = issue
        self._context = context
        self._url = f"{context.base_url}/browse/{issue.key}"
        self._prefix = context.event_id_prefix(f"issue:{issue.issue_id}")
        self._base = FeedEvent(
            event_id="",
            event_type="",
            at_ms=0,
            title=f"{issue.key} {get_string(issue.fields, 'summary') or ''}".strip(),
            url=self._url,
            container_id=get_string(issue.fields, "project", "key"),
            container=get_string(issue.fields, "project", "name"),
            object_id=issue.issue_id,
            issue_key=issue.key,
        )

    def _add(self, suffix: str, event_type: str, at_ms: int | None, author: object, **fields: Any) -> None:
        by_me = self._context.is_owner(get_string(author, "accountId"))
        if at_ms is not None and self._context.includes(by_me=by_me, at_ms=at_ms):
            event = replace(
                self._base,
                event_id=self._prefix + suffix,
                event_type=event_type,
                at_ms=at_ms,
                actor=get_string(author, "displayName"),
                by_me=by_me,
                **fields,
            )
            self.events.append(event)

    def add_created(self) -> None:
        fields = self._issue.fields
        parent = get_string(fields, "parent", "key")
        self._add(
            "created",
            "issue_created",
            get_time_ms(fields, "created"),
            get(fields, "creator"),
            description=adf_text(get(fields, "description"), DESCRIPTION_CHARS) or None,
            links=(parent,) if parent else (),
        )

    def add_history(self, history: Mapping[str, Any], kinds: Mapping[str, str]) -> None:
        """Adds one change of several fields: a transition, an assignment, and one event for all other fields."""
        history_id = get_string(history, "id")
        if history_id is None:
            return
        at_ms, author = get_time_ms(history, "created"), get(history, "author")
        others = []
        for item in get_objects(history, "items"):
            name = (get_string(item, "fieldId") or get_string(item, "field") or "").casefold()
            if name == "status":
                self._add(
                    f"history:{history_id}:status",
                    "issue_transitioned",
                    at_ms,
                    author,
                    description=_change(item),
                    status=get_string(item, "toString"),
                    previous_status=get_string(item, "fromString"),
                    status_kind=kinds.get(get_string(item, "to") or ""),
                )
            elif name == "assignee":
                self._add(f"history:{history_id}:assignee", "issue_assigned", at_ms, author, description=_change(item))
            elif name not in WORKLOG_FIELDS:
                others.append(item)
        if others:
            self._add(
                f"history:{history_id}:fields",
                "issue_updated",
                at_ms,
                author,
                description="\n".join(f"{get_string(item, 'field') or '?'}: {_change(item)}" for item in others),
                links=tuple(_linked_keys(others)),
            )

    def add_comment(self, comment: Mapping[str, Any]) -> None:
        comment_id = get_string(comment, "id")
        if comment_id is not None:
            self._add(
                f"comment:{comment_id}",
                "issue_commented",
                get_time_ms(comment, "created"),
                get(comment, "author"),
                description=adf_text(get(comment, "body"), DESCRIPTION_CHARS) or None,
                url=f"{self._url}?focusedCommentId={comment_id}",
            )

    def add_worklog(self, worklog: Mapping[str, Any]) -> None:
        worklog_id, started_ms = get_string(worklog, "id"), get_time_ms(worklog, "started")
        if worklog_id is None or started_ms is None:
            return
        spent_s = get_count(worklog, "timeSpentSeconds") or 0
        comment = adf_text(get(worklog, "comment"), DESCRIPTION_CHARS)
        self._add(
            f"worklog:{worklog_id}",
            "issue_worklogged",
            started_ms,
            get(worklog, "author"),
            end_ms=started_ms + spent_s * 1000,
            description="\n".join(filter(None, (get_string(worklog, "timeSpent"), comment))) or None,
            raw={"seconds": spent_s},
        )


def _change(item: Mapping[str, Any]) -> str:
    """Returns `Doing → In Review`; a null on either side is shown as a dash."""
    before, after = (_shorten(get_string(item, f"{side}String") or get_string(item, side)) for side in ("from", "to"))
    return f"{before} → {after}"


def _shorten(value: str | None) -> str:
    if value is None:
        return "–"
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
