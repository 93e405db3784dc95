"""The features, composed: who is given what of whom.  They meet nowhere else.

Each is made when it is first wanted: by a call of one of its methods, or when work begins.  What is heavy (anyio,
httpx, psutil) is imported by what needs it.
"""

import asyncio
import gc
import logging
import sqlite3
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from functools import cached_property
from itertools import chain
from typing import TYPE_CHECKING, Any, Final

from sidecar_protocol.contract import JobSpec
from sidecar_protocol.system import BackUpDatabase, ClaudeInstallation, PruneHistory, SecretsState, VacuumDatabase

from sidecar.atlassian.sealed import API_TOKEN
from sidecar.calendar.sealed import CODE, CONFIG, CREDENTIALS, VERIFIER
from sidecar.clock import DAY_S, Clock
from sidecar.files import UserFiles
from sidecar.ids import MakeId
from sidecar.job_handler import Registration
from sidecar.jobs.journal import JobJournal
from sidecar.jobs.scheduler import Scheduler
from sidecar.jobs.schedules import SchedulesStore
from sidecar.jobs.service import JobsService
from sidecar.jobs.store import JobsStore
from sidecar.randomness import Randomness
from sidecar.settings import Settings
from sidecar.storage.database import Database
from sidecar.storage.secrets import Vault
from sidecar.wire.outbox import Outbox

if TYPE_CHECKING:
    from sidecar.activity.feature import ActivityFeature
    from sidecar.activity.service import ActivityService
    from sidecar.atlassian.feature import AtlassianFeature
    from sidecar.calendar.feature import CalendarFeature
    from sidecar.claude.feature import ClaudeFeature
    from sidecar.claude.permissions.journal import AfterCommit
    from sidecar.http import Http, Upstream
    from sidecar.job_handler import JobHandler
    from sidecar.jobs.worker import JobsWorker

log = logging.getLogger(__name__)

MAINTENANCE: Final = (
    ("maintenance.backup", BackUpDatabase, DAY_S),
    ("maintenance.prune", PruneHistory, DAY_S),
    ("maintenance.vacuum", VacuumDatabase, 7 * DAY_S),
)
"""What the database needs, unasked."""
SECRETS: Final = (CREDENTIALS, CONFIG, VERIFIER, CODE, API_TOKEN)
"""Every column with sealed values."""


class Features:
    """Every feature's objects."""

    def __init__(
        self,
        settings: Settings,
        database: Database,
        outbox: Outbox,
        clock: Clock,
        new_id: MakeId,
        chance: Randomness,
        *,
        committed: Callable[[], Awaitable[None]],
        after_commit: "AfterCommit",
        is_draining: Callable[[], bool],
    ) -> None:
        self._settings = settings
        self._database = database
        self._outbox = outbox
        self._clock, self._new_id = clock, new_id
        self._chance = chance
        self._committed, self._after_commit = committed, after_commit
        self._is_draining = is_draining
        self._worker: JobsWorker | None = None
        self._client: Http | None = None
        self._unlocked = asyncio.Event()
        self._vault = Vault(database, settings.data_dir, SECRETS)
        self._jobs = JobsStore(database)
        self._journal = JobJournal(database, self._jobs, outbox, clock, new_id, boot_id=new_id())
        self._queue = JobsService(
            self._jobs, self._journal, lambda: self.specs, wake=self._wake, on_cancel=self._cancel
        )
        schedules = SchedulesStore(database)
        self._scheduler = Scheduler(
            database,
            schedules,
            self._jobs,
            self._journal,
            lambda: self.specs,
            clock=clock,
            notify=outbox.notify,
            wake=self._wake,
        )
        self.services: tuple[object, ...] = (self._queue, self._scheduler)
        self.later: Mapping[str, Callable[[], Iterable[object]]] = {
            "activity": lambda: self._activity_feature.services,
            "calendar": lambda: self._calendar.services,
            "claude": lambda: self._claude.services,
            "confluence": lambda: self._atlassian.services,
            "jira": lambda: self._atlassian.services,
        }
        """What makes the other services, by the domain of their methods."""

    @cached_property
    def specs(self) -> dict[str, type[JobSpec]]:
        """Every job type, by name."""
        from sidecar_protocol import catalog  # noqa: PLC0415 - it imports the whole contract

        return {spec.type: spec for spec in catalog.JOB_TYPES}

    @cached_property
    def _activity_feature(self) -> "ActivityFeature":
        from sidecar.activity.feature import ActivityFeature  # noqa: PLC0415 - see the module's docstring

        return ActivityFeature(
            self._database,
            self._clock,
            notify=self._outbox.notify,
            committed=self._committed,
            files=UserFiles(self._settings.data_dir, self._settings.log_dir),
        )

    @property
    def _activity(self) -> "ActivityService":
        return self._activity_feature.feed

    @cached_property
    def _claude(self) -> "ClaudeFeature":
        from sidecar.claude.feature import ClaudeFeature  # noqa: PLC0415 - see the module's docstring

        return ClaudeFeature(
            self._settings,
            self._database,
            self._clock,
            self._new_id,
            notify=self._outbox.notify,
            enqueue=self._queue.enqueue,
            cancel_holders=self._queue.cancel_holders,
            record=self._record_run,
            is_draining=self._is_draining,
            after_commit=self._after_commit,
        )

    @cached_property
    def _calendar(self) -> "CalendarFeature":
        from sidecar.calendar.feature import CalendarFeature  # noqa: PLC0415 - see the module's docstring

        return CalendarFeature(
            self._settings,
            self._database,
            self._clock,
            self._new_id,
            self._chance.bytes_for("sign-ins"),
            notify=self._outbox.notify,
            feed=self._activity,
            vault=self._vault,
            queue=self._queue,
            schedule=self._scheduler,
            http=self.http,
            committed=self._committed,
        )

    @cached_property
    def _atlassian(self) -> "AtlassianFeature":
        from sidecar.atlassian.feature import AtlassianFeature  # noqa: PLC0415 - see the module's docstring

        return AtlassianFeature(
            self._settings,
            self._database,
            self._clock,
            self._new_id,
            notify=self._outbox.notify,
            feed=self._activity,
            vault=self._vault,
            queue=self._queue,
            schedule=self._scheduler,
            http=self.http,
            committed=self._committed,
        )

    def unlock(self, host_key: str | None) -> SecretsState:
        """Take the key of the stored credentials, as the host hands it over; None: it has none."""
        state = self._vault.unlock(host_key)
        self._unlocked.set()
        return state

    def secrets_state(self) -> SecretsState | None:
        """How the stored credentials are kept, and whether they can be read; None before the handshake."""
        return self._vault.state if self._unlocked.is_set() else None

    def jobs_by_status(self) -> dict[str, int]:
        """How many jobs there are."""
        return self._jobs.counts()

    def account_counts(self) -> dict[str, int]:
        """How many accounts there are, by service."""
        return self._calendar.account_counts() | self._atlassian.account_counts()

    def work_trouble(self) -> str | None:
        """Why no jobs are taken at the moment; None: they are."""
        return self._worker.trouble if self._worker is not None else None

    async def run_work(self) -> None:
        """Make the handlers and run jobs until `stop_work`."""
        import anyio  # noqa: PLC0415 - see the module's docstring

        from sidecar.jobs.worker import JobsWorker  # noqa: PLC0415

        registrations = await self._registrations()
        if self._is_draining():  # meanwhile: `stop_work` has found nothing to stop
            return
        gc.freeze()  # what was made for the work stays, as what was made before it
        self._schedule_maintenance()
        self._worker = JobsWorker(
            self._journal,
            {one.spec.type: one for one in registrations},
            scheduler=self._scheduler,
            clock=self._clock,
            new_id=self._new_id,
            chance=self._chance.fractions_for("pauses of jobs"),
            committed=self._committed,
            reap=self._claude.reap,
        )
        await self._claude.recover()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._claude.run)
            tasks.start_soon(self._seal_secrets)
            tasks.start_soon(self._fill_indexes)
            tasks.start_soon(self._calendar.start)
            tasks.start_soon(self._atlassian.start)
            await self._worker.run()
            await self._claude.stop()
            tasks.cancel_scope.cancel()

    async def _registrations(self) -> list[Registration]:
        """Every job type.  Requests that come meanwhile wait for the import of one feature, not of all."""
        found = [Registration(spec, handler) for spec, handler in self._maintenance_handlers()]
        await asyncio.sleep(0)
        found += self._claude.registrations()
        await asyncio.sleep(0)
        found += self._activity_feature.registrations()
        await asyncio.sleep(0)
        found += self._calendar.registrations()
        await asyncio.sleep(0)
        found += self._atlassian.registrations()
        return found

    async def _seal_secrets(self) -> None:
        """What the old backend stored as it was is encrypted as soon as there is a key."""
        await self._unlocked.wait()
        try:
            await self._vault.seal_all(self._committed)
        except (sqlite3.Error, OSError):  # no room, or somebody's database browser
            log.exception("stored credentials could not be encrypted; the next start will do it")

    async def _fill_indexes(self) -> None:
        """An old database's first start takes its texts into the full-text indexes, while it serves."""
        try:
            for _ in chain(self._activity_feature.fill(), self._claude.fill()):
                await self._committed()
        except sqlite3.Error:
            log.exception("the texts could not all be indexed; the next start goes on with it")

    def _schedule_maintenance(self) -> None:
        try:
            for schedule_id, spec, period_s in MAINTENANCE:
                self._scheduler.ensure(schedule_id, spec(), period_s=period_s)
        except sqlite3.Error:  # a full disk, or somebody's database browser: no reason to end
            log.exception("the maintenance could not be scheduled; the next start will do it")

    async def stop_work(self, deadline_s: float) -> tuple[int, bool]:
        """Stop running jobs and idle Claude processes: how many jobs ran, and whether all ended in time."""
        if self._worker is None:
            return 0, True
        idle = asyncio.ensure_future(self._claude.stop())
        until = self._clock.monotonic() + deadline_s
        stopped = await self._worker.stop(deadline_s)
        await asyncio.wait({idle}, timeout=max(0.0, until - self._clock.monotonic()))
        return stopped

    def _maintenance_handlers(self) -> "tuple[tuple[type[Any], JobHandler[Any, Any]], ...]":
        from sidecar.system.maintenance import BackUpHandler, PruneHandler, VacuumHandler  # noqa: PLC0415

        events = self._outbox.log
        prune = PruneHandler(
            self._database,
            self._jobs,
            lambda limit: events.prune(self._clock.now_ms(), limit) or events.prune_bytes(limit),
            self._clock,
            self._committed,
        )
        return (
            (BackUpDatabase, BackUpHandler(self._settings.database, self._clock)),
            (PruneHistory, prune),
            (VacuumDatabase, VacuumHandler(self._database, self._committed, self._tidy)),
        )

    def _tidy(self, pages: int) -> Iterator[None]:
        """Put the full-text indexes in order, so many pages a step."""
        return chain(self._activity_feature.tidy(pages), self._claude.tidy(pages))

    def _record_run(self, **event: Any) -> None:
        """Put a finished run into the feed; if that fails, the run itself has not."""
        try:
            self._activity.record(**event)
        except sqlite3.Error:
            log.exception("a run could not be put into the feed")

    def http(self) -> "Http":
        """The one client of the vendors' clouds, made when it is first wanted."""
        if self._client is None:
            from sidecar.http import Http  # noqa: PLC0415 - it is slow to import, and serving does without

            chance = self._chance.fractions_for("pauses of requests")
            self._client = Http(self._clock, random_fraction=chance, upstream=self._upstream())
        return self._client

    def _upstream(self) -> "Upstream | None":
        """What stands between the client and the clouds, where transcripts want it."""
        if self._settings.upstream is not None:
            from sidecar.transcripts.upstream import UpstreamPlayer  # noqa: PLC0415 - as above

            return UpstreamPlayer(self._settings.upstream)
        if self._settings.upstream_record is not None:
            from sidecar.transcripts.upstream import UpstreamRecorder  # noqa: PLC0415

            return UpstreamRecorder(self._settings.upstream_record)
        return None

    def _wake(self) -> None:
        if self._worker is not None:
            self._worker.wake()

    def _cancel(self, job_id: str) -> None:
        if self._worker is not None:
            self._worker.cancel(job_id)

    async def probe_claude(self) -> ClaudeInstallation:
        """The user's own Claude CLI, as it is found now; `claude.doctor` looks at more."""
        used, finding = await self._claude.glance()
        problem = f"{finding.detail} {finding.advice}" if finding.advice else None
        if used is None:
            return ClaudeInstallation(path=None, version=None, problem=problem)
        return ClaudeInstallation(path=used.path, version=used.version, problem=problem)
