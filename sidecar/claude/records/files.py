"""The files of the CLI's records: `projects/FOLDER/ID.jsonl` in its configuration folder, one per conversation.

FOLDER is the working directory in which the conversation began, each character but ASCII letters and digits replaced by
a dash; it is shortened if it is long, so it only narrows a search (measured with 2.1.332 and 2.1.197).
"""

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ID: Final = re.compile(r"[0-9a-fA-F-]{1,64}")
"""Ids of conversations are UUIDs; nothing else is looked for in the file system."""


def is_id(name: str) -> bool:
    """Returns whether a name can be the id of a conversation; other files in these folders are not records."""
    return ID.fullmatch(name) is not None


def folder_name(cwd: Path) -> str:
    """Returns the name of the folder for a working directory, unless it is long."""
    return re.sub(r"[^a-zA-Z0-9]", "-", os.path.realpath(cwd))


@dataclass(frozen=True, slots=True)
class RecordFiles:
    """The records in a configuration folder of the CLI.  All methods block."""

    config_dir: Path

    def find(self, claude_session_id: str) -> Path | None:
        """Returns the file of a conversation; None if there is none."""
        if not is_id(claude_session_id):
            return None
        return next(self.config_dir.glob(f"projects/*/{claude_session_id}.jsonl"), None)

    def resume_name(self, claude_session_id: str, cwd: Path) -> str:
        """Returns what `--resume` takes: the id, or the path of a conversation that began in another folder.

        2.1.197 looks for an id only among the conversations of its working directory; newer releases in all.
        """
        path = self.find(claude_session_id)
        return claude_session_id if path is None or path.parent.name == folder_name(cwd) else str(path)
