"""`activity.summary`: by day and by project, as data and as Markdown."""

from typing import Any

import anyio
from sidecar_protocol.activity.reports import ActivityReports, ActivitySummary, SummaryGroup

from sidecar.feed import FeedEvent, Origin
from tests.activity.test_heatmap import ms
from tests.in_process_app import InProcessApp

CALENDAR = Origin("google_calendar", "g")
JIRA = Origin("jira", "j")
PAGES = Origin("confluence", "c")
CLAUDE = Origin("claude")
WEEK: dict[str, Any] = {
    "start": "2026-11-23T00:00:00+01:00",
    "end": "2026-11-25T00:00:00+01:00",
    "time_zone": "Europe/Berlin",
}


def event(event_id: str, event_type: str, at: str, title: str | None = None, **fields: Any) -> FeedEvent:
    if "end" in fields:
        fields["end_ms"] = ms(fields.pop("end"))
    return FeedEvent(event_id=event_id, event_type=event_type, at_ms=ms(at), title=title, **fields)


def meeting(event_id: str, start: str, end: str, title: str = "Meeting", **fields: Any) -> FeedEvent:
    return event(event_id, "event_scheduled", start, title, end=end, status=fields.pop("status", "confirmed"), **fields)


def all_day(event_id: str, first: str, end: str | None, title: str, **fields: Any) -> FeedEvent:
    event_type = fields.pop("event_type", "event_scheduled")
    fields |= {"local_date": first, "local_end_date": end}
    return event(event_id, event_type, f"{first}T00:00:00+01:00", title, **fields)


def fill(app: InProcessApp) -> None:
    """Writes the events of two working days."""
    feed = app.activity
    feed.write(
        CALENDAR,
        [
            meeting("m1", "2026-11-23T09:30:00+01:00", "2026-11-23T10:00:00+01:00", "Standup", container="Work"),
            meeting(
                "m2", "2026-11-23T09:45:00+01:00", "2026-11-23T11:00:00+01:00", "Planning PROJ-1", status="tentative"
            ),
            meeting("m3", "2026-11-23T12:00:00+01:00", "2026-11-23T13:00:00+01:00", "Declined", status="declined"),
            meeting("m4", "2026-11-23T13:00:00+01:00", "2026-11-23T14:00:00+01:00", "Gone", status="cancelled"),
            event(
                "m5", "event_declined", "2026-11-23T14:00:00+01:00", "Declined, too", end="2026-11-23T15:00:00+01:00"
            ),
            event("f1", "focus_scheduled", "2026-11-23T15:00:00+01:00", "Focus", end="2026-11-23T17:00:00+01:00"),
            event("f2", "booking_scheduled", "2026-11-23T18:00:00+01:00", "Flight", end="2026-11-23T20:00:00+01:00"),
            meeting("n1", "2026-11-27T10:00:00+01:00", "2026-11-27T11:00:00+01:00", "Review"),
            meeting("n2", "2026-11-27T12:00:00+01:00", "2026-11-27T13:00:00+01:00", "No", status="declined"),
            meeting("n3", "2026-11-28T10:00:00+01:00", "2026-11-28T11:00:00+01:00", "Later"),
            all_day("a1", "2026-11-22", "2026-11-24", "Offsite"),
            all_day("a2", "2026-11-24", None, "Off", event_type="absence_scheduled"),
            all_day("a3", "2026-11-24", None, "At home", event_type="location_scheduled"),
        ],
    )
    feed.write(
        Origin("google_calendar", "other"),
        [
            meeting("m1 again", "2026-11-23T09:30:00+01:00", "2026-11-23T10:00:00+01:00", "Standup"),
            all_day("a1 again", "2026-11-22", "2026-11-24", "Offsite"),
        ],
    )
    issue: dict[str, Any] = {"issue_key": "PROJ-1", "url": "https://x.atlassian.net/browse/PROJ-1", "container": "Tea"}
    title = "PROJ-1: Boil *water*"
    move: dict[str, Any] = {"status": "Doing", "previous_status": "To Do", "status_kind": "doing"}
    feed.write(
        JIRA,
        [
            event("i1", "issue_created", "2026-11-23T10:00:00Z", title, **issue),
            event("i2", "issue_transitioned", "2026-11-23T11:00:00Z", title, **issue, **move),
            event("i3", "issue_commented", "2026-11-23T12:00:00Z", title, **issue),
            event("i4", "issue_worklogged", "2026-11-23T12:00:00Z", title, end="2026-11-23T13:30:00Z", **issue),
            event(
                "i5", "issue_transitioned", "2026-11-24T09:00:00Z", title, **issue,
                status="Done", previous_status="Doing", status_kind="done",
            ),
            event("i6", "issue_updated", "2026-11-24T09:00:00Z", "Cups", issue_key="PROJ-2", status_kind="doing"),
            event("i7", "issue_updated", "2026-11-24T09:01:00Z", "Milk", issue_key="COW-3", status_kind="blocked"),
            event("i8", "issue_created", "2026-11-24T09:02:00Z", "Not mine", issue_key="COW-4", by_me=False),
        ],
    )  # fmt: skip
    page: dict[str, Any] = {"object_id": "77", "url": "https://x.atlassian.net/wiki/77", "container": "Kitchen"}
    feed.write(
        PAGES,
        [
            event("p1", "page_created", "2026-11-24T10:00:00Z", "Recipes [draft]", **page),
            event("p2", "page_edited", "2026-11-24T10:05:00Z", "Recipes", **page),
            event("p3", "page_edited", "2026-11-24T10:06:00Z", "Recipes", **page),
            event("p4", "comment_created", "2026-11-24T10:07:00Z", "Recipes", **page),
        ],
    )
    ran = {"total_cost_usd": 0.125, "duration_ms": 1500, "cwd": "/home/ada/kettle"}
    feed.write(
        CLAUDE,
        [
            event(
                "r1", "run_completed", "2026-11-24T11:00:00Z", "Fix the lid", raw=ran, full_text="Fix the lid: PROJ-2"
            ),
            event("r2", "run_failed", "2026-11-24T11:10:00Z", "Fix the lid", raw={"cwd": "C:\\Users\\Ada\\kettle"}),
            event("r3", "turn_completed", "2026-11-24T11:20:00Z", "Why?", raw=ran),
            event("x1", "job_failed", "2026-11-24T12:00:00Z", "A job"),
        ],
    )


async def test_a_day_lists_meetings_issues_pages_and_runs(app: InProcessApp) -> None:
    fill(app)
    summary = await app.call("activity.summary", WEEK)
    assert (summary["markdown"], summary["group"]) == (None, "day")
    assert (summary["first_date"], summary["last_date"]) == ("2026-11-23", "2026-11-24")
    assert [part["name"] for part in summary["parts"]] == ["2026-11-23", "2026-11-24"]
    monday, tuesday = summary["parts"]
    assert monday["totals"] == {
        "meetings": 2,
        "meeting_s": 5_400,  # 09:30 to 11:00: the two overlap
        "issues": 1,
        "issues_done": 0,
        "worked_s": 5_400,
        "pages": 0,
        "runs": 0,
        "runs_failed": 0,
        "cost_usd": 0.0,
        "other": 0,
    }
    assert [(one["title"], one["starts"], one["ends"], one["duration_s"]) for one in monday["meetings"]] == [
        ("Standup", "09:30", "10:00", 1_800),
        ("Planning PROJ-1", "09:45", "11:00", 4_500),
    ]
    assert monday["meetings"][1] == {
        "event_id": "m2",
        "title": "Planning PROJ-1",
        "date": "2026-11-23",
        "starts": "09:45",
        "ends": "11:00",
        "duration_s": 4_500,
        "event_time": "2026-11-23T08:45:00.000Z",
        "is_tentative": True,
        "calendar": None,
        "url": None,
        "links": ["PROJ-1"],
    }
    assert monday["all_day"] == [
        {"event_id": "a1", "title": "Offsite", "first_date": "2026-11-22", "last_date": "2026-11-23", "calendar": None}
    ]
    assert [one["title"] for one in tuesday["all_day"]] == ["Off"]
    assert monday["issues"] == [
        {
            "issue_key": "PROJ-1",
            "title": "Boil *water*",
            "url": "https://x.atlassian.net/browse/PROJ-1",
            "project": "PROJ",
            "is_created": True,
            "from_status": "To Do",
            "to_status": "Doing",
            "status_kind": "doing",
            "changes": 1,
            "comments": 1,
            "worked_s": 5_400,
        }
    ]
    assert tuesday["pages"] == [
        {
            "event_id": "p4",
            "title": "Recipes",
            "url": "https://x.atlassian.net/wiki/77",
            "space": "Kitchen",
            "is_created": True,
            "edits": 2,
            "comments": 1,
        }
    ]
    assert tuesday["runs"][0] == {
        "event_id": "r2",
        "title": "Fix the lid",
        "runs": 2,
        "failed": 1,
        "cost_usd": 0.125,
        "duration_s": 1.5,
        "links": ["PROJ-2"],
    }
    assert tuesday["totals"]["other"] == 1


async def test_totals_count_everything_once_and_next_and_blocked_things_are_listed(app: InProcessApp) -> None:
    fill(app)
    summary = await app.remote(ActivityReports).summary(**WEEK)
    assert (summary.totals.issues, summary.totals.issues_done, summary.totals.runs) == (3, 1, 3)
    assert (summary.totals.cost_usd, summary.totals.runs_failed, summary.totals.pages) == (0.25, 1, 1)
    assert [issue.issue_key for issue in summary.next_issues] == ["PROJ-2"]
    assert [issue.issue_key for issue in summary.blocked_issues] == ["COW-3"]
    assert [(one.date, one.title) for one in summary.next_meetings] == [("2026-11-27", "Review")]


async def test_events_are_grouped_by_project(app: InProcessApp) -> None:
    fill(app)
    summary = await app.remote(ActivityReports).summary(**WEEK, group=SummaryGroup.PROJECT)
    assert [part.name for part in summary.parts] == ["COW", "Kitchen", "PROJ", "Work", "kettle", ""]
    project = {part.name: part for part in summary.parts}
    assert [issue.issue_key for issue in project["PROJ"].issues] == ["PROJ-1", "PROJ-2"]
    assert [one.title for one in project["PROJ"].meetings] == ["Planning PROJ-1"]
    assert [(run.title, run.runs) for run in project["PROJ"].runs] == [("Fix the lid", 1)]  # its prompt named PROJ-2
    assert [(run.title, run.runs) for run in project["kettle"].runs] == [("Fix the lid", 1), ("Why?", 1)]
    assert (project["PROJ"].issues[0].from_status, project["PROJ"].issues[0].to_status) == ("To Do", "Done")


MARKDOWN = """\
# Activity 2026-11-23 – 2026-11-24 (Europe/Berlin)

2 meetings (1 h 30 min) · 3 issues (1 done) · 1 page · 3 Claude runs ($0.25) · 1 h 30 min logged

## Monday 2026-11-23

### All day

- Offsite

### Meetings

- 09:30–10:00 Standup (30 min)
- 09:45–11:00 Planning PROJ-1 (1 h 15 min, tentative)

### Issues

- [PROJ-1](https://x.atlassian.net/browse/PROJ-1) Boil \\*water\\*: created, To Do → Doing, 1 comment, 1 h 30 min logged

## Tuesday 2026-11-24

### All day

- Off

### Issues

- [PROJ-1](https://x.atlassian.net/browse/PROJ-1) Boil \\*water\\*: Doing → Done
- PROJ-2 Cups: 1 change
- COW-3 Milk: 1 change

### Pages

- [Recipes](https://x.atlassian.net/wiki/77): created, 2 edits, 1 comment

### Claude

- 2 × Fix the lid ($0.12, 1 failed)
- Why? ($0.12)

## Next

- PROJ-2 Cups: 1 change
- 2026-11-27 10:00–11:00 Review (1 h)

## Blocked

- COW-3 Milk: 1 change
"""


async def test_the_markdown_is_the_same_each_time(app: InProcessApp) -> None:
    fill(app)
    first = await app.call("activity.summary", {**WEEK, "format": "markdown"})
    assert first["markdown"] == MARKDOWN
    assert await app.call("activity.summary", {**WEEK, "format": "markdown"}) == first
    assert ActivitySummary.model_validate(first).model_dump(mode="json") == first
    by_project = await app.call("activity.summary", {**WEEK, "format": "markdown", "group": "project"})
    headings = [line for line in by_project["markdown"].splitlines() if line.startswith("## ")]
    assert headings == [
        "## COW",
        "## Kitchen",
        "## PROJ",
        "## Work",
        "## kettle",
        "## No project",
        "## Next",
        "## Blocked",
    ]


async def test_a_summary_without_events(app: InProcessApp) -> None:
    summary = await app.call("activity.summary", {**WEEK, "format": "markdown"})
    assert summary["parts"] == []
    assert summary["markdown"] == "# Activity 2026-11-23 – 2026-11-24 (Europe/Berlin)\n\nNothing happened.\n"


async def test_titles_are_escaped_in_markdown(app: InProcessApp) -> None:
    app.activity.write(
        JIRA,
        [
            event(
                "i1",
                "issue_created",
                "2026-11-23T10:00:00Z",
                "![x](https://evil.example/t.png)\n# <script>alert(1)</script> `rm` 日本語 | a_b",
                issue_key="PROJ-1",
                url="javascript:alert(1)",
            ),
            event("i2", "issue_created", "2026-11-23T10:00:01Z", "b", issue_key="PROJ-2", url="https://x/a) [y](z"),
        ],
    )
    text = (await app.call("activity.summary", {**WEEK, "format": "markdown"}))["markdown"]
    assert (
        r"- PROJ-1 \!\[x\](https://evil.example/t.png) \# \<script\>alert(1)\</script\> \`rm\` 日本語 \| a\_b: created"
        in text
    )
    assert "- PROJ-2 b: created" in text
    assert "javascript" not in text


async def test_local_times_are_right_on_days_when_the_clocks_change(app: InProcessApp) -> None:
    """Berlin: 02:00 becomes 03:00 on 2026-03-29, and 03:00 becomes 02:00 on 2026-10-25."""
    app.activity.write(
        CALENDAR,
        [
            meeting("s", "2026-03-29T00:30:00Z", "2026-03-29T01:30:00Z", "Spring"),
            meeting("w1", "2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z", "Autumn"),
            meeting("w2", "2026-10-25T22:30:00Z", "2026-10-25T23:30:00Z", "Late"),
        ],
    )
    reports = app.remote(ActivityReports)
    spring = await reports.summary(
        start="2026-03-29T00:00:00+01:00", end="2026-03-30T00:00:00+02:00", time_zone="Europe/Berlin"
    )
    times = [(one.starts, one.ends, one.duration_s) for one in spring.parts[0].meetings]
    assert times == [("01:30", "03:30", 3_600)]
    autumn = await reports.summary(
        start="2026-10-25T00:00:00+02:00", end="2026-10-26T00:00:00+01:00", time_zone="Europe/Berlin"
    )
    assert [part.name for part in autumn.parts] == ["2026-10-25"]
    times = [(one.starts, one.ends, one.duration_s) for one in autumn.parts[0].meetings]
    assert times == [("02:30", "02:30", 3_600), ("23:30", "00:30", 3_600)]


async def test_days_are_divided_at_local_midnight_in_extreme_zones(app: InProcessApp) -> None:
    app.activity.write(JIRA, [event("i", "issue_created", "2026-11-23T11:00:00Z", issue_key="PROJ-1")])
    reports = app.remote(ActivityReports)
    for time_zone, day in (
        ("Pacific/Kiritimati", "2026-11-24"),
        ("Etc/GMT-14", "2026-11-24"),
        ("Etc/GMT+12", "2026-11-22"),
    ):
        summary = await reports.summary(start="2026-11-22T00:00:00Z", end="2026-11-25T00:00:00Z", time_zone=time_zone)
        assert [part.name for part in summary.parts] == [day]


async def test_rows_of_the_old_backend_are_included(app: InProcessApp) -> None:
    """Their types have dots, and their raw data may contain anything."""
    app.activity.write(
        JIRA, [event("i1", "issue.updated", "2026-11-23T10:00:00Z"), event("i2", "nonsense", "2026-11-23T10:00:00Z")]
    )
    app.activity.write(
        CLAUDE, [event("r", "run_completed", "2026-11-23T10:00:00Z", raw={"total_cost_usd": "much", "duration_ms": []})]
    )
    summary = await app.remote(ActivityReports).summary(**WEEK)
    assert (summary.totals.issues, summary.totals.other, summary.totals.runs, summary.totals.cost_usd) == (1, 1, 1, 0)


async def test_other_requests_are_served_during_a_long_summary(app: InProcessApp) -> None:
    app.activity.write(
        JIRA,
        [event(f"i{number}", "issue_updated", "2026-11-23T10:00:00Z", issue_key="PROJ-1") for number in range(2_000)],
    )
    order: list[str] = []

    async def call(method: str, params: dict[str, Any]) -> None:
        await app.call(method, params)
        order.append(method)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(call, "activity.summary", WEEK)
        tasks.start_soon(call, "activity.events.list", {"limit": 1})
    assert order == ["activity.events.list", "activity.summary"]
