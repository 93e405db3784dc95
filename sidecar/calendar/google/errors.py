"""The meaning of the Calendar API's error responses, by status and reason; messages may be translated."""

from collections.abc import Mapping
from typing import Final

from sidecar_protocol.accounts import AccountReason
from sidecar_protocol.calendar.calendars import CalendarSyncError
from sidecar_protocol.entities import WaitingFor

from sidecar.accounts.account import AccountRefused, Verdict
from sidecar.calendar.google.oauth import error_code
from sidecar.calendar.provider import CalendarRefused, CursorExpired, EventQuery
from sidecar.http.client import BadResponse, HttpResponse
from sidecar.job_handler import JobFailed, JobSnoozed
from sidecar.json_reader import get_objects

RATE_REASONS: Final = frozenset({"rateLimitExceeded", "userRateLimitExceeded", "RATE_LIMIT_EXCEEDED"})
"""Sent with status 403 or 429, in the old form or the new one."""
QUOTA_REASONS: Final = frozenset({"quotaExceeded", "dailyLimitExceeded", "dailyLimitExceededUnreg"})
RATE_RETRY_S: Final = 60.0
"""Google counts requests per minute."""
QUOTA_RETRY_S: Final = 3_600.0
"""The daily quota is exhausted; a new one may begin at any hour."""
_RECONNECT: Final = "Connect the account again, and leave all permissions ticked."
_DENIED: Final = (
    "The account's organisation may not allow this app or this network: ask its administrator, or connect to its VPN."
)


def is_rate_limited(response: HttpResponse) -> bool:
    return response.status == 429 or (response.status == 403 and bool(_reasons(response) & RATE_REASONS))


def api_error(response: HttpResponse, what: str, query: EventQuery | None) -> Exception:
    """Returns the exception for an error response to a query of events, or without one, of the list of calendars."""
    details = {"status": response.status, "reasons": sorted(_reasons(response))}
    if response.status == 401:
        return AccountRefused(AccountReason.TOKEN_REJECTED, "Google no longer accepts the sign-in.", _RECONNECT)
    if is_rate_limited(response):
        return JobSnoozed(f"{what}: rate limited by Google.", delay_s=RATE_RETRY_S, waiting_for=WaitingFor.RATE_LIMIT)
    if response.status == 403:
        return _forbidden(_reasons(response), details, query)
    if response.status == 404 and query is not None:
        return CalendarRefused(CalendarSyncError.NOT_FOUND)
    # 400 for a malformed cursor; without a cursor the request itself is wrong.
    if query is not None and query.cursor is not None and response.status in (400, 410):
        return CursorExpired()
    message = f"Could not read {what} (HTTP {response.status})."
    if response.status >= 500 or response.status == 410:
        return JobFailed(message, kind="unavailable", retryable=True, details=details)
    return JobFailed(message, kind="bad_response", details=details)


def _forbidden(reasons: frozenset[str], details: Mapping[str, object], query: EventQuery | None) -> Exception:
    if reasons & QUOTA_REASONS:
        message = "The app's daily quota at Google is exhausted."
        return JobSnoozed(message, delay_s=QUOTA_RETRY_S, waiting_for=WaitingFor.RATE_LIMIT)
    if reasons & {"insufficientPermissions", "ACCESS_TOKEN_SCOPE_INSUFFICIENT"}:
        message = "The sign-in does not include permission to read calendars."
        return AccountRefused(AccountReason.SCOPE_MISSING, message, _RECONNECT)
    if reasons & {"accessNotConfigured", "SERVICE_DISABLED"}:
        hint = "Enable the Google Calendar API in the Google Cloud project of the OAuth client."
        return JobFailed("The Google Calendar API is not enabled.", kind="api_disabled", hint=hint, details=details)
    if query is not None:
        return CalendarRefused(CalendarSyncError.FORBIDDEN)
    message = "Google denied access to the list of calendars."
    return AccountRefused(AccountReason.ACCESS_DENIED, message, _DENIED, Verdict.ELSEWHERE)


def _reasons(response: HttpResponse) -> frozenset[str]:
    """Returns all reasons in the body, in the old form (`errors[].reason`) and the new one (`details[].reason`)."""
    try:
        body = response.json("Google's error")
    except BadResponse:
        return frozenset()
    entries = [*get_objects(body, "error", "errors"), *get_objects(body, "error", "details")]
    return frozenset(code for entry in entries if (code := error_code(entry.get("reason"))) is not None)
