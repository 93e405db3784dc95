"""Credentials at rest: AES-256-GCM for each value, under a key that the host keeps and hands over at the handshake.

A sealed value is `enc:v1:<key id>:<base64 of nonce and ciphertext>`, bound to its table, column and row: copied to
another row it does not open.  Without a key from the host there is one in a file beside the database, which protects
a copy of the database alone, and the handshake says `unprotected`.
`cryptography` takes 25 ms to import, so it is imported with the first value.
"""

import contextlib
import hmac
import logging
import os
import re
import sqlite3
from base64 import b64decode, b64encode
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

from sidecar_protocol.errors import SecretsLocked
from sidecar_protocol.system import SecretsState

from sidecar.storage.database import Database

log = logging.getLogger(__name__)

KEY_BYTES: Final = 32
NONCE_BYTES: Final = 12
KEY_FILE: Final = "sidecar.key"
Execute = Callable[[str, Sequence[Any]], list[Any]]
_SEALED: Final = re.compile(r"enc:v1:([0-9a-f]{16}):([A-Za-z0-9+/=]+)")


@dataclass(frozen=True, slots=True)
class SecretColumn:
    """A column that holds sealed values, declared by the store that owns its table; `row_id` is the table's key."""

    table: str
    column: str
    row_id: str

    def binding(self, row: str) -> bytes:
        """What a value of this column and row is bound to."""
        return f"{self.table}:{self.column}:{row}".encode()


class SecretUnreadable(Exception):
    """A sealed value cannot be opened with the keys at hand.  It is kept: the right key may come back.

    `is_locked`: no key was handed over yet, so waiting may help; otherwise the account has to be connected anew.
    """

    def __init__(self, *, is_locked: bool) -> None:
        super().__init__("a stored credential cannot be read with this key")
        self.is_locked = is_locked


class Vault:
    """Seals and opens values.  Until `unlock` was called it is locked."""

    def __init__(
        self,
        database: Database,
        data_dir: Path,
        columns: Sequence[SecretColumn],
        randomness: Callable[[int], bytes] = os.urandom,
    ) -> None:
        """`randomness` makes keys and nonces, and is the system's whatever `--seed` says.

        They never show on the wire; a nonce that comes twice under one key would give away what GCM hides.
        """
        self._database = database
        self._file = data_dir / KEY_FILE
        self._columns = columns
        self._randomness = randomness
        self._keys: dict[str, bytes] = {}
        self._current: str | None = None
        self.state = SecretsState.LOCKED

    def unlock(self, host_key: str | None) -> SecretsState:
        """Take the host's key (base64), or without one the file's; what that means for the values that are there."""
        used = self._used()
        if (stored := self._read_file()) is not None:
            self._keys[key_id(stored)] = stored
        in_file = set(self._keys)
        if host_key is not None:
            key = b64decode(host_key, validate=True)
            self._current = key_id(key)
            self._keys[self._current] = key
            known = not used or self._current in used or used <= in_file
            self.state = SecretsState.PROTECTED if known else SecretsState.KEY_MISMATCH
        elif used <= in_file:
            self._current = key_id(stored) if stored is not None else None
            self.state = SecretsState.UNPROTECTED
        else:
            self.state = SecretsState.LOCKED
        return self.state

    def seal(self, text: str, column: SecretColumn, row: str) -> str:
        """The value as it may be stored.

        Raises `SecretsLocked` where what is stored was sealed with a key of the host's and none was handed over.
        """
        if self.state is SecretsState.LOCKED:
            raise SecretsLocked
        if self._current is None:
            self._current = self._make_file()
        nonce = self._randomness(NONCE_BYTES)
        sealed = _cipher(self._keys[self._current]).encrypt(nonce, text.encode(), column.binding(row))
        return f"enc:v1:{self._current}:{b64encode(nonce + sealed).decode()}"

    def open(self, value: str, column: SecretColumn, row: str) -> str:
        """What was sealed; a value of the old backend's, which never was, as it is.  Raises `SecretUnreadable`."""
        parts = _SEALED.fullmatch(value)
        if parts is None:
            return value
        key = self._keys.get(parts[1])
        if key is None:
            raise SecretUnreadable(is_locked=self.state is SecretsState.LOCKED)
        return _opened(key, parts[2], column.binding(row))

    async def seal_all(self, committed: Callable[[], Awaitable[None]]) -> int:
        """Seal what is not sealed yet, or with the file's key while the host has one; how many values that were.

        Afterwards none of it is left in the database's file, its log or its backups: pages are overwritten
        (`secure_delete`), the write-ahead log is cut off and free pages are dropped.  That takes the loop's thread for
        as long as copying the database takes, once in a database's life.
        """
        if self.state in (SecretsState.LOCKED, SecretsState.KEY_MISMATCH):
            return 0
        if not any(self._wants_sealing(value) for _, _, value in self._values(self._database.rows)):
            self._forget_file()
            return 0
        backups = self._seal_backups()  # first: after a crash the rows say that there is still something to do
        with self._database.write():
            sealed = self._seal_rows(self._database.rows)
        await committed()
        while self._database.in_transaction:  # somebody has written since
            await committed()
        self._database.vacuum()
        log.info("%d stored credentials are encrypted now, and those of %d backups", sealed, backups)
        self._forget_file()
        return sealed

    def _forget_file(self) -> None:
        """Remove the file's key once nothing needs it any more."""
        if self.state is SecretsState.PROTECTED and not self._used() & set(self._keys) - {self._current}:
            self._file.unlink(missing_ok=True)

    def _wants_sealing(self, value: str) -> bool:
        parts = _SEALED.fullmatch(value)
        return parts is None or (parts[1] != self._current and parts[1] in self._keys)

    def _seal_rows(self, execute: Execute) -> int:
        count = 0
        for column, row, value in list(self._values(execute)):
            if not self._wants_sealing(value):
                continue
            sealed = self.seal(self.open(value, column, row), column, row)
            execute(f"UPDATE {column.table} SET {column.column} = ? WHERE {column.row_id} = ?", (sealed, row))
            count += 1
        return count

    def _seal_backups(self) -> int:
        """The same in the backups; one that cannot be written is deleted, since it would keep what is now secret."""
        count = 0
        for path in sorted((self._database.path.parent / "backups").glob("*.db")):
            try:
                with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
                    connection.execute("PRAGMA secure_delete = ON")
                    count += bool(self._seal_rows(partial(_rows, connection)))
                    connection.execute("VACUUM")
            except (sqlite3.Error, OSError):
                log.exception("the backup %s could not be rewritten, so it is deleted", path.name)
                path.unlink(missing_ok=True)
        return count

    def _values(self, execute: Execute) -> Iterator[tuple[SecretColumn, str, str]]:
        for column in self._columns:
            present = execute("SELECT 1 FROM pragma_table_info(?) WHERE name = ?", (column.table, column.column))
            if not present:  # a backup from before the table
                continue
            rows: Iterable[tuple[str, str]] = execute(
                f"""SELECT {column.row_id}, {column.column} FROM {column.table}
                WHERE {column.column} IS NOT NULL AND {column.column} != ''""",
                (),
            )
            for row, value in rows:
                yield column, str(row), str(value)

    def _used(self) -> set[str]:
        """The ids of the keys that stored values are sealed with."""
        found = (_SEALED.fullmatch(value) for _, _, value in self._values(self._database.rows))
        return {parts[1] for parts in found if parts is not None}

    def _read_file(self) -> bytes | None:
        try:
            return b64decode(self._file.read_bytes(), validate=True)
        except FileNotFoundError:
            return None
        except (OSError, ValueError):
            log.exception("%s cannot be read", self._file.name)
            return None

    def _make_file(self) -> str:
        key = self._randomness(KEY_BYTES)
        handle = os.open(self._file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            os.write(handle, b64encode(key))
            os.fsync(handle)
        finally:
            os.close(handle)
        made = key_id(key)
        self._keys[made] = key
        return made


def _rows(connection: sqlite3.Connection, sql: str, values: Sequence[Any]) -> list[Any]:
    return connection.execute(sql, values).fetchall()


def key_id(key: bytes) -> str:
    """A key's name, which tells nothing of the key."""
    if len(key) != KEY_BYTES:
        raise ValueError(f"a key has {KEY_BYTES} bytes, not {len(key)}")
    return hmac.digest(key, b"sidecar key id", "sha256")[:8].hex()


def _cipher(key: bytes) -> Any:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415 - see the module's docstring

    return AESGCM(key)


def _opened(key: bytes, text: str, binding: bytes) -> str:
    from cryptography.exceptions import InvalidTag  # noqa: PLC0415 - see the module's docstring

    try:
        data = b64decode(text, validate=True)
        opened: bytes = _cipher(key).decrypt(data[:NONCE_BYTES], data[NONCE_BYTES:], binding)
    except (InvalidTag, ValueError):
        raise SecretUnreadable(is_locked=False) from None
    return opened.decode()
