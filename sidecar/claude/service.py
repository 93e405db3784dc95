"""Claude's methods.  Runs and turns are jobs: this only queues them, `worker` and `turns` do the work."""

from collections.abc import Callable
from typing import Any

from sidecar_protocol.claude.permissions import (
    PermissionDecision,
    PermissionPage,
    PermissionRequest,
    Permissions,
    PermissionStatus,
)
from sidecar_protocol.claude.runs import (
    TIMEOUT_S,
    Claude,
    ModelName,
    PermissionMode,
    ResumedSession,
    RunClaude,
    SystemPrompt,
    ToolRules,
    Turns,
    session_lock,
)
from sidecar_protocol.claude.sessions import (
    ClaudeMessagePage,
    Session,
    SessionDeleted,
    SessionNotFound,
    SessionPage,
    Sessions,
    TakeTurn,
)
from sidecar_protocol.contract import Encoded, as_models, encode
from sidecar_protocol.entities import Job, JobStatus
from sidecar_protocol.scalars import DEFAULT_LIMIT, DEFAULT_LINES_LIMIT, FolderPath, LongText, Priority, Seconds

from sidecar.claude.permissions.journal import PermissionJournal
from sidecar.claude.permissions.store import PermissionStore
from sidecar.claude.queue import CancelHolders, Enqueue
from sidecar.claude.sessions.conversations import Conversations
from sidecar.claude.sessions.store import ClaudeStore


class ClaudeService(Claude):
    """Implements `Claude` over the job queue."""

    def __init__(self, enqueue: Enqueue) -> None:
        self._enqueue = enqueue

    async def spawn(
        self,
        *,
        prompt: LongText,
        cwd: FolderPath | None = None,
        model: ModelName | None = None,
        session_id: ResumedSession | None = None,
        allowed_tools: ToolRules = [],  # noqa: B006 - as declared; only read
        permission_mode: PermissionMode | None = None,
        max_turns: Turns | None = None,
        timeout_s: Seconds = TIMEOUT_S,
        system_prompt: SystemPrompt | None = None,
        priority: Priority = 0,
    ) -> Job:
        spec = RunClaude(
            prompt=prompt,
            cwd=cwd,
            model=model,
            session_id=session_id,
            allowed_tools=allowed_tools,
            permission_mode=permission_mode,
            max_turns=max_turns,
            timeout_s=timeout_s,
            system_prompt=system_prompt,
        )
        return self._enqueue(spec, priority=priority).as_model()


class SessionsService(Sessions):
    """Implements `Sessions`."""

    def __init__(
        self,
        store: ClaudeStore,
        conversations: Conversations,
        permissions: PermissionJournal,
        *,
        enqueue: Enqueue,
        cancel: CancelHolders,
        drop_process: Callable[[str], None],
        adapt_process: Callable[[Session], None],
    ) -> None:
        self._store = store
        self._conversations = conversations
        self._permissions = permissions
        self._enqueue = enqueue
        self._cancel = cancel
        self._drop_process = drop_process
        self._adapt_process = adapt_process

    async def create(
        self,
        *,
        title: str | None = None,
        cwd: FolderPath | None = None,
        model: ModelName | None = None,
        permission_mode: PermissionMode | None = None,
        allowed_tools: ToolRules = [],  # noqa: B006 - as declared; only read
        system_prompt: SystemPrompt | None = None,
    ) -> Session:
        return self._conversations.create(
            title=title,
            cwd=cwd,
            model=model,
            permission_mode=permission_mode,
            allowed_tools=allowed_tools,
            system_prompt=system_prompt,
        ).as_model()

    async def list(self, *, limit: int = DEFAULT_LIMIT, cursor: str | None = None) -> SessionPage:
        sessions, next_cursor = self._store.page(limit, cursor)
        return encode(SessionPage, sessions=as_models(sessions), next_cursor=next_cursor).as_model()

    async def get(self, *, session_id: str) -> Session:
        return self._get(session_id).as_model()

    def _get(self, session_id: str) -> Encoded[Session]:
        session = self._store.get(session_id)
        if session is None:
            raise SessionNotFound
        return session

    async def update(
        self,
        *,
        session_id: str,
        title: str | None = None,
        model: ModelName | None = None,
        permission_mode: PermissionMode | None = None,
        allowed_tools: ToolRules | None = None,
    ) -> Session:
        session = self._conversations.update(
            session_id, title=title, model=model, permission_mode=permission_mode, allowed_tools=allowed_tools
        )
        if session is None:
            raise SessionNotFound
        self._adapt_process(session.load())
        return session.as_model()

    async def delete(self, *, session_id: str) -> SessionDeleted:
        self._permissions.close(session_id, "The session was deleted.")
        if not self._conversations.delete(session_id):
            raise SessionNotFound
        self._cancel(session_lock(session_id), JobStatus.QUEUED, JobStatus.RUNNING)
        self._drop_process(session_id)
        return SessionDeleted(session_id=session_id)

    async def send(self, *, session_id: str, prompt: LongText, priority: Priority = 0) -> Job:
        self._get(session_id)
        return self._enqueue(TakeTurn(session_id=session_id, prompt=prompt), priority=priority).as_model()

    async def interrupt(self, *, session_id: str) -> Session:
        session = self._get(session_id)
        self._cancel(session_lock(session_id), JobStatus.RUNNING)
        return session.as_model()

    async def fork(self, *, session_id: str, title: str | None = None) -> Session:
        forked = self._conversations.fork(session_id, title)
        if forked is None:
            raise SessionNotFound
        return forked.as_model()

    async def list_messages(
        self, *, session_id: str, limit: int = DEFAULT_LINES_LIMIT, cursor: str | None = None
    ) -> ClaudeMessagePage:
        messages, next_cursor = self._store.messages(session_id, limit, cursor)
        if not messages:
            self._get(session_id)
        return encode(ClaudeMessagePage, messages=as_models(messages), next_cursor=next_cursor).as_model()


class PermissionsService(Permissions):
    """Implements `Permissions`."""

    def __init__(self, store: PermissionStore, journal: PermissionJournal) -> None:
        self._store = store
        self._journal = journal

    async def list(
        self,
        *,
        session_id: str | None = None,
        status: PermissionStatus | None = None,
        limit: int = DEFAULT_LIMIT,
        cursor: str | None = None,
    ) -> PermissionPage:
        requests, next_cursor = self._store.page(session_id, status, limit, cursor)
        return encode(PermissionPage, requests=as_models(requests), next_cursor=next_cursor).as_model()

    async def respond(
        self,
        *,
        request_id: str,
        decision: PermissionDecision,
        updated_input: dict[str, Any] | None = None,
        message: str | None = None,
        remember: bool = False,
    ) -> PermissionRequest:
        return self._journal.answer(request_id, decision, updated_input, message, remember=remember).as_model()
