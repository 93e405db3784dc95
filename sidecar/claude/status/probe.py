"""Starts Claude Code without a prompt, only to ask it about itself.

No hook runs then, and nothing of a folder that is not trusted.  MCP servers are started, since their state is asked.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

import anyio
from sidecar_protocol.claude.runs import ClaudeSettings

from sidecar.claude.process.cli_process import ClaudeProcess, RunOptions
from sidecar.claude.process.environment import JOB_ENV
from sidecar.claude.process.launch import Launcher
from sidecar.claude.process.stopping import SHUTDOWN, TERMINATE, stop, wait_for_exit
from sidecar.claude.status.observing import INITIALIZE, MCP_STATUS, USAGE, request, response_to
from sidecar.job_handler import JobFailed
from sidecar.json_reader import get_objects, get_text
from sidecar.runtime import Runtime

TIMEOUT_S: Final = 20.0
"""Time limit in seconds of all answers; they take about two."""
SERVERS_S: Final = 10.0
"""Time limit in seconds for MCP servers to start."""
LOOK_S: Final = 0.3
"""Pause in seconds between two looks at servers that are starting."""
EXIT_S: Final = 2.0


@dataclass(slots=True)
class Probe:
    """Asks one process at a time; those who ask meanwhile wait."""

    runtime: Runtime
    launcher: Launcher
    _lock: anyio.Lock = field(default_factory=anyio.Lock)

    async def ask(self, cwd: str | None) -> str | None:
        """Lets Claude Code report about itself in a folder; returns why it could not, or None."""
        async with self._lock:
            try:
                return await self._ask(cwd)
            except JobFailed as failure:
                return f"{failure.message} {failure.hint}"

    async def _ask(self, cwd: str | None) -> str | None:
        answers = _Answers()
        owner_id = self.runtime.new_id()
        process = await self._start(owner_id, cwd, answers)
        try:
            with anyio.move_on_after(TIMEOUT_S) as timeout:
                await answers.wait_for(INITIALIZE, process)
                await self._servers(process, answers)
                process.send(request(USAGE))
                await answers.wait_for(USAGE, process)
                await wait_for_exit(process, EXIT_S)
        finally:
            with anyio.CancelScope(shield=True):
                await stop(process, owner_id, SHUTDOWN if self.runtime.is_draining() else TERMINATE)
        if timeout.cancelled_caught or INITIALIZE not in answers.received:
            said = process.stderr_tail.strip()[-300:]
            return f"Claude Code did not say anything about itself. {said}".strip()
        return None

    async def _start(self, owner_id: str, cwd: str | None, answers: "_Answers") -> ClaudeProcess:
        start = partial(self.launcher.start, JOB_ENV, owner_id, cwd=cwd, on_line=lambda _, line: answers.on_line(line))
        try:
            return await start(RunOptions(is_probe=True))
        except JobFailed as failure:
            if failure.kind != "workspace_untrusted":
                raise
        return await start(RunOptions(is_probe=True, settings=ClaudeSettings.USER))

    async def _servers(self, process: ClaudeProcess, answers: "_Answers") -> None:
        """Asks for the MCP servers until none is starting any more."""
        with anyio.move_on_after(SERVERS_S):
            while True:
                answers.received.pop(MCP_STATUS, None)
                process.send(request(MCP_STATUS))
                await answers.wait_for(MCP_STATUS, process)
                servers = get_objects(answers.received.get(MCP_STATUS), "mcpServers")
                if not any(get_text(one, "status") == "pending" for one in servers):
                    return
                await anyio.sleep(LOOK_S)


class _Answers:
    """The responses of a process to requests whose id is their subtype."""

    def __init__(self) -> None:
        self.received: dict[str, Mapping[str, Any]] = {}
        self._arrived = anyio.Event()

    def on_line(self, line: Mapping[str, Any] | None) -> None:
        for name in (INITIALIZE, MCP_STATUS, USAGE):
            if line is not None and (response := response_to(line, name)) is not None:
                self.received[name] = response
                self._arrived.set()

    async def wait_for(self, name: str, process: ClaudeProcess) -> None:
        """Waits for a response, or for the exit of the process."""
        while name not in self.received and not process.exited.is_set():
            self._arrived = anyio.Event()
            async with anyio.create_task_group() as tasks:

                async def exited() -> None:
                    await process.exited.wait()
                    tasks.cancel_scope.cancel()

                tasks.start_soon(exited)
                await self._arrived.wait()
                tasks.cancel_scope.cancel()
