"""Renders a session as Markdown: a heading, then each message.  No I/O.

The inputs and outputs of tools are in code fences that are longer than any run of backticks inside, so that their text
cannot end them.
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from sidecar_protocol.claude.sessions import MessageKind

from sidecar.json_reader import get_objects

FENCE: Final = re.compile(r"`{3,}")
TOOL_USES: Final = ("tool_use", "server_tool_use", "mcp_tool_use")


class MarkdownSession:
    """Renders the messages of a session in order, with one heading for consecutive messages of a speaker."""

    def __init__(self, *, thinking: bool) -> None:
        self._thinking = thinking
        self._speaker: str | None = None
        self._parent: str | None = None
        self._line: Any = None
        self._calls_in_line = 0

    def heading(self, session: Mapping[str, Any]) -> str:
        facts = {
            "Folder": session["cwd"],
            "Model": session["model"],
            "Started": _moment(session["created_at"]),
            "Last message": _moment(session["last_message_at"]),
            "Session": session["session_id"],
        }
        lines = [f"- {name}: {value}" for name, value in facts.items() if value]
        return f"# {_one_line(session['title'] or 'A session with Claude')}\n\n" + "\n".join(lines) + "\n"

    def message(self, message: Mapping[str, Any]) -> str:
        """Renders a message; returns an empty text if it is omitted.  What a subagent says is quoted under its name."""
        parent = message.get("parent")
        if parent is None:
            self._parent = None
            return self._own(message)
        text = self._of_agent(message)
        if not text:
            return ""
        name = f"> **Subagent {_one_line(message.get('agent') or '')}".rstrip() + "**\n>\n"
        heading = "" if parent == self._parent else f"\n{name}"
        self._parent, self._speaker = parent, None  # Claude itself gets a heading again
        return f"{heading or chr(10)}{_quoted(text)}\n"

    def _of_agent(self, message: Mapping[str, Any]) -> str:
        """Renders a subagent's message without the heading of a speaker."""
        match MessageKind(message["kind"]):
            case MessageKind.USER | MessageKind.ASSISTANT_TEXT:
                return str(message["text"])
            case MessageKind.THINKING:
                return _quoted(message["text"]) if self._thinking else ""
            case MessageKind.TOOL_USE:
                return "".join(self._tool(message))
        return self._own(message)

    def _own(self, message: Mapping[str, Any]) -> str:
        kind, text = MessageKind(message["kind"]), message["text"]
        match kind:
            case MessageKind.USER | MessageKind.ASSISTANT_TEXT:
                speaker = "You" if kind is MessageKind.USER else "Claude"
                return self._speaker_heading(speaker, message) + f"\n{text.strip()}\n" + _attached(message)
            case MessageKind.THINKING:
                thought = f"\n{_quoted(text)}\n" if self._thinking and text.strip() else ""
                return self._speaker_heading("Claude", message) + thought if thought else ""
            case MessageKind.TOOL_USE:
                return self._speaker_heading("Claude", message) + "".join(self._tool(message))
            case MessageKind.TOOL_RESULT:
                return f"\nOutput:\n\n{fenced(text)}\n" if text.strip() else "\nNo output.\n"
            case MessageKind.ERROR:
                return f"\n**Error:** {_one_line(text)}\n"
            case MessageKind.CLEARED | MessageKind.NOTICE | MessageKind.RAW:
                return f"\n{_quoted(text)}\n" if text.strip() else ""

    def _speaker_heading(self, speaker: str, message: Mapping[str, Any]) -> str:
        if speaker == self._speaker and speaker != "You":
            return ""
        self._speaker = speaker
        return f"\n## {speaker}, {_moment(message['created_at'])}\n"

    def _tool(self, message: Mapping[str, Any]) -> Iterator[str]:
        """Yields the tool's name and, if it was stored, its input."""
        yield f"\n**Tool {_one_line(message['text']) or 'without name'}**\n"
        tool_input = self._input(message["raw"])
        if tool_input is None:
            yield "\nThe input was too large to be stored.\n"
            return
        command = tool_input.get("command") if message["text"] == "Bash" else None
        if isinstance(command, str):
            yield f"\n{fenced(command, 'sh')}\n"
            tool_input = {name: value for name, value in tool_input.items() if name not in ("command", "description")}
        if tool_input:
            yield f"\n{fenced(json.dumps(tool_input, indent=2, ensure_ascii=False), 'json')}\n"

    def _input(self, raw: Any) -> Mapping[str, Any] | None:
        """Returns the input of a tool call.

        A line with several calls is the `raw` of a message for each: the messages are matched to them in order.
        """
        self._calls_in_line = self._calls_in_line + 1 if raw == self._line else 0
        self._line = raw
        calls = [one for one in get_objects(raw, "message", "content") if one.get("type") in TOOL_USES]
        if self._calls_in_line >= len(calls):
            return None
        tool_input = calls[self._calls_in_line].get("input")
        return tool_input if isinstance(tool_input, dict) else {"input": tool_input}


def _attached(message: Mapping[str, Any]) -> str:
    """Renders the names of a prompt's images and files."""
    names = (
        f"- {_one_line(one['name'])} ({one['media_type']}, {one['size']} bytes)"
        for one in message.get("attachments", [])
    )
    lines = "\n".join(names)
    return f"\nAttached:\n\n{lines}\n" if lines else ""


def fenced(text: str, language: str = "") -> str:
    """Returns text in a code fence that nothing in it can end."""
    longest = max((len(run) for run in FENCE.findall(text)), default=2)
    fence = "`" * (longest + 1)
    return f"{fence}{language}\n{text.rstrip()}\n{fence}"


def _quoted(text: str) -> str:
    return "\n".join(f"> {line}".rstrip() for line in text.strip().splitlines())


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _moment(at: str | None) -> str | None:
    """Returns `2026-11-23 08:00 UTC` for `2026-11-23T08:00:00.000Z`."""
    return None if at is None else f"{at[:10]} {at[11:16]} UTC"
