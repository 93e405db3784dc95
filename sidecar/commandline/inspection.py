"""`sidecar inspect`: a transcript for people, as JSON, and as a page with a waterfall."""

import json
import sys
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from sidecar.commandline.client import Received, RemoteError
from sidecar.commandline.timeline import Timeline
from sidecar.commandline.wording import duration, one_line, size
from sidecar.transcripts.file.format import Entry, Header, read
from sidecar.transcripts.inspect.summary import RunSummary, summarize
from sidecar.transcripts.inspect.waterfall import page

SHOWN: Final = 200
"""Of a timeline; a longer one is for --all, or for the page."""


def show(path: Path, *, everything: bool) -> None:
    """Print the timeline and the sums."""
    console = Console(highlight=False)
    runs = summarize(read(path))
    messages = sum(run.messages for run in runs)
    limit = messages if everything else SHOWN
    names = {name for run in runs for name in (*run.methods(), *run.notification_counts())}
    _print_timeline(console, path, limit, max(map(len, names), default=0))
    if messages > limit:
        console.print(
            Text(f"  … {messages - limit:,} more messages: --all shows them, --html makes a page", style="dim")
        )
    for number, run in enumerate(runs, 1):
        console.print()
        _print_sums(console, run, f"run {number} of {len(runs)}, " if len(runs) > 1 else "")


def as_json(path: Path) -> None:
    """Print it all as one line."""
    json.dump({"file": str(path), "runs": [run.as_json() for run in summarize(read(path))]}, sys.stdout)
    sys.stdout.write("\n")


def as_html(path: Path, target: Path) -> None:
    """Write the page."""
    target.write_text(page(path), "utf-8")


def _print_timeline(console: Console, path: Path, limit: int, name_width: int) -> None:
    seconds = 0.0
    timeline = Timeline(console, lambda: seconds, name_width)
    asked: dict[Any, tuple[str, float]] = {}
    for count, line in enumerate(read(path)):
        if isinstance(line, Header):
            timeline.settle()
            facts = line.facts
            console.print(
                Text(f"{facts.get('server', 'a sidecar')}, {facts.get('started_at', 'some time')}", style="bold")
            )
            asked, seconds = {}, 0.0
            continue
        if count > limit:
            break
        timeline.settle() if line.t / 1000 - seconds > 1 else None
        seconds = line.t / 1000
        _print_entry(console, timeline, line, asked)
    timeline.settle()


def _print_entry(console: Console, timeline: Timeline, entry: Entry, asked: dict[Any, tuple[str, float]]) -> None:
    if entry.message is None:
        timeline.settle()
        console.print(Text(f"{entry.t / 1000:7.3f}  {_event(entry)}", style="dim"))
    for message in entry.message if isinstance(entry.message, list) else [entry.message]:
        if not isinstance(message, dict):
            continue
        method, params = message.get("method"), message.get("params") or {}
        if method is not None and entry.from_client:
            if isinstance(message.get("id"), int | str):  # else it was refused, under no id
                asked[message["id"]] = (str(method), entry.t)
            timeline.asked(str(method), params if isinstance(params, dict) else {"": params})
        elif method is not None:
            timeline.told(Received(str(method), params))
        else:
            name, since = asked.pop(message.get("id"), ("(no id)", entry.t))
            took_s = (entry.t - since) / 1000
            if "error" in message:
                timeline.refused(name, took_s, RemoteError(message["error"]))
            else:
                timeline.answered(name, took_s, message.get("result"))


def _event(entry: Entry) -> str:
    if entry.is_eof:
        return "→ (end of stdin)"
    if entry.exit_code is not None:
        return f"← (exit code {entry.exit_code})"
    raw = (entry.raw or b"").decode("utf-8", "replace")
    return f"→ (no JSON) {one_line(raw)[:60]}"


def _print_sums(console: Console, run: RunSummary, which: str) -> None:
    facts = [f"{run.messages:,} messages", f"{size(run.bytes)} in {duration(run.duration_ms / 1000)}"]
    facts += [f"{run.unreadable} lines that were no JSON"] if run.unreadable else []
    facts += [] if run.exit_code is None else [f"exit code {run.exit_code}"]
    console.print(Text(which + ", ".join(facts), style="bold"))
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in ("method", "calls", "errors", "p50", "p95", "longest", "bytes"):
        table.add_column(name, justify="left" if name == "method" else "right")
    for method, one in run.methods().items():
        times = [_ms(one.p50_ms), _ms(one.p95_ms), _ms(one.max_ms)]
        errors = Text(str(one.errors + one.unanswered or ""), style="red")
        table.add_row(Text(method), f"{one.calls:,}", errors, *times, size(one.bytes))
    console.print(table)
    told = [f"{name} ×{count:,}" for name, count in run.notification_counts().items()]
    if told:
        console.print(Text("told: " + ", ".join(told)), soft_wrap=True)
    for call in run.calls:
        if call.error or call.latency_ms is None:
            what = call.error or "never answered"
            console.print(Text(f"line {call.line}: {call.method}: {what}", style="red"))
    for gap in run.longest_gaps():
        console.print(Text(f"line {gap.line}: silence of {duration(gap.ms / 1000)}", style="yellow"))


def _ms(value: float | None) -> str:
    return "" if value is None else duration(value / 1000)
