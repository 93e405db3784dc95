"""Hands on to queued work what others wrote in the conversation that queues it.  No I/O.

Otherwise a run could act on such a text although the conversation may not.  The person is asked before each such call,
but cannot tell which words of a prompt were Claude's own.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from sidecar_protocol.claude.runs import RunClaude
from sidecar_protocol.claude.sessions import TakeTurn

SPAWN: Final = "claude_spawn"
SCHEDULE: Final = "jobs_schedules_create"
OTHER_SESSION: Final = "Texts that others wrote are in this conversation: it may not send prompts to another session."


class HandingOnRefused(Exception):
    """The call would put texts of others into a conversation that asks for nothing; the message says so."""


def handed_on(
    tool: str, arguments: Mapping[str, Any], exposed: Sequence[str], session_id: str | None
) -> Mapping[str, Any]:
    """Returns the params of a call with the sources to which its run is exposed.  Raises `HandingOnRefused`.

    `exposed` are the untrusted sources of the conversation.
    """
    if not exposed:
        return {}
    if tool == SPAWN:
        return {"exposed_to": exposed}
    payload, job_type = arguments.get("payload"), arguments.get("type")
    if tool != SCHEDULE or not isinstance(payload, dict):
        return {}
    if job_type == TakeTurn.type and payload.get("session_id") != session_id:
        raise HandingOnRefused(OTHER_SESSION)
    return {"payload": {**payload, "exposed_to": exposed}} if job_type == RunClaude.type else {}
