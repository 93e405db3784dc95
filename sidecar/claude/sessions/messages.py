"""The messages of a session: which of them a line of the CLI contains, and the limits of stored texts.

Line types without content for the user are listed here; lines of other unknown types become messages of kind `raw`.
The result line is left out because it repeats the last text, or an error that the end of the turn reports.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from pydantic_core import to_json
from sidecar_protocol.claude.attachments import Attachment
from sidecar_protocol.claude.sessions import MessageKind

from sidecar.json_reader import get, get_text
from sidecar.text import well_formed

TEXT_LIMIT: Final = 2 * 1024 * 1024
"""Bytes of UTF-8 in a job's result or a message.  Every snapshot of the job contains the text."""
JSON_LIMIT: Final = 4 * 1024 * 1024
"""Bytes of a message's text as JSON: a page with one such message still fits into a result."""
RAW_LIMIT: Final = 64 * 1024
"""Bytes of a stored line.  A longer one consists mostly of its text, which is stored anyway, or of a picture."""
TITLE_CHARS: Final = 120
UNSTORED: Final = "Claude had begun to work on this prompt; nothing of that is stored."
"""The notice in place of messages that could not be stored, as on a full disk."""

BOOKKEEPING: Final = frozenset(
    {
        "stream_event",
        "result",
        "control_request",
        "control_response",
        "control_cancel_request",
        "conversation_reset",
        "auth_status",
        "command_lifecycle",
        "keep_alive",
        "rate_limit_event",
        "tool_progress",
    }
)
SYSTEM_BOOKKEEPING: Final = frozenset(
    {"init", "status", "api_retry", "thinking_tokens", "ui_invalidate", "background_tasks_changed"}
    | {"session_state_changed", "task_started", "task_progress", "task_updated", "hook_started", "hook_progress"}
)
ENVELOPE: Final = frozenset({"type", "subtype", "uuid", "session_id", "parent_tool_use_id", "timestamp"})
"""Members that any line has.  A line of an unknown type that has only these says nothing."""
BLOCKS: Final = {
    "text": MessageKind.ASSISTANT_TEXT,
    "thinking": MessageKind.THINKING,
    "redacted_thinking": MessageKind.THINKING,
    "tool_use": MessageKind.TOOL_USE,
    "server_tool_use": MessageKind.TOOL_USE,
    "mcp_tool_use": MessageKind.TOOL_USE,
}


@dataclass(frozen=True, slots=True)
class NewMessage:
    """A message to be added to a session."""

    kind: MessageKind
    text: str
    api_message_id: str | None = None
    """The API message that it is a part of."""
    raw: str | None = None
    """The CLI's line as JSON."""
    created_at: str | None = None
    """When it was written; None for now."""
    attachments: Sequence[Attachment] = ()
    """The images and files of a prompt."""

    @property
    def title(self) -> str:
        """The title of a session that begins with this prompt."""
        return title_of(self.text or ", ".join(one.name for one in self.attachments))

    @property
    def attachments_json(self) -> str:
        return to_json(self.attachments).decode()


def messages_in(line: Mapping[str, Any]) -> Iterator[NewMessage]:
    """Yields the messages in a parsed line; most lines contain none."""
    blocks = list(_blocks(get(line, "message", "content")))
    match line.get("type"):
        case "assistant":
            for block in blocks:
                kind = BLOCKS.get(str(block.get("type")), MessageKind.RAW)
                kind = MessageKind.ERROR if line.get("is_api_error_message") else kind
                yield NewMessage(kind, _text_of(block), get_text(line, "message", "id"))
        case "user":  # tool results, and texts that the CLI writes: "[Request interrupted by user]"
            for block in blocks or [{}]:
                is_result = str(block.get("type")).endswith("tool_result")
                yield NewMessage(MessageKind.TOOL_RESULT if is_result else MessageKind.RAW, _text_of(block))
        case "system" if str(line.get("subtype")) in SYSTEM_BOOKKEEPING:
            return
        case "system":
            yield from _system_messages(line)
        case other if str(other) not in BOOKKEEPING and not line.keys() <= ENVELOPE:
            yield NewMessage(MessageKind.RAW, _text_of(line))


def _system_messages(line: Mapping[str, Any]) -> Iterator[NewMessage]:
    """Yields the message in a line of type `system`; one without a text only reports a state."""
    text = _text_of(line)
    match line.get("subtype"):
        case "task_notification":
            yield NewMessage(MessageKind.NOTICE, f"Background task {get_text(line, 'status')}: {text}")
        case "hook_response":
            output = get_text(line, "stderr") or get_text(line, "output") or ""
            if line.get("outcome") not in ("success", None):
                yield NewMessage(MessageKind.NOTICE, f"The hook {get_text(line, 'hook_name')} failed: {output}".strip())
        case "compact_boundary":
            notice = "The conversation was compacted: Claude goes on with a summary of the messages above."
            yield NewMessage(MessageKind.NOTICE, notice)
        case "permission_denied":
            refused = f"Claude was not allowed to use {get_text(line, 'tool_name')}."
            yield NewMessage(MessageKind.NOTICE, f"{refused} {text}".strip())
        case "informational" if text:
            yield NewMessage(MessageKind.NOTICE, text)
        case _ if text:
            yield NewMessage(MessageKind.RAW, text)


def raw_json(line: bytes, parsed: Mapping[str, Any]) -> str:
    """Returns a line as JSON that SQLite and every client can read."""
    if len(line) > RAW_LIMIT:
        of_agent = {name: parsed[name] for name in ("parent_tool_use_id", "subagent_type") if get_text(parsed, name)}
        return to_json({"truncated": True, "bytes": len(line), **of_agent}).decode()
    try:
        return to_json(_without_redacted(parsed), inf_nan_mode="null").decode()
    except ValueError:  # a lone surrogate, or nested too deeply
        return '{"unreadable":true}'


def _without_redacted(line: Mapping[str, Any]) -> Mapping[str, Any]:
    """Returns a line without the data of redacted thinking, which only the API can read."""
    content = get(line, "message", "content")
    blocks = content if isinstance(content, list) else []
    if not any(get_text(block, "type") == "redacted_thinking" for block in blocks):
        return line
    kept = [{"type": "redacted_thinking"} if get_text(one, "type") == "redacted_thinking" else one for one in blocks]
    return {**line, "message": {**line["message"], "content": kept}}


def limited(text: str) -> tuple[str, bool]:
    """Returns at most TEXT_LIMIT bytes of a text, and whether it was longer."""
    encoded = text.encode()
    return encoded[:TEXT_LIMIT].decode(errors="ignore"), len(encoded) > TEXT_LIMIT


def storable(text: str) -> str:
    """Returns text that SQLite and JSON can hold: within the limits, without lone surrogates."""
    text, _ = limited(well_formed(text))
    return text if len(to_json(text)) <= JSON_LIMIT else text[: JSON_LIMIT // 6]


def title_of(prompt: str) -> str:
    """Returns the first line of a prompt."""
    return prompt.strip().partition("\n")[0][:TITLE_CHARS].strip() or "(empty prompt)"


def _blocks(content: Any) -> Iterator[Mapping[str, Any]]:
    if isinstance(content, str):
        yield {"type": "text", "text": content}
    elif isinstance(content, list):
        yield from (block for block in content if isinstance(block, dict))


def _text_of(block: Mapping[str, Any]) -> str:
    """Returns the readable part of a block: its text, its tool's name or its tool's output."""
    for name in ("text", "thinking", "name", "message", "summary", "content"):
        value = block.get(name)
        if isinstance(value, str):
            return value
        if isinstance(value, list):
            return "\n".join(_text_of(part) for part in _blocks(value))
    return ""
