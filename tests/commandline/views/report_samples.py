"""Texts of real days, and the reports among the samples."""

from typing import Any, Final

NOW: Final = "2026-11-23T08:15:00Z"
"""A Monday, a quarter past nine in Berlin."""
LONG: Final = "Quarterly review of the roadmap with everybody who has ever asked for a change of the pipes"
KOREAN: Final = "팀 주간 회의: 다음 분기 계획과 예산 검토"
ARABIC: Final = "اجتماع الفريق الأسبوعي"
EMOJI: Final = "👩‍💻 Pairing 🎉 with 🇩🇪 colleagues"
HOSTILE: Final = "\x1b]0;owned\x07\x1b[2J\u202eevil\u2066\x9b31m"
"""Text that sets a terminal's title, clears it, turns the direction and colours what follows."""
Row = dict[str, Any]


def totals(meetings: int, meeting_s: int, **more: Any) -> Row:
    names = ("issues", "issues_done", "worked_s", "pages", "runs", "runs_failed", "cost_usd", "other")
    return {**dict.fromkeys(names, 0), "meetings": meetings, "meeting_s": meeting_s, **more}


def attended(day: str, starts: str, ends: str, title: str, *, is_tentative: bool = False) -> Row:
    known = {"title": title, "date": day, "starts": starts, "ends": ends}
    return {**known, "is_tentative": is_tentative, "calendar": "Work"}


def issue(key: str, title: str, before: str | None, after: str | None, **more: Any) -> Row:
    counts = {"comments": 0, "worked_s": 0, "is_created": False}
    return {"issue_key": key, "title": title, "from_status": before, "to_status": after, **counts, **more}


def part(name: str, of: Row, **more: Any) -> Row:
    return {"name": name, "totals": of, "all_day": [], "meetings": [], "issues": [], "pages": [], "runs": [], **more}


def heatmap(first: int, days: int) -> Row:
    """Returns the heatmap of some days from the first of September 2026 on."""
    dates = [
        f"2026-{month}-{day:02}" for month, last in (("09", 30), ("10", 31), ("11", 30)) for day in range(1, last + 1)
    ]
    counts = [number * 7 % 13 if number % 7 < 5 else 0 for number in range(len(dates))]
    shown = [{"date": day, "count": count} for day, count in zip(dates, counts, strict=True)][first : first + days]
    found = counts[first : first + days]
    return {"days": shown, "total": sum(found), "highest": max(found)}


SUMMARY: Final = {
    "time_zone": "Europe/Berlin",
    "first_date": "2026-11-19",
    "last_date": "2026-11-22",
    "totals": totals(3, 8_100, issues=2, issues_done=1, worked_s=5_400, pages=1, runs=4, runs_failed=1, cost_usd=0.42),
    "parts": [
        part(
            "2026-11-19",
            totals(2, 6_300, issues=1, worked_s=5_400, runs=4, runs_failed=1, cost_usd=0.42),
            all_day=[{"title": "Office day", "calendar": "Work"}],
            meetings=[
                attended("2026-11-19", "09:30", "09:45", "Stand-up"),
                attended("2026-11-19", "10:00", "11:30", KOREAN, is_tentative=True),
            ],
            issues=[issue("PIPE-12", LONG, "To do", "Done", comments=2, worked_s=5_400)],
            runs=[{"title": EMOJI, "runs": 4, "failed": 1, "cost_usd": 0.42}],
        ),
        part(
            "2026-11-20",
            totals(1, 1_800, pages=1, other=3),
            meetings=[attended("2026-11-20", "16:00", "16:30", ARABIC)],
            pages=[{"title": HOSTILE, "is_created": True, "edits": 3, "comments": 1}],
        ),
        part(
            "2026-11-22",
            totals(0, 0, issues=1),
            issues=[issue("PIPE-7", "Fix the leak", None, "Doing", is_created=True)],
        ),
    ],
    "next_issues": [issue("PIPE-7", "Fix the leak", None, "Doing")],
    "next_meetings": [attended("2026-11-23", "09:30", "09:45", "Stand-up")],
    "blocked_issues": [],
    "markdown": None,
}
