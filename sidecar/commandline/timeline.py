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
        self._print("→", "cyan", method, "", Text(members(shown)))

    def response(self, method: str, took_s: float, result: Any) -> None:
        self._print("←", "green", method, duration(took_s), about_result(method, result))

    def refusal(self, method: str, took_s: float, error: RemoteError) -> None:
        self._print("←", "red", method, duration(took_s), Text(f"{error.kind}: {one_line(error.message)}", style="red"))

    def notification(self, received: Received) -> None:
        if self._stream and self._stream[0].method != received.method:
            self.flush_line()
        if received.method in STREAMS:
            self._stream.append(received)
            return
        seq = received.params.get("seq")
        aside = "" if seq is None else f"#{seq}"
        self._print("⟵", "magenta", received.method, aside, about_notification(received))

    def sidecar_ended(self, code: int, took_s: float) -> None:
        self._print("←", "green" if code == 0 else "red", f"(exit code {code})", duration(took_s), Text())

    def flush_line(self) -> None:
        """Prints the line of the stream notifications since the last other message."""
        if not self._stream:
            return
        stream, self._stream = self._stream, []
        name = stream[0].method
        if name == "claude.delta":
            text = "".join(str(received.params.get("text", "")) for received in stream)
            detail = Text(f"{len(text)} characters: {one_line(text)}")
        else:
            detail = about_notification(stream[-1])
        self._print("⟵", "magenta", name, f"×{len(stream)}" if len(stream) > 1 else "", detail)

    def _print(self, arrow: str, style: str, name: str, aside: str, detail: Text) -> None:
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


def about_result(method: str, result: Any) -> Text:
    """Returns the essence of a result.  A malformed result, which a transcript can contain, is returned whole."""
    try:
        return _about_result(method, result)
    except (LookupError, TypeError, AttributeError):
        return Text(one_line(result))


def _about_result(method: str, result: Any) -> Text:
    if method == "initialize":
        info, events = result["server_info"], result["events"]
        return Text(f"process {info['pid']}, protocol {result['protocol_version']}, events to #{events['latest_seq']}")
    if method == "system.diagnostics":
        claude = (result["claude"]["version"] or "not found").removesuffix(" (Claude Code)")
        return Text(f"health {result['health']['status']}, database {result['integrity']}, Claude {claude}")
    if method == "calendar.accounts.create":
        return _about_job(result, one_line(result["display_name"] or result["email"]))
    if method == "activity.summary":
        hours, minutes = divmod(result["totals"]["meeting_s"] // 60, 60)
        return Text(f"{result['totals']['meetings']} meetings, {hours} h {minutes:02} min")
    return _about_entity(result) if isinstance(result, dict) else Text(one_line(result))


def _about_entity(result: Mapping[str, Any]) -> Text:
    job = result.get("job", result)
    if isinstance(job, dict) and "job_id" in job and "type" in job:
        return _about_job(job, f"job …{job['job_id'][-SHORT_ID:]}")
    if "claude_session_id" in result:
        return _about_session(result)
    if "tool_use_id" in result:
        return _about_permission(result)
    name = next(iter(result), "")
    if isinstance(result.get(name), list) and result.keys() <= {name, "next_cursor"}:
        count = len(result[name])
        noun = name if count != 1 else name.removesuffix("s")
        return Text(f"{count} {noun}{', more on the next page' if result.get('next_cursor') else ''}")
    return Text(one_line(result))


def about_notification(received: Received) -> Text:
    """Returns the essence of a notification.  A malformed one is returned whole."""
    try:
        return _about_notification(received)
    except (LookupError, TypeError, AttributeError, ValueError):
        return Text(one_line(received.params))


def _about_notification(received: Received) -> Text:
    params = received.params
    about = _NOTIFICATIONS.get(received.method)
    if about is None:
        return Text(members({key: value for key, value in params.items() if key not in ("seq", "at")}))
    text = about(params)
    return text if isinstance(text, Text) else Text(text)


def _about_log_line(params: Mapping[str, Any]) -> Text:
    line = params["line"]
    return Text(one_line(line["message"]), style=_style(line["level"]))


def _about_update(params: Mapping[str, Any]) -> Text:
    job = params["job"]
    # The last message of an ended job is about its progress, not about its end.
    message = None if job["status"] in FINAL else job.get("message")
    return _about_job(job, one_line(job["error"]["message"] if job.get("error") else message or job["type"]))


def _about_progress(params: Mapping[str, Any]) -> str:
    fraction = params.get("progress")
    return ("" if fraction is None else f"{fraction:.0%} ") + one_line(params.get("message") or "")


def _about_activity(params: Mapping[str, Any]) -> str:
    titles = [one_line(event["title"]) for event in params["events"] if event["title"]]
    return ": ".join([f"{_counts(params)} from {params['source']}", *titles[:1]])


def _about_schedule(params: Mapping[str, Any]) -> str:
    schedule = params["schedule"]
    return f"{schedule['type']} every {duration(schedule['period_s']).removesuffix(' 0 s')}"


def _about_account(params: Mapping[str, Any]) -> Text:
    status = str(params["status"])
    return Text.assemble((status, _style(status)), (f"  {params['service']} account", "dim"))


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
    more = [one_line(session["title"] or ""), f"${cost:.2f}" if cost else ""]
    return Text.assemble((str(session["status"]), ""), (f"  {', '.join(filter(None, more))}", "dim"))


def _about_permission(request: Mapping[str, Any]) -> Text:
    status = str(request["status"])
    about = f"  {request['tool_name']}: {one_line(request['input'])}"
    return Text.assemble((status, "yellow" if status == "open" else ""), (about, "dim"))


def _about_job(job: Mapping[str, Any], more: str) -> Text:
    status = str(job["status"])
    return Text.assemble((status, _style(status)), (f"  {more}", "dim"))


def _style(word: str) -> str:
    styles = {"succeeded": "green", "failed": "red", "error": "red"}
    return styles.get(word, "yellow" if word in ("cancelled", "interrupted", "warning") else "")


_NOTIFICATIONS: Final[dict[str, Callable[[Mapping[str, Any]], Text | str]]] = {
    "jobs.updated": _about_update,
    "jobs.log_added": _about_log_line,
    "jobs.progress": _about_progress,
    "jobs.schedule_updated": _about_schedule,
    "accounts.updated": _about_account,
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
