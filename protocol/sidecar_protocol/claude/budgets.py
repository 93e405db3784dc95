"""Budgets: the cost that Claude may reach on a day, and in a session.  That of a run is its `max_budget_usd`."""

from typing import Protocol

from sidecar_protocol.claude.runs import Budget
from sidecar_protocol.claude.sessions import SessionNotFound
from sidecar_protocol.contract import Model, method
from sidecar_protocol.scalars import SessionId, UtcTime, Uuid


class ClaudeBudget(Model):
    """A budget, and how much of it is spent.

    Costs are Claude Code's estimates at list prices, also for a subscription, which is not billed by them.
    Where one is not known yet, the tokens are counted, at the price that earlier answers of the model had.
    """

    session_id: Uuid | None
    """Null for the budget of a day."""
    max_usd: float | None
    """Null if there is no limit."""
    spent_usd: float
    """Cost in the session, or of all runs and turns since the beginning of the day; running ones count too."""
    resets_at: UtcTime | None
    """When the next day begins on this computer; null for a session."""


class Budgets(Protocol):
    """The budgets.  Runs and turns that reach one are stopped, and further ones fail at once, with `budget_spent`."""

    @method("claude.budgets.get", raises=(SessionNotFound,))
    async def get(self, *, session_id: SessionId | None = None) -> ClaudeBudget:
        """Returns the budget of a session; without one, that of a day for all runs and sessions."""
        ...

    @method("claude.budgets.update", raises=(SessionNotFound,))
    async def update(self, *, max_usd: Budget | None = None, session_id: SessionId | None = None) -> ClaudeBudget:
        """Sets the budget of a session, or without one that of a day; null removes it.

        It is valid at once, also for what is running.  An answer that reaches it can exceed it; what subagents write is
        counted when they end.  A fork of the session gets the same budget, of which it has spent nothing.
        """
        ...
