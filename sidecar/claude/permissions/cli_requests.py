"""How the CLI asks and is answered: its `can_use_tool` requests, the lines of the answers, the words of a late one.

No I/O.  The format is that of Claude Code's control protocol (measured with 2.1.197 and 2.1.330): an answer is
`{behavior: allow, updatedInput}` or `{behavior: deny, message}`, a request that is taken back comes as
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
"""As JSON.  A page and a notification with such an input still fit into a message, and into a turn's prompt."""
WORDS_LIMIT: Final = 2_000
MAX_RULES: Final = 10
KINDS: Final = {"AskUserQuestion": PermissionKind.QUESTION, "ExitPlanMode": PermissionKind.PLAN}
MODES: Final = frozenset(PermissionMode)
SHELLS: Final = frozenset({"Bash", "PowerShell"})
"""A rule for the whole of them would allow everything."""
RULE: Final = re.compile(r"[A-Za-z][^\x00-\x1f]{0,499}")
"""A `ToolRule` of the contract."""
SPECIAL: Final = re.compile(r"[()\\]")

Line = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Rule:
    """What may be done without asking: a tool, or with `content` a part of what it can do."""

    tool: str
    content: str | None = None

    def __str__(self) -> str:
        """As `--allowedTools` wants it: parentheses in the content are escaped."""
        if self.content is None:
            return self.tool
        escaped = SPECIAL.sub(r"\\\g<0>", self.content)
        return f"{self.tool}({escaped})"


@dataclass(frozen=True, slots=True)
class CliRequest:
    """A question of the CLI's; `cli_id` is how the CLI calls it."""

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
        """The input as it is stored and shown; raises ValueError where it cannot be."""
        return to_json(self.input, inf_nan_mode="constants")


@dataclass(frozen=True, slots=True)
class Response:
    """What a question is answered with: an input to use and rules to remember, or a denial."""

    allowed: bool
    input: Mapping[str, Any] | None = None
    message: str | None = None
    rules: Sequence[Rule] = ()


def parse_request(line: Line) -> CliRequest | None:
    """The question that a control request is; None where it is another request."""
    request, cli_id = line.get("request"), line.get("request_id")
    if not isinstance(request, dict) or request.get("subtype") != "can_use_tool" or not isinstance(cli_id, str):
        return None
    tool_name, values = _words(request.get("tool_name")), request.get("input")
    if tool_name is None or not isinstance(values, dict):
        return None
    kind = KINDS.get(tool_name, PermissionKind.TOOL)
    suggestions = _suggestions(request) if kind is PermissionKind.TOOL else None
    return CliRequest(
        cli_id=cli_id,
        kind=kind,
        tool_name=tool_name,
        input=values,
        tool_use_id=_words(request.get("tool_use_id")),
        description=_words(request.get("description")),
        blocked_path=_words(request.get("blocked_path")),
        rules=() if suggestions is None else _rules(tool_name, suggestions),
        suggested_mode=_mode(suggestions or ()),
    )


def response_line(cli_id: str, answer: Response) -> Line:
    """The line that answers a question.  Rules hold for the process from then on; no settings file is changed."""
    if not answer.allowed:
        return _response(cli_id, {"behavior": "deny", "message": answer.message})
    response: dict[str, Any] = {"behavior": "allow", "updatedInput": answer.input}
    if answer.rules:
        rules = [{"toolName": rule.tool, "ruleContent": rule.content} for rule in answer.rules]
        named = [{name: value for name, value in rule.items() if value is not None} for rule in rules]
        response["updatedPermissions"] = [
            {"type": "addRules", "rules": named, "behavior": "allow", "destination": "session"}
        ]
    return _response(cli_id, response)


def unsupported_line(line: Line) -> Line:
    """The answer to a control request that is none of ours; without one the CLI would wait for ever."""
    failure = {"subtype": "error", "request_id": line.get("request_id"), "error": "This host does not support it."}
    return {"type": "control_response", "response": failure}


def late_response_prompt(kind: PermissionKind, tool_name: str, answer: Response) -> str:
    """What Claude is told when the turn that asked is gone.

    The CLI's own record says of the call only that it was interrupted.
    """
    asked = f"Your last turn was interrupted while you waited for the user's answer to your call of {tool_name}."
    if not answer.allowed:
        return f"{asked} The call was not made. The user has now denied it: {answer.message}\nDo not make it again."
    values = to_json(answer.input, inf_nan_mode="constants").decode()
    if kind is PermissionKind.QUESTION:
        return f"{asked} The user has now answered. Your questions with the answers:\n{values}\nGo on from there."
    word = "approved the plan" if kind is PermissionKind.PLAN else "allowed the call"
    return (
        f"{asked} The call was not made. The user has now {word}, for one call of {tool_name} with exactly this "
        f"input:\n{values}\nMake this call now, with this input unchanged, and go on from there."
    )


def _response(cli_id: str, response: Mapping[str, Any]) -> Line:
    inner = {"subtype": "success", "request_id": cli_id, "response": response}
    return {"type": "control_response", "response": inner}


def _suggestions(request: Line) -> Sequence[Line]:
    told = request.get("permission_suggestions")
    return [one for one in told if isinstance(one, dict)] if isinstance(told, list) else []


def _rules(tool_name: str, suggestions: Sequence[Line]) -> Sequence[Rule]:
    """What the CLI suggests to allow from now on; where it suggests nothing, the tool, unless that can do anything."""
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


def _words(value: Any) -> str | None:
    return storable(value[:WORDS_LIMIT]) if isinstance(value, str) else None
