"""The accounts' credentials, encrypted in the table `calendar_accounts`."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from pydantic_core import to_json

from sidecar.calendar.accounts_store import AccountRow, AccountsStore
from sidecar.calendar.provider import StoredAccount
from sidecar.calendar.sealed import CREDENTIALS
from sidecar.clock import iso_now
from sidecar.json_reader import parse_object
from sidecar.runtime import Runtime


class CredentialsStore:
    """Encrypts, stores and decrypts credentials."""

    def __init__(self, runtime: Runtime, accounts: AccountsStore) -> None:
        self._runtime = runtime
        self._accounts = accounts

    def open(self, row: AccountRow) -> StoredAccount:
        """Returns an account with its decrypted credentials.  Raises `SecretUnreadable`."""
        text = self._runtime.vault.open(row.credentials, CREDENTIALS, row.account_id) if row.credentials else "{}"
        signed_in = datetime.fromisoformat(row.signed_in_at) if row.signed_in_at else None
        signed_in_ms = None if signed_in is None else round(signed_in.timestamp() * 1_000)
        return StoredAccount(row.account_id, row.email, parse_object(text) or {}, signed_in_ms)

    def seal(self, account_id: str, credentials: Mapping[str, Any]) -> str:
        """Encrypts credentials for the account's row.  Raises `SecretsLocked`."""
        return self._runtime.vault.seal(to_json(dict(credentials)).decode(), CREDENTIALS, account_id)

    def replace(self, account_id: str, credentials: Mapping[str, Any]) -> None:
        """Stores credentials that the provider has replaced without a new sign-in.  Raises `SecretsLocked`."""
        sealed = self.seal(account_id, credentials)
        with self._runtime.database.write():
            self._accounts.change(account_id, iso_now(self._runtime.clock), credentials_json=sealed)
