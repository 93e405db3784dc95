"""What happened to a page, a blog post or a comment, as events of the feed.  Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, Final

from pydantic_core import from_json

from sidecar.atlassian.adf import adf_text
from sidecar.atlassian.shapes import dig, moment, number, text
from sidecar.atlassian.source import Asking
from sidecar.feed import FeedEvent

DESCRIPTION_CHARS: Final = 4_000


def content_events(
    kind: str,
    content: Mapping[str, Any],
    versions: Iterable[Mapping[str, Any]],
    space: str | None,
    asking: Asking,
    names: Mapping[str, str | None],
) -> list[FeedEvent]:
    """A page's or blog post's versions: the first made it, each further one is an edit.

    A version counts when it was made, by its own time: the list of what has changed also brings pages that somebody
    else has edited, with versions of the owner's that are years old.
    """
    content_id = text(content, "id") or ""
    base = FeedEvent(
        event_id="",
        event_type="",
        at_ms=0,
        title=text(content, "title"),
        url=_url(content, asking),
        container_id=text(content, "spaceId"),
        container=space,
        object_id=content_id,
    )
    events = []
    for version in versions:
        nth, author, at_ms = number(version, "number"), text(version, "authorId"), moment(version, "createdAt")
        if nth < 1 or at_ms is None or not asking.wants(by_me=author == asking.me, at_ms=at_ms):
            continue
        event = replace(
            base,
            event_id=f"{asking.prefix(f'{kind}:{content_id}')}v{nth}",
            event_type=f"{kind}_created" if nth == 1 else f"{kind}_edited",
            at_ms=at_ms,
            by_me=author == asking.me,
            actor=names.get(author or ""),
            description=text(version, "message"),
            raw={"version": nth, "minor": bool(dig(version, "minorEdit"))},
        )
        events.append(event)
    return events


def comment_event(
    comment: Mapping[str, Any],
    first: Mapping[str, Any],
    kind: str,
    on: Mapping[str, Any],
    asking: Asking,
    names: Mapping[str, str | None],
) -> FeedEvent | None:
    """A comment: said when its first version was made, in the words of its newest; `on` is what it stands on."""
    author, at_ms = text(first, "authorId"), moment(first, "createdAt")
    comment_id = text(comment, "id") or ""
    if at_ms is None or not asking.wants(by_me=author == asking.me, at_ms=at_ms):
        return None
    return FeedEvent(
        event_id=f"{asking.prefix(f'comment:{comment_id}')}posted",
        event_type=f"{kind}_commented",
        at_ms=at_ms,
        title=text(on, "title") or text(comment, "title"),
        description=_words(comment) or None,
        url=_url(comment, asking),
        actor=names.get(author or ""),
        by_me=author == asking.me,
        container_id=text(on, "spaceId"),
        object_id=text(on, "id"),
        raw={"version": number(comment, "version", "number")},
    )


def _words(comment: Mapping[str, Any]) -> str:
    """The body, which is a document within a string."""
    value = text(comment, "body", "atlas_doc_format", "value")
    try:
        return adf_text(from_json(value or "null"), DESCRIPTION_CHARS)
    except ValueError:
        return ""


def _url(content: Mapping[str, Any], asking: Asking) -> str | None:
    """Where a browser shows it: always at the site, since the gateway serves no pages."""
    path = text(content, "_links", "webui")
    return f"{asking.base_url}/wiki{path}" if path is not None and path.startswith("/") else None
