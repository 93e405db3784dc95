"""Snoozes a job that hit a usage limit until the limit resets; the wait does not count as an attempt.

2.1.330 sends the time of the reset as a number; earlier releases, and some limits, name it in the text only.
"""

import re
from datetime import datetime, timedelta, tzinfo
from typing import Final
from zoneinfo import ZoneInfo

from sidecar_protocol.entities import WaitingFor

from sidecar.clock import DAY_S
from sidecar.job_handler import JobFailed, JobSnoozed

MAX_WAIT_S: Final = 8.0 * DAY_S
"""Maximum wait in seconds: the longest limits are weekly, plus a day.  Longer ones need a change of the plan."""
MARGIN_S: Final = 5.0
"""Margin in seconds for clock skew: a retry before the reset is refused."""

HELD_LIMIT_S: Final = 1_800.0
"""Maximum wait in seconds for a limit that holds although it should have reset."""

GO_ON: Final = (
    "Your work was interrupted before it was finished. Continue where you stopped. What you have done before the"
    " interruption is done: do not repeat it."
)
"""The prompt of a further attempt.  The first prompt again would make Claude repeat its work."""

# "resets 1:59pm (UTC)", "resets Oct 6, 1pm (Europe/Berlin)", "resets Oct 24" (2.1), "Your limit will reset at 9am
# (America/Chicago)" (1.0), "will reset at 9:30 AM", "resets Thu 9:00 AM", "resets on Oct 1 at 00:00 UTC" (budgets).
MOMENT: Final = re.compile(
    r"\bresets? (?:at |on )?(?:(?P<weekday>mon|tue|wed|thu|fri|sat|sun)[a-z]*,? (?:at )?)?"
    r"(?:(?P<month>[a-z]{3})[a-z]* (?P<day>\d{1,2})\b(?:, (?P<year>\d{4}))?(?:,? (?:at )?)?)?"
    r"(?:(?P<hour>\d{1,2})(?::(?P<minute>\d{2}))? ?(?P<half>[ap]m)\b|(?P<hour24>\d{1,2}):(?P<minute24>\d{2}))?"
    r"(?: ?\((?P<zone>[A-Za-z0-9_+/-]+)\)| (?P<utc>UTC))?",
    re.IGNORECASE,
)
# "resets in 2h 15m", "try again in 3 hours"
PAUSE: Final = re.compile(
    r"\b(?:resets?|again) in (?:(?P<days>\d{1,2}) ?d(?:ays?)?\b,? ?)?(?:(?P<hours>\d{1,3}) ?h(?:ours?|rs?)?\b,? ?)?"
    r"(?:and )?(?:(?P<minutes>\d{1,4}) ?m(?:in(?:ute)?s?)?\b)?",
    re.IGNORECASE,
)
# "You will regain access on 2026-12-01 at 00:00 UTC" (limits of an API key)
DATED: Final = re.compile(
    r"\b(?:access|resets?|again) (?:on |at )?(\d{4}-\d\d-\d\d)(?:T| at | )(\d\d:\d\d)", re.IGNORECASE
)
WEEKDAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
MONTHS: Final = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")


def snooze_until_reset(failure: JobFailed, *, now_ms: int, snoozed_for_s: float) -> JobSnoozed | None:
    """Returns the snooze to raise instead of a failure by a usage limit.

    Returns None for other failures, if the time of the reset is unknown, or if the job, which has already been snoozed
    for `snoozed_for_s` seconds, would wait longer than `MAX_WAIT_S` in total.
    """
    if failure.kind != "usage_limit":
        return None
    details = failure.details or {}
    resets_at, text = details.get("resets_at"), str(details.get("claude_message"))
    reset = datetime.fromisoformat(resets_at) if isinstance(resets_at, str) else parse_reset_time(text, now_ms)
    if reset is None:
        return None
    # Limits have held for hours after their time: then it is as long again, so that the CLI is not asked all the time.
    left_s = reset.timestamp() - now_ms / 1000
    wait_s = MARGIN_S + (left_s if left_s > 0 else min(snoozed_for_s, HELD_LIMIT_S))
    if snoozed_for_s + wait_s > MAX_WAIT_S:
        return None
    at = reset.astimezone().strftime("%Y-%m-%d %H:%M")
    message = f"Claude's usage limit is reached; the job continues when it resets, at {at}."
    return JobSnoozed(message, delay_s=wait_s, waiting_for=WaitingFor.RATE_LIMIT, keeps_lock=True)


def parse_reset_time(text: str, now_ms: int) -> datetime | None:
    """Returns the moment that a text of the CLI or of a gateway names, or None if it names none."""
    now = datetime.fromtimestamp(now_ms / 1000).astimezone()
    try:
        if (dated := DATED.search(text)) is not None:
            return datetime.fromisoformat(f"{dated[1]}T{dated[2]}+00:00")
        pause = PAUSE.search(text)
        if pause is not None and any(pause.groupdict().values()):
            return now + timedelta(**{unit: int(number) for unit, number in pause.groupdict().items() if number})
        found = MOMENT.search(text)
        return None if found is None else _moment(found, now)
    except (ValueError, OverflowError):  # 31 February
        return None


def _moment(found: re.Match[str], now: datetime) -> datetime | None:
    """Returns the next such time after now; a date without a time is its midnight.  Raises `ValueError`."""
    now = now.astimezone(ZoneInfo("UTC") if found["utc"] else _zone(found["zone"]))
    hour, minute = int(found["hour24"] or 0), int(found["minute24"] or found["minute"] or 0)
    if found["hour"] is not None:
        hour = int(found["hour"]) % 12 + (12 if found["half"].lower() == "pm" else 0)
    elif found["hour24"] is None and found["month"] is None:
        return None
    reset = now.replace(hour=hour, minute=minute, second=0, microsecond=0)
    if found["month"] is not None:
        reset = reset.replace(month=MONTHS.index(found["month"].lower()) + 1, day=int(found["day"]))
        if found["year"] is not None:
            return reset.replace(year=int(found["year"]))
        # Without a year: in December, January is the next one.
        return reset if reset > now - timedelta(days=180) else reset.replace(year=reset.year + 1)
    if found["weekday"] is not None:
        reset += timedelta(days=(WEEKDAYS.index(found["weekday"].lower()) - reset.weekday()) % 7)
        return reset if reset > now else reset + timedelta(days=7)
    return reset if reset > now else reset + timedelta(days=1)


def _zone(name: str | None) -> tzinfo | None:
    """Returns a zone, or None for the computer's own, which the CLI means if it names no zone."""
    try:
        return None if name is None else ZoneInfo(name)
    except (ValueError, OSError, KeyError):  # KeyError: unknown zone, or Windows without tzdata
        return None
