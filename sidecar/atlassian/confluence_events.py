"""Converts the versions of pages and blog posts, and comments, to events of the feed.  Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, Final

from pydantic_core import from_json

from sidecar.atlassian.adf import adf_text
from sidecar.atlassian.fields import get_string, get_time_ms
from sidecar.atlassian.source import SyncContext
from sidecar.feed import FeedEvent
from sidecar.json_reader import get, get_count

DESCRIPTION_CHARS: Final = 4_000


def content_events(
    kind: str,
    content: Mapping[str, Any],
    versions: Iterable[Mapping[str, Any]],
    space: str | None,
    context: SyncContext,
    user_names: Mapping[str, str | None],
) -> list[FeedEvent]:
    """Returns the events of a page or blog post: its creation is the first version, each further version is an edit.

    A version's own time decides whether it belongs in the feed: a page that was edited by another user has recently
    changed, but may have versions of the owner's that are years old.
    """
    content_id = get_string(content, "id") or ""
    base = FeedEvent(
        event_id="",
        event_type="",
        at_ms=0,
        title=get_string(content, "title"),
        url=_url(content, context),
        container_id=get_string(content, "spaceId"),
        container=space,
        object_id=content_id,
    )
    events = []
    for version in versions:
        number, at_ms = get_count(version, "number") or 0, get_time_ms(version, "createdAt")
        author = get_string(version, "authorId")
        by_me = context.is_owner(author)
        if number < 1 or at_ms is None or not context.includes(by_me=by_me, at_ms=at_ms):
            continue
        event = replace(
            base,
            event_id=f"{context.event_id_prefix(f'{kind}:{content_id}')}v{number}",
            event_type=f"{kind}_created" if number == 1 else f"{kind}_edited",
            at_ms=at_ms,
            by_me=by_me,
            actor=user_names.get(author or ""),
            description=get_string(version, "message"),
            raw={"version": number, "minor": bool(get(version, "minorEdit"))},
        )
        events.append(event)
    return events


def comment_event(
    comment: Mapping[str, Any],
    first_version: Mapping[str, Any],
    kind: str,
    content: Mapping[str, Any],
    context: SyncContext,
    user_names: Mapping[str, str | None],
) -> FeedEvent | None:
    """Returns the event of a comment on `content`, with the time of its first version and the text of its latest."""
    author, at_ms = get_string(first_version, "authorId"), get_time_ms(first_version, "createdAt")
    by_me = context.is_owner(author)
    if at_ms is None or not context.includes(by_me=by_me, at_ms=at_ms):
        return None
    comment_id = get_string(comment, "id") or ""
    return FeedEvent(
        event_id=f"{context.event_id_prefix(f'comment:{comment_id}')}posted",
        event_type=f"{kind}_commented",
        at_ms=at_ms,
        title=get_string(content, "title") or get_string(comment, "title"),
        description=_body_text(comment) or None,
        url=_url(comment, context),
        actor=user_names.get(author or ""),
        by_me=by_me,
        container_id=get_string(content, "spaceId"),
        object_id=get_string(content, "id"),
        raw={"version": get_count(comment, "version", "number") or 0},
    )


def _body_text(comment: Mapping[str, Any]) -> str:
    """Returns the text of the body, which is an ADF document encoded in a string."""
    value = get_string(comment, "body", "atlas_doc_format", "value")
    try:
        return adf_text(from_json(value or "null"), DESCRIPTION_CHARS)
    except ValueError:
        return ""


def _url(content: Mapping[str, Any], context: SyncContext) -> str | None:
    """Returns the address for browsers: always the site's, since the gateway serves no pages."""
    path = get_string(content, "_links", "webui")
    return f"{context.base_url}/wiki{path}" if path is not None and path.startswith("/") else None
