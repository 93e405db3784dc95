"""Which column holds sealed values.

It stands apart from the store, since the vault looks at it at the handshake, when the feature is not needed yet.
"""

from typing import Final

from sidecar.storage.secrets import SecretColumn

API_TOKEN: Final = SecretColumn("atlassian_accounts", "api_token", "account_id")
