"""Writes the end of each run and turn into the activity feed and the log of its job."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, Literal

import anyio
from sidecar_protocol.claude.runs import ClaudeAnswer

from sidecar.claude.limits import snooze_until_reset
from sidecar.claude.sessions.messages import title_of
from sidecar.feed import FeedEvent, Origin
from sidecar.job_handler import JobContext, JobFailed
from sidecar.runtime import Runtime

DESCRIPTION_CHARS: Final = 500


@dataclass(frozen=True, slots=True)
class FeedRecord:
    """The feed event of a run or a turn.  If it cannot be stored, that is logged and the run does not fail."""

    runtime: Runtime
    kind: Literal["run", "turn"]
    context: JobContext
    prompt: str
    details: Callable[[], Mapping[str, object]]
    """Returns further members of the event's `raw`; it is called at the end."""

    @contextmanager
    def failures(self) -> Iterator[None]:
        """Writes the event if the block fails or is cancelled.

        If Claude's usage limit is reached, raises `JobSnoozed` instead, and the job continues when the limit resets.
        """
        try:
            yield
        except JobFailed as failure:
            now_ms, snoozed_for_s = self.runtime.clock.now_ms(), self.context.snoozed_for_s
            later = snooze_until_reset(failure, now_ms=now_ms, snoozed_for_s=snoozed_for_s)
            if later is not None:
                raise later from failure
            self._write("failed", failure.message, {"kind": failure.kind})
            raise
        except anyio.get_cancelled_exc_class():
            self._write("cancelled", None, {"shutdown": self.runtime.is_draining()})
            raise

    def completed(self, answer: ClaudeAnswer) -> None:
        meta = answer.model_dump(mode="json", exclude={"text", "text_truncated"})
        self.context.log("Claude answered", meta=meta)
        if answer.permission_denials:
            names = ", ".join(sorted(set(answer.permission_denials)))
            self.context.log(f"Tools that were not allowed: {names}", level="warning")
        cost = answer.model_dump(mode="json", include={"usage", "total_cost_usd", "num_turns", "duration_ms"})
        self._write("completed", answer.text, cost)

    def _write(self, end: str, description: str | None, raw: Mapping[str, object]) -> None:
        job_id = self.context.job_id
        event = FeedEvent(
            event_id=f"claude:{self.kind}:{job_id}",
            event_type=f"{self.kind}_{end}",
            at_ms=self.runtime.clock.now_ms(),
            title=title_of(self.prompt),
            description=description[:DESCRIPTION_CHARS] if description else None,
            full_text=self.prompt,
            raw={"job_id": job_id, **self.details(), **raw},
        )
        with self.runtime.database.write_or_log("the end of a Claude run could not be written into the feed"):
            self.runtime.feed().write(Origin("claude"), [event])
