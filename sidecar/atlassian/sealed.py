"""The column with sealed values in the tables of Jira and Confluence.

Apart from the store, since the vault needs it at `initialize`, before the feature is imported.
"""

from typing import Final

from sidecar.storage.secrets import SealedColumn

API_TOKEN: Final = SealedColumn("atlassian_accounts", "api_token", "account_id")
