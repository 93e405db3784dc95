"""Records a session at the edge of the pipe: one line for each line received or sent.

Received lines are written together with the responses, in one write just before those are sent: the file contains
everything that the client has received, even if the process is killed right after.  A line is parsed only if the name
of a secret field occurs in the data.
"""

import logging
import os
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from sidecar_protocol.connection import MESSAGE_TOO_LARGE, PARSE_ERROR, Refused

from sidecar import __version__
from sidecar.clock import Clock, iso_now
from sidecar.transcripts.file import format as lines
from sidecar.transcripts.file.format import TO_CLIENT, TO_SIDECAR
from sidecar.transcripts.file.redact import Redactor
from sidecar.transcripts.file.schemas import Contract

MAX_BYTES: Final = 4 * 1024 * 1024 * 1024
"""A recording that somebody forgot must not fill the disk."""

END: Final = b"}\n"
"""What follows a message."""

MAX_PARTS: Final = 1_000 if hasattr(os, "writev") else 0
"""So many parts are written without being joined first, where the system can; it takes 1,024."""
LONG_BYTES: Final = 2_048
"""From this length on it costs less to hand lines to the system one by one than to copy them together."""

log = logging.getLogger(__name__)


class Recorder:
    """Appends one life of the sidecar to a file.  A failing disk ends the recording, never the sidecar."""

    def __init__(self, path: Path, facts: dict[str, Any], redactor: Redactor, seconds: Callable[[], float]) -> None:
        """Raises OSError where the file cannot be written."""
        self._redactor = redactor
        self._seconds = seconds
        self._start = seconds()
        self.received: list[bytes | Refused] = []
        """Lines received since the last write, each refused line followed by its refusal: `Connection.kept`."""
        self._received_at = 0.0
        self._sent_at = 0.0
        self._ready: list[bytes | memoryview] = []
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0), 0o600)
        self._size = os.fstat(self._file).st_size
        if self._size and not _ends_in_newline(self._file, self._size):  # the last life was cut short
            self._ready.append(b"\n")
        self._ready.append(lines.header_line(facts))
        self._write()

    def on_receive(self) -> None:
        """Notes the time at which bytes arrived; their lines are added to `received` next."""
        if not self.received:
            self._received_at = self._now()

    def on_send(self, sent: list[bytes], data: bytes) -> None:
        """Writes lines that are about to be sent; `data` is all of them joined."""
        self._take_received()
        self._sent_at = self._now()
        start = lines.prefix(self._sent_at, TO_CLIENT)
        if self._redactor.may_hold(data, sent=False):
            redacted = (self._redactor.line(line[:-1], sent=False) or b"null" for line in sent)
            self._ready += [start + line + END for line in redacted]
        elif len(data) > LONG_BYTES * len(sent):
            for line in sent:  # pages are not copied
                self._ready += (start, memoryview(line)[:-1], END)
        else:
            self._ready += (start, memoryview(data.replace(b"\n", END + start))[: -len(start)])
        self._write()

    def on_eof(self) -> None:
        """Writes the end of stdin."""
        self._take_received()
        self._ready.append(lines.event_line(self._now(), TO_SIDECAR, eof=True))
        self._write()

    def on_commit(self, failure: Exception | None) -> None:
        """Writes the lines received since the last commit, unless a response was written with them."""
        del failure
        if self.received:
            self._take_received()
            self._write()

    def close(self, code: int) -> None:
        """The sidecar ends with this exit code."""
        self._take_received()
        self._ready.append(lines.event_line(self._now(), TO_CLIENT, exit=code))
        self._write()
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def _now(self) -> float:
        return (self._seconds() - self._start) * 1000

    def _take_received(self) -> None:
        if not self.received:
            return
        # Lines that waited were received before responses that are in the file; times in it must not decrease.
        self._received_at = max(self._received_at, self._sent_at)
        start = lines.prefix(self._received_at, TO_SIDECAR)
        try:
            whole: list[bytes] = self.received  # type: ignore[assignment]  # unless a line was refused
            is_harmless = not self._redactor.may_hold(b"\n".join(whole), sent=True)
        except TypeError:
            is_harmless = False
        if is_harmless:
            self._ready += (start, (END + start).join(whole), END)
        else:
            self._take_one_by_one(start)
        self.received.clear()

    def _take_one_by_one(self, start: bytes) -> None:
        for line, refusal in zip(self.received, [*self.received[1:], b""], strict=True):
            if isinstance(line, Refused):
                continue
            code = refusal.code if isinstance(refusal, Refused) else 0
            redacted = None if code in (PARSE_ERROR, MESSAGE_TOO_LARGE) else self._redactor.line(line, sent=True)
            if redacted is None:  # no JSON, or only by our leniency: half a surrogate pair
                self._keep_raw(line, code)
            else:
                self._ready.append(start + redacted + END)

    def _keep_raw(self, line: bytes, code: int) -> None:
        more = {"oversize": True} if code == MESSAGE_TOO_LARGE else {}
        if self._redactor.may_hold_raw(line):
            self._ready.append(lines.raw_line(self._received_at, TO_SIDECAR, b"", redacted=len(line), **more))
        else:
            self._ready.append(lines.raw_line(self._received_at, TO_SIDECAR, line, **more))

    def _write(self) -> None:
        ready, self._ready = self._ready, []
        if self._file < 0:
            return
        size = sum(map(len, ready))
        self._size += size
        if self._size > MAX_BYTES:
            self._stop(f"it has {MAX_BYTES} bytes")
            return
        try:
            written = os.writev(self._file, ready) if len(ready) <= MAX_PARTS else 0
            rest = memoryview(b"".join(ready))[written:] if written < size else memoryview(b"")
            while rest:
                rest = rest[os.write(self._file, rest) :]
        except OSError as error:
            self._stop(str(error))

    def _stop(self, why: str) -> None:
        log.error("the recording ends here: %s", why)
        os.close(self._file)
        self._file = -1


def open_recorder(path: Path, openrpc: bytes, clock: Clock, fixed: dict[str, object]) -> Recorder:
    """A recorder that has begun a life of this sidecar.  Raises OSError where the file cannot be written."""
    contract = Contract(openrpc)
    facts = {
        "protocol_version": int(contract.version),
        "schema_hash": sha256(openrpc).hexdigest()[:16],
        "server": f"sidecar {__version__}",
        "started_at": iso_now(clock),
        **({"fixed": fixed} if fixed else {}),
    }
    return Recorder(path, facts, Redactor(contract), clock.monotonic)


def _ends_in_newline(descriptor: int, size: int) -> bool:
    os.lseek(descriptor, size - 1, os.SEEK_SET)
    return os.read(descriptor, 1) == b"\n"
