"""A disk that is full for one file of state after the other: a clear error, and the next start finds everything."""

import contextlib
import sqlite3
import subprocess
import sys
from base64 import b64encode
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sidecar.storage.secrets import KEY_FILE
from tests.conftest import StartRawClient
from tests.old_backend import fill, old_database
from tests.preload import preload
from tests.process.raw_client import Message, RawClient, wait_until

KEY = b64encode(bytes(range(32))).decode()
GOOGLE = {"GOOGLE_CLIENT_ID": "id", "GOOGLE_CLIENT_SECRET": "secret"}


FullDisk = Callable[..., dict[str, str]]


@pytest.fixture
def full_disk(data_dir: Path) -> FullDisk:
    """Returns the environment in which files of a name cannot grow beyond `size`, while `flag` exists if given."""

    def environment(name: str, size: int = 0, flag: Path | None = None) -> dict[str, str]:
        which = {"FULL_DISK_FOLDER": f"{data_dir}/", "FULL_DISK_FILE": name, "FULL_DISK_BYTES": str(size)}
        return {**preload("full_disk"), **which, **({} if flag is None else {"FULL_DISK_FLAG": str(flag)})}

    return environment


def seal_something(client: RawClient) -> Message:
    """Begins a sign-in, whose verifier is stored encrypted; returns the result, or the error's data."""
    answer = client.call("calendar.oauth.google.start", redirect_uri="http://127.0.0.1:5000")
    return answer["error"]["data"] if "error" in answer else answer


def reason(data: Message) -> tuple[str, str]:
    return data["kind"], data["details"][0]["reason"]


def check(client: RawClient, name: str) -> Message:
    return next(one for one in client.call("system.health")["checks"] if one["name"] == name)


@pytest.mark.parametrize("size", [0, 10, 43])
def test_a_full_disk_while_the_key_is_made_says_so_and_leaves_nothing(
    raw_client: StartRawClient, full_disk: FullDisk, size: int
) -> None:
    with raw_client(**GOOGLE, **full_disk(f"{KEY_FILE}.part", size)) as client:
        assert client.initialize()["secrets"] == "unprotected"
        for _ in range(2):
            assert reason(seal_something(client)) == ("storage", "disk_full")
        assert [path.name for path in client.data_dir.glob("sidecar.key*")] == []
    with raw_client(**GOOGLE) as client:
        assert client.initialize()["secrets"] == "unprotected"
        assert "state" in seal_something(client)
    with raw_client(**GOOGLE) as client:
        assert client.initialize()["secrets"] == "unprotected"


@pytest.mark.parametrize("content", [b"", b"c2hvcnQ=", b"not base64!", b64encode(bytes(33)), None])
def test_a_damaged_key_file_is_locked_says_what_to_do_and_the_hosts_key_works(
    raw_client: StartRawClient, content: bytes | None
) -> None:
    with raw_client(**GOOGLE) as client:
        client.initialize(secrets={"key": KEY})
        assert "state" in seal_something(client)
    path = client.data_dir / KEY_FILE
    path.mkdir() if content is None else path.write_bytes(content)
    with raw_client(**GOOGLE) as client:
        assert client.initialize()["secrets"] == "locked"
        refused = seal_something(client)
        assert refused["kind"] == "secrets_locked"
        assert str(path) in refused["hint"]
        health = check(client, "secrets")
        assert (health["status"], health["detail"]) == ("degraded", refused["hint"])
    with raw_client(**GOOGLE) as client:
        assert client.initialize(secrets={"key": KEY})["secrets"] == "protected"
        assert "state" in seal_something(client)
        assert check(client, "secrets")["status"] == "ok"
    assert path.exists()  # it may be repaired


@pytest.mark.parametrize("decorate", [b"\xef\xbb\xbf%s\r\n", b"%s\n", b"  %s \r\n\r\n"])
def test_a_byte_order_mark_and_line_ends_in_the_key_file_do_not_matter(
    raw_client: StartRawClient, decorate: bytes
) -> None:
    with raw_client(**GOOGLE) as client:
        client.initialize()
        assert "state" in seal_something(client)
    path = client.data_dir / KEY_FILE
    path.write_bytes(decorate % path.read_bytes())
    with raw_client(**GOOGLE) as client:
        assert client.initialize()["secrets"] == "unprotected"
        assert "state" in seal_something(client)


def create(client: RawClient) -> Message:
    """Creates a job for later; returns it, or the error's data."""
    answer = client.call("jobs.create", type="maintenance.prune", run_at="2999-01-01T00:00:00Z")
    return answer["error"]["data"] if "error" in answer else answer["job"]


def stored(client: RawClient) -> set[str]:
    return {job["job_id"] for job in client.call("jobs.list", limit=200)["jobs"]}


def refusal(client: RawClient) -> str:
    """Returns the line on stderr of a start that ends with 74."""
    assert client.exit_code() == 74
    (line,) = [text for text in client.errors.read_text("utf-8").splitlines() if not text.startswith("{")]
    return line


@pytest.fixture
def known(raw_client: StartRawClient) -> str:
    """A database with a job; returns the job's id."""
    with raw_client() as client:
        client.initialize()
        job = create(client)["job_id"]
        client.close_stdin()
        assert client.exit_code() == 0
    return str(job)


@pytest.mark.parametrize("name", ["sidecar.db", "sidecar.db-wal", "sidecar.db-shm", ""])
def test_a_full_disk_at_the_first_start_is_named_and_the_next_start_succeeds(
    raw_client: StartRawClient, full_disk: FullDisk, name: str
) -> None:
    with raw_client(**full_disk(name)) as client:
        assert "is full" in refusal(client)
    with raw_client() as client:
        client.initialize()
        assert create(client)["status"] == "queued"


@pytest.mark.parametrize("name", ["sidecar.db", "sidecar.db-shm", "sidecar.db-wal", ".lock", ".log", ""])
def test_a_full_disk_at_a_later_start_is_named_or_served_and_nothing_is_lost(
    raw_client: StartRawClient, full_disk: FullDisk, known: str, name: str
) -> None:
    with raw_client(**full_disk(name)) as client:
        if name in ("sidecar.db-shm", ""):
            assert "is full" in refusal(client)
        else:
            client.initialize()
            assert stored(client) == {known}
    with raw_client() as client:
        client.initialize()
        assert stored(client) >= {known}


@pytest.mark.parametrize("name", ["sidecar.db-wal", "sidecar.db", "sidecar.log", ""])
def test_a_disk_that_fills_up_refuses_what_it_cannot_store_and_serves_again_when_there_is_space(
    raw_client: StartRawClient, full_disk: FullDisk, tmp_path: Path, name: str
) -> None:
    flag = tmp_path / "full"
    with raw_client(**full_disk(name, flag=flag)) as client:
        client.initialize()
        acknowledged = {create(client)["job_id"]}
        flag.touch()
        for _ in range(30):
            answer = create(client)
            if "job_id" in answer:
                acknowledged.add(answer["job_id"])
            else:
                assert reason(answer) == ("storage", "disk_full")
        assert stored(client) == acknowledged
        flag.unlink()
        acknowledged.add(create(client)["job_id"])
        client.process.kill()
        client.exit_code()
    with raw_client() as client:
        client.initialize()
        assert stored(client) == acknowledged


def test_a_backup_on_a_full_disk_fails_and_leaves_the_others(
    raw_client: StartRawClient, full_disk: FullDisk, tmp_path: Path
) -> None:
    flag = tmp_path / "full"
    with raw_client(**full_disk(".db.part", 8_192, flag)) as client:
        client.initialize()
        job = client.call("jobs.create", type="maintenance.backup")["job"]
        kept = Path(client.until_job(job["job_id"], "succeeded")["result"]["path"])
        flag.touch()
        job = client.call("jobs.create", type="maintenance.backup")["job"]
        client.until_job(job["job_id"], "running")
        client.call("jobs.queue.pause")  # otherwise the next try could begin before this has looked
        wait_until(lambda: client.call("jobs.get", job_id=job["job_id"])["status"] == "queued")
        assert [path.name for path in kept.parent.iterdir()] == [kept.name]
        flag.unlink()
        client.call("jobs.queue.resume")
        done = client.until_job(job["job_id"], "succeeded")
        assert {path.name for path in kept.parent.iterdir()} == {kept.name, Path(done["result"]["path"]).name}


def rows(folder: Path) -> list[Message]:
    """Returns the schema and the jobs of a database."""
    with contextlib.closing(sqlite3.connect(folder / "sidecar.db")) as connection:
        schema = connection.execute("SELECT name, sql FROM sqlite_schema ORDER BY name").fetchall()
        return schema + connection.execute("SELECT * FROM jobs").fetchall()


def test_a_migration_on_a_full_disk_begins_nothing(
    raw_client: StartRawClient, full_disk: FullDisk, data_dir: Path
) -> None:
    data_dir.mkdir()
    with old_database(data_dir) as connection:
        fill(connection)
    before = rows(data_dir)
    with raw_client(**full_disk(".db.part", 4_096)) as client:
        assert "is full" in refusal(client)
    with contextlib.closing(sqlite3.connect(data_dir / "sidecar.db")) as connection:
        assert connection.execute("SELECT count(*) FROM sqlite_schema WHERE name = 'schema_migrations'").fetchone() == (
            0,
        )
    assert len(before) > 0
    assert list((data_dir / "backups").iterdir()) == []
    with raw_client() as client:
        client.initialize()
        assert stored(client)


def test_a_migration_that_fills_the_disk_is_undone(
    raw_client: StartRawClient, full_disk: FullDisk, data_dir: Path
) -> None:
    data_dir.mkdir()
    with old_database(data_dir) as connection:
        fill(connection)
    before = rows(data_dir)
    with raw_client(**full_disk("sidecar.db-wal", 30_000)) as client:
        assert "is full" in refusal(client)
    (backup,) = (data_dir / "backups").iterdir()
    assert backup.name.startswith("sidecar-before-0001_initial-")
    assert before
    with raw_client() as client:
        client.initialize()
        assert stored(client)


def test_a_restore_on_a_full_disk_changes_nothing(
    raw_client: StartRawClient, full_disk: FullDisk, tmp_path: Path
) -> None:
    flag = tmp_path / "full"
    with raw_client(**full_disk(".part", 8_192, flag)) as client:
        client.initialize()
        create(client)
        job = client.call("jobs.create", type="maintenance.backup")["job"]
        backup = Path(client.until_job(job["job_id"], "succeeded")["result"]["path"])
        flag.touch()
        answer = client.call("system.backups.restore", name=backup.name)
        assert reason(answer["error"]["data"]) == ("storage", "disk_full")
        assert [path for path in client.data_dir.iterdir() if "restore" in path.name] == []
        assert client.call("system.health")["version"]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A real file system of 2 MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder)]
    if sys.platform != "linux" or subprocess.run(command, capture_output=True, check=False).returncode != 0:
        pytest.skip("mounting a small file system needs Linux and root")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_real_disk_that_is_full_is_named_and_serves_again_when_there_is_space(small_disk: Path) -> None:
    folder, filler = small_disk, small_disk / "filler"

    def fill_up() -> None:
        with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
            while file.write(bytes(4_096)):
                pass

    with RawClient(folder) as client:
        client.initialize()
        known = create(client)["job_id"]
        client.close_stdin()
        assert client.exit_code() == 0
    fill_up()
    with RawClient(folder) as client:
        assert "is full" in refusal(client)
    filler.unlink()
    with RawClient(folder) as client:
        client.initialize()
        assert stored(client) == {known}
        fill_up()
        while "job_id" in (answer := create(client)):
            known = answer["job_id"]
        assert reason(answer) == ("storage", "disk_full")
        filler.unlink()
        assert known in stored(client)
        assert "job_id" in create(client)
