"""Reads what each process of the CLI reports of itself, and asks for the rest: it costs no request to the API."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from sidecar_protocol.claude.status import McpState

from sidecar.claude.status.journal import StatusJournal, unknown_installation
from sidecar.claude.status.reading import (
    read_account,
    read_agents,
    read_commands,
    read_limits,
    read_models,
    read_problems,
    read_servers,
    read_usage,
    texts,
)
from sidecar.json_reader import get_object, get_text

INITIALIZE: Final = "initialize"
MCP_STATUS: Final = "mcp_status"
USAGE: Final = "get_usage"
MAX_LOOKS: Final = 20
"""Maximum number of requests of a process for the servers that were still starting."""
WORDS: Final = ("assistant", "user", "result")
"""Lines between which a server may have finished its start."""


def request(request_id: str, **more: object) -> dict[str, Any]:
    """Returns a control request whose id is its subtype."""
    return {"type": "control_request", "request_id": request_id, "request": {"subtype": request_id, **more}}


def response_to(line: Mapping[str, Any], request_id: str) -> Mapping[str, Any] | None:
    """Returns the response to a request of that id, empty if it was refused; None if the line is another one."""
    response = get_object(line, "response") if line.get("type") == "control_response" else {}
    return get_object(response, "response") if response.get("request_id") == request_id else None


class Observer:
    """Reads the lines of one process, in one folder."""

    def __init__(
        self,
        journal: StatusJournal,
        path: str,
        cwd: str,
        send: Callable[[Mapping[str, Any]], None],
        *,
        has_project: bool,
    ) -> None:
        """`has_project` is whether the process reads the settings that the folder brings."""
        self._journal = journal
        self._path = path
        self._cwd = cwd
        self._send = send
        self._has_project = has_project
        self._asked: object = None
        self._is_pending = False
        self._looks = 0

    def begin(self, **more: object) -> None:
        """Asks the process about itself; `more` is sent with the request, for example our hooks."""
        self._send(request(INITIALIZE, **{"hooks": None, **more}))

    def on_line(self, line: Mapping[str, Any]) -> None:
        match line.get("type"):
            case "system" if line.get("subtype") == "init":
                self._init(line)
            case "control_response":
                self._response(line)
            case "rate_limit_event":
                info = get_object(line, "rate_limit_info")
                self._journal.set_limits(read_limits(info, self._journal.limits(), self._journal.now))
            case other if other in WORDS and self._is_pending:
                self._is_pending = False
                self._ask_for_servers()

    def _init(self, line: Mapping[str, Any]) -> None:
        servers = read_servers(line, "mcp_servers", self._journal.now)
        wrong = {(one.name, one.state) for one in servers if one.state is not McpState.CONNECTED}
        known = self._journal.workspace(self._cwd)
        changes: dict[str, Any] = {"problems": read_problems(line)}
        if style := get_text(line, "output_style"):
            changes["output_style"] = style
        if (skills := texts(line, "skills")) is not None and known is not None and known.commands is not None:
            changes["commands"] = [{**one.model_dump(), "is_skill": one.name in set(skills)} for one in known.commands]
        if "mcp_servers" in line and not wrong:
            changes["mcp_servers"] = servers
        self._update(**changes)
        if (version := get_text(line, "claude_code_version")) is not None:
            installation = self._journal.installation()
            if installation is None or installation.path != self._path:
                installation = unknown_installation(self._path, self._journal.now)
            self._journal.set_installation(installation.model_copy(update={"version": version}))
        if wrong and wrong != self._asked:  # only the answer has the errors
            self._asked = wrong
            self._ask_for_servers()

    def _response(self, line: Mapping[str, Any]) -> None:
        if response := response_to(line, INITIALIZE):
            known = self._journal.workspace(self._cwd)
            skills = [one.name for one in known.commands or [] if one.is_skill] if known is not None else []
            self._update(
                commands=read_commands(response, skills or None),
                agents=read_agents(response),
                output_style=get_text(response, "output_style"),
                output_styles=texts(response, "available_output_styles"),
            )
            installation = unknown_installation(self._path, self._journal.now).model_copy(
                update={"account": read_account(response), "models": read_models(response)}
            )
            version = get_text(response, "claude_code_version")  # 2.1.197 says it in `init` only
            before = self._journal.installation()
            if version is None and before is not None and before.path == self._path:
                version = before.version
            self._journal.set_installation(installation.model_copy(update={"version": version}))
        elif response := response_to(line, MCP_STATUS):
            servers = read_servers(response, "mcpServers", self._journal.now)
            self._update(mcp_servers=servers)
            self._is_pending = any(one.state is McpState.PENDING for one in servers)
        elif response := response_to(line, USAGE):
            self._usage(response)

    def _usage(self, response: Mapping[str, Any]) -> None:
        limits = read_usage(response, self._journal.limits(), self._journal.now)
        if limits is not None:
            self._journal.set_limits(limits)
        subscription, installation = get_text(response, "subscription_type"), self._journal.installation()
        if subscription and installation is not None:
            account = installation.account.model_copy(update={"subscription": subscription})
            self._journal.set_installation(installation.model_copy(update={"account": account}))

    def _update(self, **changes: Any) -> None:
        self._journal.update_workspace(self._cwd, has_project=self._has_project, **changes)

    def _ask_for_servers(self) -> None:
        if self._looks < MAX_LOOKS:
            self._looks += 1
            self._send(request(MCP_STATUS))
