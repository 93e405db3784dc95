"""Reading accounts, calendars and events, from databases of the old backend."""

import json
import random
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sidecar_protocol.accounts import AccountStatus
from sidecar_protocol.activity.feed import Activity
from sidecar_protocol.calendar.calendars import Calendar, CalendarAccount, CalendarEvent, Calendars
from sidecar_protocol.contract import Encoded, Model
from sidecar_protocol.errors import InvalidCursor, InvalidParams
from sidecar_protocol.jobs import Jobs
from sidecar_protocol.system.status import SyncStatus, System

from sidecar.calendar.events_store import DURATION_BUCKETS, EventsStore
from sidecar.calendar.service import CalendarService
from sidecar.calendar.stores import Stores
from sidecar.commandline.client import RemoteError
from sidecar.paths import schema_dir
from sidecar.storage.database import Database
from sidecar.storage.migrations import open_database
from sidecar.storage.paging import encode_cursor
from tests.in_process import decoded
from tests.old_backend import AT, SECRETS, STAMPS, fill, insert, old_database, serving
from tests.process.raw_client import CLIENT, RawClient

DAY = 86_400
MONDAY = 1_740_960_000  # 2025-03-03T00:00:00Z
WEEK: dict[str, Any] = {"start": "2025-03-03T00:00:00Z", "end": "2025-03-10T00:00:00Z"}


def iso(ts: float) -> str:
    return datetime.fromtimestamp(ts, UTC).isoformat()


def event(event_id: str, start_ts: int | None, end_ts: int | None, **more: Any) -> dict[str, Any]:
    row = {"account_id": "acc-1", "calendar_id": "cal-1", "event_id": event_id, "start_ts": start_ts, "end_ts": end_ts}
    return {**row, **STAMPS, **more}


@contextmanager
def calendars_of(folder: Path, *events: dict[str, Any], **tables: list[dict[str, Any]]) -> Iterator[Calendars]:
    """Yields the service on an adopted database with these rows."""
    with old_database(folder) as old:
        for table, rows in {"calendar_events": list(events), **tables}.items():
            for row in rows:
                insert(old, table, **row)
    with open_adopted(folder) as connection:
        database = Database(connection, folder / "sidecar.db", lambda: None)
        yield decoded(Calendars, CalendarService(Stores(database, {})))


@contextmanager
def open_adopted(folder: Path) -> Iterator[sqlite3.Connection]:
    connection = open_database(folder / "sidecar.db", schema_dir(), 0)
    try:
        yield connection
    finally:
        connection.close()


async def ids_between(calendars: Calendars, start: float, end: float, **wanted: Any) -> list[str]:
    """Returns the ids of the events in a range, page by page."""
    found: list[str] = []
    cursor = None
    while True:
        page = await calendars.list_events(start=iso(start), end=iso(end), cursor=cursor, **wanted)
        found += [one.event_id for one in page.events]
        cursor = page.next_cursor
        if cursor is None:
            return found


async def test_every_table_of_an_old_database_is_served(tmp_path: Path) -> None:
    with old_database(tmp_path) as old:
        fill(old)
    async with serving(tmp_path) as client:
        calendars = client.remote(Calendars)
        jobs = client.remote(Jobs)

        [account] = (await calendars.list_accounts()).accounts
        ada: dict[str, Any] = {"provider": "google", "email": "ada@example.com", "display_name": "Ada"}
        days: dict[str, Any] = {"past_days": 180, "future_days": 400}
        assert account == CalendarAccount(account_id="acc-1", status=AccountStatus.ACTIVE, **ada, **days, **STAMPS)
        assert await calendars.get_account(account_id="acc-1") == account
        assert (await calendars.list_calendars()).calendars == [
            Calendar(account_id="acc-1", calendar_id="ada@example.com", name="Ada", is_primary=True, **STAMPS),
            Calendar(account_id="acc-1", calendar_id="holidays", name="Holidays", selected=False, **STAMPS),
        ]
        assert (await calendars.list_events(**WEEK)).events == [
            CalendarEvent(
                account_id="acc-1",
                calendar_id="ada@example.com",
                event_id="planning",
                title="Planning",
                description="<b>Bring tea</b>",
                start_time="2025-03-03T10:00:00+01:00",
                end_time="2025-03-03T11:00:00+01:00",
                start_ts=1740992400,
                end_ts=1740996000,
                location="Room 4",
                conference_url="https://meet.example.com/abc",
                visibility="default",
                status="confirmed",
                organizer={"email": "ada@example.com", "self": True},
                attendees=[{"email": "bob@example.com", "responseStatus": "accepted"}],
                html_link="https://calendar.example.com/planning",
                time_zone="Europe/Berlin",
                **STAMPS,
            )
        ]
        assert [job.job_id for job in (await jobs.list()).jobs] == ["job-1"]
        assert [line.message for line in (await jobs.list_log(job_id="job-1")).lines] == ["Synced"]
        assert [one.title for one in (await client.remote(Activity).list_events()).events] == ["TEA-1"]
        status = await client.remote(System).status()
        assert status.accounts == {"google_calendar": 1, "jira": 1, "confluence": 1}
        assert status.syncs == [
            SyncStatus(connector="google_calendar", last_sync_at=None),
            SyncStatus(connector="jira", last_sync_at=AT),
        ]


async def test_an_empty_database_has_no_calendars(tmp_path: Path) -> None:
    async with serving(tmp_path) as client:
        assert await client.call("calendar.accounts.list") == {"accounts": []}
        assert await client.call("calendar.calendars.list") == {"calendars": []}
        assert await client.call("calendar.events.list", WEEK) == {"events": [], "next_cursor": None}
        status = await client.remote(System).status()
        assert (status.accounts, status.syncs) == ({}, [])


async def test_an_unknown_account_is_an_error(tmp_path: Path) -> None:
    async with serving(tmp_path) as client:
        with pytest.raises(RemoteError) as caught:
            await client.remote(Calendars).get_account(account_id="unknown")
    assert (caught.value.code, caught.value.kind) == (4043, "account_not_found")


@pytest.mark.parametrize(
    ("start_ts", "end_ts", "is_in"),
    [
        (MONDAY + 9 * 3600, MONDAY + 10 * 3600, True),
        (MONDAY - 3600, MONDAY + 3600, True),
        (MONDAY - 3600, MONDAY, False),
        (MONDAY - 3 * DAY, MONDAY + 1, True),
        (MONDAY - 40 * DAY, MONDAY + DAY, True),
        (MONDAY - 400 * DAY, MONDAY + DAY, True),
        (MONDAY - 4_000 * DAY, MONDAY + 4_000 * DAY, True),
        (MONDAY + 6 * DAY, MONDAY + 9 * DAY, True),
        (MONDAY + 7 * DAY, MONDAY + 8 * DAY, False),
        (MONDAY, MONDAY, True),
        (MONDAY + 7 * DAY, MONDAY + 7 * DAY, False),
        (MONDAY + DAY, MONDAY, True),
        (MONDAY + DAY, None, True),
    ],
)
async def test_a_range_contains_the_events_that_overlap_it(
    tmp_path: Path, start_ts: int, end_ts: int | None, is_in: bool
) -> None:
    with calendars_of(tmp_path, event("e", start_ts, end_ts)) as calendars:
        assert await ids_between(calendars, MONDAY, MONDAY + 7 * DAY) == (["e"] if is_in else [])


async def test_the_limits_of_a_range_may_be_fractions_of_a_second(tmp_path: Path) -> None:
    with calendars_of(
        tmp_path, event("before", MONDAY - 60, MONDAY), event("after", MONDAY + 1, MONDAY + 60)
    ) as calendars:
        assert await ids_between(calendars, MONDAY - 0.5, MONDAY + 0.5) == ["before"]
        assert await ids_between(calendars, MONDAY + 0.5, MONDAY + 1.5) == ["after"]


async def test_pages_of_any_size_add_up_to_the_overlapping_events_in_order(tmp_path: Path) -> None:
    rng = random.Random(4)
    lengths = (0, 1800, 3600, DAY, 2 * DAY, 8 * DAY, 30 * DAY, 64 * DAY, 300 * DAY, 2_000 * DAY)
    rows = []
    for number in range(600):
        start = MONDAY + rng.randrange(-1_000, 1_000) * DAY // 2
        row = event(f"e{number:03d}", start, start + rng.choice(lengths))
        rows.append(row | {"account_id": rng.choice(("a", "b")), "calendar_id": rng.choice(("x", "y", "z"))})
    rows.sort(key=lambda row: (row["start_ts"], row["account_id"], row["calendar_id"], row["event_id"]))
    with calendars_of(tmp_path, *rng.sample(rows, len(rows))) as calendars:
        for _ in range(40):
            start = MONDAY + rng.randrange(-1_100, 1_100) * DAY // 2
            end = start + rng.choice((3600, DAY, 7 * DAY, 400 * DAY))
            wanted = rng.choice(
                ({}, {"account_id": "a"}, {"calendar_id": "y"}, {"account_id": "b", "calendar_id": "z"})
            )
            expected = [
                row["event_id"]
                for row in rows
                if row["start_ts"] < end and (row["start_ts"] >= start or row["end_ts"] > start)
                if all(row[key] == value for key, value in wanted.items())
            ]
            assert await ids_between(calendars, start, end, limit=rng.choice((1, 7, 500)), **wanted) == expected


async def test_events_of_a_deselected_calendar_are_hidden_unless_requested(tmp_path: Path) -> None:
    rows = [event(name, MONDAY, MONDAY + 60, calendar_id=name) for name in ("off", "on", "undecided", "unknown")]
    calendars = [
        {"account_id": "acc-1", "calendar_id": name, "name": name, "selected": selected, **STAMPS}
        for name, selected in (("off", 0), ("on", 1), ("undecided", None))
    ]
    elsewhere = {"account_id": "acc-2", "calendar_id": "on", "name": "on", "selected": 0, **STAMPS}
    with calendars_of(tmp_path, *rows, calendar_calendars=[*calendars, elsewhere]) as service:
        assert await ids_between(service, MONDAY, MONDAY + DAY) == ["on", "undecided", "unknown"]
        everything = await ids_between(service, MONDAY, MONDAY + DAY, include_unselected=True)
        assert everything == ["off", "on", "undecided", "unknown"]
        assert await ids_between(service, MONDAY, MONDAY + DAY, calendar_id="off") == []
        listed = (await service.list_calendars(account_id="acc-1")).calendars
        assert {one.calendar_id: one.selected for one in listed} == {"off": False, "on": True, "undecided": True}
        assert (await service.list_calendars(account_id="unknown")).calendars == []


async def test_a_range_that_ends_before_it_starts_is_rejected(tmp_path: Path) -> None:
    async with serving(tmp_path) as client:
        with pytest.raises(RemoteError) as caught:
            await client.remote(Calendars).list_events(start=WEEK["end"], end=WEEK["start"])
    assert caught.value.code == InvalidParams.code
    assert caught.value.data["details"] == [{"path": "end", "message": "must be after start"}]


@pytest.mark.parametrize("key", [(), (1, "one id"), ("1", "three", "other", "ids"), (2**63, "three", "other", "ids")])
async def test_a_cursor_of_another_list_is_rejected(tmp_path: Path, key: tuple[int | str, ...]) -> None:
    cursor = encode_cursor(*key) if key else "nonsense"
    with calendars_of(tmp_path) as calendars, pytest.raises(InvalidCursor):
        await calendars.list_events(**WEEK, cursor=cursor)


async def test_a_cursor_can_contain_the_longest_ids_of_google(tmp_path: Path) -> None:
    rows = [event(letter * 1_024, MONDAY, MONDAY + 60, calendar_id="c" * 1_024) for letter in "ab"]
    with old_database(tmp_path) as old:
        for row in rows:
            insert(old, "calendar_events", **row)
    async with serving(tmp_path) as client:
        found = await ids_between(client.remote(Calendars), MONDAY, MONDAY + DAY, limit=1)
    assert found == ["a" * 1_024, "b" * 1_024]


async def test_invalid_json_in_a_row_is_returned_as_text(tmp_path: Path) -> None:
    rows = [
        event("text", MONDAY, MONDAY + 60, organizer_json="ada@example.com", attendees_json="[{'email': 'bob'}]"),
        event("cut", MONDAY + 1, MONDAY + 60, organizer_json='{"email": "a', attendees_json=""),
        event("bytes", MONDAY + 2, MONDAY + 60, organizer_json=b'{"email": "a', attendees_json=b"[1]"),
        event("none", MONDAY + 3, MONDAY + 60, organizer_json=None, attendees_json="[]", all_day=None),
    ]
    with calendars_of(tmp_path, *rows) as calendars:
        events = (await calendars.list_events(**WEEK)).events
        assert [(one.organizer, one.attendees) for one in events] == [
            ("ada@example.com", "[{'email': 'bob'}]"),
            ('{"email": "a', None),
            ('{"email": "a', [1]),
            (None, []),
        ]
        assert not any(one.all_day for one in events)


@pytest.mark.parametrize(
    ("row", "times"),
    [
        ({"start_time": "2025-03-04T10:00:00+01:00", "end_time": "2025-03-04T11:00:00Z"}, (1741078800, 1741086000)),
        ({"start_time": "2025-03-04", "end_time": "2025-03-06", "all_day": 1}, (1741046400, 1741219200)),
        ({"start_time": "2025-03-04", "all_day": 1}, (1741046400, 1741046400 + DAY)),
        ({"start_time": "2025-03-04T10:00:00Z"}, (1741082400, 1741082400)),
        ({"start_time": "2025-03-04T10:00:00Z", "end_time": "noon", "end_ts": 1741086000}, (1741082400, 1741086000)),
        ({"end_time": "2025-03-04T10:00:00Z"}, (1741082400, 1741082400)),
        ({"start_ts": 1741082400.5, "end_ts": 1741082460.25}, (1741082400, 1741082460)),
        ({"start_ts": "soon", "start_time": "2025-03-04T10:00:00Z", "end_ts": 1741086000}, (1741082400, 1741086000)),
        ({"start_time": "soon"}, None),
        ({}, None),
    ],
)
async def test_an_event_without_timestamps_gets_them_from_its_times(
    tmp_path: Path, row: dict[str, Any], times: tuple[int, int] | None
) -> None:
    with calendars_of(tmp_path, event("e", None, None) | row) as calendars:
        events = (await calendars.list_events(**WEEK)).events
        assert [(one.start_ts, one.end_ts) for one in events] == ([] if times is None else [times])
        assert all(one.start_time == row.get("start_time") for one in events), "the text is unchanged"


def test_rows_are_encoded_with_exactly_the_fields_of_their_models(tmp_path: Path) -> None:
    with old_database(tmp_path) as old:
        fill(old)
    with open_adopted(tmp_path) as connection:
        stores = Stores(Database(connection, tmp_path / "sidecar.db", lambda: None), {})
        events, _ = stores.events.events(MONDAY, MONDAY + DAY, limit=50)
        stored: dict[type[Model], Sequence[Encoded[Any]]] = {
            CalendarAccount: stores.accounts.encoded(),
            Calendar: stores.calendars.calendars(None),
            CalendarEvent: events,
        }
    for model, rows in stored.items():
        assert rows
        for row in rows:
            assert list(json.loads(row.json)) == list(model.model_fields)
            decoded = model.model_validate_json(row.json, strict=True)
            assert json.loads(decoded.model_dump_json()) == json.loads(row.json)


def test_the_cost_of_a_week_does_not_depend_on_the_length_of_the_history(tmp_path: Path) -> None:
    """Counts instructions of SQLite's virtual machine, which do not depend on the computer."""
    steps = {weeks: steps_of_a_week(tmp_path / str(weeks), weeks) for weeks in (20, 400)}
    assert steps[400] < steps[20] * 1.5


def steps_of_a_week(folder: Path, weeks: int) -> int:
    """Returns the cost of the last week of a history with 40 events per week, some of them long."""
    folder.mkdir()
    lengths = [1800] * 32 + [DAY] * 5 + [5 * DAY, 20 * DAY, 100 * DAY]
    with old_database(folder) as old:
        for number in range(weeks * 40):
            start = MONDAY - (number // 40) * 7 * DAY
            insert(old, "calendar_events", **event(f"e{number}", start, start + lengths[number % 40]))
    with open_adopted(folder) as connection:
        store = EventsStore(Database(connection, folder / "sidecar.db", lambda: None))
        store.events(MONDAY, MONDAY + 7 * DAY, account_id="acc-1", calendar_id="cal-1", limit=500)
        counted = 0

        def count() -> None:
            nonlocal counted
            counted += 1

        connection.set_progress_handler(count, 1)
        events, _ = store.events(MONDAY, MONDAY + 7 * DAY, account_id="acc-1", calendar_id="cal-1", limit=500)
        assert len(events) >= 40
        connection.set_progress_handler(None, 0)
        return counted


def test_a_page_is_read_in_order_from_the_index(tmp_path: Path) -> None:
    with old_database(tmp_path):
        pass
    with open_adopted(tmp_path) as connection:
        statements: list[str] = []
        connection.set_trace_callback(statements.append)
        store = EventsStore(Database(connection, tmp_path / "sidecar.db", lambda: None))
        store.events(MONDAY, MONDAY + 7 * DAY, limit=50)
        connection.set_trace_callback(None)
        plan = [row[3] for row in connection.execute("EXPLAIN QUERY PLAN " + statements[0])]
    searches = [line for line in plan if "calendar_events" in line]
    index = "idx_calendar_events_range (duration_bucket_s=? AND start_ts>? AND start_ts<?)"
    assert searches == [f"SEARCH calendar_events USING INDEX {index}"] * len(DURATION_BUCKETS)
    assert not any("TEMP B-TREE" in line for line in plan), "no row is sorted"


def test_every_duration_bucket_of_the_table_is_queried(tmp_path: Path) -> None:
    with old_database(tmp_path) as old:
        for length in (-DAY, 0, *(bucket + more for bucket in DURATION_BUCKETS for more in (0, 1))):
            insert(old, "calendar_events", **event(f"e{length}", MONDAY, MONDAY + length))
    with open_adopted(tmp_path) as connection:
        lengths = connection.execute(
            "SELECT duration_bucket_s, max(end_ts - start_ts) FROM calendar_events GROUP BY duration_bucket_s"
        )
        assert lengths.fetchall() == [
            *((bucket, bucket) for bucket in DURATION_BUCKETS[:-1]),
            (DURATION_BUCKETS[-1], DURATION_BUCKETS[-1] + 1),
        ]


def test_no_response_contains_credentials(tmp_path: Path) -> None:
    with old_database(tmp_path) as old:
        fill(old)
    calls: list[tuple[str, dict[str, Any]]] = [
        ("initialize", CLIENT),
        ("calendar.accounts.list", {}),
        ("calendar.accounts.get", {"account_id": "acc-1"}),
        ("calendar.calendars.list", {"account_id": "acc-1"}),
        ("calendar.events.list", {**WEEK, "include_unselected": True}),
        ("jira.accounts.list", {}),
        ("confluence.accounts.list", {}),
        ("system.status", {}),
        ("system.diagnostics", {}),
    ]
    # Without SHELL, system.diagnostics does not start the user's login shell, which can be slow.
    with RawClient(tmp_path, LOG_DIR=str(tmp_path / "logs"), RUN_ENV="dev", SHELL="") as client:
        answers = [client.call(name, **params) for name, params in calls]
        client.close_stdin()
        messages = [*answers, *client.all_notifications, *client.remaining()]
        assert client.exit_code() == 0
    assert [answer for answer in answers if "error" in answer] == []
    texts = [path.read_bytes() for path in (client.errors, *(tmp_path / "logs").iterdir())]
    output = json.dumps(messages, ensure_ascii=False).encode() + b"".join(texts)
    assert b"ada@example.com" in output
    assert [secret for secret in SECRETS if secret.encode() in output] == []
