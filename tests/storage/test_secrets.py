"""Credentials at rest: which key seals them, and that no file contains the plain text afterwards."""

import sqlite3
from base64 import b64encode
from contextlib import closing
from pathlib import Path

import anyio
import pytest
from sidecar_protocol.errors import SecretsLocked
from sidecar_protocol.system.lifecycle import SecretsState

from sidecar.atlassian.sealed import API_TOKEN
from sidecar.calendar.sealed import CREDENTIALS
from sidecar.commandline.client import RemoteError, spawn
from sidecar.paths import isolated_environment
from sidecar.storage.backups import back_up
from sidecar.storage.secrets import KEY_FILE, SecretUnreadable, Vault
from tests.in_process_app import InProcessApp
from tests.old_backend import SECRETS, fill, old_database

KEY = b64encode(bytes(range(32))).decode()
OTHER_KEY = b64encode(bytes(range(1, 33))).decode()


def old(folder: Path) -> Path:
    """Creates a database of the old backend, with credentials in plain text."""
    folder.mkdir()
    with old_database(folder) as connection:
        fill(connection)
    return folder / "sidecar.db"


def stored(app: InProcessApp) -> tuple[str, ...]:
    """Returns the stored credentials and configuration of the calendar account, and the token of the Jira account."""
    calendar = app.database.rows("SELECT credentials_json, config_json FROM calendar_accounts")[0]
    return (*calendar, app.database.rows("SELECT api_token FROM atlassian_accounts WHERE service = 'jira'")[0][0])


def files_with(folder: Path, text: str) -> list[str]:
    """Returns the names of the files in a folder and its subfolders that contain a text."""
    return [path.name for path in folder.rglob("*") if path.is_file() and text.encode() in path.read_bytes()]


@pytest.fixture
def vault(app: InProcessApp) -> Vault:
    """A locked vault over an empty database."""
    return Vault(app.database, app.database.path.parent, (CREDENTIALS, API_TOKEN))


async def test_credentials_of_an_old_database_are_encrypted_and_remain_in_no_file(data_dir: Path) -> None:
    path = old(data_dir)
    app = InProcessApp(path)
    back_up(sqlite3.connect(path), data_dir / "backups" / "sidecar-by-hand.db")
    answer = await app.initialize(secrets={"key": KEY})
    assert answer["secrets"] == "protected"
    await app.features.seal_secrets()
    assert stored(app)[0].count(":") == 3
    app.close()
    assert len(list((data_dir / "backups").glob("*.db"))) == 2
    assert [files_with(data_dir, text) for text in SECRETS] == [[], [], [], []]
    assert not (data_dir / KEY_FILE).exists()


async def test_the_process_encrypts_credentials_after_initialize(data_dir: Path) -> None:
    path = old(data_dir)
    async with spawn(env=isolated_environment(data_dir, {})) as client:
        await client.initialize("tests", secrets={"key": KEY})
        with closing(sqlite3.connect(path)) as outside, anyio.fail_after(120):
            while not outside.execute("SELECT api_token FROM atlassian_accounts").fetchone()[0].startswith("enc:v1:"):
                await client.call("system.status")
    assert [files_with(data_dir, text) for text in (*SECRETS, KEY)] == [[], [], [], [], []]


async def test_a_later_start_can_decrypt_with_the_same_key_only(data_dir: Path) -> None:
    path = old(data_dir)
    app = InProcessApp(path)
    await app.initialize(secrets={"key": KEY})
    await app.features.seal_secrets()
    before = stored(app)
    app.close()

    for key, state in ((KEY, "protected"), (OTHER_KEY, "key_mismatch"), (None, "locked")):
        app = InProcessApp(path)
        answer = await app.initialize(secrets={"key": key} if key else None)
        assert answer["secrets"] == state
        vault = app.runtime.vault
        assert await vault.seal_all(app.runtime.committed) == 0
        assert stored(app) == before
        if key == KEY:
            assert SECRETS[0] in vault.open(before[0], CREDENTIALS, "acc-1")
            assert vault.open(before[2], API_TOKEN, "jira-1") == SECRETS[2]
        else:
            with pytest.raises(SecretUnreadable) as caught:
                vault.open(before[2], API_TOKEN, "jira-1")
            assert caught.value.is_locked is (key is None)
        app.close()


async def test_without_a_key_from_the_client_the_key_is_in_a_private_file(data_dir: Path) -> None:
    path = old(data_dir)
    app = InProcessApp(path)
    assert (await app.initialize())["secrets"] == "unprotected"
    await app.features.seal_secrets()
    assert (data_dir / KEY_FILE).stat().st_mode & 0o777 == 0o600
    app.close()
    assert [files_with(data_dir, text) for text in SECRETS] == [[], [], [], []]


async def test_a_later_key_of_the_client_replaces_the_key_file(data_dir: Path) -> None:
    path = old(data_dir)
    app = InProcessApp(path)
    await app.initialize()
    await app.features.seal_secrets()
    before = stored(app)
    app.close()

    app = InProcessApp(path)
    assert (await app.initialize(secrets={"key": KEY}))["secrets"] == "protected"
    assert await app.runtime.vault.seal_all(app.runtime.committed) == 4
    after = stored(app)
    assert set(before).isdisjoint(after)
    assert app.runtime.vault.open(after[2], API_TOKEN, "jira-1") == SECRETS[2]
    app.close()
    assert not (data_dir / KEY_FILE).exists()


async def test_the_key_file_is_deleted_only_once_the_backups_are_encrypted_with_the_clients_key(data_dir: Path) -> None:
    path = old(data_dir)
    app = InProcessApp(path)
    await app.initialize()
    await app.features.seal_secrets()
    back_up(app.connection, backup := data_dir / "backups" / "sidecar-by-hand.db")
    with app.database.write():
        app.database.execute("DELETE FROM atlassian_accounts")
        app.database.execute("DELETE FROM calendar_accounts")
    app.unit_of_work.commit()
    app.close()

    app = InProcessApp(path)
    assert (await app.initialize(secrets={"key": KEY}))["secrets"] == "protected"
    await app.features.seal_secrets()
    assert not (data_dir / KEY_FILE).exists()
    with closing(sqlite3.connect(backup)) as connection:
        (token,) = connection.execute("SELECT api_token FROM atlassian_accounts WHERE account_id = 'jira-1'").fetchone()
    assert app.runtime.vault.open(token, API_TOKEN, "jira-1") == SECRETS[2]
    app.close()


async def test_a_damaged_backup_a_foreign_file_or_a_damaged_value_stops_nothing_and_is_not_deleted(
    data_dir: Path,
) -> None:
    path = old(data_dir)
    (data_dir / "backups").mkdir()
    (data_dir / "backups" / "mine.db").write_bytes(b"not a database" * 100)
    app = InProcessApp(path)
    await app.initialize()
    await app.features.seal_secrets()
    with app.database.write():
        app.database.execute(
            "UPDATE atlassian_accounts SET api_token = substr(api_token, 1, 30) WHERE account_id = 'jira-1'"
        )
    app.unit_of_work.commit()
    app.close()

    app = InProcessApp(path)
    await app.initialize(secrets={"key": KEY})
    await app.features.seal_secrets()
    assert SECRETS[0] in app.runtime.vault.open(stored(app)[0], CREDENTIALS, "acc-1")
    assert (data_dir / KEY_FILE).exists()  # the damaged value may be repaired
    assert (data_dir / "backups" / "mine.db").exists()
    app.close()


@pytest.mark.parametrize(("key", "status"), [(KEY, "ok"), (OTHER_KEY, "degraded"), (None, "degraded")])
async def test_the_health_check_reports_credentials_without_their_key(
    data_dir: Path, key: str | None, status: str
) -> None:
    app = InProcessApp(old(data_dir))
    await app.initialize(secrets={"key": KEY})
    await app.features.seal_secrets()
    app.close()
    async with spawn(env=isolated_environment(data_dir, {})) as client:
        before = await client.call("system.health")
        assert before["status"] == "ok"
        await client.initialize("tests", secrets={"key": key} if key else None)
        with anyio.fail_after(120):
            while (health := await client.call("system.health")) == before and status != "ok":
                pass  # a recent result is cached
    assert [check["status"] for check in health["checks"] if check["name"] == "secrets"] == [status]
    assert health["status"] == status


async def test_a_value_can_be_opened_only_in_its_own_row_and_column(vault: Vault) -> None:
    vault.unlock(KEY)
    value = vault.seal("secret", API_TOKEN, "j1")
    assert vault.open(value, API_TOKEN, "j1") == "secret"
    assert value != vault.seal("secret", API_TOKEN, "j1")
    for column, row in ((API_TOKEN, "j2"), (CREDENTIALS, "j1")):
        with pytest.raises(SecretUnreadable):
            vault.open(value, column, row)
    for broken in (value[:-8] + "AAAAAAA=", value[:30]):
        with pytest.raises(SecretUnreadable):
            vault.open(broken, API_TOKEN, "j1")


async def test_an_account_can_be_connected_with_a_new_key_and_old_values_remain(
    app: InProcessApp, vault: Vault
) -> None:
    vault.unlock(KEY)
    moment = "2026-01-05T08:00:00.000Z"
    for row in ("j1", "j2"):
        with app.database.write():
            app.database.execute(
                """
                INSERT INTO atlassian_accounts
                    (account_id, service, org, base_url, email, api_token, created_at, updated_at)
                VALUES (?, 'jira', 'o', 'https://o.example', 'a@b.c', ?, ?, ?)
                """,
                (row, vault.seal("mine", API_TOKEN, row), moment, moment),
            )
    later = Vault(app.database, app.database.path.parent, (CREDENTIALS, API_TOKEN))
    assert later.unlock(OTHER_KEY) is SecretsState.KEY_MISMATCH
    with app.database.write():
        app.database.execute(
            "UPDATE atlassian_accounts SET api_token = ? WHERE account_id = 'j2'",
            (later.seal("new", API_TOKEN, "j2"),),
        )
    assert later.unlock(OTHER_KEY) is SecretsState.PROTECTED
    values = dict(app.database.rows("SELECT account_id, api_token FROM atlassian_accounts"))
    assert later.open(values["j2"], API_TOKEN, "j2") == "new"
    assert vault.open(values["j1"], API_TOKEN, "j1") == "mine"


async def test_nothing_is_sealed_while_the_stored_values_are_locked(app: InProcessApp, vault: Vault) -> None:
    with pytest.raises(SecretsLocked):
        vault.seal("too early", API_TOKEN, "j1")
    assert vault.state is SecretsState.LOCKED


async def test_initialize_refuses_a_key_of_the_wrong_size(data_dir: Path) -> None:
    app = InProcessApp(data_dir / "sidecar.db")
    with pytest.raises(RemoteError, match="params"):
        await app.initialize(secrets={"key": b64encode(bytes(16)).decode()})
    app.close()
