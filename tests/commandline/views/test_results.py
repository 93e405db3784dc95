"""How `sidecar call` prints results for a person, at 80 and 120 columns, with the content of real days."""

import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from pydantic import BaseModel
from rich.cells import cell_len
from sidecar_protocol.contract import Model

from sidecar.commandline.assignments import callable_methods
from sidecar.commandline.views.fields import models_of
from sidecar.commandline.views.local_times import LocalTimes
from sidecar.commandline.views.results import ResultView
from tests.commandline.views.report_samples import NOW
from tests.commandline.views.samples import SAMPLES
from tests.commandline.views.snapshots import UNPRINTABLE, WIDTHS, check, console

MOMENT = datetime.fromisoformat(NOW)
TIMES = LocalTimes(lambda: MOMENT, ZoneInfo("Europe/Berlin"))
METHODS = callable_methods()


def shown(name: str, result: Any, width: int, *, full: bool = False) -> str:
    """Returns what is printed of a method's result."""
    out, text = console(width)
    ResultView(out, TIMES, full=full).print(result, METHODS[name].result)
    return text.getvalue()


def lists() -> Iterator[type[Model]]:
    """Yields the results that are lists of entities."""
    for declared in METHODS.values():
        result = declared.result
        assert result is not None
        nested = [field for field in result.model_fields.values() if models_of(field)]
        if len(nested) == 1 and not result.shown and str(nested[0].annotation).startswith("list["):
            yield result


def undeclared(value: Any, model: type[BaseModel] | None) -> Iterator[str]:
    """Yields the names in a sample that its model does not have."""
    for name, member in value.items():
        field = None if model is None else model.model_fields.get(name)
        if model is not None and field is None:
            yield f"{model.__name__}.{name}"
        for item in member if isinstance(member, list) else [member]:
            if isinstance(item, dict):
                yield from undeclared(item, next(iter(models_of(field)), None))


def test_every_kind_of_list_has_a_sample_with_declared_fields() -> None:
    assert set(lists()) - {METHODS[name].result for name in SAMPLES} == set(), "add a sample to samples.py"
    assert [
        name for key, ones in SAMPLES.items() for one in ones for name in undeclared(one, METHODS[key].result)
    ] == []


def models(model: type[BaseModel], seen: set[type[BaseModel]]) -> set[type[BaseModel]]:
    """Adds a model, and all models of its fields, to `seen`."""
    if model not in seen:
        seen.add(model)
        for field in model.model_fields.values():
            for inner in models_of(field):
                models(inner, seen)
    return seen


def test_what_a_model_shows_are_fields_of_it() -> None:
    seen: set[type[BaseModel]] = set()
    for declared in METHODS.values():
        assert declared.result is not None
        models(declared.result, seen)
    lists = [(model, model.shown) for model in seen if issubclass(model, Model) and model.shown]
    assert len(lists) >= 15
    shown = [(model, name) for model, fields in lists for name in re.split(r"\.\.|\|", "|".join(fields))]
    assert [(model, name) for model, name in shown if name not in model.model_fields] == []


@pytest.mark.parametrize("width", WIDTHS)
def test_each_result_is_printed_for_people(width: int) -> None:
    texts = [f"$ sidecar call {name}\n{shown(name, one, width)}" for name, ones in SAMPLES.items() for one in ones]
    check("call", width, "\n".join(texts))


@pytest.mark.parametrize("width", WIDTHS)
def test_every_field_of_a_list_is_printed_on_request(width: int) -> None:
    names = ("jobs.list", "claude.sessions.get", "calendar.calendars.list")
    texts = [f"$ sidecar call {name} --full\n{shown(name, SAMPLES[name][0], width, full=True)}" for name in names]
    check("call_full", width, "\n".join(texts))


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", ["activity.events.list", "calendar.events.list", "claude.sessions.list", "jobs.list"])
def test_columns_begin_below_each_other_whatever_the_script(name: str, width: int) -> None:
    head, *rows = [line for line in shown(name, SAMPLES[name][0], width).splitlines() if not line.startswith("more: ")]
    starts = [found.start() for found in re.finditer(r"(?<=  )\S", head)]
    assert len(starts) >= 2
    for row in rows:
        at = {cell_len(row[:number]): number for number in range(len(row))}
        for start in starts:
            if start < cell_len(row):
                assert start in at, (row, start)
                assert row[at[start] - 1] == " ", (row, start)


@pytest.mark.parametrize("width", [20, 40, 300])
def test_no_line_is_wider_than_the_terminal_but_a_cursor(width: int) -> None:
    for name, ones in SAMPLES.items():
        for one in ones:
            text = shown(name, one, width)
            assert UNPRINTABLE.findall(text) == []
            wide = [line for line in text.splitlines() if cell_len(line) > width and not line.startswith("more: ")]
            assert wide == [], name
