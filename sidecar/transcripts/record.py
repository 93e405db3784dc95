"""Records a session at the edge of the pipe: one line for each line received or sent.

Received lines are written together with the responses, in one write just before those are sent, so that the file has
all that the client has received, however the process ends.  That is affordable because most lines need not be parsed:
one expression for all lines of a write shows that nothing in them can be secret (`Redactor.is_plain`, `may_find`).
This search is most of the cost: a secret in base64 has no fixed beginning, so that no byte can be skipped.
"""

import errno
import logging
import os
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from sidecar_protocol.connection import LongLine
from sidecar_protocol.json_line import recover_id

from sidecar import __version__
from sidecar.clock import Clock, iso_now
from sidecar.days import computer_zone_name
from sidecar.paths import open_private
from sidecar.settings import DATABASE_NAME, Settings
from sidecar.transcripts.file.facts import ContractFacts
from sidecar.transcripts.file.format import TO_CLIENT, TO_SIDECAR, event_line, header_line, message_prefix, raw_line
from sidecar.transcripts.file.redact import Redactor

MAX_BYTES: Final = 4 * 1024 * 1024 * 1024
"""The recording stops at this size, so that a forgotten one does not fill the disk."""
HEADER_BYTES: Final = 4_096
"""How much of an existing file is read to see whether it is a transcript."""
END: Final = b"}\n"
"""Completes the line of a message."""

log = logging.getLogger(__name__)


class Recorder:
    """Appends one run of the sidecar to a file.  A failing disk ends the recording, never the sidecar."""

    def __init__(self, path: Path, facts: dict[str, Any], redactor: Redactor, seconds: Callable[[], float]) -> None:
        """Writes the header.  Raises OSError if the file cannot be written."""
        self._redactor = redactor
        self._seconds = seconds
        self._start = seconds()
        self.received: list[bytes] = []
        """Lines received since the last write, to which the connection adds."""
        self._received_at = 0.0
        self._sent_at = 0.0  # or the time of the end of stdin
        self._file = open(path, "ab+", buffering=0, opener=open_private)  # noqa: SIM115 - closed by `close`
        self._size = self._file.seek(0, os.SEEK_END)
        self._file.seek(max(0, self._size - 1))
        is_cut = self._file.read(1) not in (b"", b"\n")  # the last run was killed in a write
        self._write([b"\n" if is_cut else b"", header_line(facts)])

    def on_receive(self) -> None:
        """Notes the time at which bytes arrived, before their lines are in `received`."""
        if not self.received:
            self._received_at = self._now()

    def on_send(self, lines: bytes) -> None:
        received = self._take_received()
        self._sent_at = self._now()
        start = message_prefix(self._sent_at, TO_CLIENT)
        sent = lines[:-1]
        if self._redactor.may_find(sent):
            redacted = (self._redactor.redacted(line, from_client=False) or b"null" for line in sent.split(b"\n"))
            sent = b"\n".join(redacted)
        self._write([*received, start, sent.replace(b"\n", END + start), END])

    def on_eof(self) -> None:
        received = self._take_received()
        self._sent_at = self._now()
        self._write([*received, event_line(self._sent_at, TO_SIDECAR, eof=True)])

    def on_commit(self, failure: Exception | None) -> None:
        """Writes the lines received since the last commit, unless a response was written with them."""
        del failure
        if self.received:
            self._write(self._take_received())

    def close(self, code: int) -> None:
        self._write([*self._take_received(), event_line(self._now(), TO_CLIENT, exit=code)])
        self._file.close()

    def _now(self) -> float:
        return (self._seconds() - self._start) * 1000

    def _take_received(self) -> list[bytes]:
        """Returns the entries of the lines received since the last write."""
        if not self.received:
            return []
        received = self.received[:]
        self.received.clear()
        # They may have waited; times in the file must not decrease.
        start = message_prefix(max(self._received_at, self._sent_at), TO_SIDECAR)
        lines = b"\n".join(received)
        if self._redactor.is_plain(lines):
            return [start, lines.replace(b"\n", END + start), END]
        return [self._received_entry(start, line) for line in received]

    def _received_entry(self, start: bytes, line: bytes) -> bytes:
        if self._redactor.is_plain(line):
            return start + line + END
        is_oversize = type(line) is LongLine
        redacted = None if is_oversize else self._redactor.redacted(line, from_client=True)
        if redacted is not None:
            return start + redacted + END
        # Not JSON, or accepted only by our leniency (half a surrogate pair).
        more: dict[str, Any] = {"oversize": True} if is_oversize else {}
        if self._redactor.may_show_secret(line):
            # Its id stays, which the response has if it could be read.
            own, more = recover_id(line), {"redacted": len(line), **more}
            line = b'{"id":%d,' % own if type(own) is int else b""
        return raw_line(max(self._received_at, self._sent_at), line, **more)

    def _write(self, parts: list[bytes]) -> None:
        if self._file.closed:
            return
        data = memoryview(b"".join(parts))
        self._size += len(data)
        if self._size > MAX_BYTES:
            self._stop(f"the file has reached {MAX_BYTES} bytes")
            return
        try:
            while data:
                data = data[self._file.write(data) :]
        except OSError as error:
            self._stop(str(error))

    def _stop(self, reason: str) -> None:
        log.error("recording stopped: %s", reason)
        self._file.close()


def open_recorder(settings: Settings, openrpc: bytes, clock: Clock) -> Recorder:
    """Returns a recorder that has begun a run of this sidecar.

    Raises OSError if the file cannot be written or is no transcript, and ValueError if a pattern is wrong.
    """
    assert settings.record is not None
    contract = ContractFacts(openrpc)
    fixed = settings.fixed()
    facts = {
        "protocol_version": int(contract.version),
        "schema_hash": sha256(openrpc).hexdigest()[:16],
        "server": f"sidecar {__version__}",
        "started_at": iso_now(clock),
        **({"fixed": fixed} if fixed else {"time_zone": computer_zone_name()}),
        **({"database": settings.database.name} if settings.database.name != DATABASE_NAME else {}),
    }
    redactor = Redactor(contract, settings.redact, keeps_files=settings.record_files)
    redactor.learn(os.environ)
    _prepare(settings.record, is_anew=settings.record_anew)
    return Recorder(settings.record, facts, redactor, clock.monotonic)


def _prepare(path: Path, *, is_anew: bool) -> None:
    """Empties an existing file if that is wanted, else says that this run is appended."""
    if not path.is_file() or not path.stat().st_size:
        return
    with path.open("rb") as file:
        if b'"transcript"' not in file.readline(HEADER_BYTES):
            raise FileExistsError(errno.EEXIST, "The file is no transcript, so nothing is recorded into it", str(path))
    if is_anew:
        os.truncate(path, 0)
    else:
        log.warning("%s exists: this run is appended to it; --record-anew starts over", path)
