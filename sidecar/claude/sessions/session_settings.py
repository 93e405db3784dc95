"""A session's settings in its live process: what can be changed there, and what only a new process takes on.

The CLI takes a model and a permission mode at any time, rules only at its start; and into the mode that asks for
nothing it goes only where it was started in it (measured with 2.1.330).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

from sidecar_protocol.claude.runs import PermissionMode
from sidecar_protocol.claude.sessions import Session

PREFIX: Final = "setting:"
"""Of the ids of these requests, by which a refusal is known."""
MODES: Final = frozenset(PermissionMode)


@dataclass(frozen=True, slots=True)
class Settings:
    """What a process works by; None leaves a choice to the user's own settings."""

    model: str | None
    permission_mode: str | None
    allowed_tools: tuple[str, ...]

    @classmethod
    def of(cls, session: Session) -> Self:
        """A session's."""
        return cls(session.model, session.permission_mode, tuple(session.allowed_tools))


def changes(has: Settings, wanted: Settings) -> list[Mapping[str, Any]] | None:
    """The control requests that lead from one to the other; None where only a new process does."""
    bypass = PermissionMode.BYPASS_PERMISSIONS
    enters_bypass = wanted.permission_mode == bypass != has.permission_mode
    if {*has.allowed_tools} != {*wanted.allowed_tools} or enters_bypass:
        return None
    return list(_requests(has, wanted))


def _requests(has: Settings, wanted: Settings) -> Iterator[Mapping[str, Any]]:
    if wanted.model is not None and wanted.model != has.model:
        yield _request({"subtype": "set_model", "model": wanted.model})
    if wanted.permission_mode is not None and wanted.permission_mode != has.permission_mode:
        yield _request({"subtype": "set_permission_mode", "mode": wanted.permission_mode})


def _request(request: Mapping[str, Any]) -> Mapping[str, Any]:
    return {"type": "control_request", "request_id": PREFIX + request["subtype"], "request": request}


def refusal(line: Mapping[str, Any]) -> str | None:
    """Why the CLI did not take a setting; None where the line is no such refusal."""
    response = line.get("response")
    if line.get("type") != "control_response" or not isinstance(response, dict):
        return None
    ours = str(response.get("request_id")).startswith(PREFIX)
    return str(response.get("error")) if ours and response.get("subtype") == "error" else None


def reported_mode(line: Mapping[str, Any]) -> PermissionMode | None:
    """The permission mode that the CLI is in from now on; it changes it by itself too, as when a plan is approved."""
    if line.get("type") != "system" or line.get("subtype") != "status":
        return None
    mode = line.get("permissionMode")
    return PermissionMode(mode) if mode in MODES else None
