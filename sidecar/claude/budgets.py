"""Budgets of days and sessions: the table `claude_budgets`, and the count of what runs and turns spend while they run.

The CLI reports costs with its results only, so what an answer costs until then is estimated from its tokens.
"""

import logging
import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final

from sidecar_protocol.claude.budgets import Budgets, ClaudeBudget
from sidecar_protocol.claude.runs import ClaudeUsage
from sidecar_protocol.claude.sessions import SessionNotFound

from sidecar.claude.billing import RunUsage
from sidecar.claude.sessions.journal import SessionStore
from sidecar.claude.stream import RunReader
from sidecar.claude.usage import UsageStore
from sidecar.clock import DAY_MS, Clock, iso
from sidecar.days import begins_ms, moment
from sidecar.job_handler import JobFailed
from sidecar.json_reader import get_text
from sidecar.storage.database import Database

log = logging.getLogger(__name__)

WEIGHTS: Final = {
    "input_tokens": 1.0,
    "output_tokens": 5.0,
    "cache_creation_input_tokens": 1.25,
    "cache_read_input_tokens": 0.1,
}
"""Price of a token relative to an input token: the same for all models on Anthropic's price list."""
UNKNOWN_PRICE_USD: Final = 15e-6
"""Price of an input token of a model without a known cost: that of the most expensive models, so that caps hold."""
PRICED_MS: Final = 30 * DAY_MS
"""Age up to which costs say what a model's tokens cost."""
USAGE_EVENTS: Final = ("message_start", "message_delta")


@dataclass(slots=True)
class Watch:
    """The spending of one attempt of a run or a turn.  `stop` is called once, when a budget is reached."""

    budgets: "BudgetBook"
    job_id: str
    session_id: str | None
    reader: RunReader
    stop: Callable[[], None]
    reached: JobFailed | None = None

    def on_line(self, line: Mapping[str, Any] | None) -> None:
        """Counts what a line reports, after the reader has read it."""
        if line is None or self.reached is not None or not _has_usage(line):
            return
        self.budgets.live[self.job_id] = self.session_id, self.reader.usage
        try:
            self.reached = self.budgets.spent_budget(self.session_id, "was reached, and Claude was stopped")
        except sqlite3.Error:
            log.exception("what Claude has spent could not be read")
        if self.reached is not None:
            self.stop()


@dataclass(frozen=True, slots=True)
class BudgetBook:
    """Every statement about budgets, and what is spent of them.

    `live` is the usage of what is running, by job, until it is stored.
    """

    database: Database
    clock: Clock
    usage: UsageStore
    live: dict[str, tuple[str | None, RunUsage]] = field(default_factory=dict)

    def max_usd(self, session_id: str | None) -> float | None:
        """Returns the budget of a session, or of a day."""
        found: float | None = self.database.value(
            "SELECT max_usd FROM claude_budgets WHERE session_id IS ?", (session_id,)
        )
        return found

    def set_max_usd(self, session_id: str | None, max_usd: float | None) -> None:
        with self.database.write():
            self.database.execute("DELETE FROM claude_budgets WHERE session_id IS ?", (session_id,))
            if max_usd is not None:
                sql = "INSERT INTO claude_budgets (session_id, max_usd) VALUES (?, ?)"
                self.database.execute(sql, (session_id, max_usd))

    def copy(self, session_id: str, fork_id: str) -> None:
        """Gives a fork the budget of its session; call it in the transaction that creates the fork."""
        self.set_max_usd(fork_id, self.max_usd(session_id))

    def day_ms(self) -> tuple[int, int]:
        """Returns when the current day of this computer begins and ends."""
        today = moment(self.clock.now_ms()).astimezone().date()
        return begins_ms(today, None), begins_ms(today + timedelta(days=1), None)

    def spent_usd(self, session_id: str | None) -> float:
        """Returns what a session has spent, or all on this day, with what is running, in dollars with nine decimals.

        Ten costs of 0.01 would otherwise be less than a budget of 0.1, as sums of binary fractions.
        """
        since = iso(self.day_ms()[0]) if session_id is None else None
        stored = self.usage.totals(since=since, session_id=session_id)
        running = [usage for owner, usage in self.live.values() if session_id in (None, owner)]
        prices: dict[str, float] = {}
        if any(not has_cost for _, has_cost, _ in stored) or any(one.messages for one in running):
            prices = self._prices()
        spent = 0.0
        for model, has_cost, usage in stored:
            spent += usage.cost_usd if has_cost else _estimate(usage.tokens, model, prices)
        for one in running:
            spent += one.cost_usd or 0.0
            spent += sum(_estimate(message.tokens, message.model, prices) for message in one.messages)
        return round(spent, 9)

    def spent_budget(self, session_id: str | None, what: str = "is spent") -> JobFailed | None:
        """Returns the failure of a run or a turn whose budget is spent, that of its session or of the day."""
        owners: tuple[str | None, ...] = (None,) if session_id is None else (session_id, None)
        for owner in owners:
            max_usd = self.max_usd(owner)
            if max_usd is not None and (spent_usd := self.spent_usd(owner)) >= max_usd:
                name = "Claude's budget for today" if owner is None else "The budget of this session"
                later = "wait until tomorrow" if owner is None else "go on in a new session"
                return JobFailed(
                    f"{name} {what}: {spent_usd:.2f} of {max_usd:.2f} US dollars.",
                    kind="budget_spent",
                    hint=f"Raise it with claude.budgets.update, or {later}.",
                    details={"session_id": owner, "max_usd": max_usd, "spent_usd": round(spent_usd, 6)},
                )
        return None

    def require(self, session_id: str | None) -> None:
        """Raises `JobFailed` (`budget_spent`) if nothing more may be started."""
        if (failure := self.spent_budget(session_id)) is not None:
            raise failure

    def _prices(self) -> dict[str, float]:
        """Returns the price of an input token by model, from what its answers have cost."""
        priced = self.usage.totals(since=iso(self.clock.now_ms() - PRICED_MS))
        return {
            model: usage.cost_usd / weight
            for model, has_cost, usage in priced
            if has_cost and (weight := _weight(usage.tokens)) > 0
        }


def _weight(tokens: ClaudeUsage) -> float:
    counts: dict[str, int] = tokens.model_dump()
    return sum(weight * counts[name] for name, weight in WEIGHTS.items())


def _estimate(tokens: ClaudeUsage, model: str, prices: Mapping[str, float]) -> float:
    price: float = prices.get(model, UNKNOWN_PRICE_USD)
    return _weight(tokens) * price


def _has_usage(line: Mapping[str, Any]) -> bool:
    kind = line.get("type")
    return kind in ("assistant", "result") or (
        kind == "stream_event" and get_text(line, "event", "type") in USAGE_EVENTS
    )


class BudgetsService(Budgets):
    """Implements `Budgets`."""

    def __init__(self, book: BudgetBook, sessions: SessionStore) -> None:
        self._book = book
        self._sessions = sessions

    async def get(self, *, session_id: str | None = None) -> ClaudeBudget:
        if session_id is not None and self._sessions.get(session_id) is None:
            raise SessionNotFound
        return ClaudeBudget(
            session_id=session_id,
            max_usd=self._book.max_usd(session_id),
            spent_usd=self._book.spent_usd(session_id),
            resets_at=iso(self._book.day_ms()[1]) if session_id is None else None,
        )

    async def update(self, *, max_usd: float | None = None, session_id: str | None = None) -> ClaudeBudget:
        if session_id is not None and self._sessions.get(session_id) is None:
            raise SessionNotFound
        self._book.set_max_usd(session_id, max_usd)
        return await self.get(session_id=session_id)
