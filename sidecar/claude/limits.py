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

# "resets 1:59pm (UTC)", "resets at 3pm", "resets Oct 6, 1pm (Europe/Berlin)": 2.1.330.
RESET_TEXT: Final = re.compile(
    r"resets (?:at )?(?:(?P<month>[A-Z][a-z]{2}) (?P<day>\d{1,2}),? (?:at )?)?"
    r"(?P<hour>\d{1,2})(?::(?P<minute>\d{2}))? ?(?P<half>[ap]m)(?: \((?P<zone>[A-Za-z0-9_+/-]+)\))?"
)
MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


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
    wait_s = max(0.0, reset.timestamp() - now_ms / 1000) + MARGIN_S
    if snoozed_for_s + wait_s > MAX_WAIT_S:
        return None
    at = reset.astimezone().strftime("%Y-%m-%d %H:%M")
    message = f"Claude's usage limit is reached; the job continues when it resets, at {at}."
    return JobSnoozed(message, delay_s=wait_s, waiting_for=WaitingFor.RATE_LIMIT)


def parse_reset_time(text: str, now_ms: int) -> datetime | None:
    """Returns the next time after now that a text of the CLI names, or None if it names none."""
    found = RESET_TEXT.search(text)
    if found is None:
        return None
    now = datetime.fromtimestamp(now_ms / 1000).astimezone(_zone(found["zone"]))
    try:
        hour = int(found["hour"]) % 12 + (12 if found["half"] == "pm" else 0)
        reset = now.replace(hour=hour, minute=int(found["minute"] or 0), second=0, microsecond=0)
        if found["month"] is None:
            return reset if reset > now else reset + timedelta(days=1)
        reset = reset.replace(month=MONTHS.index(found["month"]) + 1, day=int(found["day"]))
        # The text has no year: in December, January is the next one.
        return reset if reset > now - timedelta(days=180) else reset.replace(year=reset.year + 1)
    except ValueError:  # 31 February
        return None


def _zone(name: str | None) -> tzinfo | None:
    """Returns a zone, or None for the computer's own, which the CLI means if it names no zone."""
    try:
        return None if name is None else ZoneInfo(name)
    except (ValueError, OSError, KeyError):  # KeyError: unknown zone, or Windows without tzdata
        return None
