"""Calls a tool of `sidecar mcp` as another assistant does: three messages on its stdin, and the last answer."""

import os
import subprocess
from collections.abc import Mapping
from typing import Any, Final

import anyio
import click
from pydantic_core import from_json, to_json
from sidecar_protocol.mcp import VERSIONS

from sidecar import __version__
from sidecar.paths import command

LIMIT_S: Final = 60.0
CALL_ID: Final = 2


def messages(tool: str, arguments: Mapping[str, Any]) -> bytes:
    """Returns what a client sends: the handshake, and the call."""
    client = {"name": "sidecar command line", "version": __version__}
    handshake = {"protocolVersion": VERSIONS[0], "capabilities": {}, "clientInfo": client}
    lines = [
        {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": handshake},
        {"jsonrpc": "2.0", "method": "notifications/initialized"},
        {"jsonrpc": "2.0", "id": CALL_ID, "method": "tools/call", "params": {"name": tool, "arguments": arguments}},
    ]
    return b"".join(to_json(line) + b"\n" for line in lines)


async def call_tool(tool: str, arguments: Mapping[str, Any], env: Mapping[str, str]) -> Any:
    """Starts `sidecar mcp`, and returns the answer of a tool.  Raises `ClickException` with the reason if it has none.

    `env` is added to this process's environment.
    """
    with anyio.move_on_after(LIMIT_S):
        ended = await anyio.run_process(
            command("mcp"),
            input=messages(tool, arguments),
            stderr=subprocess.PIPE,
            check=False,
            env={**os.environ, **env},
            start_new_session=True,
        )
        answer = _answer(ended.stdout)
        if answer is None:
            reason = ended.stderr.decode("utf-8", "replace").strip() or f"exit code {ended.returncode}"
            raise click.ClickException(f"sidecar mcp did not answer: {reason}")
        return answer
    raise click.ClickException(f"sidecar mcp did not answer within {LIMIT_S:g} s.")


def _answer(output: bytes) -> Any:
    response = next((one for line in output.splitlines() if (one := from_json(line)).get("id") == CALL_ID), None)
    if response is None:
        return None
    if "error" in response:
        raise click.ClickException(f"sidecar mcp refused the call: {response['error']['message']}")
    value = from_json(response["result"]["content"][0]["text"])
    if response["result"].get("isError"):
        raise click.ClickException(f"The tool failed: {value['error']['message']}")
    return value
