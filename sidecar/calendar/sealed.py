"""Which columns of the calendar's tables hold sealed values.

They stand apart from the stores, since the vault looks at them at the handshake, when the feature is not needed yet.
"""

from typing import Final

from sidecar.storage.secrets import SecretColumn

CREDENTIALS: Final = SecretColumn("calendar_accounts", "credentials_json", "account_id")
CONFIG: Final = SecretColumn("calendar_accounts", "config_json", "account_id")
"""The old backend kept the OAuth client's secret in it."""
VERIFIER: Final = SecretColumn("calendar_sign_ins", "verifier", "state")
CODE: Final = SecretColumn("calendar_sign_ins", "code", "state")
