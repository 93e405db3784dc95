"""Joins a process of the CLI with the hub and the gate: the options of its start, and its `initialize` request."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import PurePath
from typing import Any, Final

from sidecar_protocol.claude.runs import HubAccess, RunClaude

from sidecar.claude.gate.journal import GateJournal
from sidecar.claude.gate.process_gate import ProcessGate
from sidecar.claude.gate.rules import HOOKS
from sidecar.claude.gate.store import Owner
from sidecar.claude.hub import HubServer, rules_for, tools_for
from sidecar.claude.process.cli_process import ClaudeProcess, RunOptions
from sidecar.claude.process.environment import SESSION_ENV
from sidecar.claude.runs import RunStore
from sidecar.hub.connection import NAME
from sidecar.hub.foreign import ForeignText
from sidecar.hub.tools import Hub

QUEUED: Final = "in the conversation that has queued this run"
"""Text of such an exposure: the job has the source only."""


@dataclass(frozen=True, slots=True)
class HubLink:
    """The hub for all processes; `is_on` is false if it is switched off for all, which leaves the gate."""

    hub: Callable[[], Hub]
    journal: GateJournal
    runs: RunStore
    is_on: bool = True

    async def prepared(self, options: RunOptions) -> RunOptions:
        """Returns the options with what a process with the hub needs."""
        if options.hub is HubAccess.OFF or not self.is_on:
            return replace(options, hub=HubAccess.OFF)
        await self.hub().describe()
        return replace(options, allowed_tools=(*options.allowed_tools, *rules_for(self.hub(), options.hub)))

    def attach(self, process: ClaudeProcess, options: RunOptions, owner_env: str, owner_id: str) -> Mapping[str, Any]:
        """Makes a process use the hub and the gate; returns the additions to its `initialize` request.

        Without the hub, it needs the gate only if texts of others are in its conversation already.
        """
        owner = Owner(session_id=owner_id) if owner_env == SESSION_ENV else Owner(job_id=owner_id)
        resumed = self._resumed(options)
        has_hub = options.hub is not HubAccess.OFF
        if options.is_probe or not (has_hub or self.journal.store.is_exposed((owner_id, *resumed))):
            return {}
        self.journal.citations.copy(owner, resumed)
        self.journal.inherit(owner, resumed)
        hub, observe = self.hub(), process.observe
        tools = tools_for(hub, options.hub)
        gate = ProcessGate(self.journal, hub, owner, tools, options.can_request_permission, process.send)
        server = HubServer(gate, tools, process.send)

        def on_line(line: Mapping[str, Any]) -> None:
            gate.on_line(line)
            server.on_line(line)
            observe(line)

        process.observe, process.on_exit = on_line, server.close
        return {"hooks": HOOKS, **({"sdkMcpServers": [NAME]} if has_hub else {})}

    async def begin_run(self, job: RunClaude, job_id: str, *, is_first: bool) -> None:
        """Exposes a run, before an attempt, to the texts of the conversation that has queued it."""
        texts = [ForeignText(source, QUEUED) for source in job.exposed_to]
        if is_first:
            self.journal.citations.forget(job_id)
        if texts:
            self.journal.expose(Owner(job_id=job_id), job.type, texts)
            await self.journal.committed()

    def _resumed(self, options: RunOptions) -> tuple[str, ...]:
        """Returns the conversation that a process goes on with, after the runs that have it."""
        if options.session_id is None:
            return ()
        name = PurePath(options.session_id)  # an id, or the path of its record
        conversation = name.stem if name.suffix == ".jsonl" else options.session_id
        return *self.runs.of_conversation(conversation), conversation
