"""Credentials at rest, encrypted with AES-256-GCM under a key that the client stores and passes to `initialize`.

A sealed value is `enc:v1:<key id>:<base64 of nonce and ciphertext>`.  The vault is the one place that reads and writes
tables of other modules: it finds and re-encrypts the values of every `SealedColumn`, also in backups.
"""

import codecs
import contextlib
import hmac
import logging
import os
import re
import sqlite3
from base64 import b64decode, b64encode
from collections.abc import Awaitable, Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from sidecar_protocol.errors import SecretsLocked
from sidecar_protocol.system.lifecycle import SecretsState

from sidecar.paths import create_file, make_private
from sidecar.storage.database import Database
from sidecar.storage.failures import is_damage, storage_error

log = logging.getLogger(__name__)

KEY_BYTES: Final = 32
NONCE_BYTES: Final = 12
KEY_FILE: Final = "sidecar.key"
SECRETS_PROBLEMS: Final[dict[SecretsState, str]] = {
    SecretsState.LOCKED: "stored credentials are encrypted; pass their key in initialize.secrets",
    SecretsState.KEY_MISMATCH: "stored credentials need another key; pass that key, or reconnect the accounts",
}
TRANSIENT: Final = ("SQLITE_FULL", "SQLITE_IOERR", "SQLITE_BUSY")
"""Errors after which a backup can be written later."""
Execute = Callable[[str, Sequence[Any]], list[Any]]
_SEALED: Final = re.compile(r"enc:v1:([0-9a-f]{16}):([A-Za-z0-9+/=]+)")


class SealedColumn(NamedTuple):
    """A column with sealed values, declared in the package that owns the table; `key` is the table's primary key."""

    table: str
    column: str
    key: str

    def associated_data(self, row_id: str) -> bytes:
        """Returns what binds a value to this column and row."""
        return f"{self.table}:{self.column}:{row_id}".encode()

    def values(self, execute: Execute) -> list[tuple[str, str]]:
        """Returns (row id, value) of all values; none if a backup is older than the column."""
        if not execute("SELECT 1 FROM pragma_table_info(?) WHERE name = ?", (self.table, self.column)):
            return []
        return execute(
            f"SELECT CAST({self.key} AS TEXT), CAST({self.column} AS TEXT) FROM {self.table} "
            f"WHERE {self.column} IS NOT NULL AND {self.column} != ''",
            (),
        )

    def update(self, execute: Execute, row_id: str, value: str) -> None:
        execute(f"UPDATE {self.table} SET {self.column} = ? WHERE {self.key} = ?", (value, row_id))


class SecretUnreadable(Exception):
    """A sealed value cannot be opened with the known keys.  It is not deleted: a later start may have its key.

    `is_locked`: the client has passed no key yet.  Otherwise the user has to connect the account again.
    """

    def __init__(self, *, is_locked: bool) -> None:
        super().__init__("a stored credential cannot be decrypted with the current key")
        self.is_locked = is_locked


class KeyFileUnusable(Exception):
    """The key file is there, but holds no key; the message has the reason and a remedy."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(
            f"{path} {reason}. Put back a copy of it, or pass the host's key in initialize.secrets. If there is "
            "neither, delete the file, start again, and reconnect the accounts"
        )


class Vault:
    """Seals and opens values; locked until `unlock` is called.

    `randomness` generates keys and nonces.  It must not depend on `--seed`: a nonce that repeats under one key breaks
    GCM.
    """

    def __init__(
        self,
        database: Database,
        data_dir: Path,
        columns: Sequence[SealedColumn],
        randomness: Callable[[int], bytes] = os.urandom,
    ) -> None:
        self._database = database
        self._key_file = data_dir / KEY_FILE
        self._columns = columns
        self._randomness = randomness
        self._keys: dict[str, bytes] = {}
        self._key_id: str | None = None
        self._file_problem: str | None = None
        self.state = SecretsState.LOCKED

    def unlock(self, client_key: str | None) -> SecretsState:
        """Sets the key: the client's (base64) or, if it has none, the key file's; returns the resulting state."""
        used = set().union(*map(self._legible_key_ids, self._columns))
        file_key = self._read_key_file()
        if file_key is not None:
            self._keys[key_id(file_key)] = file_key
        is_readable_with_file_key = used <= set(self._keys)
        if client_key is not None:
            key = b64decode(client_key, validate=True)
            self._key_id = key_id(key)
            self._keys[self._key_id] = key
            is_match = self._key_id in used or is_readable_with_file_key
            self.state = SecretsState.PROTECTED if is_match else SecretsState.KEY_MISMATCH
        elif is_readable_with_file_key and self._file_problem is None:
            self._key_id = key_id(file_key) if file_key is not None else None
            self.state = SecretsState.UNPROTECTED
        else:
            self.state = SecretsState.LOCKED
        return self.state

    def problem(self) -> str | None:
        """Returns why stored credentials cannot be used, and what the user can do; None if they can."""
        if self.state is SecretsState.LOCKED and self._file_problem is not None:
            return self._file_problem
        return SECRETS_PROBLEMS.get(self.state)

    def seal(self, text: str, column: SealedColumn, row_id: str) -> str:
        """Encrypts a value.

        Raises `SecretsLocked` if the stored values need a key that the client has not passed, `Storage` if the disk
        refuses the first key.
        """
        if self.state is SecretsState.LOCKED:
            raise SecretsLocked(hint=self.problem())
        if self._key_id is None:
            self._key_id = self._create_key_file()
        nonce = self._randomness(NONCE_BYTES)
        sealed = _cipher(self._keys[self._key_id]).encrypt(nonce, text.encode(), column.associated_data(row_id))
        return f"enc:v1:{self._key_id}:{b64encode(nonce + sealed).decode()}"

    def open(self, value: str, column: SealedColumn, row_id: str) -> str:
        """Decrypts a value; returns a plain-text value of the old backend unchanged.  Raises `SecretUnreadable`."""
        parts = _SEALED.fullmatch(value)
        if parts is None:
            return value
        key = self._keys.get(parts[1])
        if key is None:
            raise SecretUnreadable(is_locked=self.state is SecretsState.LOCKED)
        return _decrypted(key, parts[2], column.associated_data(row_id))

    async def seal_all(self, commit: Callable[[], Awaitable[None]]) -> int:
        """Seals plain text, and re-seals values under the key file's key if the client has a key; returns how many.

        No plain text remains in the database file, its log or its backups: deleted data is overwritten
        (`secure_delete`), the write-ahead log is truncated and unused pages are dropped.  This blocks the event loop
        for as long as copying the database takes, once in its life.
        """
        if self.state in (SecretsState.LOCKED, SecretsState.KEY_MISMATCH):
            return 0
        is_outdated = any(self._is_outdated(value) for column in self._columns for value in self._values(column))
        if not is_outdated and not self._has_unused_key_file():
            return 0
        backups = self._seal_backups()  # first, so that after a crash the rows show that there is work left
        with self._database.write():
            sealed = self._seal_rows(self._database.rows)
        if sealed:
            await commit()
            while self._database.in_transaction:  # written meanwhile; VACUUM needs to be outside a transaction
                await commit()
            self._database.vacuum()
        log.info("encrypted %d stored credentials, and those in %d backups", sealed, backups)
        if self._has_unused_key_file():
            self._key_file.unlink(missing_ok=True)
        return sealed

    def _has_unused_key_file(self) -> bool:
        """Whether there is a key file although every stored value needs the host's key only."""
        is_protected = self.state is SecretsState.PROTECTED and self._file_problem is None
        return is_protected and self._key_file.exists() and not self._used_key_ids() & set(self._keys) - {self._key_id}

    def _is_outdated(self, value: str) -> bool:
        parts = _SEALED.fullmatch(value)
        return parts is None or (parts[1] != self._key_id and parts[1] in self._keys)

    def _seal_rows(self, execute: Execute) -> int:
        count = 0
        for column in self._columns:
            for row_id, value in column.values(execute):
                if self._is_outdated(value):
                    try:
                        plain = self.open(value, column, row_id)
                    except SecretUnreadable:
                        log.warning("a stored credential in %s is damaged and remains as it is", column.table)
                        continue
                    column.update(execute, row_id, self.seal(plain, column, row_id))
                    count += 1
        return count

    def _seal_backups(self) -> int:
        """Seals the values in the backups; returns in how many.

        A backup that is damaged remains as it is.  Raises `sqlite3.Error` on a full disk, after which the next start
        tries again.
        """
        count = 0
        for path in sorted((self._key_file.parent / "backups").glob("*.db")):
            try:
                with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
                    connection.execute("PRAGMA secure_delete = ON")
                    count += bool(self._seal_rows(lambda sql, values: connection.execute(sql, values).fetchall()))
                    connection.execute("VACUUM")
            except sqlite3.Error as error:
                if getattr(error, "sqlite_errorname", "").startswith(TRANSIENT):
                    raise
                log.warning("%s may hold credentials in plain text: it could not be read (%s)", path, error)
        return count

    def _values(self, column: SealedColumn) -> Iterator[str]:
        return (value for _, value in column.values(self._database.rows))

    def _used_key_ids(self) -> set[str]:
        return set().union(*map(self._key_ids, self._columns))

    def _key_ids(self, column: SealedColumn) -> set[str]:
        return {parts[1] for value in self._values(column) if (parts := _SEALED.fullmatch(value)) is not None}

    def _legible_key_ids(self, column: SealedColumn) -> set[str]:
        """Returns no ids for a damaged table, which costs the credentials in it and not the handshake."""
        try:
            return self._key_ids(column)
        except sqlite3.DatabaseError as error:
            if not is_damage(error):
                raise
            log.exception("the credentials in %s cannot be read", column.table)
            return set()

    def _read_key_file(self) -> bytes | None:
        """Returns the file's key; None if there is no file, or if it holds no key, which `problem` then explains."""
        try:
            key = read_key_file(self._key_file)
        except KeyFileUnusable as error:
            log.warning("%s", error)
            self._file_problem = str(error)
            return None
        self._file_problem = None
        return key

    def _create_key_file(self) -> str:
        key = self._randomness(KEY_BYTES)
        try:
            create_file(self._key_file, b64encode(key))
        except FileExistsError:  # put there since the handshake
            raise SecretsLocked(hint=f"Start the sidecar again: {self._key_file} has appeared meanwhile.") from None
        except OSError as error:
            raise storage_error(error) from error
        new_id = key_id(key)
        self._keys[new_id] = key
        return new_id


def read_key_file(path: Path) -> bytes | None:
    """Returns the key in a file; None if there is no file.  Raises `KeyFileUnusable`.

    An editor or a copy may have added a byte order mark or line ends.
    """
    try:
        make_private(path)
        text = path.read_bytes().removeprefix(codecs.BOM_UTF8).strip()
        key = b64decode(text, validate=True)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise KeyFileUnusable(path, f"cannot be read ({error.strerror})") from error
    except ValueError:
        raise KeyFileUnusable(path, "is damaged: it does not hold base64") from None
    if len(key) != KEY_BYTES:
        raise KeyFileUnusable(path, f"is damaged: it holds {len(key)} bytes in base64 instead of {KEY_BYTES}")
    return key


def key_id(key: bytes) -> str:
    """Returns an identifier from which the key cannot be derived."""
    if len(key) != KEY_BYTES:
        raise ValueError(f"a key has {KEY_BYTES} bytes, not {len(key)}")
    return hmac.digest(key, b"sidecar key id", "sha256")[:8].hex()


def _cipher(key: bytes) -> Any:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415 - 25 ms to import

    return AESGCM(key)


def _decrypted(key: bytes, text: str, associated_data: bytes) -> str:
    from cryptography.exceptions import InvalidTag  # noqa: PLC0415 - 25 ms to import

    try:
        data = b64decode(text, validate=True)
        plain: bytes = _cipher(key).decrypt(data[:NONCE_BYTES], data[NONCE_BYTES:], associated_data)
    except (InvalidTag, ValueError):
        raise SecretUnreadable(is_locked=False) from None
    return plain.decode()
