"""The host's use of Claude: sessions, prompts, runs, answers to questions, budgets, restores; and the checks at the end."""

import json
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any, Final

from sidecar.clock import iso
from tests.simulation.claude.cli import MESSAGE_USD
from tests.simulation.claude.world import Prompt, World
from tests.simulation.invariants import may_be_deleted
from tests.simulation.host import Host, Json, Refused, Script

FINAL: Final = frozenset({"succeeded", "failed", "cancelled", "interrupted"})
MODES: Final = ("default", "default", "default", "acceptEdits", "bypassPermissions", "dontAsk", None)
LOOK_S: Final = 290.0
AGAIN_S: Final = 30.0
CENT: Final = 1e-6


class ClaudeCalls:
    """The steps with Claude."""

    WEIGHTS: Final = {
        "converse": 3, "say": 10, "spawn": 2, "interrupt": 1, "configure": 1, "fork": 1, "forget_session": 1,
        "answer": 2, "budget": 1, "stop_tasks": 1, "plan_run": 1, "look_into": 2, "lose_record": 1, "uninstall": 1,
        "cancel_prompt": 1, "retry_prompt": 1, "terminal": 1,
    }  # fmt: skip

    def __init__(self, life: Any) -> None:
        self._life = life
        self._host: Host = life.host
        self._later: Callable[[float, Callable[[], None]], None] = life.later
        self._fail: Callable[[str, object], None] = life.fail
        folder: Path = life.folder
        self.executable = folder / "claude"
        self.world = World(life, folder / "home", self.executable)
        self._is_kind = False
        self._host.on_event = self._on_event
        self.forget()

    def begin(self) -> None:
        """Begins the life."""
        self.world.install()
        self._later(LOOK_S, self._look)

    def forget(self) -> None:
        """Forgets what another database cannot know."""
        self.world.forget()
        self._sessions: dict[str, Json] = {}
        self._questions: dict[str, Json] = {}
        self._jobs: dict[str, Json] = {}
        self._budgets: dict[str, float] = {}

    # --- steps ----------------------------------------------------------------------------------------------------

    @property
    def _is_ready(self) -> bool:
        return self._host.is_ready

    def _pick(self, rng: Random) -> str | None:
        return rng.choice([*self._sessions]) if self._sessions and self._is_ready else None

    def converse(self, rng: Random) -> str:
        if not self._is_ready:
            return ""
        params: Json = {"hub": rng.choice(("off", "read", "act")), "wait_for_limit": rng.random() < 0.8}
        if (mode := rng.choice(MODES)) is not None:
            params["permission_mode"] = mode
        if rng.random() < 0.2:
            params["allowed_tools"] = ["Bash"]

        def created(result: Any) -> None:
            if not isinstance(result, Refused):
                self._sessions.setdefault(result["session_id"], result)
                self._say_to(result["session_id"], Random(rng.random()))

        self._host.call("claude.sessions.create", params, created)
        return json.dumps(params)

    def say(self, rng: Random) -> str:
        if (session_id := self._pick(rng)) is None:
            return self.converse(rng)
        return f"to {session_id[-4:]}: " + ", ".join(self._say_to(session_id, rng) for _ in range(rng.choice((1, 1, 1, 3))))

    def _say_to(self, session_id: str, rng: Random) -> str:
        if rng.random() < 0.03:
            self._host.call("claude.sessions.send", {"session_id": session_id, "prompt": "/clear"})
            return "/clear"
        text = self.world.new_prompt("to the session", session_id)
        params: Json = {"session_id": session_id, "prompt": text}
        if rng.random() < 0.3:
            params["when"] = "now"
        if rng.random() < 0.1:
            params["timeout_s"] = 300.0
        self._send("claude.sessions.send", params, text)
        return text

    def _send(self, method: str, params: Json, text: str) -> None:
        prompt = self.world.prompt_of(text)

        def sent(result: Any) -> None:
            if isinstance(result, Refused):
                return
            if prompt is not None:
                prompt.job_id = result["job_id"]

        self._host.call(method, params, sent)

    def spawn(self, rng: Random) -> str:
        if not self._is_ready:
            return ""
        text = self.world.new_prompt("as a run")
        mode = rng.choice(("default", "bypassPermissions"))
        self._send("claude.spawn", {"prompt": text, "permission_mode": mode, "hub": rng.choice(("off", "read"))}, text)
        return text

    def plan_run(self, rng: Random) -> str:
        """Lets a schedule send a prompt, each time the same one."""
        if not self._is_ready or len(self._host.memory.schedules) > 8:
            return ""
        params = {"title": "Digest", "type": "claude.run", "payload": {"prompt": "What is new?"}}
        self._host.call("jobs.schedules.create", {**params, "period_s": rng.choice((3_600, 86_400))})
        return "a schedule"

    def interrupt(self, rng: Random) -> str:
        if (session_id := self._pick(rng)) is None:
            return ""
        self._host.call("claude.sessions.interrupt", {"session_id": session_id})
        return session_id[-4:]

    def configure(self, rng: Random) -> str:
        if (session_id := self._pick(rng)) is None:
            return ""
        changes: list[Json] = [{"permission_mode": rng.choice(MODES)}, {"hub": rng.choice(("off", "read", "act"))}]
        changes += [{"allowed_tools": rng.choice(([], ["Bash"]))}, {"effort": rng.choice(("low", "high", None))}]
        change = rng.choice(changes)
        self._host.call("claude.sessions.update", {"session_id": session_id, **change})
        return f"{session_id[-4:]} {change}"

    def fork(self, rng: Random) -> str:
        if (session_id := self._pick(rng)) is None:
            return ""

        def forked(result: Any) -> None:
            if not isinstance(result, Refused):
                self._sessions.setdefault(result["session_id"], result)
                self._say_to(result["session_id"], Random(rng.random()))

        self._host.call("claude.sessions.fork", {"session_id": session_id}, forked)
        return session_id[-4:]

    def forget_session(self, rng: Random) -> str:
        if (session_id := self._pick(rng)) is None:
            return ""
        self._sessions.pop(session_id)

        def deleted(result: Any) -> None:
            if not isinstance(result, Refused):
                self.world.deleted.add(session_id)
                for one in self.world.prompts.values():
                    one.cancelled = one.cancelled or one.session_id == session_id

        self._host.call("claude.sessions.delete", {"session_id": session_id}, deleted)
        return session_id[-4:]

    def _known_prompts(self) -> list[Prompt]:
        return [one for one in self.world.prompts.values() if one.job_id is not None]

    def cancel_prompt(self, rng: Random) -> str:
        if not self._is_ready or not (known := self._known_prompts()[-8:]):
            return ""
        prompt = rng.choice(known)

        def cancelled(result: Any) -> None:
            if isinstance(result, dict) and result["status"] == "cancelled":
                prompt.cancelled = True

        self._host.call("jobs.cancel", {"job_id": prompt.job_id}, cancelled)
        return f"prompt {prompt.marker}"

    def retry_prompt(self, rng: Random) -> str:
        if not self._is_ready or not (known := self._known_prompts()[-8:]):
            return ""
        prompt = rng.choice(known)
        prompt.is_retried, prompt.cancelled = True, False
        self._host.call("jobs.retry", {"job_id": prompt.job_id})
        return f"prompt {prompt.marker}"

    def answer(self, rng: Random) -> str:
        """Answers a question, perhaps long after it was asked."""
        if not self._is_ready or not self._questions:
            return ""
        return self._respond(self._questions[rng.choice([*self._questions])], rng)

    def _respond(self, request: Json, rng: Random) -> str:
        allow = rng.random() < 0.7
        params: Json = {"request_id": request["request_id"], "decision": "allow" if allow else "deny"}
        values = dict(request["input"])
        if request["kind"] == "question" and allow:
            values = {**values, "answers": {"Which?": "a"}}
            params["updated_input"] = values
        if allow:
            self.world.allow(values)
            if request["rules"] and rng.random() < 0.1:
                params["remember"] = True
        self._host.call("claude.permissions.respond", params)
        return f"{params['decision']} {json.dumps(values)[:60]}"

    def budget(self, rng: Random) -> str:
        if (session_id := self._pick(rng)) is None:
            return ""
        params: Json = {"max_usd": rng.choice((0.02, 0.1, 10.0, None))}
        if rng.random() < 0.8:
            params["session_id"] = session_id
        self._host.call("claude.budgets.update", params)
        if params["max_usd"] is not None and params["max_usd"] < 1:
            self._later(1_800, lambda: self._raise_budget(params))
        return str(params)

    def _raise_budget(self, params: Json) -> None:
        if self._is_ready:
            self._host.call("claude.budgets.update", {**params, "max_usd": None})

    def stop_tasks(self, rng: Random) -> str:
        known = [one for one in self._known_prompts() if self._jobs.get(one.job_id or "", {}).get("status") == "running"]
        if not self._is_ready or not known:
            return ""
        self._host.call("claude.tasks.stop", {"job_id": rng.choice(known).job_id})
        return "all"

    def look_into(self, rng: Random) -> str:
        session_id = self._pick(rng)
        now = self._host.now_ms()
        days = {"start": iso(now - 3 * 86_400_000), "end": iso(now), "time_zone": "Europe/Berlin"}
        asked: list[tuple[str, Json]] = [
            ("claude.messages.search", {"query": "prompt"}), ("claude.usage.list", days), ("claude.sessions.list", {}),
            ("claude.conversations.list", {}), ("claude.permissions.list", {}), ("claude.status", {}),
        ]  # fmt: skip
        if session_id is not None:
            asked += [("claude.messages.list", {"session_id": session_id}), ("claude.sessions.export", {"session_id": session_id})]
        method, params = rng.choice(asked)
        if self._is_ready:
            self._host.call(method, params)
        return method

    def lose_record(self, rng: Random) -> str:
        """Deletes a conversation's record, as Claude Code does with old ones; not while a process writes it."""
        used = {getattr(one, "record", None) for one in self.world.programs.running.values()}
        names = [name for name in self.world.records.ids() if self.world.records.load(name, None) not in used]
        if not names:
            return ""
        self.world.lose(chosen := rng.choice(names))
        return chosen[:8]

    def terminal(self, rng: Random) -> str:
        """Goes on with a conversation in a terminal."""
        used = {getattr(one, "record", None) for one in self.world.programs.running.values()}
        names = [name for name in self.world.records.ids() if self.world.records.load(name, None) not in used]
        if not names:
            return ""
        record = self.world.records.load(rng.choice(names), None)
        number = rng.getrandbits(30)
        uuid = f"{number:08x}-1111-4000-8000-000000000001"
        record.add(uuid, "user", {"role": "user", "content": f"typed {number}"}, entrypoint="cli")
        said = {"id": f"msg_t{number}", "role": "assistant", "content": [{"type": "text", "text": f"said {number}"}]}
        record.add(f"{uuid[:-1]}2", "assistant", said, entrypoint="cli")
        return record.conversation[:8]

    def uninstall(self, rng: Random) -> str:
        delay_s = rng.choice((1, 300))
        self.world.uninstall()
        self._later(delay_s, self.world.install)
        return f"for {delay_s} s"

    def be_kind(self) -> None:
        self._is_kind = self.world.is_kind = True
        self.world.install()
        if self._is_ready:
            self.on_ready()

    def on_ready(self) -> None:
        """Does what the host does after each handshake."""
        if self._is_kind:
            for request in list(self._questions.values()):
                self._respond(request, Random(request["request_id"]))
            self._host.call("claude.budgets.update", {"max_usd": None})
            for session_id in self._sessions:
                self._host.call("claude.budgets.update", {"session_id": session_id, "max_usd": None})

    # --- what comes -----------------------------------------------------------------------------------------------

    def _on_event(self, method: str, params: Json) -> None:
        match method:
            case "claude.permission_requested":
                self._asked(params["request"])
            case "claude.permission_resolved":
                self._questions.pop(params["request"]["request_id"], None)
            case "claude.session_updated":
                session = params["session"]
                if session["session_id"] in self._sessions:
                    self._sessions[session["session_id"]] = session
            case "jobs.updated" if params["job"]["type"].startswith("claude."):
                self._jobs[params["job"]["job_id"]] = params["job"]

    def _asked(self, request: Json) -> None:
        is_new = request["request_id"] not in self._questions
        self._questions[request["request_id"]] = request
        rng = Random(request["request_id"])
        delay_s = rng.choice((1, 20, 20, 300)) if self._is_kind else rng.choice((1, 1, 20, 300, None))
        if is_new and delay_s is not None:
            self._later(delay_s, lambda: self._respond_later(request["request_id"], rng))

    def _respond_later(self, request_id: str, rng: Random) -> None:
        if self._is_ready and request_id in self._questions:
            self._respond(self._questions[request_id], rng)
        elif self._is_kind and request_id in self._questions:
            self._later(20, lambda: self._respond_later(request_id, rng))

    # --- checks ---------------------------------------------------------------------------------------------------

    def _look(self) -> None:
        """Asks at times whether the sessions that run have a turn, and whether questions are shown."""
        self._later(LOOK_S, self._look)
        if self._is_ready and self._is_well():
            self._host.play(self._find_suspects())
        if self._is_ready and self._is_kind:
            self._host.play(self._answer_all())

    def _answer_all(self) -> Script:
        """Answers also the questions of which a host has not heard that had left out events."""
        page = yield "claude.permissions.list", {"status": "open", "limit": 200}
        for request in [] if isinstance(page, Refused) else page["requests"]:
            self._respond(request, Random(request["request_id"]))

    def _is_well(self) -> bool:
        return not self._life.disk.has_problem

    def _find_suspects(self) -> Script:
        start, fine_since = self._life.starts, self._life.disk.fine_since
        idle = yield from self._without_turn()
        asked = {use_id for use_id, (_, at) in self.world.asked.items() if at < self._life.now - AGAIN_S}
        hidden = yield from self._not_shown(asked)

        def look_again() -> None:
            same = (self._life.starts, self._life.disk.fine_since) == (start, fine_since)
            if same and self._is_ready and self._is_well() and (idle or hidden):
                self._host.play(self._judge(idle, hidden))

        self._later(AGAIN_S, look_again)

    def _judge(self, idle: set[str], hidden: set[str]) -> Script:
        again = yield from self._without_turn()
        if idle & again:
            self._fail("A session that is called running has a turn.", [self._sessions.get(one) for one in idle & again])
        still = yield from self._not_shown(hidden & {*self.world.asked})
        if still:
            self._fail("A question that waits is shown to the host.", still)

    def _without_turn(self) -> Script:
        sessions = yield "claude.sessions.list", {"limit": 200}
        jobs = yield "jobs.list", {"status": "running", "limit": 200}
        if isinstance(sessions, Refused) or isinstance(jobs, Refused):
            return set()
        busy = {one["payload"].get("session_id") for one in jobs["jobs"] if one["type"] == "claude.turn"}
        return {one["session_id"] for one in sessions["sessions"] if one["status"] == "running"} - busy

    def _not_shown(self, asked: set[str]) -> Script:
        if not asked:
            return set()
        page = yield "claude.permissions.list", {"status": "open", "limit": 200}
        if isinstance(page, Refused):
            return set()
        return (asked & {*self.world.asked}) - {one["tool_use_id"] for one in page["requests"]}

    def check_end(self) -> Script:
        """Checks what the host can ask for once the world has been kind for some days."""
        jobs: dict[str, Json] = {}
        for kind in ("claude.turn", "claude.run"):
            params: Json = {"type": kind, "limit": 200}
            while True:
                page = yield "jobs.list", params
                jobs |= {job["job_id"]: job for job in page["jobs"]}
                if page["next_cursor"] is None:
                    break
                params = {**params, "cursor": page["next_cursor"]}
        if left := [job for job in jobs.values() if job["status"] not in FINAL and "What is new" not in job["payload"]["prompt"]]:
            self._fail("Once the world is kind, every prompt is answered or has failed.", left)
        sessions = yield "claude.sessions.list", {"limit": 200}
        if busy := [one for one in sessions["sessions"] if one["status"] in ("running", "limited")]:
            self._fail("Once the world is kind, no session is running.", busy)
        open_ones = yield "claude.permissions.list", {"status": "open", "limit": 200}
        if open_ones["requests"]:
            self._fail("Once the world is kind, every question is answered.", open_ones["requests"])
        for prompt in self._known_prompts():
            if prompt.session_id not in self.world.deleted:
                self._check_outcome(prompt, jobs.get(prompt.job_id or ""))
        self._life.note(f"{len(self.world.deliveries)} prompts of {len(self.world.prompts)} have reached Claude", "check")

    def _check_outcome(self, prompt: Prompt, job: Json | None) -> None:
        if job is None and may_be_deleted(self._host, prompt.job_id or ""):
            return
        if job is None:
            self._fail("A prompt that was acknowledged exists.", prompt)
            return
        texts = self.world.answer_to(prompt.marker)
        read = [one for one in self.world.deliveries if one.marker == prompt.marker]
        if job["status"] == "succeeded":
            if job["result"].get("answered_by"):
                if not read:
                    self._fail("A prompt that has succeeded has reached Claude.", (prompt, job))
            elif not texts or job["result"]["text"] != next((one for one in reversed(texts) if one), ""):
                self._fail("A prompt's job has the answer that Claude has given.", (prompt, texts, job))
            elif len(read) == 1 and not any(one.continues for one in self.world.deliveries) and abs((job["result"]["total_cost_usd"] or 0) - MESSAGE_USD * read[0].billed) > CENT:
                self._fail("A prompt's job has the cost that Claude has reported.", (read, job))
        elif job["status"] != "cancelled" and not (job["error"] or {}).get("kind"):
            self._fail("A prompt without an answer says why.", (prompt, job))
