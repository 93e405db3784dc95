"""Finds what others wrote in a result: the fields that the contract declares foreign, and their sources.  Pure.

What is found decides whether tools ask before they act, so it errs on the side of finding too much.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, get_args

from sidecar_protocol.contract import Foreign, Model

from sidecar.hub.entries import Entry, entries

TEXT_CHARS: Final = 120
MAX_DOMAIN: Final = 253
"""Maximum length of a domain (RFC 1035)."""


@dataclass(frozen=True, slots=True)
class ForeignText:
    """A text that others can have written, and its source."""

    source: str
    text: str


def foreign_texts(model: type[Model], value: Entry, tool: str) -> list[ForeignText]:
    """Returns the first foreign text of each source in a result."""
    found: dict[str, ForeignText] = {}
    for kind, entry in entries(model, value):
        for one in _texts(kind, entry, tool):
            found.setdefault(one.source, one)
    return list(found.values())


def _texts(model: type[Model], entry: Mapping[str, Any], tool: str) -> Iterator[ForeignText]:
    for name, field in model.model_fields.items():
        member = entry.get(name)
        if member not in (None, "", [], {}) and (Foreign in field.metadata or _is_marked(field.annotation)):
            yield ForeignText(_source(entry, tool), str(member)[:TEXT_CHARS])


def _is_marked(annotation: Any) -> bool:
    return any(one is Foreign or _is_marked(one) for one in get_args(annotation))


def _source(entry: Mapping[str, Any], tool: str) -> str:
    """Returns who can have written an entry: its account, in calendars with the organiser's domain."""
    account, service, organizer = entry.get("account_id"), entry.get("source"), entry.get("organizer")
    if not isinstance(account, str):
        return f"hub:{tool}"
    email = organizer.get("email") if isinstance(organizer, dict) else None
    if isinstance(email, str) and "@" in email:
        return f"{account}:{email.rpartition('@')[2].lower()[:MAX_DOMAIN]}"
    return f"{service}:{account}" if isinstance(service, str) else account
