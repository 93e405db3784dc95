"""The Claude CLI as a state machine: its streams, the control protocol, its turns and what runs in the background.

It is the stand-in `tests/fakes/claude` without a process, a thread or a clock of its own, and keeps to what recordings
of the real one show.  A generator is its main thread: it yields for how many seconds it waits for its standard input.
What it does in a turn is in `behaviour`.
"""

import json
import signal
from collections import deque
from collections.abc import Generator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tests.simulation.claude.behaviour import Behaviour
from tests.simulation.claude.output import MODEL, MODELS, VERSION, Ended, Json, Output, text_of
from tests.simulation.claude.programs import PIPE_S
from tests.simulation.claude.records import UnknownRecord

if TYPE_CHECKING:
    from tests.simulation.claude.world import Delivery, World

Script = Generator[float | None, None, Any]
"""The course of a program; yields for how many seconds it waits for input at most, None for any time."""
TIMEOUT: Final[Json] = {"type": "timeout"}
EOF: Final[Json] = {"type": "eof"}


class Interrupted(Exception):
    """The host interrupts the turn."""


class Cli(Output):
    """One process of the CLI."""

    def __init__(self, world: "World", arguments: Sequence[str], environment: Mapping[str, str], folder: Path) -> None:
        super().__init__(world, arguments, environment, folder)
        self.allowed = {one.partition("=")[2] for one in arguments if one.startswith("--allowedTools=")}
        self.effort = self.flags.get("--effort")
        self.hook: str | None = None
        self.tasks: dict[str, Json] = {}
        self.due: list[tuple[float, str]] = []
        """Turns that it has scheduled for itself: when, and the prompt."""
        self.waiting: list[Json] = []
        """Prompts that have come during a turn."""
        self.turns = self._asked = 0
        self._repeated: Json | None = None
        self._inbox: deque[Json] = deque()
        self._unread = b""
        self._wake = 0
        self._behaviour = Behaviour(self)
        self._script = self._main()

    # --- the program ----------------------------------------------------------------------------------------------

    def begin(self) -> None:
        self._sleep(self.rng.choice((0.02, 0.3)))

    def _sleep(self, seconds: float | None) -> None:
        self._wake += 1
        wake = self._wake
        if seconds is not None:
            self.world.later(seconds, lambda: self._advance() if wake == self._wake and self.is_alive else None)

    def _advance(self) -> None:
        try:
            self._sleep(next(self._script))
        except StopIteration as stop:
            self.end(stop.value or 0)
        except Ended as ended:
            self.end(ended.code)

    def receive(self, data: bytes | None) -> None:
        """Reads its standard input; None is its end."""
        if not self.is_alive:
            return
        self.world.secrets.check(data or b"", self.world.fail)
        if data is None:
            self._inbox.append(EOF)
        else:
            *lines, self._unread = (self._unread + data).split(b"\n")
            self._inbox += map(json.loads, lines)
        if self._inbox:
            self._sleep(0.0)

    def signal(self, number: int) -> None:
        if not self.is_stubborn or number == signal.SIGKILL:
            self.end(128 + number if number == signal.SIGTERM else -number)

    def end(self, code: int) -> None:
        if not self.is_alive:
            return
        super().end(code)
        self._wake += 1
        self._script.close()
        if self.delivery is not None:
            self.delivery.ends.append(f"the process has ended with {code}")
        self.world.cli_ended(self)
        self.flush()
        exit_s = self.rng.choice((PIPE_S, 0.01, 0.1))
        self.world.later(exit_s, lambda: self.transport.exited(code) if self.transport else None)
        lost_s = exit_s + self.rng.choice((0.001, 0.001, 0.3))
        self.world.later(lost_s, lambda: self.transport.lost() if self.transport else None)

    def _main(self) -> Script:
        world, flags = self.world, self.flags
        if flags.get("--session-id") in world.records.ids():
            return 1  # it says on stderr that the id is in use
        self.record = world.records.new(flags.get("--session-id") or self.new_uuid())
        try:
            if "--resume" in flags:
                self.record = world.records.resume(flags)
        except UnknownRecord as unknown:
            self.result(is_error=True, subtype="error_during_execution", errors=[str(unknown)])
            return 1
        world.cli_began(self)
        while True:
            message = yield from self._next_message()
            match message["type"]:
                case "eof":
                    return 0
                case "timeout":
                    self._repeated, text = None, self.due.pop(0)[1]
                    self.delivery = self.world.delivered(self, text, text, "by itself")
                    yield from self._turn(text, self.delivery)
                case "control_request":
                    yield from self.control(message)
                    self.state = None
                case "user":
                    yield from self._prompt(message)
            while self.waiting or self.tasks:
                if self.waiting:
                    yield from self._prompt(self.waiting.pop(0), "waited")
                yield from self._background()
            self.report_state("idle")

    def _next_message(self) -> Generator[float | None, None, Json]:
        return (yield from self.read(max(0.0, self.due[0][0] - self.world.now()) if self.due else None))

    def read(self, seconds: float | None) -> Generator[float | None, None, Json]:
        """Returns the next message, EOF, or TIMEOUT after this time."""
        until = None if seconds is None else self.world.now() + seconds
        while not self._inbox:
            left_s = None if until is None else until - self.world.now()
            if left_s is not None and left_s <= 1e-6:
                return TIMEOUT
            yield left_s
        return self._inbox.popleft()

    def put_back(self, message: Json) -> None:
        self._inbox.append(message)

    def pause(self, seconds: float, *, until_prompt: bool = False) -> Script:
        """Waits in a turn; prompts that come are kept, an interrupt ends the turn, the end of stdin does not."""
        until = self.world.now() + seconds
        has_ended = False
        while (left_s := until - self.world.now()) > 1e-6 and not (until_prompt and self.waiting):
            message = yield from self.read(left_s)
            if message is EOF:
                has_ended = True
            elif message["type"] == "user":
                self.waiting.append(message)
            elif message["type"] == "control_request" and not self.is_stubborn:
                yield from self.control(message, in_turn=True)
        if has_ended:
            self.put_back(EOF)

    # --- turns ----------------------------------------------------------------------------------------------------

    def _prompt(self, message: Json, how: str = "prompt") -> Script:
        assert self.record is not None
        content, uuid = message["message"]["content"], message.get("uuid") or self.new_uuid()
        if self.record.knows(uuid):
            return
        text = text_of(content)
        if text.startswith("/clear"):
            self.print(type="conversation_reset", new_conversation_id=self.new_uuid(), uuid=self.new_uuid())
            self.record = self.world.records.new(self.new_uuid())
        self.delivery = delivery = self.world.delivered(self, text, content, how)
        self.record.add(uuid, "user", {"role": "user", "content": content})
        self._repeated = {"message": message["message"], "uuid": uuid}
        if text.startswith("/clear"):
            self.report_state("running")
            self.say_init()
            self.result(is_error=False, subtype="success", result="")
            return
        yield from self._turn(text, delivery)

    def _turn(self, text: str, delivery: "Delivery") -> Script:
        self.begin_turn()
        self.in_turn = True
        try:
            yield from self._behaviour.turn(text, delivery)
        except Interrupted:
            if self.delivery is not None:
                self.delivery.ends.append("interrupted")
            self.result(is_error=True, subtype="error_during_execution", terminal_reason="aborted_streaming")
        finally:
            self.in_turn = False

    def begin_turn(self) -> None:
        self.turns += 1
        self.report_state("running")
        self.say_init()
        self.print(type="system", subtype="status", status="requesting")
        self._repeat()

    def _repeat(self) -> None:
        if "--replay-user-messages" in self.flags and self._repeated is not None:
            self.print(type="user", **self._repeated, isReplay=True)
        self._repeated = None

    def read_waiting(self) -> None:
        """Reads the prompts that have come during the turn, after the use of a tool."""
        assert self.record is not None
        for message in self.waiting:
            content = message["message"]["content"]
            self.world.delivered(self, text_of(content), content, "steered")
            self.record.add_queued(self.new_uuid(), content, message["uuid"])
            self._repeated = {"message": message["message"], "uuid": message["uuid"]}
            self._repeat()
            self.world.read_in_turn()
        self.waiting = []

    def _background(self) -> Script:
        """Runs what goes on after the result; each end of a task leads to another turn."""
        while self.tasks:
            if not any(task["kind"] == "local_agent" for task in self.tasks.values()):
                self.report_state("idle")
            next_s = min(task["at"] for task in self.tasks.values()) - self.world.now()
            try:
                yield from self.pause(max(0.001, next_s), until_prompt=True)
            except Interrupted:
                continue
            if self.waiting:
                yield from self._prompt(self.waiting.pop(0), "waited")
            for task_id in [name for name, task in self.tasks.items() if task["at"] <= self.world.now() + 1e-6]:
                self.end_task(task_id, "completed")
                yield from self.follow_up(f"{task_id} has ended.")

    def follow_up(self, text: str) -> Script:
        self.begin_turn()
        try:
            yield from self.pause(0.1)
            self.answer(text, origin={"kind": "task-notification"})
        except Interrupted:
            self.result(is_error=True, subtype="error_during_execution", terminal_reason="aborted_streaming")

    def start_task(self, kind: str, takes_s: float) -> None:
        task_id = f"{kind.removeprefix('local_')}{self.pid}-{self.turns}-{len(self.tasks)}"
        self.tasks[task_id] = {"kind": kind, "at": self.world.now() + takes_s}
        self._list_tasks()
        agent = {"subagent_type": "general-purpose"} if kind == "local_agent" else {}
        self.print(
            type="system", subtype="task_started", task_id=task_id, tool_use_id=f"toolu_{task_id}", description=task_id,
            is_backgrounded=True, task_type=kind, **agent,
        )  # fmt: skip

    def end_task(self, task_id: str, status: str) -> Json:
        task = self.tasks.pop(task_id)
        self.print(
            type="system", subtype="task_notification", task_id=task_id, tool_use_id=f"toolu_{task_id}", status=status,
            summary=f"{task_id} is done",
        )  # fmt: skip
        self._list_tasks()
        return task

    def _list_tasks(self) -> None:
        tasks = [
            {"task_id": task_id, "task_type": task["kind"], "description": task_id}
            for task_id, task in self.tasks.items()
        ]
        self.print(type="system", subtype="background_tasks_changed", tasks=tasks)

    # --- the control protocol -------------------------------------------------------------------------------------

    def control(self, message: Json, *, in_turn: bool = False) -> Script:
        """Answers a control request.  Raises `Interrupted` for an interrupt of a turn."""
        request, kind = message["request"], message["request"]["subtype"]
        response: Json = {"subtype": "success", "request_id": message["request_id"]}
        if kind == "initialize":
            hooks = (request.get("hooks") or {}).get("PreToolUse", [])
            self.hook = next((one["hookCallbackIds"][0] for one in hooks), None)
            if request.get("sdkMcpServers"):
                yield from self._connect_hub()
            response["response"] = self._about()
        elif kind == "interrupt":
            for task_id in [one for one, task in self.tasks.items() if task["kind"] == "local_agent"]:
                self.end_task(task_id, "stopped")
        elif kind == "stop_task" and request["task_id"] not in self.tasks:
            response |= {"subtype": "error", "error": f"No task found with ID: {request['task_id']}"}
        elif kind == "stop_task":
            stopped = self.end_task(request["task_id"], "stopped")
            self.print(type="control_response", response=response)
            if stopped["kind"] == "local_agent" and not in_turn:
                yield from self.follow_up("The agent was stopped.")
            self.state = None
            return
        else:
            response |= self._settings(kind, request)
        self.print(type="control_response", response=response)
        if in_turn and kind == "interrupt":
            raise Interrupted

    def _settings(self, kind: str, request: Json) -> Json:
        """Answers a request that asks for or changes settings."""
        match kind:
            case "set_permission_mode" if request["mode"] in ("bypassPermissions", "auto"):
                return {"subtype": "error", "error": "not launched with it"}
            case "set_permission_mode":
                self.mode = request["mode"]
                self.print(type="system", subtype="status", status=None, permissionMode=self.mode)
            case "set_model":
                self.model = request["model"] or MODEL
            case "get_settings":
                applied = {"model": self.model, "effort": self.effort or "medium"}
                return {"response": {"effective": {}, "sources": [], "applied": applied}}
            case "apply_flag_settings":
                self.effort = request["settings"].get("effortLevel")
                return {"response": {}}
            case "mcp_status":
                servers = [{"name": one, "status": "connected", "config": {"type": "sdk"}} for one in self.hosted]
                return {"response": {"mcpServers": servers}}
            case "get_usage":
                return {"response": {"session": {}, "rate_limits_available": False, "rate_limits": None}}
            case "cancel_async_message":
                kept = [one for one in self.waiting if one.get("uuid") != request["message_uuid"]]
                is_withdrawn = len(kept) < len(self.waiting)
                self.waiting = kept
                return {"response": {"cancelled": is_withdrawn}}
        return {}

    def ask_host(self, request: Json) -> Generator[float | None, None, Json]:
        """Sends a control request and returns the response."""
        self._asked += 1
        request_id = f"host-{self.pid}-{self._asked}"
        self.print(type="control_request", request_id=request_id, request=request)
        kept: list[Json] = []
        try:
            while True:
                answer = yield from self.read(None)
                if answer is EOF:
                    self.put_back(EOF)
                    raise Interrupted
                if answer["type"] == "control_response" and answer["response"]["request_id"] == request_id:
                    response: Json = answer["response"].get("response") or {}
                    return response
                if answer["type"] == "control_request" and answer["request"]["subtype"] == "interrupt":
                    if request["subtype"] == "can_use_tool":
                        self.print(type="control_cancel_request", request_id=request_id)
                    yield from self.control(answer, in_turn=True)
                elif answer["type"] == "user" and self.in_turn:
                    self.waiting.append(answer)
                elif request["subtype"] == "can_use_tool" and answer["type"] == "control_request":
                    yield from self.control(answer, in_turn=True)
                else:
                    kept.append(answer)
        finally:
            self._inbox.extendleft(reversed(kept))

    def _mcp(self, method: str, *, notify: bool = False, **params: Any) -> Generator[float | None, None, Json]:
        message: Json = {"jsonrpc": "2.0", "method": method, **({"params": params} if params else {})}
        if not notify:
            message["id"] = self._asked + 1
        request = {"subtype": "mcp_message", "server_name": "hub", "message": message}
        response = yield from self.ask_host(request)
        result: Json = response.get("mcp_response", {}).get("result", {})
        return result

    def _connect_hub(self) -> Script:
        try:
            yield from self._mcp(
                "initialize",
                protocolVersion="2025-11-25",
                capabilities={},
                clientInfo={"name": "cli", "version": VERSION},
            )
            yield from self._mcp("notifications/initialized", notify=True)
            listed = yield from self._mcp("tools/list")
        except Interrupted:
            raise Ended(0) from None
        self.hub_tools = {f"mcp__hub__{one['name']}": one["name"] for one in listed.get("tools", [])}

    def call_hub(self, name: str, arguments: Json, use_id: str) -> Generator[float | None, None, tuple[str, bool]]:
        """Calls a tool of the hub; returns its text, and whether it is an error."""
        meta = {"claudecode/toolUseId": use_id}
        result = yield from self._mcp("tools/call", name=self.hub_tools[name], arguments=arguments, _meta=meta)
        content = result.get("content") or [{"text": ""}]
        return content[0]["text"], bool(result.get("isError"))

    def _about(self) -> Json:
        return {
            "commands": [{"name": "compact", "description": "Summarises", "argumentHint": ""}],
            "agents": [{"name": "general-purpose", "description": "General-purpose agent"}],
            "output_style": "default", "available_output_styles": ["default"], "models": MODELS,
            "account": {"email": "ada@example.com", "apiProvider": "firstParty"}, "pid": self.pid,
            "claude_code_version": VERSION, "current_permission_mode": self.mode, "session_state": "idle",
        }  # fmt: skip
