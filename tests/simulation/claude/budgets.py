"""The truth about budgets, as far as the host knows it: what was acknowledged, and what ended jobs have cost.

No turn or run begins once the budget of its session or of the day is spent, and none goes on for more than one answer
beyond its session's.
"""

from datetime import date, datetime
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo

if TYPE_CHECKING:
    from tests.simulation.claude.cli import Cli
    from tests.simulation.claude.world import Delivery

Json = dict[str, Any]
SLACK_S: Final = 60.0
"""Time in which a turn that was let begin before still reaches Claude."""
CENT: Final = 0.01
"""The price of an answer."""


class BudgetTruth:
    """The budgets of sessions by id, and that of a day, whose owner is None."""

    def __init__(self, life: Any) -> None:
        self._life = life
        self._zone = ZoneInfo(life.plan.zone)
        self.forget()

    def forget(self) -> None:
        """Forgets what another database cannot know."""
        self._limits: dict[str | None, tuple[float, float]] = {}
        """Dollars, and since when."""
        self._costs: dict[str, tuple[str | None, float, object]] = {}
        """The costs of ended jobs by id: the session, dollars, and the day."""
        self._spent_since: dict[str | None, float] = {}

    def set(self, owner: str | None, max_usd: float | None) -> None:
        """Notes a budget; None if there is none, or it is not known."""
        self._limits.pop(owner, None)
        if max_usd is not None:
            self._limits[owner] = max_usd, self._life.now
        self._look()

    def note(self, job: Json) -> None:
        """Notes what a job has cost."""
        result = job["result"] or {}
        if job["status"] == "succeeded" and not result.get("answered_by") and result.get("total_cost_usd"):
            begun, ended = (self._day_of(datetime.fromisoformat(job[name])) for name in ("started_at", "finished_at"))
            session_id, day = job["payload"].get("session_id"), self._day()
            if job["type"] == "claude.run":
                session_id = None
            is_today = (begun, ended) == (day[0], day[0])
            self._costs[job["job_id"]] = session_id, result["total_cost_usd"], day if is_today else None
            self._look()

    def check_begin(self, cli: "Cli", delivery: "Delivery") -> None:
        """Checks that a turn may begin."""
        self._look()
        for owner in (cli.owner, None):
            since = self._spent_since.get(owner)
            if since is not None and self._life.now - since > SLACK_S:
                details = delivery, self._limits[owner], self.spent(owner)
                self._life.fail("No turn begins once its budget is spent.", details)

    def check_message(self, owner: str, delivery: "Delivery") -> None:
        """Checks that a turn may have another answer, if its budget was known when it began, and a price.

        Whether it may have the first one is decided when it is let begin.
        """
        limit, since = self._limits.get(owner, (None, 0.0))
        if limit is None or not self._costs or delivery.at < since or delivery.begun < 2:
            return
        before = self.spent(owner) + CENT * (delivery.begun - 2)
        if before > limit - CENT / 10:
            self._life.fail("No turn goes on for more than one answer beyond its budget.", (delivery, limit, before))

    def _look(self) -> None:
        spent = {owner for owner, (limit, _) in self._limits.items() if self.spent(owner) > limit - CENT / 10}
        self._spent_since = {owner: self._spent_since.get(owner, self._life.now) for owner in spent}

    def spent(self, owner: str | None) -> float:
        """Returns what a session has spent, or all on this day, in dollars."""
        day = self._day()
        return sum(
            usd for session_id, usd, on in self._costs.values() if (on == day if owner is None else session_id == owner)
        )

    def _day(self) -> tuple[date, int, int]:
        """Returns the day, and how wrong the clock is: what was noted by another clock may be of another day."""
        clock = self._life.clock
        return self._day_of(datetime.fromtimestamp(clock.now_ms() / 1_000, self._zone)), clock.error_ms, clock.drift_ppm

    def _day_of(self, moment: datetime) -> date:
        return moment.astimezone(self._zone).date()
