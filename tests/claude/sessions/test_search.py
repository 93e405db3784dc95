"""Search over the messages of the sessions, on a real database."""

import json
import unicodedata
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from sidecar_protocol.claude.search import ClaudeSearch, MessageHits
from sidecar_protocol.claude.sessions import MessageKind, Session, Sessions

from sidecar.claude.sessions.journal import SessionJournal, SessionStore
from sidecar.claude.sessions.messages import NewMessage
from sidecar.claude.sessions.search import INDEXED_WINDOW, SCANNED_WINDOW
from sidecar.claude.status.journal import StatusJournal
from sidecar.claude.usage import UsageStore
from sidecar.commandline.client import RemoteError
from tests.in_process_app import InProcessApp


class SearchHarness:
    """The services over a real database, and messages as a turn adds them."""

    def __init__(self, path: Path) -> None:
        self.app = InProcessApp(path)
        runtime = self.app.runtime
        store, usage = SessionStore(runtime.database), UsageStore(runtime.database, runtime.clock)
        self.journal = SessionJournal(runtime, store, usage, StatusJournal(runtime))
        (self.index,) = self.app.features.get("claude").indexes
        self.search = self.app.remote(ClaudeSearch)
        self.sessions = self.app.remote(Sessions)

    def add(self, session: Session, *texts: str, kind: MessageKind = MessageKind.ASSISTANT_TEXT) -> None:
        for text in texts:
            self.journal.add_message(session.session_id, "job", NewMessage(kind, text))

    async def find(self, query: str, **more: Any) -> list[str]:
        """Returns the snippets of all pages, with the matches in brackets."""
        found: list[str] = []
        cursor: str | None = None
        while True:
            page: MessageHits = await self.search.search_messages(query=query, cursor=cursor, **more)
            found += [marked(hit.snippet, [(one.start, one.end) for one in hit.highlights]) for hit in page.hits]
            cursor = page.next_cursor
            if cursor is None:
                return found


def marked(text: str, marks: list[tuple[int, int]]) -> str:
    units = text.encode("utf-16-le")
    for start, end in reversed(marks):
        pieces = (units[: 2 * start], units[2 * start : 2 * end], units[2 * end :])
        units = pieces[0] + "[".encode("utf-16-le") + pieces[1] + "]".encode("utf-16-le") + pieces[2]
    return units.decode("utf-16-le")


@pytest.fixture
async def harness(data_dir: Path) -> AsyncIterator[SearchHarness]:
    created = SearchHarness(data_dir / "sidecar.db")
    await created.app.initialize()
    yield created
    created.app.close()


async def test_a_message_is_found_by_its_words_in_any_order_and_case(harness: SearchHarness) -> None:
    session = await harness.sessions.create(title="Birds")
    harness.add(session, "The grey Heron stands in the pond.", "A stork flies.", "Nothing of interest.")
    (hit,) = (await harness.search.search_messages(query="POND heron")).hits
    assert (hit.session_id, hit.session_title, hit.seq, hit.kind, hit.job_id) == (
        session.session_id, "Birds", 1, MessageKind.ASSISTANT_TEXT, "job",
    )  # fmt: skip
    (message,) = (await harness.sessions.list_messages(session_id=session.session_id, limit=1)).messages
    assert (hit.message_id, hit.created_at) == (message.message_id, message.created_at)
    assert await harness.find("POND heron") == ["The grey [Heron] stands in the [pond]."]
    assert await harness.find("heron stork") == []
    assert await harness.find('"grey heron"') == ["The [grey Heron] stands in the pond."]
    assert await harness.find('"heron grey"') == []


async def test_words_of_any_length_are_found_in_any_script(harness: SearchHarness) -> None:
    session = await harness.sessions.create()
    harness.add(session, "東京都に住んでいます", "C# is not Go", "naïve façade", "emoji 🙂 here", "PROJ-123: done")
    assert await harness.find("東京") == ["[東京]都に住んでいます"]
    assert await harness.find("京都に") == ["東[京都に]住んでいます"]
    assert await harness.find("で") == ["東京都に住ん[で]います"]
    assert await harness.find("go c#") == ["[C#] is not [Go]"]
    assert await harness.find("FAÇADE") == ["naïve [façade]"]
    assert await harness.find("🙂") == ["emoji [🙂] here"]
    assert await harness.find("PROJ-123") == ["[PROJ-123]: done"]
    assert await harness.find("% OR 1=1") == []


async def test_messages_are_compared_without_case_width_and_normal_form(harness: SearchHarness) -> None:
    session = await harness.sessions.create()
    nfd = unicodedata.normalize("NFD", "회의록.md를 읽는다")
    harness.add(session, nfd, "ＰＲＯＪ－１２　Ｄｅｐｌｏｙ", "ﾃﾞﾌﾟﾛｲ完了", "STRASSE")
    for scope in ({}, {"session_id": session.session_id}):
        for query in ("회의록", unicodedata.normalize("NFD", "회의록"), "회의"):
            marked = [f"[{unicodedata.normalize('NFD', query)}]{nfd.removeprefix(unicodedata.normalize('NFD', query))}"]
            assert await harness.find(query, **scope) == marked
        assert await harness.find("proj-12 deploy", **scope) == ["[ＰＲＯＪ－１２] [Ｄｅｐｌｏｙ]"]
        assert await harness.find("デプロイ", **scope) == ["[ﾃﾞﾌﾟﾛｲ]完了"]
        assert await harness.find("プロ", **scope) == ["ﾃﾞ[ﾌﾟﾛ]ｲ完了"]
        assert await harness.find("straße", **scope) == ["[STRASSE]"]
    harness.index.check()


async def test_hits_are_paged_newest_first_without_duplicates(harness: SearchHarness) -> None:
    sessions = [await harness.sessions.create(title=title) for title in "ab"]
    for number in range(25):
        harness.add(sessions[number % 2], f"needle {number:02}", f"hay {number:02}")
    found: list[str] = []
    cursor: str | None = None
    for size in (7, 7, 7, 4):
        page = await harness.search.search_messages(query="needle", limit=7, cursor=cursor)
        assert len(page.hits) == size
        found += [hit.snippet for hit in page.hits]
        cursor = page.next_cursor
    assert cursor is None
    assert found == [f"needle {number:02}" for number in reversed(range(25))]


async def test_a_search_can_be_limited_to_a_session_and_a_kind(harness: SearchHarness) -> None:
    one, two = [await harness.sessions.create(title=title) for title in "ab"]
    harness.add(one, "the heron of one")
    harness.add(two, "the heron of two")
    harness.add(two, "heron?", kind=MessageKind.USER)
    assert await harness.find("heron", session_id=one.session_id) == ["the [heron] of one"]
    assert await harness.find("heron", kind=MessageKind.USER) == ["[heron]?"]
    assert await harness.find("heron", session_id=two.session_id, limit=1) == ["[heron]?", "the [heron] of two"]
    assert await harness.find("heron", session_id=one.session_id, kind=MessageKind.USER) == []


async def test_messages_of_a_deleted_session_are_not_found_but_those_of_its_fork_are(harness: SearchHarness) -> None:
    session = await harness.sessions.create(title="parent")
    harness.add(session, "a heron")
    fork = await harness.sessions.fork(session_id=session.session_id, title="fork")
    titles = [hit.session_title for hit in (await harness.search.search_messages(query="heron")).hits]
    assert titles == ["fork", "parent"]
    await harness.sessions.delete(session_id=session.session_id)
    assert [hit.session_id for hit in (await harness.search.search_messages(query="heron")).hits] == [fork.session_id]
    harness.index.check()


async def test_the_input_of_a_tool_is_found(harness: SearchHarness) -> None:
    session = await harness.sessions.create()
    block = {"type": "tool_use", "id": "t1", "name": "Bash", "input": {"command": "grep heron *.md"}}
    for raw in (json.dumps({"message": {"content": [block]}}), '{"truncated":true,"bytes":70000}', None):
        harness.journal.add_message(session.session_id, "job", NewMessage(MessageKind.TOOL_USE, "Bash", raw=raw))
    assert await harness.find("grep HERON") == ['Bash {"command":"[grep] [heron] *.md"}']
    assert len(await harness.find("bash")) == 3
    assert await harness.find("tool_use") == []
    harness.index.check()


async def test_only_the_beginning_of_a_very_long_message_is_searched(harness: SearchHarness) -> None:
    session = await harness.sessions.create()
    harness.add(session, "x" * 32_000 + " heron " + "y" * 70_000 + " stork")
    (snippet,) = await harness.find("heron")
    assert "…" in snippet
    assert "[heron]" in snippet
    assert await harness.find("stork") == []
    harness.index.check()


@pytest.mark.parametrize("query", ["needle th", "ne"])
async def test_a_slow_search_continues_with_the_next_page(harness: SearchHarness, query: str) -> None:
    session = await harness.sessions.create()
    harness.add(session, "the needle")
    window = INDEXED_WINDOW if len(query) > 2 else SCANNED_WINDOW
    with harness.app.database.write():  # as if many messages had been added and deleted
        harness.app.database.execute("UPDATE claude_messages SET id = ?", (3 * window,))
    harness.add(session, "hay")
    harness.app.database.commit()
    with harness.app.database.write():
        harness.app.database.execute("UPDATE claude_messages SET id = 1 WHERE text = 'the needle'")
    clock = harness.app.clock
    pages: list[int] = []
    monotonic = clock.monotonic

    def slow() -> float:  # every reading of the clock is later by more than the time of a page
        clock.moved_ms += 30
        return monotonic()

    clock.monotonic = slow  # type: ignore[method-assign]
    cursor: str | None = None
    while not pages or cursor is not None:
        page = await harness.search.search_messages(query=query, cursor=cursor)
        pages.append(len(page.hits))
        cursor = page.next_cursor
    assert pages == [0, 0, 0, 1]


async def test_a_page_that_is_full_at_the_end_of_a_window_is_followed_by_the_rest(harness: SearchHarness) -> None:
    session = await harness.sessions.create()
    harness.add(session, *(f"ab {number}" for number in range(SCANNED_WINDOW + 2)))
    page = await harness.search.search_messages(query="ab", limit=SCANNED_WINDOW)
    rest = await harness.search.search_messages(query="ab", limit=SCANNED_WINDOW, cursor=page.next_cursor)
    assert (len(page.hits), len(rest.hits), rest.next_cursor) == (SCANNED_WINDOW, 2, None)


async def test_a_search_without_an_index_finds_the_same(harness: SearchHarness) -> None:
    session = await harness.sessions.create()
    harness.add(session, "The grey Heron stands in the pond.", "日本語")
    harness.index.is_available = False
    assert await harness.find("heron") == ["The grey [Heron] stands in the pond."]
    assert await harness.find("日本語") == ["[日本語]"]


async def test_the_index_is_valid_after_a_restart(data_dir: Path) -> None:
    first = SearchHarness(data_dir / "sidecar.db")
    await first.app.initialize()
    first.add(await first.sessions.create(), "a heron")
    first.app.close()
    second = SearchHarness(data_dir / "sidecar.db")
    await second.app.initialize()
    assert await second.find("heron") == ["a [heron]"]
    second.index.check()
    second.app.close()


@pytest.mark.parametrize("query", ['""', ' " ', "\0", "\u3000", "＂＂", "\u200b"])
async def test_a_query_of_signs_alone_finds_nothing(harness: SearchHarness, query: str) -> None:
    session = await harness.sessions.create()
    harness.add(session, 'a "heron"')
    assert await harness.find(query) == []
    assert await harness.find(query, session_id=session.session_id) == []


@pytest.mark.parametrize("query", ["", "x" * 501])
async def test_a_query_of_invalid_length_is_refused(harness: SearchHarness, query: str) -> None:
    with pytest.raises(RemoteError) as refused:
        await harness.app.call("claude.messages.search", {"query": query})
    assert refused.value.data["kind"] == "invalid_params"


async def test_a_foreign_cursor_and_an_unknown_session_are_refused(harness: SearchHarness) -> None:
    session = await harness.sessions.create()
    harness.add(session, "heron", "heron")
    page = await harness.search.search_messages(query="heron", limit=1)
    for params, kind in (
        ({"cursor": page.next_cursor, "session_id": session.session_id}, "invalid_cursor"),
        ({"cursor": "x"}, "invalid_cursor"),
        ({"session_id": "unknown"}, "session_not_found"),
    ):
        with pytest.raises(RemoteError) as refused:
            await harness.app.call("claude.messages.search", {"query": "heron", **params})
        assert refused.value.data["kind"] == kind
