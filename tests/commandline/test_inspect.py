"""`sidecar inspect`: the timeline, the statistics, the JSON and the HTML page of a transcript."""

import json
import os
import re
import subprocess
from base64 import b64encode
from pathlib import Path

import pytest

from sidecar.transcripts.inspect import waterfall
from tests.commandline.harness import CliHarness
from tests.electron.compiling import MODULES, missing
from tests.electron.conftest import chromium
from tests.transcripts.recording import (
    BACKUP,
    CORPUS,
    HEADER,
    answer,
    c2s,
    notification,
    request,
    s2c,
    write,
    write_lines,
)

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


def test_the_page_shows_and_finds_everything_and_runs_nothing(cli: CliHarness, tmp_path: Path) -> None:
    """Opens it in Chromium: light and dark, 1,440 and 390 pixels wide, by mouse and by keyboard."""
    if (absent := missing()) is not None or (browser := chromium()) is None:
        pytest.skip(absent or "no chromium to open the page with")
    hostile = "</script><img src=x onerror=document.title='hit'><!--<script>\u202e\x1b[31m"
    job = {"job_id": "a" * 36, "type": "calendar.sync", "status": "succeeded", "message": "done"}
    error = {"code": 5000, "message": "why it failed", "data": {"kind": "upstream_error"}}
    talk = write(
        tmp_path / "talk.jsonl",
        c2s(1, request(1, "jobs.get", job_id=hostile)),
        s2c(2, answer(1, job_id="a", big=12345678901234567890, log=["x" * 90_000, "at the very end"])),
        s2c(3, notification("jobs.updated", seq=7, job=job)),
        c2s(340_003, request(2, "jira.accounts.sync")),
        s2c(340_010, {"jsonrpc": "2.0", "id": 2, "error": error}),
        *(c2s(340_020 + n, request(100 + n, "system.health")) for n in range(3)),
        {"t": 340_100, "dir": "c2s", "raw": b64encode("a needle in the hay \u202e".encode()).decode()},
        {"t": 340_101, "dir": "c2s", "eof": True},
        {"t": 340_102, "dir": "s2c", "exit": 0},
    )
    page = tmp_path / "page.html"
    assert cli.run("inspect", "--html", str(page), str(talk)).code == 0
    assert re.search(r"(?:src|href)=[\"']?https?:", page.read_text("utf-8")) is None
    script = Path(__file__).with_name("inspect_in_chromium.mjs")
    screenshots = os.environ.get("SCREENSHOTS", "")
    command = ["node", str(script), str(page), browser, str(MODULES), screenshots]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr


def test_texts_that_are_not_in_the_page_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waterfall, "MAX_PAGE_CHARS", 500)
    path = write(tmp_path / "talk.jsonl", *(c2s(n, request(n, "jobs.get", text="x" * 100)) for n in range(10)))
    data = waterfall.page(path, lambda method, _: method).split('type="application/json">')[1].split("</script>")[0]
    [run] = json.loads(data)["runs"]
    assert (len(run["rows"]), run["missing"]) == (10, 8)
    assert [row["line"] for row in run["rows"] if row["request"] is None] == list(range(4, 12))


def test_escape_sequences_of_a_recording_do_not_reach_the_terminal(cli: CliHarness, tmp_path: Path) -> None:
    bad = "\x1b]0;title\x07\x1b[31m\x9b\u202e"
    header = {**HEADER, "server": bad, "started_at": bad}
    error = {"code": 1, "message": bad, "data": {"kind": bad}}
    lines = [
        header,
        c2s(1, request(1, bad, **{bad: bad})),
        s2c(2, {"jsonrpc": "2.0", "id": 1, "error": error}),
        s2c(3, notification(bad, seq=bad, **{bad: bad})),
        s2c(3, notification("jobs.updated", job={"job_id": bad, "status": bad, "type": bad})),
        c2s(4, request(2, bad)),
        {"t": 5, "dir": "c2s", "raw": b64encode(bad.encode()).decode()},
    ]
    path = write_lines(tmp_path / "bad.jsonl", lines)
    for options in ([], ["--json"]):
        ended = cli.run("inspect", *options, str(path))
        assert ended.code == 0, ended.err
        assert not {"\x1b", "\x07", "\x9b", "\u202e"} & set(ended.out + ended.err)
    write_lines(path, [{"transcript": bad}])
    ended = cli.run("inspect", str(path))
    assert ended.code == 1
    assert not {"\x1b", "\x07", "\x9b", "\u202e"} & set(ended.out + ended.err)


def test_each_run_has_its_own_statistics(cli: CliHarness) -> None:
    runs = cli.run("inspect", str(RESTARTS), "--json").result["runs"]
    assert [run["exit_code"] for run in runs] == [0, 0, 0]
    assert cli.run("inspect", str(RESTARTS)).out.count("run ") == 3
    assert json.loads(json.dumps(runs)) == runs
    assert "not JSON" in cli.run("inspect", str(MISTAKES)).out
