"""The figures as a table and as JSON."""

import platform
import sqlite3
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from tests.bench.benchmark import Benchmark
from tests.bench.server_kinds import trivial_method
from tests.bench.targets import TARGETS, Target, verdict

OTHERS: Final = {"fastapi": "FastAPI", "node": "Node", "huey": "huey", "mcp-cassette": "mcp-cassette"}
"""Optional columns and their headings."""


def as_json(benchmark: Benchmark, *, pace: str) -> dict[str, Any]:
    """Returns all figures with their samples."""
    return {
        "machine": {
            "platform": platform.platform(),
            "python": platform.python_version(),
            "sqlite": sqlite3.sqlite_version,
        },
        "pace": pace,
        "trivial_method": trivial_method(),
        "servers": [pool.kind.name for pool in benchmark.pools],
        "measures": [
            _measure(benchmark, name, target) for name, target in TARGETS.items() if name in benchmark.samples
        ],
        "notes": benchmark.notes,
        "seconds": benchmark.seconds,
    }


def _measure(benchmark: Benchmark, name: str, target: Target) -> dict[str, Any]:
    value, baseline = (benchmark.median(name, column) for column in ("sidecar", "baseline"))
    others = {column: benchmark.median(name, column) for column in OTHERS}
    return {
        "name": name,
        "label": target.label,
        "unit": target.unit,
        "better": target.better,
        "sidecar": value,
        "baseline": baseline,
        **others,
        "of_baseline": _ratio(value, baseline),
        **{f"of_{column}": _ratio(value, other) for column, other in others.items()},
        "must": target.must.text(target.unit, target.better),
        "stretch": target.stretch.text(target.unit, target.better),
        "verdict": "" if value is None else verdict(target, value, baseline, others["fastapi"]),
        "samples": benchmark.samples[name],
    }


def _ratio(value: float | None, reference: float | None) -> float | None:
    # A ratio to almost zero is meaningless.
    return value / reference if value is not None and reference is not None and abs(reference) > 0.01 else None


def print_table(report: dict[str, Any], console: Console) -> None:
    """Prints one row per figure; omits optional columns without figures."""
    measures = report["measures"]
    others = [(heading, key) for key, heading in OTHERS.items() if any(row[key] is not None for row in measures)]
    table = Table(title="The sidecar and its baselines: medians of interleaved rounds of one run")
    table.add_column("measure", no_wrap=True)
    for heading in ["sidecar", "bare Python", "ratio", *(each for name, _ in others for each in (name, "ratio"))]:
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("target", no_wrap=True)
    table.add_column("stretch", no_wrap=True)
    table.add_column("", no_wrap=True)
    for row in measures:
        cells = [
            _number(row["sidecar"], row["unit"]),
            _number(row["baseline"], row["unit"]),
            _times(row["of_baseline"]),
        ]
        for _, column in others:
            cells += [_number(row[column], row["unit"]), _times(row[f"of_{column}"])]
        table.add_row(row["label"], *cells, row["must"], row["stretch"], row["verdict"])
    console.print(table)
    console.print("F: FastAPI, P: bare Python, in this run.  ~: FastAPI is not installed and estimated from P.")
    for about, note in report["notes"].items():
        console.print(f"{about}: {note}", markup=False, highlight=False)


def _number(value: float | None, unit: str) -> str:
    if value is None:
        return "-"
    if unit == "/s":
        return f"{value:,.0f}/s"
    digits = max(0, 2 - len(str(int(abs(value)))) + 1) if abs(value) >= 1 else 2  # three significant digits
    return f"{value:,.{digits}f} {unit}".rstrip()


def _times(ratio: float | None) -> str:
    return "-" if ratio is None else f"x{ratio:.2f}"
