"""The encrypted columns of the calendar's tables.

A module of its own: the vault needs them at the handshake, before the feature is imported.
"""

from typing import Final

from sidecar.storage.secrets import SealedColumn

CREDENTIALS: Final = SealedColumn("calendar_accounts", "credentials_json", "account_id")
CONFIG: Final = SealedColumn("calendar_accounts", "config_json", "account_id")
"""The old backend stored the OAuth client secret in it."""
VERIFIER: Final = SealedColumn("calendar_sign_ins", "verifier", "state")
CODE: Final = SealedColumn("calendar_sign_ins", "code", "state")
