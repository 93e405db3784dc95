"""A host that is recorded while it makes random calls, in several lives: jobs, schedules, runs of Claude, sessions with
their questions, and a calendar file.
"""

import random
from pathlib import Path
from typing import Any, Final

from tests.process.raw_client import RawClient, line

CLAUDE: Final = str(Path(__file__).parents[1] / "fakes" / "claude")
FINAL: Final = {"succeeded", "failed", "cancelled", "interrupted"}
MAX_POLLS: Final = 200
"""Polls after which a job is left alone, since it may wait for a person."""
ALL: Final = {"start": "2026-01-01T00:00:00Z", "end": "2100-01-01T00:00:00Z"}
RUNS: Final = ("hello", "[[tool]]", "[[think]]", "[[exit:3]]", "[[slow:5]] one two three four five", "[[retry]] hi")
TURNS: Final = ("hello", "[[tool]]", '[[ask:Bash:{"command":"ls"}]]', "[[think]]", "[[slow:3]] a b c d", "/clear")
DAYS: Final = {"start": "2026-01-01T00:00:00Z", "end": "2026-03-01T00:00:00Z"}
CALENDAR: Final = (
    "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:a\r\nBEGIN:VEVENT\r\nUID:a@example.com\r\nDTSTART:20260105T090000Z\r\n"
    "DTEND:20260105T100000Z\r\nRRULE:FREQ=WEEKLY;COUNT=5\r\nSUMMARY:Weekly\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
)
BROKEN: Final = (
    b"nonsense\n",
    line("no.such", "z"),
    line("jobs.get", "z", job_id="none"),
    b'{"jsonrpc":"2.0","id":1}\n',
)


class Life:
    """One life of the sidecar: what its host has created, and the calls that it can make."""

    def __init__(self, host: RawClient, random_: random.Random, folder: Path) -> None:
        self._host = host
        self._random = random_
        self._folder = folder
        self._jobs: list[str] = []
        self._sessions: list[str] = []
        self._schedules: list[str] = []
        self._accounts: list[str] = []

    def step(self, number: int) -> None:
        """Makes a random call, if there is what it needs."""
        steps = [name for name in dir(self) if name.startswith("call_")]
        getattr(self, self._random.choice(steps))(number)

    def _job(self, answer: Any) -> None:
        self._jobs += [one["job_id"] for one in (answer, answer.get("job") or {}) if "job_id" in one]

    def _create(self, job_type: str, **more: Any) -> None:
        self._job(self._host.call("jobs.create", type=job_type, **more))

    def call_create(self, _: int) -> None:
        key = {"idempotency_key": f"k{self._random.randint(1, 3)}"} if self._random.random() < 0.3 else {}
        self._create("maintenance." + self._random.choice(["backup", "vacuum", "prune"]), **key)

    def call_create_another(self, _: int) -> None:
        self._create(self._random.choice(["maintenance.backup", "maintenance.prune"]))

    def call_create_later(self, _: int) -> None:
        self._create("maintenance.prune", run_at=self._random.choice(["2100-01-01T00:00:00Z", "2020-01-01T00:00:00Z"]))

    def call_export(self, number: int) -> None:
        source: dict[str, Any] = self._random.choice([{}, {"source": "jira"}])  # of Jira there is nothing
        payload = {"path": str(self._folder / f"{number}.csv"), "overwrite": self._random.random() < 0.5, **ALL}
        self._create("activity.export", payload={**payload, **source})

    def call_pipeline(self, number: int) -> None:
        ids = [f"p{number}-{index}" for index in range(self._random.randint(2, 6))]
        self._host.send(b"".join(line("jobs.create", one, type="maintenance.prune") for one in ids))
        for one in ids:
            self._job(self._host.answer(one)["result"])

    def call_run(self, _: int) -> None:
        self._job(self._host.call("claude.spawn", prompt=self._random.choice(RUNS)))

    def call_create_session(self, _: int) -> None:
        self._sessions.append(self._host.call("claude.sessions.create", title="A")["session_id"])

    def call_sessions(self, _: int) -> None:
        if not self._sessions:
            return
        session = {"session_id": self._random.choice(self._sessions)}
        match self._random.choice(["send", "send", "interrupt", "update", "fork", "messages", "delete"]):
            case "send":
                self._job(self._host.call("claude.sessions.send", prompt=self._random.choice(TURNS), **session))
            case "interrupt":
                self._host.call("claude.sessions.interrupt", **session)
            case "update":
                self._host.call("claude.sessions.update", title="New", **session)
                self._host.call("claude.sessions.list")
            case "fork":
                forked = self._host.call("claude.sessions.fork", **session)
                self._sessions += [forked["session_id"]] if "session_id" in forked else []
            case "messages":
                self._host.call("claude.messages.list", limit=5, **session)
            case _:
                self._sessions.remove(session["session_id"])
                self._host.call("claude.sessions.delete", **session)

    def call_poll(self, _: int) -> None:
        if self._jobs:
            job_id = self._random.choice(self._jobs)
            for _ in range(MAX_POLLS):
                if self._host.call("jobs.get", job_id=job_id).get("status") in FINAL:
                    break

    def call_cancel(self, _: int) -> None:
        if self._jobs:
            self._host.call("jobs.cancel", job_id=self._random.choice(self._jobs))

    def call_retry(self, _: int) -> None:
        if self._jobs:
            self._host.call("jobs.retry", job_id=self._random.choice(self._jobs))

    def call_list(self, _: int) -> None:
        self._host.call("jobs.list", limit=self._random.randint(1, 10))
        self._host.call("jobs.queue.get")

    def _batch(self, *requests: bytes) -> None:
        self._host.send(b"[" + b",".join(one.strip() for one in requests) + b"]\n")
        assert isinstance(self._host.next_answer(), list)

    def call_batch(self, _: int) -> None:
        self._batch(line("jobs.list", "b1", limit=2), line("system.health", "b2"))

    def call_batch_about_a_job(self, _: int) -> None:
        if self._jobs:
            about = {"job_id": self._random.choice(self._jobs)}
            calls = self._random.choices(["jobs.cancel", "jobs.get", "jobs.retry", "jobs.get"], k=4)
            self._batch(*(line(name, f"b{index}", **about) for index, name in enumerate(calls)))

    def call_cancel_after_some_polls(self, _: int) -> None:
        """Cancels a short job about when it ends."""
        job_type = self._random.choice(["maintenance.prune", "maintenance.backup"])
        job_id = self._host.call("jobs.create", type=job_type)["job"]["job_id"]
        for _ in range(self._random.randint(0, 12)):
            self._host.call("jobs.get", job_id=job_id)
        if self._random.random() < 0.5:
            self._host.call("jobs.cancel", job_id=job_id)
        else:
            self._batch(*(line(f"jobs.{name}", name, job_id=job_id) for name in ("cancel", "get")))
        self._jobs.append(job_id)

    def call_pause(self, _: int) -> None:
        self._host.call("jobs.queue.pause")
        self._create("maintenance.prune")
        self._host.call("jobs.queue.resume")

    def call_schedule(self, _: int) -> None:
        when: dict[str, Any] = self._random.choice([{"period_s": 3600}, {"rrule": "FREQ=DAILY;BYHOUR=9;BYMINUTE=0"}])
        made = self._host.call("jobs.schedules.create", title="S", type="maintenance.backup", **when)
        self._schedules.append(made["schedule_id"])

    def call_run_schedule(self, _: int) -> None:
        if self._schedules:
            self._host.call("jobs.schedules.run", schedule_id=self._random.choice(self._schedules))
            self._host.call("jobs.schedules.runs.list")
            self._host.call("jobs.schedules.list")

    def call_change_schedule(self, _: int) -> None:
        if not self._schedules:
            return
        schedule = {"schedule_id": self._random.choice(self._schedules)}
        match self._random.choice(["rename", "disable", "delete"]):
            case "rename":
                self._host.call("jobs.schedules.update", title=self._random.choice("TU"), **schedule)
            case "disable":
                self._host.call("jobs.schedules.update", enabled=False, **schedule)
            case _:
                self._schedules.remove(schedule["schedule_id"])
                self._host.call("jobs.schedules.delete", **schedule)

    def call_decide(self, _: int) -> None:
        """Answers one of Claude's questions, if there are any."""
        for one in self._host.call("claude.permissions.list", status="open", limit=1)["requests"]:
            decision = self._random.choice(["allow", "deny"])
            self._host.call("claude.permissions.respond", request_id=one["request_id"], decision=decision)
            self._host.call("claude.decisions.list")

    def call_connect_calendar(self, _: int) -> None:
        file = calendar_file(self._folder)
        file.write_bytes(CALENDAR.encode())
        credentials = {"address": str(file)}
        made = self._host.call(
            "calendar.accounts.create", provider="ics", email="a@example.com", credentials=credentials
        )
        self._accounts += [made["account_id"]] if "account_id" in made else []

    def call_calendar(self, _: int) -> None:
        if not self._accounts:
            return
        account = {"account_id": self._random.choice(self._accounts)}
        match self._random.choice(["sync", "sync", "rename", "list", "delete"]):
            case "sync":
                self._job(self._host.call("calendar.accounts.sync", **account))
            case "rename":
                self._host.call("calendar.accounts.update", display_name=self._random.choice("XY"), **account)
            case "list":
                self._host.call("calendar.accounts.list")
                self._host.call("calendar.events.list", **DAYS)
            case _:
                self._accounts.remove(account["account_id"])
                self._host.call("calendar.accounts.delete", **account)

    def call_broken(self, _: int) -> None:
        self._host.send(self._random.choice(BROKEN))
        self._host.next_answer()

    def call_reads(self, _: int) -> None:
        match self._random.choice(["search", "feed", "system", "trust", "claude", "log", "budgets"]):
            case "search":
                self._host.call("activity.search", query="hello")
                self._host.call("claude.messages.search", query="hello")
            case "feed":
                self._host.call("claude.usage.list", **ALL)
                self._host.call("activity.events.list", **ALL)
                self._host.call("activity.summary", time_zone="Europe/Berlin", **DAYS)
                self._host.call("activity.heatmap", time_zone="Europe/Berlin", **DAYS)
            case "system":
                for name in ("diagnostics", "status", "health"):
                    self._host.call(f"system.{name}")
            case "trust":
                self._host.call("claude.trust.check")
            case "claude":
                for name in ("status", "conversations.list", "tasks.list"):
                    self._host.call(f"claude.{name}")
                for one in self._sessions[-1:]:
                    self._host.call("claude.sessions.export", session_id=one)
            case "log":
                self._host.call("events.replay", after_seq=self._random.randint(0, 20))
                for one in self._jobs[-1:]:
                    self._host.call("jobs.log.list", job_id=one)
                    self._host.call("claude.runs.get", job_id=one)
            case _:
                self._host.call("claude.budgets.update", max_usd=5)
                self._host.call("claude.budgets.get")


def calendar_file(folder: Path) -> Path:
    """Returns the path of the calendar file, the only secret in a recording."""
    return folder / "team.ics"


def record(seed: int, path: Path, folder: Path) -> None:
    """Records a host's lives into a transcript.  Its sidecars keep data and write files in an existing folder."""
    random_ = random.Random(seed)
    resume: dict[str, dict[str, Any]] = {}
    for life in range(random_.choice([1, 1, 2, 3])):
        with RawClient(folder / "data", "--record", str(path), CLAUDE_PATH=CLAUDE) as host:
            epoch = host.initialize(**(resume if random_.random() < 0.7 else {}))["events"]["epoch"]
            resume = {"resume": {"epoch": epoch, "after_seq": random_.randint(0, 10)}}
            calls = Life(host, random_, folder)
            for number in range(random_.randint(5, 25)):
                calls.step(100 * life + number)
            if random_.random() < 0.3:
                host.process.kill()
            else:
                host.close_stdin()
                host.remaining()
                host.exit_code()
