"""The rows of a large feed, for the sidecar's database and for that of the baselines."""

import random
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from sidecar.clock import iso
from sidecar.paths import schema_dir
from sidecar.storage.migrations import open_database
from tests.bench.plain_tables import PlainTables

END: Final = datetime(2026, 11, 23, tzinfo=UTC)
YEARS: Final = 3


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


ENGLISH: Final = _words(
    "deploy review login payment timeout database sprint planning retro customer invoice export import sync error "
    "button page calendar token refresh queue worker release hotfix migration index filter thread report weekly"
)
WORDS: Final = (
    *ENGLISH,
    *_words("회의 배포 검토 로그인 결제 데이터베이스 스프린트 회고 고객 청구서 동기화 오류 일정"),
    *_words("会議 配備 確認 支払い 障害 設計 文書 顧客 請求書 同期 検索 要約 週報 部署 登录 错误"),
)
KINDS: Final = (
    *(("jira", f"jira-{at % 2}", f"issue_{what}") for at, what in enumerate(
        ("created", "updated", "transitioned", "commented", "worklogged", "assigned", "updated", "commented")
    )),
    *(("confluence", "confluence-0", f"page_{what}") for what in ("created", "edited", "commented")),
    *(("google_calendar", f"google-{at}", "event_scheduled") for at in range(2)),
    ("claude", "local", "run_completed"),
    ("claude", "local", "turn_completed"),
)  # fmt: skip
MILESTONES: Final = 20
"""Rows with a word that occurs nowhere else."""


COLUMNS: Final = (
    "event_id", "source", "account_id", "event_type", "title", "description", "url", "actor",
    "event_time", "event_ts", "created_at", "updated_at", "feed_key", "ended_ts", "issue_key",
)  # fmt: skip
PLAIN_COLUMNS: Final = COLUMNS[:-3]
"""Those of the old backend's table."""


def fill(path: Path, rows: int) -> None:
    """Creates a database with this number of events, spread evenly over the years; the next start builds its index."""
    with closing(open_database(path, schema_dir(), 0)) as connection:
        _insert(connection, rows, COLUMNS)


def fill_plain(path: Path, rows: int) -> None:
    """Creates a database of the baselines with the same events."""
    with closing(PlainTables(str(path)).connection) as connection:
        _insert(connection, rows, PLAIN_COLUMNS)


def _insert(connection: sqlite3.Connection, rows: int, columns: tuple[str, ...]) -> None:
    connection.execute("PRAGMA synchronous = OFF")
    connection.execute("BEGIN")
    connection.executemany(
        f"INSERT INTO activity_events ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})",
        (row[: len(columns)] for row in _rows(rows)),
    )
    connection.execute("COMMIT")


def _rows(count: int) -> Iterator[tuple[Any, ...]]:
    rng = random.Random(1)
    begin = END.timestamp() - YEARS * 365 * 86_400
    for number in range(count):
        ts = int(begin + number * YEARS * 365 * 86_400 / count)
        source, account_id, event_type = rng.choice(KINDS)
        key = f"PROJ-{rng.randrange(1, max(100, count // 5))}" if source == "jira" else None
        title = " ".join(rng.choices(WORDS, k=6))
        if number % (max(1, count // MILESTONES)) == 0:
            title += " milestone"
        description = " ".join(rng.choices(WORDS, k=20)) if rng.random() < 0.6 else None
        end = ts + 1_800 if source == "google_calendar" else None
        at = iso(ts * 1000)
        url = f"https://example.atlassian.net/browse/{key}"
        yield (
            f"{source}:{account_id}:{number}", source, account_id, event_type, title, description, url, "Ada",
            at, ts, at, at, ts * 1_024_000 + number % 1_000, end, key,
        )  # fmt: skip
