"""The output of a command: text for people, or compact JSON for programs.  Results go to stdout, errors to stderr."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import click
from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.highlighter import JSONHighlighter
from rich.text import Text

from sidecar.commandline.client import Received, RemoteError
from sidecar.commandline.formatting import local_time, members, one_line, printable, safe
from sidecar.commandline.summaries import summary
from sidecar.commandline.tables import list_member, print_table


class Output:
    """Prints what a command receives from its sidecar as tables, coloured JSON and sentences."""

    def __init__(self) -> None:
        self.out = Console(highlight=False)
        self.progress = self._err = Console(stderr=True, highlight=False)
        """`progress` is the console that shows a job while it runs."""

    def flush(self) -> None:
        """Prints what is buffered."""

    def result(self, value: Any) -> None:
        """Prints the result of a request."""
        self.flush()
        name = list_member(value)
        if name is None:
            text = printable(json.dumps(value, indent=2, ensure_ascii=False))
            self.out.print(JSONHighlighter()(text), soft_wrap=True)
            return
        others = members({key: other for key, other in value.items() if key != name})
        if value[name]:
            print_table(self.out, value[name], datetime.now(UTC))
        else:
            self.out.print(Text(f"no {name}", style="dim"))
        if others:
            self.out.print(Text(others, style="dim"), soft_wrap=True)

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

    def rows(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Prints objects as a table; a time is shown in local time."""
        self.flush()
        cells = [[local_time(one_line(value or "")) for value in row.values()] for row in rows]
        widths = [max(map(cell_len, column)) for column in zip(*cells, strict=True)]
        for row in cells:
            self.print_line(Text("    " + "  ".join(map(set_cell_size, row, widths))))
        if not cells:
            self.out.print(Text("    nothing", style="dim"))

    def print_line(self, line: Text) -> None:
        """Prints text on one line, cut to the width of the terminal."""
        line = safe(line)
        line.rstrip()
        line.truncate(self.out.width, overflow="ellipsis")
        self.out.print(line)

    def request(self, method: str, params: Mapping[str, Any]) -> None:
        """Prints a request before it is sent."""

    def response(self, method: str, value: Any, took_s: float) -> None:
        """Prints the result of a request."""
        del method, took_s
        self.result(value)

    def refusal(self, method: str, error: RemoteError, took_s: float) -> None:
        """Prints that a request failed; `error` prints its error."""

    def job_ended(self, job: Mapping[str, Any]) -> None:
        """Prints a job that the user waited for."""
        self.result(job)

    def sidecar_ended(self, code: int, took_s: float) -> None:
        """Prints the sidecar's exit code, and how long it took to exit."""


class JsonOutput(Output):
    """One compact line of JSON per value."""

    def __init__(self) -> None:
        super().__init__()
        self.progress = Console(quiet=True, force_terminal=False)

    def result(self, value: Any) -> None:
        click.echo(compact(value))

    def notification(self, received: Received) -> None:
        click.echo(compact({"method": received.method, "params": received.params}))

    def error(self, error: RemoteError, where: str = "") -> None:
        facts = {"code": error.code, "message": error.message, "data": error.data}
        click.echo(compact({**facts, "where": where} if where else facts), err=True)

    def problem(self, sentence: str) -> None:
        click.echo(printable(sentence), err=True)

    def heading(self, text: str) -> None:
        """Prints nothing."""

    def rows(self, rows: Sequence[Mapping[str, Any]]) -> None:
        click.echo(compact(rows))


def compact(value: Any) -> str:
    # Only ASCII: on Windows a pipe has the encoding of a code page.
    return json.dumps(value, separators=(",", ":"))
