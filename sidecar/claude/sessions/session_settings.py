"""The settings of a session in its live process, and which of them can be changed without a new process."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Self

from sidecar_protocol.claude.runs import ClaudeSettings, HubAccess, PermissionMode
from sidecar_protocol.claude.sessions import Session
from sidecar_protocol.contract import UNCHANGED

from sidecar.claude.status.telling import EFFORT_REQUEST
from sidecar.json_reader import get_object, get_text

PREFIX: Final = "setting:"
"""Begins the ids of these requests, by which a rejection is recognised."""
SETTINGS: Final = "settings"
SETTINGS_REQUEST: Final = {"type": "control_request", "request_id": SETTINGS, "request": {"subtype": "get_settings"}}
SETTING_COMMANDS: Final = ("/model", "/effort")
"""Prompts that change a setting, after which the request above asks for the present ones."""
MODES: Final = frozenset(PermissionMode)


@dataclass(frozen=True, slots=True)
class SessionSettings:
    """The settings of a process.  None leaves the choice to the user's own Claude settings."""

    model: str | None
    permission_mode: str | None
    allowed_tools: tuple[str, ...]
    cwd: str | None = None
    effort: str | None = None
    settings: ClaudeSettings = ClaudeSettings.ALL
    hub: HubAccess = HubAccess.OFF

    @classmethod
    def of(cls, session: Session) -> Self:
        return cls(
            session.model,
            session.permission_mode,
            tuple(session.allowed_tools),
            session.cwd,
            session.effort,
            session.settings,
            session.hub,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionUpdate:
    """The settings of a session to be changed: those that are not `UNCHANGED`.  None resets one."""

    title: str | None = UNCHANGED
    cwd: str | None = UNCHANGED
    model: str | None = UNCHANGED
    effort: str | None = UNCHANGED
    permission_mode: str | None = UNCHANGED
    allowed_tools: Sequence[str] = UNCHANGED
    settings: ClaudeSettings = UNCHANGED
    wait_for_limit: bool = UNCHANGED
    hub: HubAccess = UNCHANGED


@dataclass(frozen=True, slots=True, kw_only=True)
class NewSession:
    """A session to be created."""

    title: str | None = None
    cwd: str | None = None
    model: str | None = None
    effort: str | None = None
    permission_mode: str | None = None
    allowed_tools: Sequence[str] = ()
    system_prompt: str | None = None
    worktree: bool = False
    settings: ClaudeSettings = ClaudeSettings.ALL
    wait_for_limit: bool = True
    hub: HubAccess = HubAccess.READ


def worktree_name(session_id: str) -> str:
    """Returns the name of a session's git worktree; the CLI names its branch `worktree-` and this name."""
    return f"sidecar-{session_id[-12:]}"


def change_requests(current: SessionSettings, wanted: SessionSettings) -> list[Mapping[str, Any]] | None:
    """Returns the control requests that change the settings, or None if that takes a new process."""
    bypass = PermissionMode.BYPASS_PERMISSIONS
    enters_bypass = wanted.permission_mode == bypass != current.permission_mode
    is_reset = (wanted.model is None != current.model) or (wanted.permission_mode is None != current.permission_mode)
    is_elsewhere = (wanted.cwd, wanted.settings, wanted.hub) != (current.cwd, current.settings, current.hub)
    if {*current.allowed_tools} != {*wanted.allowed_tools} or is_elsewhere or enters_bypass or is_reset:
        return None
    changes = (
        ("set_model", "model", wanted.model, current.model),
        ("set_permission_mode", "mode", wanted.permission_mode, current.permission_mode),
    )
    requests: list[Mapping[str, Any]] = [
        {"subtype": subtype, name: value} for subtype, name, value, before in changes if value not in (None, before)
    ]
    if wanted.effort != current.effort:  # both releases: null gives the effort of the user's settings, or the model's
        requests.append({"subtype": "apply_flag_settings", "settings": {"effortLevel": wanted.effort}})
    lines: list[Mapping[str, Any]] = [
        {"type": "control_request", "request_id": f"{PREFIX}{request['subtype']}", "request": request}
        for request in requests
    ]
    is_checked = wanted.effort is not None and (wanted.effort, wanted.model) != (current.effort, current.model)
    return [*lines, EFFORT_REQUEST] if is_checked else lines


def rejection(line: Mapping[str, Any]) -> str | None:
    """Returns the error if a line rejects one of these requests."""
    response = get_object(line, "response") if line.get("type") == "control_response" else {}
    is_ours = str(response.get("request_id")).startswith(PREFIX)
    return str(response.get("error")) if is_ours and response.get("subtype") == "error" else None


def applied_model(line: Mapping[str, Any]) -> str | None:
    """Returns the model in use if a line reports it: the beginning of a turn, or the answer to SETTINGS_REQUEST."""
    if line.get("type") == "system" and line.get("subtype") == "init":
        return get_text(line, "model")
    return _applied(line, "model")


def effort_after(prompt: str, line: Mapping[str, Any], before: str | None) -> str | None:
    """Returns the effort of a session after a prompt: another than `before` if it was `/effort` and has taken effect.

    The answer to SETTINGS_REQUEST shows it.  2.1.332 knows the command, and `auto` for the default; 2.1.197 does not.
    """
    command, _, level = prompt.strip().partition(" ")
    applied = _applied(line, "effort")
    if command != "/effort" or applied is None:
        return before
    if level.strip() == "auto":
        return before if before == applied else None
    return applied if level.strip() == applied else before


def _applied(line: Mapping[str, Any], name: str) -> str | None:
    response = get_object(line, "response") if line.get("type") == "control_response" else {}
    return get_text(response, "response", "applied", name) if response.get("request_id") == SETTINGS else None


def reported_mode(line: Mapping[str, Any]) -> PermissionMode | None:
    """Returns the new permission mode if a line reports one, for example after a plan is approved."""
    if line.get("type") != "system" or line.get("subtype") != "status":
        return None
    mode = line.get("permissionMode")
    return PermissionMode(mode) if mode in MODES else None
