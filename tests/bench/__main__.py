"""The benchmarks' command line: `python -m tests.bench [--quick] [--json] [--only NAME] [--server COMMAND]`.

Exits 0 whatever the figures are; 1 only where the sidecar could be measured in nothing.
"""

import argparse
import json
import shlex
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Final

from rich.console import Console

from tests.bench import bridge, lives, loads, taped, telling, working
from tests.bench.arena import FULL, QUICK, Arena, Pace, Stage
from tests.bench.contestants import Contestant, fastapi, missing, the_floor, the_sidecar, the_working_sidecar
from tests.bench.report import as_json, print_table

GROUPS: Final[dict[str, Callable[[Arena], None]]] = {
    "life": lives.life,
    "idle": lives.idle,
    "unread": lives.unread,
    "one_in_flight": loads.one_in_flight,
    "trivial": loads.trivial,
    "node": lives.node,
    "bridge": bridge.bridge,
    "jobs_get": loads.jobs_get,
    "jobs_list": loads.jobs_list,
    "jobs_create": loads.jobs_create,
    "after_load": lives.after_load,
    "notifications": loads.notifications,
    "events": telling.events,
    "unread_events": telling.unread_events,
    "replay": telling.replay,
    "queue": working.queue,
    "big_answer": loads.big_answer,
    "transcripts": taped.transcripts,
}

TABLE_WIDTH: Final = 170
"""What all columns need; on a narrower screen the lines wrap, in a file they do not."""


def main(arguments: list[str]) -> int:
    """Measure what was asked for and print it."""
    options = _parser().parse_args(arguments)
    contestants = [the_sidecar(shlex.split(options.server) if options.server else [sys.executable, "-m", "sidecar"])]
    contestants.append(the_floor())
    # A start of FastAPI takes a second, and a run needs a dozen.
    absent = "too slow to start for --quick" if options.quick else missing("fastapi", "uvicorn")
    if not absent:
        contestants.append(fastapi())
    with tempfile.TemporaryDirectory(prefix="sidecar-bench-", ignore_cleanup_errors=True) as folder:
        working = None if options.server else the_working_sidecar()
        arena = _arena(contestants, working, Path(folder), QUICK if options.quick else FULL)
        if absent:
            arena.notes["FastAPI"] = f"left out: {absent}"
        arena.run({name: group for name, group in GROUPS.items() if name in (options.only or GROUPS)})
        report = as_json(arena, quick=options.quick)
    if options.json:
        print(json.dumps(report, indent=2))
    else:
        print_table(report, Console(width=max(Console().width, TABLE_WIDTH)))
    return 0 if any(row["sidecar"] is not None for row in report["measures"]) else 1


def _arena(contestants: list[Contestant], working: Contestant | None, folder: Path, pace: Pace) -> Arena:
    stages = [Stage(contestant, folder / contestant.name, pace) for contestant in contestants]
    at_work = Stage(working, folder / "working", pace) if working else None
    for stage in (*stages, *([at_work] if at_work else [])):
        stage.folder.mkdir()
    return Arena(stages, pace, at_work)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description="The sidecar beside a bare Python loop.")
    parser.add_argument("--quick", action="store_true", help="fewer and shorter rounds: under 30 s, and noisier")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument("--only", action="append", choices=sorted(GROUPS), metavar="NAME", help=", ".join(GROUPS))
    parser.add_argument("--server", help="another NDJSON JSON-RPC server to measure in the sidecar's place")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
