"""The picture of README: how many times as fast as FastAPI the sidecar and a bare Python loop are, in one run."""

from collections.abc import Iterator
from html import escape
from math import log
from typing import Any, Final

from tests.bench.targets import LOWER

SHOWN: Final = {
    "trivial.x64": "smallest request, 64 in flight",
    "jobs_get.x64": "one job, 64 in flight",
    "jobs_list.x16": "list of 50 jobs",
    "feed_page.x4": "200 events of the feed",
    "jobs_create.x1": "create a job, on disk, one at a time",
    "jobs_create.x64": "the same, 64 in flight",
    "life.jobs_list": "from spawn to the first list",
}
"""The figures, with labels for a reader who does not know the benchmarks."""
TICKS: Final = (0.5, 1, 2, 5, 10, 20, 50)
WIDTH: Final = 830
"""Width in pixels at which README is shown."""
LEFT: Final = 260
RIGHT: Final = 70
ROW: Final = 34
TOP: Final = 64
STYLE: Final = """
text { font: 14px system-ui, sans-serif; fill: #1f2328 } .title { font-weight: 600; font-size: 16px }
.quiet { fill: #59636e } .grid { stroke: #d1d9e0 } .one { stroke: #59636e }
.bar { fill: #0969da } .other { fill: #ffffff; stroke: #59636e; stroke-width: 2 }
@media (prefers-color-scheme: dark) {
  text { fill: #f0f6fc } .quiet { fill: #9198a1 } .grid { stroke: #3d444d } .one { stroke: #9198a1 }
  .bar { fill: #4493f8 } .other { fill: #0d1117; stroke: #9198a1 }
}
"""


def svg(report: dict[str, Any]) -> str:
    """Returns the picture of a report.  Raises `LookupError` if FastAPI was not measured with all that is shown."""
    rows = {row["name"]: row for row in report["measures"]}
    missing = [name for name in SHOWN if name not in rows or not rows[name]["fastapi"]]
    if missing:
        raise LookupError(f"not measured with FastAPI: {', '.join(missing)}")
    height = TOP + ROW * len(SHOWN) + 56
    machine = report["machine"]
    notes = f"Python {machine['python']}, SQLite {machine['sqlite']}, medians of one run; a longer bar is better."
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" role="img">',
        "<title>The sidecar beside a FastAPI backend and a bare Python loop over the same tables</title>",
        f"<style>{STYLE}</style>",
        '<text class="title" x="0" y="18">Times as fast as a FastAPI backend over the same tables (= 1)</text>',
        *_axis(height - 56),
        *(part for at, name in enumerate(SHOWN) for part in _row(TOP + ROW * at, rows[name], SHOWN[name])),
        f'<circle class="other" cx="7" cy="{height - 35}" r="5"/>',
        f'<text class="quiet" x="20" y="{height - 30}">a loop of json.loads and json.dumps: what Python costs</text>',
        f'<text class="quiet" x="0" y="{height - 8}">{escape(notes)}</text>',
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _axis(bottom: int) -> Iterator[str]:
    for tick in TICKS:
        x = _x(tick)
        kind = "one" if tick == 1 else "grid"
        yield f'<line class="{kind}" x1="{x:.0f}" x2="{x:.0f}" y1="{TOP - 16}" y2="{bottom}"/>'
        yield f'<text class="quiet" x="{x:.0f}" y="{TOP - 22}" text-anchor="middle">{tick:g}</text>'


def _row(top: int, row: dict[str, Any], label: str) -> Iterator[str]:
    ours = _times(row, "sidecar")
    left, right = sorted((_x(1), _x(ours)))
    middle = top + ROW // 2
    yield f'<text x="0" y="{middle + 5}">{escape(label)}</text>'
    yield f'<rect class="bar" x="{left:.0f}" y="{middle - 7}" width="{right - left:.0f}" height="14" rx="2"/>'
    yield f'<circle class="other" cx="{_x(_times(row, "baseline")):.0f}" cy="{middle}" r="5"/>'
    yield f'<text x="{WIDTH - RIGHT + 12}" y="{middle + 5}">{ours:.1f}</text>'


def _times(row: dict[str, Any], server: str) -> float:
    """Returns how many times as fast as FastAPI a server is."""
    faster, slower = row[server], row["fastapi"]
    return float(slower / faster if row["better"] == LOWER else faster / slower)


def _x(times: float) -> float:
    first, last = TICKS[0], TICKS[-1]
    share = log(min(max(times, first), last) / first) / log(last / first)
    return LEFT + share * (WIDTH - LEFT - RIGHT)
