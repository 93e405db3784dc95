"""The process's life cycle as the client sees it: handshake, readiness, bounded shutdown."""

import asyncio
import hmac
import logging
import os
import sqlite3
from collections.abc import Awaitable
from typing import Final, Protocol

from sidecar_protocol.connection import MAX_BATCH, MAX_MESSAGE_BYTES
from sidecar_protocol.contract import RpcError
from sidecar_protocol.errors import InvalidRequest, NotInitialized, ShuttingDown, Unauthorized
from sidecar_protocol.events import EventsResync
from sidecar_protocol.meta import PROTOCOL_VERSION
from sidecar_protocol.system.lifecycle import (
    Capabilities,
    ClientInfo,
    Drained,
    EventWindow,
    Initialized,
    Lifecycle,
    Limits,
    ProcessState,
    Resume,
    ResumeOutcome,
    Secrets,
    SecretsState,
    ServerInfo,
    SystemState,
)

from sidecar import __version__
from sidecar.storage.failures import is_damage
from sidecar.wire.dispatch import Route
from sidecar.wire.in_flight import MAX_IN_FLIGHT, InFlightRequests
from sidecar.wire.outbox import Outbox, Wire

log = logging.getLogger(__name__)

DRAIN_S: Final = 1.6
"""Time limit of a shutdown in seconds: the host expects the process to end within 2 s, and exiting takes some of it."""
FINISH_S: Final = 0.3
"""Seconds of DRAIN_S that requests have to finish before they are cancelled."""


class Process(Protocol):
    """The parts of the process that the handshake and the shutdown reach."""

    def unlock(self, key: str | None) -> SecretsState: ...

    def on_initialized(self, client_pid: int | None) -> None: ...

    def stop_work(self, deadline_s: float) -> Awaitable[tuple[int, bool]]:
        """Interrupts the running jobs.  Returns their number, and whether all ended in time."""

    def end(self, code: int) -> None: ...


class LifecycleService(Lifecycle):
    """Serves `initialize`, `shutdown`, `exit` and `$/cancelRequest`.

    `initialize` must pass `token` if there is one.
    """

    def __init__(
        self,
        in_flight: InFlightRequests,
        outbox: Outbox,
        wire: Wire,
        process: Process,
        *,
        token: str | None,
        schema_hash: str,
    ) -> None:
        self._in_flight = in_flight
        self._outbox = outbox
        self._wire = wire
        self._process = process
        self._token = token
        self._schema_hash = schema_hash
        self._initialized = False
        self._draining: asyncio.Task[Drained] | None = None

    @property
    def is_draining(self) -> bool:
        return self._draining is not None

    def admit(self, route: Route | None) -> RpcError | None:
        if route is not None and route.declared.before_initialize:
            return None
        if self._draining is not None:
            may_end = route is not None and route.declared.name in ("shutdown", "$/cancelRequest")
            return None if may_end else ShuttingDown()
        if self._initialized:
            return None
        return NotInitialized() if self._token is None else Unauthorized()

    async def initialize(
        self,
        *,
        protocol_version: int,
        client_info: ClientInfo,
        process_id: int | None = None,
        capabilities: Capabilities | None = None,
        resume: Resume | None = None,
        schema_hash: str | None = None,
        token: str | None = None,
        secrets: Secrets | None = None,
    ) -> Initialized:
        if self._draining is not None:
            raise ShuttingDown
        if self._initialized:
            raise InvalidRequest("initialize was already called.")
        if self._token is not None and not hmac.compare_digest(self._token.encode(), (token or "").encode()):
            raise Unauthorized(hint="Pass the value of BACKEND_TOKEN as `token`.")
        window, after_seq, gap = self._window(resume)
        state = self._process.unlock(secrets.key if secrets is not None else None)
        # Nothing after this can fail: a handshake that did would be answered "already called" when it is repeated.
        self._initialized = True
        self._outbox.attach(self._wire, frozenset(capabilities.opt_out if capabilities else ()), after_seq)
        self._outbox.notify(SystemState(state=ProcessState.READY))
        if gap is not None:
            self._outbox.notify(EventsResync(reason=gap))
        log.info("client %s %s connected with protocol %d", client_info.name, client_info.version, protocol_version)
        self._process.on_initialized(process_id)
        return Initialized(
            protocol_version=PROTOCOL_VERSION,
            server_info=ServerInfo(name="sidecar", version=__version__, pid=os.getpid()),
            limits=Limits(max_message_bytes=MAX_MESSAGE_BYTES, max_in_flight=MAX_IN_FLIGHT, max_batch=MAX_BATCH),
            events=window,
            schema_hash=self._schema_hash,
            schema_match=None if schema_hash is None else schema_hash == self._schema_hash,
            secrets=state,
        )

    def _window(self, resume: Resume | None) -> tuple[EventWindow, int, str | None]:
        """Returns the state of the event log, the event to send from, and why the client must load its lists again.

        That is None if it need not.  A damaged log is empty.
        """
        gap = None
        epoch, oldest, latest = "", 1, 0
        try:
            epoch = self._outbox.log.epoch()
            oldest, latest = self._outbox.log.window()
        except sqlite3.DatabaseError as error:
            if not is_damage(error):
                raise
            log.exception("the event log cannot be read")
            gap = "The event log cannot be read."
        after_seq = latest
        if gap is None and resume is not None:
            if resume.epoch != epoch:
                gap = "The database was replaced."
            elif not oldest - 1 <= resume.after_seq <= latest:
                gap = "The event log does not contain the events after that one."
            else:
                after_seq = resume.after_seq
        outcome = ResumeOutcome.OK if gap is None else ResumeOutcome.RESYNC
        return EventWindow(epoch=epoch, oldest_seq=oldest, latest_seq=latest, resume=outcome), after_seq, gap

    async def initialized(self) -> None:
        return None

    async def shutdown(self, *, deadline_ms: int = 5_000) -> Drained:
        return await asyncio.shield(self.drain(deadline_ms / 1000))

    async def exit(self) -> None:
        self._process.end(0)

    async def cancel_request(self, *, id: int | str) -> None:
        self._in_flight.cancel(id)

    def drain(self, deadline_s: float) -> "asyncio.Task[Drained]":
        """Stops all work within the deadline, in seconds; a second call waits for the first one's result."""
        if self._draining is None:
            self._outbox.notify(SystemState(state=ProcessState.DRAINING))
            self._draining = asyncio.get_running_loop().create_task(self._drain(deadline_s))
        return self._draining

    async def _drain(self, deadline_s: float) -> Drained:
        grace_s = min(FINISH_S, deadline_s)
        cancelling = asyncio.ensure_future(self._in_flight.drain(grace_s, deadline_s - grace_s))
        interrupted, stopped = await self._process.stop_work(deadline_s)
        return Drained(drained=stopped, cancelled_requests=await cancelling, interrupted_jobs=interrupted)
