"""A session as Markdown, piece by piece.  No I/O: a heading, then each message, as the JSON of the store has them.

What tools were given and said stands in fences that are longer than any run of backticks inside, so that nothing in it
can end them.
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from sidecar_protocol.claude.sessions import MessageKind

FENCE: Final = re.compile(r"`{3,}")
USES: Final = ("tool_use", "server_tool_use", "mcp_tool_use")
COMMANDS: Final = ("Bash",)


class MarkdownSession:
    """Renders one session's messages in order; a speaker is named once for all that follows."""

    def __init__(self, *, thinking: bool) -> None:
        self._thinking = thinking
        self._speaker: str | None = None
        self._line: Any = None
        self._uses_of_line = 0

    def heading(self, session: Mapping[str, Any]) -> str:
        """What the session is."""
        facts = {
            "Folder": session["cwd"],
            "Model": session["model"],
            "Began": _moment(session["created_at"]),
            "Last message": _moment(session["last_message_at"]),
            "Session": session["session_id"],
        }
        lines = [f"- {name}: {value}" for name, value in facts.items() if value]
        return f"# {_one_line(session['title'] or 'A session with Claude')}\n\n" + "\n".join(lines) + "\n"

    def message(self, message: Mapping[str, Any]) -> str:
        """One message; an empty text for what is left out."""
        kind, text = MessageKind(message["kind"]), message["text"]
        match kind:
            case MessageKind.USER:
                return self._speaks("You", message) + f"\n{text.strip()}\n"
            case MessageKind.ASSISTANT_TEXT:
                return self._speaks("Claude", message) + f"\n{text.strip()}\n"
            case MessageKind.THINKING:
                thought = f"\n{_quoted(text)}\n" if self._thinking and text.strip() else ""
                return self._speaks("Claude", message) + thought if thought else ""
            case MessageKind.TOOL_USE:
                return self._speaks("Claude", message) + "".join(self._tool(message))
            case MessageKind.TOOL_RESULT:
                return f"\nIt said:\n\n{fenced(text)}\n" if text.strip() else "\nIt said nothing.\n"
            case MessageKind.ERROR:
                return f"\n**It failed:** {_one_line(text)}\n"
            case MessageKind.RAW:
                return f"\n{_quoted(text)}\n" if text.strip() else ""

    def _speaks(self, speaker: str, message: Mapping[str, Any]) -> str:
        if speaker == self._speaker and speaker != "You":
            return ""
        self._speaker = speaker
        return f"\n## {speaker}, {_moment(message['created_at'])}\n"

    def _tool(self, message: Mapping[str, Any]) -> Iterator[str]:
        """The tool's name, and its input where that was kept."""
        yield f"\n**Tool {_one_line(message['text']) or 'without a name'}**\n"
        given = self._input(message["raw"])
        if given is None:
            yield "\nIts input was too large to be kept.\n"
            return
        command = given.get("command") if message["text"] in COMMANDS else None
        if isinstance(command, str):
            yield f"\n{fenced(command, 'sh')}\n"
            given = {name: value for name, value in given.items() if name not in ("command", "description")}
        if given:
            yield f"\n{fenced(json.dumps(given, indent=2, ensure_ascii=False), 'json')}\n"

    def _input(self, raw: Any) -> Mapping[str, Any] | None:
        """A line can tell of several uses, and is then the `raw` of each of them: they are taken in turn."""
        self._uses_of_line = self._uses_of_line + 1 if raw == self._line else 0
        self._line = raw
        inner = raw.get("message") if isinstance(raw, dict) else None
        content = inner.get("content") if isinstance(inner, dict) else None
        blocks = content if isinstance(content, list) else []
        uses = [one for one in blocks if isinstance(one, dict) and one.get("type") in USES]
        if self._uses_of_line >= len(uses):
            return None
        given = uses[self._uses_of_line].get("input")
        return given if isinstance(given, dict) else {"input": given}


def fenced(text: str, language: str = "") -> str:
    """Text in a fence that nothing in it can end."""
    longest = max((len(run) for run in FENCE.findall(text)), default=2)
    fence = "`" * (longest + 1)
    return f"{fence}{language}\n{text.rstrip()}\n{fence}"


def _quoted(text: str) -> str:
    return "\n".join(f"> {line}".rstrip() for line in text.strip().splitlines())


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _moment(at: str | None) -> str | None:
    """`2026-11-23T08:00:00.000Z` for people."""
    return None if at is None else f"{at[:10]} {at[11:16]} UTC"
