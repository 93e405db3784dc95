"""The column with encrypted values in the table of the Atlassian accounts.

It is a module of its own because the vault needs it in the handshake, before the feature is imported.
"""

from typing import Final

from sidecar.storage.secrets import SealedColumn

API_TOKEN: Final = SealedColumn("atlassian_accounts", "api_token", "account_id")
