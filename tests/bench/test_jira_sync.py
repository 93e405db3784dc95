"""The sync's benchmark runs and counts what it promises; what the figures are is never tested."""

import json
import subprocess
import sys

from tests.bench.jira_sync import ROOT


def test_a_small_run_reads_every_issue_and_every_change() -> None:
    command = [sys.executable, "-m", "tests.bench.jira_sync", "--issues", "300", "--changes", "10"]
    done = subprocess.run(command, cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, timeout=50, check=False)
    assert done.returncode == 0, done.stderr.decode()
    small, large = (json.loads(line) for line in done.stdout.splitlines())
    assert (small["issues"], large["issues"], large["events"], large["changes"]) == (15, 300, 600, 10)
