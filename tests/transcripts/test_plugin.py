"""The pytest plugin as a project uses it: a separate pytest run in a separate folder."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.transcripts.recording import BACKUP, copy_with

pytestmark = pytest.mark.timeout(600)  # each test runs pytest up to three times, which starts sidecars
INI = "[pytest]\nsidecar_transcripts = conversations\nsidecar_environment =\n    CLAUDE_PATH=./no-claude\n"
USES = """
def test_a_replay_answers(replayed_sidecar):
    sidecar = replayed_sidecar("conversations/a.jsonl", "--fault", "drop@system.health")
    answer = sidecar.call("initialize", protocol_version=1, client_info={"name": "test", "version": "1"})
    assert answer["result"]["protocol_version"] == 1

def test_a_real_sidecar_continues_after_the_transcript(verified_sidecar):
    sidecar = verified_sidecar("conversations/a.jsonl")
    assert [job["status"] for job in sidecar.call("jobs.list")["result"]["jobs"]] == ["succeeded"]
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Returns a folder with settings, a transcript and tests."""
    (tmp_path / "pytest.ini").write_text(INI)
    (tmp_path / "test_uses.py").write_text(USES)
    (tmp_path / "conversations").mkdir()
    (tmp_path / "conversations" / "a.jsonl").write_bytes(BACKUP.read_bytes())
    (tmp_path / "elsewhere.jsonl").write_text("not a transcript, and in no folder of transcripts\n")
    return tmp_path


def run(project: Path, **more: str) -> "subprocess.CompletedProcess[str]":
    """Runs the tests of the project."""
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-v", "--rootdir", str(project)]
    env = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "UPDATE"))}
    return subprocess.run(
        command, cwd=project, env={**env, **more}, capture_output=True, text=True, timeout=180, check=False
    )


def test_each_transcript_is_a_test_and_fixtures_start_sidecars(project: Path) -> None:
    done = run(project)
    assert done.returncode == 0, done.stdout
    assert "3 passed" in done.stdout
    assert "conversations/a.jsonl::a PASSED" in done.stdout


def test_a_difference_fails_with_a_diff_and_can_be_updated(project: Path) -> None:
    path = project / "conversations" / "a.jsonl"
    copy_with(BACKUP, path, '"Started"', '"Put into the queue"')
    done = run(project)
    assert done.returncode == 1
    assert '-      "message": "Put into the queue"' in done.stdout
    assert "UPDATE=1 updates the transcript" in done.stdout
    assert "Traceback" not in done.stdout.split("short test summary")[0].split("transcript: a")[1].split("____")[0]
    done = run(project, UPDATE="1")
    assert done.returncode == 1  # once, so that it is noticed
    assert (
        "accepted: 4 differs (2× the response to jobs.log.list, 1× jobs.log_added, 1× the response to events.replay)"
        in done.stdout
    )
    assert '"Put into the queue"' not in path.read_text("utf-8")
    assert run(project).returncode == 0


def test_a_file_that_is_not_a_transcript_fails_with_one_sentence(project: Path) -> None:
    (project / "conversations" / "b.jsonl").write_text("{}\n")
    done = run(project)
    assert done.returncode == 1
    assert "a transcript begins with a line" in done.stdout
