"""`sidecar inspect`: what happened in a transcript, for people, as JSON and as a page."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.commandline.shell import Shell
from tests.transcripts.recording import BACKUP, CORPUS, answer, c2s, notification, request, s2c, write

MISTAKES = CORPUS / "invalid_requests_get_errors_and_lose_nothing.jsonl"
RESTARTS = CORPUS / "a_reconnecting_client_replays_the_events_it_missed.jsonl"


@pytest.fixture
def talk(tmp_path: Path) -> Path:
    """Two calls, one of which is never answered, an error, a notification, a long silence."""
    error = {"code": 4041, "message": "No job has this id.", "data": {"kind": "job_not_found"}}
    return write(
        tmp_path / "talk.jsonl",
        c2s(1, request(1, "jobs.get", job_id="a")),
        s2c(3.5, {"jsonrpc": "2.0", "id": 1, "error": error}),
        c2s(4, request(2, "jobs.list")),
        s2c(5, notification("jobs.updated", seq=1, job={})),
        s2c(9, answer(2, jobs=[])),
        c2s(5009, request("x", "jobs.list")),
    )


def test_a_person_sees_the_timeline_and_the_sums(shell: Shell, talk: Path) -> None:
    ended = shell.run("inspect", str(talk), COLUMNS="100")
    assert (ended.code, ended.err) == (0, "")
    assert "← jobs.get            2.5 ms  job_not_found: No job has this id." in ended.out
    assert re.search(r"jobs\.list +2 +1 +5\.0 ms +5\.0 ms +5\.0 ms", ended.out)
    assert "line 2: jobs.get: job_not_found" in ended.out
    assert "line 7: jobs.list: never answered" in ended.out
    assert "line 7: silence of 5.00 s" in ended.out
    assert "told: jobs.updated ×1" in ended.out


def test_what_matters_of_each_message_is_said_in_columns(shell: Shell) -> None:
    talk = CORPUS / "claude_requests_permission_and_the_user_decides.jsonl"
    lines = shell.run("inspect", str(talk), COLUMNS="120").out.splitlines()
    assert any(re.search(r"⟵ claude\.permission_requested +#\d+  open  Bash: \{command: ls\}$", line) for line in lines)
    assert any(re.search(r"← claude\.permissions\.list +[\d.]+ ms  1 request$", line) for line in lines)
    assert any(re.search(r"⟵ claude\.message +#\d+  user: \[\[ask:Bash", line) for line in lines)
    ends = {match.end() for line in lines if (match := re.match(r" +[0-9.]+  ⟵ \S+ +#\d+  ", line))}
    assert len(ends) == 1


def test_a_program_gets_everything_in_one_line(shell: Shell, talk: Path) -> None:
    (run,) = shell.run("inspect", str(talk), "--json").result["runs"]
    assert run["calls"][1] == {
        "line": 4,
        "t": 4,
        "method": "jobs.list",
        "sent_bytes": len(talk.read_bytes().split(b"\n")[3]) + 1,
        "latency_ms": 5.0,
        "answer_bytes": len(talk.read_bytes().split(b"\n")[5]) + 1,
        "error": None,
        "notifications": 1,
    }
    assert run["gaps"] == [{"line": 7, "t": 9.0, "ms": 5000.0}]
    assert run["methods"]["jobs.get"]["errors"] == 1
    assert run["notification_counts"] == {"jobs.updated": 1}


@pytest.mark.parametrize("path", [BACKUP, MISTAKES, RESTARTS], ids=lambda path: path.stem)
def test_our_own_transcripts_can_be_inspected(shell: Shell, path: Path) -> None:
    ended = shell.run("inspect", "--all", str(path))
    assert (ended.code, ended.err) == (0, "")
    runs = shell.run("inspect", "--json", str(path)).result["runs"]
    assert sum(run["messages"] for run in runs) == path.read_bytes().count(b'"msg":')


def test_a_long_one_is_cut_unless_all_is_wanted(shell: Shell, tmp_path: Path) -> None:
    path = write(tmp_path / "long.jsonl", *(s2c(n, notification("system.state", state="ready")) for n in range(300)))
    assert "… 100 more messages" in shell.run("inspect", str(path)).out
    assert "more messages" not in shell.run("inspect", "--all", str(path)).out


def test_what_is_no_transcript_is_refused_in_a_sentence(shell: Shell, tmp_path: Path) -> None:
    path = tmp_path / "not.jsonl"
    path.write_text("{}\n")
    ended = shell.run("inspect", str(path))
    assert ended.code == 1
    assert "a transcript begins with a line" in ended.err


@pytest.mark.timeout(180)  # a browser starts
def test_the_page_is_one_file_and_shows_the_calls_in_a_browser(shell: Shell, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    hostile = write(
        tmp_path / "hostile.jsonl",
        c2s(1, request(1, "jobs.get", job_id="</script><img src=x onerror=document.title='hit'>")),
        s2c(2, answer(1, job_id="a")),
    )
    assert shell.run("inspect", "--html", str(page), str(hostile)).code == 0
    text = page.read_text("utf-8")
    assert re.search(r"(?:src|href)=[\"']?https?:", text) is None
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("no chromium to open the page with")
    options = ["--headless", "--no-sandbox", f"--user-data-dir={tmp_path / 'profile'}", "--dump-dom"]
    command = [chromium, *options, page.as_uri()]
    dom = subprocess.run(command, capture_output=True, text=True, timeout=150, check=True).stdout
    assert '<span class="name" title="jobs.get">jobs.get</span>' in dom
    assert "<title>hostile.jsonl</title>" in dom


def test_each_run_has_its_own_totals(shell: Shell) -> None:
    runs = shell.run("inspect", str(RESTARTS), "--json").result["runs"]
    assert [run["exit_code"] for run in runs] == [0, 0, 0]
    assert shell.run("inspect", str(RESTARTS)).out.count("run ") == 3
    assert json.loads(json.dumps(runs)) == runs
    assert "no JSON" in shell.run("inspect", str(MISTAKES)).out
