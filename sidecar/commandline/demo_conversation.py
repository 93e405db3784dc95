"""The demo's talk with its sidecar: every message that goes either way is told on the screen."""

import time
from collections.abc import Callable
from typing import Any, Final

import anyio

from sidecar.commandline.client import RemoteError, SidecarClient, SidecarEnded
from sidecar.commandline.demo_screen import Screen
from sidecar.commandline.jobview import JobView
from sidecar.commandline.process_tree import Family

SECRET: Final = ("token", "credentials")
"""Params whose values are nobody's to see: a calendar's address opens it."""


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
        self._timeline.asked(method, {name: "…" if name in SECRET else value for name, value in params.items()})
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
