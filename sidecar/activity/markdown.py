"""Renders a summary as Markdown, in which titles, which other people wrote, never become markup."""

import re
from collections.abc import Iterable, Iterator
from datetime import date
from typing import Final

from sidecar_protocol.activity.reports import (
    ActivitySummary,
    SummaryGroup,
    SummaryIssue,
    SummaryMeeting,
    SummaryPage,
    SummaryPart,
    SummaryRun,
    SummaryTotals,
)

WEEKDAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
"""English names, not those of the machine's language: a report must not depend on the machine."""
UNTITLED: Final = "(no title)"

_MARKUP: Final = re.compile(r"([\\`*_\[\]<>#|~!&])")
_SAFE_URL: Final = re.compile(r"https?://[^\s()<>\\]+")


def plain(text: str | None) -> str:
    """Escapes a text for Markdown and joins its lines."""
    line = " ".join((text or "").split())
    return _MARKUP.sub(r"\\\1", line) or UNTITLED


def link(text: str, url: str | None) -> str:
    """Returns Markdown as a link, or unchanged if the URL is not http or https."""
    return f"[{text}]({url})" if url and _SAFE_URL.fullmatch(url) else text


def duration(seconds: float) -> str:
    """Formats a duration: `1 h 30 min`."""
    hours, minutes = divmod(round(seconds / 60), 60)
    return " ".join(part for part in (f"{hours} h" if hours else "", f"{minutes} min" if minutes else "") if part) or (
        "0 min"
    )


def summary_text(summary: ActivitySummary) -> str:
    dates = dict.fromkeys((summary.first_date, summary.last_date))
    lines = [f"# Activity {' – '.join(dates)} ({plain(summary.time_zone)})", ""]
    lines += [_totals(summary.totals) or "Nothing happened.", ""]
    for part in summary.parts:
        lines += [f"## {_heading(part, summary.group)}", "", *_part(part)]
    lines += _section("## Next", [*map(_issue, summary.next_issues), *map(_next_meeting, summary.next_meetings)])
    lines += _section("## Blocked", map(_issue, summary.blocked_issues))
    return "\n".join(lines).rstrip() + "\n"


def _heading(part: SummaryPart, group: SummaryGroup) -> str:
    if group is SummaryGroup.PROJECT:
        return plain(part.name) if part.name else "No project"
    return f"{WEEKDAYS[date.fromisoformat(part.name).weekday()]} {part.name}"


def _part(part: SummaryPart) -> Iterator[str]:
    yield from _section("### All day", (plain(one.title) for one in part.all_day))
    yield from _section("### Meetings", map(_meeting, part.meetings))
    yield from _section("### Issues", map(_issue, part.issues))
    yield from _section("### Pages", map(_page, part.pages))
    yield from _section("### Claude", map(_run, part.runs))


def _section(title: str, items: Iterable[str]) -> list[str]:
    lines = [f"- {item}" for item in items]
    return [title, "", *lines, ""] if lines else []


def _meeting(meeting: SummaryMeeting) -> str:
    clock = meeting.starts if meeting.ends is None else f"{meeting.starts}–{meeting.ends}"
    notes = [duration(meeting.duration_s)] if meeting.duration_s else []
    return f"{clock} {plain(meeting.title)}{_notes([*notes, *(['tentative'] if meeting.is_tentative else [])])}"


def _next_meeting(meeting: SummaryMeeting) -> str:
    return f"{meeting.date} {_meeting(meeting)}"


def _issue(issue: SummaryIssue) -> str:
    head = f"{link(plain(issue.issue_key), issue.url)} {plain(issue.title)}" if issue.issue_key else plain(issue.title)
    done = ["created"] if issue.is_created else []
    if issue.to_status is not None:
        before = f"{plain(issue.from_status)} → " if issue.from_status else ""
        done.append(f"{before}{plain(issue.to_status)}")
    done += _counted(("comment", issue.comments), ("change", 0 if done else issue.changes))
    done += [f"{duration(issue.worked_s)} logged"] if issue.worked_s else []
    return f"{head}: {', '.join(done)}" if done else head


def _page(page: SummaryPage) -> str:
    done = ["created"] if page.is_created else []
    done += _counted(("edit", page.edits), ("comment", page.comments))
    return f"{link(plain(page.title), page.url)}: {', '.join(done)}"


def _run(run: SummaryRun) -> str:
    times = f"{run.runs} × " if run.runs > 1 else ""
    notes = [f"${run.cost_usd:.2f}"] if run.cost_usd else []
    return f"{times}{plain(run.title)}{_notes([*notes, *([f'{run.failed} failed'] if run.failed else [])])}"


def _totals(totals: SummaryTotals) -> str:
    parts = []
    for word, count, notes in (
        ("meeting", totals.meetings, [duration(totals.meeting_s)]),
        ("issue", totals.issues, [f"{totals.issues_done} done"] if totals.issues_done else []),
        ("page", totals.pages, []),
        ("Claude run", totals.runs, [f"${totals.cost_usd:.2f}"]),
    ):
        parts += [counted + _notes(notes) for counted in _counted((word, count))]
    parts += [f"{duration(totals.worked_s)} logged"] if totals.worked_s else []
    return " · ".join(parts)


def _counted(*things: tuple[str, int]) -> list[str]:
    return [f"{count} {word}{'' if count == 1 else 's'}" for word, count in things if count]


def _notes(notes: Iterable[str]) -> str:
    joined = ", ".join(notes)
    return f" ({joined})" if joined else ""
