"""Permission requests of the CLI: parsing them, and the lines and prompts that respond to them."""

from typing import Any

import pytest
from sidecar_protocol.claude.permissions import PermissionKind
from sidecar_protocol.claude.runs import PermissionMode

from sidecar.claude.permissions.cli_requests import (
    CliRequest,
    Response,
    Rule,
    late_response_prompt,
    parse_request,
    response_line,
)

ALLOWED = Response(allowed=True, input={"command": "ls"})


def parsed(**request: Any) -> CliRequest | None:
    """Parses a request with these fields."""
    whole = {"subtype": "can_use_tool", "tool_name": "Bash", "input": {"command": "ls"}, **request}
    return parse_request({"type": "control_request", "request_id": "r1", "request": whole})


def suggestion(*rules: object, **more: object) -> dict[str, object]:
    return {"type": "addRules", "behavior": "allow", "rules": list(rules), **more}


def test_a_recorded_request_of_the_real_cli_is_parsed() -> None:
    rule = {"toolName": "Bash", "ruleContent": "touch /home/user/project/perm-test && echo done"}
    request = parsed(
        description="fake",
        permission_suggestions=[
            suggestion(rule, destination="localSettings"),
            {"type": "addDirectories", "directories": ["/home/user/project"], "destination": "session"},
            {"type": "setMode", "mode": "acceptEdits", "destination": "session"},
        ],
        blocked_path="/home/user/project/perm-test",
        tool_use_id="toolu_1",
    )
    assert request == CliRequest(
        cli_id="r1",
        kind=PermissionKind.TOOL,
        tool_name="Bash",
        input={"command": "ls"},
        tool_use_id="toolu_1",
        description="fake",
        blocked_path="/home/user/project/perm-test",
        rules=(Rule("Bash", "touch /home/user/project/perm-test && echo done"),),
        suggested_mode=PermissionMode.ACCEPT_EDITS,
        suggestions=[
            suggestion(rule, destination="localSettings"),
            {"type": "addDirectories", "directories": ["/home/user/project"], "destination": "session"},
            {"type": "setMode", "mode": "acceptEdits", "destination": "session"},
        ],
    )


@pytest.mark.parametrize(
    ("request_", "rules"),
    [
        ({"permission_suggestions": [suggestion({"toolName": "Bash"}, {"toolName": "Read", "ruleContent": "x"})]},
         ["Bash", "Read(x)"]),
        ({"permission_suggestions": [suggestion({"toolName": "Bash"}, behavior="deny")]}, []),
        ({"permission_suggestions": [suggestion({"toolName": "Bash", "ruleContent": "a\nb"})]}, []),
        ({"permission_suggestions": [suggestion({"toolName": 7}, "x"), 3, suggestion(rules=None)]}, []),
        ({"permission_suggestions": "x"}, []),
        ({}, []),
        ({"tool_name": "mcp__mail__send"}, ["mcp__mail__send"]),
        ({"tool_name": "Write", "permission_suggestions": [{"type": "setMode", "mode": "acceptEdits"}]}, []),
        ({"tool_name": "AskUserQuestion"}, []),
        ({"tool_name": "ExitPlanMode"}, []),
    ],
)  # fmt: skip
def test_only_valid_rules_are_offered(request_: dict[str, Any], rules: list[str]) -> None:
    request = parsed(**request_)
    assert request is not None
    assert [str(rule) for rule in request.rules] == rules


@pytest.mark.parametrize("request_", [{"subtype": "hook_callback"}, {"tool_name": None}, {"input": "ls"}])
def test_other_control_requests_are_not_permission_requests(request_: dict[str, Any]) -> None:
    assert parsed(**request_) is None


def test_a_rule_without_content_is_sent_without_content() -> None:
    response = Response(allowed=True, input={}, rules=[Rule("WebFetch"), Rule("Bash", "ls *")])
    (update,) = response_line("r1", response)["response"]["response"]["updatedPermissions"]
    assert update["rules"] == [{"toolName": "WebFetch"}, {"toolName": "Bash", "ruleContent": "ls *"}]


def test_the_prompt_of_a_late_response_quotes_the_decision() -> None:
    assert late_response_prompt(PermissionKind.TOOL, "Bash", ALLOWED) == (
        "Your last turn was interrupted while you waited for the user's answer to your call of Bash. The call was not "
        'made. The user has now allowed the call, for one call of Bash with exactly this input:\n{"command":"ls"}\n'
        "Make this call now, with this input unchanged, and continue from there."
    )
    assert "approved the plan" in late_response_prompt(PermissionKind.PLAN, "ExitPlanMode", ALLOWED)
    assert "has now answered" in late_response_prompt(PermissionKind.QUESTION, "AskUserQuestion", ALLOWED)
    denied = late_response_prompt(PermissionKind.TOOL, "Bash", Response(allowed=False, message="Too early."))
    assert denied.endswith("The user has now denied it: Too early.\nDo not make it again.")
