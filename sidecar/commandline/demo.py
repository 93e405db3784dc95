"""`sidecar demo`: a host in miniature, with a real sidecar at the other end of the pipes.

Everything is told as it happens; what is not as it should be is collected and decides the exit code.
"""

import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, NoReturn

import anyio

from protocol.entities import JobStatus
from sidecar import __version__
from sidecar.client import RemoteError, SidecarClient, SidecarEnded
from sidecar.commandline.call import INTERRUPTED
from sidecar.commandline.demo_screen import Screen
from sidecar.commandline.family import Family
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


class Conversation:
    """The client, with every message told on the screen."""

    def __init__(self, client: SidecarClient, screen: Screen) -> None:
        self._client = client
        self._timeline = screen.timeline
        self._views: list[JobView] = []
        self.family = Family(client.process.pid)

    async def call(self, method: str, **params: Any) -> Any:
        """Ask and wait for the answer."""
        self._take_waiting()
        self._timeline.asked(method, {name: value for name, value in params.items() if name != "token"})
        begin = time.perf_counter()
        try:
            answer = await self._client.call(method, params)
        except RemoteError as error:
            self._timeline.refused(method, time.perf_counter() - begin, error)
            raise
        self._timeline.answered(method, time.perf_counter() - begin, answer)
        self._take_waiting()
        return answer

    def watch(self, job: dict[str, Any]) -> JobView:
        """Follow a job from here on."""
        self._views.append(JobView(job))
        return self._views[-1]

    async def until(self, condition: Callable[[], object], limit_s: float) -> None:
        """Take what is told until the condition holds.  Raises TimeoutError, SidecarEnded."""
        with anyio.fail_after(limit_s):
            while not condition():
                try:
                    self._take(await self._client.notifications.receive())
                except anyio.EndOfStream:
                    raise SidecarEnded(await self._client.process.wait()) from None
        self._take_waiting()

    async def end(self) -> tuple[int, float]:
        """Close the sidecar's stdin: its exit code, and how many seconds it took to end."""
        self._take_waiting()
        self.family.look()
        self._timeline.asked("(end of stdin)", {})
        begin = time.perf_counter()
        code = await self._client.close()
        took_s = time.perf_counter() - begin
        async for received in self._client.notifications:
            self._take(received)
        return code, took_s

    def _take_waiting(self) -> None:
        while True:
            try:
                self._take(self._client.notifications.receive_nowait())
            except (anyio.WouldBlock, anyio.EndOfStream):
                return

    def _take(self, received: Any) -> None:
        self._timeline.told(received)
        for view in self._views:
            view.take(received)
        if received.method == "jobs.progress":
            self.family.look()  # a program of the job's has just spoken
        else:
            self.family.glance()


class Demo:
    """The story, told once."""

    def __init__(self, screen: Screen, prompt: str, folder: Path) -> None:
        self._screen = screen
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


def run_demo(*, prompt: str | None, database: str | None, keep: bool, plain: bool) -> NoReturn:
    """Show the demo and exit: 0 where all was as it should be, 1 where not."""
    screen = Screen.plain() if plain else Screen.for_terminal()
    env = {name: value for name, value in PATIENCE.items() if name not in os.environ}
    remark = ""
    folder = Path(tempfile.mkdtemp(prefix="sidecar-demo-"))
    try:
        if database is None:
            env |= {"APP_DATA_DIR": str(folder / "data"), "LOG_DIR": str(folder / "data" / "logs")}
            remark = " (kept)" if keep else " (removed at the end)"
        anyio.run(Demo(screen, prompt or PROMPT, folder).tell, database, env, remark)
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
