"""Results of methods: a report, a list as a table, or a record."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from pydantic import BaseModel
from rich.console import Console
from rich.text import Text

from sidecar.commandline.formatting import one_line, printable
from sidecar.commandline.views.columns import columns_of, label_of, shown_of, text_of
from sidecar.commandline.views.fields import kind_of, models_of
from sidecar.commandline.views.local_times import LocalTimes
from sidecar.commandline.views.records import RecordView
from sidecar.commandline.views.reports import report_of
from sidecar.commandline.views.tables import print_table

NEXT: Final = "next_cursor"


class ResultView:
    """Prints results for a person.  `full` prints the rows of a list as records, with every field."""

    def __init__(self, console: Console, times: LocalTimes, *, full: bool = False) -> None:
        self._console = console
        self._times = times
        self._full = full
        self._records = RecordView(console, times, full=full)

    def print(self, value: Any, model: type[BaseModel] | None) -> None:
        report = report_of(model)
        if isinstance(value, dict) and report is not None:
            report(self._console, value, self._times)
        elif isinstance(value, dict) and (name := list_member(value, model)) is not None:
            field = None if model is None else model.model_fields.get(name)
            self._print_list(name, value, model, next(iter(models_of(field)), None))
        elif isinstance(value, dict):
            self._records.print(value, model)
        elif isinstance(value, list) and value and all(isinstance(item, dict) for item in value):
            self._print_rows(value, model)
        else:
            self._console.print(Text(printable(value) if isinstance(value, str) else one_line(value)), soft_wrap=True)

    def _print_list(
        self, name: str, value: Mapping[str, Any], model: type[BaseModel] | None, item: type[BaseModel] | None
    ) -> None:
        others = {key: other for key, other in value.items() if key not in (name, NEXT) and other is not None}
        facts = [f"{label_of(key)}: {self._text(key, other, model)}" for key, other in others.items()]
        if facts:
            self._console.print(Text(", ".join(facts)))
        if value[name]:
            self._print_rows(value[name], item)
        else:
            self._console.print(Text(f"no {name}", "dim"))
        if value.get(NEXT):
            self._console.print(Text(f"more: cursor={one_line(value[NEXT])}", "dim"), soft_wrap=True)

    def _print_rows(self, rows: Sequence[Mapping[str, Any]], model: type[BaseModel] | None) -> None:
        if not self._full:
            print_table(self._console, columns_of(model, rows, self._times))
            return
        for number, row in enumerate(rows):
            if number:
                self._console.print()
            self._records.print(row, model)

    def _text(self, name: str, value: Any, model: type[BaseModel] | None) -> str:
        return text_of(kind_of(name, None if model is None else model.model_fields.get(name)), value, self._times)


def list_member(result: Mapping[str, Any], model: type[BaseModel] | None = None) -> str | None:
    """Returns the name of the only list of entities in a result whose other members are plain values.

    Such a result can be printed as a table; None for any other, and for an entity.
    """
    if shown_of(model) or any(isinstance(member, dict) for member in result.values()):
        return None
    lists = {name: member for name, member in result.items() if isinstance(member, list)}
    if model is not None:
        lists = {name: member for name, member in lists.items() if models_of(model.model_fields.get(name))}
    only = next(iter(lists)) if len(lists) == 1 else None
    return only if only is not None and all(isinstance(item, dict) for item in lists[only]) else None
