"""The benchmarks' command line: `python -m tests.bench [--quick] [--json] [--only NAME]`; `--help` lists all options.

Exits with 0 whatever the figures are, and with 1 only if nothing could be measured.
"""

import argparse
import json
import shlex
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Final

from rich.console import Console

from tests.bench import bridge, event_delivery, job_queue, processes, recording, request_load
from tests.bench.benchmark import PACES, Benchmark, Pace, ServerPool
from tests.bench.picture import svg
from tests.bench.report import as_json, print_table
from tests.bench.server_kinds import (
    ServerKind,
    baseline_kind,
    fastapi_kind,
    missing,
    node_kind,
    node_with_sqlite,
    sidecar_kind,
    sidecar_with_benchmark_jobs,
)

GROUPS: Final[dict[str, Callable[[Benchmark], None]]] = {
    "life": processes.life,
    "idle": processes.idle,
    "unread": processes.unread,
    "one_in_flight": request_load.one_in_flight,
    "trivial": request_load.trivial,
    "node": processes.node,
    "bridge": bridge.bridge,
    "jobs_get": request_load.jobs_get,
    "jobs_list": request_load.jobs_list,
    "jobs_create": request_load.jobs_create,
    "feed_page": request_load.feed_page,
    "after_load": processes.after_load,
    "notifications": request_load.notifications,
    "events": event_delivery.events,
    "unread_events": event_delivery.unread_events,
    "replay": event_delivery.replay,
    "queue": job_queue.queue,
    "big_answer": request_load.big_answer,
    "transcripts": recording.transcripts,
}

ROWS_PER_S: Final = 2_000
"""Events that are at least written, into the databases of all servers, and indexed in a second."""
TABLE_WIDTH: Final = 170
"""Width of the table with all its columns; lines wrap on a narrower terminal, not in a file."""


def main(arguments: list[str]) -> int:
    """Measures the chosen groups and prints the figures."""
    options = _parser().parse_args(arguments)
    kinds = [
        sidecar_kind(shlex.split(options.server) if options.server else [sys.executable, "-m", "sidecar"]),
        baseline_kind(),
    ]
    # FastAPI takes a second to start, and a run starts it a dozen times.
    absent = "it starts too slowly for a short run" if options.pace != "full" else missing("fastapi", "uvicorn")
    if not absent:
        kinds.append(fastapi_kind())
    node, no_node = node_with_sqlite()
    if node is not None:
        kinds.append(node_kind(node))
    kind_with_jobs = None if options.server else sidecar_with_benchmark_jobs()
    with tempfile.TemporaryDirectory(prefix="sidecar-bench-", ignore_cleanup_errors=True) as folder:
        pace = PACES[options.pace]
        if options.rows:
            more_s = options.rows / ROWS_PER_S
            pace = replace(pace, rows=options.rows, total_s=pace.total_s + more_s, kill_s=pace.kill_s + more_s)
        benchmark = _benchmark(kinds, kind_with_jobs, Path(folder), pace)
        if absent:
            benchmark.notes["FastAPI"] = f"left out: {absent}"
        if no_node:
            benchmark.notes["Node"] = f"left out: {no_node}"
        benchmark.run({name: group for name, group in GROUPS.items() if name in (options.only or GROUPS)})
        report = as_json(benchmark, pace=options.pace)
    if options.picture:
        options.picture.write_text(svg(report), encoding="utf-8")
    if options.json:
        print(json.dumps(report, indent=2))
    else:
        print_table(report, Console(width=max(Console().width, TABLE_WIDTH)))
    return 0 if any(row["sidecar"] is not None for row in report["measures"]) else 1


def _benchmark(kinds: list[ServerKind], kind_with_jobs: ServerKind | None, folder: Path, pace: Pace) -> Benchmark:
    pools = [ServerPool(kind, folder / kind.name, pace) for kind in kinds]
    pool_with_jobs = ServerPool(kind_with_jobs, folder / "with_jobs", pace) if kind_with_jobs else None
    for pool in (*pools, *([pool_with_jobs] if pool_with_jobs else [])):
        pool.folder.mkdir()
    return Benchmark(pools, pace, pool_with_jobs)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench", description="Measures the sidecar and a bare Python loop in the same run."
    )
    pace = parser.add_mutually_exclusive_group()
    pace.add_argument(
        "--quick",
        dest="pace",
        action="store_const",
        const="quick",
        default="full",
        help="fewer and shorter rounds: under 30 s, noisier figures",
    )
    pace.add_argument(
        "--smoke",
        dest="pace",
        action="store_const",
        const="smoke",
        help="one tiny round, to see that every benchmark runs; the figures mean nothing",
    )
    parser.add_argument("--rows", type=int, metavar="N", help="events in the feed, for example 1000000: takes minutes")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument("--only", action="append", choices=sorted(GROUPS), metavar="NAME", help=", ".join(GROUPS))
    parser.add_argument("--picture", type=Path, metavar="FILE", help="write README's picture as SVG; needs FastAPI")
    parser.add_argument("--server", help="the command of another NDJSON JSON-RPC server to measure in place of ours")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
