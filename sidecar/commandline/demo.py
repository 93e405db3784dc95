"""`sidecar demo`: a host in miniature, with a real sidecar at the other end of the pipes.

Everything is told as it happens; what is not as it should be is collected and decides the exit code.
"""

import os
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Final, NoReturn

import anyio
from sidecar_protocol.entities import JobStatus

from sidecar import __version__
from sidecar.commandline.call import INTERRUPTED
from sidecar.commandline.client import RemoteError, SidecarClient
from sidecar.commandline.demo_calendar import CalendarScene
from sidecar.commandline.demo_conversation import Conversation
from sidecar.commandline.demo_screen import Screen
from sidecar.commandline.jobview import JobView
from sidecar.commandline.session import SidecarStopped, greeting, session
from sidecar.commandline.wording import duration

PROMPT: Final = "In two sentences: why is a pipe a good way to talk to a child process?"
AT_LENGTH: Final = "Write an essay of at least 800 words about this: {prompt}"
"""For the run that is cancelled: it must not be over before that."""
CLAUDE_S: Final = 120.0
"""A person is watching; the prompt asks for two sentences."""
JOB_S: Final = 30.0
"""What everything else may take; it takes milliseconds."""
LATER_S: Final = 3_600
PATIENCE: Final = {"CLAUDE_CODE_MAX_RETRIES": "2"}
"""The CLI's own ten retries keep a person without a network waiting for minutes."""


class Demo:
    """The story, told once."""

    def __init__(self, screen: Screen, prompt: str, folder: Path, calendar: CalendarScene) -> None:
        self._screen = screen
        self._calendar = calendar
        self._prompt = prompt
        self._folder = folder

    async def tell(self, database: str | None, env: dict[str, str], remark: str) -> None:
        """All of it, from the spawn to the end of the process."""
        begin = time.perf_counter()
        async with session(database, env=env) as client:
            talk = Conversation(client, self._screen)
            self._screen.timeline.hold()
            await talk.call("initialize", **greeting())
            diagnostics = await talk.call("system.diagnostics")
            self._introduce(client, diagnostics, remark)
            if diagnostics["integrity"] != "ok":
                self._screen.bad(f"The database is damaged: {diagnostics['integrity']}.")
            await self._calendar.play(talk)
            if diagnostics["claude"]["path"] is None or not await self._ask_claude(talk):
                await self._back_up(talk, diagnostics["claude"]["problem"])
            await self._end(talk)
        self._screen.verdict(time.perf_counter() - begin)

    def _introduce(self, client: SidecarClient, diagnostics: Any, remark: str) -> None:
        claude = diagnostics["claude"]
        found = f"{claude['version'] or 'does not run'}, {claude['path']}" if claude["path"] else "not found"
        self._screen.header(
            f"sidecar {__version__}",
            process=f"{client.process.pid}, spoken to over its stdin and stdout; no port is open",
            database=f"{diagnostics['status']['database']['path']}{remark}",
            claude=found,
        )
        self._screen.section("Shake hands, look around")
        self._screen.timeline.release()

    async def _ask_claude(self, talk: Conversation) -> bool:
        """One answered run, one cancelled; False where Claude cannot answer here."""
        self._screen.section("Ask Claude")
        options = {"cwd": str(self._folder), "timeout_s": CLAUDE_S}
        view = talk.watch(await talk.call("claude.spawn", prompt=self._prompt, **options))
        await self._watch(talk, view, CLAUDE_S + JOB_S)
        self._screen.finished(view.job)
        if view.job["status"] != JobStatus.SUCCEEDED:
            self._screen.bad("Claude is installed but could not answer. On with a job that needs no Claude.")
            return False
        self._screen.section("Ask for more, and change your mind at the first word")
        prompt = AT_LENGTH.format(prompt=self._prompt)
        view = talk.watch(await talk.call("claude.spawn", prompt=prompt, **options))
        with self._screen.watching(view):
            await talk.until(lambda: view.text or view.has_ended, CLAUDE_S)
            await self._cancel(talk, view)
        self._screen.cancelled(view.job)
        return True

    async def _back_up(self, talk: Conversation, problem: str | None) -> None:
        """The same with what every installation can do."""
        if problem is not None:
            self._screen.note(f"{problem} Until then, a job that needs no Claude.")
        self._screen.section("Back the database up")
        created = await talk.call("jobs.create", type="maintenance.backup")
        view = talk.watch(created["job"])
        await self._watch(talk, view, JOB_S)
        self._screen.finished(view.job)
        if view.job["status"] != JobStatus.SUCCEEDED:
            self._screen.bad("The backup did not succeed.")
        self._screen.section("Plan another for later, and change your mind")
        run_at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + LATER_S))
        created = await talk.call("jobs.create", run_at=run_at, type="maintenance.backup")
        view = talk.watch(created["job"])
        await self._cancel(talk, view)
        self._screen.cancelled(view.job)

    async def _watch(self, talk: Conversation, view: JobView, limit_s: float) -> None:
        with self._screen.watching(view):
            await talk.until(lambda: view.has_ended, limit_s)

    async def _cancel(self, talk: Conversation, view: JobView) -> None:
        await talk.call("jobs.cancel", job_id=view.job["job_id"])
        await talk.until(lambda: view.has_ended, JOB_S)

    async def _end(self, talk: Conversation) -> None:
        self._screen.section("Close its stdin, as a host that quits does")
        code, took_s = await talk.end()
        others, left = talk.family.members - 1, talk.family.alive()
        whole = {0: "", 1: ", and so was the one that it had started"}.get(
            others, f", and so were the {others} that it had started"
        )
        if left:
            self._screen.bad(f"Still running: {', '.join(left)}.")
        elif code == 0:
            self._screen.good(f"The process was gone {duration(took_s)} later, exit code 0{whole}.")
        if code != 0:
            self._screen.bad(f"The sidecar ended with exit code {code}.")


def run_demo(*, prompt: str | None, calendar: str | None, database: str | None, keep: bool, plain: bool) -> NoReturn:
    """Show the demo and exit: 0 where all was as it should be, 1 where not."""
    screen = Screen.plain() if plain else Screen.for_terminal()
    env = {name: value for name, value in PATIENCE.items() if name not in os.environ}
    remark = ""
    folder = Path(tempfile.mkdtemp(prefix="sidecar-demo-"))
    try:
        if database is None:
            env |= {"APP_DATA_DIR": str(folder / "data"), "LOG_DIR": str(folder / "data" / "logs")}
            remark = " (kept)" if keep else " (removed at the end)"
        scene = CalendarScene(screen, calendar, folder, stays=database is None)
        anyio.run(Demo(screen, prompt or PROMPT, folder, scene).tell, database, env, remark)
    except (SidecarStopped, RemoteError) as error:
        screen.bad(str(error))
    except TimeoutError:
        screen.bad("The sidecar did not do in time what it was asked to.")
    except KeyboardInterrupt:
        screen.note("Interrupted; the sidecar has been stopped.")
        sys.exit(INTERRUPTED)
    finally:
        if not keep:
            shutil.rmtree(folder, ignore_errors=True)
    sys.exit(1 if screen.faults else 0)
