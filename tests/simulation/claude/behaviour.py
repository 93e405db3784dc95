"""Turns of Claude, drawn from the seed and the prompt: answers, uses of tools, trouble of every kind."""

import json
import re
import signal
from collections.abc import Callable, Generator
from random import Random
from typing import TYPE_CHECKING, Any, Final

from tests.simulation.claude.output import Ended

if TYPE_CHECKING:
    from tests.simulation.claude.cli import Cli
    from tests.simulation.claude.world import Delivery

Json = dict[str, Any]
Script = Generator[float | None, None, Any]
LATE: Final = re.compile(r"one call of (\w+) with exactly this input:\n(.*)\n")
GOOD: Final = {
    "plain": 8, "think": 2, "tools": 6, "hub": 4, "act": 3, "agent": 2, "command": 2, "own": 1, "question": 1,
}  # fmt: skip
BAD: Final = {
    "long": 2, "limit": 2, "limit_later": 1, "refused": 2, "retry": 1, "hang": 1, "stubborn": 1, "cut": 1, "exit": 1,
    "die": 1, "garbage": 1, "huge": 1, "empty": 1, "compact": 1, "die_asking": 1, "linger": 1,
}  # fmt: skip
ERRORS: Final = {401: "authentication_failed", 429: "rate_limit", 500: "server_error", 529: "overloaded"}
READING: Final = ("activity_events_list", "jobs_list", "calendar_events_list", "claude_sessions_list")
FOREIGN: Final = frozenset({"jira", "confluence", "google_calendar", "ics"})
"""Services whose entries in the feed have texts of others."""


class Behaviour:
    """The turns of one process of the CLI."""

    def __init__(self, cli: "Cli") -> None:
        self._cli = cli

    def turn(self, text: str, delivery: "Delivery") -> Script:
        """Does what a prompt makes Claude do.  Each prompt does the same whenever it comes, and another each time."""
        cli = self._cli
        rng = Random(f"{cli.world.seed} {text[:200]} {delivery.number_of_its_text}")
        weights = {**cli.world.good, **({} if cli.world.is_kind else cli.world.bad)}
        kind = rng.choices([*weights], [*weights.values()])[0]
        name = cli.world.name_of(text)
        if late := LATE.search(text):
            yield from self.use(late[1], json.loads(late[2]), rng)
            if late[1] == "Bash" and rng.random() < 0.5:  # although it was allowed one call
                cli.world.repeats[str(json.loads(late[2]).get("command"))] += 1
                yield from self.use(late[1], json.loads(late[2]), rng)
            kind = "plain"
        elif delivery.marker is None:
            kind = "plain"
        reads = "begins a turn by itself:" if delivery.how == "by itself" else "reads"
        cli.world.note(f"process {cli.pid} {reads} {name}, and does: {kind}", "claude")
        act: Callable[[str, Random], Script] = getattr(self, f"_{kind}")
        yield from act(name, rng)

    # --- good turns -----------------------------------------------------------------------------------------------

    def _plain(self, name: str, rng: Random) -> Script:
        yield from self._cli.pause(rng.choice((0.05, 1, 8, 40)))
        self._answer(name)

    def _answer(self, name: str) -> None:
        cli = self._cli
        cli.read_waiting()
        cli.world.answers += 1
        cli.answer(f"answer {cli.world.answers} to {name}")

    def _long(self, name: str, rng: Random) -> Script:
        yield from self._cli.pause(rng.choice((200, 900, 4_000)))
        self._answer(name)

    def _think(self, name: str, rng: Random) -> Script:
        cli = self._cli
        cli.begin_message()
        for piece in ("Let me ", "see."):
            cli.stream(type="content_block_delta", index=0, delta={"type": "thinking_delta", "thinking": piece})
            yield from cli.pause(0.3)
        cli.say({"type": "thinking", "thinking": "Let me see.", "signature": "c2ln"})
        yield from self._plain(name, rng)

    def _tools(self, name: str, rng: Random) -> Script:
        for number in range(rng.randint(1, 3)):
            yield from self.use("Bash", {"command": f"make {name} {number}"}, rng)
            self._cli.read_waiting()
        yield from self._plain(name, rng)

    def _hub(self, name: str, rng: Random) -> Script:
        for _ in range(rng.randint(1, 2)):
            yield from self.use(f"mcp__hub__{rng.choice(READING)}", {"limit": 5}, rng)
        yield from self._tools(name, rng)

    def _act(self, name: str, rng: Random) -> Script:
        """Queues work of its own."""
        world = self._cli.world
        if rng.random() < 0.8:
            yield from self.use("mcp__hub__activity_events_list", {"limit": 5}, rng)
        prompt = world.new_prompt("queued by Claude")
        world.prompts_of_exposed |= {prompt} if world.is_exposed(self._cli) else set()
        yield from self.use("mcp__hub__claude_spawn", {"prompt": prompt, "permission_mode": "bypassPermissions"}, rng)
        yield from self._plain(name, rng)

    def _agent(self, name: str, rng: Random) -> Script:
        self._cli.start_task("local_agent", rng.choice((0.5, 20, 300)))
        yield from self._plain(name, rng)

    def _command(self, name: str, rng: Random) -> Script:
        self._cli.start_task("local_bash", rng.choice((0.5, 20, 900)))
        yield from self._plain(name, rng)

    def _own(self, name: str, rng: Random) -> Script:
        """Schedules a turn of its own."""
        if not self._cli.is_session:  # a run ends with its answer, before anything scheduled
            yield from self._plain(name, rng)
            return
        cli, delay_s = self._cli, rng.choice((1, 60, 600, 3_000))
        use_id = f"toolu_{cli.new_uuid()}"
        values = {"delaySeconds": delay_s, "prompt": f"wake up for {name}"}
        cli.begin_message()
        cli.say({"type": "tool_use", "id": use_id, "name": "ScheduleWakeup", "input": values})
        self._tell(use_id, "Scheduled.", is_error=False)
        cli.due.append((cli.world.now() + delay_s, f"wake up for {name}"))
        cli.due.sort()
        yield from self._plain(name, rng)

    def _question(self, name: str, rng: Random) -> Script:
        questions = [{"question": "Which?", "header": "Which", "options": [{"label": "a"}, {"label": "b"}]}]
        yield from self.use("AskUserQuestion", {"questions": questions}, rng)
        yield from self._plain(name, rng)

    # --- trouble --------------------------------------------------------------------------------------------------

    def _limit(self, name: str, rng: Random) -> Script:
        yield from self._cli.pause(0.2)
        self._hit_limit(rng)

    def _limit_later(self, name: str, rng: Random) -> Script:
        yield from self.use("Bash", {"command": f"make {name} 0"}, rng)
        self._hit_limit(rng)

    def _hit_limit(self, rng: Random) -> None:
        cli = self._cli
        words = "You've hit your 5-hour limit · resets soon"
        resets_at = cli.world.now_ms() // 1_000 + rng.choice((30, 600, 3_600, 18_000))
        cli.print(type="rate_limit_event", rate_limit_info={"status": "rejected", "resetsAt": resets_at})
        self._report_error(words, error="rate_limit")
        if cli.delivery is not None:
            cli.delivery.ends.append("limit")
        cli.result(
            is_error=True, subtype="success", result=words, api_error="usage_limit_reached", api_error_status=429
        )

    def _report_error(self, words: str, **more: Any) -> None:
        message = {"id": "synthetic", "model": "<synthetic>", "content": [{"type": "text", "text": words}]}
        self._cli.print(type="assistant", message=message, is_api_error_message=True, **more)

    def _refused(self, name: str, rng: Random) -> Script:
        cli, status = self._cli, rng.choice((401, 429, 500, 529))
        yield from cli.pause(0.2)
        words = f"API Error: {status}"
        self._report_error(words, api_error_status=status, error=ERRORS[status])
        if cli.delivery is not None:
            cli.delivery.ends.append("refused")
        cli.result(is_error=True, subtype="success", result=words, api_error_status=status, stop_reason="stop_sequence")
        self._end(1)

    def _retry(self, name: str, rng: Random) -> Script:
        for attempt in range(1, 3):
            self._cli.print(
                type="system", subtype="api_retry", attempt=attempt, max_retries=10, retry_delay_ms=500.5,
                error_status=529, error="overloaded",
            )  # fmt: skip
            yield from self._cli.pause(0.5)
        yield from self._plain(name, rng)

    def _hang(self, name: str, rng: Random) -> Script:
        while not self._cli.world.is_kind:
            yield from self._cli.pause(60.0)
        self._end(1)

    def _stubborn(self, name: str, rng: Random) -> Script:
        """Ignores interrupts and SIGTERM from here on."""
        self._cli.is_stubborn = True
        yield from self._hang(name, rng)

    def _cut(self, name: str, rng: Random) -> Script:
        self._cli.begin_message()
        yield from self._cli.pause(0.2)
        self._cli.put(b'{"type":"assistant","message":{"id":"msg_cut","content":[{"type":"te')
        self._end(rng.choice((1, 0, -signal.SIGKILL)))

    def _exit(self, name: str, rng: Random) -> Script:
        yield from self._cli.pause(0.2)
        self._cli.complain("Error: something is broken")
        self._end(3)

    def _die(self, name: str, rng: Random) -> Script:
        yield from self.use("Bash", {"command": f"make {name} 0"}, rng)
        self._end(-signal.SIGKILL)

    def _garbage(self, name: str, rng: Random) -> Script:
        self._cli.put(b"this is not JSON {{{\n[1, 2]\n\n\xff\xfe\n")
        self._cli.print(type="from_the_future", payload={"nested": [1, 2, 3]})
        yield from self._plain(name, rng)

    def _huge(self, name: str, rng: Random) -> Script:
        self._cli.print(type="user", filler="x" * 200_000)
        yield from self._plain(name, rng)

    def _empty(self, name: str, rng: Random) -> Script:
        yield from self._cli.pause(0.2)
        self._cli.result(is_error=False, subtype="success", result="")

    def _compact(self, name: str, rng: Random) -> Script:
        self._cli.print(type="system", subtype="compact_boundary", compact_metadata={"trigger": "auto"})
        yield from self._plain(name, rng)

    def _die_asking(self, name: str, rng: Random) -> Script:
        cli, name_and_number = self._cli, f"make {name} 0"
        if "--permission-prompt-tool" not in cli.flags:
            self._end(1)
        cli.begin_message()
        cli.say({"type": "tool_use", "id": "toolu_last", "name": "Bash", "input": {"command": name_and_number}})
        cli.print(type="control_request", request_id=f"last-{cli.pid}", request={
            "subtype": "can_use_tool", "tool_name": "Bash", "input": {"command": name_and_number},
            "tool_use_id": "toolu_last", "permission_suggestions": [], "description": "make",
        })  # fmt: skip
        yield from cli.pause(rng.choice((0.01, 2, 40)))
        self._end(1)

    def _linger(self, name: str, rng: Random) -> Script:
        """Answers, and does not end with its standard input."""
        yield from self._plain(name, rng)
        while not self._cli.world.is_kind:
            yield 600.0
        self._end(0)

    def _end(self, code: int) -> None:
        raise Ended(code)

    # --- tools ----------------------------------------------------------------------------------------------------

    def use(self, tool: str, values: Json, rng: Random) -> Script:
        """Uses a tool if the hook, the mode, the rules and the user allow it."""
        cli = self._cli
        use_id = f"toolu_{cli.new_uuid()}"
        cli.begin_message()
        cli.say({"type": "tool_use", "id": use_id, "name": tool, "input": values})
        yield from cli.pause(0.01)
        if tool.startswith("mcp__hub__") and tool not in cli.hub_tools:
            self._tell(use_id, f"No such tool available: {tool}", is_error=True)
            return
        decision, reason = yield from self._ask_hook(tool, values, use_id)
        by_mode = (
            cli.mode == "bypassPermissions" or tool in cli.allowed or f"{tool}({values.get('command')})" in cli.allowed
        )
        is_allowed = decision is None and by_mode and tool != "AskUserQuestion"
        if is_allowed and tool == "Bash" and cli.world.is_exposed(cli):
            cli.world.fail("An exposed session's Bash never runs unasked.", (cli.pid, cli.owner, values))
        text = reason or "It needs permission."
        if not is_allowed and decision != "deny" and "--permission-prompt-tool" in cli.flags and cli.mode != "dontAsk":
            answer = yield from self._ask_user(tool, values, use_id, reason)
            is_allowed, text = answer.get("behavior") == "allow", answer.get("message", "")
            values = answer.get("updatedInput", values)
            if is_allowed:
                cli.world.allowed(cli, tool, values)
        if not is_allowed:
            self._tell(use_id, text, is_error=True)
        elif tool in cli.hub_tools:
            text, is_error = yield from cli.call_hub(tool, values, use_id)
            if not is_error and tool.endswith("activity_events_list"):
                cli.world.read_texts(cli, text)
            self._tell(use_id, text[:2_000], is_error=is_error)
        else:
            cli.world.acts(cli, tool, values)
            yield from cli.pause(rng.choice((0.01, 0.01, 5, 90)))
            self._tell(use_id, "done", is_error=False)

    def _ask_hook(self, tool: str, values: Json, use_id: str) -> Generator[float | None, None, tuple[Any, Any]]:
        cli = self._cli
        if not cli.hook:
            return None, None
        asked = {"hook_event_name": "PreToolUse", "tool_name": tool, "tool_input": values, "tool_use_id": use_id}
        answer = yield from cli.ask_host(
            {"subtype": "hook_callback", "callback_id": cli.hook, "input": asked, "tool_use_id": use_id}
        )
        output = answer.get("hookSpecificOutput", {})
        return output.get("permissionDecision"), output.get("permissionDecisionReason")

    def _ask_user(
        self, tool: str, values: Json, use_id: str, reason: str | None
    ) -> Generator[float | None, None, Json]:
        rules = [{"toolName": tool, "ruleContent": values.get("command", "")}] if tool == "Bash" else []
        suggestions = [{"type": "addRules", "rules": rules, "behavior": "allow", "destination": "localSettings"}]
        details = {} if reason is None else {"decision_reason": reason, "decision_reason_type": "hook"}
        request = {
            "subtype": "can_use_tool", "tool_name": tool, "input": values, "description": "make", "tool_use_id": use_id,
            "permission_suggestions": suggestions if rules else [], **details,
        }  # fmt: skip
        self._cli.world.asks(self._cli, use_id)
        try:
            answer = yield from self._cli.ask_host(request)
        finally:
            self._cli.world.asked.pop(use_id, None)
        return answer

    def _tell(self, use_id: str, text: str, *, is_error: bool) -> None:
        block = {"tool_use_id": use_id, "type": "tool_result", "content": text, "is_error": is_error}
        self._cli.write("user", {"role": "user", "content": [block]})
