"""A big Jira site synced by the real process: `python -m tests.bench.jira_sync [--issues 200000] [--changes 100]`.

The site is `tests.fakes.jira` in a process of its own, so that its work shows only where both want the same core.  The
first sync and one after some changes are measured at a twentieth of the size and at all of it.  What the second costs
the sidecar (`incremental_cpu_ms`) must not grow with the first; its time also has the site's own search in it.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import anyio

from sidecar.commandline.client import SidecarClient, spawn
from tests.bench.observe import cpu_seconds, rss_mib

ROOT = Path(__file__).parents[2]
LOOK_S = 0.2
"""How often the process's memory is looked at."""


@contextmanager
def fake_site(issues: int) -> Iterator[tuple[subprocess.Popen[str], dict[str, str]]]:
    """A site with so many issues, each made and moved on by Ada within the last year."""
    command = [sys.executable, "-m", "tests.fakes.jira", "--issues", str(issues)]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process, json.loads(process.stdout.readline())
        finally:
            process.kill()


def change(site: subprocess.Popen[str], changes: int) -> None:
    """Have Ada comment on so many issues."""
    assert site.stdin is not None
    assert site.stdout is not None
    site.stdin.write(f"comment {changes}\n")
    site.stdin.flush()
    site.stdout.readline()


class Watch:
    """The most memory that a process was seen to have."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self.most = 0.0

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            self.most = max(self.most, rss_mib(self._pid))
            await anyio.sleep(LOOK_S)


async def ended(client: SidecarClient, job_id: str) -> dict[str, Any]:
    """The job once it has succeeded."""
    while True:
        job = (await client.until("jobs.updated"))["job"]
        if job["job_id"] == job_id and job["status"] not in ("queued", "running"):
            assert job["status"] == "succeeded", job
            found: dict[str, Any] = job
            return found


async def measure(issues: int, changes: int) -> dict[str, float]:
    """One site, one process, one account."""
    with fake_site(issues) as (site, about), tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        async with spawn(env={"APP_DATA_DIR": folder}) as client, anyio.create_task_group() as tasks:
            await client.initialize("bench", capabilities={"opt_out": ["activity.changed"]})
            idle = rss_mib(client.process.pid)
            watch = Watch(client.process.pid)
            tasks.start_soon(watch.run)
            given = {"org": "Bench", "base_url": about["url"], "email": about["email"], "api_token": about["api_token"]}
            begun = time.perf_counter()
            account_id = (await client.call("jira.accounts.create", given))["account_id"]
            job = await client.call("jira.accounts.sync", {"account_id": account_id})
            first = await ended(client, job["job_id"])
            first_s = time.perf_counter() - begun
            change(site, changes)
            begun, worked = time.perf_counter(), cpu_seconds(client.process.pid)
            job = await client.call("jira.accounts.sync", {"account_id": account_id})
            again = await ended(client, job["job_id"])
            again_s, worked = time.perf_counter() - begun, cpu_seconds(client.process.pid) - worked
            tasks.cancel_scope.cancel()
        assert (first["result"]["read"], again["result"]["added"]) == (issues, changes), (first, again)
        return {
            "issues": issues,
            "events": first["result"]["added"],
            "first_sync_s": round(first_s, 1),
            "issues_per_s": round(issues / first_s),
            "rss_idle_mib": round(idle),
            "rss_most_mib": round(watch.most),
            "changes": changes,
            "incremental_sync_ms": round(again_s * 1000),
            "incremental_cpu_ms": round(worked * 1000),
        }


def main() -> None:
    """Print a line of JSON for each size."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--issues", type=int, default=200_000)
    parser.add_argument("--changes", type=int, default=100)
    options = parser.parse_args()
    for issues in (max(options.changes, options.issues // 20), options.issues):
        print(json.dumps(anyio.run(measure, issues, options.changes)), flush=True)


if __name__ == "__main__":
    main()
