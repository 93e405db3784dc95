"""How the process ends: cleanly within two seconds, and without losing acknowledged work."""

import contextlib
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.conftest import StartRawClient
from tests.process.raw_client import (
    MODIFIED_SIDECAR,
    PATIENCE_S,
    RawClient,
    is_running,
    line,
    wait_for_file,
    wait_until,
)

END_S = 30.0
"""The protocol promises 2 s; this is enough on any machine, and less than a job or child that never ends would take."""
DYING = (sys.executable, str(Path(__file__).with_name("dying_host.py")))


@contextlib.contextmanager
def within(limit_s: float) -> Iterator[None]:
    """Asserts that the block takes at most `limit_s` seconds."""
    started = time.monotonic()
    yield
    assert time.monotonic() - started < limit_s


def running(client: RawClient, **payload: Any) -> str:
    """Starts a job that hangs and returns its id once it runs."""
    job_id: str = client.call("jobs.create", type="test.hang", payload=payload)["job"]["job_id"]
    client.until_job(job_id, "running")
    return job_id


def end(client: RawClient, how: str) -> None:
    if how == "eof":
        client.close_stdin()
    else:
        client.process.send_signal(signal.Signals[how])


def hanging_claude(folder: Path) -> tuple[Path, Path]:
    """Returns a `claude` that hangs in --version, and the file to which it then writes its process id."""
    path, pid_file = folder / "claude", folder / "claude's pid"
    path.write_text(
        f"#!{sys.executable} -S\nimport os, signal\nopen({str(pid_file)!r} + '~', 'w').write(str(os.getpid()))\n"
        f"os.rename({str(pid_file)!r} + '~', {str(pid_file)!r})\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\nsignal.pause()\n"
    )
    path.chmod(0o700)
    return path, pid_file


@pytest.mark.parametrize("how", ["eof", "SIGTERM", "SIGINT", "SIGHUP"])
def test_every_kind_of_end_interrupts_jobs_answers_requests_and_stops_child_processes(
    raw_client: StartRawClient, tmp_path: Path, how: str
) -> None:
    claude, pid_file = hanging_claude(tmp_path)
    with raw_client(command=MODIFIED_SIDECAR, CLAUDE_PATH=str(claude)) as client:
        client.initialize()
        job_ids = {running(client) for _ in range(3)}
        client.send(line("system.diagnostics", "waits"))
        child = int(wait_for_file(pid_file))
        with within(END_S):
            end(client, how)
            messages = client.remaining()
            assert client.exit_code() == 0
        (answer,) = [message for message in messages if "id" in message]
        assert (answer["id"], answer["error"]["data"]["kind"]) == ("waits", "server_cancelled")
        ended = [message["params"]["job"] for message in messages if message.get("method") == "jobs.updated"]
        assert {job["job_id"] for job in ended if job["status"] == "interrupted"} == job_ids
        assert {job["error"]["kind"] for job in ended} == {"shutdown"}
        assert {"state": "draining"} in [message["params"] for message in messages if "method" in message]
        wait_until(lambda: not is_running(child))
    with raw_client(command=MODIFIED_SIDECAR) as client:
        client.initialize()
        assert {job["job_id"] for job in client.call("jobs.list", status="interrupted")["jobs"]} == job_ids


@pytest.mark.parametrize("how", ["eof", "SIGTERM"])
def test_a_job_that_ignores_cancellation_is_stored_as_interrupted(raw_client: StartRawClient, how: str) -> None:
    with raw_client(command=MODIFIED_SIDECAR) as client:
        client.initialize()
        job_id = running(client, hold_s=600)
        with within(END_S):
            end(client, how)
            assert client.exit_code() == 0
    with raw_client(command=MODIFIED_SIDECAR) as client:
        client.initialize()
        assert client.call("jobs.get", job_id=job_id)["status"] == "interrupted"


def test_a_running_backup_does_not_delay_the_end(raw_client: StartRawClient, data_dir: Path) -> None:
    with raw_client() as client:
        client.initialize()
        client.close_stdin()
        client.exit_code()
    with contextlib.closing(sqlite3.connect(data_dir / "sidecar.db")) as database, database:
        database.create_function("folded", 1, str, deterministic=True)  # which the search index calls
        row = ("jira", "a", "x", "t" * 300, "x", "x")
        database.executemany(
            "INSERT INTO activity_events (event_id, event_ts, source, account_id, event_type, title, created_at,"
            " updated_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            ((f"e-{number}", number, *row) for number in range(50_000)),
        )
    for how in ("SIGTERM", "eof", "SIGTERM"):
        with raw_client() as client:
            client.initialize()
            job_id = client.call("jobs.create", type="maintenance.backup")["job"]["job_id"]
            client.until_job(job_id, "running")
            with within(END_S):
                end(client, how)
                client.remaining()
                assert client.exit_code() == 0
            assert {entry["level"] for entry in client.log()} <= {"info", "warning"}


def test_a_signal_during_a_burst_leaves_whole_responses_and_no_errors_in_the_log(raw_client: StartRawClient) -> None:
    with raw_client(command=MODIFIED_SIDECAR) as client:
        client.initialize()
        burst = [line("jobs.create", number, type="test.echo") for number in range(3_000)]
        client.send(b"".join(burst[:1_500]))
        client.next_answer()
        client.process.send_signal(signal.SIGTERM)
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            client.send(b"".join(burst[1_500:]))
        with contextlib.suppress(ConnectionResetError):  # the last lines were never read
            answers = [message["id"] for message in client.remaining() if "id" in message]
            assert answers == list(range(1, len(answers) + 1))  # no gap up to where it stopped reading
        assert client.exit_code() == 0
        assert {entry["level"] for entry in client.log()} <= {"info", "warning"}


@pytest.mark.parametrize("how", ["eof", "SIGTERM"])
def test_an_idle_process_ends_at_once(raw_client: StartRawClient, how: str) -> None:
    with raw_client() as client:
        client.initialize()
        with within(END_S):
            end(client, how)
            assert client.exit_code() == 0


def test_shutdown_drains_and_exit_ends(raw_client: StartRawClient, tmp_path: Path) -> None:
    claude, pid_file = hanging_claude(tmp_path)
    with raw_client(command=MODIFIED_SIDECAR, CLAUDE_PATH=str(claude)) as client:
        client.initialize()
        job_id = running(client)
        client.send(line("system.diagnostics", "waits"))
        wait_for_file(pid_file)
        with within(END_S):
            drained = client.call("shutdown", deadline_ms=60_000)
        assert drained == {"drained": True, "cancelled_requests": 1, "interrupted_jobs": 1}
        assert client.answer("waits")["error"]["data"]["kind"] == "server_cancelled"
        client.until_job(job_id, "interrupted")
        for method in ("jobs.list", "jobs.create", "initialize", "events.replay"):
            refused = client.call(method, **({"type": "test.echo"} if method == "jobs.create" else {}))
            assert refused["error"]["data"]["kind"] in ("shutting_down", "invalid_params")
        assert client.call("jobs.list")["error"]["code"] == 5031
        assert client.call("shutdown") == drained
        assert client.call("system.health")["version"]
        with within(END_S):
            client.send(line("exit"))
            assert client.remaining() == []
            assert client.exit_code() == 0


def test_exit_without_shutdown_also_drains(raw_client: StartRawClient) -> None:
    with raw_client(command=MODIFIED_SIDECAR) as client:
        client.initialize()
        job_id = running(client)
        with within(END_S):
            assert client.call("exit") is None
            assert client.exit_code() == 0
        client.until_job(job_id, "interrupted")
    with raw_client() as client, within(END_S):
        client.send(line("exit"))  # even before the handshake
        assert client.exit_code() == 0


def test_a_shutdown_with_deadline_zero_reports_that_not_everything_ended(raw_client: StartRawClient) -> None:
    with raw_client(command=MODIFIED_SIDECAR) as client:
        client.initialize()
        job_id = running(client, hold_s=600)
        assert client.call("shutdown", deadline_ms=0) == {
            "drained": False,
            "cancelled_requests": 0,
            "interrupted_jobs": 1,
        }
        client.until_job(job_id, "interrupted")


def test_no_job_starts_after_shutdown_was_called(raw_client: StartRawClient) -> None:
    with raw_client(command=MODIFIED_SIDECAR) as client:
        client.initialize()
        later = "2999-01-01T00:00:00Z"
        job_id = client.call("jobs.create", type="test.echo", run_at=later)["job"]["job_id"]
        client.close_stdin()
        client.exit_code()
    with contextlib.closing(sqlite3.connect(client.data_dir / "sidecar.db")) as database, database:
        database.execute("UPDATE jobs SET run_at = NULL")
    with raw_client(command=MODIFIED_SIDECAR) as client:
        client.send(line("initialize", 1, protocol_version=1, client_info={"name": "t", "version": "1"}))
        client.send(line("shutdown", 2))
        assert client.answer(2)["result"] == {"drained": True, "cancelled_requests": 0, "interrupted_jobs": 0}
        assert client.process.poll() is None
        with pytest.raises(AssertionError, match="nothing was received in time"):
            client.until_job(job_id, "running", patience_s=0.5)
        client.send(line("exit"))
        assert client.exit_code() == 0


@pytest.mark.parametrize("how", ["", "early", "wrapped"])
def test_the_sidecar_ends_with_a_killed_host_though_another_process_holds_the_pipe(data_dir: Path, how: str) -> None:
    dying = subprocess.Popen([*DYING, str(data_dir), how], stdout=subprocess.PIPE, text=True)
    assert dying.stdout is not None
    with dying, contextlib.ExitStack() as cleaning:
        pids = [int(text) for text in dying.stdout.readline().split()]
        processes = [psutil.Process(pid) for pid in dict.fromkeys(pids)]
        for process in processes[1:]:
            cleaning.callback(_kill, process)
        assert processes[0].is_running()
        if how == "early":
            wait_for_file(data_dir / "waiting")
        dying.kill()
        assert psutil.wait_procs(processes[:1], timeout=PATIENCE_S)[1] == []
        assert processes[1].is_running(), "the other process should outlive the sidecar"
    assert "ending with exit code 75" in (data_dir / "logs" / "sidecar.log").read_text("utf-8")


def _kill(process: psutil.Process) -> None:
    with contextlib.suppress(psutil.NoSuchProcess):
        process.kill()


@pytest.mark.parametrize(
    ("arguments", "environment"),
    [(["serve", "--nope"], {}), ([], {"RUN_ENV": "staging"}), ([], {"CLAUDE_CONCURRENCY": "0"})],
)
def test_invalid_options_and_settings_end_with_2_and_are_named(
    raw_client: StartRawClient, arguments: list[str], environment: dict[str, str]
) -> None:
    with raw_client(*arguments, **environment) as client:
        assert client.remaining() == []
        assert client.exit_code() == 2
        said = client.errors.read_text("utf-8")
        assert all(name in said for name in (*arguments[1:], *environment))


def test_a_second_instance_ends_with_73_and_names_the_first(raw_client: StartRawClient) -> None:
    with raw_client() as first:
        first.initialize()
        with raw_client() as second:
            assert second.remaining() == []
            assert second.exit_code() == 73
            assert f"process {first.process.pid}" in second.errors.read_text("utf-8")
        assert first.call("jobs.list")["jobs"] == []
    with raw_client() as third:
        assert third.initialize()["server_info"]["pid"] == third.process.pid  # a killed process leaves no lock


def test_of_several_processes_that_start_at_once_one_serves(raw_client: StartRawClient) -> None:
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(raw_client()) for _ in range(4)]
        for client in clients:
            client.send(line("system.health", 1))
        answered = [bool(client.receive()) for client in clients]
        assert answered.count(True) == 1
        assert [client.exit_code() for client, serves in zip(clients, answered, strict=True) if not serves] == [73] * 3


def test_a_file_that_is_not_a_database_ends_with_74_and_is_not_changed(
    raw_client: StartRawClient, data_dir: Path
) -> None:
    data_dir.mkdir()
    path = data_dir / "sidecar.db"
    path.write_bytes(b"Dear diary, " * 1_000)
    with raw_client() as client:
        assert client.remaining() == []
        assert client.exit_code() == 74
        assert "is not a SQLite database" in client.errors.read_text("utf-8")
    assert path.read_bytes() == b"Dear diary, " * 1_000


def test_a_folder_that_cannot_be_created_ends_with_74(raw_client: StartRawClient, data_dir: Path) -> None:
    data_dir.write_text("a file where the folder should be")
    with raw_client() as client:
        assert client.remaining() == []
        assert client.exit_code() == 74
        assert str(data_dir) in client.errors.read_text("utf-8")


def test_a_newer_database_ends_with_78(raw_client: StartRawClient, data_dir: Path) -> None:
    with raw_client() as client:
        client.initialize()
        client.close_stdin()
        client.exit_code()
    path = data_dir / "sidecar.db"
    with contextlib.closing(sqlite3.connect(path)) as database, database:
        database.execute(
            "INSERT INTO schema_migrations (migration_set, name, applied_at) VALUES ('sidecar', '9999_future', '2999')"
        )
    before = path.read_bytes()
    with raw_client() as client:
        assert client.remaining() == []
        assert client.exit_code() == 78
        assert "9999_future" in client.errors.read_text("utf-8")
    assert path.read_bytes() == before
    assert not path.with_name("sidecar.db-wal").exists()


@pytest.mark.parametrize("acknowledged", [1, 40, 700])
def test_acknowledged_jobs_survive_a_kill(raw_client: StartRawClient, acknowledged: int) -> None:
    """Kills the process once `acknowledged` jobs are acknowledged, while others are still being created."""
    with raw_client(command=MODIFIED_SIDECAR) as client:
        client.initialize()
        for start in range(0, 1_500, 300):
            client.send(b"".join(line("jobs.create", start + n, type="test.echo") for n in range(300)))
        known = [client.next_answer()["result"]["job"]["job_id"] for _ in range(acknowledged)]
        os.kill(client.process.pid, signal.SIGKILL)
        client.exit_code()
    with raw_client(command=MODIFIED_SIDECAR) as client:
        client.initialize()
        for job_id in known:
            assert client.call("jobs.get", job_id=job_id)["job_id"] == job_id


def test_jobs_that_a_killed_process_left_running_are_resolved_before_new_ones_start(raw_client: StartRawClient) -> None:
    with raw_client(command=MODIFIED_SIDECAR) as client:
        client.initialize()
        job_ids = [running(client) for _ in range(8)]  # the concurrency limit; the next ones wait
        stubborn = client.call("jobs.list", status="running", limit=1)["jobs"][0]["job_id"]
        waiting = client.call("jobs.create", type="test.echo", priority=100)["job"]["job_id"]
        with contextlib.closing(sqlite3.connect(client.data_dir / "sidecar.db")) as database, database:
            database.execute("UPDATE jobs SET cancel_requested_at = 'now' WHERE job_id = ?", (stubborn,))
        client.process.kill()
        client.exit_code()
    with raw_client(command=MODIFIED_SIDECAR) as client:
        window = client.initialize()["events"]
        client.until_job(waiting, "succeeded")
        page = client.call("events.replay", after_seq=window["latest_seq"], limit=1_000)
        told = [event["params"]["job"] for event in page["events"] if event["method"] == "jobs.updated"]
        assert {job["job_id"]: job["status"] for job in told[:8]} == {
            **dict.fromkeys(job_ids, "interrupted"),
            stubborn: "cancelled",
        }
        assert [job["status"] for job in told[8:]] == ["running", "succeeded"]
        crashed = next(job for job in told if job["status"] == "interrupted")["error"]
        assert (crashed["kind"], crashed["retryable"]) == ("crash", True)
