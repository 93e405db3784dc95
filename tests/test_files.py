"""Files that a user asks for: never over the sidecar's data or an existing file, and complete or absent."""

import contextlib
import errno
import threading
from functools import partial
from pathlib import Path

import anyio
import anyio.lowlevel
import anyio.to_thread
import pytest

from sidecar.files import LOOK_S, MAX_BLOCKED, TimedThreads, UserFiles
from sidecar.job_handler import JobFailed
from tests.conftest import StartRawClient
from tests.in_process_app import let_time_pass


@pytest.fixture
def files(data_dir: Path, tmp_path: Path) -> UserFiles:
    """The data folder with what lies in it, and a log folder elsewhere."""
    for folder in (data_dir, data_dir / "exports", data_dir / "backups", tmp_path / "logs"):
        folder.mkdir()
    (data_dir / "sidecar.db").write_bytes(b"data")
    return UserFiles(data_dir, tmp_path / "logs")


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


async def kind_of(files: UserFiles, path: object, *, overwrite: bool = True) -> str | None:
    """Returns the kind of the failure, or None if the path is accepted."""
    try:
        await files.chosen_path(str(path), overwrite=overwrite)
    except JobFailed as failed:
        return failed.kind
    return None


@pytest.mark.parametrize(
    "name", ["sidecar.db", "sidecar.db-wal", "sidecar.key", "new.csv", "backups/x.db", "exports/../sidecar.db"]
)
async def test_nothing_is_written_into_the_data_folder(files: UserFiles, data_dir: Path, name: str) -> None:
    assert await kind_of(files, data_dir / name) == "path_invalid"


async def test_a_link_to_the_data_folder_does_not_help(files: UserFiles, data_dir: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(data_dir)
    (data_dir / "exports" / "up").symlink_to(data_dir)
    assert await kind_of(files, tmp_path / "link" / "sidecar.db") == "path_invalid"
    assert await kind_of(files, data_dir / "exports" / "up" / "sidecar.db") == "path_invalid"
    assert await kind_of(files, tmp_path / "link" / "exports" / "a.csv") is None


async def test_an_exports_folder_that_links_to_the_data_folder_does_not_help(files: UserFiles, data_dir: Path) -> None:
    (data_dir / "exports").rmdir()
    (data_dir / "exports").symlink_to(data_dir)
    assert await kind_of(files, data_dir / "exports" / "sidecar.db") == "path_invalid"


async def test_the_log_folder_belongs_to_the_sidecar_and_the_exports_folder_to_the_user(
    files: UserFiles, data_dir: Path, tmp_path: Path
) -> None:
    assert await kind_of(files, tmp_path / "logs" / "sidecar.log") == "path_invalid"
    assert await kind_of(files, data_dir / "exports" / "a.csv") is None


async def test_a_path_must_be_that_of_a_file_in_an_existing_folder(files: UserFiles, tmp_path: Path) -> None:
    refused = ["", ".", "relative.csv", "~/file.csv", tmp_path, "/", tmp_path / "missing" / "file.csv"]
    refused += [f"{tmp_path}/a\0b", f"{tmp_path}/missing/../file.csv"]
    assert {str(path): await kind_of(files, path) for path in refused} == {
        str(path): "path_invalid" for path in refused
    }


async def test_an_existing_file_is_replaced_only_on_request(files: UserFiles, tmp_path: Path) -> None:
    (tmp_path / "mine.csv").write_text("mine")
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    assert await kind_of(files, tmp_path / "mine.csv", overwrite=False) == "file_exists"
    assert await kind_of(files, tmp_path / "dangling", overwrite=False) == "file_exists"
    assert await kind_of(files, tmp_path / "mine.csv") is None


async def test_a_file_appears_once_it_is_complete(files: UserFiles, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    async with files.create(path, job_id="job-1") as file:
        await file.write(b"one")
        assert not await anyio.Path(path).exists()
    assert (await anyio.Path(path).read_bytes(), file.size) == (b"one", 3)
    assert (await anyio.Path(path).stat()).st_mode & 0o777 == 0o600
    assert names(tmp_path) == ["My Data 数据", "a.csv", "logs"]


async def test_a_file_that_appears_meanwhile_is_not_replaced(files: UserFiles, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    with pytest.raises(JobFailed) as failed:
        async with files.create(path, job_id="job-1"):
            await anyio.Path(path).write_text("somebody else's")
    assert (failed.value.kind, await anyio.Path(path).read_text()) == ("file_exists", "somebody else's")
    async with files.create(path, job_id="job-1", overwrite=True) as file:
        await file.write(b"new")
    assert await anyio.Path(path).read_text() == "new"


async def test_a_failure_leaves_nothing_and_says_what_to_do(files: UserFiles, tmp_path: Path) -> None:
    with pytest.raises(JobFailed) as failed:
        async with files.create(tmp_path / "a.csv", job_id="job-1"):
            raise OSError(errno.ENOSPC, "No space left on device")
    assert (failed.value.kind, failed.value.message) == (
        "export_failed",
        "The file could not be written: No space left on device.",
    )
    assert "free space" in str(failed.value.hint)
    assert names(tmp_path) == ["My Data 数据", "logs"]


def test_unused_names_are_numbered(files: UserFiles, data_dir: Path) -> None:
    first = files.default_path("week", ".md")
    first.write_text("1")
    assert (first.name, files.default_path("week", ".md").name) == ("week.md", "week (2).md")
    assert first.parent == data_dir / "exports"


def test_a_job_cannot_replace_the_live_database(raw_client: StartRawClient, data_dir: Path) -> None:
    with raw_client() as wire:
        wire.initialize()
        for job_type, payload in (("activity.export", {}), ("claude.export", {"session_id": "none"})):
            path = str(data_dir / "sidecar.db")
            created = wire.call("jobs.create", type=job_type, payload={**payload, "path": path, "overwrite": True})
            failed = wire.until_job(created["job"]["job_id"], "failed")
            assert failed["error"]["kind"] in ("path_invalid", "session_not_found")
        assert wire.call("system.health")["status"] == "ok"
    with raw_client() as wire:
        wire.initialize()
        assert len(wire.call("jobs.list")["jobs"]) == 2


async def test_a_look_that_was_cancelled_does_not_block_the_next_one() -> None:
    threads, begun, may_end = TimedThreads(), threading.Event(), threading.Event()

    def look() -> bool:
        begun.set()
        return may_end.wait(30)

    for is_begun in (False, True):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(threads.run, "folder", look)
            if is_begun:
                await anyio.to_thread.run_sync(begun.wait)
            tasks.cancel_scope.cancel()
        assert await threads.run("folder", lambda: "an answer") == "an answer"
    may_end.set()


async def test_a_path_whose_thread_is_late_is_refused_at_once_until_the_thread_has_ended() -> None:
    threads, begun, may_end, has_ended = TimedThreads(60), threading.Event(), threading.Event(), threading.Event()

    def look() -> None:
        begun.set()
        may_end.wait(30)

    async def be_late() -> None:
        await anyio.to_thread.run_sync(begun.wait)
        let_time_pass(60)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(be_late)
        with pytest.raises(TimeoutError):
            await threads.run("folder", look)
    with pytest.raises(TimeoutError):
        await threads.run("folder", has_ended.set)
    assert not has_ended.is_set()
    assert await TimedThreads().run("another", lambda: 1) == 1
    may_end.set()
    with anyio.fail_after(30):
        while not has_ended.is_set():
            with contextlib.suppress(TimeoutError):
                await threads.run("folder", has_ended.set)
            await anyio.lowlevel.checkpoint()


async def test_threads_whose_callers_have_left_are_limited_however_they_left() -> None:
    threads, may_end = TimedThreads(), threading.Event()

    def look(begun: threading.Event) -> None:
        begun.set()
        may_end.wait(30)

    for number in range(MAX_BLOCKED):
        async with anyio.create_task_group() as tasks:
            begun = threading.Event()
            tasks.start_soon(threads.run, f"folder {number}", partial(look, begun))
            await anyio.to_thread.run_sync(begun.wait)
            tasks.cancel_scope.cancel()
    with pytest.raises(TimeoutError):
        await threads.run("another", lambda: 1)
    may_end.set()
    with anyio.fail_after(30):
        while True:
            with contextlib.suppress(TimeoutError):
                assert await threads.run("another", lambda: 1) == 1
                break
            await anyio.lowlevel.checkpoint()


async def test_the_time_in_which_no_thread_is_free_does_not_count() -> None:
    threads, may_end = TimedThreads(), threading.Event()
    limiter = anyio.to_thread.current_default_thread_limiter()
    free, limiter.total_tokens = limiter.total_tokens, 1
    try:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(partial(anyio.to_thread.run_sync, may_end.wait, abandon_on_cancel=True))
            await anyio.wait_all_tasks_blocked()

            async def look() -> None:
                assert await threads.run("folder", lambda: 1) == 1

            tasks.start_soon(look)
            await anyio.wait_all_tasks_blocked()
            for _ in range(2):
                let_time_pass(LOOK_S + 1)
                await anyio.wait_all_tasks_blocked()
            may_end.set()
        assert await threads.run("folder", lambda: 2) == 2
    finally:
        may_end.set()
        limiter.total_tokens = free
