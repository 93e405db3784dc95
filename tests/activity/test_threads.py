"""Threads: issue keys in texts link events to an issue, unless no such project is known."""

from typing import Any

import pytest

from sidecar.activity.keys import MAX_KEYS, find_keys, parse_key
from sidecar.commandline.client import RemoteError
from sidecar.feed import FeedEvent, Origin
from tests.in_process_app import EIGHT_O_CLOCK, InProcessApp

JIRA = Origin("jira", "j")
CALENDAR = Origin("google_calendar", "g")
CLAUDE = Origin("claude")


def event(event_id: str, **fields: Any) -> FeedEvent:
    return FeedEvent(event_id=event_id, **{"event_type": "issue_updated", "at_ms": EIGHT_O_CLOCK, **fields})


async def thread(app: InProcessApp, issue_key: str, **params: Any) -> list[str]:
    page = await app.call("activity.events.list", {"issue_key": issue_key, **params})
    return [one["event_id"] for one in page["events"]]


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ("PROJ-123", ["PROJ-123"]),
        ("see PROJ-1, (AB2-7) and [X_Y-9]: PROJ-1.", ["PROJ-1", "AB2-7", "X_Y-9"]),
        ("https://example.atlassian.net/browse/PROJ-123?focused=1", ["PROJ-123"]),
        ("PROJ-123-fix-login", ["PROJ-123"]),
        ("회의PROJ-12에서", ["PROJ-12"]),
        ("PROJ-5の件", ["PROJ-5"]),
        ("讨论PROJ-77问题", ["PROJ-77"]),
        ("ＰＲＯＪ－１２の件、ＡＢ＿Ｃ−３とPROJ\u2011４", ["PROJ-12", "AB_C-3", "PROJ-4"]),
        ("ＰＲＯＪー５とPROJー6", ["PROJ-5", "PROJ-6"]),
        ("①PROJ-7 ②PROJ-8¹ PROJ-9②", ["PROJ-7", "PROJ-8", "PROJ-9"]),  # signs that NFKC makes digits
        ("ＰＲＯＪ－１ＡとＡＰＲＯＪ－０、ｐｒｏｊ－１、サーバー１、ＡＢ－１２－３４", []),
        ("UTF-8 COVID-19 SHA-256", ["UTF-8", "COVID-19", "SHA-256"]),  # only known projects distinguish them
        ("proj-123 Proj-1 P-1 2X-1 -PROJ-1 APROJ-0 PROJ-01", []),
        ("x86-64, 2026-11-25, AB-12-34, PROJ-1a, PROJ-1_2, lPROJ-1, A1B2C3D4E5F6G7H8I9J0K-1", []),
        ("PROJ-1234567 PROJ-12345678", ["PROJ-1234567"]),
        ("", []),
    ],
)
def test_texts_in_the_form_of_a_key_are_found(text: str, keys: list[str]) -> None:
    assert find_keys([None, text]) == keys


def test_the_number_of_keys_per_event_is_limited() -> None:
    assert len(find_keys([" ".join(f"PROJ-{number}" for number in range(1, 100))])) == MAX_KEYS


def test_a_searched_key_is_recognised_in_any_case_and_width() -> None:
    terms = ("proj-12", "PROJ-12", "ｐｒｏｊ－１２", "Projー12", "proj", "PROJ-12 ", "프로-1")
    assert [parse_key(term) for term in terms] == [
        "PROJ-12",
        "PROJ-12",
        "PROJ-12",
        "PROJ-12",
        None,
        None,
        None,
    ]


async def test_a_thread_has_the_issue_and_the_events_that_mention_it(app: InProcessApp) -> None:
    feed = app.activity
    feed.write(CALENDAR, [event("meeting", event_type="event_scheduled", title="PROJ-1 회의", at_ms=EIGHT_O_CLOCK + 1)])
    feed.write(CLAUDE, [event("run", event_type="run_completed", title="Fix it", full_text="Fix it.\nIt is PROJ-1.")])
    assert await thread(app, "PROJ-1") == []  # PROJ is not a known project yet
    feed.write(JIRA, [event("issue", issue_key="PROJ-1", title="PROJ-1 blocks PROJ-2", at_ms=EIGHT_O_CLOCK + 2)])
    feed.write(JIRA, [event("linked", issue_key="PROJ-3", links=("PROJ-1", "FAR-1"), at_ms=EIGHT_O_CLOCK - 1)])
    assert await thread(app, "PROJ-1") == ["issue", "meeting", "run", "linked"]
    assert await thread(app, "PROJ-1", source="jira") == ["issue", "linked"]
    assert await thread(app, "PROJ-1", query="fix") == ["run"]
    assert await thread(app, "PROJ-1", query="회의", event_type="event_scheduled") == ["meeting"]
    assert await thread(app, "PROJ-1", start="2026-11-23T08:00:00.001Z") == ["issue", "meeting"]
    assert await thread(app, "PROJ-2") == ["issue"]
    assert await thread(app, "FAR-1") == ["linked"]  # an explicit link of the source
    links = {one["event_id"]: one["links"] for one in (await app.call("activity.events.list"))["events"]}
    assert links == {"issue": ["PROJ-2"], "meeting": ["PROJ-1"], "run": ["PROJ-1"], "linked": ["FAR-1", "PROJ-1"]}


async def test_a_full_width_key_in_a_title_links_the_event_to_the_issue(app: InProcessApp) -> None:
    app.activity.write(JIRA, [event("issue", issue_key="PROJ-12", title="PROJ-12 Boil water")])
    app.activity.write(CALENDAR, [event("meeting", title="ＰＲＯＪ－１２の打ち合わせ", at_ms=EIGHT_O_CLOCK + 1)])
    assert await thread(app, "PROJ-12") == ["meeting", "issue"]
    for query in ("ＰＲＯＪ－１２", "ｐｒｏｊ−１２", "PROJー12", "proj-12"):
        hits = (await app.call("activity.search", {"query": query}))["hits"]
        assert [(hit["event_id"], len(hit["highlights"])) for hit in hits] == [("meeting", 1), ("issue", 1)], query


async def test_a_thread_is_paged(app: InProcessApp) -> None:
    app.activity.write(JIRA, [event(f"e-{number}", issue_key="PROJ-1") for number in range(7)])
    app.activity.write(
        CALENDAR, [event(f"m-{number}", title="PROJ-1", at_ms=EIGHT_O_CLOCK - number) for number in range(1, 7)]
    )
    found: list[str] = []
    cursor = None
    while True:
        page = await app.call("activity.events.list", {"issue_key": "PROJ-1", "limit": 3, "cursor": cursor})
        found += [one["event_id"] for one in page["events"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert found == [f"e-{number}" for number in reversed(range(7))] + [f"m-{number}" for number in range(1, 7)]


async def test_names_of_standards_are_not_issues_although_a_project_begins_like_one(app: InProcessApp) -> None:
    feed = app.activity
    feed.write(CALENDAR, [event("meeting", title="UTF-8, ISO-8601, SHA-256, COVID-19 and ISOLATE-1")])
    feed.write(JIRA, [event("issue", issue_key="ISOLATE-1"), event("other", issue_key="SH-1")])
    for key in ("UTF-8", "ISO-8601", "SHA-256", "COVID-19"):
        assert await thread(app, key) == []
    assert await thread(app, "ISOLATE-1") == ["issue", "meeting"]


async def test_links_are_updated_with_their_event(app: InProcessApp) -> None:
    feed = app.activity
    feed.write(JIRA, [event("issue", issue_key="PROJ-9")])
    feed.write(CALENDAR, [event("meeting", title="PROJ-1 and PROJ-2")])
    feed.write(CALENDAR, [event("meeting", title="PROJ-2 and PROJ-3", at_ms=EIGHT_O_CLOCK + 3_600_000)])
    assert [await thread(app, f"PROJ-{number}") for number in (1, 2, 3)] == [[], ["meeting"], ["meeting"]]
    feed.write(CALENDAR, [event("meeting", title="PROJ-2 and PROJ-3", at_ms=EIGHT_O_CLOCK - 3_600_000)])
    assert [await thread(app, f"PROJ-{number}") for number in (1, 2, 3)] == [[], ["meeting"], ["meeting"]]
    feed.write(CALENDAR, remove=["meeting"])
    assert [await thread(app, f"PROJ-{number}") for number in (1, 2, 3)] == [[], [], []]
    assert app.database.rows("SELECT * FROM activity_links") == []
    feed.write(CALENDAR, [event("meeting", title="PROJ-1")])
    assert await feed.remove_all(JIRA) == 1
    assert await thread(app, "PROJ-1") == []  # PROJ is no longer a known project


@pytest.mark.parametrize("key", ["proj-1", "PROJ", "PROJ-0", "P-1", "PROJ-1 ", ""])
async def test_an_invalid_issue_key_is_refused(app: InProcessApp, key: str) -> None:
    with pytest.raises(RemoteError) as refused:
        await app.call("activity.events.list", {"issue_key": key})
    assert [detail["path"] for detail in refused.value.data["details"]] == ["issue_key"]
