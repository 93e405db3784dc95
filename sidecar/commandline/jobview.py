"""A running job on a terminal: what it is doing, how far it is, and the end of the text that Claude is writing."""

import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from rich.console import Console, ConsoleOptions, RenderResult
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text
from sidecar_protocol.contract import Model
from sidecar_protocol.entities import Job, JobStatus

from sidecar.commandline.client import Received
from sidecar.commandline.wording import one_line, printable

LINES: Final = 8
"""Of the text; more would push the rest off a small terminal."""
TAIL_CHARS: Final = 4_000
"""Enough for those lines, so that a long answer is not wrapped anew for each frame."""
QUIET_S: Final = 0.15
"""A job that is over by then is never shown: it would only flash."""
FINAL: Final = frozenset({JobStatus.SUCCEEDED, JobStatus.FAILED, JobStatus.CANCELLED, JobStatus.INTERRUPTED})


class JobView:
    """Follows one job by the notifications about it; a renderable that shows the present state."""

    def __init__(self, job: Mapping[str, Any]) -> None:
        self.job = dict(job)
        self.text = ""
        self.on_words: Callable[[str], None] = lambda _: None
        self.on_text: Callable[[str], None] = lambda _: None
        self._words = ""
        self._fraction: float | None = job.get("progress")
        self._begin = time.perf_counter()
        self._spinner = Spinner("dots", style="cyan")

    @property
    def has_ended(self) -> bool:
        """Whether the job's status is a final one."""
        return self.job["status"] in FINAL

    def take(self, received: Received) -> bool:
        """Take a notification; whether it was about this job."""
        params = received.params
        if received.method == "jobs.updated" and params["job"]["job_id"] == self.job["job_id"]:
            if params["job"]["version"] >= self.job["version"]:
                self.job = params["job"]
                if self.job.get("waiting_for"):
                    self.say(f"Waiting for {self.job['waiting_for'].replace('_', ' ')}")
            return True
        if params.get("job_id") != self.job["job_id"]:
            return False
        if received.method == "jobs.progress":
            self._fraction = params["progress"]
            self.say(params["message"] or "")
        elif received.method == "claude.delta":
            self.text += params["text"]
            self.on_text(params["text"])
        return True

    def say(self, words: str) -> None:
        """What is going on, in a few words."""
        words = one_line(words)
        if words and words != self._words:
            self._words = words
            self.on_words(words)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """The text's last lines in a panel, and below it the state."""
        del options
        if time.perf_counter() - self._begin < QUIET_S:
            return
        if self.text.strip():
            yield Panel(_tail(self.text, console), border_style="dim", padding=(0, 1))
        row = Table.grid(padding=(0, 1))
        parts: list[Any] = [self._spinner, Text(str(self.job["type"])), Text(str(self.job["status"]), style="cyan")]
        if self._fraction is not None:
            parts.append(ProgressBar(total=1.0, completed=self._fraction, width=20))
        words = Text(self._words, style="dim", no_wrap=True, overflow="ellipsis")
        row.add_row(*parts, words, Text(f"{time.perf_counter() - self._begin:.1f} s", style="dim"))
        yield row


def _tail(text: str, console: Console) -> Text:
    wrapped = Text(printable(text[-TAIL_CHARS:]).strip()).wrap(console, console.width - 4)
    return Text("\n").join(wrapped[-LINES:])


def job_in(model: type[Model] | None, value: Any) -> dict[str, Any] | None:
    """The job that a result is or holds; None where its type has none."""
    if model is None or not isinstance(value, dict):
        return None
    if model is Job:
        return value
    name = next(_job_fields(model), None)
    return None if name is None else value[name]


def holds_job(model: type[Model] | None) -> bool:
    """Whether a method's result is a job or holds one."""
    return model is not None and (model is Job or any(_job_fields(model)))


def _job_fields(model: type[Model]) -> Iterator[str]:
    return (name for name, field in model.model_fields.items() if field.annotation is Job)
