"""The events of one Jira issue."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from pydantic_core import to_json

from sidecar.atlassian.adf import adf_text
from sidecar.atlassian.fields import get_string, get_time_ms
from sidecar.atlassian.source import DESCRIPTION_CHARS, SyncContext
from sidecar.atlassian.statuses import StatusHistory, field_name
from sidecar.clock import DAY_S, LATEST_MS
from sidecar.feed import FeedEvent
from sidecar.json_reader import get, get_count, get_object, get_objects

VALUE_CHARS: Final = 120
"""Maximum length of a field's old and new value; for a description they would be the whole text twice."""
MAX_SPENT_S: Final = 10 * 365 * DAY_S
"""Longest logged work that is believed."""
WORKLOG_FIELDS: Final = frozenset(
    {"timespent", "timeestimate", "timeoriginalestimate", "worklogid", "worklogtimespent", "aggregatetimespent"}
)
"""Fields that change when work is logged: the worklog is an event of its own, and so is its deletion."""


class IssueEvents:
    """Collects the events of one issue; `parts` are its comments, worklogs and history entries."""

    def __init__(
        self,
        context: SyncContext,
        issue_id: str,
        issue: Any,
        parts: Iterable[Mapping[str, Any]],
        statuses: StatusHistory,
    ) -> None:
        self.events: list[FeedEvent] = []
        self._statuses = statuses
        self._context = context
        self._object_id = f"issue:{issue_id}"
        self._fields = get_object(issue, "fields")
        self._names = _names(context, get(self._fields, "creator"), *(get(part, "author") for part in parts))
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
        status = {} if at_ms is None else self._statuses.at(at_ms)
        fields = {**self._base, **status, "actor": actor, **fields}
        self.events += self._context.events(self._object_id, suffix, event_type, at_ms, author_id, **fields)

    def _text(self, document: object) -> str | None:
        return adf_text(document, DESCRIPTION_CHARS, self._names) or None

    def add_created(self) -> None:
        at_ms, author = get_time_ms(self._fields, "created"), get(self._fields, "creator")
        text, parent = self._text(get(self._fields, "description")), get_string(self._fields, "parent", "key")
        links = () if parent is None else (parent,)
        self._add("created", "issue_created", at_ms, author, description=text, links=links)

    def add_history(self, history: Mapping[str, Any]) -> None:
        """Adds a change of several fields: transitions, assignments, deleted worklogs, and one event for the rest."""
        history_id = get_string(history, "id")
        if history_id is None:
            return
        at_ms, author = get_time_ms(history, "created"), get(history, "author")
        prefix = f"history:{history_id}"
        others = []
        for item in get_objects(history, "items"):
            name = field_name(item)
            if name == "status":
                details = {**self._statuses.after(item), "previous_status": get_string(item, "fromString")}
                details["description"] = _change(item)
                self._add(f"{prefix}:status", "issue_transitioned", at_ms, author, **details)
            elif name == "assignee":
                self._add(f"{prefix}:assignee", "issue_assigned", at_ms, author, description=_change(item))
            elif name not in WORKLOG_FIELDS:
                others.append(item)
            elif name == "worklogid" and get_string(item, "from") and not get_string(item, "to"):
                text = _deleted_time(history)
                self._add(f"{prefix}:worklog", "issue_worklog_deleted", at_ms, author, description=text)
        if others:
            text = "\n".join(f"{get_string(item, 'field') or '?'}: {_change(item)}" for item in others)
            links = tuple(_linked_keys(others))
            self._add(f"{prefix}:fields", "issue_updated", at_ms, author, description=text, links=links)

    def add_comment(self, comment: Mapping[str, Any]) -> None:
        comment_id = get_string(comment, "id")
        if comment_id is not None:
            at_ms, author, text = (
                get_time_ms(comment, "created"),
                get(comment, "author"),
                self._text(get(comment, "body")),
            )
            url = f"{self._base['url']}?focusedCommentId={comment_id}"
            self._add(f"comment:{comment_id}", "issue_commented", at_ms, author, description=text, url=url)

    def add_worklog(self, worklog: Mapping[str, Any]) -> None:
        worklog_id, started_ms = get_string(worklog, "id"), get_time_ms(worklog, "started")
        if worklog_id is None or started_ms is None:
            return
        spent_s = get_count(worklog, "timeSpentSeconds") or 0
        if spent_s > MAX_SPENT_S:  # a mistake of an import, for one
            spent_s = 0
        comment = self._text(get(worklog, "comment"))
        self._add(
            f"worklog:{worklog_id}",
            "issue_worklogged",
            started_ms,
            get(worklog, "author"),
            end_ms=min(started_ms + spent_s * 1000, LATEST_MS),
            description="\n".join(filter(None, (get_string(worklog, "timeSpent"), comment))) or None,
            raw={"seconds": spent_s},
        )


def _deleted_time(history: Mapping[str, Any]) -> str | None:
    """Returns how long a deleted worklog was, in Jira's words: `30 minutes`."""
    named = ((get_string(item, "field") or "", item) for item in get_objects(history, "items"))
    return next((get_string(item, "fromString") for name, item in named if name.casefold() == "worklogtimespent"), None)


def _names(context: SyncContext, *people: object) -> dict[str, str]:
    """Returns the names of people by account id, for mentions without a name."""
    names = {get_string(person, "accountId"): get_string(person, "displayName") for person in people}
    names[context.owner.atlassian_account_id] = context.owner.display_name
    return {user_id: name for user_id, name in names.items() if user_id is not None and name is not None}


def _change(item: Mapping[str, Any]) -> str:
    """Returns `Doing → In Review`; a null on either side is shown as a dash."""
    return " → ".join(_shorten(_value(item, side) or "–") for side in ("from", "to"))


def _value(item: Mapping[str, Any], side: str) -> str | None:
    """Returns one side of a change.  Fields of apps may have other values than texts: those are shown as JSON."""
    for name in (f"{side}String", side):
        if (text := get_string(item, name)) is not None:
            return text
        if (value := item.get(name)) not in (None, ""):
            return to_json(value).decode()
    return None


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
