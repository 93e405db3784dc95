"""Output with one line per step of a script: its title, and how it ended."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from pydantic import BaseModel
from rich.console import Console
from rich.text import Text
from sidecar_protocol.entities import JobStatus

from sidecar.commandline.client import Received, RemoteError
from sidecar.commandline.formatting import hanging, one_line, printable, safe
from sidecar.commandline.job_view import facts
from sidecar.commandline.output import Output
from sidecar.commandline.summaries import summary
from sidecar.commandline.views.local_times import LocalTimes

STEP_WIDTH: Final = 30
MAX_ROWS: Final = 2
MAX_TEXT_CHARS: Final = 800
"""Length of the part of an answer that is shown."""
BAD: Final = (JobStatus.FAILED, JobStatus.INTERRUPTED)


class DigestOutput(Output):
    """Prints the headings of a script, each with its last result, and the first of the rows that it shows."""

    def __init__(self, times: LocalTimes) -> None:
        super().__init__(times)
        self.progress = self.out if self.out.is_terminal else Console(quiet=True, force_terminal=False)
        self._step = ""
        self._failed = False
        self._outcome = Text()
        self._rows: tuple[Sequence[Mapping[str, Any]], Sequence[str]] = ((), ())
        self._text = ""
        """A text that is too long for the step's line."""

    def heading(self, text: str) -> None:
        self.flush()
        self._step = printable(text)

    def response(self, method: str, value: Any, took_s: float, model: type[BaseModel] | None = None) -> None:
        del took_s, model
        self._set(summary(method, value))

    def refusal(self, method: str, error: RemoteError, took_s: float) -> None:
        del method, took_s
        self._set(Text(f"{error.kind}: {one_line(error.message)}", "red"), failed=True)

    def notification(self, received: Received) -> None:
        """Prints nothing."""

    def job_ended(self, job: Mapping[str, Any]) -> None:
        known = list(facts(job))
        failed = job["status"] in BAD
        outcome = known[0][1] if known else str(job["status"])
        if not failed and ("\n" in outcome or len(outcome) > self.out.width - STEP_WIDTH - 4):
            outcome, self._text = "", outcome[:MAX_TEXT_CHARS]
        self._set(one_line(outcome), failed=failed)
        if failed:
            self.flush()
            for name, value in known:
                self.out.print(hanging(self.out, Text(f"    {name:<8} ", "dim"), value))

    def rows(self, rows: Sequence[Mapping[str, Any]], fields: Sequence[str]) -> None:
        self._rows = rows[:MAX_ROWS], fields

    def sidecar_ended(self, code: int, took_s: float) -> None:
        del took_s
        self._set(Text(f"exit code {code}"), failed=code != 0)
        self.flush()

    def flush(self) -> None:
        """Prints the step, if there is one that was not printed."""
        step, self._step = self._step, ""
        if not step:
            return
        symbol, style = ("✗", "red") if self._failed else ("✓", "green")
        self.print_line(safe(Text.assemble((f"{symbol} ", style), (f"{step:<{STEP_WIDTH}}  ", "bold"), self._outcome)))
        if self._rows[0]:
            super().rows(*self._rows)
        if self._text:
            self.out.print(hanging(self.out, Text("    "), self._text))
        self._text = ""
        self._failed = False
        self._set("")

    def _set(self, outcome: Text | str, *, failed: bool = False) -> None:
        self._outcome = outcome if isinstance(outcome, Text) else Text(outcome)
        self._failed |= failed
        self._rows = ((), ())
