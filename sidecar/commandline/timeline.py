"""Prints messages, one per line: → a request, ← its response, ⟵ a notification."""

import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from rich.console import Console
from rich.text import Text

from sidecar.commandline.client import Received, RemoteError
from sidecar.commandline.formatting import duration, members, one_line
from sidecar.commandline.job_view import FINAL

NAME_WIDTH: Final = 18
MAX_NAME_WIDTH: Final = 30
ASIDE_WIDTH: Final = 7
SHORT_ID: Final = 8
"""Characters at the end of a UUIDv7, which differ between two ids of the same moment."""
STREAMS: Final = ("claude.delta", "jobs.progress")
"""Frequent notifications; consecutive ones share a line."""
SECRETS: Final = ("token", "credentials")
"""Params that are not printed; a calendar's secret address is one of its credentials."""
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


class Timeline:
    """Prints messages as they are sent and received.

    `name_width` is the length of the longest method name, if it is known in advance.
    """

    def __init__(
        self, console: Console, clock: Callable[[], float] = time.perf_counter, name_width: int = NAME_WIDTH
    ) -> None:
        self._console = console
        self._clock = clock
        self._name_width = min(max(name_width, NAME_WIDTH), MAX_NAME_WIDTH)
        self._begin = clock()
        self._stream: list[Received] = []

    def request(self, method: str, params: Mapping[str, Any]) -> None:
        shown = {name: "…" if name in SECRETS else value for name, value in params.items()}
        self._print("→", "cyan", method, "", members(shown))

    def response(self, method: str, took_s: float, result: Any) -> None:
        about = _described(lambda: _about_result(method, result), result)
        self._print("←", "green", method, duration(took_s), about)

    def refusal(self, method: str, took_s: float, error: RemoteError) -> None:
        self._print("←", "red", method, duration(took_s), Text(f"{error.kind}: {one_line(error.message)}", "red"))

    def notification(self, received: Received) -> None:
        if self._stream and self._stream[0].method != received.method:
            self.flush_line()
        if received.method in STREAMS:
            self._stream.append(received)
            return
        seq = received.params.get("seq")
        self._print("⟵", "magenta", received.method, "" if seq is None else f"#{seq}", about_notification(received))

    def sidecar_ended(self, code: int, took_s: float) -> None:
        self._print("←", "green" if code == 0 else "red", f"(exit code {code})", duration(took_s), "")

    def flush_line(self) -> None:
        """Prints the line of the stream notifications since the last other message."""
        if not self._stream:
            return
        stream, self._stream = self._stream, []
        detail: Text | str = about_notification(stream[-1])
        if stream[0].method == "claude.delta":
            text = "".join(str(received.params.get("text", "")) for received in stream)
            detail = f"{len(text)} characters: {one_line(text)}"
        self._print("⟵", "magenta", stream[0].method, f"×{len(stream)}" if len(stream) > 1 else "", detail)

    def _print(self, arrow: str, style: str, name: str, aside: str, detail: Text | str) -> None:
        if arrow != "⟵":
            self.flush_line()
        aside_width = ASIDE_WIDTH - max(len(name) - self._name_width, 0)  # a long name takes some of its width
        line = Text.assemble(
            (f"{self._clock() - self._begin:7.3f}  ", "dim"),
            (arrow, style),
            f" {name:<{self._name_width}} ",
            (f"{aside.rjust(aside_width)}  ", "dim"),
            detail,
        )
        line.rstrip()
        line.truncate(self._console.width, overflow="ellipsis")
        self._console.print(line)


def about_notification(received: Received) -> Text:
    """Returns the essence of a notification."""
    params = received.params
    return _described(lambda: _NOTIFICATIONS.get(received.method, _about_any)(params), params)


def _described(describe: Callable[[], Text | str], value: Any) -> Text:
    """Returns a description; a malformed value, which a transcript can contain, is formatted as a whole."""
    try:
        text = describe()
    except (LookupError, TypeError, AttributeError, ValueError):
        text = one_line(value)
    return text if isinstance(text, Text) else Text(text)


def _about_result(method: str, result: Any) -> Text | str:
    match method:
        case "initialize":
            pid, seq = result["server_info"]["pid"], result["events"]["latest_seq"]
            return f"process {pid}, protocol {result['protocol_version']}, events to #{seq}"
        case "system.diagnostics":
            claude = (result["claude"]["version"] or "not found").removesuffix(" (Claude Code)")
            return f"health {result['health']['status']}, database {result['integrity']}, Claude {claude}"
        case "calendar.accounts.create":
            return _status(result, one_line(result["display_name"] or result["email"]))
        case "activity.summary":
            hours, minutes = divmod(result["totals"]["meeting_s"] // 60, 60)
            return f"{result['totals']['meetings']} meetings, {hours} h {minutes:02} min"
    job = result.get("job", result)
    if isinstance(job, dict) and "job_id" in job and "type" in job:
        return _status(job, f"job …{job['job_id'][-SHORT_ID:]}")
    if "claude_session_id" in result:
        return _about_session(result)
    if "tool_use_id" in result:
        return _about_permission(result)
    name = next(iter(result), "")
    if isinstance(result.get(name), list) and result.keys() <= {name, "next_cursor"}:
        count = len(result[name])
        noun = name if count != 1 else name.removesuffix("s")
        return f"{count} {noun}{', more on the next page' if result.get('next_cursor') else ''}"
    return one_line(result)


def _about_any(params: Mapping[str, Any]) -> str:
    return members({key: value for key, value in params.items() if key not in ("seq", "at")})


def _about_log_line(params: Mapping[str, Any]) -> Text:
    return Text(one_line(params["line"]["message"]), STYLES.get(params["line"]["level"], ""))


def _about_update(params: Mapping[str, Any]) -> Text:
    job = params["job"]
    # The last message of an ended job is about its progress, not about its end.
    message = None if job["status"] in FINAL else job.get("message")
    return _status(job, one_line(job["error"]["message"] if job.get("error") else message or job["type"]))


def _about_progress(params: Mapping[str, Any]) -> str:
    fraction = params.get("progress")
    return ("" if fraction is None else f"{fraction:.0%} ") + one_line(params.get("message") or "")


def _about_activity(params: Mapping[str, Any]) -> str:
    titles = [one_line(event["title"]) for event in params["events"] if event["title"]]
    return ": ".join([f"{_counts(params)} from {params['source']}", *titles[:1]])


def _about_schedule(params: Mapping[str, Any]) -> str:
    schedule = params["schedule"]
    return f"{schedule['type']} every {duration(schedule['period_s']).removesuffix(' 0 s')}"


def _about_message(params: Mapping[str, Any]) -> str:
    message = params["message"]
    return f"{message['kind']}: {one_line(message['text'] or message['raw'])}"


def _about_retry(params: Mapping[str, Any]) -> str:
    after = duration(params["delay_ms"] / 1000)
    return f"{params['error']}, attempt {params['attempt']} of {params['max_retries']} after {after}"


def _counts(params: Mapping[str, Any]) -> str:
    return ", ".join(f"{params[name]} {name}" for name in ("added", "updated", "removed") if params[name])


def _about_session(session: Mapping[str, Any]) -> Text:
    cost = session["total_cost_usd"]
    return _status(session, ", ".join(filter(None, [one_line(session["title"] or ""), f"${cost:.2f}" if cost else ""])))


def _about_permission(request: Mapping[str, Any]) -> Text:
    return _status(request, f"{request['tool_name']}: {one_line(request['input'])}")


def _status(entity: Mapping[str, Any], more: str) -> Text:
    status = str(entity["status"])
    return Text.assemble((status, STYLES.get(status, "")), (f"  {more}", "dim"))


_NOTIFICATIONS: Final[dict[str, Callable[[Mapping[str, Any]], Text | str]]] = {
    "jobs.updated": _about_update,
    "jobs.log_added": _about_log_line,
    "jobs.progress": _about_progress,
    "jobs.schedule_updated": _about_schedule,
    "accounts.updated": lambda params: _status(params, f"{params['service']} account"),
    "activity.changed": _about_activity,
    "calendar.changed": lambda params: _counts(params) or "name or selection changed",
    "claude.delta": lambda params: one_line(params["text"]),
    "claude.message_added": _about_message,
    "claude.session_updated": lambda params: _about_session(params["session"]),
    "claude.permission_requested": lambda params: _about_permission(params["request"]),
    "claude.permission_resolved": lambda params: _about_permission(params["request"]),
    "claude.api_retry": _about_retry,
    "claude.stall": lambda params: f"silent for {duration(params['silent_s'])}",
}
