"""The tables of what Claude Code reports about itself.  A change and its notification are one transaction."""

import sqlite3
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final, TypeVar

from pydantic_core import from_json, to_json
from sidecar_protocol.claude.status import (
    ClaudeAccount,
    ClaudeContext,
    ClaudeContextUpdated,
    ClaudeLimits,
    ClaudeLimitsUpdated,
    ClaudeWorkspace,
    InstalledClaude,
    McpServer,
)
from sidecar_protocol.contract import Model
from sidecar_protocol.errors import InvalidParams

from sidecar.claude.status.reading import ContextUse
from sidecar.clock import iso_now
from sidecar.runtime import Runtime

M = TypeVar("M", bound=Model)

NOT_STORED: Final = "what Claude Code says about itself could not be stored"
FOLDER_SOURCES: Final = ("project", "local")
"""Where a server is configured that only one folder has."""
MAX_WORKSPACES: Final = 200
MAX_CONTEXTS: Final = 50
DOCUMENTED_EFFORTS: Final = ("low", "medium", "high", "xhigh", "max")
"""The levels of 2.1.197 and 2.1.332, as long as no model list is known."""
INSTALLATION: Final = "installation"
LIMITS: Final = "limits"
WORKSPACE: Final = "workspace"


class StatusJournal:
    """Stores a report.  If that fails, it is logged and lost, since the work that reports it is worth more."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._database = runtime.database

    @property
    def now(self) -> str:
        return iso_now(self._runtime.clock)

    def installation(self) -> InstalledClaude | None:
        return self._facts(InstalledClaude, INSTALLATION, "")

    def limits(self) -> ClaudeLimits | None:
        return self._facts(ClaudeLimits, LIMITS, "")

    def workspace(self, cwd: str | None) -> ClaudeWorkspace | None:
        """Returns a folder's, or that of the folder which was learnt last."""
        if cwd is None:
            sql = "SELECT subject FROM claude_facts WHERE topic = ? ORDER BY learnt_at DESC LIMIT 1"
            cwd = self._database.value(sql, (WORKSPACE,))
        return None if cwd is None else self._facts(ClaudeWorkspace, WORKSPACE, cwd)

    def workspaces(self) -> list[ClaudeWorkspace]:
        """Returns those of all folders, the last learnt first."""
        sql = "SELECT subject FROM claude_facts WHERE topic = ? ORDER BY learnt_at DESC"
        found = [self.workspace(cwd) for cwd in self._database.values(sql, (WORKSPACE,))]
        return [one for one in found if one is not None]

    def set_installation(self, installation: InstalledClaude) -> None:
        with self._database.write_or_log(NOT_STORED):
            self._store(INSTALLATION, "", installation, installation.learnt_at)

    def set_limits(self, limits: ClaudeLimits) -> None:
        """Stores the limits; notifies the client if one has changed."""
        before = self.limits()
        with self._database.write_or_log(NOT_STORED):
            self._store(LIMITS, "", limits, limits.learnt_at)
            if before is None or _without_times(before) != _without_times(limits):
                self._runtime.notify(ClaudeLimitsUpdated(limits=limits))

    def update_workspace(self, cwd: str, *, has_project: bool, **changes: Any) -> None:
        """Changes what is known about a folder.  One with the user's settings alone replaces none with all."""
        known = self.workspace(cwd)
        if known is not None and known.has_project and not has_project:
            has_project = True
            changes = {"mcp_servers": _with_users(known.mcp_servers or [], changes.get("mcp_servers"))}
        base: Mapping[str, Any] = {} if known is None else known.model_dump()
        now = self.now
        facts = ClaudeWorkspace.model_validate(
            {**base, **changes, "cwd": cwd, "has_project": has_project, "learnt_at": now}
        )
        with self._database.write_or_log(NOT_STORED):
            self._store(WORKSPACE, cwd, facts, now)
            self._database.execute(
                """
                DELETE FROM claude_facts WHERE topic = :topic AND subject NOT IN
                    (SELECT subject FROM claude_facts WHERE topic = :topic ORDER BY learnt_at DESC LIMIT :kept)
                """,
                {"topic": WORKSPACE, "kept": MAX_WORKSPACES},
            )

    def check_effort(self, effort: str | None, model: str | None) -> None:
        """Raises `InvalidParams` if the model, or without one every model, is known not to have this effort."""
        if effort is None:
            return
        installation = self.installation()
        models = [] if installation is None else installation.models
        named = [one for one in models if model in (one.model, one.resolved_model)]
        levels = list(dict.fromkeys(level for one in named or models for level in one.efforts))
        if not models:
            levels = list(DOCUMENTED_EFFORTS)
        if effort not in levels:
            owner = f"the model {model}" if named else "Claude Code"
            known = f"{owner} knows {', '.join(levels)}" if levels else f"{owner} has no levels of effort"
            raise InvalidParams(details=[{"path": "effort", "message": known}])

    def contexts(self, session_id: str | None) -> list[ClaudeContext]:
        """Returns the context of a session, or those that changed last."""
        sql = "SELECT session_id, model, used_tokens, window_tokens, learnt_at FROM claude_contexts"
        if session_id is None:
            rows = self._database.rows(f"{sql} ORDER BY learnt_at DESC, session_id LIMIT ?", (MAX_CONTEXTS,))
        else:
            rows = self._database.rows(f"{sql} WHERE session_id = ?", (session_id,))
        return [_context(*row) for row in rows]

    def set_context(self, session_id: str, use: ContextUse | None, window: int | None) -> None:
        """Stores how full a context is, and notifies the client if that has changed; with None it was cleared."""
        known = next(iter(self.contexts(session_id)), None)
        model = use.model if use is not None else None
        if known is not None:
            model = model or known.model
            window = known.window_tokens if window is None and model == known.model else window
        context = _context(session_id, model, use.used_tokens if use is not None else None, window, self.now)
        if known is not None and known == context.model_copy(update={"learnt_at": known.learnt_at}):
            return
        with self._database.write_or_log(NOT_STORED), suppress(sqlite3.IntegrityError):  # it was deleted meanwhile
            self._database.execute(
                "INSERT OR REPLACE INTO claude_contexts (session_id, model, used_tokens, window_tokens, learnt_at)"
                " VALUES (:session_id, :model, :used_tokens, :window_tokens, :learnt_at)",
                context.model_dump(exclude={"used_percentage"}),
            )
            self._runtime.notify(ClaudeContextUpdated(context=context))

    def told_problems(self, session_id: str) -> dict[str, str]:
        """Returns the problems that are already in a session, by subject: the state of each."""
        sql = "SELECT problems_json FROM claude_told_problems WHERE session_id = ?"
        found = self._database.value(sql, (session_id,))
        return {} if found is None else dict(from_json(found))

    def set_told_problems(self, session_id: str, problems: Mapping[str, str]) -> None:
        with self._database.write_or_log(NOT_STORED), suppress(sqlite3.IntegrityError):  # as above
            self._database.execute(
                "INSERT OR REPLACE INTO claude_told_problems (session_id, problems_json) VALUES (?, ?)",
                (session_id, to_json(problems).decode()),
            )

    def _facts(self, model: type[M], topic: str, subject: str) -> M | None:
        sql = "SELECT facts_json FROM claude_facts WHERE topic = ? AND subject = ?"
        found = self._database.value(sql, (topic, subject))
        return None if found is None else model.model_validate_json(found)

    def _store(self, topic: str, subject: str, facts: Model, now: str) -> None:
        self._database.execute(
            "INSERT OR REPLACE INTO claude_facts (topic, subject, facts_json, learnt_at) VALUES (?, ?, ?, ?)",
            (topic, subject, facts.json_bytes().decode(), now),
        )


def _with_users(known: list[McpServer], users: list[McpServer] | None) -> list[McpServer]:
    """Returns the servers that a folder brings, as they are known, with the user's own as they are now."""
    return (
        known
        if users is None
        else [
            *users,
            *(one for one in known if one.source in FOLDER_SOURCES and one.name not in {own.name for own in users}),
        ]
    )


def unknown_installation(path: str, now: str) -> InstalledClaude:
    return InstalledClaude(path=path, version=None, account=ClaudeAccount(), models=[], learnt_at=now)


def _context(session_id: str, model: str | None, used: int | None, window: int | None, learnt_at: str) -> ClaudeContext:
    percentage = None if used is None or not window else round(100 * used / window, 1)
    return ClaudeContext(
        session_id=session_id,
        model=model,
        used_tokens=used,
        window_tokens=window,
        used_percentage=percentage,
        learnt_at=learnt_at,
    )


def _without_times(limits: ClaudeLimits) -> object:
    """Returns what the client is notified about."""
    shown = [
        (one.kind, one.status, one.resets_at, None if one.utilization is None else round(one.utilization, 2))
        for one in limits.limits
    ]
    return limits.status, limits.limiting, limits.is_using_overage, sorted(shown, key=str)
