"""A usage limit is waited for: the job goes on by itself when the limit resets, and no try is spent.

When that is, the CLI tells as a number where it can (2.1.330); earlier releases and some limits say it in words only.
"""

import re
from datetime import datetime, timedelta, tzinfo
from typing import Final
from zoneinfo import ZoneInfo

from sidecar_protocol.entities import WaitingFor

from sidecar.clock import DAY_S
from sidecar.job_handler import JobFailed, JobSnoozed

MAX_WAIT_S: Final = 8.0 * DAY_S
"""Weekly limits are the longest, and a day more; what a plan's owner must change is not waited for."""
MARGIN_S: Final = 5.0
"""Clocks differ; to come a moment too early is to be refused again."""

# "resets 1:59pm (UTC)", "resets at 3pm", "resets Oct 6, 1pm (Europe/Berlin)": 2.1.330, in the user's own zone.
WORDS: Final = re.compile(
    r"resets (?:at )?(?:(?P<month>[A-Z][a-z]{2}) (?P<day>\d{1,2}),? (?:at )?)?"
    r"(?P<hour>\d{1,2})(?::(?P<minute>\d{2}))? ?(?P<half>[ap]m)(?: \((?P<zone>[A-Za-z0-9_+/-]+)\))?"
)
MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def snooze_until_reset(failure: JobFailed, *, now_ms: int, snoozed_for_s: float) -> JobSnoozed | None:
    """The wait that a failure amounts to; None where it is another one, where nobody knows for how long, or where it
    would be too long.  `snoozed_for_s`: for how long the job has been waiting already.
    """
    if failure.kind != "usage_limit":
        return None
    details = failure.details or {}
    told = details.get("resets_at")
    moment = (
        datetime.fromisoformat(told) if isinstance(told, str) else parse_reset_time(str(details.get("said")), now_ms)
    )
    if moment is None:
        return None
    wait_s = max(0.0, moment.timestamp() - now_ms / 1000) + MARGIN_S
    if snoozed_for_s + wait_s > MAX_WAIT_S:
        return None
    at = moment.astimezone().strftime("%Y-%m-%d %H:%M")
    return JobSnoozed(
        f"Claude's usage limit is reached; it goes on by itself when it resets, at {at}.",
        delay_s=wait_s,
        waiting_for=WaitingFor.RATE_LIMIT,
    )


def parse_reset_time(text: str, now_ms: int) -> datetime | None:
    """The time after now that a sentence of the CLI's names; None where it names none."""
    found = WORDS.search(text)
    if found is None:
        return None
    now = datetime.fromtimestamp(now_ms / 1000).astimezone(_zone(found["zone"]))
    try:
        hour = int(found["hour"]) % 12 + (12 if found["half"] == "pm" else 0)
        moment = now.replace(hour=hour, minute=int(found["minute"] or 0), second=0, microsecond=0)
        if found["month"] is None:
            return moment if moment > now else moment + timedelta(days=1)
        moment = moment.replace(month=MONTHS.index(found["month"]) + 1, day=int(found["day"]))
        # In December, January is near.
        return moment if moment > now - timedelta(days=180) else moment.replace(year=moment.year + 1)
    except ValueError:  # the 31st of February, 25pm
        return None


def _zone(name: str | None) -> tzinfo | None:
    """None is the machine's own zone, in which the CLI speaks where it names none."""
    try:
        return None if name is None else ZoneInfo(name)
    except (ValueError, OSError, KeyError):  # KeyError: no such zone, or none at all on Windows without tzdata
        return None
