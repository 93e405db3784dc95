"""Repairs what a killed process has left of Claude at the next start, however long the disk cannot be written."""

from collections.abc import Sequence
from pathlib import Path

import anyio.lowlevel
import pytest
from sidecar_protocol.claude.sessions import SessionStatus

from sidecar.claude import crash_recovery
from sidecar.claude.crash_recovery import CrashRecovery
from sidecar.claude.process.environment import DATABASE_ENV
from tests.claude.turn_harness import TurnHarness, turn_harness

FAILURES = 3


def let_commits_fail(harness: TurnHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets the first commits of a repair fail: COMMIT checks a deferred foreign key."""
    left, repair = list(range(FAILURES)), harness.sessions.recover
    with harness.database.write():
        harness.database.execute("CREATE TABLE parents (id INTEGER PRIMARY KEY)")
        harness.database.execute(
            "CREATE TABLE children (parent INTEGER REFERENCES parents DEFERRABLE INITIALLY DEFERRED)"
        )

    def repair_and_fail(waiting: Sequence[str]) -> None:
        repair(waiting)
        if left:
            left.pop()
            with harness.database.write():
                harness.database.execute("INSERT INTO children VALUES (1)")

    monkeypatch.setattr(harness.sessions, "recover", repair_and_fail)


async def test_sessions_are_repaired_again_until_the_disk_can_be_written(
    standin: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crash_recovery, "RETRIES_S", (0.001,))
    async with turn_harness(standin, tmp_path, environment={DATABASE_ENV: str(tmp_path)}) as harness:
        session_id = harness.create_session().session_id
        harness.sessions.set_status(session_id, SessionStatus.RUNNING)
        let_commits_fail(harness, monkeypatch)
        await harness.runtime.committed()
        turns = harness.handler
        recovery = CrashRecovery(
            harness.runtime,
            turns.launcher,
            harness.sessions,
            harness.permissions,
            turns.limit_waits,
            turns.prompts.attachments,
        )
        await recovery.recover()
        await anyio.lowlevel.checkpoint()
        await anyio.lowlevel.checkpoint()  # a commit that was left to a later iteration would undo it
        assert harness.session(session_id).status is SessionStatus.INTERRUPTED
