"""How the process ends: in good order within two seconds, and without taking anything acknowledged with it."""

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
from tests.process.raw_client import MODIFIED_SIDECAR, PATIENCE_S, RawClient, line

END_S = 30.0
"""The wire promises 2 s; this is enough on any machine, and less than a job or child that never ends would take."""
DYING = (sys.executable, str(Path(__file__).with_name("dying_host.py")))


@contextlib.contextmanager
def within(limit_s: float) -> Iterator[None]:
    """The block takes no longer than this."""
    started = time.monotonic()
    yield
    assert time.monotonic() - started < limit_s


def running(wire: RawClient, **payload: Any) -> str:
    """A job that hangs, once it does."""
    job_id: str = wire.call("jobs.create", type="test.hang", payload=payload)["job"]["job_id"]
    wire.until_job(job_id, "running")
    return job_id


def leave(wire: RawClient, how: str) -> None:
    if how == "eof":
        wire.close_stdin()
    else:
        wire.process.send_signal(signal.Signals[how])


def tattling(folder: Path) -> tuple[Path, Path]:
    """A `claude` that hangs in --version, and the file in which it says that it does, with its process id."""
    path, said = folder / "claude", folder / "claude's pid"
    path.write_text(
        f"#!{sys.executable} -S\nimport os, signal\nopen({str(said)!r} + '~', 'w').write(str(os.getpid()))\n"
        f"os.rename({str(said)!r} + '~', {str(said)!r})\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\nsignal.pause()\n"
    )
    path.chmod(0o700)
    return path, said


def when_there(path: Path) -> str:
    """What a file says, once another process has made it; nothing tells us when that is."""
    until = time.monotonic() + PATIENCE_S
    while not path.exists():
        assert time.monotonic() < until, f"{path} was not made"
        time.sleep(0.01)
    return path.read_text("utf-8")


@pytest.mark.parametrize("how", ["eof", "SIGTERM", "SIGINT", "SIGHUP"])
def test_every_end_interrupts_jobs_answers_requests_and_stops_children(
    raw_client: StartRawClient, tmp_path: Path, how: str
) -> None:
    claude, said = tattling(tmp_path)
    with raw_client(command=MODIFIED_SIDECAR, CLAUDE_PATH=str(claude)) as wire:
        wire.initialize()
        job_ids = {running(wire) for _ in range(3)}
        wire.send(line("system.diagnostics", "waits"))
        child = int(when_there(said))
        with within(END_S):
            leave(wire, how)
            messages = wire.remaining()
            assert wire.exit_code() == 0
        (answer,) = [message for message in messages if "id" in message]
        assert (answer["id"], answer["error"]["data"]["kind"]) == ("waits", "server_cancelled")
        ended = [message["params"]["job"] for message in messages if message.get("method") == "jobs.updated"]
        assert {job["job_id"] for job in ended if job["status"] == "interrupted"} == job_ids
        assert {job["error"]["kind"] for job in ended} == {"shutdown"}
        assert {"state": "draining"} in [message["params"] for message in messages if "method" in message]
        assert not psutil.pid_exists(child) or psutil.Process(child).status() == psutil.STATUS_ZOMBIE
    with raw_client(command=MODIFIED_SIDECAR) as wire:
        wire.initialize()
        assert {job["job_id"] for job in wire.call("jobs.list", status="interrupted")["jobs"]} == job_ids


@pytest.mark.parametrize("how", ["eof", "SIGTERM"])
def test_a_job_that_does_not_let_go_is_written_down_and_left_behind(raw_client: StartRawClient, how: str) -> None:
    with raw_client(command=MODIFIED_SIDECAR) as wire:
        wire.initialize()
        job_id = running(wire, hold_s=600)
        with within(END_S):
            leave(wire, how)
            assert wire.exit_code() == 0
    with raw_client(command=MODIFIED_SIDECAR) as wire:
        wire.initialize()
        assert wire.call("jobs.get", job_id=job_id)["status"] == "interrupted"


def test_a_copy_of_the_database_that_is_being_written_does_not_hold_up_the_end(
    raw_client: StartRawClient, data_dir: Path
) -> None:
    with raw_client() as wire:
        wire.initialize()
        wire.close_stdin()
        wire.exit_code()
    with contextlib.closing(sqlite3.connect(data_dir / "sidecar.db")) as database, database:
        row = ("jira", "a", "x", "t" * 300, "x", "x")
        database.executemany(
            "INSERT INTO activity_events (event_id, event_ts, source, account_id, event_type, title, created_at,"
            " updated_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            ((f"e-{number}", number, *row) for number in range(50_000)),
        )
    for how in ("SIGTERM", "eof", "SIGTERM"):
        with raw_client() as wire:
            wire.initialize()
            job_id = wire.call("jobs.create", type="maintenance.backup")["job"]["job_id"]
            wire.until_job(job_id, "running")
            with within(END_S):
                leave(wire, how)
                wire.remaining()
                assert wire.exit_code() == 0
            assert {entry["level"] for entry in wire.log()} <= {"info", "warning"}


def test_a_signal_in_the_middle_of_a_burst_leaves_whole_answers_and_a_quiet_log(raw_client: StartRawClient) -> None:
    with raw_client(command=MODIFIED_SIDECAR) as wire:
        wire.initialize()
        burst = [line("jobs.create", number, type="test.echo") for number in range(3_000)]
        wire.send(b"".join(burst[:1_500]))
        wire.next_answer()
        wire.process.send_signal(signal.SIGTERM)
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            wire.send(b"".join(burst[1_500:]))
        with contextlib.suppress(ConnectionResetError):  # what the host wrote last was never read
            answers = [message["id"] for message in wire.remaining() if "id" in message]
            assert answers == list(range(1, len(answers) + 1))  # none is left out up to where it stopped reading
        assert wire.exit_code() == 0
        assert {entry["level"] for entry in wire.log()} <= {"info", "warning"}


@pytest.mark.parametrize("how", ["eof", "SIGTERM"])
def test_an_idle_process_ends_at_once(raw_client: StartRawClient, how: str) -> None:
    with raw_client() as wire:
        wire.initialize()
        with within(END_S):
            leave(wire, how)
            assert wire.exit_code() == 0


def test_shutdown_drains_and_exit_ends(raw_client: StartRawClient, tmp_path: Path) -> None:
    claude, said = tattling(tmp_path)
    with raw_client(command=MODIFIED_SIDECAR, CLAUDE_PATH=str(claude)) as wire:
        wire.initialize()
        job_id = running(wire)
        wire.send(line("system.diagnostics", "waits"))
        when_there(said)
        with within(END_S):
            drained = wire.call("shutdown", deadline_ms=1_500)
        assert drained == {"drained": True, "cancelled_requests": 1, "interrupted_jobs": 1}
        assert wire.answer("waits")["error"]["data"]["kind"] == "server_cancelled"
        wire.until_job(job_id, "interrupted")
        for method in ("jobs.list", "jobs.create", "initialize", "events.replay"):
            refused = wire.call(method, **({"type": "test.echo"} if method == "jobs.create" else {}))
            assert refused["error"]["data"]["kind"] in ("shutting_down", "invalid_params")
        assert wire.call("jobs.list")["error"]["code"] == 5031
        assert wire.call("shutdown") == drained
        assert wire.call("system.health")["version"]
        with within(END_S):
            wire.send(line("exit"))
            assert wire.remaining() == []
            assert wire.exit_code() == 0


def test_exit_without_shutdown_drains_too(raw_client: StartRawClient) -> None:
    with raw_client(command=MODIFIED_SIDECAR) as wire:
        wire.initialize()
        job_id = running(wire)
        with within(END_S):
            assert wire.call("exit") is None
            assert wire.exit_code() == 0
        wire.until_job(job_id, "interrupted")
    with raw_client() as wire, within(END_S):
        wire.send(line("exit"))  # even before the handshake
        assert wire.exit_code() == 0


def test_a_shutdown_without_time_says_that_not_all_ended(raw_client: StartRawClient) -> None:
    with raw_client(command=MODIFIED_SIDECAR) as wire:
        wire.initialize()
        job_id = running(wire, hold_s=600)
        assert wire.call("shutdown", deadline_ms=0) == {
            "drained": False,
            "cancelled_requests": 0,
            "interrupted_jobs": 1,
        }
        wire.until_job(job_id, "interrupted")


def test_no_job_begins_once_shutdown_was_asked_for(raw_client: StartRawClient) -> None:
    with raw_client(command=MODIFIED_SIDECAR) as wire:
        wire.initialize()
        later = "2999-01-01T00:00:00Z"
        job_id = wire.call("jobs.create", type="test.echo", run_at=later)["job"]["job_id"]
        wire.close_stdin()
        wire.exit_code()
    with contextlib.closing(sqlite3.connect(wire.data_dir / "sidecar.db")) as database, database:
        database.execute("UPDATE jobs SET run_at = NULL")
    with raw_client(command=MODIFIED_SIDECAR) as wire:
        wire.send(line("initialize", 1, protocol_version=1, client_info={"name": "t", "version": "1"}))
        wire.send(line("shutdown", 2))
        assert wire.answer(2)["result"] == {"drained": True, "cancelled_requests": 0, "interrupted_jobs": 0}
        assert wire.process.poll() is None
        with pytest.raises(AssertionError, match="nothing came in time"):
            wire.until_job(job_id, "running", patience_s=0.5)
        wire.send(line("exit"))
        assert wire.exit_code() == 0


@pytest.mark.parametrize("how", ["", "early", "wrapped"])
def test_a_killed_host_leaves_no_sidecar_though_a_sibling_holds_the_pipe(data_dir: Path, how: str) -> None:
    dying = subprocess.Popen([*DYING, str(data_dir), how], stdout=subprocess.PIPE, text=True)
    assert dying.stdout is not None
    with dying, contextlib.ExitStack() as cleaning:
        pids = [int(text) for text in dying.stdout.readline().split()]
        processes = [psutil.Process(pid) for pid in dict.fromkeys(pids)]
        for process in processes[1:]:
            cleaning.callback(_kill, process)
        assert processes[0].is_running()
        if how == "early":
            when_there(data_dir / "waiting")
        dying.kill()
        assert psutil.wait_procs(processes[:1], timeout=PATIENCE_S)[1] == []
        assert processes[1].is_running(), "the sibling was to outlive the sidecar"
    assert "ending with exit code 75" in (data_dir / "logs" / "sidecar.log").read_text("utf-8")


def _kill(process: psutil.Process) -> None:
    with contextlib.suppress(psutil.NoSuchProcess):
        process.kill()


@pytest.mark.parametrize(
    ("arguments", "environment"),
    [(["serve", "--nope"], {}), ([], {"RUN_ENV": "staging"}), ([], {"CLAUDE_CONCURRENCY": "0"})],
)
def test_wrong_use_ends_with_2_and_says_why(
    raw_client: StartRawClient, arguments: list[str], environment: dict[str, str]
) -> None:
    with raw_client(*arguments, **environment) as wire:
        assert wire.remaining() == []
        assert wire.exit_code() == 2
        said = wire.errors.read_text("utf-8")
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
        assert third.initialize()["server_info"]["pid"] == third.process.pid  # a killed one leaves no lock


def test_of_several_that_start_at_once_one_serves(raw_client: StartRawClient) -> None:
    with contextlib.ExitStack() as stack:
        wires = [stack.enter_context(raw_client()) for _ in range(4)]
        for wire in wires:
            wire.send(line("system.health", 1))
        answered = [bool(wire.receive()) for wire in wires]
        assert answered.count(True) == 1
        assert [wire.exit_code() for wire, serves in zip(wires, answered, strict=True) if not serves] == [73] * 3


def test_a_file_that_is_no_database_ends_with_74_and_stays_as_it_is(raw_client: StartRawClient, data_dir: Path) -> None:
    data_dir.mkdir()
    path = data_dir / "sidecar.db"
    path.write_bytes(b"Dear diary, " * 1_000)
    with raw_client() as wire:
        assert wire.remaining() == []
        assert wire.exit_code() == 74
        assert "is not a SQLite database" in wire.errors.read_text("utf-8")
    assert path.read_bytes() == b"Dear diary, " * 1_000


def test_a_folder_that_cannot_be_made_ends_with_74(raw_client: StartRawClient, data_dir: Path) -> None:
    data_dir.write_text("a file where the folder should be")
    with raw_client() as wire:
        assert wire.remaining() == []
        assert wire.exit_code() == 74
        assert str(data_dir) in wire.errors.read_text("utf-8")


def test_a_newer_database_ends_with_78(raw_client: StartRawClient, data_dir: Path) -> None:
    with raw_client() as wire:
        wire.initialize()
        wire.close_stdin()
        wire.exit_code()
    path = data_dir / "sidecar.db"
    with contextlib.closing(sqlite3.connect(path)) as database, database:
        database.execute(
            "INSERT INTO schema_migrations (migration_set, name, applied_at) VALUES ('sidecar', '9999_future', '2999')"
        )
    before = path.read_bytes()
    with raw_client() as wire:
        assert wire.remaining() == []
        assert wire.exit_code() == 78
        assert "9999_future" in wire.errors.read_text("utf-8")
    assert path.read_bytes() == before
    assert not path.with_name("sidecar.db-wal").exists()


@pytest.mark.parametrize("acknowledged", [1, 40, 700])
def test_what_was_acknowledged_survives_a_kill(raw_client: StartRawClient, acknowledged: int) -> None:
    """Bursts of creates, killed as soon as so many are acknowledged, in the middle of the rest."""
    with raw_client(command=MODIFIED_SIDECAR) as wire:
        wire.initialize()
        for start in range(0, 1_500, 300):
            wire.send(b"".join(line("jobs.create", start + n, type="test.echo") for n in range(300)))
        known = [wire.next_answer()["result"]["job"]["job_id"] for _ in range(acknowledged)]
        os.kill(wire.process.pid, signal.SIGKILL)
        wire.exit_code()
    with raw_client(command=MODIFIED_SIDECAR) as wire:
        wire.initialize()
        for job_id in known:
            assert wire.call("jobs.get", job_id=job_id)["job_id"] == job_id


def test_what_a_dead_process_left_running_is_settled_before_anything_begins(raw_client: StartRawClient) -> None:
    with raw_client(command=MODIFIED_SIDECAR) as wire:
        wire.initialize()
        job_ids = [running(wire) for _ in range(8)]  # as many as run at a time: the others wait
        stubborn = wire.call("jobs.list", status="running", limit=1)["jobs"][0]["job_id"]
        waiting = wire.call("jobs.create", type="test.echo", priority=100)["job"]["job_id"]
        with contextlib.closing(sqlite3.connect(wire.data_dir / "sidecar.db")) as database, database:
            database.execute("UPDATE jobs SET cancel_requested_at = 'now' WHERE job_id = ?", (stubborn,))
        wire.process.kill()
        wire.exit_code()
    with raw_client(command=MODIFIED_SIDECAR) as wire:
        window = wire.initialize()["events"]
        wire.until_job(waiting, "succeeded")
        page = wire.call("events.replay", after_seq=window["latest_seq"], limit=1_000)
        told = [event["params"]["job"] for event in page["events"] if event["method"] == "jobs.updated"]
        assert {job["job_id"]: job["status"] for job in told[:8]} == {
            **dict.fromkeys(job_ids, "interrupted"),
            stubborn: "cancelled",
        }
        assert [job["status"] for job in told[8:]] == ["running", "succeeded"]
        crashed = next(job for job in told if job["status"] == "interrupted")["error"]
        assert (crashed["kind"], crashed["retryable"]) == ("crash", True)
