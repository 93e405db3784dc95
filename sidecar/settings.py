"""What the environment and the command line say, read once at start."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from sidecar.clock import iso

ATLASSIAN_GATEWAY: Final = "https://api.atlassian.com"
_LOOPBACK: Final = re.compile(r"http://(127\.0\.0\.1|localhost|\[::1\]):\d{1,5}/?")


@dataclass(frozen=True, slots=True)
class Settings:
    """Where things are and what the user chose.  Nothing else in the program reads the environment."""

    database: Path
    log_dir: Path
    run_env: str = "prod"
    """`dev` also logs at level DEBUG."""
    token: str | None = field(default=None, repr=False)
    """What `initialize` must carry (BACKEND_TOKEN); None: nothing."""
    google_client_id: str | None = None
    google_client_secret: str | None = field(default=None, repr=False)
    google_url: str | None = None
    """Stands in for all of Google's own addresses, in tests; None: Google."""
    claude_path: str | None = None
    """The Claude CLI to run; None: search for it."""
    claude_concurrency: int = 2
    """A Claude process needs about 200 MB and half a core."""
    record: Path | None = None
    """The transcript to which the conversation is appended (`--record`)."""
    now_ms: int | None = None
    """Where the wall clock stands still (`--now`); None: it goes."""
    seed: int | None = None
    """From which ids, sign-ins and pauses are made (`--seed`), for replaying; None: they are random."""
    upstream_record: Path | None = None
    """Where what the vendors' clouds answer is recorded (`--upstream-record`)."""
    upstream: Path | None = None
    """What answers in the clouds' place (`--upstream`); None: they do."""
    atlassian_gateway: str = ATLASSIAN_GATEWAY
    """Where Atlassian takes tokens with scopes."""
    notes: tuple[str, ...] = ()
    """What the log should say about the settings themselves."""

    @property
    def data_dir(self) -> Path:
        """The folder of the database."""
        return self.database.parent

    def fixed(self) -> dict[str, object]:
        """What is not left to time, chance and the clouds, as the transcript's header names it."""
        tape = self.upstream or self.upstream_record
        facts = {
            "now": None if self.now_ms is None else iso(self.now_ms),
            "seed": self.seed,
            "upstream": None if tape is None else tape.name,
        }
        return {name: value for name, value in facts.items() if value is not None}

    def public(self) -> dict[str, object]:
        """The settings for a bug report, without the secrets."""
        return {
            "database": str(self.database),
            "log_dir": str(self.log_dir),
            "run_env": self.run_env,
            "token": self.token is not None,
            "google_client_id": self.google_client_id is not None,
            "google_client_secret": self.google_client_secret is not None,
            "google_url": self.google_url,
            "claude_path": self.claude_path,
            "claude_concurrency": self.claude_concurrency,
            "atlassian_gateway": self.atlassian_gateway,
        }


def read_settings(environ: Mapping[str, str], *, database: str | None = None) -> Settings:
    """The settings from the environment; `database` (from `--db`) outranks APP_DATA_DIR.

    Raises ValueError with words for the user where a value makes no sense.
    """
    data_dir = Path(environ["APP_DATA_DIR"]) if environ.get("APP_DATA_DIR") else None
    if database is None and data_dir is None:
        data_dir = _platform_data_dir()
    path = Path(database) if database is not None else (data_dir or Path()) / "sidecar.db"
    run_env = environ.get("RUN_ENV") or "prod"
    if run_env not in ("dev", "prod"):
        raise ValueError(f"RUN_ENV must be dev or prod, not {run_env!r}")
    notes = ("BACKEND_PORT is ignored: the sidecar opens no port",) if environ.get("BACKEND_PORT") else ()
    path = path.expanduser().absolute()
    return Settings(
        database=path,
        log_dir=Path(environ["LOG_DIR"]).expanduser().absolute() if environ.get("LOG_DIR") else path.parent / "logs",
        run_env=run_env,
        token=environ.get("BACKEND_TOKEN") or None,
        google_client_id=environ.get("GOOGLE_CLIENT_ID") or None,
        google_client_secret=environ.get("GOOGLE_CLIENT_SECRET") or None,
        google_url=_loopback(environ, "GOOGLE_URL", "") or None,
        claude_path=environ.get("CLAUDE_PATH") or None,
        claude_concurrency=_positive(environ, "CLAUDE_CONCURRENCY", 2),
        atlassian_gateway=_loopback(environ, "ATLASSIAN_GATEWAY_URL", ATLASSIAN_GATEWAY),
        notes=notes,
    )


def schema_dir() -> Path:
    """The folder with openrpc.json and the migrations: inside the installed package, or at the top of a checkout."""
    packaged = Path(__file__).parent / "_schema"
    return packaged if packaged.is_dir() else Path(__file__).parent.parent / "schema"


def make_private_dir(path: Path) -> None:
    """Make a folder, and the missing ones above it, that only its owner can read."""
    missing = [folder for folder in (path, *path.parents) if not folder.exists()]
    for folder in reversed(missing):
        folder.mkdir(mode=0o700, exist_ok=True)


def _platform_data_dir() -> Path:
    import platformdirs  # noqa: PLC0415 - Electron always sets APP_DATA_DIR; do not pay for this at start

    return Path(platformdirs.user_data_dir("sidecar", appauthor=False))


def _positive(environ: Mapping[str, str], name: str, default: int) -> int:
    text = environ.get(name)
    if not text:
        return default
    if not text.isdecimal() or not 1 <= int(text) <= 64:
        raise ValueError(f"{name} must be a number from 1 to 64, not {text!r}")
    return int(text)


def _loopback(environ: Mapping[str, str], name: str, default: str) -> str:
    """An address for tests: credentials are sent there, so it must be on this machine."""
    text = environ.get(name)
    if not text:
        return default
    if not _LOOPBACK.fullmatch(text):
        raise ValueError(f"{name} must be an address on this machine, such as http://127.0.0.1:8080")
    return text.rstrip("/")


def process_settings(database: str | None = None, **more: Any) -> Settings:
    """`read_settings` of this process's environment; `more` are settings that only the command line has."""
    return replace(read_settings(os.environ, database=database), **more)
