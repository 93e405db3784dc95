"""Output with one line per message and its time: → a request, ← its response, ⟵ a notification."""

import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from pydantic import BaseModel
from rich.console import Console
from rich.text import Text
from sidecar_protocol.entities import JobStatus

from sidecar.commandline.client import Received, RemoteError
from sidecar.commandline.formatting import duration, hanging, members, one_line, safe
from sidecar.commandline.job_view import facts, outcome
from sidecar.commandline.output import Output
from sidecar.commandline.summaries import summary
from sidecar.commandline.views.local_times import LocalTimes

NAME_WIDTH: Final = 18
MAX_NAME_WIDTH: Final = 30
ASIDE_WIDTH: Final = 7
STREAMS: Final = ("claude.delta", "jobs.progress")
"""Frequent notifications; consecutive ones share a line."""
SECRETS: Final = ("token", "credentials")
"""Params that are not printed; a calendar's secret address is one of its credentials."""


class TimelineOutput(Output):
    """Prints messages as they are sent and received.

    `name_width` is the length of the longest method name, if it is known in advance.
    """

    def __init__(
        self,
        clock: Callable[[], float] = time.perf_counter,
        name_width: int = NAME_WIDTH,
        times: LocalTimes | None = None,
    ) -> None:
        super().__init__(times)
        if self.out.is_terminal and not self.out.is_dumb_terminal:
            self.progress = self.out
        else:
            self.progress = Console(quiet=True, force_terminal=False)
        self._clock = clock
        self._name_width = min(max(name_width, NAME_WIDTH), MAX_NAME_WIDTH)
        self._begin = clock()
        self._stream: list[Received] = []

    def request(self, method: str, params: Mapping[str, Any]) -> None:
        shown = {name: "…" if name in SECRETS else value for name, value in params.items()}
        self._print("→", "cyan", method, "", members(shown))

    def response(self, method: str, value: Any, took_s: float, model: type[BaseModel] | None = None) -> None:
        del model
        self._print("←", "green", method, duration(took_s), summary(method, value))

    def refusal(self, method: str, error: RemoteError, took_s: float) -> None:
        self._print("←", "red", method, duration(took_s), Text(f"{error.kind}: {one_line(error.message)}", "red"))

    def notification(self, received: Received) -> None:
        if self._stream and self._stream[0].method != received.method:
            self.flush()
        if received.method in STREAMS:
            self._stream.append(received)
            return
        seq = received.params.get("seq")
        text = summary(received.method, received.params)
        self._print("⟵", "magenta", received.method, "" if seq is None else f"#{seq}", text)

    def job_ended(self, job: Mapping[str, Any]) -> None:
        self.flush()
        symbol, style = ("✗", "red") if job["status"] in (JobStatus.FAILED, JobStatus.INTERRUPTED) else ("✓", "green")
        self.out.print(safe(Text.assemble((f"  {symbol} ", style), outcome(job))))
        for name, value in facts(job):
            self.out.print(hanging(self.out, Text(f"    {name:<8} ", "dim"), value))

    def sidecar_ended(self, code: int, took_s: float) -> None:
        self._print("←", "green" if code == 0 else "red", f"(exit code {code})", duration(took_s), "")

    def flush(self) -> None:
        """Prints the line of the stream notifications since the last other message."""
        if not self._stream:
            return
        stream, self._stream = self._stream, []
        detail: Text | str = summary(stream[-1].method, stream[-1].params)
        if stream[0].method == "claude.delta":
            text = "".join(str(received.params.get("text", "")) for received in stream)
            detail = f"{len(text)} characters: {one_line(text)}"
        self._print("⟵", "magenta", stream[0].method, f"×{len(stream)}" if len(stream) > 1 else "", detail)

    def _print(self, arrow: str, style: str, name: str, aside: str, detail: Text | str) -> None:
        if arrow != "⟵":
            self.flush()
        aside_width = ASIDE_WIDTH - max(len(name) - self._name_width, 0)  # a long name takes some of its width
        line = Text.assemble(
            (f"{self._clock() - self._begin:7.3f}  ", "dim"),
            (arrow, style),
            f" {name:<{self._name_width}} ",
            (f"{aside.rjust(aside_width)}  ", "dim"),
            detail,
        )
        self.print_line(line)
