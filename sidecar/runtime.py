"""Interface between the process and its features.

A feature is a package with a module `feature` whose `make(runtime)` returns a `Feature`; `features.py` lists them.
"""

import sqlite3
from collections.abc import Awaitable, Callable, Collection, Coroutine, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from sidecar_protocol.contract import Encoded, JobSpec, Notification
from sidecar_protocol.entities import Job, JobStatus

from sidecar.clock import Clock
from sidecar.ids import MakeId, Randomness
from sidecar.job_handler import Registration
from sidecar.settings import Settings
from sidecar.storage.database import Database
from sidecar.storage.secrets import Vault

if TYPE_CHECKING:
    from sidecar.feed import Feed
    from sidecar.http.client import Http
    from sidecar.hub.tools import Hub
    from sidecar.storage.fulltext import FullTextIndex

PruneKey = tuple[str, str]
"""The sort key of finished jobs in the order of pruning: (updated_at, job_id)."""
AfterCommit = Callable[[Callable[[sqlite3.Error | None], None]], None]
"""Registers a callback for the next commit; it receives the error if that commit fails."""


class Queue(Protocol):
    """The job queue, as features use it."""

    def enqueue(self, spec: JobSpec, *, priority: int = 0) -> Encoded[Job]: ...

    def require_room(self) -> None:
        """Counts a job that a client creates.  Raises `QueueFull` if there may be no more unfinished ones."""

    def cancel_by_lock_key(self, lock_key: str, *statuses: JobStatus) -> None:
        """Cancels the jobs that hold this lock or wait for it and have one of these statuses.

        A snoozed job that keeps the lock counts as running.
        """

    def count_queued(self, lock_key: str) -> int:
        """Returns the number of queued jobs with this lock."""

    def existing(self, job_ids: Collection[str]) -> set[str]:
        """Returns those of the jobs that exist, finished or not."""

    def is_lock_kept(self, lock_key: str) -> bool:
        """Returns whether a snoozed job keeps this lock."""


class Schedules(Protocol):
    """The schedules of periodic jobs, as features use them."""

    def ensure(self, schedule_id: str, spec: JobSpec, *, period_s: int, jitter_s: int = 0) -> None:
        """Creates the schedule if it does not exist; an existing one keeps what its user changed."""

    def remove(self, schedule_id: str) -> None: ...

    def postpone(self, schedule_id: str, delay_s: int) -> str | None:
        """Leaves out the runs of the next `delay_s` seconds; with 0, undoes that.

        Returns the time of the next run, or None if the user has switched the schedule off.
        """

    def run_now(self, schedule_id: str) -> Encoded[Job]:
        """Returns the schedule's unfinished job, which no longer waits for its next try, or queues one now."""


class Runtime(NamedTuple):
    """Everything that a feature is given."""

    settings: Settings
    database: Database
    clock: Clock
    new_id: MakeId
    randomness: Randomness
    notify: Callable[[Notification], None]
    """Sends a notification to the client; call it in the transaction that makes a durable one true."""
    committed: Callable[[], Awaitable[None]]
    """Returns once everything written so far is durable.  Raises the commit's `sqlite3.Error`."""
    after_commit: AfterCommit
    is_draining: Callable[[], bool]
    """Whether the process is shutting down."""
    vault: Vault
    queue: Queue
    schedules: Schedules
    feed: "Callable[[], Feed]"
    """Returns the activity feed.  A call, because the feed belongs to a feature, which is created from this runtime."""
    http: "Callable[[], Http]"
    """Returns the process's HTTP client.  A call, because its module imports anyio, which the start does without."""
    hub: "Callable[[], Hub]"
    """Returns the methods as tools of an assistant.  A call, because they need the whole contract."""


class Program(NamedTuple):
    """A program that a feature runs, as found on this computer."""

    path: str | None = None
    version: str | None = None
    problem: str | None = None
    """Why it cannot be used; None if it can."""


async def _nothing() -> None:
    return None


async def _no_processes(job_ids: Collection[str]) -> int:
    del job_ids
    return 0


class Feature(NamedTuple):
    """Everything that a feature offers."""

    services: tuple[object, ...] = ()
    """Implementations of the contract's interfaces."""
    registrations: tuple[Registration, ...] = ()
    """The job types that it can run."""
    indexes: "tuple[FullTextIndex, ...]" = ()
    """Full-text indexes, which are filled and merged while the process serves."""
    feed: "Feed | None" = None
    """The activity feed, from the one feature that owns it."""
    program: Callable[[], Awaitable[Program]] | None = None
    """Looks for the program that it runs."""
    prepare: Callable[[], Awaitable[None]] = _nothing
    """Called once, before the first job runs."""
    run: Callable[[], Coroutine[Any, Any, None]] = _nothing
    """Runs in a task of its own while jobs are run; cancelled at the end."""
    stop: Callable[[], Coroutine[Any, Any, None]] = _nothing
    """Ends what would outlive the process; called once no job runs, or while the jobs are being stopped."""
    kill_orphans: Callable[[Collection[str]], Awaitable[int]] = _no_processes
    """Kills the processes that these jobs, of a process that died, have left.  Returns their number."""
    account_counts: Callable[[], Mapping[str, int]] = dict
    """Returns the number of connected accounts by service."""
