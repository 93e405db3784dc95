"""The table `claude_attachments` and the folder `attachments`: copies of the files of prompts.

A file is complete and durable before its row, and its row before the request that sent it is answered.
"""

import contextlib
import logging
import os
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from anyio.to_thread import run_sync
from pydantic_core import to_json
from sidecar_protocol.claude.attachments import Attachment, AttachmentsFull, AttachmentUnreadable, PromptPart

from sidecar.claude.prompts.reading import NewAttachment, read_parts
from sidecar.clock import DAY_S, iso_now
from sidecar.files import TimedThreads
from sidecar.job_handler import JobFailed
from sidecar.paths import create_file, make_private_dir
from sidecar.runtime import Runtime

log = logging.getLogger(__name__)

MAX_FOLDER_BYTES: Final = 1024 * 1024 * 1024
STRAY_S: Final = 7 * DAY_S
"""Age of a file without a row from which it is deleted: left behind by a crash, or newer than a restored backup."""


@dataclass(frozen=True, slots=True)
class StoredAttachment:
    """A file of a prompt; `position` is the number of the prompt's characters before it."""

    attachment: Attachment
    position: int


class Attachments:
    """The files of all prompts."""

    def __init__(self, runtime: Runtime, *, max_folder_bytes: int = MAX_FOLDER_BYTES) -> None:
        settings = runtime.settings
        self._database = runtime.database
        self._queue = runtime.queue
        self._clock = runtime.clock
        self._new_id = runtime.new_id
        self._after_commit = runtime.after_commit
        self._folder = settings.data_dir / "attachments"
        self._own = (settings.data_dir, settings.log_dir)
        self._max_folder_bytes = max_folder_bytes
        self._threads = TimedThreads()

    async def copy(self, parts: Sequence[PromptPart]) -> list[StoredAttachment]:
        """Copies the images and files of a prompt into the folder.  The caller stores them, or discards them.

        Raises the errors of `read_parts`, and `AttachmentsFull`.
        """
        new = await self._read(parts)
        self._make_room(sum(len(one.data) for one in new))
        copied: list[StoredAttachment] = []
        try:
            for one in new:
                attachment = Attachment(
                    attachment_id=self._new_id(), name=one.name, media_type=one.media_type, size=len(one.data)
                )
                copied.append(StoredAttachment(attachment, one.position))
                await run_sync(self._write, attachment.attachment_id, one)
        except BaseException:
            self.discard(copied)
            raise
        return copied

    async def _read(self, parts: Sequence[PromptPart]) -> list[NewAttachment]:
        named = "\n".join(part.path for part in parts if part.path is not None)
        try:
            return await self._threads.run(named, partial(read_parts, parts, self._own))
        except TimeoutError:
            hint = "Connect the drive that they are on, or choose other files."
            raise AttachmentUnreadable("The files of the prompt do not answer.", hint=hint) from None

    def discard(self, copied: Iterable[StoredAttachment]) -> None:
        """Deletes copied files that are not stored."""
        self._unlink(one.attachment.attachment_id for one in copied)

    def store(self, session_id: str | None, job_id: str, copied: Iterable[StoredAttachment]) -> None:
        """Adds copied files to a job that is being queued.  If that is not committed, the files are deleted."""
        now, ids = iso_now(self._clock), [one.attachment.attachment_id for one in copied]
        if not ids:
            return
        with self._database.write():
            for one in copied:
                fields = one.attachment
                self._database.execute(
                    """
                    INSERT INTO claude_attachments
                        (attachment_id, session_id, job_id, position, name, media_type, size, created_at)
                    VALUES (?, ?, ?, ?, ?, ?, ?, ?)
                    """,
                    (
                        fields.attachment_id,
                        session_id,
                        job_id,
                        one.position,
                        fields.name,
                        fields.media_type,
                        fields.size,
                        now,
                    ),
                )
        self._after_commit(lambda failure: None if failure is None else self._unlink(ids))

    def of_job(self, job_id: str) -> list[StoredAttachment]:
        rows = self._database.rows(
            "SELECT attachment_id, name, media_type, size, position FROM claude_attachments"
            " WHERE job_id = ? GROUP BY attachment_id ORDER BY min(id)",
            (job_id,),
        )
        return [
            StoredAttachment(Attachment(attachment_id=row[0], name=row[1], media_type=row[2], size=row[3]), row[4])
            for row in rows
        ]

    def read(self, attachment: Attachment) -> bytes:
        """Returns the content of a file; call it in a thread.  Raises `JobFailed` of kind `attachment_missing`."""
        try:
            data = (self._folder / attachment.attachment_id).read_bytes()
        except OSError as error:
            log.warning("an attachment cannot be read: %s", error)
            data = b""
        if len(data) != attachment.size:
            hint = "Send the prompt again with the file."
            raise JobFailed(f"The copy of {attachment.name} is gone.", kind="attachment_missing", hint=hint)
        return data

    def answered(self, job_id: str) -> None:
        """Lets the files of a job make room for others.  They are kept meanwhile, since the job may be run again."""
        with self._database.write_or_log("the attachments of a prompt could not be released"):
            self._database.execute("UPDATE claude_attachments SET is_pending = 0 WHERE job_id = ?", (job_id,))

    def copy_rows(self, parent_id: str, session_id: str) -> None:
        """Lets a fork keep the files of its parent."""
        self._database.execute(
            """
            INSERT INTO claude_attachments
                (attachment_id, session_id, job_id, position, name, media_type, size, is_pending, is_stored, created_at)
            SELECT attachment_id, ?, job_id, position, name, media_type, size, 0, is_stored, created_at
            FROM claude_attachments WHERE session_id = ?
            """,
            (session_id, parent_id),
        )

    def delete_of_session(self, session_id: str) -> None:
        """Deletes the files of a session that is being deleted, except those that a fork has as well."""
        self._delete("session_id = ?", (session_id,))

    async def tidy(self) -> None:
        """Deletes the files of runs whose jobs were deleted, and those that a crash has left behind."""
        job_ids = self._database.values("SELECT DISTINCT job_id FROM claude_attachments WHERE session_id IS NULL")
        if deleted := set(job_ids) - self._queue.existing(job_ids):
            with self._database.write():
                condition = "session_id IS NULL AND job_id IN (SELECT value FROM json_each(?))"
                self._delete(condition, (to_json(list(deleted)).decode(),))
        names = await run_sync(self._old_files)
        known = set(self._database.values("SELECT DISTINCT attachment_id FROM claude_attachments"))
        self._unlink(name for name in names if name not in known)

    def _make_room(self, size: int) -> None:
        """Deletes the oldest files that no job needs, until there is room.  Raises `AttachmentsFull`.

        Their rows stay: a job that is run again fails, instead of sending its prompt without them.
        """
        files = self._database.rows(
            """
            SELECT attachment_id, size, max(is_pending) FROM claude_attachments WHERE is_stored = 1
            GROUP BY attachment_id ORDER BY min(id)
            """
        )
        surplus = sum(one for _, one, _ in files) + size - self._max_folder_bytes
        dropped: list[str] = []
        for attachment_id, one, is_pending in files:
            if surplus > 0 and not is_pending:
                dropped.append(attachment_id)
                surplus -= one
        if surplus > 0:
            raise AttachmentsFull
        if not dropped:
            return
        with self._database.write():
            self._database.execute(
                "UPDATE claude_attachments SET is_stored = 0 WHERE attachment_id IN (SELECT value FROM json_each(?))",
                (to_json(dropped).decode(),),
            )
        self._after_commit(lambda failure: self._unlink(dropped) if failure is None else None)

    def _delete(self, condition: str, parameters: tuple[object, ...]) -> None:
        """Deletes rows, and after the commit the files that have no row any more."""
        sql = f"DELETE FROM claude_attachments WHERE {condition} RETURNING attachment_id"
        ids = [row[0] for row in self._database.rows(sql, parameters)]
        if ids:
            self._after_commit(lambda failure: self._unlink_unused(ids) if failure is None else None)

    def _unlink_unused(self, ids: Iterable[str]) -> None:
        sql = "SELECT 1 FROM claude_attachments WHERE attachment_id = ? LIMIT 1"
        self._unlink(one for one in ids if self._database.value(sql, (one,)) is None)

    def _unlink(self, ids: Iterable[str]) -> None:
        for attachment_id in ids:
            with contextlib.suppress(OSError):
                (self._folder / attachment_id).unlink(missing_ok=True)

    def _write(self, attachment_id: str, new: NewAttachment) -> None:
        make_private_dir(self._folder)
        create_file(self._folder / attachment_id, new.data)

    def _old_files(self) -> list[str]:
        """Returns the names of the files that have not been changed for a while."""
        oldest = time.time() - STRAY_S
        with contextlib.suppress(OSError), os.scandir(self._folder) as entries:
            return [one.name for one in entries if one.is_file(follow_symlinks=False) and one.stat().st_mtime < oldest]
        return []
