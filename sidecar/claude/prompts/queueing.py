"""Queues prompts with their files as runs and turns."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Final

import anyio
from sidecar_protocol.claude.attachments import PromptPart
from sidecar_protocol.claude.runs import RunClaude, session_lock
from sidecar_protocol.claude.sessions import MessageKind, SessionNotFound, TakeTurn
from sidecar_protocol.entities import Job

from sidecar.claude.prompts.attachments import Attachments
from sidecar.claude.prompts.blocks import blocks_of
from sidecar.claude.prompts.steering import SteeredTurn, Steering
from sidecar.claude.records.files import RecordFiles
from sidecar.claude.sessions.conversation import ConversationJournal
from sidecar.claude.sessions.journal import SessionStore
from sidecar.claude.sessions.messages import NewMessage
from sidecar.runtime import Runtime

RUNS: Final = ""
"""The key of prompts without a session."""


class PromptQueue:
    """Queues prompts: those of one session in the order in which they were sent, whatever their files take."""

    def __init__(
        self, runtime: Runtime, sessions: SessionStore, conversations: ConversationJournal, records: RecordFiles
    ) -> None:
        self.attachments = Attachments(runtime)
        self.steering = Steering(runtime, conversations, records)
        self._new_id = runtime.new_id
        self.queue = runtime.queue
        self._sessions = sessions
        self._sending: dict[str, tuple[anyio.Lock, int]] = {}
        """Locks of the next prompt, by session, each with the number of prompts that have or await it."""

    async def enqueue(
        self, prompt: RunClaude | TakeTurn, parts: Sequence[PromptPart], *, priority: int, is_for_now: bool = False
    ) -> Job:
        """Copies the files of a prompt, queues it, and offers it to the running turn if it `is_for_now`.

        Raises the errors of `Attachments.copy`, `SessionNotFound` and `QueueFull`.
        """
        session_id = prompt.session_id if isinstance(prompt, TakeTurn) else None
        self._require(session_id)
        self.queue.require_room()
        async with self._in_order(session_id or RUNS):
            copied = await self.attachments.copy(parts) if any(part.text is None for part in parts) else []
            try:
                content = await blocks_of(self.attachments, copied, prompt.prompt) if is_for_now else None
                self._require(session_id)  # it may have been deleted meanwhile
                turn = self._target(prompt) if is_for_now else None
                if turn is not None:
                    prompt = prompt.model_copy(update={"steer": self._new_id()})
                job = self.queue.enqueue(prompt, priority=priority)
                job_id = job.load().job_id
                self.attachments.store(session_id, job_id, copied)
                if turn is not None and isinstance(prompt, TakeTurn):
                    files = [one.attachment for one in copied]
                    message = NewMessage(MessageKind.USER, prompt.prompt, attachments=files)
                    self.steering.offer(turn, prompt, job_id, message, content or prompt.prompt)
            except BaseException:
                self.attachments.discard(copied)
                raise
        return job.as_model()

    def _target(self, prompt: RunClaude | TakeTurn) -> SteeredTurn | None:
        """Returns the turn that a prompt can be offered to; the CLI runs its own commands between two turns only."""
        if not isinstance(prompt, TakeTurn) or prompt.prompt.lstrip().startswith("/"):
            return None
        return self.steering.target(prompt.session_id, self.queue.count_queued(session_lock(prompt.session_id)))

    def _require(self, session_id: str | None) -> None:
        if session_id is not None and self._sessions.get(session_id) is None:
            raise SessionNotFound

    @asynccontextmanager
    async def _in_order(self, key: str) -> AsyncIterator[None]:
        lock, waiting = self._sending.get(key, (anyio.Lock(), 0))
        self._sending[key] = lock, waiting + 1
        try:
            async with lock:
                yield
        finally:
            lock, waiting = self._sending.pop(key)
            if waiting > 1:
                self._sending[key] = lock, waiting - 1
