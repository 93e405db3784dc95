"""Maps a failed run to a `JobFailed`: a stable kind for programs, and a message and a hint for the user.

The kind comes from the CLI's typed fields if it sends them (2.1.330 does); older releases send only an HTTP status and
a text.  Failures are stored in the database and the CLI's texts may quote credentials, so they all pass `redact`.
"""

import re
import signal
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from sidecar.clock import iso
from sidecar.job_handler import JobFailed
from sidecar.json_reader import get_count, get_object, get_text
from sidecar.logs import redact

MESSAGE_LIMIT: Final = 500
"""Maximum length of the CLI's text in an error message, in characters."""
DETAILS_LIMIT: Final = 2_000
"""Maximum length of each of the CLI's texts in an error's details, in characters."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunEnd:
    """How a failed run ended.

    `result` is the result line, `api_error` the last message about an API error, `limit` the `rate_limit_info` of a
    limit that was reached; the last two are empty if there was none.
    """

    result: Mapping[str, Any] | None
    api_error: Mapping[str, Any]
    limit: Mapping[str, Any]
    exit_code: int
    stderr_tail: str
    invalid_lines: int
    valid_lines: int


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
    "budget_exceeded": _Failure("The run exceeded its budget."),
    "refusal": _Failure("Claude declined to answer this prompt.", "Rephrase the prompt."),
    "interrupted": _Failure("The run was interrupted before Claude had finished."),
    "session_unknown": _Failure("Claude Code has no session with this id.", "Start a new session."),
    "session_in_use": _Failure("Another process is using this session.", "Wait until it has ended."),
    "root_refused": _Failure(
        "Claude Code does not run in this permission mode as root.", "Choose another permission mode."
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
    "connection_failed": "network",
    "no_response": "network",
    "stream_idle_timeout": "network",
    "computer_slept": "network",
    "tls_untrusted_ca": "network",
    "tls_cert_signature_failure": "network",
    "network_edge_blocked": "network",
    "usage_limit_reached": "usage_limit",
    "model_requires_usage_credits": "usage_limit",
    "long_context_credits_required": "usage_limit",
    "autocompact_thrashing": "context_overflow",
    "message_over_context_limit": "context_overflow",
    "safety_monitor_blocked": "refusal",
    "provider_credentials": "auth",
    "gateway_signin_required": "auth",
    "gateway_session_expired": "auth",
    "api_key_auth_disabled": "auth",
    "org_disabled_credential": "auth",
    "invalid_credential_header": "auth",
    "stored_login_refused": "auth",
}
# Texts of the CLI, for releases and errors without a typed reason.  No status codes: "402913 tokens" is not a 402.
TEXTS = (
    (re.compile(r"prompt is too long|context (window|length|limit)", re.IGNORECASE), "context_overflow"),
    (
        re.compile(r"(?<!not your )usage limit|hit your .{0,20}limit|credit balance is too low", re.IGNORECASE),
        "usage_limit",
    ),
    (re.compile(r"issue with the selected model|may not exist or you may not", re.IGNORECASE), "model_unavailable"),
    (re.compile(r"not logged in|/login|invalid api key|oauth token", re.IGNORECASE), "auth"),
    (re.compile(r"no conversation found", re.IGNORECASE), "session_unknown"),
    (re.compile(r"session id \S+ is already in use", re.IGNORECASE), "session_in_use"),
)
# Texts on stderr of a `claude` that cannot start.
START_TEXTS = (
    (re.compile(r"cannot be used with root", re.IGNORECASE), "root_refused"),
    (
        re.compile(r"unknown option|unknown argument|requires node(\.js)? (version )?\d+", re.IGNORECASE),
        "version_unsupported",
    ),
    (
        re.compile(
            r"env: .?node.?: no such file|node: not found|version .GLIBC|error while loading shared libraries"
            r"|cannot execute|bad cpu type|cannot find module",
            re.IGNORECASE,
        ),
        "executable_broken",
    ),
)
NOT_STARTED = frozenset({126, 127})
"""A shell's exit codes for a program that cannot be executed or does not exist."""
NO_CONNECTION = re.compile(
    r"timed out|unable to connect|connection (refused|error|reset)|enotfound|econn", re.IGNORECASE
)
RESETS_AT = re.compile(r"limit reached\|(\d{10})\b")
YEAR_9999_S = 253_370_764_800
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
    failure = FAILURES[kind]
    known = {key: value for key, value in (details or {}).items() if value is not None}
    return JobFailed(
        failure.message + quote,
        kind=kind,
        hint=failure.hint,
        retryable=failure.retryable,
        details=known | _process_details(end),
    )


def _process_details(end: RunEnd) -> dict[str, object]:
    return {"exit_code": end.exit_code, "stderr": redact(end.stderr_tail)[-DETAILS_LIMIT:]}


def _kind(end: RunEnd, result: Mapping[str, Any], text: str) -> str:
    if kind := SUBTYPES.get(str(result.get("subtype"))):
        return kind
    if result.get("stop_reason") == "refusal":
        return "refusal"
    if str(result.get("terminal_reason")).startswith("aborted"):
        return "interrupted"
    typed = CLI_REASONS.get(str(result.get("api_error") or end.api_error.get("api_error")))
    status = _status(end)
    by_status = None if status is None else STATUSES.get(status, "server_error" if status >= 500 else None)
    if kind := typed or _kind_by_text(text) or by_status:
        return kind
    if NO_CONNECTION.search(text):
        return "network"
    return API_ERRORS.get(str(end.api_error.get("error")), "api_error")


def _kind_by_text(text: str) -> str | None:
    return next((kind for pattern, kind in TEXTS if pattern.search(text)), None)


def _kind_at_start(end: RunEnd, stderr: str) -> str | None:
    if end.valid_lines:
        return None
    by_text = next((kind for pattern, kind in START_TEXTS if pattern.search(stderr)), None)
    return by_text or ("executable_broken" if end.exit_code in NOT_STARTED else None)


def _ended_without_result(end: RunEnd) -> JobFailed:
    # The CLI exits with 128 + signal after a signal that it caught (143 for SIGTERM).
    number = -end.exit_code if end.exit_code < 0 else end.exit_code - 128
    if number == signal.SIGILL and not end.valid_lines:
        return _failure("executable_broken", end)
    if number in {known.value for known in signal.Signals}:
        name = signal.Signals(number).name
        return JobFailed(
            f"Claude Code was ended by {name} before it had a result.",
            kind="killed_by_signal",
            hint="SIGKILL often means that the computer ran out of memory." if name == "SIGKILL" else None,
            details=_process_details(end),
        )
    if end.exit_code == 0:
        return _failure("output_unparseable" if end.invalid_lines and not end.valid_lines else "no_result", end)
    stderr = redact(end.stderr_tail)
    if kind := _kind_at_start(end, stderr) or _kind_by_text(stderr):
        return _failure(kind, end)
    return JobFailed(
        f"Claude Code exited with code {end.exit_code}: {stderr[-MESSAGE_LIMIT:] or 'no error message.'}",
        kind="process_exited",
        hint="Run `claude` in a terminal to see whether it works there.",
        details=_process_details(end),
    )


def _result_text(result: Mapping[str, Any]) -> str:
    if text := get_text(result, "result"):
        return text
    errors = result.get("errors")
    return "; ".join(str(error) for error in errors) if isinstance(errors, list) else ""


def _resets_at(end: RunEnd, text: str) -> str | None:
    """Returns when a usage limit resets.  2.1.330 sends it in two fields, earlier releases at the end of the text; both
    in seconds since 1970.
    """
    info = get_object(end.api_error, "api_error_params", "rate_limit_info") or end.limit
    seconds = get_count(info, "resetsAt")
    if seconds is None and (written := RESETS_AT.search(text)):
        seconds = int(written[1])
    return iso(seconds * 1000) if seconds is not None and 0 < seconds < YEAR_9999_S else None


def _status(end: RunEnd) -> int | None:
    return get_count(end.result, "api_error_status") or get_count(end.api_error, "api_error_status")
