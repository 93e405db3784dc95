"""The output of a command: text for people, or compact JSON for programs.  Results go to stdout, errors to stderr."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import click
from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.json import JSON
from rich.live import Live
from rich.text import Text
from sidecar_protocol.contract import Method, Model
from sidecar_protocol.entities import Job, JobStatus

from sidecar.commandline.client import Received, RemoteError
from sidecar.commandline.formatting import defused, hanging, local_time, members, one_line, printable
from sidecar.commandline.job_view import JobView, facts, outcome
from sidecar.commandline.tables import list_field, print_table
from sidecar.commandline.timeline import Timeline, about_notification

FRAMES_PER_S = 12


class Output:
    """Prints what a command receives from its sidecar as tables, coloured JSON and sentences."""

    def __init__(self) -> None:
        self._out = Console(highlight=False)
        self._err = Console(stderr=True, highlight=False)

    def flush(self) -> None:
        """Prints what is buffered."""

    def result(self, model: type[Model] | None, value: Any) -> None:
        """Prints a result; `model` is its declared type."""
        self.flush()
        listed = list_field(model)
        if listed is None or not isinstance(value, dict):
            text = JSON.from_data(value, indent=2, ensure_ascii=False).text
            text.plain = defused(text.plain)
            self._out.print(text, soft_wrap=True)
            return
        name, item = listed
        others = {key: other for key, other in value.items() if key != name and other is not None}
        if value[name]:
            print_table(self._out, item, value[name], datetime.now(UTC))
        else:
            self._out.print(Text(f"no {name}", style="dim"))
        if others:
            self._out.print(Text(members(others), style="dim"), soft_wrap=True)

    def notification(self, received: Received) -> None:
        seq = received.params.get("seq")
        number = f"#{seq}" if seq is not None else ""
        line = Text.assemble(
            ("⟵ ", "magenta"), f"{received.method:<20} ", (f"{number:<6} ", "dim"), about_notification(received)
        )
        self._out.print(line, soft_wrap=True)

    def error(self, error: RemoteError) -> None:
        """Prints the error of a request."""
        self.flush()
        self._err.print(Text.assemble((error.kind, "bold red"), ": ", printable(error.message)), soft_wrap=True)
        for detail in error.data.get("details") or ():
            path, rest = detail.get("path"), detail.get("message")
            text = f"{path}: {rest}" if path and rest else one_line(detail)
            self._err.print(Text(f"  {printable(text)}"), soft_wrap=True)
        labels = {"hint": "hint", "error_id": "error id in the log", "retry_after_ms": "retry after ms"}
        for name, label in labels.items():
            if error.data.get(name) is not None:
                self._err.print(Text(f"  {label}: {one_line(error.data[name])}", style="dim"), soft_wrap=True)

    def problem(self, sentence: str) -> None:
        self._err.print(Text(printable(sentence), style="red"), soft_wrap=True)

    def heading(self, text: str) -> None:
        """Prints a heading of a script."""
        self.flush()
        self._out.print()
        self._out.print(Text(text, style="bold"))

    def rows(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Prints objects as a table; a time is shown in local time."""
        self.flush()
        cells = [[local_time(one_line(value or "")) for value in row.values()] for row in rows]
        widths = [max(map(cell_len, column)) for column in zip(*cells, strict=True)]
        for row in cells:
            line = Text("    " + "  ".join(map(set_cell_size, row, widths)))
            line.rstrip()
            line.truncate(self._out.width, overflow="ellipsis")
            self._out.print(line)
        if not cells:
            self._out.print(Text("    nothing", style="dim"))

    def request(self, method: str, params: Mapping[str, Any]) -> None:
        """Prints a request before it is sent."""

    def response(self, method: Method, value: Any, took_s: float) -> None:
        """Prints the result of a request."""
        del took_s
        self.result(method.result, value)

    def refusal(self, method: Method, error: RemoteError, took_s: float) -> None:
        """Prints the error of a request."""
        del method, took_s
        self.error(error)

    def job_ended(self, job: Mapping[str, Any]) -> None:
        """Prints a job that the user waited for."""
        self.result(Job, job)

    def sidecar_ended(self, code: int, took_s: float) -> None:
        """Prints the sidecar's exit code, and how long it took to exit."""

    @contextmanager
    def watching(self, view: JobView) -> Iterator[None]:
        if self._err.is_terminal:
            with _live(view, self._err):
                yield
            return
        view.on_message = lambda message: self._err.print(Text(message), soft_wrap=True)
        view.on_text = lambda text: self._err.print(Text(printable(text)), end="", soft_wrap=True)
        yield
        if view.text:
            self._err.print()


class JsonOutput(Output):
    """One compact line of JSON per value."""

    def result(self, model: type[Model] | None, value: Any) -> None:
        del model
        click.echo(_compact(value))

    def notification(self, received: Received) -> None:
        click.echo(_compact({"method": received.method, "params": received.params}))

    def error(self, error: RemoteError) -> None:
        click.echo(_compact({"code": error.code, "message": error.message, "data": error.data}), err=True)

    def problem(self, sentence: str) -> None:
        click.echo(sentence, err=True)

    def heading(self, text: str) -> None:
        """Prints nothing."""

    def rows(self, rows: Sequence[Mapping[str, Any]]) -> None:
        click.echo(_compact(rows))

    @contextmanager
    def watching(self, view: JobView) -> Iterator[None]:
        del view
        yield


class TimelineOutput(Output):
    """One line per message in both directions, with the time at which it was sent or received."""

    def __init__(self) -> None:
        super().__init__()
        self._timeline = Timeline(self._out)

    def flush(self) -> None:
        self._timeline.flush_line()

    def notification(self, received: Received) -> None:
        self._timeline.notification(received)

    def request(self, method: str, params: Mapping[str, Any]) -> None:
        self._timeline.request(method, params)

    def response(self, method: Method, value: Any, took_s: float) -> None:
        self._timeline.response(method.name, took_s, value)

    def refusal(self, method: Method, error: RemoteError, took_s: float) -> None:
        self._timeline.refusal(method.name, took_s, error)
        self.error(error)

    def job_ended(self, job: Mapping[str, Any]) -> None:
        self.flush()
        symbol, style = ("✗", "red") if job["status"] in (JobStatus.FAILED, JobStatus.INTERRUPTED) else ("✓", "green")
        self._out.print(Text.assemble((f"  {symbol} ", style), outcome(job)))
        for name, value in facts(job):
            self._out.print(hanging(self._out, Text(f"    {name:<8} ", "dim"), value))

    def sidecar_ended(self, code: int, took_s: float) -> None:
        self._timeline.sidecar_ended(code, took_s)

    @contextmanager
    def watching(self, view: JobView) -> Iterator[None]:
        if not self._out.is_terminal or self._out.is_dumb_terminal:
            yield
            return
        with _live(view, self._out):
            yield
            self.flush()


def _live(view: JobView, console: Console) -> Live:
    return Live(view, console=console, refresh_per_second=FRAMES_PER_S, transient=True)


def _compact(value: Any) -> str:
    # Only ASCII: on Windows a pipe has the encoding of a code page.
    return json.dumps(value, separators=(",", ":"))
