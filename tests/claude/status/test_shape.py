"""The scripted `claude` reports about itself in the shape of both releases of the real one."""

import json
import os
from pathlib import Path
from typing import Any

import anyio

from tests.claude.client import TERMINAL, both_releases
from tests.fakes.anthropic import FakeAnthropic

REQUESTS = ("initialize", "mcp_status", "get_settings", "get_usage")


async def said(claude: Path, environment: dict[str, str], cwd: Path) -> dict[str, Any]:
    """Returns what a `claude` answers to each request, and its `init` line."""
    found: dict[str, Any] = {}
    async with await anyio.open_process([str(claude), *TERMINAL], cwd=cwd, env=environment) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        lines: list[dict[str, Any]] = [
            {"type": "control_request", "request_id": name, "request": {"subtype": name}} for name in REQUESTS
        ]
        lines.append({"type": "user", "message": {"role": "user", "content": "[[text:hello]]"}})
        await process.stdin.send("".join(json.dumps(line) + "\n" for line in lines).encode())
        data = b""
        while not {"init", *REQUESTS} <= found.keys():
            data += await process.stdout.receive()
            *whole, data = data.split(b"\n")
            for line in map(json.loads, whole):
                if line["type"] == "control_response":
                    found[line["response"]["request_id"]] = line["response"]["response"]
                elif line.get("subtype") == "init":
                    found["init"] = line
        await process.stdin.aclose()
        process.terminate()
    return found


def differences(one: Any, other: Any, path: str = "") -> list[str]:
    """Returns where a value has a member that another one lacks, or one of another type."""
    if isinstance(one, dict) and isinstance(other, dict):
        missing = [f"{path}.{name} is not said" for name in one.keys() - other.keys()]
        return missing + [
            found
            for name in one.keys() & other.keys()
            for found in differences(one[name], other[name], f"{path}.{name}")
        ]
    if isinstance(one, list) and isinstance(other, list):
        return differences(one[0], other[0], f"{path}[]") if one and other else []
    is_same = one is None or other is None or type(one) is type(other)
    return [] if is_same else [f"{path} is a {type(other).__name__}"]


@both_releases
async def test_the_scripted_claude_says_nothing_that_the_real_one_does_not(
    release: str, real_claude: Path, standin: Path, api: FakeAnthropic, tmp_path: Path
) -> None:
    (tmp_path / ".claude").mkdir()
    broken = {"mcpServers": {"birds": {"command": "/nonexistent/birds", "args": []}}}
    (tmp_path / ".claude" / ".claude.json").write_text(json.dumps(broken))
    environment = api.environment(tmp_path)
    scripted = environment | {"FAKE_CLAUDE_RELEASE": release, "PATH": os.environ["PATH"]}
    with anyio.fail_after(120):
        real = await said(real_claude, environment, tmp_path)
        fake = await said(standin, scripted, tmp_path)
    fake["initialize"]["account"].pop("email")  # only a subscription has one
    fake["init"].pop("parent_tool_use_id")
    assert differences(fake, real) == []
    server = fake["mcp_status"]["mcpServers"][0]
    assert (server["status"], server["error"]) == ("failed", real["mcp_status"]["mcpServers"][0]["error"])
