"""What happened to an issue, as events of the feed.  Pure: from what Jira sent to what the feed takes."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from sidecar.atlassian.adf import adf_text
from sidecar.atlassian.shapes import dig, items, moment, number, text
from sidecar.atlassian.source import Asking
from sidecar.feed import FeedEvent

DESCRIPTION_CHARS: Final = 4_000
VALUE_CHARS: Final = 120
"""Of a field's old and new value; a description's would be all of it twice."""
BOOKKEEPING: Final = frozenset({"timespent", "timeestimate", "timeoriginalestimate", "worklogid", "aggregatetimespent"})
"""What logging work leaves in the history: the worklog itself is an event."""
CATEGORIES: Final = {"new": "todo", "indeterminate": "doing", "done": "done"}
"""Jira's three kinds of status, by the key that is not localized."""


def status_kinds(statuses: object) -> dict[str, str]:
    """Status id to `todo`, `doing`, `done` or `blocked`, from the answer of `/status`."""
    kinds = {}
    for status in items({"statuses": statuses}, "statuses"):
        kind = CATEGORIES.get(text(status, "statusCategory", "key") or "")
        if kind == "doing" and "block" in (text(status, "name") or "").casefold():
            kind = "blocked"  # Jira knows no such category; people name a status so
        if (status_id := text(status, "id")) is not None and kind is not None:
            kinds[status_id] = kind
    return kinds


@dataclass(frozen=True, slots=True)
class Issue:
    """One issue with all that is known of it."""

    fields: Mapping[str, Any]
    issue_id: str
    key: str
    histories: Iterable[Mapping[str, Any]]
    comments: Iterable[Mapping[str, Any]]
    worklogs: Iterable[Mapping[str, Any]]


def issue_events(issue: Issue, asking: Asking, kinds: Mapping[str, str]) -> list[FeedEvent]:
    """All that the account wants to know of it."""
    maker = _Maker(issue, asking)
    maker.created()
    for history in issue.histories:
        maker.history(history, kinds)
    for comment in issue.comments:
        maker.comment(comment)
    for worklog in issue.worklogs:
        maker.worklog(worklog)
    return maker.events


class _Maker:
    def __init__(self, issue: Issue, asking: Asking) -> None:
        self.events: list[FeedEvent] = []
        self._issue = issue
        self._asking = asking
        self._url = f"{asking.base_url}/browse/{issue.key}"
        self._prefix = asking.prefix(f"issue:{issue.issue_id}")
        self._base = FeedEvent(
            event_id="",
            event_type="",
            at_ms=0,
            title=f"{issue.key} {text(issue.fields, 'summary') or ''}".strip(),
            url=self._url,
            container_id=text(issue.fields, "project", "key"),
            container=text(issue.fields, "project", "name"),
            object_id=issue.issue_id,
            issue_key=issue.key,
        )

    def _add(self, suffix: str, event_type: str, at_ms: int | None, author: object, **more: Any) -> None:
        by_me = text(author, "accountId") == self._asking.me
        if at_ms is not None and self._asking.wants(by_me=by_me, at_ms=at_ms):
            event = replace(
                self._base,
                event_id=self._prefix + suffix,
                event_type=event_type,
                at_ms=at_ms,
                actor=text(author, "displayName"),
                by_me=by_me,
                **more,
            )
            self.events.append(event)

    def created(self) -> None:
        fields = self._issue.fields
        parent = text(fields, "parent", "key")
        self._add(
            "created",
            "issue_created",
            moment(fields, "created"),
            dig(fields, "creator"),
            description=adf_text(dig(fields, "description"), DESCRIPTION_CHARS) or None,
            links=(parent,) if parent else (),
        )

    def history(self, history: Mapping[str, Any], kinds: Mapping[str, str]) -> None:
        """One change of several fields: a transition, an assignment, and what is left as one event."""
        history_id = text(history, "id")
        if history_id is None:
            return
        at_ms, author = moment(history, "created"), dig(history, "author")
        rest = []
        for item in items(history, "items"):
            name = (text(item, "fieldId") or text(item, "field") or "").casefold()
            if name == "status":
                self._add(
                    f"history:{history_id}:status",
                    "issue_transitioned",
                    at_ms,
                    author,
                    description=_change(item),
                    status=text(item, "toString"),
                    previous_status=text(item, "fromString"),
                    status_kind=kinds.get(text(item, "to") or ""),
                )
            elif name == "assignee":
                self._add(f"history:{history_id}:assignee", "issue_assigned", at_ms, author, description=_change(item))
            elif name not in BOOKKEEPING:
                rest.append(item)
        if rest:
            self._add(
                f"history:{history_id}:fields",
                "issue_updated",
                at_ms,
                author,
                description="\n".join(f"{text(item, 'field') or '?'}: {_change(item)}" for item in rest),
                links=tuple(_linked(rest)),
            )

    def comment(self, comment: Mapping[str, Any]) -> None:
        comment_id = text(comment, "id")
        if comment_id is not None:
            self._add(
                f"comment:{comment_id}",
                "issue_commented",
                moment(comment, "created"),
                dig(comment, "author"),
                description=adf_text(dig(comment, "body"), DESCRIPTION_CHARS) or None,
                url=f"{self._url}?focusedCommentId={comment_id}",
            )

    def worklog(self, worklog: Mapping[str, Any]) -> None:
        worklog_id, started = text(worklog, "id"), moment(worklog, "started")
        if worklog_id is None or started is None:
            return
        spent_s = max(0, number(worklog, "timeSpentSeconds"))
        said = adf_text(dig(worklog, "comment"), DESCRIPTION_CHARS)
        self._add(
            f"worklog:{worklog_id}",
            "issue_worklogged",
            started,
            dig(worklog, "author"),
            end_ms=started + spent_s * 1000,
            description="\n".join(filter(None, (text(worklog, "timeSpent"), said))) or None,
            raw={"seconds": spent_s},
        )


def _change(item: Mapping[str, Any]) -> str:
    """`Doing → In Review`; what is null on one side was or became empty."""
    before, after = (_short(text(item, f"{side}String") or text(item, side)) for side in ("from", "to"))
    return f"{before} → {after}"


def _short(value: str | None) -> str:
    if value is None:
        return "–"
    value = " ".join(value.split())
    return value if len(value) <= VALUE_CHARS else value[: VALUE_CHARS - 1] + "…"


def _linked(rest: Iterable[Mapping[str, Any]]) -> Iterable[str]:
    """Keys that the change itself names: an issue that was linked, and the key that a moved one had before."""
    for item in rest:
        name = (text(item, "field") or "").casefold()
        if name == "link":
            yield from filter(None, (text(item, "to"), text(item, "from")))
        elif name == "key":
            yield from filter(None, (text(item, "fromString"),))
