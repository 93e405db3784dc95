"""The output of the simulated CLI: the lines of its stream, which it records, and what it has used and billed."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any, Final

from tests.simulation.claude.programs import PIPE_S, Program, Transport
from tests.simulation.claude.records import Record

if TYPE_CHECKING:
    from tests.simulation.claude.world import Delivery, World

Json = dict[str, Any]
MODEL: Final = "claude-standin-1"
VERSION: Final = "2.1.332"
MODELS: Final = [
    {
        "value": "default", "resolvedModel": MODEL, "displayName": "Default", "description": "The default model",
        "supportsEffort": True, "supportedEffortLevels": ["low", "medium", "high", "max"],
    },
]  # fmt: skip
MESSAGE_USD: Final = 0.01
USAGE: Final = {
    "input_tokens": 12, "output_tokens": 9, "cache_creation_input_tokens": 3, "cache_read_input_tokens": 4,
}  # fmt: skip
TOTALS: Final = dict(
    zip(
        ("inputTokens", "outputTokens", "cacheCreationInputTokens", "cacheReadInputTokens"), USAGE.values(), strict=True
    )
)


class Ended(Exception):
    """The program ends with a code; a negative one is a signal."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class Output(Program):
    """A process of the CLI as far as it writes.  `owner` is the session, or the job of a run, that it works for."""

    def __init__(self, world: "World", arguments: Sequence[str], environment: Mapping[str, str], folder: Path) -> None:
        """`folder` is its working directory, in which `--worktree` makes it create another."""
        super().__init__(world.programs, environment)
        self.world = world
        self.flags = flags = dict(one.partition("=")[::2] for one in arguments)
        self.began_in = self.folder = folder
        if (worktree := flags.get("--worktree")) is not None:
            self.folder = folder / ".claude" / "worktrees" / worktree
            self.folder.mkdir(parents=True, exist_ok=True)
        self.owner = environment.get("SIDECAR_SESSION") or environment.get("SIDECAR_JOB") or ""
        self.is_session = "SIDECAR_SESSION" in environment
        self.rng = Random(f"{world.seed} cli {self.pid}")
        self.mode = flags.get("--permission-mode") or "default"
        self.model = flags.get("--model", MODEL)
        config = json.loads(flags.get("--mcp-config") or "{}").get("mcpServers", {})
        self.hosted = [name for name, one in config.items() if one["type"] == "sdk"]
        """The MCP servers of the host."""
        self.hub_tools: dict[str, str] = {}
        self.transport: Transport | None = None
        self.record: Record | None = None
        self.delivery: Delivery | None = None
        """The prompt that it works on."""
        self.used = self.billed = 0
        """Messages of the API that it has begun, and those that results have reported."""
        self.state: str | None = None
        self.is_stubborn = self.in_turn = False
        self._uuids = 0
        self._output = b""
        self._is_flushing = False

    def new_uuid(self) -> str:
        self._uuids += 1
        return f"{self.pid:08x}-0000-4000-8000-{self._uuids:012x}"

    def report_state(self, state: str) -> None:
        if state != self.state and self.is_alive:
            self.state = state
            self.print(type="system", subtype="session_state_changed", state=state)

    def say_init(self) -> None:
        self.print(
            type="system", subtype="init", cwd=str(self.folder), tools=["Bash", *self.hub_tools], model=self.model,
            mcp_servers=[{"name": one, "status": "connected", "source": "sdk"} for one in self.hosted],
            permissionMode=self.mode, slash_commands=["compact"], apiKeySource="none", claude_code_version=VERSION,
            output_style="default", agents=["general-purpose"], skills=[], plugins=[], uuid=self.new_uuid(),
        )  # fmt: skip

    def message_id(self) -> str:
        return f"msg_{self.pid}_{self.used}"

    def begin_message(self) -> None:
        """Begins a message of the API, which costs."""
        self.used += 1
        self.world.spent(self, is_in_turn=self.in_turn and not self.is_stubborn)
        self.stream(
            type="message_start",
            message={"id": self.message_id(), "role": "assistant", "usage": {**USAGE, "output_tokens": 1}},
        )

    def stream(self, **event: Any) -> None:
        self.print(type="stream_event", event=event)

    def say(self, *blocks: Json) -> None:
        """Writes blocks of an answer."""
        message = {"id": self.message_id(), "role": "assistant", "content": list(blocks), "usage": USAGE}
        self.write("assistant", message)

    def write(self, kind: str, message: Json, **more: Any) -> None:
        """Writes a line that is recorded, too."""
        assert self.record is not None
        uuid = self.new_uuid()
        self.record.add(uuid, kind, message)
        self.print(type=kind, message=message, uuid=uuid, **more)

    def answer(self, text: str, **more: Any) -> None:
        """Writes an answer and the result."""
        self.begin_message()
        self.stream(type="content_block_start", index=0, content_block={"type": "text", "text": ""})
        self.stream(type="content_block_delta", index=0, delta={"type": "text_delta", "text": text})
        self.say({"type": "text", "text": text})
        self.stream(type="message_delta", usage={"output_tokens": 9})
        self.stream(type="message_stop")
        self.result(
            is_error=False, subtype="success", result=text, stop_reason="end_turn", terminal_reason="completed", **more
        )

    def result(self, **fields: Any) -> None:
        """Writes a result line, with the usage since the last one."""
        totals, since = self._totals(self.used), self._totals(self.used - self.billed)
        if self.delivery is not None:
            self.delivery.billed += self.used - self.billed
            if not fields["is_error"]:
                self.delivery.results.append(fields.get("result", ""))
        self.billed = self.used
        self.print(
            type="result", usage=USAGE, total_cost_usd=MESSAGE_USD * self.used, modelUsage=totals, num_turns=1,
            model_usage_since_last_result=since, duration_ms=5, permission_denials=[], **fields,
        )  # fmt: skip

    def _totals(self, messages: int) -> Json:
        if not messages:
            return {}
        counts = {name: count * messages for name, count in TOTALS.items()}
        return {
            self.model: {
                **counts,
                "costUSD": MESSAGE_USD * messages,
                "contextWindow": 200_000,
                "maxOutputTokens": 64_000,
            }
        }

    def print(self, **message: Any) -> None:
        session_id = "" if self.record is None else self.record.conversation
        self.put(json.dumps({"parent_tool_use_id": None, **message, "session_id": session_id}).encode() + b"\n")

    def put(self, data: bytes) -> None:
        """Writes to its standard output.  Ends the program if the pipe is closed."""
        if self.transport is not None and self.transport.is_broken:
            raise Ended(1)
        self._output += data
        if not self._is_flushing:
            self._is_flushing = True
            self.world.later(PIPE_S, self.flush)

    def complain(self, text: str) -> None:
        """Writes to its standard error."""
        if self.transport is not None:
            self.transport.receive(2, text.encode())

    def flush(self) -> None:
        self._is_flushing = False
        data, self._output = self._output, b""
        while data and self.transport is not None:
            size = self.rng.choice((len(data), len(data), 65_536, 700))  # a pipe cuts lines anywhere
            self.transport.receive(1, data[:size])
            data = data[size:]


def text_of(content: Any) -> str:
    """Returns the last text of a prompt: what precedes it is what the session has said before."""
    if isinstance(content, str):
        return content
    return next((block["text"] for block in reversed(content) if block["type"] == "text"), "")
