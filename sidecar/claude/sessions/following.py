"""Follows the CLI's reports about itself during a turn: its conversation, folder, model and permission mode."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from sidecar.claude.process.pool import SessionProcess
from sidecar.claude.sessions.conversation import ConversationJournal
from sidecar.claude.sessions.journal import SessionJournal
from sidecar.claude.sessions.messages import raw_json
from sidecar.claude.sessions.session_settings import (
    SessionUpdate,
    applied_model,
    effort_after,
    rejection,
    reported_mode,
)
from sidecar.job_handler import JobContext
from sidecar.json_reader import get_text

RECORDED_AFTER: Final = ("stream_event", "assistant")
"""Lines after which the CLI has a record of its conversation, and knows the id that it has reported."""
MODEL_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/@\[\]-]{0,199}")


@dataclass(slots=True)
class Follower:
    """Stores what the lines of a turn change in its session.

    `conversation` is the CLI's id of the conversation as it is stored.  An id that a line reports replaces it: at once
    if the process had one before, as after `/clear`, and otherwise as soon as the CLI has a record of it.
    """

    session_id: str
    context: JobContext
    sessions: SessionJournal
    conversations: ConversationJournal
    conversation: str | None
    prompt: str = ""
    needs_worktree: bool = False
    live: SessionProcess | None = None
    _left: set[str] = field(default_factory=set)
    """Conversations that the process has left; some of its lines still name them."""

    def on_line(self, text: bytes, line: Mapping[str, Any]) -> None:
        """Handles a line: its bytes, and the JSON object that it is."""
        if line.get("parent_tool_use_id") is not None:
            return
        kind = line.get("type")
        is_init = kind == "system" and line.get("subtype") == "init"
        if kind == "conversation_reset":
            self._clear(get_text(line, "session_id"), raw_json(text, line))
        elif is_init or kind in RECORDED_AFTER or (kind == "result" and line.get("is_error") is False):
            self._follow(get_text(line, "session_id"), text, line, is_init=is_init)
        if is_init and self.needs_worktree and (cwd := get_text(line, "cwd")):
            self.needs_worktree = False
            self._follow_change(cwd=cwd)  # the folder that the CLI has created
        self._follow_settings(line)

    def _clear(self, left: str | None, raw: str) -> None:
        self._left |= {one for one in (left, self.conversation) if one is not None}
        if self.live is not None:
            self.live.process.begun = None
        self.conversation = None
        self.conversations.clear(self.session_id, self.context.job_id, raw)

    def _follow(self, reported: str | None, text: bytes, line: Mapping[str, Any], *, is_init: bool) -> None:
        if reported is None or reported == self.conversation or reported in self._left:
            return
        if self.conversation is not None:  # releases before conversation_reset (2.1.197)
            self._clear(None, raw_json(text, line))
        elif is_init and not self._left:
            return
        self.conversation = reported
        self.conversations.follow(self.session_id, reported)

    def _follow_settings(self, line: Mapping[str, Any]) -> None:
        """Handles rejected settings, and a model, effort or permission mode that the CLI has changed to."""
        if self.live is None or self.live.settings is None:
            return
        if (error := rejection(line)) is not None:
            self.live.settings = None
            self.context.log(f"Claude Code applies the new settings from the next turn on: {error}", level="warning")
        elif (mode := reported_mode(line)) is not None and mode != self.live.settings.permission_mode:
            self._follow_change(permission_mode=mode)
        elif (model := applied_model(line)) is not None and model != self.live.model:
            if self.live.model is not None and MODEL_NAME.fullmatch(model):
                self._follow_change(model=model)
            self.live.model = model
        settings = self.live.settings
        if settings is not None and (effort := effort_after(self.prompt, line, settings.effort)) != settings.effort:
            self._follow_change(effort=effort)

    def _follow_change(self, **changed: Any) -> None:
        """Stores settings that the CLI has changed by itself, so that they are not changed back."""
        if self.live is not None and self.live.settings is not None:
            self.live.settings = replace(self.live.settings, **changed)
        self.sessions.follow(self.session_id, SessionUpdate(**changed))
