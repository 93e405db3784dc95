"""The CLI's stream-json lines in, what they mean for one run out: `feed` for each line, `finish` for the verdict.

No I/O.  The format is the vendor's and grows with every release: unknown types pass, key order means nothing, a broken
line is counted and skipped.  Whether a run succeeded is `is_error` of its result line; `subtype` says "success" for
API errors too (measured with 2.1.197 and 2.1.330).
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from sidecar.claude.failures import Ending, run_failed
from sidecar.text import utf16_length, well_formed

HIGH_SURROGATES = ("\ud800", "\udbff")


@dataclass(frozen=True, slots=True)
class Started:
    """The CLI is up and has a session.  It comes again when a turn begins anew or the session's id changes."""

    session_id: str
    model: str | None
    version: str | None


@dataclass(frozen=True, slots=True)
class Delta:
    """A piece of an answer.  `offset` counts the UTF-16 code units of the message before it: JavaScript's `length`."""

    message_id: str
    offset: int
    text: str


@dataclass(frozen=True, slots=True)
class Retry:
    """The API refused a request and the CLI waits `delay_ms` before it asks again; `status` is None without HTTP."""

    attempt: int
    max_retries: int
    delay_ms: int
    status: int | None
    error: str


@dataclass(frozen=True, slots=True)
class Finished:
    """The result line came: the prompt is answered, or will not be."""

    is_error: bool


Update = Started | Delta | Retry | Finished


@dataclass(frozen=True, slots=True)
class TokenUsage:
    """Tokens, in the API's four buckets; they do not overlap."""

    input_tokens: int = 0
    output_tokens: int = 0
    cache_creation_input_tokens: int = 0
    cache_read_input_tokens: int = 0


BUCKETS = tuple(bucket.name for bucket in fields(TokenUsage))
UNKNOWN_MODEL = "unknown"


@dataclass(frozen=True, slots=True)
class MessageUsage:
    """What one API message used up."""

    api_message_id: str
    model: str
    tokens: TokenUsage


@dataclass(frozen=True, slots=True)
class RunUsage:
    """What was used up, whether it led to an answer or not.  `cost_usd` is None where the CLI did not say; `messages`
    and `costs` say the same in detail, by message and by model.
    """

    tokens: TokenUsage
    cost_usd: float | None
    messages: tuple[MessageUsage, ...] = ()
    costs: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RunOutcome:
    """A run that succeeded.  What the CLI did not say is None."""

    text: str
    session_id: str | None
    model: str | None
    usage: TokenUsage
    total_cost_usd: float | None
    num_turns: int | None
    duration_ms: int | None
    stop_reason: str | None
    permission_denials: tuple[str, ...]


def parse(line: bytes) -> dict[str, Any] | None:
    """The object that a line is; None for anything else."""
    try:
        message = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return message if isinstance(message, dict) else None


class RunReader:
    """Reads one prompt's run.  `session_id`, `model` and `spent` are what is known so far, `invalid_lines` counts what
    was not JSON.  `cost_so_far` is what the process has told of its costs, also before this prompt.
    """

    def __init__(self, cost_so_far: float = 0.0) -> None:
        self.session_id: str | None = None
        self.model: str | None = None
        self.invalid_lines = 0
        self.cost_so_far = cost_so_far
        self._costs: dict[str, float] = {}
        self._usages: dict[str, dict[str, int]] = {}
        self._models: dict[str, str] = {}
        self._understood = 0
        self._result: Mapping[str, Any] | None = None
        self._api_error: Mapping[str, Any] = {}
        self._limit: Mapping[str, Any] = {}
        self._tools: dict[str, str] = {}
        self._message_id = ""
        self._streamed: set[str] = set()
        self._sent: dict[str, int] = {}
        self._half = ""

    @property
    def running_tools(self) -> list[str]:
        """The tools that were called and have not come back."""
        return list(self._tools.values())

    def feed(self, line: bytes) -> list[Update]:
        """What one line (without its newline) means; an empty list for most."""
        return self.read(parse(line)) if line.strip() else []

    def read(self, message: Mapping[str, Any] | None) -> list[Update]:
        """`feed`, of a line that was parsed already."""
        if message is None:
            self.invalid_lines += 1
            return []
        self._understood += 1
        self._count_usage(message)
        self._follow_tools(message)
        match message.get("type"):
            case "system":
                return self._system(message)
            case "stream_event" if message.get("parent_tool_use_id") is None:
                return self._stream_event(message)
            case "assistant" if message.get("parent_tool_use_id") is None:
                return self._assistant(message)
            case "rate_limit_event":
                self._hit_limit(_object(message.get("rate_limit_info")))
            case "result":
                return self._finished(message)
        return []

    @property
    def usage(self) -> RunUsage:
        """The tokens of each API message, counted once however often the CLI tells them, and what they cost."""
        totals = {bucket: sum(usage[bucket] for usage in self._usages.values()) for bucket in BUCKETS}
        messages = tuple(
            MessageUsage(message_id, self._models.get(message_id) or base_model(self.model), TokenUsage(**usage))
            for message_id, usage in self._usages.items()
        )
        return RunUsage(TokenUsage(**totals), self._cost, messages, dict(self._costs))

    @property
    def _cost(self) -> float | None:
        return sum(self._costs.values()) if self._costs else None

    @property
    def result(self) -> Mapping[str, Any] | None:
        """The result line, where it has come."""
        return self._result

    def finish(self, exit_code: int, stderr_tail: str) -> RunOutcome:
        """The run's outcome, once the process has ended; raises `JobFailed` where it failed.

        `exit_code` is negative for a signal, as in `subprocess`.
        """
        result = self._result
        if result is None or result.get("is_error") is not False or result.get("stop_reason") == "refusal":
            raise run_failed(
                Ending(
                    result, self._api_error, self._limit, exit_code, stderr_tail, self.invalid_lines, self._understood
                )
            )
        usage = _object(result.get("usage"))
        return RunOutcome(
            text=well_formed(_text(result.get("result")) or ""),
            session_id=self.session_id,
            model=self.model,
            usage=TokenUsage(**{bucket: _count(usage.get(bucket)) or 0 for bucket in BUCKETS}),
            total_cost_usd=self._cost,
            num_turns=_count(result.get("num_turns")),
            duration_ms=_count(result.get("duration_ms")),
            stop_reason=_text(result.get("stop_reason")),
            permission_denials=tuple(
                _text(_object(denial).get("tool_name")) or "unknown"
                for denial in _list(result.get("permission_denials"))
            ),
        )

    def _system(self, message: Mapping[str, Any]) -> list[Update]:
        if message.get("subtype") == "init":
            self.session_id = _text(message.get("session_id")) or self.session_id
            self.model = _text(message.get("model")) or self.model
            return [Started(self.session_id or "", self.model, _text(message.get("claude_code_version")))]
        if message.get("subtype") == "api_retry":
            return [
                Retry(
                    attempt=_count(message.get("attempt")) or 0,
                    max_retries=_count(message.get("max_retries")) or 0,
                    delay_ms=_count(message.get("retry_delay_ms")) or 0,
                    status=_count(message.get("error_status")),
                    error=_text(message.get("error")) or "unknown",
                )
            ]
        return []

    def _stream_event(self, message: Mapping[str, Any]) -> list[Update]:
        event = _object(message.get("event"))
        if event.get("type") == "message_start":
            self._message_id = _text(_object(event.get("message")).get("id")) or ""
            self._half = ""
            self._streamed.add(self._message_id)
        elif event.get("type") == "content_block_delta":
            delta = _object(event.get("delta"))
            if delta.get("type") == "text_delta":
                return self._delta(self._message_id, _text(delta.get("text")) or "")
        return []

    def _assistant(self, message: Mapping[str, Any]) -> list[Update]:
        """A streamed message repeats here block by block; one that the CLI fetched without streaming, as it does after
        a broken stream, is told here alone.
        """
        if message.get("is_api_error_message"):
            self._api_error = message
            return []
        inner = _object(message.get("message"))
        message_id = _text(inner.get("id")) or ""
        if message_id in self._streamed:
            return []
        self._half = ""
        blocks = [_object(block) for block in _list(inner.get("content"))]
        text = "".join(_text(block.get("text")) or "" for block in blocks if block.get("type") == "text")
        return self._delta(message_id, text)

    def _delta(self, message_id: str, text: str) -> list[Update]:
        text = self._half + text
        # A character cut in half between two deltas waits for its other half.
        cut = len(text) - 1 if text and HIGH_SURROGATES[0] <= text[-1] <= HIGH_SURROGATES[1] else len(text)
        text, self._half = well_formed(text[:cut]), text[cut:]
        if not text:
            return []
        offset = self._sent.get(message_id, 0)
        self._sent[message_id] = offset + utf16_length(text)
        return [Delta(message_id, offset, text)]

    def _follow_tools(self, message: Mapping[str, Any]) -> None:
        for block in map(_object, _list(_object(message.get("message")).get("content"))):
            if block.get("type") == "tool_use":
                self._tools[_text(block.get("id")) or ""] = _text(block.get("name")) or "a tool"
            elif block.get("type") == "tool_result":
                self._tools.pop(_text(block.get("tool_use_id")) or "", None)

    def _hit_limit(self, info: Mapping[str, Any]) -> None:
        """A subscription's limit: told when it is near, too, and when it is not."""
        if info.get("status") == "rejected":
            self._limit = info

    def _count_usage(self, message: Mapping[str, Any]) -> None:
        """A message's usage comes with its start, again with each of its blocks, and once more, final, at its end."""
        event = _object(message.get("event"))
        inner = _object(event.get("message") or message.get("message"))
        usage = _object(event.get("usage") or inner.get("usage"))
        message_id = _text(inner.get("id")) or (self._message_id if event else "")
        if usage and message_id:
            known = self._usages.setdefault(message_id, dict.fromkeys(BUCKETS, 0))
            for bucket in BUCKETS:
                known[bucket] = max(known[bucket], _count(usage.get(bucket)) or 0)
            if model := _text(inner.get("model")):
                self._models[message_id] = base_model(model)

    def _count_cost(self, result: Mapping[str, Any]) -> None:
        """`total_cost_usd` is the whole session's, in a live process and after a resume (measured with 2.1.330)."""
        total = _number(result.get("total_cost_usd"))
        models = result.get("model_usage_since_last_result")
        if isinstance(models, dict):
            since = {model: _number(_object(usage).get("costUSD")) or 0.0 for model, usage in models.items()}
            since = since or {self.model or "": 0.0}
        elif total is not None:  # releases before that field
            since = {self.model or "": max(0.0, total - self.cost_so_far)}
        else:
            return
        for model, cost in since.items():
            self._costs[base_model(model)] = self._costs.get(base_model(model), 0.0) + cost
        self.cost_so_far = total if total is not None else self.cost_so_far

    def _finished(self, message: Mapping[str, Any]) -> list[Update]:
        self._count_cost(message)
        self.session_id = _text(message.get("session_id")) or self.session_id
        is_error = message.get("is_error") is not False
        # A tool left in the background can start another turn after the answer: its answer counts, its failure not.
        if self._result is None or not is_error:
            self._result = message
        return [Finished(is_error)]


def base_model(model: str | None) -> str:
    """A model's name as the API has it: the CLI adds its choice of context window, as in `claude-opus-4-8[1m]`."""
    return (model or "").partition("[")[0] or UNKNOWN_MODEL


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _count(value: Any) -> int | None:
    """2.1.197 sends delays as fractions of a millisecond."""
    number = _number(value)
    return int(number) if number is not None and 0 <= number < 2**53 else None
