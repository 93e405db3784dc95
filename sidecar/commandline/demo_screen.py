"""How the demo looks: on a terminal with a live part at the bottom, elsewhere the same in plain lines."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any, Self

from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text
from sidecar_protocol.entities import JobStatus

from sidecar.commandline.jobview import JobView
from sidecar.commandline.timeline import Timeline
from sidecar.commandline.wording import duration, hanging, printable, size


class Screen:
    """Everything that the demo prints."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self.timeline = Timeline(console)
        self.faults: list[str] = []

    @classmethod
    def for_terminal(cls) -> Self:
        """As good as stdout allows."""
        return cls(Console(highlight=False))

    @classmethod
    def plain(cls) -> Self:
        """Without colours and without anything that moves, even on a terminal."""
        return cls(Console(highlight=False, force_terminal=False, color_system=None))

    def header(self, title: str, **facts: str) -> None:
        """Who is there."""
        if not self._console.is_terminal:
            lines = [title, *(f"  {name:<10} {printable(fact)}" for name, fact in facts.items())]
            self._console.print(Text("\n".join(lines)), soft_wrap=True)
            return
        grid = Table.grid(padding=(0, 2))
        grid.add_column(style="dim", no_wrap=True)
        grid.add_column(overflow="fold")
        for name, fact in facts.items():
            grid.add_row(name, Text(printable(fact)))
        self._console.print(Panel(grid, title=f"[bold]{title}[/]", title_align="left", border_style="cyan"))

    def section(self, title: str) -> None:
        """What comes now."""
        self.timeline.settle()
        self._console.print()
        self._console.print(Text(title, style="bold"))

    @contextmanager
    def watching(self, view: JobView) -> Iterator[None]:
        """Show a job at the bottom while it runs."""
        if self._console.is_terminal and not self._console.is_dumb_terminal:
            with Live(view, console=self._console, refresh_per_second=12, transient=True):
                yield
                self.timeline.settle()
        else:
            yield
            self.timeline.settle()

    def finished(self, job: Mapping[str, Any]) -> None:
        """A job's end: its answer, and what it took."""
        result = job.get("result") or {}
        if result.get("text"):
            self._answer(result["text"])
        if job["status"] == JobStatus.SUCCEEDED:
            self.good(f"succeeded in {duration(_took_s(job))}")
        else:
            self._line("✗", "red", str(job["status"]))
        if job.get("error"):
            self._fact("why", f"{job['error']['message']} ({job['error']['kind']})")
            self._fact("what to do", job["error"].get("hint"))
        usage = result.get("usage")
        if usage:
            cached = usage["cache_read_input_tokens"] + usage["cache_creation_input_tokens"]
            self._fact("tokens", f"{usage['input_tokens']:,} in, {cached:,} cached, {usage['output_tokens']:,} out")
        cost = result.get("total_cost_usd")
        self._fact("cost", None if cost is None else f"${cost:.4f} by the CLI's own estimate")
        self._fact("model", result.get("model"))
        self._fact("session", result.get("session_id"))
        if "added" in result:
            self._fact("events", f"{result['added']} new, {result['updated']} changed, {result['removed']} gone")
        if "size_bytes" in result:
            self._fact("file", f"{result['path'].rpartition('/')[2]}, {size(result['size_bytes'])}")

    def cancelled(self, job: Mapping[str, Any]) -> None:
        """The end of a job that was to be cancelled."""
        if job["status"] == JobStatus.CANCELLED:
            self.good("cancelled" if job.get("started_at") is None else "cancelled while it ran")
        else:
            self.bad(f"The job was to be cancelled, and {job['status']}.")

    def table(self, rows: Sequence[Sequence[str]]) -> None:
        """What was found, the columns one below the other; what is too long is cut at the end of the line."""
        self.timeline.settle()
        widths = [max(map(cell_len, column)) for column in zip(*rows, strict=True)]
        for row in rows:
            cells = (set_cell_size(cell, width) for cell, width in zip(row, widths, strict=True))
            line = Text("    " + "  ".join(cells))
            line.rstrip()
            line.truncate(self._console.width, overflow="ellipsis")
            self._console.print(line)

    def good(self, sentence: str) -> None:
        """Something is as it should be."""
        self._line("✓", "green", sentence)

    def bad(self, sentence: str) -> None:
        """Something is not as it should be."""
        self.faults.append(sentence)
        self._line("✗", "red", sentence)

    def note(self, sentence: str) -> None:
        """Something worth knowing."""
        self._console.print()
        self._console.print(hanging(self._console, Text("  ! ", "yellow"), sentence))

    def verdict(self, took_s: float) -> None:
        """The last line."""
        self._console.print()
        if self.faults:
            self._console.print(Text("Not everything was as it should be; see ✗ above.", style="bold red"))
        else:
            self._console.print(Text(f"Everything was as it should be, in {duration(took_s)}.", style="bold green"))

    def _answer(self, text: str) -> None:
        body = Text(printable(text).strip())
        if self._console.is_terminal:
            self._console.print(Panel(body, title="Claude", title_align="left", border_style="green", padding=(0, 1)))
        else:
            for line in body.wrap(self._console, self._console.width - 4):
                line.rstrip()
                self._console.print(Text("  | ") + line)

    def _line(self, mark: str, style: str, sentence: str) -> None:
        self._console.print(hanging(self._console, Text(f"  {mark} ", style), sentence))

    def _fact(self, name: str, value: str | None) -> None:
        if value:
            self._console.print(hanging(self._console, Text(f"    {name:<11} ", "dim"), value))


def _took_s(job: Mapping[str, Any]) -> float:
    begin, end = (datetime.fromisoformat(job[name]) for name in ("started_at", "finished_at"))
    return (end - begin).total_seconds()
