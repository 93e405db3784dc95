"""Prompts that go into a running turn, and the table `claude_steers`.

Such a prompt is a queued job like any other, and is also offered to the CLI, which reads it between two uses of a tool,
and repeats it then (`--replay-user-messages`).  Its job takes the turn's answer for its own; if the turn ends before,
the job runs as the next turn.  So a prompt is neither lost nor read twice.  Measured with 2.1.332 and 2.1.197:

- A prompt that arrives after the last call of a tool is read in a further turn of the CLI, before it is idle.
- After an interrupt the CLI goes on with the prompts that it has been offered, unless they are withdrawn before.
- What it has read in a turn is recorded as `queued_command` with the prompt's id as `source_uuid`.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NamedTuple

from anyio.to_thread import run_sync
from pydantic_core import from_json, to_json
from sidecar_protocol.claude.runs import ClaudeUsage
from sidecar_protocol.claude.sessions import ClaudeTurnResult, TakeTurn

from sidecar.claude.process.cli_process import ClaudeProcess, user_line
from sidecar.claude.process.work import withdraw_line
from sidecar.claude.records.files import RecordFiles
from sidecar.claude.sessions.conversation import ConversationJournal
from sidecar.claude.sessions.messages import NewMessage
from sidecar.job_handler import JobContext, JobFailed, JobSnoozed
from sidecar.json_reader import get_text
from sidecar.runtime import Runtime

log = logging.getLogger(__name__)

Content = str | Sequence[Mapping[str, Any]]
NOT_STORED: Final = "a prompt that was offered to a running turn could not be stored"
MAX_OFFERED: Final = 20
"""Number of prompts that one turn is offered."""
RECORD_BYTES: Final = 16 * 1024 * 1024
"""Size of the end of a record in which a prompt is looked for after a crash."""


@dataclass(slots=True)
class SteeredTurn:
    """A turn that can be offered prompts.

    `offered` are those that it was offered and that Claude has not read, by their ids: each with its job and message.
    `queued` are the ids of all whose job is queued, until the turn ends.
    """

    job_id: str
    process: ClaudeProcess
    offered: dict[str, tuple[str, NewMessage]] = field(default_factory=dict)
    queued: set[str] = field(default_factory=set)

    @property
    def can_take(self) -> bool:
        """Whether the CLI will read a prompt that it is sent now."""
        process, is_busy = self.process, not self.process.prompt_done.is_set()
        return is_busy and not process.exited.is_set() and not process.work.is_ending and len(self.queued) < MAX_OFFERED


class ReadPrompt(NamedTuple):
    """A prompt that Claude has read in a running turn."""

    session_id: str
    job_id: str
    prompt: NewMessage
    is_recorded: bool
    """Whether Claude has recorded it under its id."""


class Steering:
    """The turns that are running, by session, and the prompts that were offered to them."""

    def __init__(self, runtime: Runtime, conversations: ConversationJournal, records: RecordFiles) -> None:
        self._database = runtime.database
        self._after_commit = runtime.after_commit
        self._conversations = conversations
        self._records = records
        self._turns: dict[str, SteeredTurn] = {}
        self._read: dict[str, dict[str, ReadPrompt]] = {}
        """Maps the job of a turn to the prompts that Claude has read in it, by their ids, until their end is stored."""

    @contextmanager
    def running(self, session_id: str, job_id: str, process: ClaudeProcess) -> Iterator[SteeredTurn]:
        """Lets the turn of a session be offered prompts during the block."""
        turn = self._turns[session_id] = SteeredTurn(job_id, process)
        try:
            yield turn
        finally:
            del self._turns[session_id]

    def target(self, session_id: str, waiting: int) -> SteeredTurn | None:
        """Returns the turn that a prompt can be offered to; `waiting` is the number of the session's queued prompts.

        A prompt does not overtake one that was sent before it.
        """
        turn = self._turns.get(session_id)
        return turn if turn is not None and turn.can_take and len(turn.queued) == waiting else None

    def offer(
        self,
        turn: SteeredTurn,
        job: TakeTurn,
        job_id: str,
        prompt: NewMessage,
        content: Content,
    ) -> None:
        """Offers a prompt whose job has been queued, once that is committed."""
        steer_id = job.steer or ""
        with self._database.write():
            self._database.execute(
                "INSERT INTO claude_steers (steer_id, session_id, job_id, turn_job_id) VALUES (?, ?, ?, ?)",
                (steer_id, job.session_id, job_id, turn.job_id),
            )
        turn.offered[steer_id] = job_id, prompt
        turn.queued.add(steer_id)
        turn.process.work.offer(steer_id)

        def send(failure: object) -> None:
            if failure is not None:
                turn.offered.pop(steer_id, None)
                turn.queued.discard(steer_id)
                turn.process.work.withdraw(steer_id)
            elif steer_id in turn.process.work.offered:  # it may have ended in the same iteration
                turn.process.send(user_line(content, steer_id))

        self._after_commit(send)

    def withdraw(self, job: TakeTurn) -> None:
        """Asks the CLI not to read a prompt whose job was cancelled."""
        turn = self._turns.get(job.session_id)
        if job.steer is None:
            return
        with self._database.write_or_log(NOT_STORED):
            self._database.execute("DELETE FROM claude_steers WHERE steer_id = ?", (job.steer,))
        if turn is not None:
            turn.queued.discard(job.steer)
            if job.steer in turn.offered:
                turn.process.send(withdraw_line(job.steer))

    def on_line(self, session_id: str, turn_job_id: str, line: Mapping[str, Any], *, has_own_turn: bool) -> bool:
        """Stores that Claude has read a prompt, if a line shows it; returns whether it does.

        A prompt that `has_own_turn` of the CLI is recorded under its id.
        """
        steer_id = get_text(line, "uuid") or ""
        turn = self._turns.get(session_id)
        if line.get("type") != "user" or line.get("isReplay") is not True:
            return False
        if turn is None or turn.job_id != turn_job_id or (offer := turn.offered.pop(steer_id, None)) is None:
            return False
        read = ReadPrompt(session_id, *offer, has_own_turn)
        self._read.setdefault(turn_job_id, {})[steer_id] = read
        self._take(steer_id, read)
        return True

    @contextmanager
    def ends(self, turn: JobContext) -> Iterator[None]:
        """Stores how a turn ends that is not answered in the block; one that waits for a limit has not ended."""
        try:
            yield
        except JobSnoozed:
            raise
        except JobFailed as failure:
            outcome = {"message": failure.message, "kind": failure.kind}
            turn.at_end(lambda: self._end(turn.job_id, "lost", outcome))
            raise
        except BaseException:
            turn.at_end(lambda: self._end(turn.job_id, "lost", {}))
            raise

    def answered(self, turn_job_id: str, answer: ClaudeTurnResult) -> None:
        """Makes the answer of a turn that of the prompts that Claude has read in it."""
        none: dict[str, object] = {"usage": {}, "total_cost_usd": None, "num_turns": None, "duration_ms": None}
        self._end(turn_job_id, "answered", answer.model_dump() | none)

    async def outcome(self, job: TakeTurn, job_id: str, prompt: NewMessage) -> ClaudeTurnResult | None:
        """Returns the answer to a prompt that Claude has read in an earlier turn; None if it has not been read.

        Raises `JobFailed` if it was read and not answered.
        """
        if job.steer is None:
            return None
        sql = "SELECT state, turn_job_id, outcome_json FROM claude_steers WHERE steer_id = ?"
        row = self._database.row(sql, (job.steer,))
        if row is None:
            return None
        state, turn_job_id, outcome = row
        if state == "offered" and await self._is_recorded(job):  # the process ended before it could report it
            self._take(job.steer, ReadPrompt(job.session_id, job_id, prompt, is_recorded=False))
            state = "taken"
        with self._database.write():
            self._database.execute("DELETE FROM claude_steers WHERE steer_id = ?", (job.steer,))
        if state == "offered":
            return None
        if state == "answered":
            usage = ClaudeUsage()
            return ClaudeTurnResult(**from_json(outcome) | {"usage": usage, "answered_by": turn_job_id})
        failure = from_json(outcome or "{}")
        message = failure.get("message", "It was stopped, or the sidecar ended.")
        raise JobFailed(
            f"Claude has read this prompt in a turn that ended without an answer. {message}",
            kind=failure.get("kind", "turn_ended"),
            interrupted="kind" not in failure,
            hint="Claude knows the prompt: send another one to go on.",
            details={"turn_job_id": turn_job_id},
        )

    def _take(self, steer_id: str, read: ReadPrompt) -> None:
        with self._database.write_or_log(NOT_STORED):
            self._database.execute("UPDATE claude_steers SET state = 'taken' WHERE steer_id = ?", (steer_id,))
            record = steer_id if read.is_recorded else None
            self._conversations.add_message(read.session_id, read.job_id, read.prompt, record)

    def _end(self, turn_job_id: str, state: str, outcome: Mapping[str, Any]) -> None:
        """Ends the prompts that Claude has read in a turn; those that it has not read are the next turns."""
        read = self._read.get(turn_job_id, {})
        sql = "SELECT steer_id FROM claude_steers WHERE turn_job_id = ? AND state = 'offered'"
        with self._database.write():
            for steer_id in self._database.values(sql, (turn_job_id,)):
                if steer_id in read:
                    self._take(steer_id, read[steer_id])
            self._database.execute(
                "UPDATE claude_steers SET state = ?, outcome_json = ? WHERE turn_job_id = ? AND state = 'taken'",
                (state, to_json(outcome).decode(), turn_job_id),
            )

        def forget(failure: object) -> None:
            if failure is None:
                self._read.pop(turn_job_id, None)

        self._after_commit(forget)

    async def _is_recorded(self, job: TakeTurn) -> bool:
        claude_session_id, _ = self._conversations.record_position(job.session_id)
        if claude_session_id is None or job.steer is None:
            return False
        try:
            return await run_sync(_has_prompt, self._records, claude_session_id, job.steer)
        except OSError as error:
            log.warning("a record of Claude could not be read: %s", error)
            return False


def _has_prompt(records: RecordFiles, claude_session_id: str, steer_id: str) -> bool:
    path: Path | None = records.find(claude_session_id)
    if path is None:
        return False
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - RECORD_BYTES))
        name = steer_id.encode()
        return any(name in line and b'"type":"queue-operation"' not in line.replace(b" ", b"") for line in file)
