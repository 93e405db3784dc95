"""Conversations for a fuzz: what clients have sent in transcripts, joined and damaged at random."""

import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from sidecar.transcripts.file.facts import ContractFacts
from sidecar.transcripts.file.format import Entry, read
from sidecar.transcripts.file.patterns import example

ENDS: Final = ("shutdown", "exit")
"""After these methods nothing more has to be answered, so they are left out."""
FILES: Final = 3
"""Transcripts in one conversation."""
MIN_DAMAGE: Final = 3
MAX_DAMAGE: Final = 25
MAX_INSERTED_BYTES: Final = 200


def sent_lines(path: Path, contract: ContractFacts) -> list[bytes]:
    """Returns the lines that the client sent, with ids that no other transcript has.

    Requests that name a file to be written are left out, and so are ends.
    Raises NotATranscript or OSError.
    """
    entries = [line for line in read(path) if isinstance(line, Entry) and line.from_client and not line.is_eof]
    return [line for number, entry in enumerate(entries) for line in _line(entry, f"{path.stem}-{number}", contract)]


def _line(entry: Entry, request_id: str, contract: ContractFacts) -> list[bytes]:
    if entry.message is None:
        return [entry.raw.replace(b"\n", b"?")] if entry.raw else []
    messages = [_renumbered(one, f"{request_id}-{index}") for index, one in enumerate(entry.messages)]
    if any(_is_left_out(one, contract) for one in messages):
        return []
    return [json.dumps(messages if type(entry.message) is list else messages[0]).encode()]


def _renumbered(message: Any, request_id: str) -> Any:
    message = example(message)
    return {**message, "id": request_id} if type(message) is dict and "id" in message else message


def _is_left_out(message: Any, contract: ContractFacts) -> bool:
    """Returns whether a message ends the conversation, or names a file to be written."""
    if type(message) is not dict:
        return False
    values = contract.request(message.get("method")).inside(message)
    return message.get("method") in ENDS or any(facts.is_written and value is not None for _, value, facts in values)


def conversation(sources: Sequence[Sequence[bytes]], chance: random.Random) -> list[bytes]:
    """Returns the lines of some transcripts, one after the other, with damage."""
    chosen = chance.sample(range(len(sources)), min(FILES, len(sources)))
    return damaged([line for index in chosen for line in sources[index]], chance)


def damaged(lines: Sequence[bytes], chance: random.Random) -> list[bytes]:
    """Returns the lines with some dropped, doubled, swapped, cut, garbled, joined and inserted."""
    lines = list(lines)
    for _ in range(chance.randint(MIN_DAMAGE, MAX_DAMAGE) if lines else 0):
        at = chance.randrange(len(lines))
        match chance.choice(["drop", "double", "swap", "cut", "garble", "join", "insert"]):
            case "drop" if len(lines) > 1:
                del lines[at]
            case "double":
                lines.insert(at, lines[at])
            case "swap":
                other = chance.randrange(len(lines))
                lines[at], lines[other] = lines[other], lines[at]
            case "cut":
                lines[at] = lines[at][: chance.randrange(len(lines[at]) + 1)]
            case "garble" if lines[at]:
                place = chance.randrange(len(lines[at]))
                lines[at] = lines[at][:place] + chance.randbytes(1).replace(b"\n", b"?") + lines[at][place + 1 :]
            case "join":
                lines[at : at + 2] = [b"".join(lines[at : at + 2])]
            case "insert":
                size = chance.randint(1, MAX_INSERTED_BYTES)
                lines.insert(at, chance.randbytes(size).replace(b"\n", b"?"))
    return lines
