"""One entity with a line per field: no text and no id is cut."""

from collections.abc import Mapping
from typing import Any, Final

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from sidecar.commandline.formatting import ago, hanging, one_line, printable
from sidecar.commandline.summaries import STYLES
from sidecar.commandline.views.columns import columns_of, label_of, text_of
from sidecar.commandline.views.fields import Kind, kind_of, models_of
from sidecar.commandline.views.local_times import LocalTimes
from sidecar.commandline.views.tables import print_table

STEP: Final = 2
MAX_LABEL: Final = 28
MAX_DEPTH: Final = 4
"""Objects within objects that are deeper are printed on one line."""


class RecordView:
    """Prints objects with whole ids and texts.  `full` prints also empty and default values."""

    def __init__(self, console: Console, times: LocalTimes, *, full: bool = False) -> None:
        self._console = console
        self._times = times
        self._full = full

    def print(self, value: Mapping[str, Any], model: type[BaseModel] | None, depth: int = 0) -> None:
        """Prints the members in the order of the JSON, each with its label."""
        fields = {} if model is None else model.model_fields
        members = {
            name: member for name, member in value.items() if self._full or not _is_plain(member, fields.get(name))
        }
        width = min(max((len(label_of(name)) for name in members), default=0), MAX_LABEL)
        for name, member in members.items():
            declared = fields.get(name)
            inner = next(iter(models_of(declared)), None)
            label = Text(" " * depth * STEP + label_of(name).ljust(width) + "  ", "dim")
            if not member or depth >= MAX_DEPTH or not isinstance(member, dict | list):
                self._print_text(label, kind_of(name, declared), member, depth)
            elif isinstance(member, dict):
                self._console.print(label)
                self.print(member, inner, depth + 1)
            else:
                self._print_list(label, member, inner, depth)

    def _print_list(self, label: Text, items: list[Any], model: type[BaseModel] | None, depth: int) -> None:
        text = text_of(Kind.TEXT, items, self._times, model)
        if all(isinstance(item, dict) for item in items):
            self._console.print(label)
            print_table(self._console, columns_of(model, items, self._times), (depth + 1) * STEP)
        elif label.cell_len + cell_len(text) <= self._console.width:
            self._console.print(label + Text(text))
        else:
            self._console.print(label)
            for item in items:
                self._print_text(Text(" " * (depth + 1) * STEP), Kind.TEXT, item, depth)

    def _print_text(self, label: Text, kind: Kind, value: Any, depth: int) -> None:
        if isinstance(value, str) and "\n" in value.strip():
            self._console.print(label)
            self._console.print(hanging(self._console, Text(" " * (depth + 1) * STEP), printable(value.strip("\n"))))
            return
        text = one_line(value) if kind is Kind.ID or value is None else text_of(kind, value, self._times)
        if kind is Kind.TIME and isinstance(value, str) and len(value) > len("2026-11-26"):
            text, distance = one_line(self._times.show(value, seconds=True)), ago(value, self._times.now())
            text += "" if distance == value[: len("2026-11-26")] else f", {distance}"
        line = hanging(self._console, label, text)
        if kind is Kind.WORD and text in STYLES:
            line.stylize(STYLES[text], len(label.plain))
        self._console.print(line)


def _is_plain(value: Any, field: FieldInfo | None) -> bool:
    """Whether a value can be left out: it is empty, or the field's default."""
    return value is None or value in ("", [], {}) or (field is not None and value == field.default)
