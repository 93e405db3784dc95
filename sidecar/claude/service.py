"""The methods of runs, sessions and permission requests.  Runs and turns are jobs, which these methods queue."""

from collections.abc import Sequence
from typing import Any

from sidecar_protocol.claude.attachments import PromptPart
from sidecar_protocol.claude.permissions import (
    PermissionDecision,
    PermissionPage,
    PermissionRequest,
    Permissions,
    PermissionStatus,
)
from sidecar_protocol.claude.runs import (
    Claude,
    ClaudeSettings,
    Effort,
    HubAccess,
    ModelName,
    PermissionMode,
    RunClaude,
    SystemPrompt,
    ToolRules,
    session_lock,
)
from sidecar_protocol.claude.sessions import (
    ClaudeMessagePage,
    SendWhen,
    Session,
    SessionDeleted,
    SessionNotFound,
    SessionPage,
    Sessions,
    TakeTurn,
)
from sidecar_protocol.contract import UNCHANGED, Encoded, as_models, encode
from sidecar_protocol.entities import Job, JobStatus
from sidecar_protocol.scalars import DEFAULT_LIMIT, DEFAULT_LINES_LIMIT, FolderPath, LongText, Priority, Seconds

from sidecar.claude.permissions.journal import PermissionJournal
from sidecar.claude.process.launch import Launcher
from sidecar.claude.process.pool import ProcessPool
from sidecar.claude.prompts.queueing import PromptQueue
from sidecar.claude.prompts.reading import check_parts
from sidecar.claude.sessions.conversation import ConversationJournal
from sidecar.claude.sessions.journal import SessionJournal
from sidecar.claude.sessions.session_settings import NewSession, SessionUpdate
from sidecar.claude.trust.gate import Gate


class ClaudeService(Claude):
    """Implements `Claude`."""

    def __init__(self, prompts: PromptQueue, launcher: Launcher) -> None:
        self._prompts = prompts
        self._gate = launcher.gate
        self._status = launcher.status

    async def spawn(
        self, run: RunClaude, *, content: Sequence[PromptPart] = (), priority: Priority = 0, trust: bool = False
    ) -> Job:
        self._status.check_effort(run.effort, run.model)
        prompt = check_parts(run.prompt or None, content)
        await self._gate.admit_at(run.cwd, run.settings, is_trusted=trust)
        run = run.model_copy(update={"prompt": prompt})
        return await self._prompts.enqueue(run, content, priority=priority)


class SessionsService(Sessions):
    """Implements `Sessions`."""

    def __init__(
        self,
        sessions: SessionJournal,
        conversations: ConversationJournal,
        permissions: PermissionJournal,
        pool: ProcessPool,
        prompts: PromptQueue,
        gate: Gate,
    ) -> None:
        self._queue = prompts.queue
        self._prompts = prompts
        self._sessions = sessions
        self._conversations = conversations
        self._permissions = permissions
        self._pool = pool
        self._gate = gate

    async def create(
        self,
        *,
        title: str | None = None,
        cwd: FolderPath | None = None,
        model: ModelName | None = None,
        effort: Effort | None = None,
        permission_mode: PermissionMode | None = None,
        allowed_tools: ToolRules = [],  # noqa: B006 - as declared; only read
        system_prompt: SystemPrompt | None = None,
        worktree: bool = False,
        settings: ClaudeSettings = ClaudeSettings.ALL,
        trust: bool = False,
        wait_for_limit: bool = True,
        hub: HubAccess = HubAccess.READ,
    ) -> Session:
        await self._gate.admit_at(cwd, settings, has_worktree=worktree, is_trusted=trust)
        new = NewSession(
            title=title,
            cwd=cwd,
            model=model,
            effort=effort,
            permission_mode=permission_mode,
            allowed_tools=allowed_tools,
            system_prompt=system_prompt,
            worktree=worktree,
            settings=settings,
            wait_for_limit=wait_for_limit,
            hub=hub,
        )
        return self._sessions.create(new).as_model()

    async def list(self, *, limit: int = DEFAULT_LIMIT, cursor: str | None = None) -> SessionPage:
        sessions, next_cursor = self._sessions.store.page(limit, cursor)
        return encode(SessionPage, sessions=as_models(sessions), next_cursor=next_cursor).as_model()

    async def get(self, *, session_id: str) -> Session:
        return _existing(self._sessions.store.get(session_id)).as_model()

    async def update(
        self,
        *,
        session_id: str,
        title: str | None = UNCHANGED,
        cwd: FolderPath | None = UNCHANGED,
        model: ModelName | None = UNCHANGED,
        effort: Effort | None = UNCHANGED,
        permission_mode: PermissionMode | None = UNCHANGED,
        allowed_tools: ToolRules | None = None,
        settings: ClaudeSettings | None = None,
        trust: bool = False,
        wait_for_limit: bool | None = None,
        hub: HubAccess | None = None,
    ) -> Session:
        current = _existing(self._sessions.store.get(session_id)).load()
        if trust or settings is not None or cwd is not UNCHANGED:
            folder = current.cwd if cwd is UNCHANGED else cwd
            await self._gate.admit_at(folder, settings or current.settings, is_trusted=trust)
        update = SessionUpdate(
            title=title,
            cwd=cwd,
            model=model,
            effort=effort,
            permission_mode=permission_mode,
            allowed_tools=UNCHANGED if allowed_tools is None else allowed_tools,
            settings=UNCHANGED if settings is None else settings,
            wait_for_limit=UNCHANGED if wait_for_limit is None else wait_for_limit,
            hub=UNCHANGED if hub is None else hub,
        )
        session = _existing(self._sessions.update(session_id, update))
        self._pool.apply_settings(session.load())
        return session.as_model()

    async def delete(self, *, session_id: str) -> SessionDeleted:
        with self._permissions.session_deletion(session_id):
            self._prompts.attachments.delete_of_session(session_id)
            if not self._sessions.delete(session_id):
                raise SessionNotFound
            self._queue.cancel_by_lock_key(session_lock(session_id), JobStatus.QUEUED, JobStatus.RUNNING)
        self._pool.drop(session_id)
        return SessionDeleted(session_id=session_id)

    async def send(
        self,
        *,
        session_id: str,
        prompt: LongText | None = None,
        content: Sequence[PromptPart] = (),
        when: SendWhen = SendWhen.NEXT,
        priority: Priority = 0,
        timeout_s: Seconds | None = None,
        wait_for_limit: bool | None = None,
    ) -> Job:
        text = check_parts(prompt, content)
        turn = TakeTurn(session_id=session_id, prompt=text, timeout_s=timeout_s, wait_for_limit=wait_for_limit)
        return await self._prompts.enqueue(turn, content, priority=priority, is_for_now=when is SendWhen.NOW)

    async def interrupt(self, *, session_id: str) -> Session:
        _existing(self._sessions.store.get(session_id))
        self._queue.cancel_by_lock_key(session_lock(session_id), JobStatus.RUNNING)
        self._pool.end_scheduled(session_id)
        return _existing(self._sessions.store.get(session_id)).as_model()

    async def fork(self, *, session_id: str, title: str | None = None, message_id: str | None = None) -> Session:
        forked = _existing(self._conversations.fork(session_id, title, message_id))
        self._prompts.attachments.copy_rows(session_id, forked.load().session_id)
        return forked.as_model()

    async def list_messages(
        self, *, session_id: str, limit: int = DEFAULT_LINES_LIMIT, cursor: str | None = None
    ) -> ClaudeMessagePage:
        messages, next_cursor = self._sessions.store.messages(session_id, limit, cursor)
        if not messages:
            _existing(self._sessions.store.get(session_id))
        return encode(ClaudeMessagePage, messages=as_models(messages), next_cursor=next_cursor).as_model()


def _existing(session: Encoded[Session] | None) -> Encoded[Session]:
    if session is None:
        raise SessionNotFound
    return session


class PermissionsService(Permissions):
    """Implements `Permissions`."""

    def __init__(self, journal: PermissionJournal) -> None:
        self._journal = journal

    async def list(
        self,
        *,
        session_id: str | None = None,
        status: PermissionStatus | None = None,
        limit: int = DEFAULT_LIMIT,
        cursor: str | None = None,
    ) -> PermissionPage:
        requests, next_cursor = self._journal.page(session_id, status, limit, cursor)
        return encode(PermissionPage, requests=as_models(requests), next_cursor=next_cursor).as_model()

    async def respond(
        self,
        *,
        request_id: str,
        decision: PermissionDecision,
        updated_input: dict[str, Any] | None = None,
        message: str | None = None,
        remember: bool = False,
        suggestions: Sequence[int] = (),
    ) -> PermissionRequest:
        return self._journal.respond(
            request_id, decision, updated_input, message, remember=remember, suggestions=suggestions
        ).as_model()
