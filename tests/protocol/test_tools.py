"""The methods that are tools of assistants: which they are, what describes them, and what that costs."""

import json

from sidecar_protocol import catalog
from sidecar_protocol.contract import ToolUse, is_secret
from sidecar_protocol.tools import Tool, tools_of

READ = tools_of(catalog.methods(), ToolUse.READ)
BYTES_A_TOKEN = 3
"""Fewer than JSON of English words has (about four), so that the count of tokens is rather too high."""


def tool(name: str) -> Tool:
    return next(one for one in READ if one.name == name)


def test_the_tools_that_only_read_are_these() -> None:
    assert {one.name for one in READ} == {
        "activity_events_list",
        "activity_heatmap",
        "activity_search",
        "activity_summary",
        "calendar_accounts_list",
        "calendar_calendars_list",
        "calendar_events_list",
        "claude_messages_search",
        "claude_usage_list",
        "confluence_accounts_list",
        "jira_accounts_list",
        "jobs_get",
        "jobs_list",
    }


def test_the_tools_that_change_something_are_these() -> None:
    acting = {one.name for one in tools_of(catalog.methods(), ToolUse.ACT)}
    # Of one that queues work for Claude, sidecar/claude/gate/handing_on.py must know.
    assert acting == {
        "calendar_accounts_sync",
        "claude_spawn",
        "confluence_accounts_sync",
        "jira_accounts_sync",
        "jobs_schedules_create",
    }


def test_a_person_alone_trusts_a_folder_or_sends_files() -> None:
    (spawn,) = [one for one in tools_of(catalog.methods(), ToolUse.ACT) if one.name == "claude_spawn"]
    offered = spawn.definition["inputSchema"]["properties"].keys()
    assert "prompt" in offered
    assert offered.isdisjoint({"trust", "content", "exposed_to"})


def test_a_description_comes_from_the_contract() -> None:
    assert tool("activity_search").definition == {
        "name": "activity_search",
        "description": "Finds events that contain all words of `query` in title or description, newest first.",
        "inputSchema": {
            "type": "object",
            "properties": {
                "query": {"type": "string"},
                "start": {"type": "string", "description": "ISO 8601, local time"},
                "end": {"type": "string", "description": "ISO 8601, local time"},
                "source": {"type": "string"},
                "account_id": {"type": "string"},
                "event_type": {"type": "string"},
                "limit": {"type": "integer", "maximum": 500, "default": 50},
                "cursor": {"type": "string"},
            },
            "required": ["query"],
        },
        "annotations": {"readOnlyHint": True},
    }


def test_the_persons_time_zone_is_not_asked_for() -> None:
    heatmap = tool("activity_heatmap")
    assert heatmap.takes_time_zone
    assert heatmap.times == {"start", "end"}
    assert "time_zone" not in heatmap.definition["inputSchema"]["properties"]
    assert heatmap.definition["inputSchema"]["required"] == ["start", "end"]
    assert not heatmap.is_paged
    assert tool("jobs_list").is_paged


def test_the_tools_that_change_something_cost_less_than_1500_tokens_more() -> None:
    acting = tools_of(catalog.methods(), ToolUse.ACT)
    text = json.dumps([one.definition for one in acting], separators=(",", ":"))
    assert len(text) / BYTES_A_TOKEN < 1_500


def test_no_tool_takes_or_returns_a_secret() -> None:
    for one in tools_of(catalog.methods(), *ToolUse):
        assert one.method.result is not None
        for model in (one.method.params, one.method.result):
            assert not [name for name, field in model.model_fields.items() if is_secret(field.annotation)]
