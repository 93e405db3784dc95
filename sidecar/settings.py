"""Settings from the environment and the command line, read once at start."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

from sidecar.clock import Clock, FixedClock, StartedClock, SystemClock, iso
from sidecar.loopback import is_loopback_origin

ATLASSIAN_GATEWAY: Final = "https://api.atlassian.com"
DATABASE_NAME: Final = "sidecar.db"
"""The name of the file in the data folder, without `--db`."""
MAX_CLAUDE_CONCURRENCY: Final = 64
"""Claude processes at once: 64 need about 13 GB of memory, so a larger number is a mistake."""


class Settings(NamedTuple):
    """Where files are and what the user configured.

    While serving, only `sidecar.claude` also reads the environment: it passes it on to the Claude CLI.
    """

    database: Path
    log_dir: Path
    run_env: str = "prod"
    """`dev` also logs at level DEBUG."""
    token: str | None = None
    """Token that `initialize` must pass (BACKEND_TOKEN), or None if none is required."""
    google_client_id: str | None = None
    google_client_secret: str | None = None
    google_url: str | None = None
    """Base URL of a fake Google in tests, or None for the real one."""
    claude_path: str | None = None
    """The Claude CLI to run, or None to search for it."""
    claude_concurrency: int = 2
    """Claude processes at once; each needs about 200 MB and half a core (measured)."""
    claude_hub: bool = True
    """Whether Claude may be given the hub's tools (`CLAUDE_HUB`)."""
    record: Path | None = None
    """The transcript that this run is appended to (`--record`)."""
    record_files: bool = False
    """Whether the transcript has the images and files of prompts (`--record-files`)."""
    record_anew: bool = False
    """Replace the transcript instead of appending to it (`--record-anew`)."""
    redact: tuple[str, ...] = ()
    """Expressions of texts that a transcript must not contain (`--redact`)."""
    now_ms: int | None = None
    """Fixed time in milliseconds since 1970 (`--now`), or None for the system clock."""
    clock_start_ms: int | None = None
    """Time at which the clock starts (`--clock-start`), or None for the system clock."""
    seed: int | None = None
    """Seed of ids, sign-in secrets and retry delays (`--seed`), for replaying, or None for real randomness."""
    upstream_record: Path | None = None
    """File that records the responses of cloud services (`--upstream-record`)."""
    upstream: Path | None = None
    """Recording that replaces the cloud services (`--upstream`), or None to call them."""
    atlassian_gateway: str = ATLASSIAN_GATEWAY
    """Base URL of Atlassian's gateway, which accepts tokens with scopes."""
    notes: tuple[str, ...] = ()
    """Warnings about the settings themselves, for the log."""

    def __repr__(self) -> str:
        return f"Settings({self.public()})"

    @property
    def data_dir(self) -> Path:
        return self.database.parent

    def clock(self) -> Clock:
        if self.now_ms is not None:
            return FixedClock(self.now_ms)
        return SystemClock() if self.clock_start_ms is None else StartedClock(self.clock_start_ms)

    def fixed(self) -> dict[str, object]:
        """Returns the settings that make a run reproducible, for the transcript's header."""
        tape = self.upstream or self.upstream_record
        facts = {
            "now": None if self.now_ms is None else iso(self.now_ms),
            "seed": self.seed,
            "upstream": None if tape is None else tape.name,
        }
        return {name: value for name, value in facts.items() if value is not None}

    def public(self) -> dict[str, object]:
        """Returns the settings for a bug report; secrets only as whether they are set."""
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
            "claude_hub": self.claude_hub,
            "atlassian_gateway": self.atlassian_gateway,
        }


def read_settings(environ: Mapping[str, str], *, database: str | None = None) -> Settings:
    """Reads settings from the environment; `database` (from `--db`) takes precedence over APP_DATA_DIR.

    Raises `ValueError` with a message for the user if a value is invalid.
    """
    data_dir = Path(environ["APP_DATA_DIR"]) if environ.get("APP_DATA_DIR") else None
    if database is None and data_dir is None:
        data_dir = _platform_data_dir()
    path = Path(database) if database is not None else (data_dir or Path()) / DATABASE_NAME
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
        claude_hub=_switch(environ, "CLAUDE_HUB"),
        atlassian_gateway=_loopback(environ, "ATLASSIAN_GATEWAY_URL", ATLASSIAN_GATEWAY),
        notes=notes,
    )


def _platform_data_dir() -> Path:
    import platformdirs  # noqa: PLC0415 - heavy, and an Electron app always sets APP_DATA_DIR

    return Path(platformdirs.user_data_dir("sidecar", appauthor=False))


def _positive(environ: Mapping[str, str], name: str, default: int) -> int:
    text = environ.get(name)
    if not text:
        return default
    if not text.isdecimal() or not 1 <= int(text) <= MAX_CLAUDE_CONCURRENCY:
        raise ValueError(f"{name} must be a number from 1 to {MAX_CLAUDE_CONCURRENCY}, not {text!r}")
    return int(text)


def _switch(environ: Mapping[str, str], name: str) -> bool:
    value = environ.get(name) or "on"
    if value not in ("on", "off"):
        raise ValueError(f"{name} must be on or off, not {value!r}")
    return value == "on"


def _loopback(environ: Mapping[str, str], name: str, default: str) -> str:
    """Returns a URL for tests; it must be on this machine, since credentials are sent there."""
    text = environ.get(name)
    if not text:
        return default
    if not is_loopback_origin(text):
        raise ValueError(f"{name} must be an address on this machine, for example http://127.0.0.1:8080")
    return text.rstrip("/")


def process_settings(database: str | None = None, **more: Any) -> Settings:
    """Reads the settings of this process; `more` are those that only the command line has."""
    return read_settings(os.environ, database=database)._replace(**more)
