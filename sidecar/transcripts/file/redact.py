"""Removes secrets from messages: the members that the contract declares secret, not text that looks like one.

A secret becomes {"$secret": n}, with the same n for the same value, so that a replay stays consistent.
Each value inside a secret object is replaced separately.  An address also gets a placeholder URL (`addresses.py`), and
the content of a file is described instead of numbered (`contents.py`).
"""

import re
from base64 import b64encode
from hashlib import sha256
from typing import Any, Final

from pydantic_core import from_json, to_json

from sidecar.transcripts.file.addresses import is_web_address, placeholder_url
from sidecar.transcripts.file.contents import described, example, is_file
from sidecar.transcripts.file.schemas import SECRET, UNDECLARED, ContractSchemas, Schema

SECRET_KEY: Final = "$secret"  # noqa: S105 - the name of a member
LIKE: Final = "$like"
"""The member of a pattern that a replay sends in its place."""
MAX_SECRETS: Final = 1_000
"""Limits the digests that are remembered; all further secrets get this number."""
_BOM: Final = b"\xef\xbb\xbf"


class Redactor:
    """Redacts the lines of one run and remembers its secrets as digests."""

    def __init__(self, schemas: ContractSchemas, *, keeps_files: bool = False) -> None:
        self._schemas = schemas
        self._keeps_files = keeps_files
        self._sent, self._received = schemas.secret_names()
        self._numbers: dict[bytes, int] = {}
        self._sent_pattern = _any_of(self._sent)
        self._received_pattern = _any_of(self._received)

    def may_contain_secret(self, data: bytes, *, from_client: bool) -> bool:
        """Returns whether lines must be parsed and redacted before they are written.  On the hot path."""
        # An escape can hide a name; a carriage return or a BOM would break the line that is written.
        if from_client and (b"\r" in data or b"\\u" in data or _BOM in data):
            return True
        return (self._sent_pattern if from_client else self._received_pattern).search(data) is not None

    def may_contain_secret_raw(self, data: bytes) -> bool:
        """Returns whether a line that is not JSON may show a secret, since it names a secret member."""
        return any(name.encode() in data for name in self._sent) or b"\\u" in data

    def redacted(self, line: bytes, *, from_client: bool) -> bytes | None:
        """Returns the line with its secrets replaced and without a line break, or None if it is not strict JSON."""
        try:
            value = from_json(line.removeprefix(_BOM))
        except ValueError:
            return None
        if type(value) is list:
            return to_json([self._message(message, from_client=from_client) for message in value])
        return to_json(self._message(value, from_client=from_client))

    def _message(self, message: Any, *, from_client: bool) -> Any:
        if type(message) is not dict:
            return self._walk(message, UNDECLARED, self._sent | self._received)
        names = self._sent if from_client else self._received
        schema = self._schemas.params(message.get("method")) if from_client else UNDECLARED
        # Members other than `params` are not declared: a secret in them is recognized by its name.
        return {
            key: self._walk(value, schema, names) if key == "params" else self._member(key, value, UNDECLARED, names)
            for key, value in message.items()
        }

    def _walk(self, value: Any, schema: Schema, names: frozenset[str]) -> Any:
        if type(value) is dict:
            return {
                key: self._member(key, inner, self._schemas.member(schema, value, key), names)
                for key, inner in value.items()
            }
        if type(value) is list:
            item = self._schemas.item(schema)
            return [self._walk(inner, item, names) for inner in value]
        return value

    def _member(self, key: str, value: Any, schema: Schema, names: frozenset[str]) -> Any:
        is_secret = schema.get(SECRET) or (schema is UNDECLARED and key in names)
        if not is_secret or value is None:
            return self._walk(value, schema, names)
        if type(value) is str and any(map(is_file, self._schemas.choices(schema))):
            return value if self._keeps_files else {SECRET_KEY: described(value), LIKE: example(value)}
        return self._replace(value)

    def _replace(self, value: Any) -> Any:
        """Replaces each leaf of an object, so that the replayed value keeps its shape."""
        if type(value) is dict:
            return {name: self._replace(inner) for name, inner in value.items()}
        if type(value) is list:
            return [self._replace(inner) for inner in value]
        digest = sha256(to_json(value)).digest()
        number = self._numbers.get(digest) or min(len(self._numbers) + 1, MAX_SECRETS)
        if number < MAX_SECRETS:
            self._numbers[digest] = number
        like = {LIKE: placeholder_url(value)} if type(value) is str and is_web_address(value) else {}
        return {SECRET_KEY: number, **like}


def _any_of(names: frozenset[str]) -> re.Pattern[bytes]:
    return re.compile(f'"(?:{"|".join(map(re.escape, sorted(names)))})"'.encode())


def placeholder(number: int) -> str:
    """Returns what to send for a secret that has no `$like`: 32 bytes in base64, which is valid in every place."""
    return b64encode(sha256(b"secret %d of a transcript" % number).digest()).decode()
