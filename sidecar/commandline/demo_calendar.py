"""The demo's main job: a calendar file is connected, synced and read, from the sidecar and from the feed.

Without a file of the user's own it is a sample that is written here for today, so that there is something to see; it
is read like any other file.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from sidecar_protocol.entities import JobStatus

from sidecar.commandline.client import RemoteError
from sidecar.commandline.demo_conversation import Conversation
from sidecar.commandline.demo_screen import Screen
from sidecar.commandline.wording import one_line

SYNC_S: Final = 300.0
"""For somebody's calendar of many years behind a slow line; the sample takes tens of milliseconds."""
OWNER: Final = "you@example.com"
AHEAD_DAYS: Final = 7
SHOWN: Final = 10
TOLD_DAYS: Final = 7
NEWEST: Final = 4
LINES: Final[tuple[tuple[str, int, str, str], ...]] = (
    ("Stand-up", -28, "093000-094500", "RRULE:FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR"),
    ("Planning", -28, "100000-113000", "RRULE:FREQ=WEEKLY;INTERVAL=2"),
    ("Review of SIDE-12", -2, "140000-150000", "LOCATION:Room 4"),
    ("Interview", -1, "160000-170000", "STATUS:TENTATIVE"),
    ("Lunch with Ada", 1, "123000-133000", "LOCATION:The place around the corner"),
    ("Demo for the customer", 3, "150000-160000", "URL:https://meet.example.com/demo"),
)
"""Title, days from today, from and to, and what else is said."""


def sample(today: date) -> str:
    """A calendar of a working person, around this day; its times are those of whoever looks at it (RFC 5545 §3.3.5)."""
    return "\r\n".join(["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//sidecar//demo//EN", *_sample(today), ""])


def _sample(today: date) -> Iterator[str]:
    yield "X-WR-CALNAME:A week at work (sample)"
    for number, (title, days, span, more) in enumerate(LINES):
        day = f"{today + timedelta(days=days):%Y%m%d}"
        begins, _, ends = span.partition("-")
        yield from ("BEGIN:VEVENT", f"UID:{number}@sample.invalid", "DTSTAMP:20261101T000000Z", f"SUMMARY:{title}")
        yield from (f"DTSTART:{day}T{begins}", f"DTEND:{day}T{ends}", more, "END:VEVENT")
    yield from ("BEGIN:VEVENT", "UID:day@sample.invalid", "DTSTAMP:20261101T000000Z", "SUMMARY:Try the sidecar")
    yield from (f"DTSTART;VALUE=DATE:{today:%Y%m%d}", "END:VEVENT", "END:VCALENDAR")


class CalendarScene:
    """That part of the story.  `address` is the user's own calendar; None: the sample, which is put into `folder`."""

    def __init__(self, screen: Screen, address: str | None, folder: Path, *, stays: bool) -> None:
        self._screen = screen
        self._stays = stays
        self._sample = folder / "a week at work.ics" if address is None else None
        self._address = str(self._sample or address)
        if address is not None and "://" not in address:
            self._address = str(Path(address).expanduser().absolute())

    async def play(self, talk: Conversation) -> None:
        """Connect, sync, read; and disconnect, where the account is not to stay."""
        if self._sample is None:
            self._screen.section("Connect your calendar")
        else:
            self._sample.write_text(sample(datetime.now().astimezone().date()), "utf-8", newline="")
            self._screen.section("Connect a calendar: a sample file; --calendar takes your own")
        credentials = {"address": self._address}
        try:
            account = await talk.call("calendar.accounts.create", provider="ics", email=OWNER, credentials=credentials)
        except RemoteError as error:
            self._screen.bad(f"The calendar could not be connected: {error.message} {error.data.get('hint') or ''}")
            return
        view = talk.watch(await talk.call("calendar.accounts.sync", account_id=account["account_id"]))
        with self._screen.watching(view):
            await talk.until(lambda: view.has_ended, SYNC_S)
        self._screen.finished(view.job)
        if view.job["status"] == JobStatus.SUCCEEDED:
            await self._read(talk, account["account_id"])
        else:
            self._screen.bad("The calendar could not be synced.")
        if not self._stays:
            self._screen.section("Disconnect it again")
            await talk.call("calendar.accounts.delete", account_id=account["account_id"])

    async def _read(self, talk: Conversation, account_id: str) -> None:
        today = datetime.now().astimezone().replace(hour=0, minute=0, second=0, microsecond=0)
        self._screen.section("What is on, today and in the week that follows?")
        page = await talk.call(
            "calendar.events.list",
            start=_wire(today),
            end=_wire(today + timedelta(days=AHEAD_DAYS)),
            account_id=account_id,
            limit=SHOWN,
        )
        if page["events"]:
            self._screen.table([_row(event) for event in page["events"]])
        else:
            self._screen.note("Nothing is.")
        self._screen.section("What has been? The feed and its report know")
        span = {"start": _wire(today - timedelta(days=TOLD_DAYS)), "end": _wire(datetime.now().astimezone())}
        feed = await talk.call("activity.events.list", **span, account_id=account_id, limit=NEWEST)
        if feed["events"]:
            self._screen.table([_passed(event) for event in feed["events"]])
        summary = await talk.call("activity.summary", **span, time_zone=local_zone())
        hours, minutes = divmod(summary["totals"]["meeting_s"] // 60, 60)
        meetings = summary["totals"]["meetings"]
        self._screen.good(f"{meetings} meetings in the last {TOLD_DAYS} days took {hours} h {minutes:02} min")


def _row(event: Mapping[str, Any]) -> Sequence[str]:
    """An event by the clock of this computer."""
    words = one_line(event["title"] or "(no title)"), one_line(event["location"] or event["html_link"] or "")
    if event["all_day"]:
        return f"{date.fromisoformat(event['start_time']):%a %d %b}", "all day", *words
    begins, ends = (datetime.fromtimestamp(event[name], UTC).astimezone() for name in ("start_ts", "end_ts"))
    return f"{begins:%a %d %b}", f"{begins:%H:%M}–{ends:%H:%M}", *words


def _passed(event: Mapping[str, Any]) -> Sequence[str]:
    """An event of the feed."""
    begins = datetime.fromisoformat(event["event_time"]).astimezone()
    clock = "all day" if event["local_date"] else f"{begins:%H:%M}"
    return f"{begins:%a %d %b}", clock, one_line(event["title"] or "(no title)"), event["source"], event["event_type"]


def _wire(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def local_zone() -> str:
    """The IANA name of this computer's time zone, where the system tells it; else UTC.  (A renderer asks `Intl`.)"""
    for name in (os.environ.get("TZ", "").lstrip(":"), os.path.realpath("/etc/localtime").partition("zoneinfo/")[2]):
        with suppress(ZoneInfoNotFoundError, ValueError, OSError):
            return ZoneInfo(name).key
    return "UTC"
