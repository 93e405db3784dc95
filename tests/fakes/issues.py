"""Issues of the fake Jira and the rules of its search: dates in the user's zone, `updatedBy` by whole days."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from tests.fakes.atlassian import User
from tests.fakes.queries import BadQuery, Call, Clause, Query


@dataclass
class Issue:
    """An issue with its history; `touches` are (time in ms, account id) of each change."""

    issue_id: str
    key: str
    fields: dict[str, Any]
    creator: User
    created: int
    updated: int
    assignee: User | None = None
    watchers: set[str] = field(default_factory=set)
    histories: list[dict[str, Any]] = field(default_factory=list)
    comments: list[dict[str, Any]] = field(default_factory=list)
    worklogs: list[dict[str, Any]] = field(default_factory=list)
    touches: list[tuple[int, str]] = field(default_factory=list)


def lower_bound(query: Query) -> int:
    """Returns the lower bound of `updated` in the whole query, or 0."""
    clauses = query.where[1:] if isinstance(query.where, tuple) and query.where[0] == "and" else ()
    bounds = [one.value for one in clauses if isinstance(one, Clause) and one.field == "updated"]
    return max((bound for bound in bounds if isinstance(bound, int)), default=0)


def last_change(issue: Issue, horizon: int | None) -> int | None:
    """Returns the last change known to the index, or None if it does not know the issue."""
    if horizon is None:
        return issue.updated
    return max((at for at, _ in issue.touches if at <= horizon), default=None)


def matches(issue: Issue, user: User, horizon: int | None, clause: Clause) -> bool:
    value = clause.value
    if clause.field == "updated":
        last = last_change(issue, horizon) or 0
        bound = value if isinstance(value, int) else _minute(value, user)
        return last >= bound if clause.operator == ">=" else last <= bound
    if clause.field == "issue" and isinstance(value, Call) and value.name == "updatedby":
        return _updated_by(issue, value, user, horizon)
    if value != Call("currentuser", ()):
        raise BadQuery(clause.field)
    people: dict[str, set[str]] = {
        "assignee": {issue.assignee.account_id} if issue.assignee else set(),
        "reporter": {issue.creator.account_id},
        "watcher": issue.watchers,
        "worklogauthor": {one["author"]["accountId"] for one in issue.worklogs},
    }
    if clause.field not in people:
        raise BadQuery(clause.field)
    return user.account_id in people[clause.field]


def _minute(text: str, user: User) -> int:
    """Parses a date in the user's zone, to the minute."""
    at = datetime.strptime(text, "%Y-%m-%d %H:%M").replace(tzinfo=ZoneInfo(user.time_zone))
    return round(at.timestamp() * 1000)


def _updated_by(issue: Issue, call: Call, user: User, horizon: int | None) -> bool:
    """Evaluates `updatedBy`: whole days in the user's zone, including the last one."""
    zone = ZoneInfo(user.time_zone)
    who, *dates = call.arguments
    days = [datetime.strptime(text, "%Y/%m/%d").replace(tzinfo=zone) for text in dates]
    first = round(days[0].timestamp() * 1000) if days else 0
    last = round((days[1] + timedelta(days=1)).timestamp() * 1000) if len(days) > 1 else None
    return any(
        author == who and at >= first and (last is None or at < last) and (horizon is None or at <= horizon)
        for at, author in issue.touches
    )
