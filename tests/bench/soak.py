"""A mixed life under measurement: `python -m tests.bench.soak [--minutes N] [--json]`.

One process syncs a calendar and Jira, runs Claude's turns and prompts, and is backed up, while a window reads lists.
Reports how long each method took, whether memory, descriptors and the write-ahead log grow, and whether the durable
events have gaps.  The clouds run in a process of their own, so that they do not slow down the client that measures.
With `--stacks` it also prints the callbacks of the loop that took more than 10 ms of CPU, with their stacks.
"""

import argparse
import json
import math
import multiprocessing
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Mapping
from contextlib import ExitStack
from functools import partial
from itertools import count, cycle
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Final

import anyio
import psutil

from sidecar.commandline import client as module
from sidecar.commandline.client import RemoteError, SidecarClient
from sidecar.paths import isolated_environment
from tests.bench.server_kinds import ROOT
from tests.bench.watched_sidecar import FILE
from tests.fakes.atlassian import FakeSite
from tests.fakes.google import ADA, SCOPE, FakeGoogle, seed

READ_EVERY_S: Final = 0.05
SYNC_EVERY_S: Final = 5.0
PROMPT_EVERY_S: Final = 2.0
BACKUP_EVERY_S: Final = 30.0
LOOK_EVERY_S: Final = 1.0
MUST_P99_MS: Final = 20.0
"""Limit of the reads' 99th percentile on an idle machine: longer, and a list follows the user's hand visibly late."""
READS: Final[tuple[tuple[str, dict[str, Any]], ...]] = (
    ("activity.events.list", {"limit": 50}),
    ("jobs.list", {"limit": 50}),
    ("claude.sessions.list", {"limit": 50}),
    ("activity.search", {"query": "heron", "limit": 20}),
    ("system.status", {}),
)
CLAUDE: Final = Path(__file__).parents[1] / "fakes" / "claude"


def _serve_clouds(link: Connection) -> None:
    """Runs the fake clouds and changes something before each sync, until the other end is closed."""
    with ExitStack() as stack:
        google = stack.enter_context(FakeGoogle(0, time.time))
        site = stack.enter_context(FakeSite(lambda: round(time.time() * 1000), 0))
        seed(google)
        scopes = tuple(SCOPE + name for name in ("calendar.calendarlist.readonly", "calendar.events.readonly"))
        token = google.oauth.add_grant(ADA, scopes).refresh_token
        ada = site.user("ada")
        issue = site.jira.create(ada, "Feed the heron", at_ms=round(time.time() * 1000), description=None)
        link.send(
            {
                "environment": {**google.environment, "ATLASSIAN_GATEWAY_URL": site.url},
                "calendar": {"provider": "google", "email": ADA, "credentials": {"refresh_token": token}},
                "jira": {"org": "Example", "base_url": site.url, "email": ada.email, "api_token": site.token(ada)},
            }
        )
        for number in count(1):
            try:
                link.recv()
            except EOFError:
                return
            site.jira.comment(issue, ada, f"Fish number {number}")
            link.send(None)


class Soak:
    """One measured process, its client, and their measurements."""

    def __init__(self, client: SidecarClient, clouds: Connection, database: Path) -> None:
        self._client = client
        self._clouds = clouds
        self._database = database
        self._process = psutil.Process(client.process.pid)
        self._taken: dict[str, list[float]] = defaultdict(list)
        self._looks: list[tuple[float, int, int]] = []
        """Memory in MiB, descriptors, and the size of the write-ahead log, once a second."""
        self._seqs: list[int] = []
        self._ended: dict[str, int] = defaultdict(int)
        """The number of finished jobs by status."""
        self._errors: dict[str, int] = defaultdict(int)

    async def live(self, seconds: float, accounts: Mapping[str, str]) -> None:
        """Lives for this long."""
        with anyio.move_on_after(seconds):
            async with anyio.create_task_group() as tasks:
                for task in (self._collect, self._read, self._prompt, self._back_up, self._look):
                    tasks.start_soon(task)
                tasks.start_soon(self._sync, accounts)

    async def call(self, method: str, params: Mapping[str, Any]) -> Any:
        """Calls a method and notes how long it took; an error is counted."""
        begun = time.perf_counter()
        try:
            return await self._client.call(method, params)
        except RemoteError as error:
            self._errors[f"{method}: {error.kind}"] += 1
            return None
        finally:
            self._taken[method].append(1e3 * (time.perf_counter() - begun))

    async def _collect(self) -> None:
        while True:
            received = await self._client.receive()
            if "seq" in received.params:
                self._seqs.append(received.params["seq"])
            if received.method == "jobs.updated" and received.params["job"]["finished_at"] is not None:
                self._ended[f"{received.params['job']['type']} {received.params['job']['status']}"] += 1

    async def _read(self) -> None:
        for method, params in cycle(READS):
            await self.call(method, params)
            await anyio.sleep(READ_EVERY_S)

    async def _sync(self, accounts: Mapping[str, str]) -> None:
        for service in cycle(accounts):
            await anyio.to_thread.run_sync(self._change)
            await self.call(f"{service}.accounts.sync", {"account_id": accounts[service]})
            await anyio.sleep(SYNC_EVERY_S)

    def _change(self) -> None:
        self._clouds.send(None)
        self._clouds.recv()

    async def _prompt(self) -> None:
        session = await self.call("claude.sessions.create", {})
        for number in count():
            prompt = {"prompt": f"Say something about the heron, for the time number {number}."}
            if number % 2:
                await self.call("claude.spawn", prompt)
            else:
                await self.call("claude.sessions.send", {"session_id": session["session_id"], **prompt})
            await anyio.sleep(PROMPT_EVERY_S)

    async def _back_up(self) -> None:
        while True:
            await self.call("jobs.create", {"type": "maintenance.backup"})
            await anyio.sleep(BACKUP_EVERY_S)

    async def _look(self) -> None:
        log = self._database.with_name(f"{self._database.name}-wal")
        while True:
            memory = self._process.memory_info().rss / 2**20
            self._looks.append((memory, self._process.num_fds(), log.stat().st_size))
            await anyio.sleep(LOOK_EVERY_S)

    def report(self) -> dict[str, Any]:
        """Returns the figures."""
        reads = sorted(taken for method, _ in READS for taken in self._taken[method])
        half = self._looks[len(self._looks) // 2 :]
        return {
            "methods": {
                name: {"calls": len(taken), **{f"p{at}": _percentile(sorted(taken), at) for at in (50, 99, 100)}}
                for name, taken in sorted(self._taken.items())
            },
            "reads_p99_ms": _percentile(reads, 99),
            "must_p99_ms": MUST_P99_MS,
            "rss_mib": [round(statistics.median(one[0] for one in half)), round(self._looks[-1][0])],
            "descriptors": [max(one[1] for one in half), self._looks[-1][1]],
            "wal_mib": max(one[2] for one in self._looks) / 2**20,
            "events": len(self._seqs),
            "gaps": sum(after != before + 1 for before, after in zip(self._seqs, self._seqs[1:], strict=False)),
            "jobs": dict(self._ended),
            "errors": dict(self._errors),
        }


def _percentile(taken: list[float], percent: int) -> float:
    return taken[min(len(taken) - 1, len(taken) * percent // 100)] if taken else math.nan


async def soak(folder: Path, clouds: Connection, minutes: float, *, stacks: bool = False) -> dict[str, Any]:
    """Returns the figures of a life of this many minutes."""
    if stacks:
        watched = [sys.executable, "-m", "tests.bench.watched_sidecar"]
        setattr(module, "command", lambda *_: watched)  # noqa: B010 - mypy: not exported
    cloud = clouds.recv()
    environment = {**cloud["environment"], "CLAUDE_PATH": str(CLAUDE), "HOME": str(folder)}
    async with module.spawn(env=isolated_environment(folder, environment), cwd=ROOT) as client:
        await client.initialize("soak")
        life = Soak(client, clouds, folder / "sidecar.db")
        accounts = {
            service: (await client.call(f"{service}.accounts.create", cloud[service]))["account_id"]
            for service in ("calendar", "jira")
        }
        await life.live(60 * minutes, accounts)
        found = life.report()
    return found | ({"stretches": json.loads((folder / FILE).read_text("utf-8"))} if stacks else {})


def main(arguments: list[str]) -> int:
    """Lives and prints; exits with 1 only if events are missing."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.soak", description="A mixed life under measurement.")
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument("--stacks", action="store_true", help="also print what held up the loop")
    options = parser.parse_args(arguments)
    link, theirs = multiprocessing.Pipe()
    served = multiprocessing.get_context("spawn").Process(target=_serve_clouds, args=(theirs,), daemon=True)
    served.start()
    theirs.close()
    with tempfile.TemporaryDirectory(prefix="sidecar-soak-", ignore_cleanup_errors=True) as folder:
        found = anyio.run(partial(soak, Path(folder), link, options.minutes, stacks=options.stacks))
    link.close()
    served.join()
    print(json.dumps(found, indent=2) if options.json else _table(found))
    return 1 if found["gaps"] else 0


def _table(found: Mapping[str, Any]) -> str:
    lines = [f"{'milliseconds':28}{'calls':>8}{'p50':>9}{'p99':>9}{'max':>9}"]
    lines += [
        f"{name:28}{one['calls']:>8}{one['p50']:9.1f}{one['p99']:9.1f}{one['p100']:9.1f}"
        for name, one in found["methods"].items()
    ]
    lines += [
        "",
        f"reads: p99 {found['reads_p99_ms']:.1f} ms (must: {found['must_p99_ms']:g} ms on an idle machine)",
        f"memory: {found['rss_mib'][0]} MiB, at the end {found['rss_mib'][1]} MiB",
        f"descriptors: at most {found['descriptors'][0]}, at the end {found['descriptors'][1]}",
        f"write-ahead log: at most {found['wal_mib']:.1f} MiB",
        f"events: {found['events']}, gaps in seq: {found['gaps']}",
        f"jobs: {found['jobs']}",
        f"errors: {found['errors'] or 'none'}",
        *(
            f"{one['ms']:.1f} ms of CPU at most, {one['times']} times: {' < '.join(one['stack'])}"
            for one in found.get("stretches", ())
        ),
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
