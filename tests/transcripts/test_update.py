"""Updates change as little as possible, keep the marks that a person has set, and produce a valid transcript."""

import random
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sidecar.transcripts.verify.check import VerifyOptions, check, update
from sidecar.transcripts.verify.update import EndedEarly
from tests.transcripts.recording import BACKUP, CONNECT, CORPUS, copy_with, lines_of, sent_by_sidecar, write_lines

GOOGLE = CORPUS / "a_user_connects_google_and_sees_the_week.jsonl"
PLANNED = CORPUS / "a_job_is_scheduled_cancelled_and_retried.jsonl"

Line = dict[str, Any]


def is_durable(line: Line) -> bool:
    """Returns whether it is a notification with a `seq`."""
    return "seq" in line.get("msg", {}).get("params", {}) if isinstance(line.get("msg"), dict) else False


def is_named(line: Line, method: str) -> bool:
    """Returns whether it is a durable notification of this method."""
    return is_durable(line) and line["msg"]["method"] == method


def named(line: Line) -> tuple[str, int]:
    """Returns the method and the `seq`."""
    return line["msg"]["method"], line["msg"]["params"]["seq"]


def is_from_client(line: Line) -> bool:
    """Returns whether it is a line from the client."""
    return line.get("dir") == "c2s"


def segments(lines: list[Line]) -> Iterator[list[Line]]:
    """Yields the durable notifications between two lines from the client."""
    found: list[Line] = []
    for line in lines:
        if is_from_client(line):
            yield found
            found = []
        elif is_durable(line):
            found.append(line)
    yield found


def shuffled_into_groups(lines: list[Line], chance: random.Random) -> list[list[Line]]:
    """Shuffles the notifications of each segment and marks them as a group, as another run might have recorded them."""
    groups = [segment for segment in segments(lines) if len(segment) > 1]
    for name, group in enumerate(groups):
        messages = [line["msg"] for line in group]
        seqs = [message["params"]["seq"] for message in messages]
        chance.shuffle(messages)
        for line, message, seq in zip(group, messages, seqs, strict=True):
            message["params"]["seq"] = seq
            line.update(group=name, msg=message)
    return groups


def stable_lines(lines: list[Line]) -> list[Line]:
    """Returns the lines that an update without changes must keep: all but the header and transient notifications."""
    return [line for line in lines if is_durable(line) or is_from_client(line) or "id" in line.get("msg", {})]


@pytest.fixture(params=[GOOGLE, PLANNED, BACKUP], ids=lambda path: path.stem[:30])
def source(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Returns a copy of a transcript and its upstream recording."""
    path: Path = request.param
    for one in (path, path.with_suffix(".upstream")):
        if one.exists():
            (tmp_path / one.name).write_bytes(one.read_bytes())
    return tmp_path / path.name


@pytest.mark.parametrize("seed", [1, 2])
def test_an_update_keeps_groups_whatever_the_order_of_arrival(source: Path, seed: int) -> None:
    lines = lines_of(source)
    assert shuffled_into_groups(lines, random.Random(seed))
    write_lines(source, lines)
    update(source, VerifyOptions())
    assert stable_lines(lines_of(source)) == stable_lines(lines)
    assert check(source, VerifyOptions()) == []


def test_an_update_adds_new_and_removes_missing_notifications_of_a_group(source: Path) -> None:
    chance = random.Random(3)
    lines = lines_of(source)
    group = max(shuffled_into_groups(lines, chance), key=len)
    lines.remove(group.pop(chance.randrange(1, len(group) - 1)))  # the sidecar will send it, so it is new
    like = chance.choice([line for line in group if line["msg"]["method"] != "accounts.updated"])
    removed = {**like, "msg": {**like["msg"], "method": "accounts.updated"}}
    lines.insert(lines.index(like), removed)
    write_lines(source, lines)
    update(source, VerifyOptions())
    assert check(source, VerifyOptions()) == []
    now = lines_of(source)
    assert removed["msg"]["params"] not in [line["msg"]["params"] for line in now if is_named(line, "accounts.updated")]
    marked = [line for line in now if line.get("group") == group[0]["group"]]
    assert len(marked) in (len(group), len(group) + 1)  # with the new one, unless it arrived first or last


def test_a_new_notification_between_entries_of_a_group_joins_it(tmp_path: Path) -> None:
    lines = lines_of(BACKUP)
    group = max(segments(lines), key=len)
    for line in group:
        line.update(group="any", msg=line.pop("msg"))
    lines.remove(group[2])
    path = write_lines(tmp_path / "between.jsonl", lines)
    update(path, VerifyOptions())
    marked = [line for line in lines_of(path) if line.get("group") == "any"]
    assert list(map(named, marked)) == list(map(named, group))
    assert check(path, VerifyOptions()) == []


def test_an_update_changes_only_the_lines_that_differ(tmp_path: Path) -> None:
    path = copy_with(BACKUP, tmp_path / "changed.jsonl", '"Queued"', '"Put into the queue"')
    update(path, VerifyOptions())
    header, *lines = path.read_text("utf-8").splitlines()
    _, *old_lines = BACKUP.read_text("utf-8").splitlines()
    assert [line for line in lines if "draining" not in line] == [line for line in old_lines if "draining" not in line]
    assert '"started_at"' in header
    assert check(path, VerifyOptions()) == []


def test_an_update_adds_new_notifications_with_the_recorded_ids(tmp_path: Path) -> None:
    text = [line for line in BACKUP.read_text("utf-8").splitlines(keepends=True) if '"seq":4,' not in line]
    path = tmp_path / "shorter.jsonl"
    path.write_text("".join(text), "utf-8")
    job_id = sent_by_sidecar(BACKUP)[2]["result"]["job"]["job_id"]
    update(path, VerifyOptions())
    assert check(path, VerifyOptions()) == []
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
    assert check(path, VerifyOptions()) == []


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
    with pytest.raises(EndedEarly, match=r"before line 2 could be sent; stderr: .*RUN_ENV"):
        update(path, VerifyOptions(env={"RUN_ENV": "nonsense"}))
    assert path.read_bytes() == BACKUP.read_bytes()
