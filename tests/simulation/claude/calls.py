"""The host's use of Claude: sessions, prompts, runs, answers and budgets."""

import json
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any, Final

from sidecar.clock import iso
from tests.simulation.claude.checks import ClaudeChecks
from tests.simulation.claude.world import World
from tests.simulation.host import Host, Json, Refused, Script

MODES: Final = ("default", "default", "default", "acceptEdits", "bypassPermissions", "dontAsk", None)
ANSWER_S: Final = 300.0


class ClaudeCalls:
    """The steps with Claude."""

    WEIGHTS: Final = {
        "converse": 3, "say": 10, "spawn": 2, "interrupt": 1, "configure": 1, "fork": 1, "forget_session": 1,
        "answer": 2, "budget": 2, "stop_tasks": 1, "plan_run": 1, "look_into": 2, "cancel_prompt": 1,
        "retry_prompt": 1, "trust": 1, "steer": 3,
    }  # fmt: skip

    def __init__(self, life: Any) -> None:
        self._life = life
        self._host: Host = life.host
        self._later: Callable[[float, Callable[[], None]], None] = life.later
        self._fail: Callable[[str, object], None] = life.fail
        folder: Path = life.folder
        self.executable = folder / "claude"
        self.world = World(life, folder / "home", self.executable)
        self.checks = ClaudeChecks(life, self.world)
        self._is_kind = False
        self._host.on_event = self._on_event
        self.forget()

    def begin(self) -> None:
        """Begins the life."""
        self.world.install()
        self.checks.begin()

    def forget(self) -> None:
        """Forgets what another database cannot know."""
        self.world.forget()
        self.checks.forget()
        self.sessions: dict[str, Json] = {}
        """The sessions as the host knows them, by id."""
        self._questions: dict[str, Json] = {}
        self._jobs: dict[str, Json] = {}
        self._budgets: dict[str, float] = {}

    # --- steps ----------------------------------------------------------------------------------------------------

    @property
    def _is_ready(self) -> bool:
        return self._host.is_ready

    def _pick(self, rng: Random) -> str | None:
        return rng.choice([*self.sessions]) if self.sessions and self._is_ready else None

    def converse(self, rng: Random) -> str:
        if not self._is_ready:
            return ""
        params: Json = {"hub": rng.choice(("off", "read", "act")), "wait_for_limit": rng.random() < 0.8}
        if (mode := rng.choice(MODES)) is not None:
            params["permission_mode"] = mode
        if rng.random() < 0.2:
            params["allowed_tools"] = ["Bash"]
        if rng.random() < 0.5:
            params |= self.world.folders.choose(rng)

        def created(result: Any) -> None:
            if not isinstance(result, Refused):
                self.sessions.setdefault(result["session_id"], result)
                self.world.folders.created(result["session_id"], params)
                self._say_to(result["session_id"], Random(rng.random()))

        self._host.call("claude.sessions.create", params, created)
        return json.dumps(params)

    def say(self, rng: Random) -> str:
        if (session_id := self._pick(rng)) is None:
            return self.converse(rng)
        return f"to {session_id[-4:]}: " + ", ".join(
            self._say_to(session_id, rng) for _ in range(rng.choice((1, 1, 1, 3)))
        )

    def steer(self, rng: Random) -> str:
        """Sends a prompt into a turn, which is interrupted then, or whose process is killed once Claude has read it."""
        if (session_id := self._pick(rng)) is None:
            return self.converse(rng)
        trouble, delay_s = rng.choice(("interrupt", "kill", "kill")), rng.choice((0.0, 0.01, 0.5, 5.0))

        def send() -> None:
            if self._is_ready and session_id in self.sessions and not self._is_kind:
                self._say_to(session_id, rng, now=True)
                if trouble == "kill":
                    self.world.kills_at_read = True
                else:
                    self._later(delay_s, lambda: self._interrupt(session_id))

        self._later(rng.choice((0.4, 2.0, 8.0)), send)
        return f"{self._say_to(session_id, rng)}, and {trouble}"

    def _interrupt(self, session_id: str) -> None:
        if self._is_ready:
            self._host.call("claude.sessions.interrupt", {"session_id": session_id})

    def _say_to(self, session_id: str, rng: Random, *, now: bool = False) -> str:
        if rng.random() < 0.03:
            self._host.call("claude.sessions.send", {"session_id": session_id, "prompt": "/clear"})
            return "/clear"
        text = self.world.new_prompt("to the session", session_id)
        params: Json = {"session_id": session_id, "prompt": text}
        if now or rng.random() < 0.3:
            params["when"] = "now"
        if rng.random() < 0.1:
            params["timeout_s"] = 300.0
        if rng.random() < 0.15:
            self._attach(params, text)
        self._send("claude.sessions.send", params, text)
        return text

    def _attach(self, params: Json, text: str) -> None:
        """Sends a file with a prompt."""
        prompt = self.world.prompt_of(text)
        assert prompt is not None
        prompt.file = f"Read “{text}”.\n" * 20
        data = b64encode(prompt.file.encode()).decode()
        params["content"] = [{"type": "text", "text": params.pop("prompt")}, {"type": "file", "data": data}]

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
        params: Json = {"prompt": text, "permission_mode": mode, "hub": rng.choice(("off", "read"))}
        if rng.random() < 0.2:
            params["max_budget_usd"] = self.world.prompts[self.world.last_marker].max_usd = rng.choice((0.05, 2.5))
        if rng.random() < 0.15:
            self._attach(params, text)
        self._send("claude.spawn", params, text)
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
        self._interrupt(session_id)
        return session_id[-4:]

    def configure(self, rng: Random) -> str:
        if (session_id := self._pick(rng)) is None:
            return ""
        changes: list[Json] = [{"permission_mode": rng.choice(MODES)}, {"hub": rng.choice(("off", "read", "act"))}]
        changes += [{"allowed_tools": rng.choice(([], ["Bash"]))}, {"effort": rng.choice(("low", "high", None))}]
        changes += [{name: one for name, one in self.world.folders.choose(rng).items() if name in ("cwd", "settings")}]
        change = rng.choice(changes)
        if "cwd" in change:
            self.world.folders.created(session_id, change)
        self._host.call("claude.sessions.update", {"session_id": session_id, **change})
        return f"{session_id[-4:]} {change}"

    def fork(self, rng: Random) -> str:
        if (session_id := self._pick(rng)) is None:
            return ""

        def forked(result: Any) -> None:
            if not isinstance(result, Refused):
                self.sessions.setdefault(result["session_id"], result)
                self._say_to(result["session_id"], Random(rng.random()))

        self._host.call("claude.sessions.fork", {"session_id": session_id}, forked)
        return session_id[-4:]

    def forget_session(self, rng: Random) -> str:
        if (session_id := self._pick(rng)) is None:
            return ""
        self.sessions.pop(session_id)

        def deleted(result: Any) -> None:
            if not isinstance(result, Refused):
                self.world.deleted.add(session_id)
                for one in self.world.prompts.values():
                    one.cancelled = one.cancelled or one.session_id == session_id

        self._host.call("claude.sessions.delete", {"session_id": session_id}, deleted)
        return session_id[-4:]

    def cancel_prompt(self, rng: Random) -> str:
        if not self._is_ready or not (known := self.world.acknowledged()[-8:]):
            return ""
        prompt = rng.choice(known)

        def cancelled(result: Any) -> None:
            if isinstance(result, dict) and result["status"] == "cancelled":
                prompt.cancelled = True

        self._host.call("jobs.cancel", {"job_id": prompt.job_id}, cancelled)
        return f"prompt {prompt.marker}"

    def retry_prompt(self, rng: Random) -> str:
        if not self._is_ready or not (known := self.world.acknowledged()[-8:]):
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
        nearly = self.world.budgets.spent(session_id) + 0.015  # the next answer reaches it
        params: Json = {"max_usd": rng.choice((nearly, nearly, 0.1, 10.0, None))}
        if rng.random() < 0.8:
            params["session_id"] = session_id
        self._update_budget(params)
        if params["max_usd"] is not None and params["max_usd"] < 1:
            self._later(1_800, lambda: self._raise_budget(params))
            for delay_s in (90, 200, 500):
                self._later(delay_s, lambda: self._say_again(session_id, rng))
        return str(params)

    def _say_again(self, session_id: str, rng: Random) -> None:
        if self._is_ready and session_id in self.sessions:
            self._say_to(session_id, rng)

    def _raise_budget(self, params: Json) -> None:
        if self._is_ready:
            self._update_budget({**params, "max_usd": None})

    def _update_budget(self, params: Json) -> None:
        budgets, owner = self.world.budgets, params.get("session_id")
        budgets.set(owner, None)  # not known until it is acknowledged

        def updated(result: Any) -> None:
            if not isinstance(result, Refused):
                budgets.set(owner, result["max_usd"])

        self._host.call("claude.budgets.update", params, updated)

    def trust(self, rng: Random) -> str:
        """Trusts a folder, or no longer."""
        if not self._is_ready:
            return ""
        folders, folder = self.world.folders, self.world.folders.pick(rng)
        if rng.random() < 0.4:
            folders.trust(folder)
            self._host.call("claude.trust.add", {"cwd": str(folder)})
            return str(folder.name)
        trusted = folders.times_trusted(folder)

        def removed(result: Any) -> None:
            if not isinstance(result, Refused) and trusted == folders.times_trusted(folder):
                folders.distrust(folder)

        self._host.call("claude.trust.remove", {"folder": str(folder)}, removed)
        return f"{folder.name} no longer"

    def stop_tasks(self, rng: Random) -> str:
        known = [
            one for one in self.world.acknowledged() if self._jobs.get(one.job_id or "", {}).get("status") == "running"
        ]
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
            asked += [
                ("claude.messages.list", {"session_id": session_id}),
                ("claude.sessions.export", {"session_id": session_id}),
            ]
        method, params = rng.choice(asked)
        if self._is_ready:
            self._host.call(method, params)
        return method

    @property
    def has_backlog(self) -> bool:
        """Whether prompts of sessions wait or are being answered, as far as the host knows."""
        turns = (job for job in self._jobs.values() if job["type"] == "claude.turn")
        return any(job["status"] in ("queued", "running") for job in turns)

    def be_kind(self) -> None:
        self._is_kind = self.world.is_kind = True
        self._answer_all()
        if self._is_ready:
            self.on_ready()

    def _answer_all(self) -> None:
        """Answers all open questions at times, also those whose notification the host has missed."""
        self._later(ANSWER_S, self._answer_all)
        if self._is_ready:
            self._host.play(self._answer_open())

    def _answer_open(self) -> Script:
        page = yield "claude.permissions.list", {"status": "open", "limit": 200}
        for request in [] if isinstance(page, Refused) else page["requests"]:
            self._respond(request, Random(request["request_id"]))

    def on_ready(self) -> None:
        """Does what the host does after each handshake."""
        if self._is_kind:
            for request in list(self._questions.values()):
                self._respond(request, Random(request["request_id"]))
            self._update_budget({"max_usd": None})
            for session_id in self.sessions:
                self._update_budget({"session_id": session_id, "max_usd": None})

    # --- what comes -----------------------------------------------------------------------------------------------

    def _on_event(self, method: str, params: Json) -> None:
        match method:
            case "claude.permission_requested":
                self._asked(params["request"])
            case "claude.permission_resolved":
                self._questions.pop(params["request"]["request_id"], None)
            case "claude.session_updated":
                session = params["session"]
                if session["session_id"] in self.sessions:
                    self.sessions[session["session_id"]] = session
            case "jobs.updated" if params["job"]["type"].startswith("claude."):
                self._jobs[params["job"]["job_id"]] = params["job"]
                self.world.budgets.note(params["job"])
                self.checks.note(params["job"])

    def _asked(self, request: Json) -> None:
        is_new = request["request_id"] not in self._questions
        self._questions[request["request_id"]] = request
        rng = Random(request["request_id"])
        delay_s = rng.choice((1, 20)) if self._is_kind else rng.choice((1, 1, 20, 300, None))
        if is_new and delay_s is not None:
            self._later(delay_s, lambda: self._respond_later(request["request_id"], rng))

    def _respond_later(self, request_id: str, rng: Random) -> None:
        if self._is_ready and request_id in self._questions:
            self._respond(self._questions[request_id], rng)
        elif self._is_kind and request_id in self._questions:
            self._later(20, lambda: self._respond_later(request_id, rng))
