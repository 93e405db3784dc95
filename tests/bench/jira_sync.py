"""Sync of a large Jira site: `python -m tests.bench.jira_sync [--issues 200000] [--changes 100]`.

The site is `tests.fakes.jira` in a process of its own.  The first sync and one after some changes are measured at a
twentieth of the size and at the full size.  The CPU time of the second (`incremental_cpu_ms`) must not grow with the
size; its duration includes the search of the fake site.
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
from tests.bench.process_stats import cpu_seconds, rss_mib

ROOT = Path(__file__).parents[2]
SAMPLE_S = 0.2
"""Interval of the memory samples."""


@contextmanager
def fake_site(issues: int) -> Iterator[tuple[subprocess.Popen[str], dict[str, str]]]:
    """Runs a site with this number of issues, each created and changed by one user within the last year."""
    command = [sys.executable, "-m", "tests.fakes.jira", "--issues", str(issues)]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process, json.loads(process.stdout.readline())
        finally:
            process.kill()


def change(site: subprocess.Popen[str], changes: int) -> None:
    """Adds a comment to this number of issues."""
    assert site.stdin is not None
    assert site.stdout is not None
    site.stdin.write(f"comment {changes}\n")
    site.stdin.flush()
    site.stdout.readline()


class PeakMemory:
    """The peak of the sampled memory of a process, in MiB."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self.mib = 0.0

    async def run(self) -> None:
        """Samples until cancelled."""
        while True:
            self.mib = max(self.mib, rss_mib(self._pid))
            await anyio.sleep(SAMPLE_S)


async def until_succeeded(client: SidecarClient, job_id: str) -> dict[str, Any]:
    """Waits for the success of a job and returns it."""
    while True:
        job = (await client.until("jobs.updated"))["job"]
        if job["job_id"] == job_id and job["status"] not in ("queued", "running"):
            assert job["status"] == "succeeded", job
            found: dict[str, Any] = job
            return found


async def measure(issues: int, changes: int) -> dict[str, float]:
    """Measures one site with one account."""
    with fake_site(issues) as (process, site), tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        async with spawn(env={"APP_DATA_DIR": folder}) as client, anyio.create_task_group() as tasks:
            await client.initialize("bench", capabilities={"opt_out": ["activity.changed"]})
            idle = rss_mib(client.process.pid)
            peak = PeakMemory(client.process.pid)
            tasks.start_soon(peak.run)
            account = {"org": "Bench", **{name: site[name] for name in ("email", "api_token")}, "base_url": site["url"]}
            begun = time.perf_counter()
            account_id = (await client.call("jira.accounts.create", account))["account_id"]
            job = await client.call("jira.accounts.sync", {"account_id": account_id})
            first = await until_succeeded(client, job["job_id"])
            first_s = time.perf_counter() - begun
            change(process, changes)
            begun, worked = time.perf_counter(), cpu_seconds(client.process.pid)
            job = await client.call("jira.accounts.sync", {"account_id": account_id})
            again = await until_succeeded(client, job["job_id"])
            again_s, worked = time.perf_counter() - begun, cpu_seconds(client.process.pid) - worked
            tasks.cancel_scope.cancel()
        assert (first["result"]["read"], again["result"]["added"]) == (issues, changes), (first, again)
        return {
            "issues": issues,
            "events": first["result"]["added"],
            "first_sync_s": round(first_s, 1),
            "issues_per_s": round(issues / first_s),
            "rss_idle_mib": round(idle),
            "rss_peak_mib": round(peak.mib),
            "changes": changes,
            "incremental_sync_ms": round(again_s * 1000),
            "incremental_cpu_ms": round(worked * 1000),
        }


def main() -> None:
    """Prints a line of JSON for each size."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--issues", type=int, default=200_000)
    parser.add_argument("--changes", type=int, default=100)
    options = parser.parse_args()
    for issues in (max(options.changes, options.issues // 20), options.issues):
        print(json.dumps(anyio.run(measure, issues, options.changes)), flush=True)


if __name__ == "__main__":
    main()
