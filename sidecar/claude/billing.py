"""Counts the tokens and costs of a prompt, from the CLI's own totals.

The messages on stdout are not enough: those of subagents come without their last counts, and internal calls, such as a
compaction, not at all.  A result line has the totals by model that belong to its cost.  No I/O.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from sidecar_protocol.claude.runs import ClaudeUsage

from sidecar.json_reader import get_count, get_number, get_object, get_text

BUCKETS: Final = tuple(ClaudeUsage.model_fields)
CLI_NAMES: Final = dict(
    zip(BUCKETS, ("inputTokens", "outputTokens", "cacheCreationInputTokens", "cacheReadInputTokens"), strict=True)
)
UNKNOWN_MODEL: Final = "unknown"
NOTHING: Final = ClaudeUsage()


def total_usage(usages: Iterable[ClaudeUsage]) -> ClaudeUsage:
    known = list(usages)
    return ClaudeUsage(**{bucket: sum(getattr(usage, bucket) for usage in known) for bucket in BUCKETS})


def base_model(model: str | None) -> str:
    """Returns the API's name of a model: the CLI appends the context window, as in `claude-opus-4-8[1m]`."""
    return (model or "").partition("[")[0] or UNKNOWN_MODEL


@dataclass(frozen=True, slots=True)
class ModelUsage:
    """Tokens of a model, and their cost in USD."""

    tokens: ClaudeUsage = NOTHING
    cost_usd: float = 0.0

    def plus(self, other: "ModelUsage") -> "ModelUsage":
        return ModelUsage(total_usage([self.tokens, other.tokens]), self.cost_usd + other.cost_usd)

    def is_below(self, other: "ModelUsage") -> bool:
        """Returns whether one of the counts is lower than the other's."""
        return any(getattr(self.tokens, bucket) < getattr(other.tokens, bucket) for bucket in BUCKETS)

    def minus(self, other: "ModelUsage") -> "ModelUsage":
        """Returns the difference, but nothing below zero."""
        left = {bucket: max(0, getattr(self.tokens, bucket) - getattr(other.tokens, bucket)) for bucket in BUCKETS}
        return ModelUsage(ClaudeUsage(**left), max(0.0, self.cost_usd - other.cost_usd))


@dataclass(frozen=True, slots=True)
class MessageUsage:
    """The tokens of one API message."""

    api_message_id: str
    model: str
    tokens: ClaudeUsage


@dataclass(frozen=True, slots=True)
class RunUsage:
    """The usage of one prompt, also if it failed.

    `billed` are the CLI's totals by model.  `messages` are those after the last result line, which have no cost: the
    prompt was ended before its result.
    """

    billed: Mapping[str, ModelUsage] = field(default_factory=dict)
    messages: Sequence[MessageUsage] = ()

    @property
    def tokens(self) -> ClaudeUsage:
        return total_usage([*(one.tokens for one in self.billed.values()), *(one.tokens for one in self.messages)])

    @property
    def cost_usd(self) -> float | None:
        """The total cost; None if the CLI reported none."""
        return sum(one.cost_usd for one in self.billed.values()) if self.billed else None


@dataclass(frozen=True, slots=True)
class ProcessTotals:
    """The usage that a process has reported for all of its prompts.

    `counted` are tokens of prompts without a result, which are counted already and which its next result contains.
    """

    cost_usd: float = 0.0
    models: Mapping[str, ModelUsage] = field(default_factory=dict)
    counted: Mapping[str, ModelUsage] = field(default_factory=dict)


class UsageCounter:
    """Counts the usage of one prompt of a process, which has reported `totals` before."""

    def __init__(self, totals: ProcessTotals) -> None:
        self._totals = totals
        self._billed: dict[str, ModelUsage] = {}
        self._usages: dict[str, dict[str, int]] = {}
        self._models: dict[str, str] = {}
        self._message_id = ""

    def usage(self, model: str | None) -> RunUsage:
        """Returns the usage so far; messages that name no model are of this one."""
        messages = [
            MessageUsage(message_id, self._models.get(message_id) or base_model(model), ClaudeUsage(**usage))
            for message_id, usage in self._usages.items()
        ]
        return RunUsage(dict(self._billed), messages)

    @property
    def totals(self) -> ProcessTotals:
        """The totals for the next prompt of the process."""
        counted = dict(self._totals.counted)
        for message in self.usage(None).messages:
            counted[message.model] = counted.get(message.model, ModelUsage()).plus(ModelUsage(message.tokens))
        return replace(self._totals, counted=counted)

    def read_message(self, line: Mapping[str, Any]) -> None:
        """Counts each API message once.  Its usage is repeated with each of its blocks, and final at its end."""
        event = get_object(line, "event")
        inner = get_object(event, "message") or get_object(line, "message")
        usage = get_object(event, "usage") or get_object(inner, "usage")
        if event and "message" in event:
            self._message_id = get_text(inner, "id") or ""
        message_id = get_text(inner, "id") or (self._message_id if event else "")
        if usage and message_id:
            known = self._usages.setdefault(message_id, dict.fromkeys(BUCKETS, 0))
            for bucket in BUCKETS:
                known[bucket] = max(known[bucket], get_count(usage, bucket) or 0)
            if model := get_text(inner, "model"):
                self._models[message_id] = base_model(model)

    def read_result(self, line: Mapping[str, Any], model: str | None) -> None:
        """Counts a result line, whose totals contain everything before it; `model` is that of the session."""
        cost_usd, models = get_number(line, "total_cost_usd"), _by_model(get_object(line, "modelUsage"))
        if "model_usage_since_last_result" in line:  # 2.1.330; its totals include earlier processes
            news = _by_model(get_object(line, "model_usage_since_last_result"))
            rest_usd = 0.0
        else:
            news = self._since_last(models)
            rest_usd = max(0.0, (cost_usd or 0.0) - self._totals.cost_usd)
        if news:
            self._usages.clear()
            news = {name: one.minus(self._totals.counted.get(name, ModelUsage())) for name, one in news.items()}
            self._totals = replace(self._totals, counted={})
        elif cost_usd is not None:  # a release without totals by model, or nothing was used
            news = {base_model(model): ModelUsage(cost_usd=rest_usd)}
        for name, one in news.items():
            self._billed[name] = self._billed.get(name, ModelUsage()).plus(one)
        if cost_usd is not None:
            self._totals = replace(self._totals, cost_usd=cost_usd, models=models)

    def _since_last(self, models: Mapping[str, ModelUsage]) -> dict[str, ModelUsage]:
        """Returns the growth of the totals by model since the last result."""
        before = self._totals.models
        if any(models.get(name, ModelUsage()).is_below(one) for name, one in before.items()):  # `/clear` resets them
            return dict(models)
        return {name: one.minus(before.get(name, ModelUsage())) for name, one in models.items()}


def _by_model(usages: Mapping[str, Any]) -> dict[str, ModelUsage]:
    """Returns the CLI's totals by the API's names of the models."""
    found: dict[str, ModelUsage] = {}
    for name, usage in usages.items():
        tokens = ClaudeUsage(**{bucket: get_count(usage, written) or 0 for bucket, written in CLI_NAMES.items()})
        one = ModelUsage(tokens, get_number(usage, "costUSD") or 0.0)
        found[base_model(name)] = found.get(base_model(name), ModelUsage()).plus(one)
    return found
