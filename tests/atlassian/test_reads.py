"""Lists of the Jira and Confluence accounts of an old database."""

from pathlib import Path
from typing import Any

from sidecar_protocol.accounts import AccountStatus
from sidecar_protocol.atlassian import AtlassianAccount, AtlassianScope, AtlassianService
from sidecar_protocol.confluence import Confluence
from sidecar_protocol.jira import Jira
from sidecar_protocol.system.status import System

from tests.old_backend import SECRETS, STAMPS, fill, insert, old_database, serving

SITE: dict[str, Any] = {"org": "example", "base_url": "https://127.0.0.1:9", "email": "ada@example.com"}
DEFAULTS: dict[str, Any] = {"status": AccountStatus.ACTIVE, "scope": AtlassianScope.MINE}


async def test_each_product_lists_its_own_accounts(tmp_path: Path) -> None:
    with old_database(tmp_path) as old:
        fill(old)
    async with serving(tmp_path) as client:
        jira = client.remote(Jira)
        confluence = client.remote(Confluence)
        assert (await jira.list_accounts()).accounts == [
            AtlassianAccount(account_id="jira-1", service=AtlassianService.JIRA, **SITE, **DEFAULTS, **STAMPS)
        ]
        assert (await confluence.list_accounts()).accounts == [
            AtlassianAccount(
                account_id="confluence-1", service=AtlassianService.CONFLUENCE, **SITE, **DEFAULTS, **STAMPS
            )
        ]


async def test_a_listed_account_has_no_token(tmp_path: Path) -> None:
    with old_database(tmp_path) as old:
        fill(old)
    async with serving(tmp_path) as client:
        responses = [await client.call("jira.accounts.list"), await client.call("confluence.accounts.list")]
    for response in responses:
        assert [set(account) for account in response["accounts"]] == [set(AtlassianAccount.model_fields)]
        assert not any(secret in str(response) for secret in SECRETS)


async def test_accounts_are_listed_in_order_of_creation_and_counted(tmp_path: Path) -> None:
    with old_database(tmp_path) as old:
        for account_id, year in (("first", 2024), ("second", 2023), ("third", 2025)):
            created_at = f"{year}-01-01T00:00:00Z"
            row = {
                "account_id": account_id,
                "service": "jira",
                **SITE,
                "created_at": created_at,
                "updated_at": created_at,
            }
            insert(old, "atlassian_accounts", api_token=SECRETS[2], **row)
    async with serving(tmp_path) as client:
        listed = (await client.remote(Jira).list_accounts()).accounts
        assert [account.account_id for account in listed] == ["first", "second", "third"]
        assert await client.call("confluence.accounts.list") == {"accounts": []}
        assert (await client.remote(System).status()).accounts == {"jira": 3}
