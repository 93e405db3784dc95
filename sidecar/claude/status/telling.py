"""Reports what does not work in a run or a session, once for each change: MCP servers, plugins, the effort."""

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from sidecar_protocol.claude.status import LoadProblem, McpServer, McpState

from sidecar.claude.status.observing import MCP_STATUS, response_to
from sidecar.claude.status.reading import read_problems, read_servers
from sidecar.json_reader import get_text

EFFORT: Final = "applied_effort"
EFFORT_REQUEST: Final = {"type": "control_request", "request_id": EFFORT, "request": {"subtype": "get_settings"}}
NO_TIME: Final = "1970-01-01T00:00:00.000Z"
"""The time of servers that are not kept."""
WRONG: Final = (McpState.FAILED, McpState.NEEDS_AUTH)


class Problem(NamedTuple):
    """A problem: its state, whose change is reported again, and the sentence that reports it."""

    state: str
    text: str


class Problems:
    """Reads the lines of a run or a turn.

    `known` has the states that were reported before, by subject.  `tell` gets a sentence, `store` the states that were
    reported.  An error in other words is not reported again, since some contain a number that changes.
    """

    def __init__(
        self,
        known: Mapping[str, str],
        tell: Callable[[str], None],
        store: Callable[[Mapping[str, str]], None] = lambda _: None,
        effort: Callable[[], str | None] = lambda: None,
    ) -> None:
        self._known = dict(known)
        self._tell = tell
        self._store = store
        self._effort = effort
        self._unanswered: list[McpServer] = []

    def on_line(self, line: Mapping[str, Any]) -> None:
        if line.get("type") == "system" and line.get("subtype") == "init":
            self._init(line)
        elif (response := response_to(line, MCP_STATUS)) is not None:
            if "mcpServers" in response:
                self._unanswered = []
                self._compare_servers(read_servers(response, "mcpServers", NO_TIME))
            else:  # the request was refused
                self.finish()
        elif (response := response_to(line, EFFORT)) and (wanted := self._effort()) is not None:
            applied = get_text(response, "applied", "effort")
            self._compare("effort:", {} if applied == wanted else {"effort:": _effort(wanted, applied)})

    def finish(self) -> None:
        """Reports what the last `init` line said, if the CLI has not answered why."""
        unanswered, self._unanswered = self._unanswered, []
        if unanswered:
            self._compare_servers(unanswered)

    def _init(self, line: Mapping[str, Any]) -> None:
        if "mcp_servers" in line:
            servers = read_servers(line, "mcp_servers", NO_TIME)
            if any(one.state is not McpState.CONNECTED for one in servers):
                self._unanswered = servers  # the observer of the process asks for the errors
            else:
                self._compare_servers(servers)
        self._compare("load:", {f"load:{one.name}:{one.type}": _load(one) for one in read_problems(line)})

    def _compare_servers(self, servers: list[McpServer]) -> None:
        pending = {f"mcp:{one.name}" for one in servers if one.state is McpState.PENDING}
        unchanged = {key: Problem(state, "") for key, state in self._known.items() if key in pending}
        self._compare("mcp:", unchanged | {f"mcp:{one.name}": _server(one) for one in servers if one.state in WRONG})

    def _compare(self, prefix: str, problems: Mapping[str, Problem]) -> None:
        """Reports which problems are new and which are solved."""
        before = {key: state for key, state in self._known.items() if key.startswith(prefix)}
        now = {key: problem.state for key, problem in problems.items()}
        if before == now:
            return
        for key, problem in problems.items():
            if before.get(key) != problem.state:
                self._tell(problem.text)
        for key in before.keys() - now.keys():
            if prefix == "mcp:":
                self._tell(f"The MCP server {key.removeprefix(prefix)!r} no longer reports a problem.")
        self._known = {key: state for key, state in self._known.items() if key not in before} | now
        self._store(self._known)


def problem_of(server: McpServer) -> str:
    """Returns what is wrong with a server, in a sentence."""
    because = f": {server.error.rstrip('.')}" if server.error else ""
    if server.state is McpState.NEEDS_AUTH:
        return f"The MCP server {server.name!r} needs you to sign in{because}."
    return f"The MCP server {server.name!r} failed to start{because}."


def _server(server: McpServer) -> Problem:
    text = f"{problem_of(server)} Claude works without its tools. {server.advice}"
    return Problem(server.state, text)


def _load(problem: LoadProblem) -> Problem:
    text = f"Claude Code could not load {problem.name!r} ({problem.type}): {problem.message}"
    return Problem(problem.type, text)


def _effort(wanted: str, applied: str | None) -> Problem:
    now = f"with the effort {applied!r}" if applied else "without a level of effort, since the model has none"
    text = f"Claude Code works {now}, not with {wanted!r}. CLAUDE_CODE_EFFORT_LEVEL, if it is set, comes first."
    return Problem(f"{wanted} {applied}", text)
