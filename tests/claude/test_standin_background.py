"""The scripted CLI reports background tasks in the same lines and order as the real one."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import anyio
import pytest

from sidecar.claude.process.cli_process import RunOptions, start
from sidecar.claude.process.environment import JOB_ENV, cli_environment
from sidecar.claude.process.stopping import TERMINATE, interrupt, stop
from sidecar.claude.process.work import STATE_EVENTS_ENV, stop_line
from tests.claude.harness import RecordingContext
from tests.claude.test_real_background import agent, command
from tests.fakes.anthropic import FakeAnthropic

SHOWN: Final[Mapping[str, Callable[[Mapping[str, Any]], object]]] = {
    "session_state_changed": lambda line: line["state"],
    "background_tasks_changed": lambda line: f"{len(line['tasks'])} tasks",
    "task_started": lambda line: f"started {line['task_type']}",
    "task_updated": lambda line: line["patch"]["status"],
    "task_notification": lambda line: f"notified: {line['status']}",
    "init": lambda _: "turn",
}


def shown(line: Mapping[str, Any]) -> str | None:
    """Returns a line of interest in short."""
    if line.get("type") == "system" and (form := SHOWN.get(line["subtype"])) is not None:
        return str(form(line))
    return "result" if line.get("type") == "result" else None


async def lines_of(
    executable: Path, prompt: str, cwd: Path, act: str | Callable[[], object], environment: Mapping[str, str]
) -> list[str]:
    """Runs a prompt to the end of its work; acts while only tasks run.  Returns what the lines report."""
    job_id, seen, waits = RecordingContext().job_id, list[str](), anyio.Event()

    def on_line(_: bytes, line: Mapping[str, Any] | None) -> None:
        assert line is not None
        if (text := shown(line)) is not None and seen[-1:] != [text]:  # the real one repeats that it is idle
            seen.append(text)
        if process.work.tasks and not process.work.turn_runs:
            waits.set()

    own = {JOB_ENV: job_id, STATE_EVENTS_ENV: "1"}
    options = RunOptions(allowed_tools=["Bash"])
    process = await start(
        executable, options, cwd=cwd, environment=cli_environment(environment, executable) | own, on_line=on_line
    )
    try:
        process.send_prompt(prompt)
        await waits.wait()
        if act == "stop":
            process.send(stop_line(process.work.tasks[0].task_id))
        elif act == "interrupt":
            await interrupt(process)
        elif callable(act):
            act()
        await process.prompt_done.wait()
    finally:
        with anyio.CancelScope(shield=True):
            await stop(process, job_id, TERMINATE)
    return seen


@pytest.mark.parametrize(("prompts", "act"), [
    ((agent("[[gate:1]] inner"), "[[agent:20]] [[text:started]]"), "release"),
    ((command("until test -e go; do sleep 0.1; done"), "[[command:20]] [[text:started]]"), "release"),
    ((agent("[[hang]]"), "[[agent:99999]] [[text:started]]"), "stop"),
    ((command("tail -f /dev/null"), "[[command:99999]] [[text:started]]"), "stop"),
    ((agent("[[hang]]"), "[[agent:99999]] [[text:started]]"), "interrupt"),
], ids=["agent", "command", "agent stopped", "command stopped", "agent interrupted"])  # fmt: skip
async def test_the_scripted_cli_reports_tasks_as_the_real_one(
    prompts: tuple[str, str], act: str, real_claude: Path, standin: Path, api: FakeAnthropic, tmp_path: Path
) -> None:
    real, scripted = prompts

    def release() -> None:
        api.release()
        (tmp_path / "go").touch()

    with anyio.fail_after(120):
        in_time = release if act == "release" else act
        expected = await lines_of(real_claude, real, tmp_path, in_time, api.environment(tmp_path))
        assert await lines_of(standin, scripted, tmp_path, act, dict(os.environ)) == expected
