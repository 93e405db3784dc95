"""Summarizes a result, or the params of a notification, on one line."""

from collections.abc import Mapping
from typing import Any, Final

from rich.text import Text

from sidecar.commandline.formatting import duration, members, one_line
from sidecar.commandline.job_view import FINAL

SHORT_ID: Final = 8
"""Characters at the end of a UUIDv7, which differ between two ids of the same moment."""
STYLES: Final = {
    "succeeded": "green",
    "failed": "red",
    "error": "red",
    "cancelled": "yellow",
    "interrupted": "yellow",
    "warning": "yellow",
    "open": "yellow",
}
"""The colours of statuses and log levels."""
WRAPPERS: Final = ("job", "session", "request", "account")
"""Members that contain the entity that a result or notification is about."""


def summary(method: str, value: Any) -> Text:
    """Returns the essence of a value; a malformed one, which a transcript can contain, is formatted as a whole."""
    try:
        text = _specific(method, value) or _general(value)
    except (LookupError, TypeError, AttributeError, ValueError):
        text = one_line(value)
    return text if isinstance(text, Text) else Text(text)


def _specific(method: str, value: Any) -> Text | str | None:
    match method:
        case "initialize":
            pid, seq = value["server_info"]["pid"], value["events"]["latest_seq"]
            return f"process {pid}, protocol {value['protocol_version']}, events to #{seq}"
        case "system.diagnostics":
            claude = (value["claude"]["version"] or "not found").removesuffix(" (Claude Code)")
            return f"health {value['health']['status']}, database {value['integrity']}, Claude {claude}"
        case "activity.summary":
            hours, minutes = divmod(value["totals"]["meeting_s"] // 60, 60)
            return f"{value['totals']['meetings']} meetings, {hours} h {minutes:02} min"
        case "jobs.log_added":
            return _colored(value["line"]["level"], one_line(value["line"]["message"]))
        case "jobs.progress":
            fraction = value.get("progress")
            return ("" if fraction is None else f"{fraction:.0%} ") + one_line(value.get("message") or "")
        case "jobs.schedule_updated":
            schedule = value["schedule"]
            return f"{schedule['type']} every {duration(schedule['period_s']).removesuffix(' 0 s')}"
        case "activity.changed":
            titles = [one_line(event["title"]) for event in value["events"] if event["title"]]
            return ": ".join([f"{_counts(value)} from {value['source']}", *titles[:1]])
        case "calendar.changed":
            return _counts(value) or "name or selection changed"
        case "claude.message_added":
            message = value["message"]
            return f"{message['kind']}: {one_line(message['text'] or message['raw'])}"
    return None


def _general(value: Any) -> Text | str:
    entity = next((value[name] for name in WRAPPERS if isinstance(value.get(name), dict)), value)
    match entity:
        case {"status": status, "job_id": job_id, "type": kind}:
            # The last message of an ended job is about its progress, not about its end.
            message = entity["error"]["message"] if entity.get("error") else entity.get("message")
            shown = f": {one_line(message)}" if message and (entity.get("error") or status not in FINAL) else ""
            return _colored(status, f"{kind} …{job_id[-SHORT_ID:]}{shown}")
        case {"status": status, "claude_session_id": _, "title": title, "total_cost_usd": cost}:
            return _colored(status, ", ".join(filter(None, [one_line(title or ""), f"${cost:.2f}" if cost else ""])))
        case {"status": status, "tool_name": tool, "input": tool_input}:
            return _colored(status, f"{tool}: {one_line(tool_input)}")
        case {"status": status, "account_id": _}:
            name = entity.get("display_name") or entity.get("email") or f"{entity['service']} account"
            return _colored(status, one_line(name))
    name = next(iter(value), "")
    if isinstance(value.get(name), list) and value.keys() <= {name, "next_cursor"}:
        count = len(value[name])
        noun = name if count != 1 else name.removesuffix("s")
        return f"{count} {noun}{', more on the next page' if value.get('next_cursor') else ''}"
    return members({key: member for key, member in value.items() if key not in ("seq", "at")})


def _counts(params: Mapping[str, Any]) -> str:
    return ", ".join(f"{params[name]} {name}" for name in ("added", "updated", "removed") if params[name])


def _colored(status: str, more: str) -> Text:
    return Text.assemble((status, STYLES.get(status, "")), (f"  {more}", "dim"))
