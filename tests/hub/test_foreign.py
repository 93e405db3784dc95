"""Texts that others can have written in results: found by the contract's marks, with their source."""

from typing import Any

from sidecar_protocol import catalog
from sidecar_protocol.activity.feed import ActivityPage
from sidecar_protocol.activity.reports import ActivityHeatmap, ActivitySummary
from sidecar_protocol.calendar.calendars import CalendarEventPage
from sidecar_protocol.contract import ToolUse
from sidecar_protocol.jobs import JobPage
from sidecar_protocol.tools import tools_of

from sidecar.hub.foreign import ForeignText, foreign_texts


def event(**fields: Any) -> dict[str, Any]:
    return {"events": [{"account_id": "a1", "event_id": "1", **fields}]}


def test_an_invitation_is_from_its_organisers_domain_as_the_account_got_it() -> None:
    invitation = event(title="Planning", organizer={"email": "Mallory@Evil.Example"}, description="x")
    assert foreign_texts(CalendarEventPage, invitation, "calendar_events_list") == [
        ForeignText("a1:evil.example", "Planning")
    ]
    assert foreign_texts(CalendarEventPage, event(title="Lunch"), "t") == [ForeignText("a1", "Lunch")]
    # Who is the owner is the calendar's word, which an invitation can forge.
    own = event(title="Mine", organizer={"email": "ada@example.com", "self": True})
    assert foreign_texts(CalendarEventPage, own, "t") == [ForeignText("a1:example.com", "Mine")]


def test_the_feed_has_a_source_for_each_account_and_reports_one() -> None:
    page = event(source="jira", title="Fix it")
    page["events"].append({"account_id": "a2", "source": "confluence", "raw": {"x": 1}})
    assert foreign_texts(ActivityPage, page, "t") == [
        ForeignText("jira:a1", "Fix it"),
        ForeignText("confluence:a2", "{'x': 1}"),
    ]
    summary = {"parts": [{"name": "d", "issues": [{"title": "Fix it"}], "meetings": []}]}
    assert foreign_texts(ActivitySummary, summary, "activity_summary") == [
        ForeignText("hub:activity_summary", "Fix it")
    ]


def test_numbers_and_states_are_no_texts_of_others() -> None:
    assert foreign_texts(ActivityHeatmap, {"days": [{"date": "2026-11-23", "count": 3}], "total": 3}, "t") == []
    assert foreign_texts(JobPage, {"jobs": [{"job_id": "1", "type": "jira.sync", "status": "queued"}]}, "t") == []
    assert foreign_texts(JobPage, {"jobs": [{"job_id": "1", "result": {"text": "hi"}}]}, "t") != []


def test_every_title_description_and_snippet_of_a_tool_is_marked() -> None:
    def texts(model: Any) -> set[str]:
        value: dict[str, Any] = {}
        for name, field in model.model_fields.items():
            inner = [one for one in getattr(field.annotation, "__args__", ()) if hasattr(one, "model_fields")]
            value[name] = [dict.fromkeys(inner[0].model_fields, "x")] if inner else "x"
        return {one.text for one in foreign_texts(model, value, "t")}

    unmarked = {
        tool.name
        for tool in tools_of(catalog.methods(), ToolUse.READ)
        if tool.method.result and not texts(tool.method.result)
    }
    assert unmarked == {
        "activity_heatmap",
        "calendar_accounts_list",
        "claude_usage_list",
        "confluence_accounts_list",
        "jira_accounts_list",
    }
