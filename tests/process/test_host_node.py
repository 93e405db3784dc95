"""A Node host spawns the sidecar as Electron's main process does, and the sidecar runs Claude."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from sidecar_protocol.claude.runs import ClaudeRunResult

from sidecar.paths import isolated_environment
from tests.claude.conftest import NATIVE, ROOT
from tests.fakes.anthropic import FakeAnthropic
from tests.process.raw_client import RawClient, is_running, wait_until

pytestmark = pytest.mark.skipif(
    not Path("/proc").is_dir(), reason="the host reads /proc to know the sidecar's children"
)
TEXT = "w0 w1 w2 w3 w4 w5 w6 w7 "


def run_host(data_dir: Path, more: Mapping[str, str], **prompts: dict[str, Any]) -> dict[str, Any]:
    """Runs host.mjs and returns its report."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed")
    ran = subprocess.run(
        [node, str(Path(__file__).with_name("host.mjs")), sys.executable, json.dumps(prompts)],
        stdout=subprocess.PIPE,
        env=isolated_environment(data_dir, more),
        cwd=data_dir.parent,
        timeout=120,
        check=True,
    )
    report: dict[str, Any] = json.loads(ran.stdout)
    return report


def check(report: dict[str, Any], data_dir: Path) -> None:
    """Asserts what holds for the real Claude and for the fake."""
    first, finished, stopped = report["first"], report["finished"], report["stopped"]
    assert report["initialized"]["events"] == {**report["initialized"]["events"], "latest_seq": 0, "resume": "ok"}
    assert (first["status"], first["type"]) == ("queued", "claude.run")
    assert (finished["status"], finished["error"]) == ("succeeded", None)
    result = ClaudeRunResult.model_validate(finished["result"])
    assert result.text == TEXT == "".join(delta["text"] for delta in report["deltas"])
    assert {delta["session_id"] for delta in report["deltas"]} == {result.session_id}
    assert result.usage.model_dump() == {
        "input_tokens": 12,
        "output_tokens": 9,
        "cache_creation_input_tokens": 3,
        "cache_read_input_tokens": 4,
    }
    assert report["cancelling"]["cancel_requested"] is True
    assert (stopped["status"], stopped["result"]) == ("cancelled", None)
    assert report["exit"] == {"code": 0, "signal": None}
    assert len(report["pids"]) >= 2
    wait_until(lambda: not any(map(is_running, report["pids"])))
    assert {"claude.delta", "jobs.log_added", "jobs.updated", "system.state"} <= set(report["methods"])
    with RawClient(data_dir) as again:
        again.initialize()
        left = again.call("jobs.get", job_id=report["left_job"])
        assert (left["status"], left["error"]["kind"]) == ("interrupted", "shutdown")
        assert again.call("activity.events.list", source="claude")["events"]


def test_a_host_runs_claude_cancels_it_and_quits(data_dir: Path) -> None:
    data_dir.mkdir(parents=True)
    report = run_host(
        data_dir,
        {"CLAUDE_PATH": str(ROOT / "tests" / "fakes" / "claude")},
        answered={"prompt": "[[slow:8]]", "cwd": str(data_dir.parent)},
        cancelled={"prompt": "[[slow:5000]]"},
        left={"prompt": "[[stubborn]] [[grandchild]] [[hang]]"},
    )
    check(report, data_dir)


def test_a_host_runs_the_real_claude(data_dir: Path, tmp_path: Path) -> None:
    named = os.environ.get("SIDECAR_TEST_CLAUDE")
    modules = Path(os.environ.get("SIDECAR_TEST_NODE_MODULES", ROOT / ".ci" / "node_modules"))
    claude = Path(named) if named else modules / NATIVE
    if not claude.is_file():
        pytest.skip(f"no real claude at {claude}; set SIDECAR_TEST_CLAUDE")
    data_dir.mkdir(parents=True)
    with FakeAnthropic() as api:
        report = run_host(
            data_dir,
            {**api.environment(tmp_path / "home"), "CLAUDE_PATH": str(claude)},
            answered={"prompt": "[[slow:8]]", "cwd": str(data_dir)},
            cancelled={"prompt": "[[slow:5000]]"},
            left={"prompt": "[[slow:5000]]"},
        )
        assert len(api.messages()) >= 3
    check(report, data_dir)
