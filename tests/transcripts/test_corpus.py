"""The repository's own transcripts: sentences that together say everything that can be said.

To add one, write what the host says, one call a line, and let the console record it (see `sidecar console --help`):

    APP_DATA_DIR=$(mktemp -d)/data uv run sidecar console --record tests/transcripts/a_sentence_about_it.jsonl <<'END'
    initialize
    jobs.create type=maintenance.backup
    .until jobs.updated job.status=succeeded
    jobs.get job_id=$.job.job_id
    END

`--env CLAUDE_PATH=../fakes/claude --env HOME=/tmp` gives it the scripted Claude.  What needs a cloud, or shall be the
same in every byte, is a scene: `scenes.py` says how it is recorded, and anew when ids or the order have changed.  The
tests' plugin verifies each file against the real sidecar; UPDATE=1 records anew what has changed.
"""

import re
from pathlib import Path

import pytest
from sidecar_protocol import catalog

from tests.transcripts.recording import TRANSCRIPTS, lines_of

UNRECORDED = {
    "claude.stall": "it takes a minute of silence; tests/claude has it",
    "events.lag": "only a host that leaves 8 MiB unread is told; tests/process/test_backpressure.py has it",
}
"""What no transcript can have, and why."""


def spoken(path: Path) -> set[str]:
    """The methods that were answered, and the notifications that were sent, in one file."""
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


def test_every_method_and_notification_is_spoken_in_some_transcript() -> None:
    everything = {declared.name for declared in catalog.methods()} | {one.name for one in catalog.NOTIFICATIONS}
    assert everything - set().union(*map(spoken, TRANSCRIPTS)) == set(UNRECORDED)


@pytest.mark.parametrize("path", TRANSCRIPTS, ids=lambda path: path.stem)
def test_a_transcript_is_named_as_a_sentence_and_ends_in_good_order(path: Path) -> None:
    assert re.fullmatch(r"[a-z]+(_[a-z]+){4,}", path.stem)
    lives = path.read_bytes().count(b'{"transcript":1')
    assert sum(line.get("exit") == 0 for line in lines_of(path)) == lives
