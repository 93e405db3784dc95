"""Columns and tables: what is chosen at which width, and what a cell looks like."""

from datetime import UTC, datetime
from typing import Any

from rich.filesize import decimal as size
from sidecar_protocol.entities import Job
from sidecar_protocol.jobs import JobPage
from sidecar_protocol.system.status import Health

from sidecar.commandline.formatting import ago, duration, one_line
from sidecar.commandline.views.columns import columns_of, dollars, length, short_id
from sidecar.commandline.views.local_times import LocalTimes
from sidecar.commandline.views.results import list_member
from sidecar.commandline.views.tables import print_table
from tests.commandline.views.snapshots import UNPRINTABLE, console

NOW = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
TIMES = LocalTimes(lambda: NOW, UTC)
JOB: dict[str, Any] = {
    "job_id": "01a20926-036a-71d9-a20c-3f6432ebc70e",
    "type": "claude.run",
    "status": "failed",
    "created_at": "2026-11-23T07:57:00.000Z",
    "updated_at": "2026-11-23T07:58:00.000Z",
    "message": "A long message\x1b[31m that needs more room than there is\non this line",
    "payload": {"prompt": "hi"},
    "run_at": None,
}


def table(width: int, *rows: dict[str, Any]) -> list[str]:
    out, text = console(width)
    print_table(out, columns_of(Job, rows or [JOB], TIMES))
    return text.getvalue().splitlines()


def test_a_result_with_one_list_of_entities_is_a_table() -> None:
    assert list_member({"jobs": [], "next_cursor": None}, JobPage) == "jobs"
    assert list_member({"jobs": [JOB], "next_cursor": "a"}, JobPage) == "jobs"
    assert list_member({"status": "ok", "checks": []}, Health) == "checks"
    assert list_member(JOB, Job) is None
    assert list_member({"status": "ok", "checks": [{"name": "database"}]}) == "checks"
    assert list_member({"health": {}, "warnings": [{"name": "database"}]}) is None
    assert list_member({"names": ["a"]}) is None


def test_a_table_has_the_most_informative_columns_that_fit_times_first_and_ids_last() -> None:
    assert table(50) == [
        "created           type        status  job id",
        "today      07:57  claude.run  failed  …32ebc70e",
    ]
    assert table(80) == [
        "created           type        status  message                          job id",
        "today      07:57  claude.run  failed  A long message[31m that needs …  …32ebc70e",
    ]
    assert table(160)[1].endswith("there is on this line  01a20926-036a-71d9-a20c-3f6432ebc70e")
    assert table(10) == ["created", "today    …"]


def test_seconds_are_printed_where_minutes_do_not_tell_two_rows_apart() -> None:
    other = {**JOB, "created_at": "2026-11-23T07:57:30.000Z"}
    assert [line[:19] for line in table(80, JOB, other)[1:]] == ["today      07:57:00", "today      07:57:30"]


def test_rows_of_an_unknown_kind_show_all_their_members() -> None:
    out, text = console(60)
    print_table(out, columns_of(None, [{"name": "x", "made_at": "2026-11-22T07:57:00Z", "parts": [1, 2]}], TIMES))
    assert text.getvalue().splitlines() == ["made              name  parts", "yesterday  07:57  x     1, 2"]


def test_no_text_of_others_breaks_a_row_or_reaches_the_terminal() -> None:
    hostile = "a\n\x1b[2Jb\tc\r\u202e"
    row = dict.fromkeys(("made_at", "start_time", "a\nb", "x_id", "text"), hostile)
    out, text = console(120)
    print_table(out, columns_of(None, [row, {**row, "text": {hostile: [hostile]}}], TIMES))
    lines = text.getvalue().splitlines()
    assert len(lines) == 3
    assert UNPRINTABLE.findall("".join(lines)) == []
    assert lines[0].split() == ["made", "start", "a", "b", "text", "x", "id"]


def test_values_are_formatted_for_people() -> None:
    assert one_line({"a": None, "b": [1, "x\ny"], "c": {"d": True}}) == "{b: [1, x y], c: {d: true}}"
    assert [duration(s) for s in (0.0019, 0.2, 3.414, 125)] == ["1.9 ms", "200 ms", "3.41 s", "2 min 5 s"]
    assert [size(n) for n in (12, 167_936, 2_500_000)] == ["12 bytes", "167.9 kB", "2.5 MB"]
    times = ("2026-11-23T08:00:00.000Z", "2026-11-22T07:00:00.000Z", "2026-11-23T10:30:00Z", "2026-01-02T00:00:00Z")
    assert [ago(at, NOW) for at in times] == ["now", "1 day ago", "in 2 h", "2026-01-02"]
    lengths = [length(s) for s in (0, 0.03, 45, 900, 5_400, 86_400, 90_061, 604_800)]
    assert lengths == ["0 s", "0.03 s", "45 s", "15 min", "1 h 30 min", "1 day", "1 day 1 h", "7 days"]
    assert [dollars(one) for one in (0, 0.0042, 0.5, 1234.5)] == ["$0.00", "$0.0042", "$0.50", "$1,234.50"]
    assert [short_id(one) for one in (JOB["job_id"], "maintenance.backup", None)] == [
        "…32ebc70e",
        "maintenance.backup",
        "",
    ]
