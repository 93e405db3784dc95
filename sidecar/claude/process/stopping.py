"""Ends a prompt or a CLI process: by itself after its result, or in steps from an interrupt to SIGKILL."""

import asyncio
from dataclasses import dataclass
from typing import Final

import anyio
from anyio.to_thread import run_sync
from psutil import Process

from sidecar.claude.process.cli_process import ClaudeProcess
from sidecar.claude.process.orphans import kill_orphans, process_tree

EXIT_GRACE_S: Final = 30.0
INTERRUPT_AGAIN_S: Final = 0.5
KILL_S: Final = 0.3
"""Minimum time for killing the remaining processes, in seconds."""
LAST_OUTPUT_S: Final = 0.5
"""Seconds to read the pipes after the exit."""


@dataclass(frozen=True, slots=True)
class StopTimeouts:
    """The times of SIGTERM, of SIGKILL, and of giving up, in seconds since the stop began."""

    terminate_s: float
    kill_s: float
    end_s: float


CANCEL: Final = StopTimeouts(terminate_s=5.0, kill_s=10.0, end_s=12.0)
TERMINATE: Final = StopTimeouts(terminate_s=0.0, kill_s=5.0, end_s=7.0)
"""Timeouts for a process that has already been interrupted."""
# The sidecar has two seconds to shut down.
SHUTDOWN: Final = StopTimeouts(terminate_s=0.0, kill_s=0.8, end_s=1.2)


async def wait_for_exit(process: ClaudeProcess, grace_s: float = EXIT_GRACE_S) -> None:
    """Closes stdin after the result, and gives the process `grace_s` seconds to exit."""
    process.close_stdin()
    with anyio.move_on_after(grace_s):
        await process.exited.wait()


async def interrupt(process: ClaudeProcess) -> bool:
    """Interrupts the prompt and its tasks; call it shielded.  Returns whether the process is ready for another one."""
    with anyio.move_on_after(CANCEL.terminate_s):
        while not process.prompt_done.is_set():
            _send_interrupt(process)
            with anyio.move_on_after(INTERRUPT_AGAIN_S):
                await process.prompt_done.wait()
    return process.prompt_done.is_set() and not process.exited.is_set()


def _send_interrupt(process: ClaudeProcess) -> None:
    for line in process.work.interrupt_lines():
        process.send(line)


async def stop(process: ClaudeProcess, owner_id: str, timeouts: StopTimeouts) -> None:
    """Ends a process in any state, with all that it started.  Call it shielded, exactly once for every process."""
    began = anyio.current_time()
    # All that it started is looked for in threads; on a busy machine they can take longer than a shutdown.
    killing = asyncio.get_running_loop().call_later(timeouts.kill_s, process.kill)
    known = set() if process.exited.is_set() else await _interrupt_and_terminate(process, owner_id, timeouts)
    left_s = max(began + timeouts.end_s - anyio.current_time(), KILL_S)
    await kill_orphans({owner_id}, process.database, known=known, timeout_s=left_s)
    with anyio.move_on_after(LAST_OUTPUT_S):
        await process.closed.wait()
    killing.cancel()
    process.release()


async def _interrupt_and_terminate(process: ClaudeProcess, owner_id: str, timeouts: StopTimeouts) -> set[Process]:
    """Takes the steps before SIGKILL.  Returns the processes that the CLI consisted of; some may still run."""
    began = anyio.current_time()
    if not process.prompt_done.is_set():
        _send_interrupt(process)
    if not timeouts.terminate_s:
        process.terminate()
    known = await run_sync(process_tree, process.pid, owner_id, process.database)
    with anyio.CancelScope(deadline=began + timeouts.terminate_s):
        await process.prompt_done.wait()
        process.close_stdin()
        await process.exited.wait()
    if not process.exited.is_set():
        known |= await run_sync(process_tree, process.pid, owner_id, process.database)
        process.close_stdin()
        process.terminate()
        with anyio.CancelScope(deadline=began + timeouts.kill_s):
            await process.exited.wait()
    return known
