"""Permission requests in the CLI's control protocol: parsing them, and the lines and prompts that respond to them.

No I/O.  Measured with 2.1.197 and 2.1.330: the CLI sends a `can_use_tool` control request; the response is
`{behavior: allow, updatedInput}` or `{behavior: deny, message}`; a request that the CLI withdraws is followed by
`control_cancel_request`.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from pydantic_core import to_json
from sidecar_protocol.claude.permissions import PermissionKind, PermissionSuggestion
from sidecar_protocol.claude.runs import PermissionMode

from sidecar.claude.sessions.messages import storable
from sidecar.claude.sessions.session_settings import MODES
from sidecar.json_reader import get_object, get_objects, get_text

MAX_INPUT_BYTES: Final = 1024 * 1024
"""Size of an input as JSON: a page, a notification and a prompt with such an input still fit into a message."""
TEXT_CHARS: Final = 2_000
MAX_RULES: Final = 10
MAX_SUGGESTIONS: Final = 20
MAX_SUGGESTION_BYTES: Final = 16 * 1024
KINDS: Final = {"AskUserQuestion": PermissionKind.QUESTION, "ExitPlanMode": PermissionKind.PLAN}
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
    decision_reason: str | None = None
    decision_reason_type: str | None = None
    agent_id: str | None = None
    """The CLI's id of the subagent that requests it, which is that of its task."""
    parent: str | None = None
    """The call that started the subagent."""
    agent: str | None = None
    suggestions: Sequence[Line] = ()
    """The suggestions as the CLI sent them."""

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
    suggestions: Sequence[Line] = ()


def parse_request(line: Line) -> CliRequest | None:
    """Parses a control request; returns None if it is not a permission request."""
    request, cli_id = get_object(line, "request"), get_text(line, "request_id")
    tool_name, values = _text(request, "tool_name"), request.get("input")
    if request.get("subtype") != "can_use_tool" or cli_id is None or tool_name is None or not isinstance(values, dict):
        return None
    kind = KINDS.get(tool_name, PermissionKind.TOOL)
    is_tool = kind is PermissionKind.TOOL
    suggestions = get_objects(request, "permission_suggestions")
    modes = [one.get("mode") for one in suggestions if one.get("type") == "setMode"]
    return CliRequest(
        cli_id=cli_id,
        kind=kind,
        tool_name=tool_name,
        input=values,
        tool_use_id=_text(request, "tool_use_id"),
        description=_text(request, "description"),
        blocked_path=_text(request, "blocked_path"),
        rules=_rules(tool_name, suggestions) if is_tool else (),
        suggested_mode=next((PermissionMode(mode) for mode in modes if is_tool and mode in MODES), None),
        decision_reason=_text(request, "decision_reason"),
        decision_reason_type=_text(request, "decision_reason_type"),
        agent_id=_text(request, "agent_id"),
        suggestions=[one for one in suggestions if is_offered(one)][:MAX_SUGGESTIONS],
    )


def is_offered(suggestion: Line) -> bool:
    """Returns whether the user may choose a suggestion: not the mode that allows everything, nor one of odd size."""
    is_bypass = suggestion.get("mode") == PermissionMode.BYPASS_PERMISSIONS
    return not is_bypass and len(to_json(suggestion, inf_nan_mode="constants")) <= MAX_SUGGESTION_BYTES


def contract_suggestion(suggestion: Line) -> PermissionSuggestion:
    rules = get_objects(suggestion, "rules")
    directories, mode = suggestion.get("directories"), suggestion.get("mode")
    folders = directories if isinstance(directories, list) else []
    return PermissionSuggestion(
        type=storable(get_text(suggestion, "type") or "unknown"),
        behavior=_text(suggestion, "behavior"),
        rules=[storable(str(Rule(get_text(one, "toolName") or "", get_text(one, "ruleContent")))) for one in rules],
        directories=[storable(one) for one in folders if isinstance(one, str)],
        mode=PermissionMode(mode) if mode in MODES else None,
    )


def response_line(cli_id: str, response: Response) -> Line:
    """Returns the line that responds to a request.

    Its rules apply until the CLI's process ends; `session` as their destination leaves the settings files unchanged.
    """
    fields: dict[str, Any] = {"behavior": "deny", "message": response.message}
    if response.allowed:
        fields = {"behavior": "allow", "updatedInput": response.input}
    updates: list[Line] = []
    if response.allowed and response.rules:
        rules = [
            {"toolName": rule.tool} | ({} if rule.content is None else {"ruleContent": rule.content})
            for rule in response.rules
        ]
        updates.append({"type": "addRules", "rules": rules, "behavior": "allow", "destination": "session"})
    if response.allowed:
        updates += ({**suggestion, "destination": "session"} for suggestion in response.suggestions)
    if updates:
        fields["updatedPermissions"] = updates
    inner = {"subtype": "success", "request_id": cli_id, "response": fields}
    return {"type": "control_response", "response": inner}


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


def _rules(tool_name: str, suggestions: Sequence[Line]) -> Sequence[Rule]:
    """Returns the rules that the CLI suggests; without suggestions the tool itself, unless it is a shell."""
    if not suggestions and tool_name not in SHELLS and RULE.fullmatch(tool_name):
        return (Rule(tool_name),)
    suggested = (
        Rule(tool, get_text(rule, "ruleContent"))
        for suggestion in suggestions
        if suggestion.get("type") == "addRules" and suggestion.get("behavior") == "allow"
        for rule in get_objects(suggestion, "rules")
        if (tool := get_text(rule, "toolName")) is not None
    )
    return tuple(rule for rule in suggested if RULE.fullmatch(str(rule)))[:MAX_RULES]


def _text(request: Line, name: str) -> str | None:
    text = get_text(request, name)
    return None if text is None else storable(text[:TEXT_CHARS])
