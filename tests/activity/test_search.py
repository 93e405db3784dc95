"""`activity.search`: words of any language and issue keys in titles and descriptions, newest first."""

import contextlib
import sqlite3
import unicodedata
from pathlib import Path
from typing import Any, Final

import pytest
from sidecar_protocol.activity.feed import Activity, ActivityHit
from sidecar_protocol.system.maintenance import VacuumDatabase

from sidecar.commandline.client import RemoteError
from sidecar.feed import FeedEvent, Origin
from sidecar.storage.fulltext import MAX_KEY, STEP_ROWS
from sidecar.system.maintenance import VacuumHandler
from tests.activity.test_export import Context
from tests.conftest import StartRawClient
from tests.in_process_app import EIGHT_O_CLOCK, InProcessApp
from tests.old_backend import ROWS, insert, old_database

JIRA = Origin("jira", "j")
PAGES = Origin("confluence", "c")


def event(event_id: str, title: str, description: str | None = None, **fields: Any) -> FeedEvent:
    fields = {"event_type": "page_edited", "at_ms": EIGHT_O_CLOCK + int(event_id) * 1000, **fields}
    return FeedEvent(event_id=event_id, title=title, description=description, **fields)


async def search(app: InProcessApp, query: str, **params: Any) -> list[str]:
    """Returns the ids of the hits on all pages."""
    ids: list[str] = []
    while True:
        page = await app.call("activity.search", {"query": query, **params})
        ids += [hit["event_id"] for hit in page["hits"]]
        if page["next_cursor"] is None:
            return ids
        params["cursor"] = page["next_cursor"]


@pytest.fixture(params=["indexed", "not indexed"])
def corpus(app: InProcessApp, request: pytest.FixtureRequest) -> InProcessApp:
    """Events in several languages; with the full-text index, and as on a SQLite that lacks it."""
    app.activity.write(
        PAGES,
        [
            event("0", "Deploy the login page", "weekly review with the team"),
            event("1", "주간 회의록", "배포 일정을 확인하고 로그인 오류를 고쳤다"),
            event("2", "週次会議の議事録", "請求書の支払いを確認しました"),
            event("3", "部署登录页面", "修复了支付错误"),
            event("4", "Straße ÄÖÜ", "Ça déploie"),
            event("5", "100% of a_b \\ done", 'it\'s "quoted" AND NEAR(x) title:y *'),
            event("6", "Review", None),
            event("7", "Deployment \U0001f375 tea", "login again"),
        ],
    )
    if request.param == "not indexed":
        app.features.get("activity").indexes[0].is_available = False
    return app


@pytest.mark.parametrize(
    ("query", "ids"),
    [
        ("deploy", ["7", "0"]),
        ("DEPLOY login", ["7", "0"]),
        ("login deploy review", ["0"]),
        ('"login page"', ["0"]),
        ('"page login"', []),
        ("로그인", ["1"]),
        ("회의", ["1"]),  # two characters: no trigram
        ("회의록 배포", ["1"]),
        ("회의 로그인", ["1"]),
        ("議事録", ["2"]),
        ("会議", ["2"]),
        ("支払", ["2"]),
        ("登录页面", ["3"]),
        ("支", ["3", "2"]),
        ("ÄÖÜ", ["4"]),
        ("äöü", ["4"]),
        ("straße", ["4"]),
        ("a_b", ["5"]),
        ("100%", ["5"]),
        ("\\", ["5"]),
        ('"quoted"', ["5"]),
        ("AND NEAR(x)", ["5"]),
        ("title:y", ["5"]),
        ("\U0001f375", ["7"]),
        ("'; DROP TABLE activity_events; --", []),
        ("zzz", []),
        ("e", ["7", "6", "5", "4", "0"]),
    ],
)
async def test_all_words_are_found_in_any_script(corpus: InProcessApp, query: str, ids: list[str]) -> None:
    assert await search(corpus, query) == ids
    assert await search(corpus, query, limit=1) == ids


async def test_filters_apply_to_a_search(corpus: InProcessApp) -> None:
    corpus.activity.write(JIRA, [event("8", "Deploy it", event_type="issue_created")])
    assert await search(corpus, "deploy") == ["8", "7", "0"]
    assert await search(corpus, "deploy", source="jira") == ["8"]
    assert await search(corpus, "deploy", account_id="c", limit=1) == ["7", "0"]
    assert await search(corpus, "deploy", event_type="issue_created") == ["8"]
    assert await search(corpus, "deploy", source="jira", account_id="c") == []
    assert await search(corpus, "deploy", start="2026-11-23T08:00:01Z", end="2026-11-23T08:00:08Z") == ["7"]
    assert await search(corpus, "de", start="2026-11-23T08:00:01Z", end="2026-11-23T08:00:08Z") == ["7"]


async def test_an_issue_key_does_not_match_a_longer_number(app: InProcessApp) -> None:
    feed = app.activity
    feed.write(PAGES, [event("1", "About PROJ-12"), event("2", "About PROJ-123"), event("3", "PROJ-12 and beans")])
    feed.write(JIRA, [event("4", "Beans", issue_key="PROJ-12"), event("5", "UTF-8 beans")])
    assert await search(app, "PROJ-12") == ["4", "3", "1"]
    assert await search(app, "proj-12 beans") == ["4", "3"]
    assert await search(app, "PROJ-1") == ["3", "2", "1"]  # not a known issue: ordinary text
    assert await search(app, "PROJ-") == ["3", "2", "1"]
    assert await search(app, "UTF-8") == ["5"]


async def test_a_hit_has_a_snippet_with_highlights(app: InProcessApp) -> None:
    app.activity.write(PAGES, [event("1", "\U0001f375 Tea, tea", "x" * 300 + " the tea\nhouse"), event("2", "Tea")])
    page = await app.call("activity.search", {"query": "tea"})
    described, titled = page["hits"][1], page["hits"][0]
    (mark,) = described["highlights"]
    assert described["snippet"][mark["start"] : mark["end"]] == "tea"
    assert described["snippet"].startswith("…")
    assert described["snippet"].endswith("tea house")
    assert (titled["snippet"], titled["highlights"]) == ("Tea", [{"start": 0, "end": 3}])
    for hit in page["hits"]:
        assert set(hit) == set(ActivityHit.model_fields)
        assert ActivityHit.model_validate(hit).model_dump(mode="json") == hit
    typed = await app.remote(Activity).search(query="tea", limit=1)
    assert (typed.hits[0].event_id, typed.next_cursor is None) == ("2", False)


async def test_the_index_is_updated_with_every_change(app: InProcessApp) -> None:
    feed = app.activity
    feed.write(PAGES, [event("1", "first words", "and more"), event("2", "second words")])
    feed.write(PAGES, [event("1", "other words", at_ms=EIGHT_O_CLOCK + 9_000), event("2", "second thoughts")])
    feed.write(PAGES, [event("3", "words, too")], remove=["2"])
    assert await search(app, "words") == ["1", "3"]
    assert await search(app, "first") == []
    assert await search(app, "more") == []
    assert await search(app, "thoughts") == []
    app.features.get("activity").indexes[0].check()


async def test_a_vacuum_and_a_copy_keep_the_index_intact(app: InProcessApp, data_dir: Any) -> None:
    feed = app.activity
    feed.write(PAGES, [event(str(number), f"word{number}") for number in range(20)])
    feed.write(PAGES, remove=[str(number) for number in range(0, 20, 2)])
    app.unit_of_work.commit()
    app.database.rows("VACUUM INTO ?", (str(data_dir / "copy.db"),))
    with contextlib.closing(sqlite3.connect(data_dir / "copy.db")) as copy:
        copy.execute("INSERT INTO activity_search (activity_search, rank) VALUES ('integrity-check', 1)")
    app.database.rows("VACUUM")
    assert await search(app, "word7") == ["7"]
    app.features.get("activity").indexes[0].check()


async def test_a_vacuum_merges_the_index_into_one_segment(app: InProcessApp) -> None:
    for number in range(60):
        app.activity.write(PAGES, [event(f"{number}{one:03}", f"words {number}", "more " * 50) for one in range(20)])
        app.unit_of_work.commit()

    def segments() -> int:
        return int(app.database.rows("SELECT count(DISTINCT segid) FROM activity_search_idx")[0][0])

    assert segments() > 1
    vacuum = VacuumHandler(app.runtime, app.features.merge_indexes)
    await vacuum.run(VacuumDatabase(), Context())
    assert segments() == 1
    assert await search(app, "words 59", limit=500) == [f"59{one:03}" for one in reversed(range(20))]


async def test_a_page_ends_at_its_scan_limit_and_the_next_one_continues(app: InProcessApp) -> None:
    feed = app.activity
    feed.write(PAGES, [event("0", "ox")])
    feed.write(PAGES, [event(str(number), "cattle of all kinds") for number in range(1, 1_200)])
    page = await app.call("activity.search", {"query": "ox"})
    assert page["hits"] == []
    assert await search(app, "ox") == ["0"]  # two letters: rows are examined, 1,000 per page
    assert (await app.call("activity.search", {"query": "cattle", "source": "jira"}))["next_cursor"] is not None
    assert await search(app, "cattle", source="jira") == []


@pytest.mark.parametrize("query", ["", "x" * 501])
async def test_a_query_of_invalid_length_is_refused(app: InProcessApp, query: str) -> None:
    with pytest.raises(RemoteError) as refused:
        await app.call("activity.search", {"query": query})
    assert [detail["path"] for detail in refused.value.data["details"]] == ["query"]


def decomposed(text: str) -> str:
    """Returns a text as macOS writes file names: in NFD."""
    return unicodedata.normalize("NFD", text)


SPELLINGS: Final = {
    decomposed("회의록 정리"): ("회의록", "회의"),
    decomposed("Café résumé.pdf"): ("café", "RÉSUMÉ", "é"),
    decomposed("プログラム仕様書"): ("プログラム", "グ", "ﾌﾟﾛｸﾞﾗﾑ"),
    "ＡＢＣ　Ｄｅｐｌｏｙ　１２３": ("abc deploy", "ＡＢＣ", "123", "c d"),
    "ﾃﾞﾌﾟﾛｲのﾒﾓ": ("デプロイ", "ﾃﾞﾌﾟﾛｲ", "デプ", "プロイのメモ"),
    "STRASSE ΣΊΣΥΦΟΣ İstanbul": ("straße", "σίσυφος", "i̇stanbul"),
    "soft\u00adhyphen zero\u200bwidth no\u00a0break": ("softhyphen", "zerowidth", "no break"),
    "ＰＲＯＪ－１２ ＰＲＯＪ−１３ PROJ\u201114": ("PROJ-12", "proj-13", "ＰＲＯＪ－１４"),
    "ㅋㅋㅠㅠ 늦음": ("ㅋㅋ", "ㅠㅠ", "ﾻﾻ"),
    "ﬁnal oﬃce ㎏": ("final", "office", "kg"),
}
"""Titles, and queries that find each of them."""


@pytest.mark.parametrize("is_indexed", [True, False])
async def test_a_search_ignores_normal_forms_width_and_case(app: InProcessApp, is_indexed: bool) -> None:
    events = {str(number): title for number, title in enumerate(SPELLINGS)}
    app.activity.write(PAGES, [event(event_id, title) for event_id, title in events.items()])
    app.features.get("activity").indexes[0].is_available = is_indexed
    for event_id, title in events.items():
        for query in SPELLINGS[title]:
            for spelling in (query, decomposed(query), f'"{query}"', f"\u3000{query}\u200b"):
                phrase = spelling if " " not in query else f'"{query}"'
                assert await search(app, phrase) == [event_id], (title, spelling)
            listed = (await app.call("activity.events.list", {"query": query}))["events"]
            assert [one["event_id"] for one in listed] == [event_id], (title, query)


async def test_highlights_point_at_the_match_in_the_original_text(app: InProcessApp) -> None:
    lead = decomposed("Größe 회의 ") * 40
    cases = {
        decomposed("회의록 정리"): ("회의록", [decomposed("회의록")]),
        decomposed("가나 나가"): ("가", [decomposed("가")] * 2),
        "\U0001f375 ﾃﾞﾌﾟﾛｲ、デプロイ": ("デプロイ", ["ﾃﾞﾌﾟﾛｲ", "デプロイ"]),
        "Ｔｅａ tea ＴＥＡ": ("tea", ["Ｔｅａ", "tea", "ＴＥＡ"]),
        "Straße, STRASSE": ("strasse", ["Straße", "STRASSE"]),
        "oﬃce": ("f", ["ﬃ"]),
        "İz ve iz": ('"z ve"', ["z ve"]),
        f"{lead}ｇｒüｎｅｒ Ｔｅｅ {lead}": ('"grüner tee"', ["ｇｒüｎｅｒ Ｔｅｅ"]),
        "zero\u200bwidth": ("width", ["width"]),
    }
    for number, (title, (query, found)) in enumerate(cases.items()):
        app.activity.write(PAGES, [event(str(number), title)])
        page = await app.call("activity.search", {"query": query, "limit": 1})
        (hit,) = page["hits"]
        units = hit["snippet"].encode("utf-16-le")
        marked = [units[2 * one["start"] : 2 * one["end"]].decode("utf-16-le") for one in hit["highlights"]]
        assert marked == found, title
        assert hit["snippet"].strip("…") in title
        app.activity.write(PAGES, remove=[str(number)])


@pytest.mark.parametrize("query", [" ", '""', '"', "\0", "\u3000", "＂　＂", "\u200b", "\u00ad", "***", "？！"])
async def test_a_query_of_signs_alone_finds_nothing(app: InProcessApp, query: str) -> None:
    app.activity.write(PAGES, [event("1", "a b"), event("2", "b")])
    assert await search(app, query) == []
    assert (await app.call("activity.events.list", {"query": query}))["events"] == []


async def test_the_longest_query_can_be_answered(app: InProcessApp) -> None:
    app.activity.write(PAGES, [event("1", " ".join(f"{number:03}" for number in range(200)))])
    assert await search(app, " ".join(f"{number:03}" for number in range(125))) == ["1"]


def test_a_long_feed_of_the_old_backend_is_indexed_while_it_is_served(
    raw_client: StartRawClient, data_dir: Path
) -> None:
    data_dir.mkdir()
    old, last = ROWS["activity_events"][0], 10 * STEP_ROWS - 1
    with old_database(data_dir) as connection:
        for number in range(last + 1):
            insert(connection, "activity_events", **{**old, "event_id": f"a-{number}", "title": f"Title {number}."})
    with raw_client() as wire, contextlib.closing(sqlite3.connect(data_dir / "sidecar.db")) as outside:
        wire.initialize()
        found = [wire.call("activity.search", query=f"title {last}.")["hits"]]
        while outside.execute("SELECT key FROM activity_search_upto").fetchone() != (MAX_KEY,):
            found.append(wire.call("activity.search", query=f"title {last}.")["hits"])
        found.append(wire.call("activity.search", query=f"title {last}.")["hits"])
        assert [[hit["title"] for hit in hits] for hits in found] == [[f"Title {last}."]] * len(found)
        wire.close_stdin()
        assert wire.exit_code() == 0
    with contextlib.closing(sqlite3.connect(data_dir / "sidecar.db")) as left:
        left.execute("INSERT INTO activity_search (activity_search, rank) VALUES ('integrity-check', 1)")
