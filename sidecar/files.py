"""The files that a user names: looked at for a limited time, and never written over the sidecar's own data."""

import contextlib
import os
import threading
from collections.abc import AsyncIterator, Callable
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

import anyio
from anyio.to_thread import run_sync
from sidecar_protocol.errors import InvalidParams

from sidecar.job_handler import JobFailed
from sidecar.paths import make_private_dir, open_private, publish, sync_folder

T = TypeVar("T")
MAX_NUMBERED_NAMES: Final = 1_000
"""Files of one name in the exports folder; more are a loop in the caller."""
MAX_BLOCKED: Final = 32
"""Threads that may wait for drives that do not answer."""
LOOK_S: Final = 10.0
"""Time limit in seconds for a look at a path.  A disk that has to spin up takes about eight."""


MAX_TURNS: Final = 6
"""How often a look that no thread was free for waits for its time limit."""


class _NotBegun(TimeoutError):
    """No thread was free for a look."""


class TimedThreads:
    """Looks at paths of the user's choice, in threads and for a limited time.

    A network drive that is gone blocks its threads until it is back.  While one is late, the same path is refused at
    once, however often it is asked for.  A look that was cancelled does not refuse its path, but its thread counts.
    """

    def __init__(self, limit_s: float = LOOK_S) -> None:
        self._limit_s = limit_s
        self._lock = threading.Lock()
        self._blocked: set[str] = set()
        self._left = 0
        """Threads that still run although their callers have left."""

    async def run(self, path: str, look: Callable[[], T], *, limit_s: float | None = None) -> T:
        """Returns what `look` returns.  Raises TimeoutError; a cancelled or late `look` ends by itself.

        Only a look that has begun is late.  While many look at once, the others wait for a thread.
        """
        for _ in range(MAX_TURNS - 1):
            with contextlib.suppress(_NotBegun):
                return await self._run(path, look, limit_s)
        return await self._run(path, look, limit_s)

    async def _run(self, path: str, look: Callable[[], T], limit_s: float | None) -> T:
        with self._lock:
            if path in self._blocked or self._left >= MAX_BLOCKED:
                raise TimeoutError
        has_begun = is_in_thread = is_left = False

        def in_thread() -> T:
            nonlocal has_begun, is_in_thread
            has_begun = is_in_thread = True
            try:
                return look()
            finally:
                with self._lock:
                    is_in_thread = False
                    self._left -= is_left
                    self._blocked.discard(path)

        try:
            with anyio.fail_after(self._limit_s if limit_s is None else limit_s):
                return await run_sync(in_thread, abandon_on_cancel=True)
        except BaseException as reason:
            with self._lock:
                if is_in_thread:
                    is_left = True
                    self._left += 1
                    if isinstance(reason, TimeoutError):
                        self._blocked.add(path)
            if isinstance(reason, TimeoutError) and not has_begun:
                raise _NotBegun from None
            raise


class OutputFile:
    """A file that is being written."""

    def __init__(self, file: anyio.AsyncFile[bytes]) -> None:
        self._file = file
        self.size = 0

    async def write(self, data: bytes) -> None:
        await self._file.write(data)
        self.size += len(data)


class UserFiles:
    """Files outside the sidecar's own data, at a path of the user's choice or in the folder `exports`."""

    def __init__(self, data_dir: Path, log_dir: Path) -> None:
        self._own = (data_dir, log_dir)
        self._exports = data_dir / "exports"
        self._threads = TimedThreads()

    def default_path(self, name: str, suffix: str) -> Path:
        """Returns an unused path in the exports folder, which is created if it is missing."""
        make_private_dir(self._exports)
        for number in range(1, MAX_NUMBERED_NAMES):
            path = self._exports / f"{name}{'' if number == 1 else f' ({number})'}{suffix}"
            if not os.path.lexists(path):
                return path
        raise _invalid(f"{self._exports} holds too many files named {name}{suffix}.")

    async def chosen_path(self, text: str, *, overwrite: bool) -> Path:
        """Checks a path that the user chose.

        Raises `JobFailed`: `path_invalid` for one that is relative, is a folder, has no parent folder or lies in the
        sidecar's own folders; `file_exists` for an existing file unless `overwrite`; `export_failed` for a folder that
        does not answer.
        """
        try:
            return await self._threads.run(text, partial(self._check, text, overwrite=overwrite))
        except TimeoutError:
            raise JobFailed(
                f"{Path(text).parent} does not answer.",
                kind="export_failed",
                hint="Connect the drive that it is on, or choose another path.",
            ) from None

    async def admit(self, path: str | None, *, overwrite: bool) -> None:
        """Raises `InvalidParams` if a job could not write to the path of its payload."""
        try:
            if path is not None:
                await self.chosen_path(path, overwrite=overwrite)
        except JobFailed as failure:
            raise InvalidParams(hint=failure.hint, details=[{"path": "path", "message": failure.message}]) from None

    def _check(self, text: str, *, overwrite: bool) -> Path:
        path = Path(text)
        try:
            if not path.is_absolute() or not path.name or "\0" in text:
                raise _invalid(f"{text} is not the absolute path of a file.")
            if not path.parent.is_dir():
                raise _invalid(f"The folder {path.parent} does not exist.")
            if path.is_dir():
                raise _invalid(f"{path} is a folder.")
            if self._is_own(path.parent):
                raise _invalid(f"{path} lies in the sidecar's own data folder.")
            exists = os.path.lexists(path)
        except (OSError, ValueError) as error:  # a name too long, a character that this system cannot encode
            raise _invalid(f"{text} is not the path of a file: {getattr(error, 'strerror', None) or error}.") from None
        if exists and not overwrite:
            raise _exists(path)
        return path

    def _is_own(self, folder: Path) -> bool:
        """Whether a folder is one of the sidecar's own, or lies in one, other than in `exports`.

        Folders are compared by file system identity, so that links and another spelling of the case do not matter.
        """
        for ancestor in (real := folder.resolve(), *real.parents):
            if any(_is_same(ancestor, own) for own in self._own):  # first, since `exports` may be a link to one
                return True
            if _is_same(ancestor, self._exports):
                return False
        return False

    @contextlib.asynccontextmanager
    async def create(self, path: Path, *, job_id: str, overwrite: bool = False) -> AsyncIterator[OutputFile]:
        """Writes a file that appears under its name once the block has ended, flushed to the disk.

        If the block raises or is cancelled, nothing is left behind.  Raises `JobFailed`: `export_failed` if the disk
        refuses, `file_exists` if another file has taken the name meanwhile.
        """
        part = path.with_name(f"{job_id}.part")
        try:
            part.unlink(missing_ok=True)  # left by a crash; it can be the same file under another name, see `publish`
            async with await anyio.open_file(part, "xb", opener=open_private) as file:
                yield OutputFile(file)
                await file.flush()
                await run_sync(os.fsync, file.wrapped.fileno())
            await run_sync(_publish, part, path, overwrite)
        except OSError as error:
            raise JobFailed(
                f"The file could not be written: {error.strerror}.",
                kind="export_failed",
                hint=f"Check that {path.parent} is writable and that the disk has free space, or choose another path.",
                details={"errno": error.errno},
            ) from error
        finally:
            with anyio.CancelScope(shield=True), contextlib.suppress(OSError):
                await anyio.Path(part).unlink(missing_ok=True)


def _is_same(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except OSError:  # one of them does not exist
        return False


def _publish(part: Path, path: Path, overwrite: bool) -> None:  # noqa: FBT001 - called through a thread, by position
    if overwrite:
        part.replace(path)
        sync_folder(path.parent)
    else:
        try:
            publish(part, path)
        except FileExistsError:
            raise _exists(path) from None


def _invalid(message: str) -> JobFailed:
    return JobFailed(message, kind="path_invalid", hint="Choose the absolute path of a file in an existing folder.")


def _exists(path: Path) -> JobFailed:
    return JobFailed(
        f"{path} exists already.",
        kind="file_exists",
        hint="Choose another name, or set `overwrite` to replace the file.",
    )
