"""The environment of the CLI and its tools: the user's, without our secrets and without an outer Claude session.

Configuration passes through (CLAUDE_CONFIG_DIR, CLAUDE_CODE_USE_BEDROCK, CLAUDE_CODE_OAUTH_TOKEN, ANTHROPIC_*,
proxies).  There are hundreds of such variables and companies rely on them, so this lists what is removed instead of
what is allowed.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

JOB_ENV: Final = "SIDECAR_JOB"
"""Names the job that a CLI runs for.  Its tools inherit it, even those that leave the process group."""
SESSION_ENV: Final = "SIDECAR_SESSION"
"""Names the session that a CLI runs for, which outlives the job that started it."""
OWNER_ENVS: Final = (JOB_ENV, SESSION_ENV)
DATABASE_ENV: Final = "SIDECAR_DATABASE"
"""Names the database of the job or session, since ids repeat in copies of a database, and with `--seed`."""

SECRETS: Final = frozenset({"BACKEND_TOKEN", "GOOGLE_CLIENT_SECRET", "ELECTRON_RUN_AS_NODE"})
"""Variables that are meant for the sidecar only; ELECTRON_RUN_AS_NODE would change how Electron-based tools start."""

# Variables that Claude Code 2.1.330 sets for its tools (measured: `env` run by its Bash tool).  A `claude` that
# inherits them joins that session.  They are set if the app was started from a terminal inside Claude Code.
SESSION: Final = frozenset(
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
# Variables that the hosts of a session (IDE, desktop app, cloud) set for their own `claude`.
SESSION_PREFIXES: Final = (
    "CLAUDE_CODE_BRIDGE_",
    "CLAUDE_CODE_HOST_",
    "CLAUDE_CODE_MESSAGING_",
    "CLAUDE_CODE_RELAUNCH_",
    "CLAUDE_CODE_REMOTE",
    "CLAUDE_CODE_RESUME_",
    "CLAUDE_CODE_SESSION",
    "CLAUDE_CODE_WORKER_",
)
# Numbers of open file descriptors, which our child process does not have.
SESSION_SUFFIX: Final = "_FILE_DESCRIPTOR"


def inherited(environment: Mapping[str, str]) -> dict[str, str]:
    """Returns `environment` without our secrets and without an outer Claude session."""
    return {
        name: value
        for name, value in environment.items()
        if name not in SECRETS | SESSION
        and not name.startswith(SESSION_PREFIXES)
        and not (name.startswith("CLAUDE_CODE_") and name.endswith(SESSION_SUFFIX))
    }


def cli_environment(environment: Mapping[str, str], executable: Path) -> dict[str, str]:
    """Returns `inherited`, with the executable's folder on PATH.  The path is not resolved: the
    folder that has the right Node contains the symbolic link, not its target.
    """
    folder = str(executable.parent)
    path = environment.get("PATH", "")
    entries = path.split(os.pathsep) if path else []
    joined = path if folder in entries else os.pathsep.join([folder, *entries])
    return inherited(environment) | {"PATH": joined}
