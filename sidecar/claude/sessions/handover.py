"""The handover of a conversation of which the CLI has no record: the sidecar's own messages, for Claude."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from pydantic_core import to_json
from sidecar_protocol.claude.sessions import MessageKind

from sidecar.json_reader import get_objects, parse_object

MAX_MESSAGES: Final = 1_000
TOTAL_CHARS: Final = 100_000
"""Maximum length of all messages, about 25,000 tokens."""
MESSAGE_CHARS: Final = 8_000
TOOL_CHARS: Final = 1_000
"""Maximum lengths of one message, and of a tool's input or output."""
RECORD_GONE: Final = "This conversation began earlier, in a session whose record is gone.  These are its messages."
ELSEWHERE: Final = "Meanwhile this conversation went on in a terminal, beginning before your last answer, as follows."
SPEAKERS: Final = {
    MessageKind.USER: "User",
    MessageKind.ASSISTANT_TEXT: "Claude",
    MessageKind.TOOL_USE: "Claude called",
    MessageKind.TOOL_RESULT: "The tool returned",
}


@dataclass(frozen=True, slots=True)
class Handover:
    """`text` precedes the prompt; it has the last `given` of `total` messages."""

    text: str
    given: int
    total: int

    @property
    def notice(self) -> str:
        """The message for the user."""
        which = "the messages" if self.given == self.total else f"the last {self.given} of {self.total} messages"
        return (
            "Claude Code has no record of this conversation up to here: it deletes what was not used for a while"
            " (cleanupPeriodDays, 30 days by default), and messages before a compaction. The conversation goes on in a"
            f" new one, to which the sidecar has given {which} above."
        )


def hand_over(
    newest_first: Iterable[tuple[str, str, str | None]], total: int, introduction: str = RECORD_GONE
) -> Handover | None:
    """Returns the handover of messages, each as kind, text and JSON; None if Claude has not answered yet.

    `total` is the number of all messages, of which `newest_first` may have the last only.
    """
    parts: list[str] = []
    left, has_answer = TOTAL_CHARS, False
    for kind, text, raw in newest_first:
        part = f"{SPEAKERS[MessageKind(kind)]}: {_shortened(kind, text, raw)}"
        left -= len(part)
        if left < 0:
            break
        has_answer = has_answer or kind != MessageKind.USER
        parts.append(part)
    if not has_answer:
        return None
    omitted = f"({total - len(parts)} earlier messages are left out.)\n\n" if len(parts) < total else ""
    messages = "\n\n".join(reversed(parts))
    text = (
        "<earlier-conversation>\n"
        f"{introduction}  Do not answer these messages again.  The user's next prompt follows after them.\n\n"
        f"{omitted}{messages}\n</earlier-conversation>"
    )
    return Handover(text, len(parts), total)


def _shortened(kind: str, text: str, raw: str | None) -> str:
    if kind == MessageKind.TOOL_USE:
        inputs = (block.get("input") for block in get_objects(parse_object(raw or ""), "message", "content"))
        text = " ".join([text, *(to_json(one).decode() for one in inputs if one is not None)])
    limit = TOOL_CHARS if kind in (MessageKind.TOOL_USE, MessageKind.TOOL_RESULT) else MESSAGE_CHARS
    return text if len(text) <= limit else f"{text[:limit]} [...]"
