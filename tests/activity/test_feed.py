"""The activity feed: events that features write, pages that clients read, and notifications."""

import json
from base64 import urlsafe_b64encode
from datetime import UTC, datetime
from typing import Any

import pytest
from sidecar_protocol.activity.feed import Activity, ActivityEvent

from sidecar.commandline.client import RemoteError
from sidecar.feed import LOCAL, FeedEvent, Origin
from tests.in_process_app import EIGHT_O_CLOCK, InProcessApp

AT = "2026-11-23T08:00:00.000Z"
UNSET = dict.fromkeys(
    (
        "ended_at", "local_date", "local_end_date", "container_id", "container", "object_id", "issue_key",
        "status", "previous_status", "status_kind",
    )
)  # fmt: skip
"""Fields that `write` leaves empty unless they are given."""


def write(
    app: InProcessApp,
    event_id: str,
    *,
    source: str = "jira",
    account_id: str = LOCAL,
    at_ms: int | None = None,
    **fields: Any,
) -> None:
    now_ms = app.clock.now_ms() if at_ms is None else at_ms
    event = FeedEvent(event_id=event_id, at_ms=now_ms, **{"event_type": "issue.updated", **fields})
    app.activity.write(Origin(source, account_id), [event])


def moment(seconds: float) -> str:
    """Returns the time this many seconds after eight o'clock."""
    return datetime.fromtimestamp(EIGHT_O_CLOCK / 1000 + seconds, UTC).isoformat()


async def listed(app: InProcessApp, **params: Any) -> list[str]:
    """Returns the ids of the events on all pages."""
    ids: list[str] = []
    while True:
        page = await app.call("activity.events.list", params)
        ids += [event["event_id"] for event in page["events"]]
        if page["next_cursor"] is None:
            return ids
        params["cursor"] = page["next_cursor"]


async def test_an_event_is_listed_with_all_its_fields(app: InProcessApp) -> None:
    write(
        app,
        "e-1",
        account_id="acc",
        title="TEA-1 é\u2028",
        description='say "hi"',
        url="https://example.com/1",
        actor="Ada",
        at_ms=EIGHT_O_CLOCK - 1,
        raw={"number": 1, "nothing": float("nan")},
    )
    event: dict[str, Any] = {
        "event_id": "e-1",
        "source": "jira",
        "account_id": "acc",
        "event_type": "issue.updated",
        "title": "TEA-1 é\u2028",
        "description": 'say "hi"',
        "url": "https://example.com/1",
        "actor": "Ada",
        "event_time": "2026-11-23T07:59:59.999Z",
        "event_ts": EIGHT_O_CLOCK // 1000 - 1,
        "created_at": AT,
        "updated_at": AT,
        "raw": {"number": 1, "nothing": None},
        **UNSET,
        "by_me": True,
        "links": [],
        "version": 1,
    }
    assert await app.call("activity.events.list") == {"events": [event], "next_cursor": None}
    assert app.named("activity.changed") == [
        {
            "seq": 1,
            "at": AT,
            "source": "jira",
            "account_id": "acc",
            "added": 1,
            "updated": 0,
            "removed": 0,
            "events": [event],
            "removed_ids": [],
        }
    ]


async def test_sqlite_encodes_events_as_the_model_would(app: InProcessApp) -> None:
    write(app, "bare")
    write(app, "full", account_id="a", title="t", description="d", url="u", actor="x", at_ms=0, raw={"a": [1, None]})
    page = await app.call("activity.events.list")
    for event in page["events"]:
        parsed = ActivityEvent.model_validate(event)
        assert set(event) == set(ActivityEvent.model_fields)
        assert json.loads(parsed.model_dump_json()) == event
    typed = await app.remote(Activity).list_events()
    assert typed.events[0].account_id == "local"


async def test_an_event_written_again_is_updated(app: InProcessApp) -> None:
    write(app, "e-1", title="old", actor="Ada")
    write(app, "e-1", title="same millisecond", actor="Ada")
    app.clock.advance(5)
    write(app, "e-1", title="new", event_type="issue.resolved")
    page = await app.call("activity.events.list")
    (event,) = page["events"]
    assert (event["title"], event["event_type"], event["actor"]) == ("new", "issue.resolved", None)
    assert (event["created_at"], event["updated_at"]) == (AT, "2026-11-23T08:00:05.000Z")
    await app.run_pending()
    assert [(one["added"], one["updated"]) for one in app.named("activity.changed")] == [(1, 0), (0, 1), (0, 1)]


async def test_events_are_listed_newest_first_with_ties_in_a_fixed_order(app: InProcessApp) -> None:
    for number in range(30):
        write(app, f"e-{number:02d}", at_ms=EIGHT_O_CLOCK + (number // 4) * 1000)
    whole = await listed(app)
    assert whole == [
        f"e-{number:02d}" for number in sorted(range(30), key=lambda number: (number // 4, number), reverse=True)
    ]
    for limit in (1, 3, 29, 30, 31):
        assert await listed(app, limit=limit) == whole


async def test_a_span_includes_its_start_and_excludes_its_end(app: InProcessApp) -> None:
    for seconds in range(5):
        write(app, f"e-{seconds}", at_ms=EIGHT_O_CLOCK + seconds * 1000)
    assert await listed(app, start=moment(1), end=moment(3)) == ["e-2", "e-1"]
    assert await listed(app, start=moment(1.001)) == ["e-4", "e-3", "e-2"]
    assert await listed(app, end=moment(1.001)) == ["e-1", "e-0"]
    assert await listed(app, start=moment(3), end=moment(1)) == []
    assert await listed(app, start="2026-11-23T17:00:02+09:00", limit=1) == ["e-4", "e-3", "e-2"]


async def test_filters_combine_and_apply_to_every_page(app: InProcessApp) -> None:
    for number in range(40):
        write(
            app,
            f"e-{number:02d}",
            source=("jira", "claude")[number % 2],
            account_id=("a", "b")[number // 2 % 2],
            event_type=("x.created", "x.deleted")[number // 4 % 2],
            at_ms=EIGHT_O_CLOCK + number * 1000,
        )
    ids = [f"e-{number:02d}" for number in reversed(range(40))]
    assert await listed(app, source="jira", limit=3) == [one for one in ids if int(one[2:]) % 2 == 0]
    assert await listed(app, account_id="b", limit=3) == [one for one in ids if int(one[2:]) // 2 % 2 == 1]
    assert await listed(app, event_type="x.deleted", limit=3) == [one for one in ids if int(one[2:]) // 4 % 2 == 1]
    together = await listed(app, source="claude", account_id="a", event_type="x.deleted", start=moment(8), limit=1)
    assert together == [f"e-{number}" for number in (37, 29, 21, 13)]
    assert await listed(app, source="none") == []


@pytest.mark.parametrize(
    ("query", "ids"),
    [
        ("tea", ["4", "1", "0"]),
        ("TEA", ["4", "1", "0"]),
        ("%", ["2"]),
        ("100%", ["2"]),
        ("_", ["3"]),
        ("a_b", ["3"]),
        ("\\", ["5"]),
        ("c:\\temp", ["5"]),
        ("\\%", []),
        ("'; DROP TABLE activity_events; --", []),
        ("é", ["6"]),
        ("\U0001f375", ["6"]),
        (" tea ", ["4", "1", "0"]),
        (" ", []),
    ],
)
async def test_a_query_is_plain_text(app: InProcessApp, query: str, ids: list[str]) -> None:
    texts = ["Tea time", "teapot", "100% sure", "a_b", "nothing", "C:\\temp is full", "é\U0001f375"]
    for number, text in enumerate(texts):
        write(app, str(number), title=text, description="with tea" if number == 4 else None, at_ms=number * 1000)
    assert await listed(app, query=query) == ids


@pytest.mark.parametrize(
    ("params", "path"),
    [
        ({"start": "yesterday"}, "start"),
        ({"end": "2026-11-23T08:00:00"}, "end"),
        ({"query": ""}, "query"),
        ({"query": "x" * 501}, "query"),
        ({"source": ""}, "source"),
        ({"limit": 501}, "limit"),
        ({"colour": "red"}, "colour"),
    ],
)
async def test_invalid_params_are_refused_with_their_path(app: InProcessApp, params: dict[str, Any], path: str) -> None:
    with pytest.raises(RemoteError) as refused:
        await app.call("activity.events.list", params)
    assert [detail["path"] for detail in refused.value.data["details"]] == [path]


async def test_a_cursor_of_another_list_is_refused(app: InProcessApp) -> None:
    for _ in range(2):
        await app.call("jobs.create", {"type": "test.echo"})
    jobs = await app.call("jobs.list", {"limit": 1})
    with pytest.raises(RemoteError) as refused:
        await app.call("activity.events.list", {"cursor": jobs["next_cursor"]})
    assert (refused.value.code, refused.value.kind) == (4001, "invalid_cursor")


@pytest.mark.parametrize("position", [[2**63, "e"], [-(2**70), "e"], [1.5, "e"], [True, "e"], ["1", "e"]])
async def test_an_invalid_cursor_is_refused(app: InProcessApp, position: list[Any]) -> None:
    cursor = urlsafe_b64encode(json.dumps(position).encode()).decode()
    with pytest.raises(RemoteError) as refused:
        await app.call("activity.events.list", {"cursor": cursor})
    assert refused.value.kind == "invalid_cursor"


async def test_a_page_of_large_events_ends_early(app: InProcessApp) -> None:
    for number in range(5):
        write(app, f"e-{number}", raw={"text": "x" * 1_500_000}, at_ms=number * 1000)
    page = await app.call("activity.events.list")
    assert [event["event_id"] for event in page["events"]] == ["e-4", "e-3"]
    assert await listed(app) == ["e-4", "e-3", "e-2", "e-1", "e-0"]


async def test_a_write_that_is_rolled_back_leaves_nothing(app: InProcessApp) -> None:
    def write_and_fail() -> None:
        with app.database.write():
            write(app, "e-1")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write_and_fail()
    assert await listed(app) == []
    assert app.named("activity.changed") == []
