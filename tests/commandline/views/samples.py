"""Results of methods with the content of real days: long titles, other scripts, empty and unusual fields.

They have the fields that a terminal shows; a field that the contract does not declare fails a test.
"""

from typing import Any, Final

from tests.commandline.views.gate_samples import GATE, uuid
from tests.commandline.views.report_samples import ARABIC, EMOJI, HOSTILE, KOREAN, LONG, SUMMARY, Row, heatmap


def span(names: tuple[str, str], start: str | None, end: str | None, title: str, **more: Any) -> Row:
    return {names[0]: start, names[1]: end, "title": title, **more}


def feed(start: str | None, end: str | None, title: str, **more: Any) -> Row:
    return {
        "source": "ics",
        "event_type": "event_scheduled",
        **span(("event_time", "ended_at"), start, end, title, **more),
    }


def meeting(start: str, end: str | None, title: str, **more: Any) -> Row:
    return span(("start_time", "end_time"), start, end, title, **more)


def usage(tokens: int) -> Row:
    known = {"input_tokens": tokens, "output_tokens": tokens // 3}
    return {**known, "cache_creation_input_tokens": tokens * 7, "cache_read_input_tokens": tokens * 80}


def used(cost: float, jobs: int, tokens: int, **what: str) -> Row:
    nothing = {"day": None, "session_id": None, "model": None, "job_id": None}
    return {**nothing, **what, "usage": usage(tokens), "total_cost_usd": cost, "jobs": jobs}


def session(number: int, title: str | None, status: str, at: str, cost: float) -> Row:
    return {
        "session_id": uuid(number),
        "title": title,
        "cwd": "/home/ada/projects/pipes",
        "model": "claude-opus-4-6" if cost else None,
        "effort": None,
        "allowed_tools": ["Read", "Bash(git *)"],
        "wait_for_limit": True,
        "status": status,
        "tasks": [],
        "updated_at": at,
        "usage": usage(120),
        "total_cost_usd": cost,
    }


FAILED_JOB: Final = {
    "job_id": uuid(3),
    "type": "claude.turn",
    "status": "failed",
    "created_at": "2026-11-22T21:02:00Z",
    "started_at": "2026-11-22T21:02:00Z",
    "finished_at": "2026-11-22T21:02:04.500Z",
    "priority": 0,
    "attempt": 1,
    "max_attempts": 1,
    "cancel_requested": False,
    "payload": {"session_id": uuid(7), "prompt": "Why pipes?\nAnd why not sockets?"},
    "error": {"kind": "auth", "message": "Claude Code is not signed in.", "hint": "Run `claude` and use /login."},
}
SAMPLES: Final[dict[str, list[Row]]] = {
    "activity.events.list": [
        {
            "events": [
                feed("2026-11-24T09:00:00Z", "2026-11-24T10:30:00Z", KOREAN, status="tentative"),
                feed("2026-11-22T23:00:00Z", None, "Office day", local_date="2026-11-23", container="Work"),
                feed("2026-11-23T08:00:00Z", "2026-11-23T08:15:00Z", EMOJI, container="Work"),
                feed("2026-11-22T16:40:00Z", None, LONG, source="jira", issue_key="PIPE-12", status="Done"),
                feed("2026-11-20T10:00:00Z", None, ARABIC, source="google_calendar"),
                feed(None, None, HOSTILE),
            ],
            "next_cursor": "eyJ0IjoxfQ",
        },
        {"events": [], "next_cursor": None},
    ],
    "activity.search": [
        {"hits": [feed("2026-11-24T09:00:00Z", None, KOREAN, snippet=f"…예산 and an excerpt: {LONG}")]}
    ],
    "activity.summary": [SUMMARY],
    "activity.heatmap": [heatmap(77, 7), heatmap(0, 91)],
    "calendar.providers.list": [
        {
            "providers": [
                {"id": "google", "name": "Google Calendar", "available": False, "reason": "set GOOGLE_CLIENT_ID"},
                {"id": "ics", "name": "iCalendar address or file", "available": True, "reason": None},
            ]
        }
    ],
    "calendar.accounts.list": [
        {
            "accounts": [
                {
                    "account_id": uuid(901),
                    "email": "ada@example.com",
                    "status": "needs_reauth",
                    "hint": "Sign in again.",
                    "last_sync_at": "2026-11-21T06:00:00Z",
                    "provider": "google",
                    "display_name": "김에이다",
                },
                {"account_id": uuid(900), "email": "you@example.com", "status": "active", "provider": "ics"},
            ]
        }
    ],
    "calendar.calendars.list": [
        {
            "calendars": [
                {
                    "account_id": uuid(900),
                    "calendar_id": "ada@example.com",
                    "name": "개인 일정",
                    "time_zone": "Asia/Seoul",
                    "access_role": "owner",
                    "selected": True,
                    "last_sync_at": "2026-11-23T08:00:00Z",
                },
                {
                    "account_id": uuid(900),
                    "calendar_id": "c_0123456789abcdef@group.calendar.example.com",
                    "name": "Holidays 🎉",
                    "selected": False,
                    "sync_error": "forbidden",
                },
            ]
        }
    ],
    "calendar.events.list": [
        {
            "events": [
                meeting("2026-11-23", "2026-11-24", "Office day"),
                meeting(
                    "2026-11-23T09:30:00+01:00", "2026-11-23T09:45:00+01:00", "Stand-up", response_status="accepted"
                ),
                meeting(
                    "2026-11-24T18:00:00+09:00",
                    "2026-11-24T19:30:00+09:00",
                    KOREAN,
                    location="서울특별시 강남구 테헤란로 152, 37층 대회의실",
                    response_status="needsAction",
                ),
                meeting("2026-11-26T22:00:00Z", "2026-11-27T02:00:00Z", LONG, location=ARABIC, status="tentative"),
                meeting("2026-12-24", "2026-12-27", "Holiday 🏖️"),
                meeting("2026-11-28T09:00:00Z", None, HOSTILE),
                {"start_time": None, "start_ts": 1_795_422_600, "end_ts": 1_795_424_400, "title": "An old row"},
            ],
            "next_cursor": "eyJ0IjoxfQ",
        }
    ],
    "claude.conversations.list": [
        {
            "conversations": [
                {
                    "claude_session_id": "304d338b-0000-4000-8000-00007aa95658",
                    "title": "왜 파이프인가?",
                    "cwd": "/home/ada/projects/pipes",
                    "updated_at": "2026-11-22T21:02:00Z",
                    "bytes": 182_400,
                }
            ]
        }
    ],
    "claude.messages.list": [
        {
            "messages": [
                {"kind": "user", "text": "Why pipes?\nAnd why not sockets?", "created_at": "2026-11-23T08:00:00Z"},
                {"kind": "tool_use", "text": "Bash", "created_at": "2026-11-23T08:00:07Z"},
                {"kind": "assistant_text", "text": f"파이프는 {LONG} {HOSTILE}", "created_at": "2026-11-23T08:01:10Z"},
            ]
        }
    ],
    "claude.messages.search": [
        {
            "hits": [
                {
                    "session_id": uuid(1),
                    "session_title": "왜 파이프인가?",
                    "kind": "assistant_text",
                    "created_at": "2026-11-23T08:01:10Z",
                    "snippet": f"…no port, no token: {LONG}",
                }
            ]
        }
    ],
    "claude.permissions.list": [
        {
            "requests": [
                {
                    "request_id": f"{uuid(1)}:{number}",
                    "session_id": uuid(1),
                    "tool_name": tool,
                    "input": given,
                    "status": status,
                    "created_at": "2026-11-23T08:10:00Z",
                }
                for number, (tool, given, status) in enumerate(
                    (
                        ("Bash", {"command": "rm -rf build && make"}, "open"),
                        ("Read", {"file_path": "/home/ada/메모.txt"}, "allowed"),
                    )
                )
            ]
        }
    ],
    "claude.sessions.list": [
        {
            "sessions": [
                session(1, "왜 파이프인가?", "waiting", "2026-11-23T08:10:00Z", 1.2345),
                session(2, LONG, "idle", "2026-11-20T17:30:00Z", 0.0),
                session(3, None, "limited", "2026-11-19T17:30:00Z", 0.0042),
            ]
        }
    ],
    "claude.tasks.list": [
        {
            "tasks": [
                {"task_id": "b1", "job_id": uuid(2), "kind": "command", "description": "npm 🚀", "is_background": True}
            ]
        }
    ],
    "claude.trust.list": [{"folders": [{"folder": "/home/ada/프로젝트", "trusted_at": "2026-11-02T10:00:00Z"}]}],
    "claude.usage.list": [
        {
            "entries": [
                used(4.2, 12, 31_000, day="2026-11-21"),
                used(0.004, 1, 900, day="2026-11-22"),
                used(1.9, 3, 14_000, day="2026-11-23"),
            ],
            "usage": usage(45_900),
            "total_cost_usd": 6.104,
        },
        {
            "entries": [used(61.0, 40, 1_200_000, model="claude-opus-4-6"), used(0.0, 1, 0, model="unknown")],
            "usage": usage(1_200_000),
            "total_cost_usd": 61.0,
        },
    ],
    "jira.accounts.list": [
        {
            "accounts": [
                {
                    "account_id": uuid(902),
                    "email": "ada@example.com",
                    "status": "active",
                    "last_sync_at": "2026-11-23T08:00:00Z",
                    "org": "예시 주식회사",
                    "base_url": "https://example.atlassian.net",
                }
            ]
        }
    ],
    "events.replay": [
        {
            "events": [{"method": "accounts.updated", "params": {"account_id": uuid(900), "status": "active"}}],
            "latest_seq": 3,
            "epoch": "d28b398bbe78147139ec7aed3b89038c",
            "truncated": False,
        }
    ],
    "jobs.list": [
        {
            "jobs": [
                {
                    "job_id": uuid(1),
                    "type": "claude.run",
                    "status": "running",
                    "created_at": "2026-11-23T08:14:30Z",
                    "message": f"Claude is working {HOSTILE}",
                },
                {
                    "job_id": uuid(2),
                    "type": "calendar.sync",
                    "status": "succeeded",
                    "created_at": "2026-11-23T08:14:05Z",
                    "message": "Reading 개인 일정",
                },
                FAILED_JOB,
                {
                    "job_id": uuid(4),
                    "type": "maintenance.backup",
                    "status": "cancelled",
                    "created_at": "2025-11-23T08:00:00Z",
                },
            ],
            "next_cursor": "eyJ0IjoxfQ",
        },
        {"jobs": [], "next_cursor": None},
    ],
    "jobs.get": [FAILED_JOB],
    "jobs.queue.get": [{"paused": True, "paused_at": "2026-11-23T08:00:00Z", "counts": {"queued": 3, "running": 1}}],
    "jobs.log.list": [
        {
            "lines": [
                {"created_at": f"2026-11-23T08:00:{second}Z", "level": level, "message": text}
                for second, level, text in (
                    ("01", "info", "Started"),
                    ("04", "warning", f"개인 일정: 3 events left out. {LONG}"),
                    ("09", "error", HOSTILE),
                )
            ]
        }
    ],
    **GATE,
    "jobs.schedules.runs.list": [
        {
            "runs": [
                {
                    "run_id": uuid(40),
                    "schedule_id": uuid(41),
                    "title": KOREAN,
                    "scheduled_for": "2026-11-23T08:00:00Z",
                    "status": "succeeded",
                    "reason": None,
                },
                {
                    "run_id": uuid(42),
                    "schedule_id": "maintenance.backup",
                    "title": None,
                    "scheduled_for": "2026-11-22T23:00:00Z",
                    "status": "missed",
                    "reason": "asleep",
                },
            ],
            "next_cursor": "runs.40",
        }
    ],
    "jobs.schedules.list": [
        {
            "schedules": [
                {
                    "schedule_id": name,
                    "title": None,
                    "type": name.partition(":")[0],
                    "period_s": period_s,
                    "enabled": period_s > 900,
                    "next_run_at": "2026-11-24T00:00:00Z",
                }
                for name, period_s in (("maintenance.backup", 86_400), (f"calendar.sync:{uuid(900)}", 900))
            ]
        }
    ],
    "system.backups.list": [
        {
            "backups": [
                {"name": "sidecar-2026-11-23.db", "made_at": "2026-11-23T00:00:00Z", "size_bytes": 1_183_744},
                {"name": "a.db", "made_at": "2026-09-01T00:00:00Z", "size_bytes": 4_096, "problem": "It is damaged."},
            ]
        }
    ],
    "system.health": [
        {
            "status": "degraded",
            "version": "0.1.0",
            "checks": [
                {"name": "database", "status": "ok"},
                {"name": "disk", "status": "degraded", "detail": "only 90 MB free"},
            ],
        }
    ],
    "claude.sessions.get": [session(1, "왜 파이프인가?", "waiting", "2026-11-23T08:10:00Z", 1.2345)],
    "claude.sessions.export": [
        {"session_id": uuid(1), "text": "# 왜 파이프인가?\n\n## You\n\nWhy pipes?\n\n    make all\n", "messages": 2}
    ],
}
"""Results by the name of a method; several to show other forms of the same."""
