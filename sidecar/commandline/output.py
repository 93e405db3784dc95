"""The output of a command: text for people, or JSON for programs.  Results go to stdout, errors to stderr."""

import json
import re
import sys
from collections.abc import Mapping, Sequence
from typing import Any, Final

import click
from pydantic import BaseModel
from rich.console import Console
from rich.text import Text
from sidecar_protocol.entities import Job, JobStatus

from sidecar.commandline.client import Received, RemoteError
from sidecar.commandline.formatting import hanging, one_line, printable, safe
from sidecar.commandline.job_view import facts, outcome
from sidecar.commandline.summaries import summary
from sidecar.commandline.views.columns import columns_of
from sidecar.commandline.views.local_times import LocalTimes
from sidecar.commandline.views.results import ResultView
from sidecar.commandline.views.tables import arrange, lines
from sidecar.text import CONTROLS

INDENT: Final = 4
_UNPRINTABLE: Final = re.compile(rf"{CONTROLS.pattern}|[\ud800-\udfff]")


class Output:
    """Prints what a command receives from its sidecar for a person: tables, records and sentences.

    `full` prints every field of the entities in a list.
    """

    def __init__(self, times: LocalTimes | None = None, *, full: bool = False) -> None:
        self.times = times or LocalTimes.of_this_computer()
        self.out = Console(highlight=False)
        self.progress = self._err = Console(stderr=True, highlight=False)
        """`progress` is the console that shows a job while it runs."""
        self._full = full

    def flush(self) -> None:
        """Prints the buffered lines."""

    def result(self, value: Any, model: type[BaseModel] | None = None) -> None:
        """Prints the result of a request, or a part of it; `model` is its type."""
        self.flush()
        ResultView(self.out, self.times, full=self._full).print(value, model)

    def notification(self, received: Received) -> None:
        method, params = received.method, received.params
        number = f"#{params['seq']}" if "seq" in params else ""
        line = Text.assemble(("⟵ ", "magenta"), f"{method:<20} ", (f"{number:<6} ", "dim"), summary(method, params))
        self.out.print(safe(line), soft_wrap=True)

    def error(self, error: RemoteError, where: str = "") -> None:
        """Prints the error of a request; `where` is the line of a script that sent it."""
        self.flush()
        place = f"{printable(where)}: " if where else ""
        title = Text.assemble(place, (printable(error.kind), "bold red"), ": ", printable(error.message))
        self._err.print(title, soft_wrap=True)
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
        self.out.print()
        self.out.print(Text(printable(text), style="bold"))

    def rows(self, rows: Sequence[Mapping[str, Any]], fields: Sequence[str]) -> None:
        """Prints some fields of objects; fields are named as in `Model.shown`."""
        self.flush()
        columns = columns_of(None, rows, self.times, fields)
        for line in lines(arrange(columns, self.out.width - INDENT), INDENT, heading=False):
            self.print_line(line)
        if not rows:
            self.out.print(Text("    nothing", style="dim"))

    def print_line(self, line: Text) -> None:
        """Prints text on one line, cut to the width of the terminal."""
        line = safe(line)
        line.rstrip()
        line.truncate(self.out.width, overflow="ellipsis")
        self.out.print(line)

    def request(self, method: str, params: Mapping[str, Any]) -> None:
        """Prints a request before it is sent."""

    def response(self, method: str, value: Any, took_s: float, model: type[BaseModel] | None = None) -> None:
        """Prints the result of a request; `model` is its type."""
        del method, took_s
        self.result(value, model)

    def refusal(self, method: str, error: RemoteError, took_s: float) -> None:
        """Prints that a request failed; `error` prints its error."""

    def job_ended(self, job: Mapping[str, Any]) -> None:
        """Prints a job that the user waited for: how it ended, and the facts of its result.

        An answer of Claude is alone on stdout; what else is known of it goes to stderr, as a failure does.
        """
        self.flush()
        answer = (job.get("result") or {}).get("text")
        console = self._err if answer or job["status"] != JobStatus.SUCCEEDED else self.out
        if answer:
            self.out.print(Text(printable(answer.strip())), soft_wrap=True)
        symbol, style = ("✓", "green") if job["status"] == JobStatus.SUCCEEDED else ("✗", "red")
        line = Text.assemble((f"{symbol} ", style), f"{job['type']} {outcome(job)}")
        console.print(safe(line), soft_wrap=True)
        for name, value in facts(job):
            if not (answer and name == "text"):
                console.print(hanging(console, Text(f"  {name:<8} ", "dim"), value))

    def sidecar_ended(self, code: int, took_s: float) -> None:
        """Prints the sidecar's exit code, and how long it took to exit."""


class PipedOutput(Output):
    """Results as indented JSON, whole and exact, for scripts; the rest as for people."""

    def result(self, value: Any, model: type[BaseModel] | None = None) -> None:
        del model
        self.flush()
        click.echo(self.json(value))

    def job_ended(self, job: Mapping[str, Any]) -> None:
        self.result(job, Job)

    @staticmethod
    def json(value: Any) -> str:
        """Returns JSON in which characters that a terminal obeys, or that its encoding lacks, are escaped."""
        is_unicode = (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
        text = json.dumps(value, indent=2, ensure_ascii=not is_unicode)
        return _UNPRINTABLE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


class JsonOutput(PipedOutput):
    """One compact line of JSON per value."""

    def __init__(self) -> None:
        super().__init__()
        self.progress = Console(quiet=True, force_terminal=False)

    @staticmethod
    def json(value: Any) -> str:
        return compact(value)

    def notification(self, received: Received) -> None:
        click.echo(compact({"method": received.method, "params": received.params}))

    def error(self, error: RemoteError, where: str = "") -> None:
        parts = {"code": error.code, "message": error.message, "data": error.data}
        click.echo(compact({**parts, "where": where} if where else parts), err=True)

    def problem(self, sentence: str) -> None:
        click.echo(printable(sentence), err=True)

    def heading(self, text: str) -> None:
        """Prints nothing."""

    def rows(self, rows: Sequence[Mapping[str, Any]], fields: Sequence[str]) -> None:
        names = [name for field in fields for name in re.split(r"\.\.|\|", field)]
        click.echo(compact([{name: row.get(name) for name in names} for row in rows]))


def output_for(*, as_json: bool, as_text: bool = False, full: bool = False) -> Output:
    """Returns the output for a person if stdout is a terminal or `as_text` is set, else that for a program."""
    if as_json:
        return JsonOutput()
    return Output(full=full) if as_text or sys.stdout.isatty() else PipedOutput()


def compact(value: Any) -> str:
    # Only ASCII: on Windows a pipe has the encoding of a code page.
    return json.dumps(value, separators=(",", ":"))
