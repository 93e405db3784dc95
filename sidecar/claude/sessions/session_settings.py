"""The settings of a session in its live process, and which of them can be changed without a new process."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

from sidecar_protocol.claude.runs import PermissionMode
from sidecar_protocol.claude.sessions import Session

from sidecar.json_reader import get_object

PREFIX: Final = "setting:"
"""Begins the ids of these requests, by which a rejection is recognised."""
MODES: Final = frozenset(PermissionMode)


@dataclass(frozen=True, slots=True)
class SessionSettings:
    """The settings of a process.  None leaves the choice to the user's own Claude settings."""

    model: str | None
    permission_mode: str | None
    allowed_tools: tuple[str, ...]

    @classmethod
    def of(cls, session: Session) -> Self:
        return cls(session.model, session.permission_mode, tuple(session.allowed_tools))


def change_requests(current: SessionSettings, wanted: SessionSettings) -> list[Mapping[str, Any]] | None:
    """Returns the control requests that change the settings, or None if that takes a new process."""
    bypass = PermissionMode.BYPASS_PERMISSIONS
    enters_bypass = wanted.permission_mode == bypass != current.permission_mode
    if {*current.allowed_tools} != {*wanted.allowed_tools} or enters_bypass:
        return None
    changes = (
        ("set_model", "model", wanted.model, current.model),
        ("set_permission_mode", "mode", wanted.permission_mode, current.permission_mode),
    )
    return [
        {"type": "control_request", "request_id": PREFIX + subtype, "request": {"subtype": subtype, name: value}}
        for subtype, name, value, before in changes
        if value not in (None, before)
    ]


def rejection(line: Mapping[str, Any]) -> str | None:
    """Returns the error if a line rejects one of these requests."""
    response = get_object(line, "response") if line.get("type") == "control_response" else {}
    is_ours = str(response.get("request_id")).startswith(PREFIX)
    return str(response.get("error")) if is_ours and response.get("subtype") == "error" else None


def reported_mode(line: Mapping[str, Any]) -> PermissionMode | None:
    """Returns the new permission mode if a line reports one, for example after a plan is approved."""
    if line.get("type") != "system" or line.get("subtype") != "status":
        return None
    mode = line.get("permissionMode")
    return PermissionMode(mode) if mode in MODES else None
