"""What of the CLI's stream is an item of the conversation: a finished text, a tool's use, its result, or something new.

Bookkeeping is listed here, so that what is not known passes as `raw` and is kept.  The result line is left out because
it repeats the last text, or an error that the turn's own end tells.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sidecar_protocol.claude.sessions import MessageKind

BOOKKEEPING = frozenset(
    {
        "stream_event",
        "result",
        "control_request",
        "control_response",
        "control_cancel_request",
        "command_lifecycle",
        "rate_limit_event",
    }
)
SYSTEM_BOOKKEEPING = frozenset(
    {"init", "status", "api_retry", "thinking_tokens", "ui_invalidate", "background_tasks_changed"}
)
BLOCKS = {
    "text": MessageKind.ASSISTANT_TEXT,
    "thinking": MessageKind.THINKING,
    "redacted_thinking": MessageKind.THINKING,
    "tool_use": MessageKind.TOOL_USE,
    "server_tool_use": MessageKind.TOOL_USE,
    "mcp_tool_use": MessageKind.TOOL_USE,
}


@dataclass(frozen=True, slots=True)
class Item:
    """A finished item; `api_message_id` is the API message that it is a part of."""

    kind: MessageKind
    text: str
    api_message_id: str | None = None


def items_of(message: Mapping[str, Any]) -> Iterator[Item]:
    """The items that a line tells, none for most lines."""
    match message.get("type"):
        case "assistant":
            yield from _assistant(message)
        case "user":
            yield from _user(message)
        case "system" if str(message.get("subtype")) in SYSTEM_BOOKKEEPING:
            return
        case kind if str(kind) not in BOOKKEEPING:
            yield Item(MessageKind.RAW, _words(message))


def _assistant(message: Mapping[str, Any]) -> Iterator[Item]:
    inner = message.get("message")
    inner = inner if isinstance(inner, dict) else {}
    message_id = inner.get("id")
    api_message_id = message_id if isinstance(message_id, str) else None
    for block in _blocks(inner.get("content")):
        kind = BLOCKS.get(str(block.get("type")), MessageKind.RAW)
        if message.get("is_api_error_message"):
            kind = MessageKind.ERROR
        yield Item(kind, _words(block), api_message_id)


def _user(message: Mapping[str, Any]) -> Iterator[Item]:
    """Results of tools; and what the CLI says in the user's name, such as that it was interrupted."""
    inner = message.get("message")
    blocks = list(_blocks(inner.get("content") if isinstance(inner, dict) else None))
    for block in blocks:
        is_result = str(block.get("type")).endswith("tool_result")
        yield Item(MessageKind.TOOL_RESULT if is_result else MessageKind.RAW, _words(block))
    if not blocks:
        yield Item(MessageKind.RAW, "")


def _blocks(content: Any) -> Iterator[Mapping[str, Any]]:
    if isinstance(content, str):
        yield {"type": "text", "text": content}
    elif isinstance(content, list):
        yield from (block for block in content if isinstance(block, dict))


def _words(block: Mapping[str, Any]) -> str:
    """What a person reads of a block: its text, the name of its tool, what its tool said."""
    for name in ("text", "thinking", "name", "message", "summary", "content"):
        value = block.get(name)
        if isinstance(value, str):
            return value
        if isinstance(value, list):
            return "\n".join(_words(part) for part in _blocks(value))
    return ""
