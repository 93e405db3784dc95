"""ADF documents as text: the text that users see, for any input."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sidecar.atlassian.adf import CONTAINERS, LEAVES, MAX_CHARS, adf_text

SCHEMA = Path(__file__).parents[3] / "shared" / "data" / "specs" / "adf-v1.full.schema.json"


def text(value: str) -> dict[str, Any]:
    return {"type": "text", "text": value}


def link(value: str, target: str) -> dict[str, Any]:
    return {**text(value), "marks": [{"type": "strong"}, {"type": "link", "attrs": {"href": target}}]}


def node(kind: str, *content: Any, **attrs: Any) -> dict[str, Any]:
    return {"type": kind, "attrs": attrs, "content": list(content)}


def paragraph(value: str) -> dict[str, Any]:
    return node("paragraph", text(value))


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        (node("doc", paragraph("One"), paragraph("Two")), "One\nTwo"),
        (node("doc", node("heading", text("Title")), paragraph("Body")), "Title\nBody"),
        (node("paragraph", text("a"), {"type": "hardBreak"}, text("b")), "a\nb"),
        (node("paragraph", node("mention", text="@Ada", id="1"), text(" "), node("mention", id="2")), "@Ada 2"),
        (node("paragraph", node("emoji", shortName=":+1:"), node("emoji", shortName=":x:", text="❌")), ":+1:❌"),
        (node("paragraph", node("date", timestamp="1790330188061")), "2026-09-25"),
        (node("paragraph", node("date", timestamp="soon")), "soon"),
        (node("paragraph", node("date", timestamp=10**30)), ""),
        (node("paragraph", node("status", text="DONE")), "[DONE]"),
        (node("paragraph", node("inlineCard", url="https://example.com")), "https://example.com"),
        (node("paragraph", node("inlineCard", data={"name": "Plan", "url": "https://x.io"})), "Plan (https://x.io)"),
        (node("paragraph", node("inlineCard", data={"url": "https://x.io"})), "https://x.io"),
        (
            node("doc", node("blockCard", url="https://x.io"), node("embedCard", data={"name": "Plan"})),
            "https://x.io\nPlan",
        ),
        (node("paragraph", node("inlineCard", url="https://x.io"), node("mention", text="@Ada")), "https://x.io @Ada"),
        (
            node("paragraph", text("see "), link("the ", "https://x.io"), link("plan", "https://x.io"), text("!")),
            "see the plan (https://x.io)!",
        ),
        (node("paragraph", link("a", "https://a.io"), link("b", "https://b.io")), "a (https://a.io)b (https://b.io)"),
        (
            node("paragraph", link("x.io/plan", "https://x.io/plan/"), link(" ada@x.io", "mailto:ada@x.io")),
            "x.io/plan ada@x.io",
        ),
        (
            node("mediaSingle", {**node("media", alt="A photo"), "marks": link("", "https://x.io")["marks"]}),
            "A photo (https://x.io)",
        ),
        (node("mediaSingle", node("media", alt="A photo"), node("caption", text("in Paris"))), "A photo\nin Paris"),
        (node("mediaGroup", node("media", alt="A photo"), node("media")), "A photo\n[attachment]"),
        (
            node("paragraph", text("as in "), node("mediaInline"), node("mediaInline", alt="b.png")),
            "as in [attachment] b.png",
        ),
        (node("paragraph", text("by "), node("placeholder", text="Enter a date")), "by"),
        (node("paragraph", node("mention", id="3"), node("mention", id="4", text="")), "@Grace 4"),
        (node("doc", node("extension", text="A chart"), paragraph("below")), "A chart\nbelow"),
        (node("paragraph", text("due "), node("inlineExtension", text="tomorrow")), "due tomorrow"),
        (node("bodiedExtension", paragraph("inside"), text="Details"), "Details\ninside"),
        (node("extension", parameters={"macroParams": {"key": {"value": "PROJ-7"}}}), "PROJ-7"),
        (node("doc", paragraph("a"), node("unsupportedBlock", originalValue=paragraph("b"))), "a\nb"),
        (node("paragraph", text("a "), node("unsupportedInline", originalValue=text("b"))), "a b"),
        (node("doc", node("confluenceUnsupportedBlock", cxhtml="<p>Tea &amp; cake</p>")), "Tea & cake"),
        (node("paragraph", node("confluenceJiraIssue", issueKey="PROJ-7")), "PROJ-7"),
        (node("doc", node("hologram", title="From the future")), "From the future"),
        ({"type": "doc", "content": paragraph("not in a list")}, "not in a list"),
        ([paragraph("a"), paragraph("b")], "a\nb"),
        (node("doc", node("codeBlock", text("x = 1\ny = 2")), node("rule")), "x = 1\ny = 2\n---"),
        (node("blockquote", paragraph("said"), paragraph("so")), "> said\n> so"),
        (
            node("bulletList", node("listItem", paragraph("a"), node("bulletList", node("listItem", paragraph("b"))))),
            "• a\n  • b",
        ),
        (
            node("orderedList", node("listItem", paragraph("a")), node("listItem", paragraph("b")), order=3),
            "3. a\n4. b",
        ),
        (node("listItem", paragraph("alone")), "alone"),
        (
            node("taskList", node("taskItem", text("a"), state="DONE"), node("taskItem", text("b"), state="TODO")),
            "[x] a\n[ ] b",
        ),
        (
            node("taskList", node("blockTaskItem", paragraph("a"), state="DONE"), node("taskItem", text("b"))),
            "[x] a\n[ ] b",
        ),
        (
            node("doc", node("taskItem", text("a"), state="DONE"), node("taskItem", text("b"), state="TODO")),
            "[x] a\n[ ] b",
        ),
        (node("decisionList", node("decisionItem", text("go"))), "• go"),
        (
            node(
                "table",
                node("tableRow", node("tableHeader", paragraph("k")), node("tableHeader", paragraph("v"))),
                node("tableRow", node("tableCell", paragraph("1"), paragraph("2")), node("tableCell")),
            ),
            "k\tv\n1 2",
        ),
        (node("expand", paragraph("hidden"), title="More"), "More\nhidden"),
        (node("panel", paragraph("Careful")), "Careful"),
        (node("doc", node("hologram", paragraph("from the future"))), "from the future"),
        ({"type": "hologram", "text": "with text"}, "with text"),
        ("already text", "already text"),
        (None, ""),
        ([], ""),
        ({"type": ["doc"], "content": {"a": 1}}, ""),
        ({"type": "doc", "content": [None, 7, "x", {"type": "text", "text": 5}], "attrs": []}, ""),
    ],
)
def test_a_document_is_converted_to_the_text_that_it_shows(document: Any, expected: str) -> None:
    assert adf_text(document, names={"3": "Grace"}) == expected


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=20,
)
KINDS = st.sampled_from([*LEAVES, *CONTAINERS, "doc", "text", "rule", "listItem", "taskItem", "tableRow", "unheardOf"])
NODES = st.recursive(
    st.fixed_dictionaries({"type": KINDS, "text": st.text(max_size=20), "attrs": JSON}),
    lambda inner: st.fixed_dictionaries(
        {"type": KINDS, "attrs": JSON, "content": st.lists(inner | JSON, max_size=5) | JSON}
    ),
    max_leaves=30,
)


@settings(max_examples=300)
@given(document=NODES | JSON, limit=st.integers(0, 300))
def test_any_value_gives_text_within_the_limit(document: Any, limit: int) -> None:
    converted = adf_text(document, limit)
    assert isinstance(converted, str)
    assert len(converted) <= limit


@given(words=st.lists(st.text("abcdefg", min_size=3, max_size=9), max_size=8), kinds=st.lists(KINDS, min_size=8))
def test_no_words_are_lost_in_known_or_unknown_containers(words: list[str], kinds: list[str]) -> None:
    containers = [kind for kind in kinds if kind not in LEAVES and kind not in ("text", "rule")]
    document: Any = node("doc", *(paragraph(word) for word in words))
    for kind in containers[:8]:
        if kind in ("table", "tableRow"):  # a table shows its cells only
            continue
        document = node(kind, document)
    converted = adf_text(document).split()
    assert [word for word in converted if word in words] == words


def test_depth_number_of_nodes_and_length_are_limited() -> None:
    deep: Any = text("bottom")
    for _ in range(5_000):
        deep = {"type": "bulletList", "content": [{"type": "listItem", "content": [deep]}]}
    wide = {"type": "doc", "content": [{"type": "panel", "content": []}] * 2_000_000}
    long = {"type": "doc", "content": [text("x" * 1_000)] * 10_000}
    assert adf_text(deep).endswith("bottom")
    assert adf_text(wide) == ""
    assert len(adf_text(long)) == MAX_CHARS


@pytest.mark.skipif(not SCHEMA.is_file(), reason="Atlassian's schema of documents is not available")
def test_every_node_type_of_the_vendors_schema_is_converted_or_passed_through() -> None:
    definitions = json.loads(SCHEMA.read_text("utf-8"))["definitions"]
    kinds = {
        kind
        for one in definitions.values()
        for kind in one.get("properties", {}).get("type", {}).get("enum", [])
        if not one.get("$comment") and "mark" not in str(one.get("title", "")).casefold()
    }
    assert {"paragraph", "mention", "taskItem", "tableCell", "mediaSingle"} <= kinds
    for kind in kinds - LEAVES.keys() - {"rule", "table", "text"}:
        assert "kept" in adf_text(node("doc", node(kind, paragraph("kept")))), kind
    # Editors add the others to documents that they do not understand.
    assert set(CONTAINERS) | set(LEAVES) <= kinds | {"placeholder", "unsupportedBlock", "unsupportedInline"}
