"""Lists the features, creates each when it is needed, and runs their shared work.  They meet nowhere else.

A feature's code is imported by the first call of one of its methods, or by a thread when work begins; it is the only
laziness of its kind, and keeps the start short.
"""

import asyncio
import logging
import sqlite3
import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from functools import cache, partial
from importlib import import_module
from threading import Lock
from typing import TYPE_CHECKING, Any, Final

from sidecar_protocol.contract import JobSpec, Method
from sidecar_protocol.errors import Storage
from sidecar_protocol.system.lifecycle import SecretsState

from sidecar.atlassian.sealed import API_TOKEN
from sidecar.calendar.sealed import CODE, CONFIG, CREDENTIALS, VERIFIER
from sidecar.jobs.feature import JobsFeature
from sidecar.runtime import Feature, Program, Runtime
from sidecar.wire.event_log import EventLog

if TYPE_CHECKING:
    from sidecar.feed import Feed

log = logging.getLogger(__name__)

FEATURES: Final[Mapping[str, tuple[str, ...]]] = {
    "claude": ("claude",),
    "activity": ("activity",),
    "calendar": ("calendar",),
    "atlassian": ("jira", "confluence"),
}
"""Each feature's package, with the domains of the wire that it serves: the first parts of its methods' names.

They are created in this order when work begins.  A new feature is one line here."""
FILL_S: Final = 0.05
"""Seconds for which texts are indexed without a pause while no request waits; a commit for each step takes as long."""
SYSTEM: Final = ("system.service", "system.backups")
WORK: Final = (*SYSTEM, "system.feature", *(f"{name}.feature" for name in FEATURES), "jobs.worker")
"""The modules that work needs."""
_IMPORTING: Final = Lock()
"""Held during the import of a feature: two threads in the same packages could wait for each other."""
SECRETS: Final = (CREDENTIALS, CONFIG, VERIFIER, CODE, API_TOKEN)
"""Every column with encrypted values."""


@cache
def job_types() -> dict[str, type[JobSpec]]:
    from sidecar_protocol import catalog  # noqa: PLC0415 - it imports the whole contract, which the start does without

    return {spec.type: spec for spec in catalog.JOB_TYPES}


def methods() -> tuple[Method, ...]:
    """Returns every method of the contract."""
    from sidecar_protocol import catalog  # noqa: PLC0415 - see above

    return catalog.methods()


def importing(*names: str) -> AbstractContextManager[object]:
    """Returns the context for an import of modules of the sidecar; it waits for another import if they are new."""
    return nullcontext() if all(f"sidecar.{name}" in sys.modules for name in names) else _IMPORTING


def imported(name: str) -> Any:
    """Returns a module of the sidecar, which it imports if it is new."""
    with importing(name):
        return import_module(f"sidecar.{name}")


class Features:
    """Creates each feature once, and runs their work."""

    def __init__(self, runtime: Runtime, jobs: JobsFeature, event_log: EventLog) -> None:
        self._runtime = runtime
        self._jobs = jobs
        self._event_log = event_log
        self._created: dict[str, Feature] = {}
        self._unlocked = asyncio.Event()
        self._has_ended = False
        self.deferred: Mapping[str, Callable[[], Iterable[object]]] = {
            domain: partial(self._services, name) for name, domains in FEATURES.items() for domain in domains
        }
        """Functions that create the services of features that do not exist yet, by domain."""

    def get(self, name: str) -> Feature:
        if name not in self._created:
            self._created[name] = imported(f"{name}.feature").make(self._runtime)
        return self._created[name]

    def _services(self, name: str) -> Iterable[object]:
        return self.get(name).services

    async def admit(self, job: JobSpec) -> None:
        """Raises `InvalidParams`, with paths in the payload, if the job could not run as things are now."""
        domain = job.type.partition(".")[0]
        for name in (name for name, domains in FEATURES.items() if domain in domains):
            for registration in self.get(name).registrations:
                if registration.spec is type(job) and registration.admit is not None:
                    await registration.admit(job)

    def feed(self) -> "Feed":
        feed = self.get("activity").feed
        assert feed is not None
        return feed

    def maintenance(self) -> Feature:
        from sidecar.system.feature import make  # noqa: PLC0415 - it brings anyio, which the start does without

        def prune_events(limit: int) -> int:
            return self._event_log.prune(self._runtime.clock.now_ms(), limit) or self._event_log.prune_bytes(limit)

        return make(self._runtime, self._jobs.store, prune_events, self.merge_indexes)

    def unlock(self, key: str | None) -> SecretsState:
        """Takes the host's key of the stored credentials (base64), or None if the host has none."""
        state = self._runtime.vault.unlock(key)
        self._unlocked.set()
        return state

    def secrets_problem(self) -> str | None:
        """Returns why stored credentials cannot be used; None if they can, and before the handshake."""
        return self._runtime.vault.problem() if self._unlocked.is_set() else None

    def jobs_by_status(self) -> dict[str, int]:
        return self._jobs.store.counts()

    def account_counts(self) -> dict[str, int]:
        return {service: count for name in FEATURES for service, count in self.get(name).account_counts().items()}

    def work_problem(self) -> str | None:
        """Returns why no jobs are run at the moment, or what became of an outcome; None if all is in order."""
        stopped = "the worker has ended" if self._has_ended else self._jobs.start_error
        return f"no jobs are run: {stopped}" if stopped else self._jobs.store_error

    async def claude_program(self) -> Program:
        look = self.get("claude").program
        assert look is not None
        return await look()

    async def run_work(self, on_loaded: Callable[[], None], has_requests: Callable[[], bool] = lambda: True) -> None:
        """Creates all features and runs jobs until `stop_work`.

        Calls `on_loaded` once everything is imported.  `has_requests` returns whether a request waits to be read.
        """
        try:
            await self._run_work(on_loaded, has_requests)
        finally:
            self._has_ended = True

    async def _run_work(self, on_loaded: Callable[[], None], has_requests: Callable[[], bool]) -> None:
        for name in WORK:
            if f"sidecar.{name}" not in sys.modules:  # a thread, so that requests are served meanwhile
                await asyncio.get_running_loop().run_in_executor(None, imported, name)
        features = [self.maintenance(), *map(self.get, FEATURES)]
        if self._runtime.is_draining():  # `stop_work` was called meanwhile, and found nothing to stop
            return
        worker = self._jobs.make_worker(
            self._runtime, [one for feature in features for one in feature.registrations], self._kill_orphans
        )
        on_loaded()
        for feature in features:
            await feature.prepare()
        async with asyncio.TaskGroup() as group:
            background = [
                self.seal_secrets,
                lambda: self._fill_indexes(has_requests),
                *(feature.run for feature in features),
            ]
            tasks = [group.create_task(run()) for run in background]
            await worker.run()
            await self._stop_features()
            for task in tasks:
                task.cancel()

    async def stop_work(self, deadline_s: float) -> tuple[int, bool]:
        worker = self._jobs.worker
        if worker is None:
            return 0, True
        stopping = asyncio.ensure_future(self._stop_features())
        until = self._runtime.clock.monotonic() + deadline_s
        stopped = await worker.stop(deadline_s)
        await asyncio.wait({stopping}, timeout=max(0.0, until - self._runtime.clock.monotonic()))
        return stopped

    async def _stop_features(self) -> None:
        await asyncio.gather(*(feature.stop() for feature in self._created.values()))

    async def _kill_orphans(self, job_ids: Collection[str]) -> int:
        return sum([await feature.kill_orphans(job_ids) for feature in self._created.values()])

    async def seal_secrets(self) -> None:
        """Encrypts the credentials that the old backend stored in plain text, once the host has handed over its key."""
        await self._unlocked.wait()
        try:
            await self._runtime.vault.seal_all(self._runtime.committed)
        except (sqlite3.Error, Storage, OSError):  # a full disk, or a lock held by another program
            log.exception("stored credentials could not be encrypted; the next start tries again")

    def indexed(self) -> float | None:
        """Returns about which share of the texts can be searched by an index; None if one cannot be used."""
        shares = [index.indexed() for name in FEATURES for index in self.get(name).indexes]
        known = [share for share in shares if share is not None]
        return min(known) if len(known) == len(shares) else None

    async def _fill_indexes(self, has_requests: Callable[[], bool]) -> None:
        """Adds the texts of an old database to the full-text indexes, in longer steps while no request waits."""
        monotonic = self._runtime.clock.monotonic
        begun = monotonic()

        def may_continue() -> bool:
            return monotonic() < begun + FILL_S and not has_requests()

        try:
            for name in FEATURES:
                for index in self.get(name).indexes:
                    for _ in index.fill(may_continue):
                        await self._runtime.committed()
                        begun = monotonic()
        except sqlite3.Error:
            log.exception("not all texts could be indexed; the next start continues")

    def merge_indexes(self, pages: int) -> Iterator[None]:
        for name in FEATURES:
            for index in self.get(name).indexes:
                yield from index.merge(pages)
