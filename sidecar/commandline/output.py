"""What a command prints: for people, or for machines.  Results go to stdout, all else to stderr."""

import json
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Protocol

import click
from rich.console import Console
from rich.json import JSON
from rich.live import Live
from rich.text import Text
from sidecar_protocol.contract import Model

from sidecar.commandline.client import Received, RemoteError
from sidecar.commandline.jobview import JobView
from sidecar.commandline.tables import list_field, print_table
from sidecar.commandline.timeline import about_notification
from sidecar.commandline.wording import defused, members, now, one_line, printable


class Output(Protocol):
    """Where a command says what came of it."""

    def result(self, model: type[Model] | None, value: Any) -> None:
        """What a method answered with."""

    def notification(self, received: Received) -> None:
        """What the sidecar told unasked."""

    def error(self, error: RemoteError) -> None:
        """What the sidecar refused."""

    def problem(self, sentence: str) -> None:
        """What else went wrong."""

    def watching(self, view: JobView) -> AbstractContextManager[None]:
        """Show a job while it runs."""


class ForMachines:
    """One compact line of JSON for each thing."""

    def result(self, model: type[Model] | None, value: Any) -> None:
        del model
        _line(value)

    def notification(self, received: Received) -> None:
        _line({"method": received.method, "params": received.params})

    def error(self, error: RemoteError) -> None:
        click.echo(_compact({"code": error.code, "message": error.message, "data": error.data}), err=True)

    def problem(self, sentence: str) -> None:
        click.echo(sentence, err=True)

    @contextmanager
    def watching(self, view: JobView) -> Iterator[None]:
        del view
        yield


class ForPeople:
    """Tables, coloured JSON, sentences."""

    def __init__(self) -> None:
        self._out = Console(highlight=False)
        self._err = Console(stderr=True, highlight=False)

    def result(self, model: type[Model] | None, value: Any) -> None:
        listed = list_field(model)
        if listed is None or not isinstance(value, dict):
            text = JSON.from_data(value, indent=2, ensure_ascii=False).text
            text.plain = defused(text.plain)
            self._out.print(text, soft_wrap=True)
            return
        name, item = listed
        others = {key: other for key, other in value.items() if key != name and other is not None}
        if value[name]:
            print_table(self._out, item, value[name], now())
        else:
            self._out.print(Text(f"no {name}", style="dim"))
        if others:
            self._out.print(Text(members(others), style="dim"), soft_wrap=True)

    def notification(self, received: Received) -> None:
        seq = received.params.get("seq")
        mark = f"seq {seq}" if seq is not None else ""
        line = Text.assemble(
            ("⟵ ", "magenta"), f"{received.method:<20} ", (f"{mark:<8} ", "dim"), about_notification(received)
        )
        self._out.print(line, soft_wrap=True)

    def error(self, error: RemoteError) -> None:
        self._err.print(Text.assemble((error.kind, "bold red"), ": ", printable(error.message)), soft_wrap=True)
        for detail in error.data.get("details") or ():
            path, rest = detail.get("path"), detail.get("message")
            text = f"{path}: {rest}" if path and rest else one_line(detail)
            self._err.print(Text(f"  {printable(text)}"), soft_wrap=True)
        for name, label in (("hint", "hint"), ("error_id", "in the log under"), ("retry_after_ms", "retry after ms")):
            if error.data.get(name) is not None:
                self._err.print(Text(f"  {label}: {one_line(error.data[name])}", style="dim"), soft_wrap=True)

    def problem(self, sentence: str) -> None:
        self._err.print(Text(printable(sentence), style="red"), soft_wrap=True)

    @contextmanager
    def watching(self, view: JobView) -> Iterator[None]:
        if not self._err.is_terminal:
            view.on_words = lambda words: self._err.print(Text(words), soft_wrap=True)
            view.on_text = lambda text: self._err.print(Text(printable(text)), end="", soft_wrap=True)
            yield
            if view.text:
                self._err.print()
            return
        with Live(view, console=self._err, refresh_per_second=12, transient=True):
            yield


def _line(value: Any) -> None:
    click.echo(_compact(value))


def _compact(value: Any) -> str:
    # ASCII: a pipe on Windows has the encoding of some code page.
    return json.dumps(value, separators=(",", ":"))
