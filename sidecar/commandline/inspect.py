"""`sidecar inspect`: prints a transcript as a timeline with statistics or as JSON, or writes an HTML page."""

import json
import sys
from pathlib import Path
from typing import Any, Final

import click
from rich.console import Console
from rich.filesize import decimal as file_size
from rich.table import Table
from rich.text import Text

from sidecar.commandline.client import Received, RemoteError
from sidecar.commandline.formatting import duration, one_line, safe
from sidecar.commandline.options import EXISTING_FILE, JSON, NEW_FILE
from sidecar.commandline.summaries import summary
from sidecar.commandline.timeline import TimelineOutput
from sidecar.paths import open_private
from sidecar.transcripts.file.format import Entry, Header, NotATranscript, read, request_id
from sidecar.transcripts.inspect.summary import RunSummary, summarize
from sidecar.transcripts.inspect.waterfall import page

DEFAULT_LIMIT: Final = 200
"""Messages of a timeline; longer ones need --all or the HTML page."""


@click.command()
@click.argument("file", type=EXISTING_FILE)
@JSON
@click.option("--html", "page_path", metavar="PAGE", type=NEW_FILE, help="Write an HTML page with a waterfall diagram.")
@click.option("--all", "show_all", is_flag=True, help=f"Print every message, not only the first {DEFAULT_LIMIT}.")
def inspect(file: Path, *, as_json: bool, page_path: Path | None, show_all: bool) -> None:
    """Show the messages of a transcript and their statistics.

    Prints a timeline, the latencies and sizes per method, and errors and pauses.
    """
    try:
        if page_path is not None:
            text = page(file, lambda method, value: str(summary(method, value)))
            with open(page_path, "w", encoding="utf-8", opener=open_private) as html:  # it quotes prompts and titles
                html.write(text)
        elif as_json:
            json.dump({"file": str(file), "runs": [run.as_json() for run in summarize(read(file))]}, sys.stdout)
            sys.stdout.write("\n")
        else:
            _print(file, show_all=show_all)
    except NotATranscript as error:
        raise click.ClickException(str(error)) from None


def _print(path: Path, *, show_all: bool) -> None:
    console = Console(highlight=False)
    runs = summarize(read(path))
    messages = sum(run.messages for run in runs)
    limit = messages if show_all else DEFAULT_LIMIT
    names = {name for run in runs for name in (*run.methods(), *run.notification_counts())}
    _print_timeline(console, path, limit, max(map(len, names), default=0))
    if messages > limit:
        console.print(Text(f"  … {messages - limit:,} more messages; use --all or --html", style="dim"))
    for number, run in enumerate(runs, 1):
        console.print()
        _print_statistics(console, run, f"run {number} of {len(runs)}, " if len(runs) > 1 else "")


def _print_timeline(console: Console, path: Path, limit: int, name_width: int) -> None:
    seconds = 0.0
    timeline = TimelineOutput(lambda: seconds, name_width)
    requests: dict[Any, tuple[str, float]] = {}
    for count, line in enumerate(read(path)):
        if isinstance(line, Header):
            timeline.flush()
            server, at = line.facts.get("server", "a sidecar"), line.facts.get("started_at", "some time")
            console.print(safe(Text(f"{server}, {at}", style="bold")))
            requests, seconds = {}, 0.0
            continue
        if count > limit:
            break
        if line.t / 1000 - seconds > 1:
            timeline.flush()
        seconds = line.t / 1000
        _print_entry(timeline, line, requests)
    timeline.flush()


def _print_entry(timeline: TimelineOutput, entry: Entry, requests: dict[Any, tuple[str, float]]) -> None:
    if entry.message is None:
        timeline.flush()
        timeline.out.print(Text(f"{entry.t / 1000:7.3f}  {_event(entry)}", style="dim"), soft_wrap=True)
    for message in entry.objects:
        method, params = message.get("method"), message.get("params") or {}
        if method is not None and entry.from_client:
            if (own := request_id(message)) is not None:  # else it is refused, with id null
                requests[own] = (str(method), entry.t)
            timeline.request(str(method), params if isinstance(params, dict) else {"": params})
        elif method is not None:
            timeline.notification(Received(str(method), params))
        else:
            name, since = requests.pop(request_id(message), ("(no id)", entry.t))
            took_s = (entry.t - since) / 1000
            if "error" in message:
                timeline.refusal(name, RemoteError(message["error"]), took_s)
            else:
                timeline.response(name, message.get("result"), took_s)


def _event(entry: Entry) -> str:
    if entry.is_eof:
        return "→ (end of stdin)"
    if entry.exit_code is not None:
        return f"← (exit code {entry.exit_code})"
    raw = (entry.raw or b"").decode("utf-8", "replace")
    return f"→ (not JSON) {one_line(raw)[:60]}"


def _print_statistics(console: Console, run: RunSummary, which: str) -> None:
    facts = [f"{run.messages:,} messages", f"{file_size(run.bytes)} in {duration(run.duration_ms / 1000)}"]
    facts += [f"{run.unreadable} lines that are not JSON"] if run.unreadable else []
    facts += ["killed or still running" if run.exit_code is None else f"exit code {run.exit_code}"]
    console.print(Text(which + ", ".join(facts), style="bold"))
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in ("method", "calls", "errors", "p50", "p95", "longest", "bytes"):
        table.add_column(name, justify="left" if name == "method" else "right")
    for method, one in run.methods().items():
        times = [_ms(one.p50_ms), _ms(one.p95_ms), _ms(one.max_ms)]
        errors = Text(str(one.errors + one.unanswered or ""), style="red")
        table.add_row(safe(Text(method)), f"{one.calls:,}", errors, *times, file_size(one.bytes))
    console.print(table)
    counts = [f"{name} ×{count:,}" for name, count in run.notification_counts().items()]
    if counts:
        console.print(safe(Text("notifications: " + ", ".join(counts))), soft_wrap=True)
    for call in run.calls:
        if call.error or call.latency_ms is None:
            problem = f"line {call.line}: {call.method}: {call.error or 'no response'}"
            console.print(safe(Text(problem, style="red")))
    for gap in run.longest_gaps():
        console.print(Text(f"line {gap.line}: pause of {duration(gap.ms / 1000)}", style="yellow"))


def _ms(value: float | None) -> str:
    return "" if value is None else duration(value / 1000)
