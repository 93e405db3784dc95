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

from tests.bench import lives, loads
from tests.bench.arena import FULL, QUICK, Arena, Stage
from tests.bench.contestants import Contestant, fastapi, missing_for_fastapi, the_floor, the_sidecar
from tests.bench.report import as_json, print_table

GROUPS: Final[dict[str, Callable[[Arena], None]]] = {
    "life": lives.life,
    "idle": lives.idle,
    "unread": lives.unread,
    "one_in_flight": loads.one_in_flight,
    "trivial": loads.trivial,
    "node": lives.node,
    "jobs_get": loads.jobs_get,
    "jobs_list": loads.jobs_list,
    "jobs_create": loads.jobs_create,
    "notifications": loads.notifications,
    "big_answer": loads.big_answer,
}

TABLE_WIDTH: Final = 150
"""What all columns need; on a narrower screen the lines wrap, in a file they do not."""


def main(arguments: list[str]) -> int:
    """Measure what was asked for and print it."""
    options = _parser().parse_args(arguments)
    contestants = [the_sidecar(shlex.split(options.server) if options.server else [sys.executable, "-m", "sidecar"])]
    contestants.append(the_floor())
    # A start of FastAPI takes a second, and a run needs a dozen.
    missing = "too slow to start for --quick" if options.quick else missing_for_fastapi()
    if not missing:
        contestants.append(fastapi())
    with tempfile.TemporaryDirectory(prefix="sidecar-bench-", ignore_cleanup_errors=True) as folder:
        arena = _arena(contestants, Path(folder), quick=options.quick)
        if missing:
            arena.notes["FastAPI"] = f"left out: {missing}"
        arena.run({name: group for name, group in GROUPS.items() if name in (options.only or GROUPS)})
        report = as_json(arena, quick=options.quick)
    if options.json:
        print(json.dumps(report, indent=2))
    else:
        print_table(report, Console(width=max(Console().width, TABLE_WIDTH)))
    return 0 if any(row["sidecar"] is not None for row in report["measures"]) else 1


def _arena(contestants: list[Contestant], folder: Path, *, quick: bool) -> Arena:
    pace = QUICK if quick else FULL
    stages = [Stage(contestant, folder / contestant.name, pace) for contestant in contestants]
    for stage in stages:
        stage.folder.mkdir()
    return Arena(stages, pace)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description="The sidecar beside a bare Python loop.")
    parser.add_argument("--quick", action="store_true", help="fewer and shorter rounds: under 20 s, and noisier")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument("--only", action="append", choices=sorted(GROUPS), metavar="NAME", help=", ".join(GROUPS))
    parser.add_argument("--server", help="another NDJSON JSON-RPC server to measure in the sidecar's place")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
