"""The pytest plugin, as a client's project uses it: a pytest of its own, in a folder of its own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.transcripts.recording import BACKUP, changed

pytestmark = pytest.mark.timeout(600)  # each test runs pytest up to three times, and that starts sidecars
INI = "[pytest]\nsidecar_transcripts = conversations\nsidecar_environment =\n    CLAUDE_PATH=./no-claude\n"
USES = """
def test_a_stand_in_answers(replayed_sidecar):
    sidecar = replayed_sidecar("conversations/a.jsonl", "--fault", "drop@system.health")
    answer = sidecar.call("initialize", protocol_version=1, client_info={"name": "test", "version": "1"})
    assert answer["result"]["protocol_version"] == 1

def test_a_real_one_goes_on_from_where_the_transcript_ends(verified_sidecar):
    sidecar = verified_sidecar("conversations/a.jsonl")
    assert [job["status"] for job in sidecar.call("jobs.list")["result"]["jobs"]] == ["succeeded"]
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder with settings, a transcript and tests."""
    (tmp_path / "pytest.ini").write_text(INI)
    (tmp_path / "test_uses.py").write_text(USES)
    (tmp_path / "conversations").mkdir()
    (tmp_path / "conversations" / "a.jsonl").write_bytes(BACKUP.read_bytes())
    (tmp_path / "elsewhere.jsonl").write_text("this is no transcript, and nobody asks for it\n")
    return tmp_path


def run(project: Path, **more: str) -> "subprocess.CompletedProcess[str]":
    """Run its tests."""
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-v", "--rootdir", str(project)]
    env = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "UPDATE"))}
    return subprocess.run(
        command, cwd=project, env={**env, **more}, capture_output=True, text=True, timeout=180, check=False
    )


def test_every_transcript_of_a_folder_is_a_test_and_sidecars_are_fixtures(project: Path) -> None:
    done = run(project)
    assert done.returncode == 0, done.stdout
    assert "3 passed" in done.stdout
    assert "conversations/a.jsonl::a PASSED" in done.stdout


def test_a_difference_fails_with_the_diff_and_an_update_takes_it_in(project: Path) -> None:
    path = project / "conversations" / "a.jsonl"
    changed(BACKUP, path, '"Queued"', '"Put into the queue"')
    done = run(project)
    assert done.returncode == 1
    assert '-      "message": "Put into the queue"' in done.stdout
    assert "UPDATE=1 records it anew" in done.stdout
    assert "Traceback" not in done.stdout.split("short test summary")[0].split("transcript: a")[1].split("____")[0]
    assert run(project, UPDATE="1").returncode == 0
    assert '"Put into the queue"' not in path.read_text("utf-8")
    assert run(project).returncode == 0


def test_a_file_that_is_no_transcript_is_said_in_a_sentence(project: Path) -> None:
    (project / "conversations" / "b.jsonl").write_text("{}\n")
    done = run(project)
    assert done.returncode == 1
    assert "a transcript begins with a line" in done.stdout
