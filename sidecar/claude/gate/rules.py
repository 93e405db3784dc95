"""The gate's rules: which tools ask, and the hook of the CLI with which they do.  No I/O.

Measured with 2.1.197 and 2.1.332: a hook that the `initialize` request registers is called before each use of a tool,
also of a subagent, and waits for the answer.  `ask` makes the CLI request permission in every mode, also in
`bypassPermissions`, and where a rule would allow the call.
"""

import hashlib
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

from pydantic_core import to_json
from sidecar_protocol.claude.gate import Verdict

from sidecar.json_reader import get_object, get_text
from sidecar.text import well_formed

CALLBACK: Final = "gate"
HOOK_TIMEOUT_S: Final = 3_600
"""Time that the CLI waits for our answer, which takes a few milliseconds.  Afterwards it does not run the tool."""
HOOKS: Final = {"PreToolUse": [{"matcher": None, "hookCallbackIds": [CALLBACK], "timeout": HOOK_TIMEOUT_S}]}
"""The `hooks` of the `initialize` request."""
INWARD: Final = frozenset(
    {
        "AskUserQuestion",
        "EnterPlanMode",
        "ExitPlanMode",
        "Glob",
        "Grep",
        "LS",
        "NotebookRead",
        "Read",
        "ReportFindings",
        "TaskCreate",
        "TaskGet",
        "TaskList",
        "TaskOutput",
        "TaskUpdate",
        "TodoWrite",
        "ToolSearch",
    }
)
"""Tools of the CLI that only read on this computer, or ask by themselves.  All others ask, also those to come."""
MAX_SHOWN: Final = 5
"""Sources that a question shows."""
ACTS: Final = "This changes something in the hub."

Line = Mapping[str, Any]


def is_hook(line: Line) -> bool:
    """Returns whether a control request calls a hook of ours."""
    return line.get("type") == "control_request" and get_text(line, "request", "subtype") == "hook_callback"


def verdict(
    tool: str, exposed: Sequence[tuple[str, str]], *, reading: Collection[str], acting: Collection[str], can_ask: bool
) -> tuple[Verdict, str] | None:
    """Returns the decision about a tool and its reason; None leaves it to the CLI.

    `exposed` are the untrusted sources with the beginnings of their texts, `reading` and `acting` the hub's tools.
    """
    stopped = Verdict.ASK if can_ask else Verdict.DENY
    if tool in acting:
        return stopped, ACTS if can_ask else f"{ACTS} A run cannot ask the user."
    if not exposed or tool in INWARD or tool in reading:
        return None
    shown = "; ".join(f"{source}: “{text}”" for source, text in exposed[:MAX_SHOWN])
    more = f" and {len(exposed) - MAX_SHOWN} more" if len(exposed) > MAX_SHOWN else ""
    reason = f"Texts that others wrote are in this conversation ({shown}{more})."
    return stopped, reason if can_ask else f"{reason} A run can then only read."


def answer_line(line: Line, decision: tuple[Verdict, str] | None) -> Line:
    """Returns the answer to the hook's call."""
    response: dict[str, Any] = {}
    if decision is not None:
        response["hookSpecificOutput"] = {
            "hookEventName": "PreToolUse",
            "permissionDecision": decision[0].value,
            "permissionDecisionReason": decision[1],
        }
    inner = {"subtype": "success", "request_id": line.get("request_id"), "response": response}
    return {"type": "control_response", "response": inner}


def digest(values: object) -> str | None:
    """Returns the digest of a call's input; None if it cannot be encoded."""
    try:
        return hashlib.sha256(to_json(_sorted(values), inf_nan_mode="constants")).hexdigest()
    except ValueError:
        return None


def _sorted(values: object) -> object:
    if isinstance(values, dict):
        return {well_formed(name): _sorted(values[name]) for name in sorted(values)}
    if isinstance(values, list):
        return [_sorted(one) for one in values]
    return well_formed(values) if isinstance(values, str) else values


def hook_input(line: Line) -> tuple[str, Mapping[str, Any], str | None]:
    """Returns the tool, its input, and the id of its use."""
    asked = get_object(line, "request", "input")
    use_id = get_text(asked, "tool_use_id") or get_text(line, "request", "tool_use_id")
    return get_text(asked, "tool_name") or "", get_object(asked, "tool_input"), use_id
