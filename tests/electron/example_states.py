"""Fills a database with content that is hard to show, for the example app.

`python -m tests.electron.example_states FOLDER all` creates the database in a folder, before a sidecar is started on
it; in place of `all`, `few` leaves out rows that are like others, and `empty` leaves only a calendar without events.
All times belong to one fixed day, NOW, so that the screenshots of the states are always of the same moment.
"""

import json
import sqlite3
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, NamedTuple

from sidecar.paths import schema_dir
from sidecar.storage.migrations import open_database

NOW: Final = datetime(2026, 11, 25, 10, 12, tzinfo=UTC)
DAY: Final = NOW.replace(hour=0, minute=0)
EVENTS: Final = 300
"""More than one page of events."""
ROWS: Final = 10_000
"""Events in the feed, jobs and conversations are read in pages; this many rows must not slow the app."""
SCHEDULES: Final = 30
LONG_WORD: Final = "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaftsversammlung"
TITLES: Final = {
    1: "주간 동기화 회의: 야간 노선의 마지막 정류장 누락 문제",
    2: "夜行路線の最終停留所が取り込まれない問題の確認",
    3: "مراجعة خط سير القطارات الليلية قبل موعد الإطلاق",
    4: LONG_WORD,
    5: "Cut-over rehearsal with everybody who has ever touched the importer, its tests, its documents or its tables",
}
OLD: Final = "".join(f"    stop_{number} = read_stop(feed, {number})\n" for number in range(200))
NEW: Final = OLD.replace("read_stop(feed, 7)", "read_stop(feed, 7, past_midnight=True)").replace(
    "    stop_120 = read_stop(feed, 120)\n", "    stop_120 = read_stop(feed, 120)\n    check(stop_120)\n"
)
RULES: Final = [f"Bash(npm run build --workspace packages/application-{number} --if-present:*)" for number in range(12)]
ANSWER: Final = """# What I found

The importer reads times past midnight as `25:10`.

## By line

| Line | Stops in the feed | Stops imported | What happens at midnight | Proposed |
|---|---:|---:|:---|---|
| N1 Hauptbahnhof–Flughafen | 31 | 30 | the last stop is cut off | read the service day |
| N2 | 28 | 27 | the last stop is cut off | read the service day |

### The change

```python
def last_service_minute(day_end: int) -> int:
    \"\"\"The end of the service day, in minutes.\"\"\"
    return max(24 * 60, day_end)  # a line that is long enough not to fit into the panel, so that it has to be scrolled
```

1. First the importer.
2. Then the times that are stored.

> The feed's specification allows times of more than 24 hours.
"""
ARABIC: Final = "افحص المستورد من فضلك: لماذا تُفقد المحطة الأخيرة؟"
KOREAN: Final = "야간 노선의 마지막 정류장이 왜 빠지는지 확인해 주세요."


def stamp(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Filler:
    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def add(self, table: str, **columns: Any) -> None:
        names, marks = ", ".join(columns), ", ".join("?" * len(columns))
        self._connection.execute(f"INSERT INTO {table} ({names}) VALUES ({marks})", tuple(columns.values()))

    def calendar(self, events: range) -> None:
        times = {"created_at": stamp(DAY), "updated_at": stamp(DAY)}
        self.add("calendar_accounts", account_id="ics", provider="ics", email="Team", last_sync_at=stamp(NOW), **times)
        self.add(
            "calendar_calendars", account_id="ics", calendar_id="team", name="Team", background_color="#8ec7a9", **times
        )
        for number in events:
            start = DAY + timedelta(minutes=number * 4 + 120)
            end = start + timedelta(minutes=25)
            self.add(
                "calendar_events",
                account_id="ics",
                calendar_id="team",
                event_id=f"event-{number:03}",
                title=TITLES.get(number - 122, f"Slot {number + 1}"),
                start_time=stamp(start),
                end_time=stamp(end),
                start_ts=int(start.timestamp()),
                end_ts=int(end.timestamp()),
                location="Room 4.12" if number % 7 == 0 else None,
                conference_url="https://meet.example/tram" if number % 5 == 0 else None,
                status="confirmed",
                response_status="declined" if number % 11 == 0 else None,
                **times,
            )

    def feed(self, rows: int) -> None:
        for number in range(rows):
            moment = NOW - timedelta(minutes=20 * number + 5)
            title = TITLES.get(number, f"TRAM-{ROWS - number} Timetable import")
            at_ms = round(moment.timestamp() * 1000)
            self.add(
                "activity_events",
                event_id=f"jira:tram:{number}",
                source=("jira", "confluence", "claude", "google_calendar")[number % 4],
                account_id="tram",
                event_type=("issue_updated", "page_edited", "turn_completed", "event_scheduled")[number % 4],
                title=title,
                actor="Priya",
                by_me=0,
                event_time=stamp(moment),
                event_ts=int(moment.timestamp()),
                feed_key=at_ms * 1024,
                created_at=stamp(moment),
                updated_at=stamp(moment),
            )

    def jobs(self) -> None:
        for number, (job_type, status, error) in enumerate(JOBS):
            moment = stamp(NOW - timedelta(minutes=7 * number + 3))
            self.add(
                "jobs",
                job_id=f"job-{number}",
                type=job_type,
                status=status,
                created_at=moment,
                updated_at=moment,
                started_at=moment,
                finished_at=moment,
                attempt=1,
                payload_json="{}",
                error_json=None if error is None else json.dumps(error),
            )

    def session(self, number: int, title: str, messages: Iterator[tuple[str, str, Any]] | None = None) -> None:
        moment = stamp(NOW - timedelta(minutes=number))
        self.add(
            "claude_sessions",
            session_id=f"session-{number}",
            title=title,
            cwd="/home/mara/timetable",
            model="claude-sonnet",
            created_at=moment,
            updated_at=moment,
            last_message_at=moment,
            input_tokens=48_211,
            total_cost_usd=0.42,
            update_number=1_000 - number,
        )
        for seq, (kind, text, raw) in enumerate(messages or [], start=1):
            self.add(
                "claude_messages",
                session_id=f"session-{number}",
                seq=seq,
                job_id=raw.get("job_id"),
                kind=kind,
                text=text,
                raw_json=json.dumps(raw) if "message" in raw else None,
                created_at=moment,
            )

    def schedule(self, number: int, title: str, rule: str, runs: Iterator[dict[str, Any]] | None = None) -> None:
        self.add(
            "job_schedules",
            schedule_id=f"schedule-{number:02}",
            title=title,
            type="claude.run",
            payload_json=json.dumps({"prompt": "Write my stand-up.", "hub": "read"}),
            offset_ms=0,
            rrule=rule,
            start=stamp(DAY - timedelta(days=90)),
            time_zone="UTC",
            enabled=number % 7 != 6,
            next_run_at=stamp(DAY + timedelta(days=1, hours=9, minutes=number)),
        )
        for order, run in enumerate(runs or []):
            ids = {"run_id": f"run-{number}-{order}", "schedule_id": f"schedule-{number:02}"}
            self.add("job_schedule_runs", title=title, **ids, **run)

    def request(self, number: int, session: int, kind: str, **columns: Any) -> None:
        self.add(
            "claude_permissions",
            request_id=f"request-{number}",
            session_id=f"session-{session}",
            job_id=f"job-of-{number}",
            kind=kind,
            turn_ended=1,
            created_at=stamp(NOW - timedelta(minutes=1)),
            **columns,
        )


SIGNED_OUT: Final = {
    "kind": "auth",
    "message": "Claude Code is not signed in, or its credentials were refused.",
    "hint": "Run `claude` in a terminal and use /login, or set ANTHROPIC_API_KEY.",
    "retryable": False,
    "details": None,
}
LIMIT: Final = {
    "kind": "usage_limit",
    "message": "The Claude account has reached its usage limit.",
    "hint": "Wait until it resets, or check the plan and its credits.",
    "retryable": True,
    "details": {"resets_at": "2026-11-25T13:00:00.000Z"},
}
JOBS: Final[tuple[tuple[str, str, dict[str, Any] | None], ...]] = (
    ("calendar.sync", "succeeded", None),
    ("claude.turn", "failed", LIMIT),
    ("claude.turn", "failed", SIGNED_OUT),
    ("jira.sync", "cancelled", None),
    ("maintenance.backup", "succeeded", None),
)


STANDUP: Final = """**Yesterday**

- TRAM-431: the import keeps the last stop of night lines
- مراجعة خط سير القطارات الليلية

**Today**: the cut-over rehearsal at 11:15"""
OUTCOMES: Final[dict[int, tuple[str, str | None]]] = {
    1: ("empty", None),
    5: ("missed", "closed"),
    6: ("missed", "asleep"),
    8: ("failed", "limit"),
    13: ("skipped", "overlap"),
    14: ("skipped", "needs_user"),
    19: ("cancelled", None),
    20: ("interrupted", None),
}
"""Ends of the stand-ups that did not succeed, by the number of days since."""


def standups() -> Iterator[dict[str, Any]]:
    """Yields the runs of a schedule for each weekday of the last 30 days."""
    for days_ago in reversed(range(30)):
        due = DAY - timedelta(days=days_ago) + timedelta(hours=9)
        if due.weekday() >= 5:
            continue
        status, reason = OUTCOMES.get(days_ago, ("succeeded", None))
        columns: dict[str, Any] = {"scheduled_for": stamp(due), "status": status, "reason": reason}
        if status == "missed":
            yield columns | {
                "away_from": stamp(due - timedelta(minutes=50)),
                "away_to": stamp(due + timedelta(hours=1)),
            }
        elif status == "skipped":
            yield columns
        else:
            error = json.dumps(LIMIT) if status == "failed" else None
            text = STANDUP if status == "succeeded" else None
            ended = {
                "started_at": stamp(due),
                "ended_at": stamp(due + timedelta(minutes=2)),
                "job_id": f"due-{days_ago}",
            }
            yield columns | ended | {"text": text, "error_json": error}


def tool(name: str, tool_input: dict[str, Any], call: str) -> tuple[str, str, Any]:
    content = [{"type": "tool_use", "id": call, "name": name, "input": tool_input}]
    return "tool_use", name, {"message": {"content": content}}


def result(text: str, call: str, *, is_error: bool = False) -> tuple[str, str, Any]:
    content = [{"type": "tool_result", "tool_use_id": call, "is_error": is_error, "content": text}]
    return "tool_result", text, {"message": {"content": content}}


def answers() -> Iterator[tuple[str, str, Any]]:
    yield "user", "Why does the import skip the last stop of night lines?", {}
    yield tool("Bash", {"command": "grep -rn last_service_minute ."}, "call-1")
    yield result("importer.py:4:def last_service_minute(day_end: int) -> int:", "call-1")
    yield tool("Bash", {"command": "rm importer.py"}, "call-2")
    yield result("The user denied this.", "call-2", is_error=True)
    yield tool("Read", {"file_path": "/home/mara/timetable/missing.py"}, "call-3")
    yield result("File does not exist.", "call-3", is_error=True)
    yield "assistant_text", ANSWER, {}


def languages() -> Iterator[tuple[str, str, Any]]:
    yield "user", KOREAN, {}
    yield tool("mcp__hub__activity_search", {"query": "야간 노선"}, "call-4")
    yield result('{"hits":[{"event_id":"jira:tram:0","title":"주간 동기화 회의"}]}', "call-4")
    yield "assistant_text", "네, 확인했습니다. `stops_of`가 24:00 이후의 행을 버립니다.\n\n- 첫째\n- 둘째", {}
    yield "user", "夜行路線の最終停留所を確認してください。", {}
    yield "assistant_text", "確認しました。**24:00** 以降の行が捨てられています。", {}
    yield "user", ARABIC, {}
    yield (
        "assistant_text",
        "وجدت الخطأ في `stops_of`: تُحذف كل محطة بعد منتصف الليل.\n\n1. نهاية يوم الخدمة\n2. الأوقات المخزنة",
        {},
    )


def troubles() -> Iterator[tuple[str, str, Any]]:
    yield "user", "Go on, please.", {"job_id": "job-2"}
    yield "error", str(SIGNED_OUT["message"]), {"job_id": "job-2"}
    yield "user", "And now?", {"job_id": "job-1"}
    yield "error", str(LIMIT["message"]), {"job_id": "job-1"}


def long() -> Iterator[tuple[str, str, Any]]:
    for number in range(1_000):
        yield "user", f"Question {number + 1}?", {}
        yield "assistant_text", f"Answer **{number + 1}**, with `code` in it.", {}


class Amounts(NamedTuple):
    """How many rows there are of what is many."""

    events: range
    feed: int = 0
    schedules: int = 0
    sessions: int = 0


AMOUNTS: Final = {
    "all": Amounts(range(EVENTS), feed=ROWS, schedules=SCHEDULES, sessions=40),
    "few": Amounts(range(100, 140), feed=100, schedules=3, sessions=10),
    "empty": Amounts(range(0)),
}


def main(folder: Path, amounts: Amounts) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    connection = open_database(folder / "sidecar.db", schema_dir(), 0)
    fill = Filler(connection)
    fill.calendar(amounts.events)
    if amounts.feed:
        fill_all(fill, amounts)
    connection.commit()
    connection.close()


def fill_all(fill: Filler, amounts: Amounts) -> None:
    fill.feed(amounts.feed)
    fill.jobs()
    fill.session(1, "Why does the import skip the last stop of night lines?", answers())
    fill.session(2, TITLES[3], languages())
    fill.session(3, "Trouble", troubles())
    fill.session(4, TITLES[5])
    fill.session(5, "A question")
    fill.session(6, "A long conversation", long())
    fill.schedule(0, "My stand-up", "FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR;BYHOUR=9;BYMINUTE=0", standups())
    for number in range(1, amounts.schedules):
        title = TITLES.get(number, f"Digest {number} of the timetable team")
        fill.schedule(number, title, f"FREQ=DAILY;BYHOUR=9;BYMINUTE={number}")
    for number in range(7, amounts.sessions):
        fill.session(number, f"{TITLES.get(number % 6, 'Conversation')} {number}")
    file = "/home/mara/timetable/packages/importer/src/timetable/importer.py"
    edit = {"file_path": file, "old_string": OLD, "new_string": NEW}
    columns = {"description": file, "rules_json": json.dumps(RULES), "input_json": json.dumps(edit)}
    fill.request(1, 4, "tool", tool_name="Edit", tool_use_id="call-9", **columns)
    options = [
        {"label": "Trams", "description": "Small, and read every night"},
        {"label": "Buses", "description": "Large, with most of the night lines"},
    ]
    question = {"question": "Which feed first?", "header": "Feed", "multiSelect": False, "options": options}
    fill.request(
        2,
        5,
        "question",
        tool_name="AskUserQuestion",
        tool_use_id="call-10",
        input_json=json.dumps({"questions": [question]}),
    )
    fill.add(
        "claude_permissions",
        request_id="request-3",
        session_id="session-1",
        job_id="job-of-3",
        kind="tool",
        tool_name="Bash",
        tool_use_id="call-2",
        status="denied",
        created_at=stamp(NOW),
        resolved_at=stamp(NOW),
        input_json="{}",
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]), AMOUNTS[sys.argv[2]])
