"""Implements `claude.status`."""

from sidecar_protocol.claude.sessions import SessionNotFound
from sidecar_protocol.claude.status import ClaudeStatus, Status

from sidecar.claude.sessions.journal import SessionStore
from sidecar.claude.status.probe import Probe
from sidecar.claude.status.reading import without_past


class StatusService(Status):
    """Implements `Status`."""

    def __init__(self, sessions: SessionStore, probe: Probe) -> None:
        self._journal = probe.launcher.status
        self._sessions = sessions
        self._probe = probe

    async def status(
        self, *, cwd: str | None = None, session_id: str | None = None, refresh: bool = False
    ) -> ClaudeStatus:
        folder = cwd
        if session_id is not None:
            if (session := self._sessions.get(session_id)) is None:
                raise SessionNotFound
            folder = cwd or session.load().cwd or str(self._probe.launcher.home)
        problem = await self._probe.ask(folder) if refresh else None
        limits = self._journal.limits()
        return ClaudeStatus(
            installation=self._journal.installation(),
            workspace=self._journal.workspace(folder),
            limits=None if limits is None else without_past(limits, self._journal.now),
            contexts=self._journal.contexts(session_id),
            problem=problem,
        )
