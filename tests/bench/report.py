"""The figures as a table for people and as JSON for machines."""

import platform
import sqlite3
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from tests.bench.arena import Arena
from tests.bench.contestants import trivial_method
from tests.bench.targets import TARGETS, Target, verdict

OTHERS: Final = {"fastapi": "FastAPI", "huey": "huey", "mcp-cassette": "mcp-cassette"}
"""Who may take part beside the bare loop, with its column's heading."""


def as_json(arena: Arena, *, quick: bool) -> dict[str, Any]:
    """Everything that was measured, with each sample."""
    return {
        "machine": {
            "platform": platform.platform(),
            "python": platform.python_version(),
            "sqlite": sqlite3.sqlite_version,
        },
        "quick": quick,
        "trivial_method": trivial_method(),
        "contestants": [stage.contestant.name for stage in arena.stages],
        "measures": [_measure(arena, name, target) for name, target in TARGETS.items() if name in arena.samples],
        "notes": arena.notes,
        "seconds": arena.seconds,
    }


def _measure(arena: Arena, name: str, target: Target) -> dict[str, Any]:
    value, floor = (arena.median(name, who) for who in ("sidecar", "floor"))
    others = {who: arena.median(name, who) for who in OTHERS}
    return {
        "name": name,
        "label": target.label,
        "unit": target.unit,
        "better": target.better,
        "sidecar": value,
        "floor": floor,
        **others,
        "of_floor": _ratio(value, floor),
        **{f"of_{who}": _ratio(value, other) for who, other in others.items()},
        "must": target.must.words(target.unit, target.better),
        "moonshot": target.moonshot.words(target.unit, target.better),
        "verdict": "" if value is None else verdict(target, value, floor, others["fastapi"]),
        "samples": arena.samples[name],
    }


def _ratio(value: float | None, reference: float | None) -> float | None:
    # Against next to nothing a ratio says nothing.
    return value / reference if value is not None and reference is not None and abs(reference) > 0.01 else None


def print_table(report: dict[str, Any], console: Console) -> None:
    """One row a figure; the columns of others only where they took part."""
    others = [
        (heading, who) for who, heading in OTHERS.items() if any(row[who] is not None for row in report["measures"])
    ]
    table = Table(title="The sidecar beside its floors: medians of interleaved rounds, one run")
    table.add_column("measure", no_wrap=True)
    for heading in ["sidecar", "bare Python", "ratio", *(each for name, _ in others for each in (name, "ratio"))]:
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("target", no_wrap=True)
    table.add_column("moonshot", no_wrap=True)
    table.add_column("", no_wrap=True)
    for row in report["measures"]:
        cells = [_number(row["sidecar"], row["unit"]), _number(row["floor"], row["unit"]), _times(row["of_floor"])]
        for _, who in others:
            cells += [_number(row[who], row["unit"]), _times(row[f"of_{who}"])]
        table.add_row(row["label"], *cells, row["must"], row["moonshot"], row["verdict"])
    console.print(table)
    console.print("F: FastAPI and P: bare Python, in this run.  ~: judged by F / P as recorded once, FastAPI absent.")
    for about, note in report["notes"].items():
        console.print(f"{about}: {note}", markup=False, highlight=False)


def _number(value: float | None, unit: str) -> str:
    if value is None:
        return "-"
    if unit == "/s":
        return f"{value:,.0f}/s"
    digits = max(0, 2 - len(str(int(abs(value)))) + 1) if abs(value) >= 1 else 2  # three that mean something
    return f"{value:,.{digits}f} {unit}".rstrip()


def _times(ratio: float | None) -> str:
    return "-" if ratio is None else f"x{ratio:.2f}"
