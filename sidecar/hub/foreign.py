"""Finds what others wrote in a result: the fields that the contract declares foreign, and their sources.  Pure.

What is found decides whether tools ask before they act, so it errs on the side of finding too much.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, get_args

from sidecar_protocol.contract import Foreign, Model

TEXT_CHARS: Final = 120
MAX_DOMAIN: Final = 253
"""Maximum length of a domain (RFC 1035)."""


@dataclass(frozen=True, slots=True)
class ForeignText:
    """A text that others can have written, and its source."""

    source: str
    text: str


def foreign_texts(model: type[Model], value: Mapping[str, Any], tool: str) -> list[ForeignText]:
    """Returns the first foreign text of each source in a result."""
    found: dict[str, ForeignText] = {}
    for one in _walk(model, value, tool):
        found.setdefault(one.source, one)
    return list(found.values())


def _walk(model: type[Model], value: Mapping[str, Any], tool: str) -> Iterator[ForeignText]:
    for name, field in model.model_fields.items():
        member = value.get(name)
        if member in (None, "", [], {}):
            continue
        if Foreign in field.metadata or _is_marked(field.annotation):
            yield ForeignText(_source(value, tool), str(member)[:TEXT_CHARS])
        for inner in _models(field.annotation):
            for item in member if isinstance(member, list) else [member]:
                if isinstance(item, dict):
                    yield from _walk(inner, item, tool)


def _is_marked(annotation: Any) -> bool:
    return any(one is Foreign or _is_marked(one) for one in get_args(annotation))


def _models(annotation: Any) -> Iterator[type[Model]]:
    if isinstance(annotation, type) and issubclass(annotation, Model):
        yield annotation
    for argument in get_args(annotation):
        yield from _models(argument)


def _source(entry: Mapping[str, Any], tool: str) -> str:
    """Returns who can have written an entry: its account, in calendars with the organiser's domain."""
    account, service, organizer = entry.get("account_id"), entry.get("source"), entry.get("organizer")
    if not isinstance(account, str):
        return f"hub:{tool}"
    email = organizer.get("email") if isinstance(organizer, dict) else None
    if isinstance(email, str) and "@" in email:
        return f"{account}:{email.rpartition('@')[2].lower()[:MAX_DOMAIN]}"
    return f"{service}:{account}" if isinstance(service, str) else account
