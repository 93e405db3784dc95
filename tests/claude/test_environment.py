"""What of our environment the CLI gets to see."""

import os
from pathlib import Path

from sidecar.claude.environment import inherited, job_environment

CONFIGURATION = {
    "ANTHROPIC_API_KEY": "k",
    "CLAUDE_CONFIG_DIR": "/c",
    "CLAUDE_CODE_OAUTH_TOKEN": "t",
    "CLAUDE_CODE_USE_BEDROCK": "1",
    "CLAUDE_CODE_MAX_RETRIES": "2",
    "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
    "HTTPS_PROXY": "http://proxy",
}


def test_the_users_configuration_passes_and_nothing_else_of_ours() -> None:
    foreign = {
        "BACKEND_TOKEN": "secret",
        "GOOGLE_CLIENT_SECRET": "secret",
        "ELECTRON_RUN_AS_NODE": "1",
        "CLAUDECODE": "1",
        "CLAUDE_CODE_ENTRYPOINT": "cli",
        "CLAUDE_CODE_SESSION_ID": "s",
        "CLAUDE_CODE_MESSAGING_TOKEN": "t",
        "CLAUDE_CODE_API_KEY_FILE_DESCRIPTOR": "7",
    }
    assert inherited(CONFIGURATION | foreign) == CONFIGURATION


def test_the_executables_own_folder_comes_first_on_the_path() -> None:
    environment = job_environment({"PATH": "/usr/bin"}, executable=Path("/nvm/bin/claude"), job_id="j1")
    assert environment == {"PATH": f"/nvm/bin{os.pathsep}/usr/bin", "SIDECAR_JOB": "j1"}


def test_a_folder_that_is_on_the_path_keeps_its_place() -> None:
    path = os.pathsep.join(["/usr/bin", "/nvm/bin"])
    assert job_environment({"PATH": path}, executable=Path("/nvm/bin/claude"), job_id="j1")["PATH"] == path


def test_an_empty_path_is_not_the_current_folder() -> None:
    assert job_environment({}, executable=Path("/nvm/bin/claude"), job_id="j1")["PATH"] == "/nvm/bin"
