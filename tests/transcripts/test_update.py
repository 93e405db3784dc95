"""An update: it changes no more than it must, keeps what a person has marked, and what it writes holds."""

import random
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sidecar.transcripts.verify.check import Terms, check, record_anew
from sidecar.transcripts.verify.update import CutShort
from tests.transcripts.recording import BACKUP, CORPUS, HELLO, changed, lines_of, said_by, write_lines

GOOGLE = CORPUS / "a_user_connects_google_and_sees_the_week.jsonl"
PLANNED = CORPUS / "a_job_is_scheduled_cancelled_and_retried.jsonl"

Line = dict[str, Any]


def is_durable(line: Line) -> bool:
    """Whether it is a notification that has its number."""
    return "seq" in line.get("msg", {}).get("params", {}) if isinstance(line.get("msg"), dict) else False


def is_named(line: Line, method: str) -> bool:
    """Whether it is this notification."""
    return is_durable(line) and line["msg"]["method"] == method


def named(line: Line) -> tuple[str, int]:
    """Which notification it is, and its number."""
    return line["msg"]["method"], line["msg"]["params"]["seq"]


def is_said(line: Line) -> bool:
    """Whether the client said it."""
    return line.get("dir") == "c2s"


def stretches(lines: list[Line]) -> Iterator[list[Line]]:
    """The numbered notifications between two lines of the client's."""
    found: list[Line] = []
    for line in lines:
        if is_said(line):
            yield found
            found = []
        elif is_durable(line):
            found.append(line)
    yield found


def scrambled(lines: list[Line], chance: random.Random) -> list[list[Line]]:
    """All that was told in a stretch in another order, as one group each: as another run might have been recorded."""
    groups = [stretch for stretch in stretches(lines) if len(stretch) > 1]
    for name, group in enumerate(groups):
        messages = [line["msg"] for line in group]
        seqs = [message["params"]["seq"] for message in messages]
        chance.shuffle(messages)
        for line, message, seq in zip(group, messages, seqs, strict=True):
            message["params"]["seq"] = seq
            line.update(group=name, msg=message)
    return groups


def numbered(lines: list[Line]) -> list[Line]:
    """What an update must not touch where nothing has changed: all but the header and what may be dropped."""
    return [line for line in lines if is_durable(line) or is_said(line) or "id" in line.get("msg", {})]


@pytest.fixture(params=[GOOGLE, PLANNED, BACKUP], ids=lambda path: path.stem[:30])
def source(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A copy of a transcript, with its clouds."""
    path: Path = request.param
    for one in (path, path.with_suffix(".upstream")):
        if one.exists():
            (tmp_path / one.name).write_bytes(one.read_bytes())
    return tmp_path / path.name


@pytest.mark.parametrize("seed", [1, 2])
def test_an_update_leaves_groups_as_they_are_in_whichever_order_they_come(source: Path, seed: int) -> None:
    lines = lines_of(source)
    assert scrambled(lines, random.Random(seed))
    write_lines(source, lines)
    record_anew(source, Terms())
    assert numbered(lines_of(source)) == numbered(lines)
    assert check(source, Terms()) == []


def test_an_update_of_groups_takes_in_what_is_new_and_leaves_out_what_is_gone(source: Path) -> None:
    chance = random.Random(3)
    lines = lines_of(source)
    group = max(scrambled(lines, chance), key=len)
    lines.remove(group.pop(chance.randrange(1, len(group) - 1)))  # the sidecar will say it: it is new
    like = chance.choice([line for line in group if line["msg"]["method"] != "accounts.updated"])
    gone = {**like, "msg": {**like["msg"], "method": "accounts.updated"}}
    lines.insert(lines.index(like), gone)
    write_lines(source, lines)
    record_anew(source, Terms())
    assert check(source, Terms()) == []
    now = lines_of(source)
    assert gone["msg"]["params"] not in [line["msg"]["params"] for line in now if is_named(line, "accounts.updated")]
    marked = [line for line in now if line.get("group") == group[0]["group"]]
    assert len(marked) in (len(group), len(group) + 1)  # with what is new, unless it came first or last of all


def test_what_is_new_in_the_midst_of_a_group_belongs_to_it(tmp_path: Path) -> None:
    lines = lines_of(BACKUP)
    group = max(stretches(lines), key=len)
    for line in group:
        line.update(group="any", msg=line.pop("msg"))
    lines.remove(group[2])
    path = write_lines(tmp_path / "midst.jsonl", lines)
    record_anew(path, Terms())
    marked = [line for line in lines_of(path) if line.get("group") == "any"]
    assert list(map(named, marked)) == list(map(named, group))
    assert check(path, Terms()) == []


def test_an_update_changes_the_lines_that_differ_and_no_other(tmp_path: Path) -> None:
    path = changed(BACKUP, tmp_path / "changed.jsonl", '"Queued"', '"Put into the queue"')
    record_anew(path, Terms())
    header, *lines = path.read_text("utf-8").splitlines()
    _, *old_lines = BACKUP.read_text("utf-8").splitlines()
    assert [line for line in lines if "draining" not in line] == [line for line in old_lines if "draining" not in line]
    assert '"started_at"' in header
    assert check(path, Terms()) == []


def test_an_update_takes_in_what_is_new_under_the_recorded_ids(tmp_path: Path) -> None:
    text = [line for line in BACKUP.read_text("utf-8").splitlines(keepends=True) if '"seq":4,' not in line]
    path = tmp_path / "shorter.jsonl"
    path.write_text("".join(text), "utf-8")
    job_id = said_by(BACKUP)[2]["result"]["job"]["job_id"]
    record_anew(path, Terms())
    assert check(path, Terms()) == []
    new = next(line["msg"] for line in lines_of(path) if line.get("msg", {}).get("params", {}).get("seq") == 4)
    assert new["params"]["line"]["job_id"] == job_id


def test_numbers_go_on_where_one_has_come_or_gone(tmp_path: Path) -> None:
    lines = lines_of(BACKUP)
    lines.remove(next(line for line in lines if is_durable(line) and line["msg"]["params"]["seq"] == 2))
    for line in lines:
        if is_durable(line):  # as it was recorded when there was no such event yet
            line["msg"]["params"]["seq"] -= line["msg"]["params"]["seq"] > 2
    path = write_lines(tmp_path / "fewer.jsonl", lines)
    record_anew(path, Terms())
    seqs = [line["msg"]["params"]["seq"] for line in lines_of(path) if is_durable(line)]
    assert seqs == [line["msg"]["params"]["seq"] for line in lines_of(BACKUP) if is_durable(line)]
    assert check(path, Terms()) == []


def test_a_file_that_is_read_only_stays_as_it_is(tmp_path: Path) -> None:
    path = changed(HELLO, tmp_path / "kept.jsonl", '"ready"', '"steady"')
    before = path.read_bytes()
    path.chmod(0o400)
    with pytest.raises(PermissionError, match="read-only"):
        record_anew(path, Terms())
    assert path.read_bytes() == before


def test_who_could_not_read_a_transcript_cannot_after_an_update(tmp_path: Path) -> None:
    path = changed(HELLO, tmp_path / "mine.jsonl", '"ready"', '"steady"')
    path.chmod(0o600)
    (tmp_path / "link.jsonl").symlink_to(path)
    record_anew(tmp_path / "link.jsonl", Terms())
    assert "steady" not in path.read_text("utf-8")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert sorted(one.name for one in tmp_path.iterdir()) == ["link.jsonl", "mine.jsonl"]


def test_a_sidecar_that_dies_on_the_way_loses_nothing_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "whole.jsonl"
    path.write_bytes(BACKUP.read_bytes())
    with pytest.raises(CutShort, match=r"before line 2 could be said to it; it said: .*RUN_ENV"):
        record_anew(path, Terms(env={"RUN_ENV": "nonsense"}))
    assert path.read_bytes() == BACKUP.read_bytes()
