"""Calls of the host with random arguments, and its habits."""

import json
from collections.abc import Callable
from random import Random
from typing import Any, Final

from sidecar.clock import iso
from sidecar.paths import schema_dir
from tests.simulation.host import KEYS, Asked, Host, Json
from tests.simulation.plan import some

OTHERS: Final = (
    "initialize", "initialized", "shutdown", "exit", "$/cancelRequest", "system.backups.restore", "claude.doctor",
    "calendar.accounts.", "calendar.oauth.", "calendar.calendars.update", "jira.accounts.", "confluence.accounts.",
    "jobs.create", "jobs.cancel", "jobs.retry", "jobs.queue.pause", "jobs.schedules.update", "claude.spawn",
    "claude.sessions.", "claude.trust.", "claude.conversations.", "claude.status", "claude.permissions.respond",
    "claude.sources.", "claude.budgets.update", "claude.tasks.stop", "jobs.schedules.create",
)  # fmt: skip
"""Methods, or beginnings of their names, that are not called at random: other steps do, or they need a computer."""
ZONES: Final = ("Europe/Berlin", "America/New_York", "Asia/Kolkata", "Pacific/Apia", "UTC", "Nowhere/Land")
HOUR_MS: Final = 3_600_000
Later = Callable[[float, Callable[[], None]], None]
"""Lets something happen in this number of seconds."""


def _methods() -> list[Json]:
    document = json.loads((schema_dir() / "openrpc.json").read_bytes())
    return [one for one in document["methods"] if not one["name"].startswith(OTHERS)]


class Calls:
    """The steps that begin with the host."""

    WEIGHTS: Final = {
        "create": 10, "cancel": 3, "retry": 2, "read": 8, "batch": 2, "pause": 1, "schedule": 1, "run_schedule": 1,
        "withdraw": 1, "deaf": 1, "wake": 1, "reload": 2, "key": 1, "flood": 1,
    }  # fmt: skip

    def __init__(
        self, host: Host, now_ms: Callable[[], int], later: Callable[[float, Callable[[], None]], None], seed: int
    ) -> None:
        self._host = host
        self._now_ms = now_ms
        self._later = later
        self._methods = _methods()
        names = some(Random(f"{seed} methods"), {one["name"]: 1 for one in self._methods})
        self._methods = [one for one in self._methods if one["name"] in names]
        self._keys = 0
        self.known: dict[str, list[str]] = {"account_id": [], "schedule_id": []}
        """Values of params, by the names of the params."""
        self._is_kind = False

    def create(self, rng: Random) -> str:
        self._keys += 1
        payload: Json = {
            "takes_s": rng.choice((0, 0, 0.5, 30, 600, 2_000)),
            "ends": rng.choice(("well", "well", "failing", "snoozing", "logging")),
            "lock": rng.choice((None, None, "a", "b")),
        }
        if payload["lock"] is not None:  # many wait for the same one
            payload["takes_s"] = min(30, payload["takes_s"])
        params: Json = {"type": rng.choice(("simulation.repeatable", "simulation.once")), "payload": payload}
        params["priority"] = rng.choice((0, 0, 5, -5))
        if rng.random() < 0.3:
            params["run_at"] = iso(self._now_ms() + rng.choice((-HOUR_MS, HOUR_MS // 20, HOUR_MS, 30 * HOUR_MS)))
        self._host.create(f"key {self._keys}", params)
        return f"{params['type']} as key {self._keys}, {payload}"

    def cancel(self, rng: Random) -> str:
        if (promise := self._host.pick(rng)) is None:
            return ""
        self._host.cancel(promise)
        return f"job {promise.job_id}"

    def retry(self, rng: Random) -> str:
        if (promise := self._host.pick(rng)) is None:
            return ""
        promise.retried, promise.cancelled_at = True, None
        self._host.call("jobs.retry", {"job_id": promise.job_id})
        return f"job {promise.job_id}"

    def read(self, rng: Random) -> str:
        method, params = self._any(rng)
        self._host.call(method, params)
        return f"{method} {json.dumps(params)}"

    def batch(self, rng: Random) -> str:
        asked = [self._any(rng) for _ in range(rng.randint(1, 12))]
        self._host.batch(asked)
        return ", ".join(method for method, _ in asked)

    def withdraw(self, rng: Random) -> str:
        """Cancels a request at once."""
        method, params = self._any(rng)
        request_id = self._host.call(method, params)
        self._host.notify("$/cancelRequest", {"id": request_id})
        return method

    def pause(self, rng: Random) -> str:
        delay_s = rng.choice((1, 600))
        self._host.call("jobs.queue.pause", {})
        self._later(delay_s, self._resume)
        return f"the queue for {delay_s} s"

    def _resume(self) -> None:
        if self._host.is_ready:
            self._host.call("jobs.queue.resume", {})

    def schedule(self, rng: Random) -> str:
        if not (known := list(self._host.memory.schedules)):
            return ""
        params = {"schedule_id": rng.choice(known), "enabled": True, "period_s": rng.choice((300, 1_800, 86_400))}
        self._host.call("jobs.schedules.update", params)
        return str(params)

    def run_schedule(self, rng: Random) -> str:
        ids = ["maintenance.backup", "maintenance.prune", "maintenance.vacuum", *self._host.memory.schedules]
        chosen = rng.choice(ids)
        self._host.call("jobs.schedules.run", {"schedule_id": chosen})
        return chosen

    def deaf(self, rng: Random) -> str:
        delay_s = rng.choice((1, 60, 600))
        self._host.reads = False
        self._later(delay_s, self._listen)
        return f"for {delay_s} s"

    def _listen(self) -> None:
        self._host.reads = True

    def flood(self, rng: Random) -> str:
        """Makes the process say much to a host that does not read it at once."""
        number = rng.choice((20, 20, 20, 60, 60, 400))
        self._host.reads = False
        self._later(20, self._listen)
        for _ in range(number):
            self._host.call("jobs.list", {"limit": 50})
        return f"{number} lists"

    def wake(self, rng: Random) -> str:
        self._host.call("jobs.queue.wake", {})
        return "the queue"

    def reload(self, rng: Random) -> str:
        """Ends the process politely."""
        if rng.random() < 0.5:
            self._host.call("shutdown", {"deadline_ms": rng.choice((0, 500, 5_000))})
        self._host.hang_up()
        return "the process"

    def key(self, rng: Random) -> str:
        """Hands over another key at the next handshake, or none."""
        self._host.key = rng.choice((*KEYS, None))
        return "none" if self._host.key is None else f"number {KEYS.index(self._host.key)}"

    def be_kind(self) -> None:
        """Ends all trouble."""
        self._host.reads, self._host.key = True, KEYS[0]
        self._is_kind = True
        if self._host.is_ready:
            self.on_ready()

    def on_ready(self) -> None:
        """Does what the host does after each handshake."""
        self._host.repeat_unanswered()
        if self._is_kind:
            self._resume()

    # --- arguments ------------------------------------------------------------------------------------------------

    def _any(self, rng: Random) -> Asked:
        declared = rng.choice(self._methods)
        params: Json = {}
        for one in declared["params"]:
            if one.get("required") or rng.random() < 0.3:
                value = self._value(one["name"], one["schema"], rng)
                if value is not None:
                    params[one["name"]] = value
        return declared["name"], params

    def _value(self, name: str, schema: Json, rng: Random) -> Any:
        hours = rng.randint(-1_000, 1_000)
        jobs = [one.job_id for one in self._host.memory.promises.values() if one.job_id]
        pools: dict[str, list[Any]] = {
            "start": [iso(self._now_ms() + min(hours, 0) * HOUR_MS)],
            "end": [iso(self._now_ms() + max(hours, 1) * HOUR_MS)],
            "time_zone": list(ZONES),
            "query": ["Task", "thought*", '"', "A AND", "wörk"],
            "limit": [1, 3, 50],
            "after_seq": [0, max(0, self._host.memory.last_seq - 50), self._host.memory.last_seq + 5],
            "job_id": [*jobs[-20:], "01900000-0000-7000-8000-000000000000"],
            "schedule_id": [*self._host.memory.schedules, "maintenance.backup", "none"],
            "cursor": ["AAAA", None],
            **{key: [*values, "nothing"] for key, values in self.known.items()},
        }
        if name in pools:
            return rng.choice(pools[name])
        kinds = [one for one in schema.get("anyOf", [schema]) if one.get("type") != "null"]
        kind = rng.choice(kinds)
        if "enum" in kind:
            return rng.choice(kind["enum"])
        chosen: Json = {"boolean": rng.random() < 0.5, "integer": rng.randint(0, 9), "string": "jira"}
        return chosen.get(kind.get("type", ""))
