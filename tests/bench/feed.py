"""Queries of a small and a large activity feed: `python -m tests.bench.feed [--rows N] [--json]`.

Sends the same requests to a feed of a thousand rows and to one of a million over the same years, alternating.  Measures
the sidecar's part of a request, from the bytes of the request to those of the answer.  Creating the large feed takes a
minute and 1.5 GB of temporary files.
"""

import argparse
import asyncio
import json
import random
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from itertools import cycle
from pathlib import Path
from typing import Any, Final

from pydantic_core import to_json

from sidecar.activity.filters import first_key, parse_ms
from sidecar.feed import FeedEvent, Origin
from sidecar.storage.paging import encode_cursor
from tests.bench.feed_rows import END, ENGLISH, fill
from tests.in_process_app import InProcessApp

SMALL: Final = 1_000
LARGE: Final = 1_000_000
ROUNDS: Final = 60
INDEX_STEPS: Final = 50
"""Steps of indexing that are committed together."""

Request = tuple[str, dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Measure:
    """A request with varying params, so that no cache answers it."""

    name: str
    request: Callable[[random.Random], Request]
    must: float | None
    """Limit of the factor by which it may be slower in the large feed."""


def _random_time(rng: random.Random) -> str:
    return (END - timedelta(seconds=rng.randrange(30 * 86_400, 365 * 86_400))).isoformat()


def _page(rng: random.Random, **wanted: Any) -> Request:
    return "activity.events.list", {"limit": 50, "end": _random_time(rng), **wanted}


def _deep(rng: random.Random) -> Request:
    return "activity.events.list", {"limit": 200, "cursor": encode_cursor(first_key(parse_ms(_random_time(rng))))}


def _search(query: str, **wanted: Any) -> Request:
    return "activity.search", {"query": query, "limit": 50, **wanted}


def _span(rng: random.Random, days: int) -> dict[str, Any]:
    end = END - timedelta(days=rng.randrange(60))
    return {"start": (end - timedelta(days=days)).isoformat(), "end": end.isoformat(), "time_zone": "Europe/Berlin"}


MEASURES: Final = (
    Measure("page of 200, newest", lambda _: ("activity.events.list", {"limit": 200}), 1.5),
    Measure("page of 200, by a cursor", _deep, 1.5),
    Measure("page of 50, newest", lambda _: ("activity.events.list", {"limit": 50}), 1.5),
    Measure("page of 50, random time", _page, 1.5),
    Measure("page of 50 of a source", lambda rng: _page(rng, source="jira"), 1.5),
    Measure("page of 50 of an account", lambda rng: _page(rng, account_id="jira-1"), 1.5),
    Measure("page of 50 of a type", lambda rng: _page(rng, event_type="issue_commented"), 1.5),
    Measure(
        "page of 50 of source and account", lambda rng: _page(rng, source="jira", account_id="jira-0"), 1.5
    ),
    Measure("search: a common word", lambda rng: _search(rng.choice(ENGLISH)), 1.5),
    Measure("search: a common word, before", lambda rng: _search("deploy", end=_random_time(rng)), 1.5),
    Measure("search: two common words", lambda rng: _search(" ".join(rng.sample(ENGLISH, 2))), 1.5),
    Measure("search: CJK, two characters", lambda rng: _search(rng.choice(("회의", "会議", "部署"))), 1.5),
    Measure("search: CJK, three characters", lambda rng: _search(rng.choice(("로그인", "請求書"))), 1.5),
    Measure("search: a word of twenty rows", lambda _: _search("milestone"), 1.5),
    Measure("search: an issue's key", lambda rng: _search(f"PROJ-{rng.randrange(1, 100)}"), 1.5),
    Measure("search: a missing word", lambda _: _search("xylophone"), 1.5),
    Measure("search: a rare phrase", lambda rng: _search(f'"{" ".join(rng.sample(ENGLISH, 3))}"'), None),
    Measure("summary of a month", lambda rng: ("activity.summary", _span(rng, 30)), None),
    Measure("summary of a day", lambda rng: ("activity.summary", _span(rng, 1)), None),
    Measure("heatmap of a year", lambda rng: ("activity.heatmap", _span(rng, 365)), None),
)  # fmt: skip


class FeedServer:
    """The services on one database, without a process: bytes in, bytes out."""

    def __init__(self, path: Path) -> None:
        self.app = InProcessApp(path)
        self._answer = b""
        self._answered = asyncio.Event()

    async def start(self) -> None:
        """Shakes hands, and waits for the search index, which a sidecar fills while it serves."""
        await self.app.initialize()
        for _ in self.app.activity.store.index.fill(cycle((*[True] * INDEX_STEPS, False)).__next__):
            self.app.unit_of_work.commit()
        self.app.wire.deliver = self._take

    def _take(self, data: bytes) -> None:
        self._answer += data
        if data:  # a commit may write nothing
            self._answered.set()

    async def send(self, request: Request) -> float:
        """Returns the milliseconds until the answer was written."""
        method, params = request
        line = b'{"jsonrpc":"2.0","id":1,"method":"%s","params":%s}\n' % (method.encode(), to_json(params))
        self._answer = b""
        self._answered.clear()
        begun = time.perf_counter()
        self.app.send(line)
        await self._answered.wait()
        taken = time.perf_counter() - begun
        if b'"error"' in self._answer[:200]:
            raise RuntimeError(self._answer[:500].decode())
        return taken * 1000


async def measure(folder: Path, sizes: tuple[int, int], rounds: int) -> list[dict[str, Any]]:
    """Returns the medians of each measure at both sizes, and their ratio."""
    feeds: list[FeedServer] = []
    for size in sizes:
        path = folder / f"{size}" / "sidecar.db"
        fill(path, size)
        feeds.append(FeedServer(path))
        await feeds[-1].start()
    found = []
    for one in MEASURES:
        taken: list[list[float]] = [[], []]
        rngs = random.Random(2), random.Random(2)
        for at, _ in zip(cycle((0, 1)), range(2 * (rounds + 2)), strict=False):
            taken[at].append(await feeds[at].send(one.request(rngs[at])))
        found.append(_report(one.name, taken, one.must))
    found += [_writes(feeds)]
    for feed in feeds:
        feed.app.close()
    return found


def _writes(feeds: list[FeedServer]) -> dict[str, Any]:
    """Measures the write of 100 events, one third each new, changed and unchanged; excludes the commit."""
    taken: list[list[float]] = [[], []]
    for number in range(10):
        for at, feed in enumerate(feeds):
            begun = time.perf_counter()
            feed.app.activity.write(Origin("jira", "jira-0"), [_written(number, one) for one in range(100)])
            taken[at].append((time.perf_counter() - begun) * 1000)
            feed.app.unit_of_work.commit()
    return _report("write of 100 events", taken, None)


def _report(name: str, taken: list[list[float]], must: float | None) -> dict[str, Any]:
    """Returns the medians at both sizes and the 99th percentile of the large one, without two rounds to warm up."""
    small, large = (statistics.median(values[2:]) for values in taken)
    slowest = sorted(taken[1][2:])
    return {
        "name": name,
        "small_ms": small,
        "large_ms": large,
        "large_p99_ms": slowest[len(slowest) * 99 // 100],
        "growth": large / small,
        "must": must,
    }


def _written(number: int, one: int) -> FeedEvent:
    """Returns an event: of each three, one is new, one is changed and one is unchanged."""
    kind = one % 3
    event_id = f"written:{one}:{number if kind == 0 else ''}"
    title = f"deploy the login page {number if kind == 1 else ''}"
    at_ms = round(END.timestamp()) * 1000 - one * 1000
    return FeedEvent(event_id=event_id, event_type="issue_updated", at_ms=at_ms, title=title, description="x " * 50)


def main(arguments: list[str]) -> int:
    """Measures and prints."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench.feed", description="Queries of a small and a large feed."
    )
    parser.add_argument("--rows", type=int, default=LARGE, help="size of the large feed")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    options = parser.parse_args(arguments)
    sizes = SMALL, options.rows
    with tempfile.TemporaryDirectory(prefix="sidecar-feed-", ignore_cleanup_errors=True) as folder:
        found = asyncio.run(measure(Path(folder), sizes, options.rounds))
    if options.json:
        print(json.dumps({"sqlite": sqlite3.sqlite_version, "sizes": sizes, "measures": found}, indent=2))
        return 0
    print(f"SQLite {sqlite3.sqlite_version}; milliseconds, medians and the 99th percentile")
    print(f"{'':40}{sizes[0]:>12,}{sizes[1]:>12,}         p99   growth    must")
    for one in found:
        must = f"<= {one['must']}" if one["must"] else ""
        figures = "".join(f"{one[name]:12.3f}" for name in ("small_ms", "large_ms", "large_p99_ms"))
        print(f"{one['name']:40}{figures}{one['growth']:8.2f}x  {must:>7}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
