"""Follows how full the context of a session is."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sidecar.claude.status.journal import StatusJournal
from sidecar.claude.status.reading import ContextReader, window_of
from sidecar.json_reader import get_text


class ContextFollower:
    """Reads the lines of a turn; stores the use of the context after each answer."""

    def __init__(self, journal: StatusJournal, session_id: str, conversation: str | None) -> None:
        """`conversation` is the CLI's id of the conversation that the session is in."""
        self._journal = journal
        self._session_id = session_id
        self._conversation = conversation
        self._reader = ContextReader()
        self._model: str | None = None

    def on_line(self, line: Mapping[str, Any]) -> None:
        self._reader.read(line)
        kind = line.get("type")
        if kind == "system" and line.get("subtype") == "init":
            self._model = get_text(line, "model") or self._model
            reported = get_text(line, "session_id") or self._conversation
            if self._conversation not in (None, reported):  # 2.1.197 does not say that it was cleared
                self._clear()
            self._conversation = reported
        elif kind == "conversation_reset":
            self._clear()
        elif kind == "result" and (use := self._reader.use) is not None:
            use = replace(use, model=use.model or self._model)
            self._journal.set_context(self._session_id, use, window_of(line, self._model, use.model))

    def _clear(self) -> None:
        self._reader = ContextReader()
        self._journal.set_context(self._session_id, None, None)
