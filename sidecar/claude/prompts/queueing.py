"""Queues prompts with their files as runs and turns."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Final

import anyio
from sidecar_protocol.claude.attachments import PromptPart
from sidecar_protocol.claude.runs import RunClaude
from sidecar_protocol.claude.sessions import SessionNotFound, TakeTurn
from sidecar_protocol.entities import Job

from sidecar.claude.prompts.attachments import Attachments
from sidecar.claude.sessions.journal import SessionStore
from sidecar.runtime import Queue

RUNS: Final = ""
"""The key of prompts without a session."""


class PromptQueue:
    """Queues prompts: those of one session in the order in which they were sent, whatever their files take."""

    def __init__(self, queue: Queue, sessions: SessionStore, attachments: Attachments) -> None:
        self.attachments = attachments
        self.queue = queue
        self._sessions = sessions
        self._sending: dict[str, tuple[anyio.Lock, int]] = {}
        """Locks of the next prompt, by session, each with the number of prompts that have or await it."""

    async def enqueue(self, prompt: RunClaude | TakeTurn, parts: Sequence[PromptPart], *, priority: int) -> Job:
        """Copies the files of a prompt and queues it.  Raises the errors of `Attachments.copy`, `SessionNotFound`."""
        session_id = prompt.session_id if isinstance(prompt, TakeTurn) else None
        self._require(session_id)
        async with self._in_order(session_id or RUNS):
            copied = await self.attachments.copy(parts) if any(part.text is None for part in parts) else []
            try:
                self._require(session_id)  # it may have been deleted meanwhile
                job = self.queue.enqueue(prompt, priority=priority)
                self.attachments.store(session_id, job.load().job_id, copied)
            except BaseException:
                self.attachments.discard(copied)
                raise
        return job.as_model()

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
