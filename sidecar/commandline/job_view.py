"""A job on a terminal: its progress while it runs, with the end of Claude's text, and the facts of its result."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any, Final

from rich.console import Console, ConsoleOptions, RenderResult
from rich.filesize import decimal as file_size
from rich.live import Live
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text
from sidecar_protocol.contract import Model
from sidecar_protocol.entities import Job, JobStatus

from sidecar.commandline.client import Received
from sidecar.commandline.formatting import duration, one_line, printable

FRAMES_PER_S: Final = 12
TEXT_LINES: Final = 8
"""Lines of Claude's text; more would not fit on a small terminal."""
TAIL_CHARS: Final = 4_000
"""Enough for `TEXT_LINES`; wrapping the whole text for each frame would be slow."""
HIDDEN_S: Final = 0.15
"""A job shorter than this would only flash, so the view appears after it."""
FINAL: Final = frozenset({JobStatus.SUCCEEDED, JobStatus.FAILED, JobStatus.CANCELLED, JobStatus.INTERRUPTED})


class JobView:
    """Tracks one job by its notifications, and shows it on `console`; a rich renderable of the job's present state."""

    def __init__(self, job: Mapping[str, Any], console: Console) -> None:
        self.job = dict(job)
        self._console = console
        self._text = ""
        self._message = ""
        self._fraction: float | None = job.get("progress")
        self._begin = time.perf_counter()
        self._spinner = Spinner("dots", style="cyan")

    @property
    def has_ended(self) -> bool:
        return self.job["status"] in FINAL

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Shows the job during the block: below the output on a terminal, elsewhere as plain text."""
        if self._console.is_terminal:
            with Live(self, console=self._console, refresh_per_second=FRAMES_PER_S, transient=True):
                yield
            return
        yield
        if self._text:
            self._console.print()

    def update(self, received: Received) -> None:
        """Handles a notification; those about other jobs are ignored."""
        params = received.params
        if received.method == "jobs.updated":
            self.update_job(params["job"])
        elif params.get("job_id") != self.job["job_id"]:
            return
        elif received.method == "jobs.progress":
            self._fraction = params["progress"]
            self.show_message(params["message"] or "")
        elif received.method == "claude.delta":
            self._text += params["text"]
            if not self._console.is_terminal:
                self._console.print(Text(printable(params["text"])), end="", soft_wrap=True)

    def update_job(self, job: dict[str, Any]) -> None:
        """Replaces the job, unless `job` is another one or an older version."""
        if job["job_id"] == self.job["job_id"] and job["version"] >= self.job["version"]:
            self.job = job
            if job.get("waiting_for"):
                self.show_message(f"Waiting for {job['waiting_for'].replace('_', ' ')}")

    def show_message(self, message: str) -> None:
        """Shows what the job is doing, in a few words."""
        message = one_line(message)
        if message and message != self._message:
            self._message = message
            if not self._console.is_terminal:
                self._console.print(Text(message), soft_wrap=True)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        del options
        seconds = time.perf_counter() - self._begin
        if seconds < HIDDEN_S:
            return
        if self._text.strip():
            lines = Text(printable(self._text[-TAIL_CHARS:]).strip()).wrap(console, console.width - 4)
            yield Panel(Text("\n").join(lines[-TEXT_LINES:]), border_style="dim", padding=(0, 1))
        row = Table.grid(padding=(0, 1))
        parts: list[Any] = [self._spinner, Text(str(self.job["type"])), Text(str(self.job["status"]), style="cyan")]
        if self._fraction is not None:
            parts.append(ProgressBar(total=1.0, completed=self._fraction, width=20))
        message = Text(self._message, style="dim", no_wrap=True, overflow="ellipsis")
        row.add_row(*parts, message, Text(f"{seconds:.1f} s", style="dim"))
        yield row


def outcome(job: Mapping[str, Any]) -> str:
    """Returns how a job ended: `succeeded in 68 ms`."""
    if job.get("started_at") is None:
        return str(job["status"])
    begin, end = (datetime.fromisoformat(job[name]) for name in ("started_at", "finished_at"))
    word = "in" if job["status"] == JobStatus.SUCCEEDED else "after"
    return f"{job['status']} {word} {duration((end - begin).total_seconds())}"


def facts(job: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yields the name and value of each fact about an ended job that a user wants to know."""
    result, error = job.get("result") or {}, job.get("error") or {}
    if error:
        yield "error", f"{error['message']} ({error['kind']})"
    if error.get("hint"):
        yield "hint", error["hint"]
    for name in ("text", "model", "session_id"):
        if result.get(name):
            yield name.removesuffix("_id"), result[name].strip()
    for citation in {one["number"]: one for one in result.get("citations") or ()}.values():
        row = citation["row"]
        yield "source", f"[{citation['number']}] {_source(row) if row else 'does not exist: ' + citation['sentence']}"
    if usage := result.get("usage"):
        cached = usage["cache_read_input_tokens"] + usage["cache_creation_input_tokens"]
        yield "tokens", f"{usage['input_tokens']:,} in, {cached:,} cached, {usage['output_tokens']:,} out"
    if result.get("total_cost_usd") is not None:
        yield "cost", f"${result['total_cost_usd']:.4f}, as estimated by Claude Code"
    if "added" in result:
        yield "events", f"{result['added']} added, {result['updated']} updated, {result['removed']} removed"
    if "size_bytes" in result:
        yield "file", f"{result['path'].rpartition('/')[2]}, {file_size(result['size_bytes'])}"


def _source(row: Mapping[str, Any]) -> str:
    """Returns the title of a row that an answer cites, and its address."""
    title = row["title"] or row["issue_key"] or row["kind"].replace("_", " ")
    return ", ".join(filter(None, (one_line(title), row["url"])))


def job_field(model: type[Model] | None) -> str | None:
    """Returns the name of the job in a result of this type: an empty name if the result is the job, None if no job."""
    if model is None or model is Job:
        return None if model is None else ""
    return next((name for name, field in model.model_fields.items() if field.annotation is Job), None)
