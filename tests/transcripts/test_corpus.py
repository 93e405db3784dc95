"""The repository's own transcripts, which together contain every method and notification.

To add one, write the client's calls, one per line, and let the console record them (see `sidecar console --help`):

    APP_DATA_DIR=$(mktemp -d)/data uv run sidecar console --record tests/transcripts/a_sentence_about_it.jsonl <<'END'
    initialize
    jobs.create type=maintenance.backup
    .until jobs.updated job.status=succeeded
    jobs.get job_id=$.job.job_id
    END

Options `--env CLAUDE_PATH=../fakes/claude --env HOME=/tmp` provide the scripted Claude.  A transcript that needs a
vendor's server, or must be the same in every byte, is a scenario: see `scenarios.py`.  The pytest plugin verifies each
file against the real sidecar; UPDATE=1 updates the files whose messages have changed.
"""

import re
from pathlib import Path

import pytest
from sidecar_protocol import catalog

from tests.transcripts.recording import TRANSCRIPTS, lines_of

UNRECORDED = {
    "claude.stall": "needs a minute without output; see tests/claude",
    "claude.conversations.list": "needs records of a terminal; see tests/claude/sessions/test_conversations.py",
    "claude.conversations.take": "needs records of a terminal; see tests/claude/sessions/test_conversations.py",
    "system.database_lost": "needs backups of a database that was lost; see tests/storage/test_backups.py",
    "events.lag": "needs a client that leaves 8 MiB unread; see tests/process/test_backpressure.py",
}
"""Methods and notifications without a transcript, and why."""


def messages_in(path: Path) -> set[str]:
    """Returns the methods that were answered and the notifications that were sent."""
    asked: dict[object, str] = {}
    names: set[str] = set()
    for line in lines_of(path):
        message = line.get("msg")
        for one in message if isinstance(message, list) else [message]:
            if not isinstance(one, dict):
                continue
            if line["dir"] == "c2s":
                asked[one.get("id")] = one.get("method", "")
                names |= {one["method"]} if "id" not in one else set()
            elif "method" in one:
                names.add(one["method"])
            elif "result" in one:
                names.add(asked.get(one["id"], ""))
    return names


def test_every_method_and_notification_is_in_some_transcript() -> None:
    everything = {declared.name for declared in catalog.methods()} | {one.name for one in catalog.NOTIFICATIONS}
    assert everything - set().union(*map(messages_in, TRANSCRIPTS)) == set(UNRECORDED)


@pytest.mark.parametrize("path", TRANSCRIPTS, ids=lambda path: path.stem)
def test_a_transcript_has_a_sentence_as_name_and_ends_with_exit_code_0(path: Path) -> None:
    assert re.fullmatch(r"[a-z]+(_[a-z]+){4,}", path.stem)
    runs = path.read_bytes().count(b'{"transcript":1')
    assert sum(line.get("exit") == 0 for line in lines_of(path)) == runs
