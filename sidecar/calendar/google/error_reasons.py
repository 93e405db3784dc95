"""Why Google refuses: the words for programs in the body of an error."""

from typing import Final

from sidecar.calendar.google.oauth import word
from sidecar.http.client import BadResponse, HttpResponse

RATE: Final = frozenset({"rateLimitExceeded", "userRateLimitExceeded"})
"""Pass by themselves, and come as 403 as well as 429."""
QUOTA: Final = frozenset({"quotaExceeded", "dailyLimitExceeded", "dailyLimitExceededUnreg"})


def reasons_of(response: HttpResponse) -> frozenset[str]:
    """Every reason that an error's body names, in the old form (`errors[].reason`) and the new (`details[].reason`)."""
    try:
        answer = response.json()
    except BadResponse:
        return frozenset()
    error = answer.get("error") if isinstance(answer, dict) else None
    if not isinstance(error, dict):
        return frozenset()
    entries = [*_list(error.get("errors")), *_list(error.get("details"))]
    found = [entry.get("reason") for entry in entries if isinstance(entry, dict)]
    return frozenset(one for one in map(word, found) if one is not None)


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []
