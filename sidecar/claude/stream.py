"""Reads the CLI's stream-json output: each line becomes updates, and the end of the run an outcome or a failure.

No I/O.  Anthropic extends the format with every release: unknown types and members are ignored, and lines that are not
JSON are counted and skipped.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from sidecar_protocol.claude.runs import ClaudeRunResult

from sidecar.claude.billing import ProcessTotals, RunUsage, UsageCounter
from sidecar.claude.failures import RunEnd, run_failed
from sidecar.claude.sessions.messages import limited
from sidecar.json_reader import get, get_count, get_object, get_objects, get_text
from sidecar.text import utf16_length, well_formed


@dataclass(frozen=True, slots=True)
class Started:
    """The CLI has started a session.  Repeated at each turn, and when the session's id changes (`/clear`)."""

    session_id: str
    model: str | None
    version: str | None


@dataclass(frozen=True, slots=True)
class Delta:
    """A piece of an answer.  `offset` is the length of the message before it, in UTF-16 code units as in JavaScript."""

    message_id: str
    offset: int
    text: str


@dataclass(frozen=True, slots=True)
class Thought:
    """A piece of Claude's thinking; `offset` is as in `Delta`, of the thinking of the message alone."""

    message_id: str
    offset: int
    text: str


@dataclass(frozen=True, slots=True)
class Retry:
    """The API refused a request; the CLI repeats it in `delay_ms`.  Without an HTTP response, `status` has no value."""

    attempt: int
    max_retries: int
    delay_ms: int
    status: int | None
    error: str


@dataclass(frozen=True, slots=True)
class Finished:
    """A result line, which ends a turn."""

    is_error: bool


Update = Started | Delta | Thought | Retry | Finished
NO_TOTALS: Final = ProcessTotals()


class _Pieces:
    """The texts of messages, which arrive piece by piece."""

    def __init__(self) -> None:
        self.half = ""
        """The first half of a surrogate pair, which waits for the next piece: that has the second."""
        self._lengths: dict[str, int] = {}

    def add(self, message_id: str, text: str) -> list[tuple[int, str]]:
        """Returns the piece that can be shown with its offset, or nothing."""
        text = self.half + text
        cut = len(text) - 1 if text and "\ud800" <= text[-1] <= "\udbff" else len(text)
        text, self.half = well_formed(text[:cut]), text[cut:]
        if not text:
            return []
        offset = self._lengths.get(message_id, 0)
        self._lengths[message_id] = offset + utf16_length(text)
        return [(offset, text)]


class RunReader:
    """Reads the lines of one prompt's run.

    `session_id` and `model` are the last ones that the CLI named.  `totals` are what the process has reported for
    earlier prompts; `has_acted` is whether Claude has answered anything, or used a tool.
    """

    def __init__(self, totals: ProcessTotals = NO_TOTALS) -> None:
        self.session_id: str | None = None
        self.model: str | None = None
        self.end = RunEnd()
        self._keeps_answer = False
        self.has_acted = False
        self._counter = UsageCounter(totals)
        self._num_turns: int | None = None
        self._duration_ms: int | None = None
        self._denials: list[str] = []
        self._tools: dict[str, str] = {}
        self._message_id = ""
        self._streamed: set[str] = set()
        self._answer = _Pieces()
        self._thinking = _Pieces()

    @property
    def running_tools(self) -> list[str]:
        """The names of the tools that have not returned a result yet."""
        return list(self._tools.values())

    @property
    def usage(self) -> RunUsage:
        return self._counter.usage(self.model)

    @property
    def totals(self) -> ProcessTotals:
        """The totals that the process has reported, for its next prompt."""
        return self._counter.totals

    def continue_from(self, totals: ProcessTotals) -> None:
        """Sets what the process has reported for earlier prompts, before the first line is read."""
        self._counter = UsageCounter(totals)

    def keep_answer(self) -> None:
        """Keeps the answer: later results are of turns that the CLI begins by itself, of which only the cost counts."""
        self._keeps_answer = True

    def read(self, message: Mapping[str, Any] | None) -> list[Update]:
        """Returns the updates of one line, as `parse_object` returns it: None for a line that is not a JSON object."""
        if message is None:
            self.end.invalid_lines += 1
            return []
        self.end.valid_lines += 1
        self._counter.read_message(message)
        self._track_tools(message)
        is_subagent = message.get("parent_tool_use_id") is not None
        self.has_acted = self.has_acted or acts(message)
        match message.get("type"):
            case "system":
                return self._system(message)
            case "stream_event" if not is_subagent:
                return self._stream_event(message)
            case "assistant" if not is_subagent:
                return self._assistant(message)
            case "rate_limit_event" if get(message, "rate_limit_info", "status") == "rejected":
                # Subscriptions also get this event while the limit is not reached.
                self.end.limit = get_object(message, "rate_limit_info")
            case "result":
                return self._finished(message)
        return []

    def finish(self, exit_code: int, stderr_tail: str) -> ClaudeRunResult:
        """Returns the answer once the run has ended.  Raises `JobFailed` if it failed.

        `exit_code` is negative for a signal, as in `subprocess`.
        """
        result = self.end.result
        if result is None or result.get("is_error") is not False or result.get("stop_reason") == "refusal":
            self.end.exit_code, self.end.stderr_tail = exit_code, stderr_tail
            raise run_failed(self.end)
        answer = get_text(result, "result") or ""
        # The turn that follows a background task can be without a text: then an earlier one has answered.
        text, is_truncated = limited(well_formed(answer if answer.strip() else self.end.answer))
        return ClaudeRunResult(
            text=text,
            text_truncated=is_truncated,
            session_id=self.session_id,
            model=self.model,
            usage=self.usage.tokens,
            total_cost_usd=self.usage.cost_usd,
            num_turns=self._num_turns,
            duration_ms=self._duration_ms,
            stop_reason=get_text(result, "stop_reason"),
            permission_denials=list(self._denials),
        )

    def _system(self, message: Mapping[str, Any]) -> list[Update]:
        match message.get("subtype"):
            case "init":
                self.session_id = get_text(message, "session_id") or self.session_id
                self.model = get_text(message, "model") or self.model
                return [Started(self.session_id or "", self.model, get_text(message, "claude_code_version"))]
            case "api_retry":
                return [
                    Retry(
                        attempt=get_count(message, "attempt") or 0,
                        max_retries=get_count(message, "max_retries") or 0,
                        delay_ms=get_count(message, "retry_delay_ms") or 0,  # 2.1.197 sends fractions
                        status=get_count(message, "error_status"),
                        error=get_text(message, "error") or "unknown",
                    )
                ]
        return []

    def _stream_event(self, message: Mapping[str, Any]) -> list[Update]:
        event = message.get("event")
        match get(event, "type"):
            case "message_start":
                self._message_id = get_text(event, "message", "id") or ""
                self._answer.half = self._thinking.half = ""
                self._streamed.add(self._message_id)
            case "content_block_delta" if get(event, "delta", "type") == "text_delta":
                return self._delta(self._message_id, get_text(event, "delta", "text") or "")
            case "content_block_delta" if get(event, "delta", "type") == "thinking_delta":
                return self._thought(self._message_id, get_text(event, "delta", "thinking") or "")
        return []

    def _assistant(self, message: Mapping[str, Any]) -> list[Update]:
        """Reads a whole message.  After a broken stream the CLI requests messages without streaming, and this is the
        only line with their text; a streamed message is repeated here block by block.
        """
        if message.get("is_api_error_message"):
            self.end.api_error = message
            return []
        message_id = get_text(message, "message", "id") or ""
        if message_id in self._streamed:
            return []
        self._answer.half = ""
        blocks = get_objects(message, "message", "content")
        text = "".join(get_text(block, "text") or "" for block in blocks if block.get("type") == "text")
        return self._delta(message_id, text)

    def _delta(self, message_id: str, text: str) -> list[Update]:
        return [Delta(message_id, *piece) for piece in self._answer.add(message_id, text)]

    def _thought(self, message_id: str, text: str) -> list[Update]:
        return [Thought(message_id, *piece) for piece in self._thinking.add(message_id, text)]

    def _track_tools(self, message: Mapping[str, Any]) -> None:
        for block in get_objects(message, "message", "content"):
            if block.get("type") == "tool_use":
                self._tools[get_text(block, "id") or ""] = get_text(block, "name") or "a tool"
            elif block.get("type") == "tool_result":
                self._tools.pop(get_text(block, "tool_use_id") or "", None)

    def _finished(self, message: Mapping[str, Any]) -> list[Update]:
        """Reads a result line.  If background tasks lead to further turns, each has one, and the last is the answer."""
        self._counter.read_result(message, self.model)
        self.session_id = get_text(message, "session_id") or self.session_id
        is_error = message.get("is_error") is not False
        if self._keeps_answer:
            return [Finished(is_error)]
        self.end.result = message
        if not is_error:
            answer = get_text(message, "result") or ""
            self.end.answer = answer if answer.strip() else self.end.answer
            self.end.api_error = self.end.limit = {}
        self._num_turns = _sum(self._num_turns, get_count(message, "num_turns"))
        self._duration_ms = _sum(self._duration_ms, get_count(message, "duration_ms"))
        denials = get_objects(message, "permission_denials")
        self._denials += [get_text(denial, "tool_name") or "unknown" for denial in denials]
        return [Finished(is_error)]


def acts(line: Mapping[str, Any]) -> bool:
    """Returns whether Claude answers or uses a tool in this line."""
    if line.get("type") == "assistant":
        return not line.get("is_api_error_message")
    return line.get("type") == "stream_event" and str(get(line, "event", "type")).startswith("content_block")


def _sum(one: int | None, other: int | None) -> int | None:
    return one if other is None else (one or 0) + other
