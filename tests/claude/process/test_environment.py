"""The environment that the CLI gets."""

import json
import os
import sys
from pathlib import Path

import anyio
import pytest

from sidecar.claude.process.environment import cli_environment, inherited
from tests.claude.client import ClaudeClient
from tests.conftest import StartSidecar

CONFIGURATION = {
    "ANTHROPIC_API_KEY": "k",
    "CLAUDE_CONFIG_DIR": "/c",
    "CLAUDE_CODE_OAUTH_TOKEN": "t",
    "CLAUDE_CODE_USE_BEDROCK": "1",
    "CLAUDE_CODE_MAX_RETRIES": "2",
    "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
    "HTTPS_PROXY": "http://proxy",
}


FOREIGN = {
    "BACKEND_TOKEN": "secret",
    "GOOGLE_CLIENT_SECRET": "secret",
    "ELECTRON_RUN_AS_NODE": "1",
    "CLAUDECODE": "1",
    "CLAUDE_CODE_ENTRYPOINT": "cli",
    "CLAUDE_CODE_SESSION_ID": "s",
    "CLAUDE_CODE_MESSAGING_TOKEN": "t",
    "CLAUDE_CODE_API_KEY_FILE_DESCRIPTOR": "7",
}


def test_the_users_configuration_is_inherited_and_our_secrets_are_not() -> None:
    assert inherited(CONFIGURATION | FOREIGN) == CONFIGURATION


@pytest.mark.parametrize("method", ["claude.spawn", "claude.sessions.send"])
async def test_the_cli_gets_the_users_configuration_and_the_id_of_its_owner(
    sidecar: StartSidecar, standin: Path, method: str
) -> None:
    with anyio.fail_after(120):
        async with sidecar(**CONFIGURATION, **FOREIGN, CLAUDE_PATH=str(standin)) as client:
            await client.initialize("tests", token=FOREIGN["BACKEND_TOKEN"])
            claude = ClaudeClient(client)
            session = {} if method == "claude.spawn" else {"session_id": (await claude.sessions.create()).session_id}
            job = await client.call(method, {"prompt": "[[about]]", **session})
            done = await claude.until_job(job["job_id"], "succeeded")
    environment = json.loads(done["result"]["text"])["environment"]
    assert CONFIGURATION.items() <= environment.items()
    assert FOREIGN.keys() & environment.keys() == set()
    assert environment.get("SIDECAR_JOB" if method == "claude.spawn" else "SIDECAR_SESSION") in (
        job["job_id"],
        *session.values(),
    )


def test_the_executables_own_folder_comes_first_on_the_path() -> None:
    environment = cli_environment({"PATH": "/usr/bin"}, Path("/nvm/bin/claude"))
    assert environment == {"PATH": f"/nvm/bin{os.pathsep}/usr/bin"}


def test_a_folder_that_is_on_the_path_keeps_its_place() -> None:
    path = os.pathsep.join(["/usr/bin", "/nvm/bin"])
    assert cli_environment({"PATH": path}, Path("/nvm/bin/claude"))["PATH"] == path


def test_an_empty_path_is_not_the_current_folder() -> None:
    assert cli_environment({}, Path("/nvm/bin/claude"))["PATH"] == "/nvm/bin"


def test_relative_folders_of_a_path_are_left_out_since_a_project_would_choose_the_programs_there() -> None:
    path = os.pathsep.join([".", "/usr/bin", "", "node_modules/.bin", "../bin"])
    assert cli_environment({"PATH": path}, Path("/nvm/bin/claude"), path)["PATH"] == f"/nvm/bin{os.pathsep}/usr/bin"


def test_the_login_shells_path_comes_before_the_apps() -> None:
    environment = cli_environment({"PATH": "/usr/bin:/app"}, Path("/opt/bin/claude"), "/opt/bin:/usr/bin")
    assert environment == {"PATH": "/opt/bin:/usr/bin:/app"}


PACKAGED = {
    "NODE_OPTIONS": "--require /app/hook.js",
    "PYTHONHOME": "/mnt/hub/usr",
    "PYTHONPATH": "/mnt/hub/usr/lib/python3",
    "DYLD_LIBRARY_PATH": "/Applications/Hub.app/Frameworks",
    "_PYI_ARCHIVE_FILE": "/app/sidecar",
    "LD_LIBRARY_PATH": "/app/_internal",
    "LD_PRELOAD": "/mnt/hub/libexec.so",
    "APPIMAGE": "/home/me/Hub.AppImage",
    "ARGV0": "./Hub.AppImage",
    "OWD": "/home/me",
    "APPIMAGE_UUID": "1",
}


def test_the_apps_own_libraries_and_interpreters_are_not_inherited() -> None:
    assert inherited({**PACKAGED, "HOME": "/home/me"}) == {"HOME": "/home/me"}


def test_the_library_path_of_the_user_is_restored() -> None:
    frozen = {"LD_LIBRARY_PATH": "/app/_internal:/opt/cuda", "LD_LIBRARY_PATH_ORIG": "/opt/cuda"}
    assert inherited(frozen) == {"LD_LIBRARY_PATH": "/opt/cuda"}
    assert inherited({"LD_LIBRARY_PATH": "/app/_internal", "LD_LIBRARY_PATH_ORIG": ""}) == {}


def test_entries_of_an_appimage_are_removed_from_every_list() -> None:
    mounted = {
        "APPDIR": "/mnt/hub",
        "PATH": "/mnt/hub/usr/bin:/usr/bin:/mnt/hubble/bin",
        "XDG_DATA_DIRS": "/mnt/hub/usr/share",
        "GSETTINGS_SCHEMA_DIR": "/mnt/hub/usr/share/glib-2.0/schemas:/usr/share/glib",
        "HTTPS_PROXY": "http://proxy:8080",
    }
    assert inherited(mounted) == {
        "PATH": "/usr/bin:/mnt/hubble/bin",
        "GSETTINGS_SCHEMA_DIR": "/usr/share/glib",
        "HTTPS_PROXY": "http://proxy:8080",
    }


def test_the_sidecars_own_virtual_environment_is_not_inherited_but_the_users_is() -> None:
    ours = {"VIRTUAL_ENV": sys.prefix, "VIRTUAL_ENV_PROMPT": "sidecar", "PATH": f"{sys.prefix}/bin:/usr/bin"}
    assert inherited(ours) == {"PATH": "/usr/bin"}
    theirs = {"VIRTUAL_ENV": "/home/me/venv", "VIRTUAL_ENV_PROMPT": "mine", "PATH": "/home/me/venv/bin:/usr/bin"}
    assert inherited(theirs) == theirs
