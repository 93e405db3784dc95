"""The environment that the CLI and its tools run in: the user's, less what belongs to us or to an outer Claude session.

Configuration passes (CLAUDE_CONFIG_DIR, CLAUDE_CODE_USE_BEDROCK, CLAUDE_CODE_OAUTH_TOKEN, ANTHROPIC_*, proxies).  There
are hundreds of such variables and companies rely on them, so what is taken out is listed here, not what is let through.
"""

import os
from collections.abc import Mapping
from pathlib import Path

JOB_ENV = "SIDECAR_JOB"
"""Set to the id of the run that a CLI works for: a tool may leave the process group and lose its parent, its
environment it keeps."""
SESSION_ENV = "SIDECAR_SESSION"
"""The same for the CLI of a session, which outlives the job that it was started by."""

DATABASE_ENV = "SIDECAR_DATABASE"
"""Set to the path of the database that has the job or session: the same id is somebody else's in a copy of a database,
and in one that was made with the same `--seed`."""

OWNER_ENVS = (JOB_ENV, SESSION_ENV)

OURS = frozenset({"BACKEND_TOKEN", "GOOGLE_CLIENT_SECRET", "ELECTRON_RUN_AS_NODE"})

# What Claude Code 2.1.330 sets for its tools (measured: `env` run by its Bash tool).  A `claude` that inherits it takes
# itself for a part of that session.  It is there when the app was started from a terminal inside Claude Code.
SESSION = frozenset(
    {
        "AI_AGENT",
        "CLAUDECODE",
        "CLAUDE_CODE_CHILD_NOTES_DIR",
        "CLAUDE_CODE_CHILD_SESSION",
        "CLAUDE_CODE_ENTRYPOINT",
        "CLAUDE_CODE_EXECPATH",
        "CLAUDE_CODE_SSE_PORT",
        "CLAUDE_EFFORT",
        "CLAUDE_PID",
    }
)
# Families of the same: what hosts of a session (IDE, desktop, cloud) hand to their own `claude`.
SESSION_PREFIXES = (
    "CLAUDE_CODE_BRIDGE_",
    "CLAUDE_CODE_HOST_",
    "CLAUDE_CODE_MESSAGING_",
    "CLAUDE_CODE_RELAUNCH_",
    "CLAUDE_CODE_REMOTE",
    "CLAUDE_CODE_RESUME_",
    "CLAUDE_CODE_SESSION",
    "CLAUDE_CODE_WORKER_",
)
# The number of an open file descriptor, which our child has not got.
SESSION_SUFFIX = "_FILE_DESCRIPTOR"


def inherited(environment: Mapping[str, str]) -> dict[str, str]:
    """`environment` without our own secrets and without an outer Claude session."""
    return {
        name: value
        for name, value in environment.items()
        if name not in OURS | SESSION
        and not name.startswith(SESSION_PREFIXES)
        and not (name.startswith("CLAUDE_CODE_") and name.endswith(SESSION_SUFFIX))
    }


def cli_environment(environment: Mapping[str, str], executable: Path) -> dict[str, str]:
    """`inherited`, with the executable's own folder on PATH.

    A `claude` of npm is a script that begins with `#!/usr/bin/env node`; its node stands beside it, under nvm the only
    one that is new enough.  The path is not resolved: the link is in the folder that matters, not its target.
    """
    folder = str(executable.parent)
    path = environment.get("PATH", "")
    entries = path.split(os.pathsep) if path else []
    joined = path if folder in entries else os.pathsep.join([folder, *entries])
    return inherited(environment) | {"PATH": joined}
