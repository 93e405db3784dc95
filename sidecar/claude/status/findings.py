"""Findings of `claude.doctor` about MCP servers and plugins: what works now, and what runs have reported."""

from collections.abc import Iterator

from sidecar_protocol.claude.doctor import Finding
from sidecar_protocol.claude.status import ClaudeWorkspace, McpServer, McpState

from sidecar.claude.status.journal import FOLDER_SOURCES
from sidecar.claude.status.probe import Probe
from sidecar.claude.status.telling import WRONG, problem_of

MAX_FINDINGS = 50


async def load_findings(probe: Probe) -> list[Finding]:
    """Asks Claude Code for the user's own servers; those of folders are known from runs and sessions there."""
    journal, problem = probe.launcher.status, await probe.ask(None)
    if problem is not None:
        return [Finding.warning("mcp", problem, "Run `claude` in a terminal, and see what it says.")]
    servers = dict(_newest(journal.workspaces()))
    findings = [
        Finding.warning(
            f"mcp:{server.name}", f"{problem_of(server)}  {_where(workspace, server.learnt_at)}", server.advice
        )
        for server, workspace in servers.values()
        if server.state in WRONG
    ]
    findings += [
        Finding.warning(
            f"load:{one.name}",
            f"{one.type}: {one.message}  {_where(workspace, workspace.learnt_at)}",
            _advice(one.name),
        )
        for workspace in journal.workspaces()
        for one in workspace.problems or []
    ]
    connected = sum(server.state is McpState.CONNECTED for server, _ in servers.values())
    if connected:
        findings.append(Finding.ok("mcp", f"{connected} MCP servers are connected."))
    return findings[:MAX_FINDINGS]


def _newest(workspaces: list[ClaudeWorkspace]) -> Iterator[tuple[object, tuple[McpServer, ClaudeWorkspace]]]:
    """Yields the servers, the last learnt last; one that a folder brings is another one in each folder."""
    found = [(server, workspace) for workspace in workspaces for server in workspace.mcp_servers or []]
    for server, workspace in sorted(found, key=lambda one: one[0].learnt_at):
        is_own = server.source in FOLDER_SOURCES
        yield (server.name, workspace.cwd if is_own else None), (server, workspace)


def _where(workspace: ClaudeWorkspace, learnt_at: str) -> str:
    return f"(in {workspace.cwd}, {learnt_at})"


def _advice(name: str) -> str:
    return f"Check {name} with `claude plugin list`, then start the conversation again."
