"""Runs a program for its output, for a limited time."""

import contextlib
import os
import signal
import sys
from collections.abc import Mapping
from subprocess import DEVNULL, PIPE
from typing import Final, cast

import anyio
from anyio.abc import ByteReceiveStream

OUTPUT_LIMIT: Final = 16_384
"""Maximum output of a command, in bytes."""
TERMINATE_GRACE_S: Final = 0.5


async def command_output(command: list[str], environment: Mapping[str, str], timeout_s: float) -> str:
    """Returns what a command prints, at most `OUTPUT_LIMIT` bytes, or an empty string if it cannot be started."""
    try:
        # In a session of its own: the programs that a profile starts must not get our terminal or our signals.  In the
        # root folder: some profiles load what the working directory brings along (direnv, mise, nvm).
        process = await anyio.open_process(
            command, stdin=DEVNULL, stdout=PIPE, stderr=DEVNULL, env=environment, start_new_session=True, cwd=os.sep
        )
    except OSError:
        return ""
    printed = bytearray()
    try:
        with anyio.move_on_after(timeout_s):
            async for chunk in cast("ByteReceiveStream", process.stdout):
                printed += chunk
                if len(printed) > OUTPUT_LIMIT:
                    break
            await process.wait()
    finally:
        if process.returncode is None:
            with anyio.CancelScope(shield=True):
                await _end_session(process.pid)
        await process.aclose()
    return printed[:OUTPUT_LIMIT].decode(errors="replace").strip()


async def _end_session(leader: int) -> None:
    """Terminates all processes of a session, then kills those that remain."""
    with contextlib.suppress(ProcessLookupError):
        if sys.platform == "win32":
            os.kill(leader, signal.SIGTERM)
        else:
            os.killpg(leader, signal.SIGTERM)
            with anyio.move_on_after(TERMINATE_GRACE_S):
                while True:
                    os.killpg(leader, 0)  # raises once the group is empty
                    await anyio.sleep(0.01)
            os.killpg(leader, signal.SIGKILL)
