"""Maps a failed run to a `JobFailed`: a stable kind for programs, and a message and a hint for the user.

The kind comes from the CLI's typed fields if it sends them (2.1.330 does); older releases send only an HTTP status and
a text.  Failures are stored in the database and the CLI's texts may quote credentials, so they all pass `redact`.
"""

import re
import signal
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from sidecar.clock import LATEST_MS, iso
from sidecar.job_handler import JobFailed
from sidecar.json_reader import get_count, get_object, get_text
from sidecar.secret_texts import redact

MESSAGE_LIMIT: Final = 500
DETAILS_LIMIT: Final = 2_000
"""Maximum length of each of the CLI's texts in an error message and in its details, in characters."""


@dataclass(slots=True)
class RunEnd:
    """How a run ended, for the explanation of a failure.  `RunReader` fills it in."""

    result: Mapping[str, Any] | None = None
    """The last result line."""
    answer: str = ""
    """The text of the last result that was not an error: an earlier turn's, if background tasks led to more turns."""
    api_error: Mapping[str, Any] = field(default_factory=dict)
    """The last message about an API error."""
    limit: Mapping[str, Any] = field(default_factory=dict)
    """The `rate_limit_info` of a limit that was reached."""
    valid_lines: int = 0
    invalid_lines: int = 0
    exit_code: int = 0
    stderr_tail: str = ""


class _Failure(NamedTuple):
    message: str
    hint: str | None = None
    retryable: bool = False


LATER = "Try again in a few minutes."
FAILURES = {
    "auth": _Failure(
        "Claude Code is not signed in, or its credentials were refused.",
        "Run `claude` in a terminal and use /login, or set ANTHROPIC_API_KEY.",
    ),
    "usage_limit": _Failure(
        "The Claude account has reached its usage limit.", "Wait until it resets, or check the plan and its credits."
    ),
    "rate_limited": _Failure("Claude's API is limiting the rate of requests.", LATER, retryable=True),
    "overloaded": _Failure("Claude's API is overloaded.", LATER, retryable=True),
    "server_error": _Failure("Claude's API had an internal error.", LATER, retryable=True),
    "network": _Failure("Claude could not be reached.", "Check the network connection and the proxy.", retryable=True),
    "context_overflow": _Failure(
        "The conversation is too long for the model.", "Start a new session, or give it less to read."
    ),
    "model_unavailable": _Failure(
        "The model does not exist or is not available to this account.", "Choose another model."
    ),
    "max_turns": _Failure("Claude reached the maximum number of turns.", "Raise max_turns, or ask for less at once."),
    "budget_exceeded": _Failure(
        "The run reached its budget and was stopped.", "Raise max_budget_usd, or ask for less at once."
    ),
    "refusal": _Failure("Claude declined to answer this prompt.", "Rephrase the prompt."),
    "interrupted": _Failure("The run was interrupted before Claude had finished."),
    "session_unknown": _Failure("Claude Code has no session with this id.", "Start a new session."),
    "session_in_use": _Failure("Another process is using this session.", "Wait until it has ended."),
    "root_refused": _Failure(
        "Claude Code does not run in this permission mode as root.", "Choose another permission mode."
    ),
    "worktree_refused": _Failure(
        "Claude Code could not create a git worktree in this folder.", "Choose a folder of a git repository."
    ),
    "version_unsupported": _Failure("This release of Claude Code is too old.", "Update Claude Code: `claude update`."),
    "executable_broken": _Failure(
        "Claude Code does not run on this computer.",
        "Install Claude Code again.  Its last output names what is missing (Node, a library, a newer processor).",
    ),
    "api_error": _Failure("Claude's API refused the request."),
    "output_unparseable": _Failure("The output of `claude` is not in the expected format.", "Update Claude Code."),
    "no_result": _Failure(
        "Claude Code ended without a result.", "Update Claude Code, or run `claude doctor` in a terminal."
    ),
}

# Values of `api_error`, the reason that the CLI itself adds to an error message.
CLI_REASONS = {
    **dict.fromkeys(("connection_failed", "no_response", "stream_idle_timeout", "computer_slept"), "network"),
    **dict.fromkeys(("tls_untrusted_ca", "tls_cert_signature_failure", "network_edge_blocked"), "network"),
    **dict.fromkeys(("usage_limit_reached", "model_requires_usage_credits"), "usage_limit"),
    "long_context_credits_required": "usage_limit",
    **dict.fromkeys(("autocompact_thrashing", "message_over_context_limit"), "context_overflow"),
    "safety_monitor_blocked": "refusal",
    **dict.fromkeys(("provider_credentials", "gateway_signin_required", "gateway_session_expired"), "auth"),
    **dict.fromkeys(("api_key_auth_disabled", "org_disabled_credential", "invalid_credential_header"), "auth"),
    "stored_login_refused": "auth",
}
# Texts of the CLI, for releases and errors without a typed reason.  No status codes: "402913 tokens" is not a 402.
TEXTS = {
    "context_overflow": r"prompt is too long|context (window|length|limit)",
    "usage_limit": r"(?<!not your )usage limit|hit your .{0,20}limit|credit balance is too low|out of extra usage"
    r"|(hour|session|daily|weekly|monthly|opus|sonnet|spend|credit) limit reached"
    # gateways and other providers: LiteLLM, OpenRouter, Bedrock
    r"|budget has been exceeded|exceeded ?budget|exceeds your .{0,40}budget|over budget|budget_exceeded"
    r"|requires more credits|insufficient (credits|quota)|insufficient_quota|exceeded your current quota"
    r"|too many tokens per day",
    "model_unavailable": r"issue with the selected model|may not exist or you may not",
    "auth": r"not logged in|/login|invalid api key|oauth token",
    "session_unknown": r"no conversation found",
    "session_in_use": r"session id \S+ is already in use",
}
# Texts on stderr of a `claude` that cannot start.
START_TEXTS = {
    "root_refused": r"cannot be used with root",
    "worktree_refused": r"use --worktree|(creat\w+|add) .{0,20}worktree",
    "version_unsupported": r"unknown option|unknown argument|requires node(\.js)? (version )?\d+",
    "executable_broken": r"env: .?node.?: no such file|node: not found|version .GLIBC|cannot execute|bad cpu type"
    r"|cannot find module|error while loading shared libraries",
}
NO_CONNECTION = {"network": r"timed out|unable to connect|connection (refused|error|reset)|enotfound|econn"}
NOT_STARTED = frozenset({126, 127})
"""A shell's exit codes for a program that cannot be executed or does not exist."""
RESETS_AT = re.compile(r"limit reached\|(\d{10})(?:\d{3})?\b")
STATUSES = {
    401: "auth",
    402: "usage_limit",
    403: "auth",
    404: "model_unavailable",
    408: "network",
    413: "context_overflow",
    429: "rate_limited",
    529: "overloaded",
}
API_ERRORS = {
    "authentication_failed": "auth",
    "oauth_org_not_allowed": "auth",
    "billing_error": "usage_limit",
    "rate_limit": "rate_limited",
    "model_not_found": "model_unavailable",
    "server_error": "server_error",
}
SUBTYPES = {"error_max_turns": "max_turns", "error_max_budget_usd": "budget_exceeded"}


def run_failed(end: RunEnd) -> JobFailed:
    """Returns the failure of a run that ended like this."""
    if end.result is None:
        return _ended_without_result(end)
    text = redact(_result_text(end.result)[:DETAILS_LIMIT])
    kind = _kind(end, end.result, text)
    details = {
        "claude_message": text,
        "interim_answer": redact(end.answer[:DETAILS_LIMIT]) or None,
        "status": _status(end),
        "resets_at": _resets_at(end, text) if kind == "usage_limit" else None,
        "session_id": end.result.get("session_id"),
        "request_id": end.api_error.get("request_id"),
        "terminal_reason": end.result.get("terminal_reason"),
    }
    # The CLI's text names the model, the limit or the host, which our message does not.
    quote = f" ({text[:MESSAGE_LIMIT]})" if text and kind not in {"max_turns", "interrupted", "refusal"} else ""
    return _failure(kind, end, quote=quote, details=details)


def _failure(kind: str, end: RunEnd, *, quote: str = "", details: Mapping[str, object] | None = None) -> JobFailed:
    message, hint, retryable = FAILURES[kind]
    known = {key: value for key, value in (details or {}).items() if value is not None} | _process_details(end)
    return JobFailed(message + quote, kind=kind, hint=hint, retryable=retryable, details=known)


def _process_details(end: RunEnd) -> dict[str, object]:
    return {"exit_code": end.exit_code, "stderr": redact(end.stderr_tail)[-DETAILS_LIMIT:]}


def _kind(end: RunEnd, result: Mapping[str, Any], text: str) -> str:
    if kind := SUBTYPES.get(str(result.get("subtype"))):
        return kind
    if result.get("stop_reason") == "refusal":
        return "refusal"
    if str(result.get("terminal_reason")).startswith("aborted"):
        return "interrupted"
    status = _status(end) or 0
    return (
        CLI_REASONS.get(str(result.get("api_error") or end.api_error.get("api_error")))
        or _find(text, TEXTS)
        or STATUSES.get(status, "server_error" if status >= 500 else None)
        or _find(text, NO_CONNECTION)
        or API_ERRORS.get(str(end.api_error.get("error")), "api_error")
    )


def _find(text: str, patterns: Mapping[str, str]) -> str | None:
    """Returns the first kind whose pattern occurs in the text."""
    return next((kind for kind, pattern in patterns.items() if re.search(pattern, text, re.IGNORECASE)), None)


def _ended_without_result(end: RunEnd) -> JobFailed:
    # The CLI exits with 128 + signal after a signal that it caught (143 for SIGTERM).
    number = -end.exit_code if end.exit_code < 0 else end.exit_code - 128
    has_started = end.valid_lines > 0
    if number == signal.SIGILL and not has_started:
        return _failure("executable_broken", end)
    if number in {known.value for known in signal.Signals}:
        name = signal.Signals(number).name
        message = f"Claude Code was ended by {name} before it had a result."
        hint = "SIGKILL often means that the computer ran out of memory." if name == "SIGKILL" else None
        return JobFailed(message, kind="killed_by_signal", hint=hint, details=_process_details(end))
    if end.exit_code == 0:
        return _failure("output_unparseable" if end.invalid_lines and not has_started else "no_result", end)
    stderr = redact(end.stderr_tail)
    kind = None
    if not has_started:
        kind = _find(stderr, START_TEXTS) or ("executable_broken" if end.exit_code in NOT_STARTED else None)
    if kind := kind or _find(stderr, TEXTS):
        return _failure(kind, end)
    message = f"Claude Code exited with code {end.exit_code}: {stderr[-MESSAGE_LIMIT:] or 'no error message.'}"
    hint = "Run `claude` in a terminal to see whether it works there."
    return JobFailed(message, kind="process_exited", hint=hint, details=_process_details(end))


def _result_text(result: Mapping[str, Any]) -> str:
    if text := get_text(result, "result"):
        return text
    errors = result.get("errors")
    return "; ".join(str(error) for error in errors) if isinstance(errors, list) else ""


def _resets_at(end: RunEnd, text: str) -> str | None:
    """Returns when a usage limit resets: 2.1.330 sends seconds since 1970 in two fields, older ones in the text."""
    info = get_object(end.api_error, "api_error_params", "rate_limit_info") or end.limit
    seconds = get_count(info, "resetsAt")
    if seconds is None and (written := RESETS_AT.search(text)):
        seconds = int(written[1])
    return iso(seconds * 1000) if seconds is not None and 0 < seconds * 1000 <= LATEST_MS else None


def _status(end: RunEnd) -> int | None:
    return get_count(end.result, "api_error_status") or get_count(end.api_error, "api_error_status")
