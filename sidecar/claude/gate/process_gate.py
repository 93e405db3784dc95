"""The gate of one process of the CLI: it answers the hook before each use of a tool, and watches the hub's answers."""

import logging
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

from pydantic_core import to_json
from sidecar_protocol.claude.gate import MAX_EXPOSURES, DecidedBy, Verdict
from sidecar_protocol.contract import ToolUse
from sidecar_protocol.tools import Tool

from sidecar.claude.gate.handing_on import HandingOnRefused, handed_on
from sidecar.claude.gate.journal import GateJournal
from sidecar.claude.gate.rules import answer_line, digest, hook_input, is_hook, verdict
from sidecar.claude.gate.store import Owner
from sidecar.claude.hub import cli_name
from sidecar.hub.tools import Answer, Hub
from sidecar.json_reader import get_object, get_objects, get_text
from sidecar.text import well_formed

log = logging.getLogger(__name__)

NOT_STORED: Final = "The decision could not be stored, so that the tool may not run."
NO_HOOK: Final = (
    "Claude Code did not call the sidecar's hook before this tool, so that others' texts could make it act. Its hooks"
    " may be switched off in its settings (disableAllHooks)."
)
MAX_CALLS: Final = 1_000
"""Calls of a process that are remembered until their results."""
REASON_CHARS: Final = 200
CITE: Final = (
    "Rows in results have a number `n`. In your answer, cite the rows that a sentence rests on by their numbers in"
    " square brackets, such as [3] or [3][5], and no others."
)

Line = Mapping[str, Any]


@dataclass(slots=True)
class ProcessGate:
    """Answers the hook of one process.  `tools` are those of the hub that it has.

    Of tools with the same names that another server offers, nothing is known.
    """

    journal: GateJournal
    hub: Hub
    owner: Owner
    tools: Sequence[Tool]
    can_ask: bool
    send: Callable[[Line], None]

    _calls: dict[str, tuple[str, str | None]] = field(default_factory=dict)
    _has_hook: bool = False
    _conversation: str | None = None
    """The CLI's id of the conversation; `/clear` begins another one."""

    def on_line(self, line: Line) -> None:
        """Reads a line of the process; answers it if it calls the hook."""
        if is_hook(line):
            self._has_hook = True
            self._decide(line)
            return
        try:
            self._follow(get_text(line, "session_id"))
        except sqlite3.Error:  # the next line, or the hook, tries again
            log.exception("what others wrote could not be stored for a conversation")
        if line.get("type") == "user":
            self._read_results(line)

    def _decide(self, line: Line) -> None:
        tool, values, use_id = hook_input(line)
        call = (tool, use_id, digest(values))
        try:
            self._follow(get_text(line, "request", "input", "session_id"))
            exposed = self.journal.untrusted((self.owner.owner_id,))
            decision = verdict(
                tool, exposed, reading=self._names(ToolUse.READ), acting=self._names(ToolUse.ACT), can_ask=self.can_ask
            )
            if decision is not None:
                self.journal.store.decide(self.owner, call, decision[0], DecidedBy.GATE, decision[1])
        except sqlite3.Error:
            log.exception("a decision about a tool could not be made")
            decision = Verdict.DENY, NOT_STORED
        if use_id is not None:
            self._calls[use_id] = tool, call[2]
        if len(self._calls) > MAX_CALLS:
            del self._calls[next(iter(self._calls))]
        self.send(answer_line(line, decision))

    def _follow(self, conversation: str | None) -> None:
        """Exposes the conversation that the process is in to what its owner is exposed to."""
        if conversation is not None and conversation != self._conversation:
            self.journal.store.inherit(Owner(conversation=conversation), (self.owner.owner_id,))
            self._conversation = conversation

    def _names(self, use: ToolUse) -> set[str]:
        return {cli_name(tool) for tool in self.tools if tool.use is use}

    def _read_results(self, line: Line) -> None:
        """Stores what the CLI says of the decisions about the calls whose results a line has."""
        meta = get_objects(line, "tool_result_meta")
        said = {get_text(one, "id"): get_object(one, "permission_decision") for one in meta}
        for block in get_objects(line, "message", "content"):
            use_id = get_text(block, "tool_use_id")
            known = self._calls.pop(use_id or "", None)
            decision = said.get(use_id)
            if known is None or not decision:
                continue
            accepted = Verdict.ALLOW if decision.get("decision") == "accept" else Verdict.DENY
            words = (get_text(decision, "source"), get_text(decision, "reason_type"))
            reason = well_formed(": ".join(filter(None, words))[:REASON_CHARS])
            try:
                self.journal.store.decide(
                    self.owner, (known[0], use_id, known[1]), accepted, DecidedBy.CLAUDE_CODE, reason or None
                )
            except sqlite3.Error:
                log.exception("a decision of Claude Code could not be stored")

    async def call(self, name: str, arguments: Mapping[str, Any]) -> Answer:
        """Calls a tool of the hub.  What others wrote in the answer is durable before the CLI gets it."""
        if not self._has_hook:
            return _refused(NO_HOOK)
        try:
            exposed = self.journal.untrusted((self.owner.owner_id,))
            sources = list(dict.fromkeys(source for source, _ in exposed))[:MAX_EXPOSURES]
            added = handed_on(name, arguments, sources, self.owner.session_id)
        except sqlite3.Error:
            log.exception("what others wrote could not be read")
            return _refused("What others wrote could not be read. Try again.")
        except HandingOnRefused as refusal:
            return _refused(str(refusal))
        answer = await self.hub.call(name, arguments, number=partial(self.journal.number, self.owner), **added)
        try:
            if answer.foreign:
                self.journal.expose(self.owner, name, answer.foreign, self._conversation)
            await self.journal.committed()
        except sqlite3.Error:
            log.exception("what others wrote could not be stored")
            return _refused("The answer could not be stored as one that others wrote. Try again.")
        return answer

    def instructions(self) -> str:
        return f"{self.hub.instructions()} {CITE}"


def _refused(message: str) -> Answer:
    return Answer(to_json({"error": {"message": message, "kind": "not_gated"}}).decode(), is_error=True)
