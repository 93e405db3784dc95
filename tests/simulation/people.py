"""People at the clouds: what they do, and what the process should know of it in the end."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, Final
from zoneinfo import ZoneInfo

from tests.atlassian.random_activity import RandomActivity
from tests.calendar.ics.harness import vcalendar, vevent
from tests.fakes.atlassian import FakeSite
from tests.fakes.confluence import Content
from tests.fakes.google import ADA, FakeGoogle
from tests.fakes.ics import FakeIcs
from tests.fakes.issues import Issue

Feed = Counter[tuple[str, str, str]]
"""How often the feed has type, title and description."""
Times = dict[tuple[str, str], int]
"""How often a calendar has title and start, in UTC or as a date."""
BERLIN: Final = ZoneInfo("Europe/Berlin")
WEEKS: Final = 6


class IssuePeople(RandomActivity):
    """Ada and Grace at Jira."""

    def __init__(self, site: FakeSite, seed: int) -> None:
        super().__init__(site, seed)
        site.jira.embedded, site.jira.max_page_size = 1, 3 + seed % 5
        site.jira.histories_per_page, site.jira.empty_pages = 5, seed % 2
        site.jira.lag_ms = (0, 90_000, 480_000)[seed % 3]
        site.jira.lagging = {"none of them"}  # the index learns of some issues later than of others
        self.project = "PROJ"

    def act(self) -> None:
        """Performs one action."""
        if self.random.random() < 0.02:
            old, self.project = self.project, {"PROJ": "NEXT", "NEXT": "PROJ"}[self.project]
            self.jira.rename_project(old, self.project)
            return
        known = set(self.jira.issues)
        super().act()
        for issue_id in self.jira.issues.keys() - known:
            self.made(self.jira.issues[issue_id])

    def made(self, issue: Issue, *, lags: bool | None = None) -> None:
        """Puts a new issue into the project as it is called now, and decides whether the index learns of it late."""
        issue.key = f"{self.project}-{issue.key.partition('-')[2]}"
        issue.fields["project"] = {**issue.fields["project"], "key": self.project}
        if lags or (lags is None and self.random.random() < 0.5):
            self.jira.lagging.add(issue.issue_id)

    def trouble(self) -> None:
        """Makes the site hide projects, leave out objects, and fail for single ones; or ends it for some."""
        super().trouble()
        self.hide(bool(self.jira.hidden_projects))

    def hide(self, hides: bool) -> None:
        """Hides the project, or shows it."""
        self.jira.hidden_projects = {"PROJ", "NEXT"} if hides else set()

    def be_kind(self) -> None:
        """Ends what the site hides and leaves out."""
        jira = self.jira
        jira.hidden_projects, jira.left_out, jira.bulk_errors, jira.poisoned = set(), {}, {}, {}


class WikiPeople:
    """Ada and Grace at Confluence."""

    def __init__(self, site: FakeSite, seed: int) -> None:
        self._wiki = site.confluence
        self._ada = site.user("ada")
        self._users = (self._ada, self._ada, site.user("grace"))
        self._wiki.max_page_size = 2 + seed % 4
        self._wiki.versions_per_page, self._wiki.empty_pages = 2, (seed >> 1) % 2
        self._wiki.ends_with_empty_page = seed % 2 == 1
        self._wiki.links_by_header = seed % 3 == 1
        self._number = 0

    def act(self, rng: Random) -> None:
        """Performs one action."""
        wiki, user = self._wiki, rng.choice(self._users)
        self._number += 1
        contents = list(wiki.contents.values())
        pages = [one for one in contents if one.on is None and one.status == "current"]
        if not pages or rng.random() < 0.2:
            wiki.create(user, f"Page {self._number}", kind=rng.choice(("page", "blogpost")))
            return
        page = rng.choice(pages)
        comments = [one for one in contents if one.on is not None and one.creator_id == user.account_id]
        match rng.randrange(6):
            case 0 | 1:
                wiki.edit(page, user, f"edit {self._number}")
            case 2 | 3:
                wiki.comment(page, user, f"Thought {self._number}", inline=rng.random() < 0.3)
            case 4 if comments:
                wiki.edit_comment(rng.choice(comments), user, f"Second thought {self._number}")
            case _:
                if rng.random() < 0.3:
                    wiki.trash(page)

    def trouble(self, rng: Random) -> None:
        """Makes the site leave out objects or fail for single ones, or ends that."""
        ids = list(self._wiki.contents)
        if not ids or rng.random() < 0.3:
            self.be_kind()
        elif rng.random() < 0.5:
            self._wiki.left_out.add(rng.choice(ids))
        else:
            self._wiki.poisoned[rng.choice(ids)] = rng.choice((400, 403, 500))

    def be_kind(self) -> None:
        """Ends all trouble."""
        self._wiki.left_out.clear()
        self._wiki.poisoned.clear()

    def expected(self) -> Feed:
        """Returns what Ada's feed should have."""
        found: Feed = Counter()
        me = self._ada.account_id
        for one in self._wiki.contents.values():
            if one.is_trashed:
                continue
            if one.on is not None:
                if one.creator_id == me:
                    found[f"{one.on.kind}_commented", one.on.title, one.body] += 1
                continue
            for version in one.versions:
                if version["authorId"] == me:
                    found[self._version(one, version)] += 1
        return found

    @staticmethod
    def _version(one: Content, version: dict[str, Any]) -> tuple[str, str, str]:
        action = "created" if version["number"] == 1 else "edited"
        return f"{one.kind}_{action}", one.title, version["message"]


class GooglePeople:
    """Ada's calendars at Google."""

    def __init__(self, google: FakeGoogle, seed: int) -> None:
        self._calendars = google.calendars
        self._now = google.now
        self._calendars.max_page_size = 3 + seed % 40
        self._ids = [ADA, "team@example.com"]
        self._calendars.add_calendar(ADA, ADA, summary="Ada", entry={"primary": True})
        self._calendars.add_calendar(self._ids[1], ADA, summary="Team", time_zone="America/New_York")
        self._number = 0

    def act(self, rng: Random) -> None:
        """Performs one action."""
        self._number += 1
        calendar_id = rng.choice(self._ids)
        calendar = self._calendars.calendars[calendar_id]
        alive = [key for key, row in calendar.rows.items() if not row.gone]
        match rng.randrange(6):
            case 0 | 1 | 2:
                more = {"recurrence": ["RRULE:FREQ=WEEKLY;COUNT=8"]} if rng.random() < 0.3 else {}
                self._calendars.add(calendar_id, summary=f"Meeting {self._number}", **self._span(rng), **more)
            case 3 if alive:
                self._calendars.change(calendar_id, rng.choice(alive), summary=f"Renamed {self._number}")
            case 4 if alive:
                self._calendars.cancel(calendar_id, rng.choice(alive))
            case 5 if calendar.masters:
                master = rng.choice(list(calendar.masters))
                self._calendars.cancel(calendar_id, master, master_only=rng.random() < 0.5)

    def trouble(self, rng: Random) -> None:
        """Expires sync tokens: 410 fullSyncRequired."""
        self._calendars.expire_tokens(rng.choice(self._ids))
        self._calendars.empty_first_pages = rng.random() < 0.5

    def be_kind(self) -> None:
        """Ends all trouble."""
        self._calendars.empty_first_pages = False

    def _span(self, rng: Random) -> dict[str, Any]:
        begins = self._now().replace(microsecond=0) + timedelta(hours=rng.randint(-200, 400))
        if rng.random() < 0.3:
            days = [(begins + timedelta(days=days)).date().isoformat() for days in (0, 1)]
            return {"start": {"date": days[0]}, "end": {"date": days[1]}}
        local = begins.astimezone(BERLIN)
        ends = local + timedelta(minutes=30)
        return {
            "start": {"dateTime": local.isoformat(), "timeZone": "Europe/Berlin"},
            "end": {"dateTime": ends.isoformat(), "timeZone": "Europe/Berlin"},
        }

    def expected(self) -> Times:
        """Returns the events of all calendars."""
        found: Times = Counter()
        for calendar in self._calendars.calendars.values():
            for row in calendar.rows.values():
                if not row.gone:
                    found[row.resource["summary"], utc(**row.resource["start"])] += 1
        return found


class FilePeople:
    """The people who change a calendar file."""

    def __init__(self, file: FakeIcs, now: Any) -> None:
        self._file = file
        self._now = now
        self._events: dict[str, tuple[str, tuple[str, ...], list[str]]] = {}
        self._number = 0
        self._write()

    def act(self, rng: Random) -> None:
        """Performs one action."""
        self._number += 1
        begins = self._now().replace(microsecond=0, second=0) + timedelta(hours=rng.randint(-200, 400))
        if self._events and rng.random() < 0.3:
            del self._events[rng.choice(list(self._events))]
        elif rng.random() < 0.4:
            title, local = f"Weekly {self._number}", begins.astimezone(BERLIN).replace(tzinfo=None)
            times = [(local + timedelta(weeks=week)).replace(tzinfo=BERLIN) for week in range(WEEKS)]
            rule = f"RRULE:FREQ=WEEKLY;COUNT={WEEKS}"
            lines: tuple[str, ...] = (f"DTSTART;TZID=Europe/Berlin:{local:%Y%m%dT%H%M%S}", rule)
            self._events[f"uid{self._number}"] = title, lines, [utc(dateTime=one.isoformat()) for one in times]
        elif rng.random() < 0.5:
            lines = (f"DTSTART;VALUE=DATE:{begins:%Y%m%d}",)
            self._events[f"uid{self._number}"] = f"Day {self._number}", lines, [begins.date().isoformat()]
        else:
            lines = (f"DTSTART:{begins:%Y%m%dT%H%M%SZ}", "DURATION:PT30M")
            self._events[f"uid{self._number}"] = f"Call {self._number}", lines, [utc(dateTime=begins.isoformat())]
        self._write()

    def trouble(self, rng: Random) -> None:
        """The server forgets its validators, or the file gets new UIDs at each change, as some exports do."""
        self._file.etags, self._file.dates = rng.random() < 0.5, rng.random() < 0.5

    def be_kind(self) -> None:
        """Ends all trouble."""
        self._file.etags = True

    def _write(self) -> None:
        blocks = [vevent(*lines, f"SUMMARY:{title}", uid=uid) for uid, (title, lines, _) in self._events.items()]
        self._file.put(vcalendar(*blocks))

    def expected(self) -> Times:
        """Returns the events in the file."""
        found: Times = Counter()
        for title, _, starts in self._events.values():
            for start in starts:
                found[title, start] += 1
        return found


def utc(date: str | None = None, dateTime: str | None = None, timeZone: str | None = None) -> str:  # noqa: N803 - Google's
    """Returns a start as a date or in UTC to the minute."""
    if date is not None:
        return date
    return f"{datetime.fromisoformat(dateTime or '').astimezone(UTC):%Y-%m-%dT%H:%M}"
