"""How a prompt or a CLI process ends: by itself after its result, or down a ladder from a polite request to SIGKILL.

Interrupt first: only that makes the CLI stop its tools and keep the session in order.  A SIGKILL without the search for
what it started leaves its tools running (measured).
"""

from dataclasses import dataclass

import anyio
from psutil import Process

from sidecar.claude.process.cli_process import ClaudeProcess, interrupt_request
from sidecar.claude.process.orphans import kill_orphans, process_tree

EXIT_GRACE_S = 30.0
"""From the result to the exit.  CLIs were seen alive 36 minutes after their result; background tasks hold them too."""
INTERRUPT_AGAIN_S = 0.5
"""An interrupt right after the prompt finds it still queued, and lets it go on (measured): it is said again."""
SWEEP_S = 0.3
LAST_BYTES_S = 0.5
"""What it wrote last can still be in the pipes when it is gone."""


@dataclass(frozen=True, slots=True)
class StopTimeouts:
    """When to climb down, in seconds since the stop began; `end_s` is when it gives up waiting for the kernel."""

    terminate_s: float
    kill_s: float
    end_s: float


CANCEL = StopTimeouts(terminate_s=5.0, kill_s=10.0, end_s=12.0)
TERMINATE = StopTimeouts(terminate_s=0.0, kill_s=5.0, end_s=7.0)
"""The rest of the ladder, for what an interrupt did not reach."""
# The whole process has two seconds to leave, and an app's quit must not hang: no time to be polite in turn.
SHUTDOWN = StopTimeouts(terminate_s=0.0, kill_s=0.8, end_s=1.2)


async def wait_for_exit(process: ClaudeProcess, grace_s: float = EXIT_GRACE_S) -> None:
    """After the result: say that nothing more comes, and give it time to put its things away."""
    process.close_stdin()
    with anyio.move_on_after(grace_s):
        await process.exited.wait()


async def interrupt(process: ClaudeProcess) -> bool:
    """End the prompt that it works on; whether the process has let go of it and lives on, ready for the next.

    Call it in a shielded scope; it takes no longer than the first step of a cancel.
    """
    with anyio.move_on_after(CANCEL.terminate_s):
        while not process.prompt_done.is_set():
            process.send(interrupt_request())
            with anyio.move_on_after(INTERRUPT_AGAIN_S):
                await process.prompt_done.wait()
    return process.prompt_done.is_set() and not process.exited.is_set()


async def stop(process: ClaudeProcess, owner_id: str, pace: StopTimeouts) -> None:
    """Bring a process to its end from whatever state it is in; afterwards nothing of it is left.

    Call it in a shielded scope, and exactly once for every process that was started.
    """
    begun = anyio.current_time()
    known = set() if process.exited.is_set() else await _climb_down(process, owner_id, pace)
    # Whatever the pace, one good look is taken at what is left.
    left_s = max(begun + pace.end_s - anyio.current_time(), SWEEP_S)
    await kill_orphans({owner_id}, process.database, known=known, timeout_s=left_s)
    with anyio.move_on_after(LAST_BYTES_S):
        await process.closed.wait()
    process.release()


async def _climb_down(process: ClaudeProcess, owner_id: str, pace: StopTimeouts) -> set[Process]:
    """The steps before SIGKILL.  Gives what it consisted of, some of which may live on."""
    begun = anyio.current_time()
    if not process.prompt_done.is_set():
        process.send(interrupt_request())
    if not pace.terminate_s:
        process.terminate()
    known = await process_tree(process.pid, owner_id, process.database)
    with anyio.CancelScope(deadline=begun + pace.terminate_s):
        await process.prompt_done.wait()
        process.close_stdin()
        await process.exited.wait()
    if not process.exited.is_set():
        known |= await process_tree(process.pid, owner_id, process.database)
        process.close_stdin()
        process.terminate()
        with anyio.CancelScope(deadline=begun + pace.kill_s):
            await process.exited.wait()
    return known
