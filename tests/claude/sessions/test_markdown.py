"""Rendering of sessions as Markdown."""

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.claude.sessions.markdown import MarkdownSession, fenced

AT = "2026-11-23T08:00:00.000Z"
SESSION = {
    "session_id": "s1",
    "title": "Birds\n# of prey",
    "cwd": "/home/me",
    "model": None,
    "created_at": AT,
    "last_message_at": AT,
}


def message(kind: str, text: str, raw: Any = None) -> dict[str, Any]:
    return {"kind": kind, "text": text, "raw": raw, "created_at": AT}


def calls(*inputs: Any, name: str = "Bash") -> list[dict[str, Any]]:
    """Returns the messages of a line with a tool call per input."""
    blocks = [{"type": "tool_use", "id": f"t{number}", "name": name, "input": one} for number, one in enumerate(inputs)]
    raw = {"type": "assistant", "message": {"content": blocks}}
    return [message("tool_use", name, raw) for _ in inputs]


def rendered(*messages: dict[str, Any], thinking: bool = False) -> str:
    markdown = MarkdownSession(thinking=thinking)
    return "".join(markdown.message(one) for one in messages)


def test_the_heading_lists_the_known_facts() -> None:
    assert MarkdownSession(thinking=False).heading(SESSION) == (
        "# Birds # of prey\n\n- Folder: /home/me\n- Started: 2026-11-23 08:00 UTC\n"
        "- Last message: 2026-11-23 08:00 UTC\n- Session: s1\n"
    )


def test_a_conversation_reads_as_one() -> None:
    text = rendered(
        message("user", "How many?"),
        message("thinking", "Let me count."),
        message("assistant_text", "I will look."),
        *calls({"command": "ls | wc -l", "description": "Count", "timeout": 5}),
        message("tool_result", "3\n"),
        message("assistant_text", "Three."),
        message("user", "Thanks"),
        message("error", "The API\nis busy."),
        message("raw", "[Request interrupted by user]"),
        message("raw", ""),
    )
    assert text == (
        "\n## You, 2026-11-23 08:00 UTC\n\nHow many?\n"
        "\n## Claude, 2026-11-23 08:00 UTC\n\nI will look.\n"
        "\n**Tool Bash**\n\n```sh\nls | wc -l\n```\n"
        '\n```json\n{\n  "timeout": 5\n}\n```\n'
        "\nOutput:\n\n```\n3\n```\n"
        "\nThree.\n"
        "\n## You, 2026-11-23 08:00 UTC\n\nThanks\n"
        "\n**Error:** The API is busy.\n"
        "\n> [Request interrupted by user]\n"
    )


def test_thinking_is_included_on_request() -> None:
    thought = message("thinking", "Let me\n\ncount.")
    assert rendered(thought) == ""
    assert "> Let me\n>\n> count.\n" in rendered(thought, thinking=True)


def test_each_tool_call_in_one_line_has_its_own_input() -> None:
    text = rendered(*calls({"file_path": "/a"}, {"file_path": "/b"}, name="Read"))
    assert text.index("/a") < text.index("/b")
    assert (text.count("/a"), text.count("/b")) == (1, 1)


@pytest.mark.parametrize("raw", [None, {"truncated": True, "bytes": 70_000}, {"message": "odd"}, {"message": {}}, 5])
def test_an_input_that_was_not_stored_is_reported_as_missing(raw: Any) -> None:
    assert "The input was too large to be stored." in rendered(message("tool_use", "Write", raw))


def test_an_input_that_is_not_an_object_is_shown() -> None:
    assert '"input": [' in rendered(*calls([1, 2]))


@given(st.text(alphabet=st.sampled_from("`~ \nab"), max_size=60))
def test_nothing_in_a_fence_can_end_it(text: str) -> None:
    first, *inside, last = fenced(text, "sh").split("\n")
    fence = first.removesuffix("sh")
    assert last == fence
    assert re.fullmatch("`{3,}", fence)
    assert not any(line.strip().startswith(fence) for line in inside)
    assert "\n".join(inside) == text.rstrip()


def test_markdown_in_the_input_of_a_tool_is_unchanged() -> None:
    text = rendered(*calls({"content": "```py\nprint()\n```"}, name="Write"), message("tool_result", "````\nx\n````"))
    assert "\n`````\n````\nx\n````\n`````\n" in text
    given = re.search(r"^(`+)json\n(.*?)\n\1$", text, re.DOTALL | re.MULTILINE)
    assert given is not None
    assert json.loads(given.group(2)) == {"content": "```py\nprint()\n```"}


def test_what_a_subagent_says_is_quoted_under_its_name() -> None:
    def said(kind: str, text: str, parent: str | None = None) -> dict[str, Any]:
        return {**message(kind, text), "parent": parent, "agent": "Explore" if parent else None}

    text = rendered(
        said("assistant_text", "I let it look."),
        said("assistant_text", "I look.\n\nStill.", "call-1"),
        said("tool_result", "```\nfound", "call-1"),
        said("assistant_text", "Mine.", "call-2"),
        said("assistant_text", "It has looked."),
    )
    assert text == (
        "\n## Claude, 2026-11-23 08:00 UTC\n\nI let it look.\n"
        "\n> **Subagent Explore**\n>\n> I look.\n>\n> Still.\n"
        "\n> Output:\n>\n> ````\n> ```\n> found\n> ````\n"
        "\n> **Subagent Explore**\n>\n> Mine.\n"
        "\n## Claude, 2026-11-23 08:00 UTC\n\nIt has looked.\n"
    )
