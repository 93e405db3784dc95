"""Reads the CLI's stream-json output: each line becomes updates, and the end of the run an outcome or a failure.

No I/O.  Anthropic extends the format with every release: unknown types and members are ignored, and lines that are not
JSON are counted and skipped.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sidecar_protocol.claude.runs import ClaudeRunResult, ClaudeUsage

from sidecar.claude.failures import RunEnd, run_failed
from sidecar.claude.sessions.messages import limited
from sidecar.json_reader import get, get_count, get_number, get_object, get_objects, get_text
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
class Retry:
    """The API refused a request; the CLI repeats it in `delay_ms`.  Without an HTTP response, `status` has no value."""

    attempt: int
    max_retries: int
    delay_ms: int
    status: int | None
    error: str


@dataclass(frozen=True, slots=True)
class Finished:
    """The result line, which ends the prompt."""

    is_error: bool


Update = Started | Delta | Retry | Finished

BUCKETS = tuple(ClaudeUsage.model_fields)
UNKNOWN_MODEL = "unknown"


def total_usage(usages: Iterable[ClaudeUsage]) -> ClaudeUsage:
    known = list(usages)
    return ClaudeUsage(**{bucket: sum(getattr(usage, bucket) for usage in known) for bucket in BUCKETS})


@dataclass(frozen=True, slots=True)
class MessageUsage:
    """The tokens of one API message."""

    api_message_id: str
    model: str
    tokens: ClaudeUsage


@dataclass(frozen=True, slots=True)
class RunUsage:
    """The usage of one prompt, also if it failed: tokens by API message, and costs in USD by model."""

    messages: Sequence[MessageUsage] = ()
    costs: Mapping[str, float] = field(default_factory=dict)

    @property
    def tokens(self) -> ClaudeUsage:
        return total_usage(one.tokens for one in self.messages)

    @property
    def cost_usd(self) -> float | None:
        """The total cost; None if the CLI reported none."""
        return sum(self.costs.values()) if self.costs else None


class RunReader:
    """Reads the lines of one prompt's run.

    `session_id` and `model` are the last ones that the CLI named.  `cost_so_far` is the total cost in USD that the
    process has reported, which includes earlier prompts.
    """

    def __init__(self, cost_so_far: float = 0.0) -> None:
        self.session_id: str | None = None
        self.model: str | None = None
        self.end = RunEnd()
        self.cost_so_far = cost_so_far
        self._costs: dict[str, float] = {}
        self._usages: dict[str, dict[str, int]] = {}
        self._models: dict[str, str] = {}
        self._tools: dict[str, str] = {}
        self._message_id = ""
        self._streamed: set[str] = set()
        self._offsets: dict[str, int] = {}
        self._half_character = ""

    @property
    def running_tools(self) -> list[str]:
        """The names of the tools that have not returned a result yet."""
        return list(self._tools.values())

    @property
    def usage(self) -> RunUsage:
        messages = [
            MessageUsage(message_id, self._models.get(message_id) or base_model(self.model), ClaudeUsage(**usage))
            for message_id, usage in self._usages.items()
        ]
        return RunUsage(messages, dict(self._costs))

    def read(self, message: Mapping[str, Any] | None) -> list[Update]:
        """Returns the updates of one line, as `parse_object` returns it: None for a line that is not a JSON object."""
        if message is None:
            self.end.invalid_lines += 1
            return []
        self.end.valid_lines += 1
        self._count_tokens(message)
        self._track_tools(message)
        is_subagent = message.get("parent_tool_use_id") is not None
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
        text, is_truncated = limited(well_formed(get_text(result, "result") or ""))
        denials = get_objects(result, "permission_denials")
        return ClaudeRunResult(
            text=text,
            text_truncated=is_truncated,
            session_id=self.session_id,
            model=self.model,
            usage=ClaudeUsage(**{bucket: get_count(result, "usage", bucket) or 0 for bucket in BUCKETS}),
            total_cost_usd=self.usage.cost_usd,
            num_turns=get_count(result, "num_turns"),
            duration_ms=get_count(result, "duration_ms"),
            stop_reason=get_text(result, "stop_reason"),
            permission_denials=[get_text(denial, "tool_name") or "unknown" for denial in denials],
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
                self._half_character = ""
                self._streamed.add(self._message_id)
            case "content_block_delta" if get(event, "delta", "type") == "text_delta":
                return self._delta(self._message_id, get_text(event, "delta", "text") or "")
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
        self._half_character = ""
        blocks = get_objects(message, "message", "content")
        text = "".join(get_text(block, "text") or "" for block in blocks if block.get("type") == "text")
        return self._delta(message_id, text)

    def _delta(self, message_id: str, text: str) -> list[Update]:
        text = self._half_character + text
        # The first half of a surrogate pair waits for the next delta, which has the second.
        cut = len(text) - 1 if text and "\ud800" <= text[-1] <= "\udbff" else len(text)
        text, self._half_character = well_formed(text[:cut]), text[cut:]
        if not text:
            return []
        offset = self._offsets.get(message_id, 0)
        self._offsets[message_id] = offset + utf16_length(text)
        return [Delta(message_id, offset, text)]

    def _track_tools(self, message: Mapping[str, Any]) -> None:
        for block in get_objects(message, "message", "content"):
            if block.get("type") == "tool_use":
                self._tools[get_text(block, "id") or ""] = get_text(block, "name") or "a tool"
            elif block.get("type") == "tool_result":
                self._tools.pop(get_text(block, "tool_use_id") or "", None)

    def _count_tokens(self, message: Mapping[str, Any]) -> None:
        """Counts each API message once.  Its usage is repeated with each of its blocks, and final at its end."""
        event = get_object(message, "event")
        inner = get_object(event, "message") or get_object(message, "message")
        usage = get_object(event, "usage") or get_object(inner, "usage")
        message_id = get_text(inner, "id") or (self._message_id if event else "")
        if usage and message_id:
            known = self._usages.setdefault(message_id, dict.fromkeys(BUCKETS, 0))
            for bucket in BUCKETS:
                known[bucket] = max(known[bucket], get_count(usage, bucket) or 0)
            if model := get_text(inner, "model"):
                self._models[message_id] = base_model(model)

    def _count_cost(self, result: Mapping[str, Any]) -> None:
        """Adds a result's cost.  `total_cost_usd` is the total of the whole session (measured with 2.1.330)."""
        total = get_number(result, "total_cost_usd")
        models = result.get("model_usage_since_last_result")
        if isinstance(models, dict):
            costs = {model: get_number(usage, "costUSD") or 0.0 for model, usage in models.items()}
            costs = costs or {self.model or "": 0.0}
        elif total is not None:  # releases before that field
            costs = {self.model or "": max(0.0, total - self.cost_so_far)}
        else:
            return
        for model, cost in costs.items():
            self._costs[base_model(model)] = self._costs.get(base_model(model), 0.0) + cost
        self.cost_so_far = total if total is not None else self.cost_so_far

    def _finished(self, message: Mapping[str, Any]) -> list[Update]:
        self._count_cost(message)
        self.session_id = get_text(message, "session_id") or self.session_id
        is_error = message.get("is_error") is not False
        # A background tool can start another turn after the answer; if that turn fails, the answer remains valid.
        if self.end.result is None or not is_error:
            self.end.result = message
        return [Finished(is_error)]


def base_model(model: str | None) -> str:
    """Returns the API's name of a model: the CLI appends the context window, as in `claude-opus-4-8[1m]`."""
    return (model or "").partition("[")[0] or UNKNOWN_MODEL
