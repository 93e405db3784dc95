"""Why a run of the CLI failed, in a stable word for programs and in words for the person who started it.

The CLI's own typed fields decide where it sends them (2.1.330 does); older releases give the HTTP status and a text
only.  Its texts may quote credentials and end up in the database, so nothing of them passes without `redact`.
"""

import re
import signal
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from sidecar.clock import iso
from sidecar.job_handler import JobFailed
from sidecar.logs import redact

MESSAGE_LIMIT = 500
DETAILS_LIMIT = 2_000


@dataclass(frozen=True, slots=True)
class Ending:
    """How a failed run ended: its result line, the CLI's last API error line and what it told of a limit that was hit
    (each empty without one), and the process.
    """

    result: Mapping[str, Any] | None
    api_error: Mapping[str, Any]
    limit: Mapping[str, Any]
    exit_code: int
    stderr_tail: str
    invalid_lines: int
    valid_lines: int


class _Verdict(NamedTuple):
    message: str
    hint: str | None = None
    retryable: bool = False


LATER = "Try again in a few minutes."
LOG_IN = "Run `claude` in a terminal and use /login, or set ANTHROPIC_API_KEY."
VERDICTS = {
    "auth": _Verdict("Claude Code is not signed in, or its credentials were refused.", LOG_IN),
    "usage_limit": _Verdict(
        "The Claude account has reached its usage limit.", "Wait until it resets, or check the plan and its credits."
    ),
    "rate_limited": _Verdict("Claude refused the request: too many at once.", LATER, retryable=True),
    "overloaded": _Verdict("Claude is overloaded at the moment.", LATER, retryable=True),
    "server_error": _Verdict("Claude's service failed.", LATER, retryable=True),
    "network": _Verdict("Claude could not be reached.", "Check the network connection and the proxy.", retryable=True),
    "context_overflow": _Verdict(
        "The conversation is too long for the model.", "Start a new session, or give it less to read."
    ),
    "model_unavailable": _Verdict("The model does not exist or is not open to this account.", "Choose another model."),
    "max_turns": _Verdict("Claude needed more turns than it was allowed.", "Raise max_turns, or ask for less at once."),
    "budget_exceeded": _Verdict("The run cost more than it was allowed to."),
    "refusal": _Verdict("Claude declined to answer this prompt.", "Put the request differently."),
    "interrupted": _Verdict("The run was interrupted before Claude had finished."),
    "session_unknown": _Verdict("Claude Code knows no session with this id.", "Start a new session."),
    "session_in_use": _Verdict("Another process is using this session.", "Wait until it has ended."),
    "root_refused": _Verdict(
        "Claude Code does not run in this permission mode as root.", "Choose another permission mode."
    ),
    "version_unsupported": _Verdict("This release of Claude Code is too old.", "Update Claude Code: `claude update`."),
    "executable_broken": _Verdict(
        "Claude Code does not run on this computer.",
        "Install Claude Code again; what it wrote last says what is missing (Node, a library, a newer processor).",
    ),
    "api_error": _Verdict("Claude refused the request."),
    "output_unparseable": _Verdict("What `claude` wrote is not its stream format.", "Update Claude Code."),
    "no_result": _Verdict("Claude Code ended without a result.", "Update Claude Code; `claude doctor` may know more."),
}

# The CLI's `api_error` of an error message: its own reason, beside the API's.
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
# Its texts, for releases and errors without a typed reason.  Anchored on words: "402913 tokens" is not a 402.
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
# What a `claude` that cannot even begin leaves on stderr.
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
NOT_RUN = frozenset({126, 127})
"""A shell's exit codes for a program that cannot be run, or that is not there."""
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
API_WORDS = {
    "authentication_failed": "auth",
    "oauth_org_not_allowed": "auth",
    "billing_error": "usage_limit",
    "rate_limit": "rate_limited",
    "model_not_found": "model_unavailable",
    "server_error": "server_error",
}
ENDS = {"error_max_turns": "max_turns", "error_max_budget_usd": "budget_exceeded"}


def run_failed(ending: Ending) -> JobFailed:
    """The failure that an ending amounts to."""
    if ending.result is None:
        return _ended_without_result(ending)
    said = redact(_said(ending.result)[:DETAILS_LIMIT])
    kind = _kind(ending, ending.result, said)
    details = {
        "said": said,
        "status": _status(ending),
        "resets_at": _resets_at(ending, said) if kind == "usage_limit" else None,
        "session_id": ending.result.get("session_id"),
        "request_id": ending.api_error.get("request_id"),
        "terminal_reason": ending.result.get("terminal_reason"),
    }
    # The CLI's sentence names the model, the limit or the host; ours says what kind of trouble it is.
    quote = f" ({said[:MESSAGE_LIMIT]})" if said and kind not in {"max_turns", "interrupted", "refusal"} else ""
    return _failure(kind, ending, quote=quote, details=details)


def _failure(kind: str, ending: Ending, *, quote: str = "", details: Mapping[str, object] | None = None) -> JobFailed:
    verdict = VERDICTS[kind]
    known = {key: value for key, value in (details or {}).items() if value is not None}
    return JobFailed(
        verdict.message + quote,
        kind=kind,
        hint=verdict.hint,
        retryable=verdict.retryable,
        details=known | _process_details(ending),
    )


def _process_details(ending: Ending) -> dict[str, object]:
    return {"exit_code": ending.exit_code, "stderr": redact(ending.stderr_tail)[-DETAILS_LIMIT:]}


def _kind(ending: Ending, result: Mapping[str, Any], said: str) -> str:
    if kind := ENDS.get(str(result.get("subtype"))):
        return kind
    if result.get("stop_reason") == "refusal":
        return "refusal"
    if str(result.get("terminal_reason")).startswith("aborted"):
        return "interrupted"
    typed = CLI_REASONS.get(str(result.get("api_error") or ending.api_error.get("api_error")))
    by_text = _kind_by_text(said)
    status = _status(ending)
    by_status = None if status is None else STATUSES.get(status, "server_error" if status >= 500 else None)
    if kind := typed or by_text or by_status:
        return kind
    if NO_CONNECTION.search(said):
        return "network"
    return API_WORDS.get(str(ending.api_error.get("error")), "api_error")


def _kind_by_text(text: str) -> str | None:
    return next((kind for pattern, kind in TEXTS if pattern.search(text)), None)


def _kind_at_start(ending: Ending, stderr: str) -> str | None:
    if ending.valid_lines:
        return None
    by_text = next((kind for pattern, kind in START_TEXTS if pattern.search(stderr)), None)
    return by_text or ("executable_broken" if ending.exit_code in NOT_RUN else None)


def _ended_without_result(ending: Ending) -> JobFailed:
    # 128 + signal is what the CLI itself exits with after a signal that it caught (143 for SIGTERM).
    number = -ending.exit_code if ending.exit_code < 0 else ending.exit_code - 128
    if number == signal.SIGILL and not ending.valid_lines:
        return _failure("executable_broken", ending)
    if number in {known.value for known in signal.Signals}:
        name = signal.Signals(number).name
        return JobFailed(
            f"Claude Code was ended by {name} before it had a result.",
            kind="killed_by_signal",
            hint="SIGKILL often means that the computer ran out of memory." if name == "SIGKILL" else None,
            details=_process_details(ending),
        )
    if ending.exit_code == 0:
        return _failure(
            "output_unparseable" if ending.invalid_lines and not ending.valid_lines else "no_result", ending
        )
    stderr = redact(ending.stderr_tail)
    if kind := _kind_at_start(ending, stderr) or _kind_by_text(stderr):
        return _failure(kind, ending)
    return JobFailed(
        f"Claude Code exited with code {ending.exit_code}: {stderr[-MESSAGE_LIMIT:] or 'it said nothing.'}",
        kind="process_exited",
        hint="Run `claude` in a terminal to see whether it works there.",
        details=_process_details(ending),
    )


def _said(result: Mapping[str, Any]) -> str:
    text = result.get("result")
    if isinstance(text, str) and text:
        return text
    errors = result.get("errors")
    return "; ".join(str(error) for error in errors) if isinstance(errors, list) else ""


def _resets_at(ending: Ending, said: str) -> str | None:
    """When a usage limit ends, in seconds since 1970: 2.1.330 has two fields for it, earlier ones put it after the
    text.
    """
    params = ending.api_error.get("api_error_params")
    refused = params.get("rate_limit_info") if isinstance(params, Mapping) else None
    seconds: object = (refused if isinstance(refused, Mapping) else ending.limit).get("resetsAt")
    if not isinstance(seconds, int) and (written := RESETS_AT.search(said)):
        seconds = int(written[1])
    return iso(seconds * 1000) if isinstance(seconds, int) and 0 < seconds < YEAR_9999_S else None


def _status(ending: Ending) -> int | None:
    status = (ending.result or {}).get("api_error_status") or ending.api_error.get("api_error_status")
    return status if isinstance(status, int) else None
