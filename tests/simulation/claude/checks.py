"""The sentences about Claude that are checked through the host: while a life goes on, and at its end."""

from collections.abc import Callable
from typing import Any, Final

from sidecar.clock import iso
from tests.simulation.claude.output import MESSAGE_USD
from tests.simulation.claude.world import Delivery, Prompt, World
from tests.simulation.host import Host, Json, Refused, Script
from tests.simulation.invariants import may_be_deleted

FINAL: Final = frozenset({"succeeded", "failed", "cancelled", "interrupted"})
LOOK_S: Final = 290.0
AGAIN_S: Final = 30.0
CENT: Final = 1e-6
RECENT_MS: Final = 120_000
"""How long ago a turn of Claude's own has begun at most that may still run at the end: Claude has scheduled it."""


class ClaudeChecks:
    """Looks at times, and at the end.

    A session that is called running has a turn; a question that waits is shown to the host.
    Once the world is kind: every prompt has an outcome, which is what Claude has answered, or a reason why not; no
    session is running or limited; no question is open.
    """

    def __init__(self, life: Any, world: World) -> None:
        self._life = life
        self._host: Host = life.host
        self._fail: Callable[[str, object], None] = life.fail
        self.world = world
        self._shared: set[str | None] = set()
        """The jobs whose answer is also that of prompts which were read in their turns."""

    def begin(self) -> None:
        self._life.later(LOOK_S, self._look)

    def forget(self) -> None:
        """Forgets what another database cannot know."""
        self._shared.clear()

    def note(self, job: Json) -> None:
        """Notes whose answer the result of a job is; a retry deletes the result."""
        self._shared.add((job["result"] or {}).get("answered_by"))

    def _look(self) -> None:
        """Asks at times whether the sessions that run have a turn, and whether questions are shown."""
        self._life.later(LOOK_S, self._look)
        has_some = self.world.asked or any(one["status"] == "running" for one in self._life.claude.sessions.values())
        if has_some and self._host.is_ready and self._is_well():
            self._host.play(self._find_suspects())

    def _is_well(self) -> bool:
        return not self._life.disk.has_problem

    def _find_suspects(self) -> Script:
        start, fine_since = self._life.starts, self._life.disk.fine_since
        idle = yield from self._without_turn()
        asked = {use_id for use_id, (_, at) in self.world.asked.items() if at < self._life.now - AGAIN_S}
        hidden = yield from self._not_shown(asked)

        def look_again() -> None:
            same = (self._life.starts, self._life.disk.fine_since) == (start, fine_since)
            if same and self._host.is_ready and self._is_well() and (idle or hidden):
                self._host.play(self._judge(idle, hidden))

        self._life.later(AGAIN_S, look_again)

    def _judge(self, idle: set[str], hidden: set[str]) -> Script:
        again = yield from self._without_turn()
        if idle & again:
            self._fail("A session that is called running has a turn.", idle & again)
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
        left = [
            one for one in jobs.values() if one["status"] not in FINAL and "What is new" not in one["payload"]["prompt"]
        ]
        recent = iso(self._host.now_ms() - RECENT_MS)
        own = [one for one in left if one["payload"].get("is_own") and one["created_at"] > recent]
        if len(left) > len(own):
            self._fail("Once the world is kind, every prompt is answered or has failed.", left)
        sessions = yield "claude.sessions.list", {"limit": 200}
        busy = [one for one in sessions["sessions"] if one["status"] in ("running", "limited")]
        if {one["session_id"] for one in busy} - {one["payload"]["session_id"] for one in own}:
            self._fail("Once the world is kind, no session is running.", busy)
        open_ones = yield "claude.permissions.list", {"status": "open", "limit": 200}
        if open_ones["requests"]:
            self._fail("Once the world is kind, every question is answered.", open_ones["requests"])
        for job in jobs.values():
            self.note(job)
        for prompt in self.world.acknowledged():
            if prompt.session_id not in self.world.deleted:
                self._check_outcome(prompt, jobs.get(prompt.job_id or ""))
        self._life.note(
            f"{len(self.world.deliveries)} prompts of {len(self.world.prompts)} have reached Claude", "check"
        )

    def _check_outcome(self, prompt: Prompt, job: Json | None) -> None:
        if job is None and may_be_deleted(self._host, prompt.job_id or ""):
            return
        if job is None:
            self._fail("A prompt that was acknowledged exists.", prompt)
            return
        read = [one for one in self.world.deliveries if one.marker == prompt.marker]
        if job["status"] == "succeeded":
            self._check_answer(prompt, job, read)
        elif job["status"] != "cancelled" and not (job["error"] or {}).get("kind"):
            self._fail("A prompt without an answer says why.", (prompt, job))

    def _check_answer(self, prompt: Prompt, job: Json, read: list[Delivery]) -> None:
        result, texts = job["result"], self.world.answer_to(prompt.marker)
        if result.get("answered_by") or job["job_id"] in self._shared:  # several prompts were read in one turn
            if not read:
                self._fail("A prompt that has succeeded has reached Claude.", (prompt, job))
            return
        is_again = prompt.is_retried and result["text"] in texts  # the answer to the repetition may be empty
        if not texts or (result["text"] != next((one for one in reversed(texts) if one), "") and not is_again):
            self._fail("A prompt's job has the answer that Claude has given.", (prompt, texts, job))
        is_alone = len(read) == 1 and result["num_turns"] == len(read[0].results)  # no turn of Claude's own before it
        if is_alone and abs((result["total_cost_usd"] or 0) - MESSAGE_USD * read[0].billed) > CENT:
            self._fail("A prompt's job has the cost that Claude has reported.", (read, job))
