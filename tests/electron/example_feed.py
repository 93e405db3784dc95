"""Fills a database with half a year of feed events for the example app.

`python -m tests.electron.example_feed FOLDER` creates the database in a folder, before a sidecar is started on it.  TZ
is the user's time zone; on the same day the events are always the same.
"""

import random
import sys
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

from sidecar.activity.issue_states import IssueStateStore
from sidecar.activity.service import ActivityService
from sidecar.activity.store import ActivityStore
from sidecar.clock import SystemClock
from sidecar.feed import FeedEvent, Origin
from sidecar.paths import schema_dir
from sidecar.storage.database import Database
from sidecar.storage.migrations import open_database

DAYS: Final = 182
"""Days of feed events; the heatmap shows as many."""
ME: Final = "mara@tramline.example"
MEET: Final = "https://meet.tramline.example/"
DOCS: Final = "https://tramline.example/wiki/"
BOARD: Final = "https://tramline.example/browse/"
PEOPLE: Final = ("Jonas", "Priya", "Tomasz", "Leonie")

RECENT: Final[tuple[tuple[int, str, str, dict[str, Any]], ...]] = (
    (0, "10:12", "issue_transitioned", {"key": "TRAM-431", "title": "Import skips the last stop of night lines",
                                        "move": ("To Do", "In Progress", "doing")}),
    (0, "09:48", "page_edited", {"title": "Cut-over plan, winter timetable", "who": "Priya"}),
    (0, "09:20", "issue_commented", {"key": "TRAM-418", "title": "Rehearse the cut-over", "who": "Tomasz",
                                     "description": "The import of the night lines has to be fixed before Thursday."}),
    (1, "17:05", "issue_transitioned", {"key": "TRAM-426", "title": "Show delays next to the departure",
                                        "move": ("In Review", "Done", "done")}),
    (1, "16:30", "issue_worklogged", {"key": "TRAM-426", "title": "Show delays next to the departure", "minutes": 90}),
    (1, "14:10", "page_created", {"title": "How stops are matched", "description": "By place first, then by name."}),
    (1, "11:40", "issue_created", {"key": "TRAM-431", "title": "Import skips the last stop of night lines"}),
    (1, "09:00", "event_scheduled", {"title": "Stand-up", "minutes": 15}),
    (2, "15:20", "issue_transitioned", {"key": "TRAM-409", "title": "Read GTFS feeds of the region",
                                        "move": ("In Progress", "Blocked", "blocked")}),
    (2, "10:05", "page_commented", {"title": "Cut-over plan, winter timetable", "who": "Leonie"}),
)  # fmt: skip


def at(days_ago: int, clock: str) -> datetime:
    """Returns a time of a day; if it is still to come today, an earlier one in the same order."""
    hour, minute = map(int, clock.split(":"))
    now = datetime.now().astimezone()
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    time_of_day = timedelta(hours=hour, minutes=minute)
    if days_ago == 0 and midnight + time_of_day > now:
        time_of_day *= (now - midnight) / timedelta(days=1)
    return midnight - timedelta(days=days_ago) + time_of_day


def recent() -> Iterator[tuple[Origin, FeedEvent]]:
    for number, (days_ago, clock, kind, more) in enumerate(RECENT):
        origin = ORIGINS[kind.split("_", maxsplit=1)[0]]
        begins = round(at(days_ago, clock).timestamp() * 1000)
        fields: dict[str, Any] = {"actor": more.get("who", "Mara"), "by_me": "who" not in more}
        if key := more.get("key"):
            move = dict(zip(("previous_status", "status", "status_kind"), more.get("move", ()), strict=False))
            fields |= {"issue_key": key, "object_id": key, "url": BOARD + key, "container": "Timetable", **move}
        elif kind.startswith("page"):
            fields |= {"url": DOCS + str(number), "container": "Timetable", "object_id": more["title"]}
        if minutes := more.get("minutes"):
            fields["end_ms"] = begins + minutes * 60_000
        title = f"{key} {more['title']}" if key else more["title"]
        event_id = f"{origin.source}:{origin.account_id}:recent:{number}"
        texts = {"title": title, "description": more.get("description"), **fields}
        yield origin, FeedEvent(event_id=event_id, event_type=kind, at_ms=begins, **texts)


def past() -> Iterator[tuple[Origin, FeedEvent]]:
    """Yields events of weekdays, more of them before releases and none in a holiday."""
    randomness = random.Random(418)
    for days_ago in range(3, DAYS):
        day = at(days_ago, "00:00")
        holiday = 88 <= days_ago <= 99
        if holiday or (day.weekday() >= 5 and randomness.random() > 0.12):
            continue
        busy = 3 + 7 * (1 + ((DAYS - days_ago) % 28) / 28) * randomness.random()
        for number in range(1 if day.weekday() >= 5 else round(busy)):
            kind = randomness.choice(("issue_updated", "issue_commented", "page_edited", "event_scheduled"))
            origin = ORIGINS[kind.split("_", maxsplit=1)[0]]
            key = f"TRAM-{300 + (DAYS - days_ago) // 2}"
            subject = {"issue": f"{key} Timetable import", "page": "Release notes", "event": "Stand-up"}[
                kind.split("_", maxsplit=1)[0]
            ]
            event_id = f"{origin.source}:{origin.account_id}:past:{days_ago}:{number}"
            moment = day + timedelta(hours=9, minutes=50 * number)
            texts: dict[str, Any] = {"title": subject, "actor": randomness.choice(PEOPLE), "by_me": number % 2 == 0}
            at_ms = round(moment.timestamp() * 1000)
            yield origin, FeedEvent(event_id=event_id, event_type=kind, at_ms=at_ms, **texts)


ORIGINS: Final = {
    "issue": Origin("jira", "tramline"),
    "page": Origin("confluence", "tramline"),
    "event": Origin("google_calendar", "mara"),
}


async def committed() -> None:
    """Returns at once: this script commits all events at its end."""


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    connection = open_database(folder / "sidecar.db", schema_dir(), 0)
    database = Database(connection, folder / "sidecar.db", lambda: None)
    store = ActivityStore(database)
    store.index.prepare()
    feed = ActivityService(
        database, store, IssueStateStore(database), SystemClock(), lambda _: None, committed=committed
    )
    for origin in ORIGINS.values():
        events = [event for origin_of_event, event in (*past(), *recent()) if origin_of_event == origin]
        for start in range(0, len(events), 500):
            with database.write():
                feed.write(origin, events[start : start + 500])
    database.commit()
    database.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
