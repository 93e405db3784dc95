"""Reads the CLI's reports about itself: models, commands, MCP servers, plan limits, the use of a context.

No I/O.  Measured with 2.1.332 and 2.1.197, which differ only in what they leave out.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from sidecar_protocol.claude.status import (
    ClaudeAccount,
    ClaudeAgent,
    ClaudeCommand,
    ClaudeLimit,
    ClaudeLimits,
    ClaudeModel,
    LimitStatus,
    LoadProblem,
    McpServer,
    McpState,
)
from sidecar_protocol.scalars import canonical_time

from sidecar.hub.connection import NAME as HUB
from sidecar.json_reader import get, get_count, get_number, get_object, get_objects, get_text
from sidecar.text import well_formed

MAX_ITEMS: Final = 500
"""Maximum number of commands, agents, models and servers that are kept."""
NAME_CHARS: Final = 200
TEXT_CHARS: Final = 1_000
ERROR_CHARS: Final = 300
SECRET_IN_URL: Final = re.compile(r"(?<=://)[^/\s@]+@|(?<=[?&])[^\s'\"]+")
"""A password, or a query, which may contain a key."""
SECRET_WORD: Final = re.compile(r"(?i)(bearer +|(?:token|key|secret|password)\w* ?[=:] ?)[^\s,;]+")
ACCOUNT_WORD: Final = re.compile(r"[\w ./-]{1,60}")
"""Not an e-mail address."""
LIMIT_STATUS: Final = {
    "allowed": LimitStatus.ALLOWED,
    "allowed_warning": LimitStatus.WARNING,
    "rejected": LimitStatus.REJECTED,
}
MCP_STATES: Final = {state.value.replace("_", "-"): state for state in McpState}
PERCENT: Final = 100.0


@dataclass(frozen=True, slots=True)
class ContextUse:
    """The tokens of the last request of a conversation and of its answer, and the model that gave it."""

    used_tokens: int
    model: str | None = None


def read_models(response: Mapping[str, Any]) -> list[ClaudeModel]:
    """Returns the models in the response to `initialize`."""
    return [
        ClaudeModel(
            model=_name(one, "value"),
            resolved_model=_text(one, "resolvedModel"),
            name=_text(one, "displayName") or _name(one, "value"),
            description=_text(one, "description"),
            efforts=_texts(get(one, "supportedEffortLevels")),
        )
        for one in get_objects(response, "models")[:MAX_ITEMS]
        if get_text(one, "value")
    ]


def read_account(response: Mapping[str, Any]) -> ClaudeAccount:
    """Returns the kind of the account in the response to `initialize`, which also has its e-mail address."""
    account = get_object(response, "account")
    return ClaudeAccount(
        subscription=_word(account, "subscriptionType"),
        api_key_source=_word(account, "apiKeySource"),
        token_source=_word(account, "tokenSource"),
        provider=_word(account, "apiProvider"),
    )


def read_commands(response: Mapping[str, Any], skills: Iterable[str] | None) -> list[ClaudeCommand]:
    known = None if skills is None else set(skills)
    return [
        ClaudeCommand(
            name=_name(one, "name"),
            description=_text(one, "description"),
            argument_hint=_text(one, "argumentHint") or None,
            is_skill=None if known is None else one.get("name") in known,
        )
        for one in get_objects(response, "commands")[:MAX_ITEMS]
        if get_text(one, "name")
    ]


def read_agents(response: Mapping[str, Any]) -> list[ClaudeAgent]:
    return [
        ClaudeAgent(name=_name(one, "name"), description=_text(one, "description"), model=_text(one, "model"))
        for one in get_objects(response, "agents")[:MAX_ITEMS]
        if get_text(one, "name")
    ]


def read_servers(holder: Mapping[str, Any], member: str, now: str) -> list[McpServer]:
    """Returns the MCP servers in an `init` line (without errors) or in the response to `mcp_status`.

    Their configuration, with environments and headers, is left out, and so is the hub, which is ours.
    """
    return [
        mcp_server(
            _name(one, "name"),
            MCP_STATES.get(get_text(one, "status") or "", McpState.OTHER),
            without_secrets(get_text(one, "error")),
            _text(one, "scope") or _text(one, "source"),
            now,
        )
        for one in get_objects(holder, member)[:MAX_ITEMS]
        if get_text(one, "name") and not _is_hub(one)
    ]


def _is_hub(server: Mapping[str, Any]) -> bool:
    """Whether a server is the hub, and not one of this name in the user's or a folder's settings."""
    source = get_text(server, "scope") or get_text(server, "source")  # 2.1.197 names none in `init`
    return server.get("name") == HUB and source in (None, "sdk", "dynamic")


def mcp_server(name: str, state: McpState, error: str | None, source: str | None, now: str) -> McpServer:
    advice = {
        McpState.FAILED: "Check its command or address with `claude mcp list`, then start the conversation again.",
        McpState.NEEDS_AUTH: "Start `claude` in a terminal, type /mcp, and sign in to it.",
    }.get(state)
    return McpServer(name=name, state=state, error=error, source=source, advice=advice, learnt_at=now)


def read_problems(line: Mapping[str, Any]) -> list[LoadProblem]:
    """Returns the plugins and entries of MCP servers that an `init` line reports as not loaded."""
    failed = [(one, "plugin") for one in get_objects(line, "plugin_errors")]
    failed += [(one, "name") for one in get_objects(line, "mcp_server_errors")]
    return [
        LoadProblem(
            name=_name(one, named),
            type=_text(one, "type") or "unknown",
            message=without_secrets(get_text(one, "message")) or "",
        )
        for one, named in failed[:MAX_ITEMS]
    ]


def read_limits(info: Mapping[str, Any], known: ClaudeLimits | None, now: str) -> ClaudeLimits:
    """Returns the limits after a `rate_limit_event`; those that it does not mention stay as they are `known`.

    `utilization` is a fraction.  The windows are reported by 2.1.332 only, the limit that decides by both.
    """
    limits = {one.kind: one for one in (known.limits if known is not None else [])}
    for kind, window in get_object(info, "unifiedWindows").items():
        limits[kind[:NAME_CHARS]] = _limit(kind, window, now)
    deciding = get_text(info, "rateLimitType")
    if deciding is not None:
        limits[deciding[:NAME_CHARS]] = _limit(deciding, info, now, limits.get(deciding))
    is_using_overage = info.get("isUsingOverage")
    return ClaudeLimits(
        status=LIMIT_STATUS.get(get_text(info, "status") or ""),
        limiting=None if deciding is None else deciding[:NAME_CHARS],
        is_using_overage=is_using_overage if isinstance(is_using_overage, bool) else None,
        limits=list(limits.values())[:MAX_ITEMS],
        learnt_at=now,
    )


def read_usage(response: Mapping[str, Any], known: ClaudeLimits | None, now: str) -> ClaudeLimits | None:
    """Returns the limits after the response to `get_usage`, which has percentages; None if it has no limits."""
    limits = {one.kind: one for one in (known.limits if known is not None else [])}
    found = False
    for kind, window in get_object(response, "rate_limits").items():
        percentage, resets_at = get_number(window, "utilization"), _iso_time(get_text(window, "resets_at"))
        if kind == "extra_usage" or percentage is None:
            continue
        found, before = True, limits.get(kind)
        is_same = before is not None and before.resets_at == resets_at
        limits[kind[:NAME_CHARS]] = ClaudeLimit(
            kind=kind[:NAME_CHARS],
            status=before.status if before is not None and is_same else None,
            utilization=percentage / PERCENT,
            resets_at=resets_at,
            learnt_at=now,
        )
    if not found:
        return None
    return ClaudeLimits(
        status=known.status if known is not None else None,
        limiting=known.limiting if known is not None else None,
        is_using_overage=known.is_using_overage if known is not None else None,
        limits=list(limits.values())[:MAX_ITEMS],
        learnt_at=now,
    )


def without_past(limits: ClaudeLimits, now: str) -> ClaudeLimits:
    """Returns the limits without those that have reset: nothing is known about their new time."""
    current = [one for one in limits.limits if one.resets_at is None or one.resets_at > now]
    decides = next((one for one in limits.limits if one.kind == limits.limiting), None)
    is_over = decides is not None and decides not in current
    status, limiting = (None, None) if is_over else (limits.status, limits.limiting)
    return limits.model_copy(update={"status": status, "limiting": limiting, "limits": current})


class ContextReader:
    """Follows the use of a session's context: the tokens of the last request and its answer, without subagents."""

    def __init__(self) -> None:
        self.use: ContextUse | None = None
        """None if no answer has come yet."""
        self._message_id: str | None = None
        self._sent = self._received = 0

    def read(self, line: Mapping[str, Any]) -> None:
        if line.get("parent_tool_use_id") is not None:
            return
        event = get_object(line, "event")
        match line.get("type"):
            case "system" if line.get("subtype") == "compact_boundary":
                if (tokens := get_count(line, "compact_metadata", "post_tokens")) is not None:
                    self.use = ContextUse(tokens, self.use.model if self.use is not None else None)
            case "stream_event" if event.get("type") == "message_start":
                self._add(get_object(event, "message"))
            case "stream_event" if event.get("type") == "message_delta" and self.use is not None:
                self._add({"id": self._message_id, "model": self.use.model, **event})
            case "assistant":  # of a streamed answer, these lines repeat the usage of its beginning
                self._add(get_object(line, "message"))

    def _add(self, message: Mapping[str, Any]) -> None:
        usage, message_id = get_object(message, "usage"), get_text(message, "id")
        sent = sum(get_count(usage, f"{name}input_tokens") or 0 for name in ("", "cache_creation_", "cache_read_"))
        received = get_count(usage, "output_tokens") or 0
        if message_id == self._message_id:
            sent, received = max(sent, self._sent), max(received, self._received)
        if message.get("model") == "<synthetic>" or not sent:
            return
        self._message_id, self._sent, self._received = message_id, sent, received
        self.use = ContextUse(sent + received, _text(message, "model"))


def window_of(result: Mapping[str, Any], reported_model: str | None, model: str | None) -> int | None:
    """Returns the size of a model's context window from a result line; None if it has none.

    `reported_model` is that of `init` (`claude-opus-4-8[1m]`), `model` that of the answer (`claude-opus-4-8`).
    """
    totals = get_object(result, "modelUsage")
    for name in (reported_model, model):
        if name is not None and name in totals:
            return get_count(totals[name], "contextWindow")
    for name, one in totals.items():
        if model is not None and model in (get_text(one, "canonicalModel"), name.partition("[")[0]):
            return get_count(one, "contextWindow")
    return None


def without_secrets(text: str | None) -> str | None:
    """Returns the beginning of an error text, without what may be a secret."""
    if text is None:
        return None
    text = SECRET_WORD.sub(r"\1***", SECRET_IN_URL.sub("***", well_formed(text)))
    return text[:ERROR_CHARS].strip()


def _limit(kind: str, window: Mapping[str, Any], now: str, known: ClaudeLimit | None = None) -> ClaudeLimit:
    """Reads a limit; one that decides comes after its window, which may say more."""
    utilization = get_number(window, "utilization")
    resets_at = _epoch_time(get_number(window, "resetsAt"))
    status = LIMIT_STATUS.get(get_text(window, "status") or "")
    if known is not None and resets_at in (None, known.resets_at):
        utilization = known.utilization if utilization is None else utilization
        resets_at, status = known.resets_at, status or known.status
    return ClaudeLimit(
        kind=kind[:NAME_CHARS], status=status, utilization=utilization, resets_at=resets_at, learnt_at=now
    )


def _epoch_time(seconds: float | None) -> str | None:
    try:
        return None if seconds is None else canonical_time(datetime.fromtimestamp(seconds, UTC))
    except (ValueError, OverflowError, OSError):
        return None


def _iso_time(value: str | None) -> str | None:
    try:
        time = datetime.fromisoformat(value or "")
        return None if time.tzinfo is None else canonical_time(time)
    except (ValueError, OverflowError):
        return None


def _name(value: Mapping[str, Any], member: str) -> str:
    return well_formed((get_text(value, member) or "")[:NAME_CHARS])


def _text(value: Mapping[str, Any], member: str) -> str | None:
    text = get_text(value, member)
    return None if text is None else well_formed(text[:TEXT_CHARS])


def _word(value: Mapping[str, Any], member: str) -> str | None:
    text = get_text(value, member)
    return text if text is not None and ACCOUNT_WORD.fullmatch(text) else None


def _texts(value: Any) -> list[str]:
    items = value if isinstance(value, list) else []
    return [well_formed(one[:NAME_CHARS]) for one in items[:MAX_ITEMS] if isinstance(one, str)]


def texts(line: Mapping[str, Any], member: str) -> list[str] | None:
    """Returns an array of texts, or None if it was not reported."""
    return _texts(line[member]) if isinstance(line.get(member), list) else None
