"""Checks the runs and turns that a client creates or schedules, and refuses at once those that would fail."""

from dataclasses import dataclass

from sidecar_protocol.claude.runs import RunClaude
from sidecar_protocol.claude.sessions import TakeTurn
from sidecar_protocol.claude.trust import FolderUnresponsive, WorkspaceUntrusted
from sidecar_protocol.errors import InvalidParams

from sidecar.claude.process.launch import Launcher
from sidecar.claude.sessions.journal import SessionStore

NO_PROMPT = "has no text"
TRUST_HINT = (
    "Ask the user, and trust the folder with claude.trust.add; or set settings to user, to leave out what it brings."
)


@dataclass(frozen=True, slots=True)
class Admission:
    """The checks of both types of jobs.  They raise `InvalidParams`."""

    sessions: SessionStore
    launcher: Launcher

    async def admit_run(self, job: RunClaude) -> None:
        if not job.prompt.strip():
            raise _refused("prompt", NO_PROMPT)
        self.launcher.status.check_effort(job.effort, job.model)
        if job.session_id is not None and self.sessions.id_of(job.session_id) is not None:
            raise _refused("session_id", "belongs to a session of the sidecar; use a claude.turn of that")
        await self._admit_folder(job)

    async def admit_turn(self, job: TakeTurn) -> None:
        if self.sessions.get(job.session_id) is None:
            raise _refused("session_id", "no session has this id")
        if not job.prompt.strip():
            raise _refused("prompt", NO_PROMPT)
        for name in ("steer", "is_own"):
            if getattr(job, name):
                raise _refused(name, "is set by the sidecar only")

    async def _admit_folder(self, job: RunClaude) -> None:
        gate, folder = self.launcher.gate, self.launcher.working_directory(job.cwd)
        try:
            if not await gate.is_folder(folder):
                raise _refused("cwd", "is not the absolute path of a folder that exists")
            await gate.admit(folder, job.settings)
        except WorkspaceUntrusted as refusal:
            raise _refused("cwd", refusal.message, TRUST_HINT) from None
        except FolderUnresponsive as refusal:
            raise _refused("cwd", refusal.message, refusal.data["hint"]) from None


def _refused(path: str, message: str, hint: str | None = None) -> InvalidParams:
    return InvalidParams(hint=hint, details=[{"path": path, "message": message}])
