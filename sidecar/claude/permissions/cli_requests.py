"""Permission requests in the CLI's control protocol: parsing them, and the lines and prompts that respond to them.

No I/O.  Measured with 2.1.197 and 2.1.330: the CLI sends a `can_use_tool` control request; the response is
`{behavior: allow, updatedInput}` or `{behavior: deny, message}`; a request that the CLI withdraws is followed by
`control_cancel_request`.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from pydantic_core import to_json
from sidecar_protocol.claude.permissions import PermissionKind
from sidecar_protocol.claude.runs import PermissionMode

from sidecar.claude.sessions.messages import storable

MAX_INPUT_BYTES: Final = 1024 * 1024
"""Size of an input as JSON: a page, a notification and a prompt with such an input still fit into a message."""
TEXT_CHARS: Final = 2_000
MAX_RULES: Final = 10
KINDS: Final = {"AskUserQuestion": PermissionKind.QUESTION, "ExitPlanMode": PermissionKind.PLAN}
MODES: Final = frozenset(PermissionMode)
SHELLS: Final = frozenset({"Bash", "PowerShell"})
"""Tools that are never offered as a rule without content, which would allow everything."""
RULE: Final = re.compile(r"[A-Za-z][^\x00-\x1f]{0,499}")
"""A `ToolRule` of the contract."""
SPECIAL: Final = re.compile(r"[()\\]")

Line = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Rule:
    """A tool that needs no permission; with `content`, only calls that match it."""

    tool: str
    content: str | None = None

    def __str__(self) -> str:
        """Returns the rule as `--allowedTools` expects it, with parentheses in the content escaped."""
        if self.content is None:
            return self.tool
        escaped = SPECIAL.sub(r"\\\g<0>", self.content)
        return f"{self.tool}({escaped})"


@dataclass(frozen=True, slots=True)
class CliRequest:
    """A permission request of the CLI; `cli_id` is its id there."""

    cli_id: str
    kind: PermissionKind
    tool_name: str
    input: Mapping[str, Any]
    tool_use_id: str | None
    description: str | None
    blocked_path: str | None
    rules: Sequence[Rule]
    suggested_mode: PermissionMode | None

    @property
    def input_json(self) -> bytes:
        """The input as JSON.  Raises `ValueError` if it cannot be encoded: lone surrogates, nested too deeply."""
        return to_json(self.input, inf_nan_mode="constants")


@dataclass(frozen=True, slots=True)
class Response:
    """The response to a permission request: an input to use and rules to remember, or a denial with a message."""

    allowed: bool
    input: Mapping[str, Any] | None = None
    message: str | None = None
    rules: Sequence[Rule] = ()


def parse_request(line: Line) -> CliRequest | None:
    """Parses a control request; returns None if it is not a permission request."""
    request, cli_id = line.get("request"), line.get("request_id")
    if not isinstance(request, dict) or request.get("subtype") != "can_use_tool" or not isinstance(cli_id, str):
        return None
    tool_name, values = _text(request.get("tool_name")), request.get("input")
    if tool_name is None or not isinstance(values, dict):
        return None
    kind = KINDS.get(tool_name, PermissionKind.TOOL)
    suggestions = _suggestions(request) if kind is PermissionKind.TOOL else None
    return CliRequest(
        cli_id=cli_id,
        kind=kind,
        tool_name=tool_name,
        input=values,
        tool_use_id=_text(request.get("tool_use_id")),
        description=_text(request.get("description")),
        blocked_path=_text(request.get("blocked_path")),
        rules=() if suggestions is None else _rules(tool_name, suggestions),
        suggested_mode=_mode(suggestions or ()),
    )


def response_line(cli_id: str, response: Response) -> Line:
    """Returns the line that responds to a request.

    Its rules apply until the CLI's process ends; `session` as their destination leaves the settings files unchanged.
    """
    if not response.allowed:
        return _success(cli_id, {"behavior": "deny", "message": response.message})
    fields: dict[str, Any] = {"behavior": "allow", "updatedInput": response.input}
    if response.rules:
        rules = [
            {"toolName": rule.tool} | ({} if rule.content is None else {"ruleContent": rule.content})
            for rule in response.rules
        ]
        update = {"type": "addRules", "rules": rules, "behavior": "allow", "destination": "session"}
        fields["updatedPermissions"] = [update]
    return _success(cli_id, fields)


def unsupported_line(line: Line) -> Line:
    """Returns the response to another control request; without one the CLI would wait forever."""
    failure = {"subtype": "error", "request_id": line.get("request_id"), "error": "This host does not support it."}
    return {"type": "control_response", "response": failure}


def late_response_prompt(kind: PermissionKind, tool_name: str, response: Response) -> str:
    """Returns the prompt of the turn that continues a session after the turn that sent the request has ended.

    Claude needs it because the CLI's own transcript says only that the call was interrupted.
    """
    intro = f"Your last turn was interrupted while you waited for the user's answer to your call of {tool_name}."
    if not response.allowed:
        return f"{intro} The call was not made. The user has now denied it: {response.message}\nDo not make it again."
    values = to_json(response.input, inf_nan_mode="constants").decode()
    if kind is PermissionKind.QUESTION:
        return f"{intro} The user has now answered. Your questions with the answers:\n{values}\nContinue from there."
    decision = "approved the plan" if kind is PermissionKind.PLAN else "allowed the call"
    return (
        f"{intro} The call was not made. The user has now {decision}, for one call of {tool_name} with exactly this "
        f"input:\n{values}\nMake this call now, with this input unchanged, and continue from there."
    )


def _success(cli_id: str, response: Mapping[str, Any]) -> Line:
    inner = {"subtype": "success", "request_id": cli_id, "response": response}
    return {"type": "control_response", "response": inner}


def _suggestions(request: Line) -> Sequence[Line]:
    suggestions = request.get("permission_suggestions")
    return [one for one in suggestions if isinstance(one, dict)] if isinstance(suggestions, list) else []


def _rules(tool_name: str, suggestions: Sequence[Line]) -> Sequence[Rule]:
    """Returns the rules that the CLI suggests; without suggestions the tool itself, unless it is a shell."""
    if not suggestions and tool_name not in SHELLS and RULE.fullmatch(tool_name):
        return (Rule(tool_name),)
    suggested = [rule for rule in _suggested(suggestions) if RULE.fullmatch(str(rule))]
    return tuple(suggested[:MAX_RULES])


def _suggested(suggestions: Sequence[Line]) -> Iterator[Rule]:
    for suggestion in suggestions:
        rules = suggestion.get("rules")
        if suggestion.get("type") != "addRules" or suggestion.get("behavior") != "allow" or not isinstance(rules, list):
            continue
        for rule in rules:
            if isinstance(rule, dict) and isinstance(rule.get("toolName"), str):
                content = rule.get("ruleContent")
                yield Rule(rule["toolName"], content if isinstance(content, str) else None)


def _mode(suggestions: Sequence[Line]) -> PermissionMode | None:
    modes = [one.get("mode") for one in suggestions if one.get("type") == "setMode"]
    return next((PermissionMode(mode) for mode in modes if mode in MODES), None)


def _text(value: Any) -> str | None:
    return storable(value[:TEXT_CHARS]) if isinstance(value, str) else None
