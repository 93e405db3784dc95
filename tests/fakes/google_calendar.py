"""State and rules of the Calendar API, without HTTP: calendars, events, series, sync tokens, pages.

Every event of a listing is a row with the number of its last change; a sync token is such a number.  A series is stored
as its master and expanded into rows for years ahead, as Google does for `singleEvents`; a change of the series changes
all of them.
"""

import base64
import json
import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from itertools import count
from typing import Any
from zoneinfo import ZoneInfo

from dateutil.rrule import rrulestr

Resource = dict[str, Any]
FORBIDDEN_WITH_TOKEN = frozenset(
    {
        "iCalUID",
        "orderBy",
        "privateExtendedProperty",
        "q",
        "sharedExtendedProperty",
        "timeMin",
        "timeMax",
        "updatedMin",
    }
)
"""Calendar API v3, events.list, `syncToken`."""
FIRST_LIST_ONLY = frozenset({"timeMin", "timeMax", "syncToken", "pageToken"})
"""Params that may differ between the listing that issued a token and the one that uses it."""
YEARS_AHEAD = 3
"""Google expands to about 2040; this is far beyond any sync window."""


class ApiError(Exception):
    """An error response of the API."""

    def __init__(self, status: int, reason: str, message: str = "", headers: Mapping[str, str] | None = None) -> None:
        super().__init__(reason)
        self.status = status
        self.headers = dict(headers or {})
        error: Resource = {"code": status, "message": message or reason}
        if reason.isupper():  # the form of newer APIs
            error["details"] = [{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reason}]
        else:
            error["errors"] = [{"domain": "global", "reason": reason}]
        self.body = {"error": error}


@dataclass
class Row:
    """An event in a listing with `singleEvents`; `version` is the number of its last change."""

    resource: Resource
    version: int
    gone: bool = False
    moved: bool = False

    @property
    def stub(self) -> Resource:
        """The cancelled event: three fields of an occurrence, the id of any other event."""
        kept = ("recurringEventId", "originalStartTime") if "recurringEventId" in self.resource else ()
        return {
            "id": self.resource["id"],
            "status": "cancelled",
            **{name: self.resource[name] for name in kept if name in self.resource},
        }


@dataclass
class FakeCalendar:
    """One calendar; `shared` maps users to access roles, `refused` is the error of its event listing."""

    calendar_id: str
    summary: str
    time_zone: str = "Europe/Berlin"
    shared: dict[str, str] = field(default_factory=dict)
    entries: dict[str, Resource] = field(default_factory=dict)
    rows: dict[str, Row] = field(default_factory=dict)
    masters: dict[str, Resource] = field(default_factory=dict)
    log: list[tuple[int, str]] = field(default_factory=list)
    """The number of each change and the id of the changed event."""
    oldest_token: int = 0
    refused: ApiError | None = None


class FakeCalendars:
    """All calendars of all users."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._versions = count(1)
        self._version = 0
        self._ids = count(1)
        self._snapshots: dict[str, tuple[list[Resource], str, str | None]] = {}
        self.calendars: dict[str, FakeCalendar] = {}
        self.violations: list[str] = []
        """Requests that a client must never send."""
        self.max_page_size = 2_500
        self.empty_first_pages = False

    # --- set-up by tests ---------------------------------------------------------------------------------------

    def add_calendar(self, calendar_id: str, owner: str, **more: Any) -> FakeCalendar:
        """Adds a calendar; `entry` holds further fields of the owner's list entry."""
        entry = {"selected": True, **more.pop("entry", {})}
        calendar = FakeCalendar(calendar_id, more.pop("summary", calendar_id), **more)
        calendar.shared[owner] = "owner"
        calendar.entries[owner] = entry
        self.calendars[calendar_id] = calendar
        return calendar

    def add(self, calendar_id: str, **event: Any) -> str:
        """Adds an event, or a series if it has a `recurrence`, in the API's format; returns its id."""
        event_id: str = event.setdefault("id", f"event{next(self._ids):06}")
        event.setdefault("status", "confirmed")
        event.setdefault("eventType", "default")
        event.setdefault("iCalUID", f"{event_id}@google.com")
        calendar = self.calendars[calendar_id]
        if "recurrence" in event:
            calendar.masters[event_id] = event
            self._expand(calendar, event_id)
        else:
            self._store(calendar, Row(event, self._next()))
        return event_id

    def change(self, calendar_id: str, event_id: str, **fields: Any) -> None:
        """Changes an event, one occurrence of a series (which becomes an exception), or a whole series."""
        calendar = self.calendars[calendar_id]
        if event_id in calendar.masters:
            calendar.masters[event_id] |= fields
            self._expand(calendar, event_id)
            return
        row = calendar.rows[event_id]
        row.resource = {**row.resource, **fields}
        row.moved = "recurringEventId" in row.resource
        row.gone = False
        row.version = self._next()
        self._store(calendar, row)

    def cancel(self, calendar_id: str, event_id: str, *, master_only: bool = False) -> None:
        """Cancels an event, an occurrence or a series; a delta then lists all occurrences, or the master only."""
        calendar = self.calendars[calendar_id]
        if event_id not in calendar.masters:
            self._drop(calendar, calendar.rows[event_id])
            return
        master = calendar.masters.pop(event_id)
        for key in [key for key, row in calendar.rows.items() if row.resource.get("recurringEventId") == event_id]:
            if master_only:
                del calendar.rows[key]
            else:
                self._drop(calendar, calendar.rows[key])
        if master_only:
            self._store(calendar, Row({"id": event_id, **master}, self._next(), gone=True))

    def end_series(self, calendar_id: str, event_id: str, until: str) -> None:
        """Adds an UNTIL to a series, as "this and following events" does."""
        rule = self.calendars[calendar_id].masters[event_id]["recurrence"][0]
        self.change(calendar_id, event_id, recurrence=[f"{rule};UNTIL={until}"])

    def expire_tokens(self, calendar_id: str) -> None:
        """Expires all sync tokens of a calendar issued so far; they are answered with 410."""
        self.calendars[calendar_id].oldest_token = self._next()

    def occurrences(self, calendar_id: str, series_id: str) -> list[str]:
        """Returns the ids of the occurrences of a series that are not cancelled, in order."""
        rows = self.calendars[calendar_id].rows
        return sorted(
            key for key, row in rows.items() if row.resource.get("recurringEventId") == series_id and not row.gone
        )

    # --- requests -----------------------------------------------------------------------------------------------

    def calendar_list(self, email: str, query: Mapping[str, str]) -> Resource:
        """`GET /users/me/calendarList`."""
        entries = [
            {
                "id": one.calendar_id,
                "summary": one.summary,
                "timeZone": one.time_zone,
                "accessRole": one.shared.get(email, "reader"),
                **one.entries[email],
            }
            for one in self.calendars.values()
            if email in one.entries
        ]
        shown = [one for one in entries if query.get("showHidden") == "true" or not one.get("hidden")]
        limit = min(int(query.get("maxResults", 100)), 250, self.max_page_size)
        start = int(query.get("pageToken", 0))
        page: Resource = {"kind": "calendar#calendarList", "items": shown[start : start + limit]}
        if start + limit < len(shown):
            page["nextPageToken"] = str(start + limit)
        return page

    def events(self, email: str, calendar_id: str, query: Mapping[str, str]) -> Resource:
        """`GET /calendars/{id}/events`."""
        calendar = self.calendars.get(email if calendar_id == "primary" else calendar_id)
        if calendar is None or email not in calendar.shared:
            raise ApiError(404, "notFound", "Not Found")
        if calendar.refused is not None:
            raise calendar.refused
        frozen = json.dumps(sorted((k, v) for k, v in query.items() if k not in FIRST_LIST_ONLY))
        if "pageToken" in query:
            return self._page(query["pageToken"], json.dumps(sorted(_without(query, "pageToken").items())))
        found = self._changed(calendar, query, frozen) if "syncToken" in query else self._window(calendar, query)
        token = None if "orderBy" in query else _encode(calendar.calendar_id, self._version, frozen)
        snapshot = f"page{len(self._snapshots)}"
        self._snapshots[snapshot] = found, json.dumps(sorted(query.items())), token
        limit = min(int(query.get("maxResults", 250)), 2_500, self.max_page_size)
        first = _encode(snapshot, 0, str(limit))
        if self.empty_first_pages:
            return {"kind": "calendar#events", "items": [], "nextPageToken": first}
        return self._page(first, json.dumps(sorted(query.items())))

    def _page(self, token: str, asked: str) -> Resource:
        snapshot, start, size = _decode(token)
        found, frozen, sync_token = self._snapshots[snapshot]
        if asked != frozen:
            self.violations.append(f"page requested with other parameters: {asked} after {frozen}")
            raise ApiError(400, "invalid", "Invalid page token value.")
        end = start + int(size)
        page: Resource = {"kind": "calendar#events", "items": found[start:end]}
        if end < len(found):
            page["nextPageToken"] = _encode(snapshot, end, size)
        elif sync_token is not None:
            page["nextSyncToken"] = sync_token
        return page

    def _changed(self, calendar: FakeCalendar, query: Mapping[str, str], frozen: str) -> list[Resource]:
        forbidden = FORBIDDEN_WITH_TOKEN & query.keys()
        try:
            calendar_id, version, parameters = _decode(query["syncToken"])
        except ValueError:
            raise ApiError(400, "invalid", "Invalid sync token value.") from None
        is_other = (parameters, calendar_id) != (frozen, calendar.calendar_id)
        if forbidden or is_other or query.get("showDeleted") == "false":
            self.violations.append(f"sync token used with other parameters: {sorted(query)}, {sorted(forbidden)}")
            raise ApiError(400, "invalid", "Sync token cannot be used with these parameters.")
        if version < calendar.oldest_token:
            raise ApiError(410, "fullSyncRequired", "Sync token is no longer valid, a full sync is required.")
        is_single = query.get("singleEvents") == "true"
        changed = dict.fromkeys(key for _, key in calendar.log[bisect_right(calendar.log, (version, "\U0010ffff")) :])
        rows = [calendar.rows[key] for key in changed if key in calendar.rows]
        return [row.stub if row.gone else row.resource for row in rows if is_single or _is_own(row)]

    def _window(self, calendar: FakeCalendar, query: Mapping[str, str]) -> list[Resource]:
        low = _moment({"dateTime": query["timeMin"]}, calendar) if "timeMin" in query else None
        high = _moment({"dateTime": query["timeMax"]}, calendar) if "timeMax" in query else None
        rows = [row for row in calendar.rows.values() if not row.gone]
        if query.get("singleEvents") != "true":
            return [*calendar.masters.values(), *(row.resource for row in rows if _is_own(row))]
        return [row.resource for row in rows if _overlaps(row.resource, low, high, calendar)]

    # --- internals ----------------------------------------------------------------------------------------------

    def _next(self) -> int:
        self._version = next(self._versions)
        return self._version

    def _drop(self, calendar: FakeCalendar, row: Row) -> None:
        row.gone = True
        row.version = self._next()
        self._store(calendar, row)

    def _store(self, calendar: FakeCalendar, row: Row) -> None:
        calendar.rows[row.resource["id"]] = row
        calendar.log.append((row.version, row.resource["id"]))

    def _expand(self, calendar: FakeCalendar, master_id: str) -> None:
        """Expands a series again; cancels occurrences that no longer exist, keeps exceptions."""
        master = calendar.masters[master_id]
        version = self._next()
        found: set[str] = set()
        for occurrence in _occurrences(master, calendar, self._now() + timedelta(days=366 * YEARS_AHEAD)):
            found.add(occurrence["id"])
            known = calendar.rows.get(occurrence["id"])
            if known is None or not (known.moved or known.gone):
                self._store(calendar, Row(occurrence, version))
            else:
                known.version = version
                self._store(calendar, known)
        for key, row in calendar.rows.items():
            if row.resource.get("recurringEventId") == master_id and key not in found and not row.gone:
                row.gone, row.version = True, version
                self._store(calendar, row)


def _occurrences(master: Resource, calendar: FakeCalendar, until: datetime) -> Iterable[Resource]:
    """Yields the occurrences of a series, expanded in local wall time."""
    start, end = master["start"], master["end"]
    shared = {key: value for key, value in master.items() if key not in ("id", "recurrence", "start", "end")}
    rules = "\n".join(master["recurrence"])
    if "date" in start:
        first, last = date.fromisoformat(start["date"]), date.fromisoformat(end["date"])
        midnight = datetime.combine(first, datetime.min.time())
        for moment in rrulestr(rules, dtstart=midnight, ignoretz=True):
            if moment.replace(tzinfo=UTC) > until:
                return
            day = moment.date()
            yield {
                **shared,
                "id": f"{_first_id(master)}_{day:%Y%m%d}",
                "recurringEventId": master["id"],
                "originalStartTime": {"date": day.isoformat()},
                "start": {"date": day.isoformat()},
                "end": {"date": (day + (last - first)).isoformat()},
            }
        return
    zone_name = start.get("timeZone", calendar.time_zone)
    zone = ZoneInfo(zone_name)
    begin = datetime.fromisoformat(start["dateTime"]).astimezone(zone).replace(tzinfo=None)
    length = datetime.fromisoformat(end["dateTime"]) - datetime.fromisoformat(start["dateTime"])
    for moment in rrulestr(rules, dtstart=begin, ignoretz=True):
        starts = moment.replace(tzinfo=zone)
        if starts > until:
            return
        ends = (starts.astimezone(UTC) + length).astimezone(zone)
        yield {
            **shared,
            "id": f"{_first_id(master)}_{starts.astimezone(UTC):%Y%m%dT%H%M%SZ}",
            "recurringEventId": master["id"],
            "originalStartTime": {"dateTime": starts.isoformat(), "timeZone": zone_name},
            "start": {"dateTime": starts.isoformat(), "timeZone": zone_name},
            "end": {"dateTime": ends.isoformat(), "timeZone": zone_name},
        }


def _first_id(master: Resource) -> str:
    """Returns what the ids of occurrences begin with: `x` also for `x_R20261207T100000`, which was split off `x`."""
    return re.sub(r"_R\d{8}(T\d{6})?$", "", master["id"])


def _is_own(row: Row) -> bool:
    """Whether a listing without `singleEvents` contains it: not an occurrence, or an exception."""
    return "recurringEventId" not in row.resource or row.moved or row.gone


def _overlaps(resource: Mapping[str, Any], low: datetime | None, high: datetime | None, calendar: FakeCalendar) -> bool:
    """Whether a listing from `low` to `high` contains an event; one with an unreadable time is in every listing."""
    with suppress(KeyError, ValueError):
        starts, ends = (_moment(resource[name], calendar) for name in ("start", "end"))
        return (low is None or ends > low) and (high is None or starts < high)
    return True


def _moment(when: Mapping[str, str], calendar: FakeCalendar) -> datetime:
    """Returns the time; a date is midnight in the calendar's zone."""
    if "date" in when:
        day = date.fromisoformat(when["date"])
        return datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(calendar.time_zone))
    return datetime.fromisoformat(when["dateTime"])


def _encode(name: str, number: int, text: str) -> str:
    return base64.urlsafe_b64encode(json.dumps([name, number, text]).encode()).decode()


def _decode(token: str) -> tuple[str, int, str]:
    name, number, text = json.loads(base64.urlsafe_b64decode(token))
    return name, number, text


def _without(query: Mapping[str, str], name: str) -> dict[str, str]:
    return {key: value for key, value in query.items() if key != name}
