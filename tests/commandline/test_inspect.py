"""`sidecar inspect`: the timeline, the statistics, the JSON and the HTML page of a transcript."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.commandline.harness import CliHarness
from tests.transcripts.recording import BACKUP, CORPUS, answer, c2s, notification, request, s2c, write

MISTAKES = CORPUS / "invalid_requests_get_errors_and_lose_nothing.jsonl"
RESTARTS = CORPUS / "a_reconnecting_client_replays_the_events_it_missed.jsonl"


@pytest.fixture
def transcript(tmp_path: Path) -> Path:
    """Three calls, one of them without a response, an error, a notification and a long pause."""
    error = {"code": 4041, "message": "No job has this id.", "data": {"kind": "job_not_found"}}
    return write(
        tmp_path / "transcript.jsonl",
        c2s(1, request(1, "jobs.get", job_id="a")),
        s2c(3.5, {"jsonrpc": "2.0", "id": 1, "error": error}),
        c2s(4, request(2, "jobs.list")),
        s2c(5, notification("jobs.updated", seq=1, job={})),
        s2c(9, answer(2, jobs=[])),
        c2s(5009, request("x", "jobs.list")),
    )


def test_text_has_a_timeline_and_statistics(cli: CliHarness, transcript: Path) -> None:
    ended = cli.run("inspect", str(transcript), COLUMNS="100")
    assert (ended.code, ended.err) == (0, "")
    assert "← jobs.get            2.5 ms  job_not_found: No job has this id." in ended.out
    assert re.search(r"jobs\.list +2 +1 +5\.0 ms +5\.0 ms +5\.0 ms", ended.out)
    assert "line 2: jobs.get: job_not_found" in ended.out
    assert "line 7: jobs.list: no response" in ended.out
    assert "line 7: pause of 5.00 s" in ended.out
    assert "notifications: jobs.updated ×1" in ended.out


def test_the_timeline_is_aligned_and_summarizes_each_message(cli: CliHarness) -> None:
    transcript = CORPUS / "claude_requests_permission_and_the_user_decides.jsonl"
    lines = cli.run("inspect", str(transcript), COLUMNS="120").out.splitlines()
    assert any(re.search(r"⟵ claude\.permission_requested +#\d+  open  Bash: \{command: ls\}$", line) for line in lines)
    assert any(re.search(r"← claude\.permissions\.list +[\d.]+ ms  1 request$", line) for line in lines)
    assert any(re.search(r"⟵ claude\.message_added +#\d+  user: \[\[ask:Bash", line) for line in lines)
    ends = {match.end() for line in lines if (match := re.match(r" +[0-9.]+  ⟵ \S+ +#\d+  ", line))}
    assert len(ends) == 1


def test_json_has_everything_on_one_line(cli: CliHarness, transcript: Path) -> None:
    (run,) = cli.run("inspect", str(transcript), "--json").result["runs"]
    assert run["calls"][1] == {
        "line": 4,
        "t": 4,
        "method": "jobs.list",
        "sent_bytes": len(transcript.read_bytes().split(b"\n")[3]) + 1,
        "latency_ms": 5.0,
        "response_bytes": len(transcript.read_bytes().split(b"\n")[5]) + 1,
        "error": None,
        "notifications": 1,
    }
    assert run["gaps"] == [{"line": 7, "t": 9.0, "ms": 5000.0}]
    assert run["methods"]["jobs.get"]["errors"] == 1
    assert run["notification_counts"] == {"jobs.updated": 1}


@pytest.mark.parametrize("path", [BACKUP, MISTAKES, RESTARTS], ids=lambda path: path.stem)
def test_transcripts_of_the_corpus_can_be_inspected(cli: CliHarness, path: Path) -> None:
    ended = cli.run("inspect", "--all", str(path))
    assert (ended.code, ended.err) == (0, "")
    runs = cli.run("inspect", "--json", str(path)).result["runs"]
    assert sum(run["messages"] for run in runs) == path.read_bytes().count(b'"msg":')


def test_a_long_transcript_is_truncated_unless_all_is_given(cli: CliHarness, tmp_path: Path) -> None:
    path = write(tmp_path / "long.jsonl", *(s2c(n, notification("system.state", state="ready")) for n in range(300)))
    assert "… 100 more messages" in cli.run("inspect", str(path)).out
    assert "more messages" not in cli.run("inspect", "--all", str(path)).out


def test_another_file_is_refused_with_an_explanation(cli: CliHarness, tmp_path: Path) -> None:
    path = tmp_path / "not.jsonl"
    path.write_text("{}\n")
    ended = cli.run("inspect", str(path))
    assert ended.code == 1
    assert "a transcript begins with a line" in ended.err


def test_the_page_is_one_file_and_shows_the_calls_in_a_browser(cli: CliHarness, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    hostile = write(
        tmp_path / "hostile.jsonl",
        c2s(1, request(1, "jobs.get", job_id="</script><img src=x onerror=document.title='hit'>")),
        s2c(2, answer(1, job_id="a")),
    )
    assert cli.run("inspect", "--html", str(page), str(hostile)).code == 0
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


def test_each_run_has_its_own_statistics(cli: CliHarness) -> None:
    runs = cli.run("inspect", str(RESTARTS), "--json").result["runs"]
    assert [run["exit_code"] for run in runs] == [0, 0, 0]
    assert cli.run("inspect", str(RESTARTS)).out.count("run ") == 3
    assert json.loads(json.dumps(runs)) == runs
    assert "not JSON" in cli.run("inspect", str(MISTAKES)).out
