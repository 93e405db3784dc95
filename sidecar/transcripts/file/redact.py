"""Secrets out of a conversation, by what the contract declares secret; not by what looks like one.

A secret becomes {"$secret": n}, the same n for the same value, so that a replayed conversation is still consistent; of
a secret object each value does.  Where it is an address, there is also what to say in its place: `addresses.py`.
"""

from hashlib import sha256
from typing import Any, Final

from pydantic_core import from_json, to_json

from sidecar.transcripts.file.addresses import is_address, stand_in
from sidecar.transcripts.file.schemas import NOTHING, SECRET, Contract, Schema

MARK: Final = "$secret"
COMMON_LETTERS: Final = "u_lhgpmjdcrsnoitae"
"""Letters that most lines of the wire have, those that all have last; the others are rarer still."""
MAX_SECRETS: Final = 1_000
"""Remembered values, of which the digests are kept; the next ones all bear the last number."""
INSTEAD: Final = "$like"


class Redactor:
    """Remembers the secrets of one conversation, as digests."""

    def __init__(self, contract: Contract) -> None:
        self._contract = contract
        self._sent, self._told = contract.secret_names()
        self._numbers: dict[bytes, int] = {}
        self._marks_sent = _by_rarest_byte(self._sent)
        self._marks_told = _by_rarest_byte(self._told)

    def may_hold(self, data: bytes, *, sent: bool) -> bool:
        """Whether lines need a closer look: a search for a few words, on the hot path.

        A search for one byte is ten times faster than for two, so each longer one is tried after its rarest byte.
        """
        # A name can be hidden by an escape; a BOM or a carriage return would break the line that is written.
        if sent and (
            b"\r" in data or (b"\\" in data and b"\\u" in data) or (b"\xef" in data and b"\xef\xbb\xbf" in data)
        ):
            return True
        for byte, marks in self._marks_sent if sent else self._marks_told:
            if byte in data and any(mark in data for mark in marks):
                return True
        return False

    def may_hold_raw(self, data: bytes) -> bool:
        """Whether a line that is no JSON may show a secret: it names one, even half."""
        return any(name.encode() in data for name in self._sent) or b"\\u" in data

    def line(self, line: bytes, *, sent: bool) -> bytes | None:
        """A line with its secrets replaced, without a line break; None where it is no JSON as it stands."""
        try:
            value = from_json(line.removeprefix(b"\xef\xbb\xbf"))
        except ValueError:
            return None
        return to_json(
            [self._message(one, sent=sent) for one in value] if type(value) is list else self._message(value, sent=sent)
        )

    def _message(self, message: Any, *, sent: bool) -> Any:
        if type(message) is not dict:
            return self._walk(message, NOTHING, self._sent | self._told)
        names = self._sent if sent else self._told
        schema = self._contract.params(message.get("method")) if sent else NOTHING
        # What else a message has beside its params is not declared: a secret there bears at least its name.
        return {
            key: self._walk(value, schema, names) if key == "params" else self._member(key, value, NOTHING, names)
            for key, value in message.items()
        }

    def _walk(self, value: Any, schema: Schema, names: frozenset[str]) -> Any:
        if type(value) is dict:
            return {
                key: self._member(key, inner, self._contract.member(schema, value, key), names)
                for key, inner in value.items()
            }
        if type(value) is list:
            item = self._contract.item(schema)
            return [self._walk(inner, item, names) for inner in value]
        return value

    def _member(self, key: str, value: Any, schema: Schema, names: frozenset[str]) -> Any:
        is_secret = schema.get(SECRET) or (schema is NOTHING and key in names)
        return self._walk(value, schema, names) if not is_secret or value is None else self._marker(value)

    def _marker(self, value: Any) -> Any:
        """Of an object every value is replaced, so that what is sent in their place has its form."""
        if type(value) is dict:
            return {name: self._marker(inner) for name, inner in value.items()}
        if type(value) is list:
            return [self._marker(inner) for inner in value]
        digest = sha256(to_json(value)).digest()
        number = self._numbers.get(digest) or min(len(self._numbers) + 1, MAX_SECRETS)
        if number < MAX_SECRETS:
            self._numbers[digest] = number
        instead = {INSTEAD: stand_in(value)} if type(value) is str and is_address(value) else {}
        return {MARK: number, **instead}


def _by_rarest_byte(names: frozenset[str]) -> list[tuple[bytes, list[bytes]]]:
    """The names as they stand in JSON, by a byte that each has and that few lines have."""
    marks: dict[bytes, list[bytes]] = {}
    for name in sorted(names):
        rarest = min(name, key=COMMON_LETTERS.find)
        marks.setdefault(rarest.encode()[:1], []).append(b'"%s"' % name.encode())
    return list(marks.items())


def placeholder(number: int) -> str:
    """What stands for a secret of no other form: 32 bytes in base64, which fits them all."""
    from base64 import b64encode  # noqa: PLC0415 - not needed while recording

    return b64encode(sha256(b"secret %d of a transcript" % number).digest()).decode()
