"""Lists the features, creates each when it is needed, and runs their shared work.  They meet nowhere else.

A feature's code is imported by a thread: when work begins, if there is some for it, else with the first call of one of
its methods or its first job.  That keeps the start short, and the memory of a process small that does little.
"""

import asyncio
import logging
import sqlite3
import sys
from collections import defaultdict
from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext, suppress
from functools import partial
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
from sidecar.wire.dispatch import domain_of
from sidecar.wire.event_log import EventLog

if TYPE_CHECKING:
    from sidecar.feed import Feed
    from sidecar.jobs.worker import JobsWorker
    from sidecar.storage.fulltext import FullTextIndex

log = logging.getLogger(__name__)

FEATURES: Final[Mapping[str, tuple[str, ...]]] = {
    "claude": ("claude",),
    "activity": ("activity",),
    "calendar": ("calendar",),
    "atlassian": ("jira", "confluence"),
}
"""Each feature's package, with the domains of the wire that it serves: the first parts of its methods' names.

They are created in this order when work begins.  A new feature is one line here, and one in `TABLES`."""
TABLES: Final[Mapping[str, tuple[str, ...]]] = {
    "claude": ("claude_sessions", "claude_processes", "claude_attachments"),
    "activity": ("activity_events",),
    "calendar": ("calendar_accounts",),
    "atlassian": ("atlassian_accounts",),
}
"""The tables of each feature for whose rows there is something to do without a call: to resume, to index, to tidy."""
FILL_S: Final = 0.05
"""Seconds for which texts are indexed without a pause while no request waits; a commit for each step takes as long."""
SYSTEM: Final = ("sidecar.system.service", "sidecar.system.backups")
WORK: Final = ("sidecar.system.feature", "sidecar.jobs.worker")
"""The modules that work needs, whatever is to be done."""
CATALOG: Final = "sidecar_protocol.catalog"
"""The module that imports the whole contract."""
_IMPORTING: Final = Lock()
"""Held during the import of a feature: two threads in the same packages could wait for each other."""
SECRETS: Final = (CREDENTIALS, CONFIG, VERIFIER, CODE, API_TOKEN)
"""Every column with encrypted values."""


class JobTypes(Mapping[str, type[JobSpec]]):
    """The contract's job types by name.  Those of modules that are imported already are found without the others."""

    def __init__(self) -> None:
        self._found: dict[str, type[JobSpec]] = {}

    def __getitem__(self, name: str) -> type[JobSpec]:
        if name in self._found:
            return self._found[name]
        unseen = JobSpec.__subclasses__()
        while unseen:
            spec = unseen.pop()
            own = vars(spec)  # not a name that a method's params inherit, nor a class that a thread still imports
            if own.get("type") == name and "__pydantic_serializer__" in own:
                self._found[name] = spec
                return spec
            unseen += spec.__subclasses__()
        return self._all()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._all())

    def __len__(self) -> int:
        return len(self._all())

    @staticmethod
    def _all() -> dict[str, type[JobSpec]]:
        return {spec.type: spec for spec in imported(CATALOG).JOB_TYPES}


JOB_TYPES: Final = JobTypes()


def methods() -> tuple[Method, ...]:
    """Returns every method of the contract."""
    declared: tuple[Method, ...] = imported(CATALOG).methods()
    return declared


def importing(*names: str) -> AbstractContextManager[object]:
    """Returns the context for an import of modules; it waits for another import if they are new."""
    return nullcontext() if all(name in sys.modules for name in names) else _IMPORTING


def imported(name: str) -> Any:
    """Returns a module, which it imports if it is new."""
    with importing(name):
        return import_module(name)


async def import_in_thread(*names: str) -> None:
    """Imports modules that are new, while the loop serves requests."""
    # One that is being imported is in `sys.modules` already.
    if not all(name in sys.modules for name in names) or _IMPORTING.locked():
        await asyncio.get_running_loop().run_in_executor(None, _import, names)


def _import(names: Iterable[str]) -> None:
    with _IMPORTING:
        for name in names:
            import_module(name)


def _feature_of(name: str) -> str | None:
    """Returns the feature of a method or a type of job; None if it is the process's own."""
    return next((feature for feature, domains in FEATURES.items() if domain_of(name) in domains), None)


def modules_of(domain: str) -> tuple[str, ...]:
    """Returns the modules that serve the methods of a domain, with the feed, into which most features write."""
    if domain in ("system", "rpc"):
        return SYSTEM
    name = _feature_of(domain)
    return () if name is None else (f"sidecar.{name}.feature", "sidecar.activity.feature")


class Features:
    """Creates each feature once, and runs their work."""

    def __init__(self, runtime: Runtime, jobs: JobsFeature, event_log: EventLog) -> None:
        self._runtime = runtime
        self._jobs = jobs
        self._event_log = event_log
        self._created: dict[str, Feature] = {}
        self._on_created: Callable[[str], None] | None = None
        """Begins the work of a feature that is created while work is done."""
        self._begun: dict[str, asyncio.Event] = {}
        """Set once the jobs can be run of a feature that was created while work is done."""
        self._loading: dict[str, asyncio.Event] = {}
        """Set once the modules of a domain are imported."""
        self._admitting: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._unlocked = asyncio.Event()
        self._has_ended = False
        self.deferred: Mapping[str, Callable[[], Iterable[object]]] = {
            domain: partial(self._services, name) for name, domains in FEATURES.items() for domain in domains
        }
        """Functions that create the services of features that do not exist yet, by domain."""

    def get(self, name: str) -> Feature:
        if name not in self._created:
            self._created[name] = imported(f"sidecar.{name}.feature").make(self._runtime)
            if self._on_created is not None:
                self._on_created(name)
        return self._created[name]

    async def load(self, name: str) -> Feature:
        """Returns a feature, which a thread imports if it is new."""
        await import_in_thread(*modules_of(FEATURES[name][0]))
        return self.get(name)

    def loading(self, domain: str) -> Callable[[], Awaitable[object]] | None:
        """Returns a function that waits until a thread has imported the modules of a domain; None if they are there.

        Those that wait go on in the order of their calls, and before anything for which this returns None.
        """
        if domain not in self._loading:
            names = modules_of(domain)
            if not names or (all(name in sys.modules for name in names) and not _IMPORTING.locked()):
                return None
            event = self._loading[domain] = asyncio.Event()
            asyncio.get_running_loop().create_task(self._import(domain, event, names))
        return partial(self._wait_until_loaded, domain, self._loading[domain])

    async def _wait_until_loaded(self, domain: str, event: asyncio.Event) -> None:
        if event.is_set() and self._loading.get(domain) is event:
            await asyncio.sleep(0)  # those that have waited for the event go on only in the loop's next iteration
        await event.wait()

    async def _import(self, domain: str, event: asyncio.Event, names: Iterable[str]) -> None:
        try:
            await import_in_thread(*names)
        except Exception:
            log.exception("the modules of %s could not be imported; its next call tries again", domain)
        self._loaded(domain, event)

    def _loaded(self, domain: str, event: asyncio.Event) -> None:
        event.set()
        asyncio.get_running_loop().call_soon(self._loading.pop, domain, None)  # after what the event has woken

    def finish_loading(self) -> None:
        """Ends the imports that requests wait for: the process ends, and nothing else is to be served meanwhile."""
        for domain, event in list(self._loading.items()):
            with suppress(Exception):  # the request is answered with the same error
                for name in modules_of(domain):
                    imported(name)
            self._loaded(domain, event)

    def _services(self, name: str) -> Iterable[object]:
        return self.get(name).services

    def _has_rows(self, name: str) -> bool:
        """Whether a feature has something to do without a call; also if a table cannot be read, which it reports."""
        try:
            return any(self._runtime.database.rows(f"SELECT 1 FROM {table} LIMIT 1") for table in TABLES[name])
        except sqlite3.Error:
            return True

    def _present(self) -> list[Feature]:
        """Returns the features that are in use."""
        return [self.get(name) for name in FEATURES if name in self._created or self._has_rows(name)]

    async def admit(self, job: JobSpec) -> None:
        """Raises `InvalidParams`, with paths in the payload, if the job could not run as things are now.

        Those of one feature are checked in the order of the calls.
        """
        if (name := _feature_of(job.type)) is not None:
            async with self._admitting[name]:
                for registration in (await self.load(name)).registrations:
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
        return {service: count for feature in self._present() for service, count in feature.account_counts().items()}

    def work_problem(self) -> str | None:
        """Returns why no jobs are run at the moment, or what became of an outcome; None if all is in order."""
        stopped = "the worker has ended" if self._has_ended else self._jobs.start_error
        return f"no jobs are run: {stopped}" if stopped else self._jobs.store_error

    async def claude_program(self) -> Program:
        look = (await self.load("claude")).program
        assert look is not None
        return await look()

    async def run_work(self, on_loaded: Callable[[], None], has_requests: Callable[[], bool] = lambda: True) -> None:
        """Creates the features that have something to do, and runs jobs until `stop_work`.

        Calls `on_loaded` once everything is imported.  `has_requests` returns whether a request waits to be read.
        """
        try:
            await self._run_work(on_loaded, has_requests)
        finally:
            self._on_created = None
            self._has_ended = True

    async def _run_work(self, on_loaded: Callable[[], None], has_requests: Callable[[], bool]) -> None:
        await import_in_thread(*WORK)
        for name in FEATURES:
            if self._has_rows(name) or self._has_orphans(name):
                await self.load(name)
        features = [self.maintenance(), *(self._created[name] for name in FEATURES if name in self._created)]
        if self._runtime.is_draining():  # `stop_work` was called meanwhile, and found nothing to stop
            return
        created = [one for feature in features for one in feature.registrations]
        worker = self._jobs.make_worker(self._runtime, created, self._kill_orphans)
        worker.load = self._load_for_job
        late: list[str] = []
        self._on_created = late.append
        on_loaded()
        for feature in features:
            await feature.prepare()
        async with asyncio.TaskGroup() as group:
            indexes = [index for feature in features for index in feature.indexes]
            background = [self.seal_secrets(), self._fill_indexes(indexes, has_requests)]
            tasks = [group.create_task(one) for one in (*background, *(feature.run() for feature in features))]

            def begin(name: str) -> None:
                self._begun[name] = asyncio.Event()
                tasks.append(group.create_task(self._begin(name, worker, has_requests)))

            self._on_created = begin
            for name in late:
                begin(name)
            await worker.run()
            await self._stop_features()
            self._on_created = None
            for task in tasks:
                task.cancel()

    async def _begin(self, name: str, worker: "JobsWorker", has_requests: Callable[[], bool]) -> None:
        feature = self._created[name]
        await feature.prepare()
        worker.register(feature.registrations)
        self._begun[name].set()
        await self._fill_indexes(feature.indexes, has_requests)
        await feature.run()

    def _has_orphans(self, name: str) -> bool:
        """Whether an earlier process has left a job of this feature running."""
        try:
            return any(one.type.partition(".")[0] in FEATURES[name] for one in self._jobs.journal.orphans())
        except sqlite3.Error:
            return True

    async def _load_for_job(self, job_type: str) -> None:
        """Imports the feature that runs a type of job, and waits until its work has begun.

        That is the feature of its domain; any can be, if there is none.
        """
        own = _feature_of(job_type)
        for name in FEATURES if own is None else (own,):
            await self.load(name)
            if name in self._begun:
                await self._begun[name].wait()

    async def stop_work(self, deadline_s: float) -> tuple[int, bool]:
        worker = self._jobs.worker
        self.finish_loading()
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
        return sum([await one.kill_orphans(job_ids) for one in [*self._created.values()]])  # requests can create more

    async def seal_secrets(self) -> None:
        """Encrypts the credentials that the old backend stored in plain text, once the host has handed over its key."""
        await self._unlocked.wait()
        try:
            await self._runtime.vault.seal_all(self._runtime.committed)
        except (sqlite3.Error, Storage, OSError):  # a full disk, or a lock held by another program
            log.exception("stored credentials could not be encrypted; the next start tries again")

    def indexed(self) -> float | None:
        """Returns about which share of the texts can be searched by an index; None if one cannot be used."""
        shares = [index.indexed() for feature in self._present() for index in feature.indexes]
        known = [share for share in shares if share is not None]
        return min(known, default=1.0) if len(known) == len(shares) else None

    async def _fill_indexes(self, indexes: Iterable["FullTextIndex"], has_requests: Callable[[], bool]) -> None:
        """Adds the texts of an old database to the full-text indexes, in longer steps while no request waits."""
        monotonic = self._runtime.clock.monotonic
        begun = monotonic()

        def may_continue() -> bool:
            return monotonic() < begun + FILL_S and not has_requests()

        try:
            for index in indexes:
                for _ in index.fill(may_continue):
                    await self._runtime.committed()
                    if self._runtime.is_draining():  # the database may be closed; the next start continues
                        return
                    begun = monotonic()
        except sqlite3.Error:
            log.exception("not all texts could be indexed; the next start continues")

    def merge_indexes(self, pages: int) -> Iterator[None]:
        for feature in self._present():
            for index in feature.indexes:
                yield from index.merge(pages)
