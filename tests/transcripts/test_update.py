"""Updates change as little as possible, keep the marks that a person has set, and produce a valid transcript."""

import shutil
import stat
from pathlib import Path
from typing import Any

import pytest

from sidecar.transcripts.verify.check import VerifyOptions, check, update
from sidecar.transcripts.verify.update import EndedEarly
from tests.transcripts.recording import BACKUP, CONNECT, copy_with, lines_of, sent_by_sidecar, write_lines

Line = dict[str, Any]


def is_durable(line: Line) -> bool:
    """Returns whether it is a notification with a `seq`."""
    return "seq" in line.get("msg", {}).get("params", {}) if isinstance(line.get("msg"), dict) else False


def test_an_update_changes_only_the_lines_that_differ(tmp_path: Path) -> None:
    path = copy_with(BACKUP, tmp_path / "changed.jsonl", '"Started"', '"Put into the queue"')
    update(path, VerifyOptions())
    header, *lines = path.read_text("utf-8").splitlines()
    _, *old_lines = BACKUP.read_text("utf-8").splitlines()
    assert [line for line in lines if "draining" not in line] == [line for line in old_lines if "draining" not in line]
    assert '"started_at"' in header
    assert check(path, VerifyOptions()).mismatches == []


def test_an_update_adds_new_notifications_with_the_recorded_ids(tmp_path: Path) -> None:
    text = [line for line in BACKUP.read_text("utf-8").splitlines(keepends=True) if '"seq":4,' not in line]
    path = tmp_path / "shorter.jsonl"
    path.write_text("".join(text), "utf-8")
    job_id = sent_by_sidecar(BACKUP)[2]["result"]["job"]["job_id"]
    update(path, VerifyOptions())
    assert check(path, VerifyOptions()).mismatches == []
    new = next(line["msg"] for line in lines_of(path) if line.get("msg", {}).get("params", {}).get("seq") == 4)
    assert new["params"]["line"]["job_id"] == job_id


def test_an_update_renumbers_after_an_added_notification(tmp_path: Path) -> None:
    lines = lines_of(BACKUP)
    lines.remove(next(line for line in lines if is_durable(line) and line["msg"]["params"]["seq"] == 2))
    for line in lines:
        if is_durable(line):  # as if recorded before this notification existed
            line["msg"]["params"]["seq"] -= line["msg"]["params"]["seq"] > 2
    path = write_lines(tmp_path / "fewer.jsonl", lines)
    update(path, VerifyOptions())
    seqs = [line["msg"]["params"]["seq"] for line in lines_of(path) if is_durable(line)]
    assert seqs == [line["msg"]["params"]["seq"] for line in lines_of(BACKUP) if is_durable(line)]
    assert check(path, VerifyOptions()).mismatches == []


def test_an_update_keeps_the_order_of_the_events_in_a_list(tmp_path: Path) -> None:
    recorded = BACKUP.with_name("a_user_connects_jira_and_the_feed_shows_it.jsonl")
    path = tmp_path / recorded.name
    shutil.copy(recorded.with_suffix(".upstream"), tmp_path)
    text = recorded.read_text("utf-8").splitlines(keepends=True)
    text.remove(next(line for line in text if '"jobs.log_added"' in line))
    path.write_text("".join(text), "utf-8")
    update(path, VerifyOptions())
    assert check(path, VerifyOptions()).mismatches == []

    def lists_of_events(path: Path) -> list[Any]:
        messages = [line["msg"] for line in lines_of(path) if "msg" in line]
        return [
            found for one in messages for part in ("params", "result") if (found := one.get(part, {}).get("events"))
        ]

    assert lists_of_events(path) == lists_of_events(recorded)


def test_a_read_only_file_is_not_updated(tmp_path: Path) -> None:
    path = copy_with(CONNECT, tmp_path / "kept.jsonl", '"ready"', '"steady"')
    before = path.read_bytes()
    path.chmod(0o400)
    with pytest.raises(PermissionError, match="read-only"):
        update(path, VerifyOptions())
    assert path.read_bytes() == before


def test_an_update_keeps_permissions_and_symbolic_links(tmp_path: Path) -> None:
    path = copy_with(CONNECT, tmp_path / "mine.jsonl", '"ready"', '"steady"')
    path.chmod(0o600)
    (tmp_path / "link.jsonl").symlink_to(path)
    update(tmp_path / "link.jsonl", VerifyOptions())
    assert "steady" not in path.read_text("utf-8")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert sorted(one.name for one in tmp_path.iterdir()) == ["link.jsonl", "mine.jsonl"]


def test_a_sidecar_that_dies_during_an_update_leaves_the_file_unchanged(tmp_path: Path) -> None:
    path = tmp_path / "whole.jsonl"
    path.write_bytes(BACKUP.read_bytes())
    with pytest.raises(EndedEarly, match=r"line 3: the sidecar ended before .* stderr: .*RUN_ENV"):
        update(path, VerifyOptions(env={"RUN_ENV": "nonsense"}))
    assert path.read_bytes() == BACKUP.read_bytes()
