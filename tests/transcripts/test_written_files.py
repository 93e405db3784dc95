"""A request that names a file to be written is tried without writing to that place."""

from pathlib import Path
from typing import Any

import pytest

from sidecar.paths import command
from sidecar.transcripts.file.facts import contract_facts
from sidecar.transcripts.file.written_files import WrittenFiles
from sidecar.transcripts.fuzz.damage import sent_lines
from sidecar.transcripts.verify.check import VerifyOptions, check
from sidecar.transcripts.verify.findings import explain_all
from tests.conftest import StartRawClient
from tests.process.raw_client import RawClient
from tests.transcripts.recording import c2s, request, write

MINE = "what a person has written since"
CONTRACT = contract_facts()


def export(host: RawClient, path: Path, *, overwrite: bool) -> dict[str, Any]:
    """Exports the feed, and returns the finished job."""
    payload = {"path": str(path), "overwrite": overwrite}
    job = host.call("jobs.create", type="activity.export", payload=payload)["job"]
    ended: dict[str, Any] = host.until_job(job["job_id"], "succeeded", "failed")
    return ended


def test_a_verification_replaces_no_file_of_a_person(tmp_path: Path) -> None:
    path, files = tmp_path / "talk.jsonl", [tmp_path / "new.csv", tmp_path / "replaced.csv"]
    with RawClient(tmp_path / "data", "--record", str(path)) as host:
        host.initialize()
        for file, overwrite in zip(files, (False, True), strict=True):
            assert export(host, file, overwrite=overwrite)["result"]["path"] == str(file)
        assert export(host, files[0], overwrite=False)["error"]["kind"] == "file_exists"
        host.close_stdin()
        host.exit_code()
    for file in files:
        file.write_text(MINE, "utf-8")
    assert explain_all(path, check(path, VerifyOptions())) == ""
    assert [file.read_text("utf-8") for file in files] == [MINE, MINE]
    for file in files:
        file.unlink()
    assert explain_all(path, check(path, VerifyOptions())) == ""
    assert [file.exists() for file in files] == [False, False]


def test_a_file_that_was_there_when_it_was_recorded_is_there_again(tmp_path: Path) -> None:
    path, file = tmp_path / "talk.jsonl", tmp_path / "mine.csv"
    file.write_text(MINE, "utf-8")
    with RawClient(tmp_path / "data", "--record", str(path)) as host:
        host.initialize()
        assert export(host, file, overwrite=False)["error"]["kind"] == "file_exists"
        export(host, file, overwrite=True)
        host.process.kill()
    file.unlink()
    assert explain_all(path, check(path, VerifyOptions())) == ""


def test_a_replay_that_asks_a_real_sidecar_replaces_no_file(raw_client: StartRawClient, tmp_path: Path) -> None:
    recording, file = write(tmp_path / "talk.jsonl", {"t": 8, "dir": "c2s", "eof": True}), tmp_path / "mine.csv"
    file.write_text(MINE, "utf-8")
    with raw_client(command=command("replay", str(recording), "--live")) as wire:
        wire.initialize()
        assert export(wire, file, overwrite=True)["result"]["path"] == str(file)
    assert file.read_text("utf-8") == MINE


def test_a_fuzz_sends_no_request_that_writes_a_file_and_those_that_read_one(tmp_path: Path) -> None:
    parts = [{"type": "file", "path": "/read.txt"}]
    path = write(
        tmp_path / "talk.jsonl",
        c2s(1, request(1, "jobs.create", type="activity.export", payload={"path": "/written.csv"})),
        c2s(2, request(2, "jobs.create", type="activity.export", payload={"path": None})),
        c2s(3, request(3, "claude.spawn", prompt=parts)),
    )
    sent = b"".join(sent_lines(path, CONTRACT))
    assert [name in sent for name in (b"/written.csv", b"null", b"/read.txt")] == [False, True, True]


@pytest.mark.parametrize("path", ["C:\\Users\\a\\week.csv", "\\\\server\\share\\week.csv", "/home/a/week.csv"])
def test_a_file_keeps_its_name_whichever_system_it_was_recorded_on(path: str, tmp_path: Path) -> None:
    files = WrittenFiles(tmp_path)
    asked = request(1, "jobs.create", type="activity.export", payload={"path": path, "query": path})
    sent = files.moved(asked, CONTRACT.request("jobs.create"))
    assert sent["params"]["payload"] == {"path": str(tmp_path / "1" / "week.csv"), "query": path}
    assert files.named({"text": f"Wrote {sent['params']['payload']['path']}"}) == {"text": f"Wrote {path}"}


@pytest.mark.parametrize("path", ["week.csv", "", "a\0b", "../week.csv"])
def test_a_path_that_the_sidecar_refuses_is_sent_as_it_is(path: str, tmp_path: Path) -> None:
    assert WrittenFiles(tmp_path).place(path) == path
