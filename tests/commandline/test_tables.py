"""Tables of entities, and formatted values."""

from datetime import UTC, datetime
from io import StringIO

from rich.console import Console
from rich.filesize import decimal as size

from sidecar.commandline.formatting import ago, duration, one_line
from sidecar.commandline.tables import list_member, print_table

NOW = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
JOB = {
    "job_id": "01a20926-036a-71d9-a20c-3f6432ebc70e",
    "type": "claude.run",
    "status": "failed",
    "created_at": "2026-11-23T07:57:00.000Z",
    "updated_at": "2026-11-23T07:58:00.000Z",
    "message": "A long message\x1b[31m that needs more room than there is\non this line",
    "payload": {"prompt": "hi"},
    "run_at": None,
}


def table(width: int) -> list[str]:
    out = StringIO()
    print_table(Console(file=out, width=width), [JOB], NOW)
    return [line.rstrip() for line in out.getvalue().splitlines()]


def test_a_result_with_one_list_of_entities_is_a_table() -> None:
    assert list_member({"jobs": [], "next_cursor": None}) == "jobs"
    assert list_member({"jobs": [JOB], "next_cursor": "a"}) == "jobs"
    assert list_member({"status": "ok", "checks": [{"name": "database"}]}) == "checks"
    assert list_member({"health": {}, "warnings": [{"name": "database"}]}) is None
    assert list_member({"tool": "Bash", "arguments": []}) is None
    assert list_member({"names": ["a"]}) is None
    assert list_member(JOB) is None


def test_a_table_has_the_most_informative_columns_that_fit() -> None:
    assert table(60) == [
        "job_id                                type        status",
        "01a20926-036a-71d9-a20c-3f6432ebc70e  claude.run  failed",
    ]
    assert table(80)[0].split() == ["job_id", "type", "status", "message"]
    assert table(100)[0].split() == ["job_id", "type", "status", "created_at", "message"]


def test_a_cell_is_one_line_without_control_codes_and_truncated_to_fit() -> None:
    (row,) = table(100)[1:]
    assert "3 min ago" in row
    assert "\x1b" not in row
    assert row.endswith("…")
    assert len(row) <= 100


def test_values_are_formatted_for_people() -> None:
    assert one_line({"a": None, "b": [1, "x\ny"], "c": {"d": True}}) == "{b: [1, x y], c: {d: true}}"
    assert [duration(s) for s in (0.0019, 0.2, 3.414, 125)] == ["1.9 ms", "200 ms", "3.41 s", "2 min 5 s"]
    assert [size(n) for n in (12, 167_936, 2_500_000)] == ["12 bytes", "167.9 kB", "2.5 MB"]
    times = ("2026-11-23T08:00:00.000Z", "2026-11-22T07:00:00.000Z", "2026-11-23T10:30:00Z", "2026-01-02T00:00:00Z")
    assert [ago(at, NOW) for at in times] == ["now", "1 day ago", "in 2 h", "2026-01-02"]
